/* A file that passes through a window holding one piece of it, or a text in memory seen the same way. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inventory/files/files.h"

struct window {
    int fd; /* -1: all is in memory, and not the window's */
    const char *data;
    char *memory;           /* of the data of a file */
    size_t start, len, cap; /* the unread bytes: data[start..len) */
    size_t total;
    bool eof, failed;
};
/* Whether the byte `at` bytes after the window's start exists; reads on to it. */
static void window_dispose(struct window *window)
{
    if (window->fd < 0)
        return;
    close(window->fd);
    free(window->memory);
}

/* Reads more behind what is there, making room in front first. */
static void window_fill(struct window *window)
{
    enum { BLOCK = 64 << 10 };
    if (window->fd < 0)
        return;
    if (window->start && window->data) {
        memmove(window->memory, window->memory + window->start, window->len - window->start);
        window->len -= window->start;
        window->start = 0;
    }
    if (window->cap - window->len < BLOCK) {
        size_t cap = window->cap + window->cap / 2 + BLOCK;
        char *memory = realloc(window->memory, cap);
        window->failed |= !memory;
        if (!memory)
            return;
        window->data = window->memory = memory;
        window->cap = cap;
    }
    ssize_t got;
    do {
        got = read(window->fd, window->memory + window->len, BLOCK);
    } while (got < 0 && errno == EINTR);
    window->failed |= got < 0;
    window->eof |= got == 0;
    window->len += got > 0 ? (size_t)got : 0;
    window->total += got > 0 ? (size_t)got : 0;
    window->failed |= window->total > LOAD_LIMIT;
}

/* The first `len` unread bytes; valid until more is read. */
static struct str window_text(const struct window *window, size_t len)
{
    return (struct str){window->data ? window->data + window->start : "", len};
}

static bool window_reach(struct window *window, size_t at)
{
    while (at >= window->len - window->start && !window->eof && !window->failed)
        window_fill(window);
    return at < window->len - window->start && !window->failed;
}

static bool window_has(struct window *window, size_t at)
{
    return at < window->len - window->start || window_reach(window, at);
}

bool record_list_sink(void *list, struct record *record, struct error *error)
{
    struct record_list *records = list;
    if (!ARRAY_ROOM(records)) {
        shared_release(&record->shared);
        return error_set(error, 500, "out of memory");
    }
    records->items[records->len++] = record;
    return true;
}

static void record_list_shorten(struct record_list *records, size_t len)
{
    while (records->len > len)
        shared_release(&records->items[--records->len]->shared);
}

void record_list_clear(struct record_list *list)
{
    record_list_shorten(list, 0);
    free(list->items);
    *list = (struct record_list){0};
}

/* ---- pieces that were read before ------------------------------------------------ */

static void load_shorten(struct load *load, size_t records)
{
    record_list_shorten(load->records, records);
    while (load->pieces->len && load->pieces->items[load->pieces->len - 1].first >= records)
        load->pieces->len--;
}

void loaded_clear(struct loaded *loaded)
{
    record_list_clear(&loaded->records);
    free(loaded->pieces.items);
    *loaded = (struct loaded){.records = {0}};
}

/* Whoever writes the files may do worse than to make two texts that differ and have one digest: the key is no secret. */
static uint64_t load_digest(struct str begin, struct str text)
{
    static const uint64_t key[2] = {0x9e3779b97f4a7c15U, 0xd6e8feb86659fd93U};
    return digest_add(key, digest_add(key, 0, begin), text);
}

static int load_piece_order(const void *a, const void *b)
{
    const struct load_piece *left = a, *right = b;
    return left->digest < right->digest ? -1 : left->digest > right->digest;
}

/* Of a text without memory to note it, nothing is lost but time. */
static void load_note(struct load *load, uint64_t digest, size_t first)
{
    struct load_pieces *pieces = load->pieces;
    if (!load->before || !ARRAY_ROOM(pieces))
        return;
    pieces->items[pieces->len++] = (struct load_piece){digest, .first = first, .count = load->records->len - first};
}

/* The facts of a text that was there the last time are taken over. */
static bool load_again(struct load *load, uint64_t digest)
{
    const struct load_piece wanted = {digest, .count = 0};
    const struct load_piece *found = NULL;
    size_t first = load->records->len;
    if (load->before && load->before->pieces.len)
        found = bsearch(&wanted, load->before->pieces.items, load->before->pieces.len, sizeof wanted, load_piece_order);
    for (size_t i = 0; found && i < found->count; i++) {
        struct record *record = load->before->records.items[found->first + i];
        struct error ignored;
        shared_hold(&record->shared);
        if (!record_list_sink(load->records, record, &ignored)) {
            record_list_shorten(load->records, first);
            return false;
        }
    }
    if (found)
        load_note(load, digest, first);
    return found;
}

