#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "inventory/window.h"

/* An inventory of ten thousand backups is a file of many megabytes, of which few
 * are kept. It passes through a window that holds one piece: a document, or an
 * item of a List. Any doubt ends the attempt, and the file is read whole. */

/* The line that begins `at` bytes after the window's start; empty at the end. */
static struct str window_line(struct window *window, size_t at)
{
    for (;;) {
        struct str text = window_text(window, window->len - window->start);
        struct str line = yaml_text_line(text, at);
        if (window->eof || window->failed || (line.len && line.ptr[line.len - 1] == '\n'))
            return line;
        window_fill(window);
    }
}

/* From a "- " at the start of a line to the next line that is not indented. */
static bool load_stream_item(struct load *load, struct window *window)
{
    size_t at = 0;
    struct str line = window_line(window, 0);
    do {
        at += line.len;
        line = window_line(window, at);
    } while (line.len && (line.ptr[0] == ' ' || line.ptr[0] == '\n'));
    bool good = !window->failed && load_piece(load, window_text(window, at), 1, PIECE_ITEM);
    window->start += at;
    return good;
}

/* What stands around the items: above them, and from their end on. */
static bool load_list(struct load *load, struct window *window, size_t at, struct buf *around)
{
    buf_clear(around);
    buf_add(around, window_text(window, at));
    window->start += at;
    while (str_starts(window_line(window, 0), STR("- ")))
        if (!load_stream_item(load, window))
            return false;
    for (struct str line; (line = window_line(window, 0)).len && !yaml_is_marker(line);) {
        if (line.ptr[0] == '-')
            return false;
        buf_add(around, line);
        window->start += line.len;
    }
    return !window->failed && !around->failed && load_piece(load, buf_str(around), 1, PIECE_LIST);
}

static bool load_stream_document(struct load *load, struct window *window, struct buf *around)
{
    bool begun = false;
    size_t at = 0;
    for (struct str line; (line = window_line(window, at)).len; at += line.len) {
        bool marker = yaml_is_marker(line);
        if (marker && begun)
            break;
        begun |= marker || !yaml_is_prologue(line);
        if (str_is(line, "items:\n") && str_starts(window_line(window, at + line.len), STR("- ")))
            return load_list(load, window, at + STR("items:\n").len, around);
    }
    bool good = !window->failed && (!at || load_piece(load, window_text(window, at), 1, PIECE_DOCUMENT));
    window->start += at;
    return good;
}

bool load_stream(struct load *load, const char *path)
{
    enum { AROUND_LIMIT = 64 << 10 };
    CLEANUP(window_dispose) struct window window = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat info;
    BUF_SCOPED around;
    buf_init(&around, AROUND_LIMIT);
    if (window.fd < 0 || fstat(window.fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size < LOAD_WHOLE)
        return false;
    if (!window_has(&window, 0))
        return false;
    char first = *window_text(&window, 1).ptr;
    if (first == '{')
        return load_json_list(load, &window);
    if (!first || strchr("[ \t\r\n\xef\xfe\xff", first)) /* other JSON, or another encoding */
        return false;
    while (window_line(&window, 0).len)
        if (!load_stream_document(load, &window, &around))
            return false;
    return !window.failed;
}