/* The facts of one text. What says that it holds all of a kind is read each time, since a digest tells nothing of that;
 * but for an item of the List that says so (of_list).
 * False, without any of them, where the object is wrong or could not be read for want of memory. */
static bool load_extract(struct load *load, const struct arena *arena, struct json_object *object, uint64_t digest,
                         bool of_list)
{
    bool listed[FACT_COUNT] = {false}, lists = false;
    struct extractor extractor = *load->extractor;
    size_t first = load->records->len;
    extractor.listed = extractor.listed ? listed : NULL;
    bool good = extract_object(&extractor, object, record_list_sink, load->records, load->error);
    if (!good || arena_failed(arena)) {
        load_shorten(load, first);
        return good ? error_set(load->error, 500, "out of memory") : false;
    }
    for (size_t f = 0; f < FACT_COUNT; f++)
        if (listed[f])
            load->extractor->listed[f] = lists = true;
    if (!lists || of_list)
        load_note(load, digest, first);
    return true;
}

/* ---- pieces ------------------------------------------------------------------------ */

/* A large plain document, or item of a List, without nodes and with no more of a tree than facts are taken from. */
static bool load_plain(struct load *load, struct arena *arena, struct str text, enum piece piece, uint64_t digest)
{
    struct yaml_outline outline;
    BUF_SCOPED json;
    buf_init(&json, DOCUMENT_LIMIT);
    if (text.len < JSON_WORTH_OPENING || !yaml_write_as_json(&json, text, NULL, &outline))
        return false;
    struct json_object *tree = json_open(arena, buf_str(&json), load->error);
    struct json_object *object = piece == PIECE_ITEM ? json_item(tree, 0) : tree;
    return object && load_extract(load, arena, object, digest, false);
}

/* Documents are read one at a time, so that their trees never stand in memory all
 * at once. What load_plain does not take is read with its nodes, which know the lines of what is wrong. */
static bool load_piece(struct load *load, struct str text, int64_t line, enum piece piece)
{
    ARENA_SCOPED arena = arena_new(DOCUMENT_LIMIT);
    struct yaml_document *document = NULL;
    uint64_t digest = 0;
    if (piece != PIECE_LIST) {
        digest = load_digest(piece == PIECE_ITEM ? STR("-") : STR(""), text);
        if (load_again(load, digest) || (arena && load_plain(load, arena, text, piece, digest)))
            return true;
    }
    const struct yaml_options options = {.lines_before = (unsigned)line - 1};
    struct error *error = load->error;
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (!yaml_load(arena, text, &options, &document, error))
        return false;
    bool alone = piece != PIECE_LIST && document && !document->next;
    for (; document; document = document->next) {
        struct json_object *object = piece == PIECE_ITEM ? json_item(document->tree, 0) : document->tree;
        if (piece == PIECE_LIST && !str_ends(json_get_str(object, "kind"), STR("List")))
            return error_set(error, 422, "not a List");
        bool good = !document->tree ||
                    (alone ? load_extract(load, arena, object, digest, false)
                           : extract_object(load->extractor, object, record_list_sink, load->records, error));
        if (good)
            continue;
        error->position = (int64_t)yaml_line(document, str_from(error->field));
        return false;
    }
    return true;
}

enum { AROUND_LIMIT = 64 << 10 };

/* The bytes up to and with the bracket of "items", which stands behind texts and the List's own metadata alone. */
static size_t items_begin(struct window *window)
{
    struct json_brackets brackets = {0};
    for (size_t at = 1; at < AROUND_LIMIT && window_has(window, at); at++) {
        char c = window->data[window->start + at];
        if (c == '[' && brackets.depth == 0 && !brackets.quoted)
            return at + 1;
        if (!json_brackets_take(&brackets, c) && c != ',')
            return 0;
    }
    return 0;
}

static bool names_items(struct str begin)
{
    begin = str_trim(str_slice(begin, 0, begin.len - 1));
    return str_ends(begin, STR(":")) && str_ends(str_trim(str_slice(begin, 0, begin.len - 1)), STR("\"items\""));
}

/* `begin`: a BackupList up to its items, which may not say what they are, so that each is read in it; absent
 * for a List of whatever it is. */
static bool load_json_item(struct load *load, struct str begin, struct str text)
{
    uint64_t digest = load_digest(begin, text);
    if (load_again(load, digest))
        return true;
    ARENA_SCOPED arena = arena_new(DOCUMENT_LIMIT);
    if (arena && begin.len)
        text = arena_printf(arena, "%.*s%.*s]}", STR_ARG(begin), STR_ARG(text));
    struct json_object *tree = NULL;
    if (arena && text.ptr)
        tree = (text.len < JSON_WORTH_OPENING ? json_build : json_open)(arena, text, load->error);
    return tree && load_extract(load, arena, tree, digest, begin.len > 0);
}

/* Whether it is the List of one kind; the items of another may be Lists themselves. */
static bool lists_one_kind(struct str begin)
{
    struct error ignored;
    ARENA_SCOPED arena = arena_new((size_t)4 * AROUND_LIMIT);
    struct str list = arena ? arena_printf(arena, "%.*s]}", STR_ARG(begin)) : (struct str){NULL, 0};
    struct str kind =
        json_text(arena, list.ptr ? json_member(json_index(arena, list, 1, &ignored), STR("kind")) : NULL);
    return kind.len > strlen("List");
}

/* Up to the bracket that closes the items. */
static bool load_items(struct load *load, struct window *window, struct str begin)
{
    for (bool first = true;; first = false) {
        /* Where in the window a value ends that nothing was looked at of yet: at a comma or a
         * bracket that closes what it stands in. The text's end where there is none. */
        struct json_brackets brackets = {0};
        size_t length = 0;
        do {
            if (!window_has(window, length))
                return false;
            struct str ahead = window_text(window, window->len - window->start);
            length += json_brackets_skip(&brackets, str_slice(ahead, length, ahead.len));
        } while (length == window->len - window->start);
        char end = window->data[window->start + length];
        bool none = first && end == ']' && str_trim(window_text(window, length)).len == 0;
        if (!none && !load_json_item(load, begin, window_text(window, length)))
            return false;
        window->start += length + (end == ',');
        if (end != ',')
            return end == ']';
    }
}

/* The items of what kubectl get -o json prints, one by one. False when the text is
 * something else, or an item is wrong: then it is to be read whole, which also
 * words the error. Facts found until then are dropped by the caller. */
static bool load_json_list(struct load *load, struct window *window)
{
    BUF_SCOPED around;
    buf_init(&around, AROUND_LIMIT);
    size_t begin = items_begin(window);
    if (!begin || !names_items(window_text(window, begin)))
        return false;
    buf_add(&around, window_text(window, begin));
    window->start += begin;
    struct str head = lists_one_kind(buf_str(&around)) ? buf_str(&around) : (struct str){NULL, 0};
    if (around.failed || !load_items(load, window, head))
        return false;
    size_t rest = 0;
    while (rest < AROUND_LIMIT && window_has(window, rest))
        rest++;
    buf_add(&around, window_text(window, rest));
    /* One object, and each of its keys once: of two lists of items the second one counts. */
    ARENA_SCOPED arena = arena_new((size_t)4 * AROUND_LIMIT);
    return !window->failed && !around.failed && rest < AROUND_LIMIT && arena &&
           json_index(arena, buf_str(&around), 1, load->error) && load_piece(load, buf_str(&around), 1, PIECE_LIST);
}

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

/* Reads a large file through a small window. False, with the reason unsaid, when it
 * is small, or not laid out as kubectl does, or wrong: then it is to be read whole. */
static bool load_stream(struct load *load, const char *path)
{
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

static bool load_yaml_document(struct load *load, struct str document, int64_t line)
{
    size_t before = load->records->len;
    struct str text = str_trim(document);
    struct window window = {.fd = -1, .data = text.ptr, .len = text.len, .eof = true};
    if (text.len && text.ptr[0] == '{' && load_json_list(load, &window))
        return true;
    load_shorten(load, before);
    return load_piece(load, document, line, PIECE_DOCUMENT);
}

static bool load_whole(struct load *load, const char *path)
{
    struct str text, document;
    ARENA_SCOPED arena = arena_new((size_t)LOAD_LIMIT + 4096);
    if (!arena)
        return error_set(load->error, 500, "out of memory");
    if (!file_read(arena, path, LOAD_LIMIT, &text, load->error))
        return false;
    const char *packed = text_packed(text);
    if (packed)
        return error_set(load->error, 422, "%s", packed);
    struct yaml_split split = {.rest = text, .line = 1};
    unsigned line;
    while (yaml_next_document(&split, &document, &line))
        if (!load_yaml_document(load, document, line))
            return false;
    return true;
}

bool load_file(const struct extractor *extractor, const char *path, const struct loaded *before, struct loaded *loaded,
               struct error *error)
{
    struct load load = {extractor, before, &loaded->records, &loaded->pieces, error};
    bool good = load_stream(&load, path);
    if (!good) {
        load_shorten(&load, 0);
        good = load_whole(&load, path);
    }
    if (!good)
        loaded_clear(loaded);
    else if (loaded->pieces.len)
        qsort(loaded->pieces.items, loaded->pieces.len, sizeof *loaded->pieces.items, load_piece_order);
    return good;
}
