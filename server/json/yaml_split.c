/* Cutting a text into documents, before any of them is read. */
#include "backstop/json.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct str yaml_text_line(struct str text, size_t from)
{
    size_t to = from;
    while (to < text.len && text.ptr[to] != '\n')
        to++;
    return str_slice(text, from, to < text.len ? to + 1 : to);
}

bool yaml_is_marker(struct str line)
{
    return str_starts(line, STR("---")) &&
           (line.len == 3 || line.ptr[3] == ' ' || line.ptr[3] == '\t' || line.ptr[3] == '\r' || line.ptr[3] == '\n');
}

bool yaml_is_prologue(struct str line)
{
    struct str trimmed = str_trim(line);
    return !trimmed.len || trimmed.ptr[0] == '#' || line.ptr[0] == '%';
}

/* YAML 1.2 (5.2) allows the mark before any document, kubectl takes it, and files put together
 * on Windows have it; libyaml knows it at the text's start alone. */
static void split_drop_mark(struct str *document, unsigned *line)
{
    struct str first = yaml_text_line(*document, 0);
    if (!yaml_is_marker(first) || str_trim(first).len != 3)
        return;
    struct str rest = str_slice(*document, first.len, document->len);
    if (!str_starts(rest, STR(BYTE_ORDER_MARK)))
        return;
    *document = rest;
    ++*line;
}

/* "---" at the start of a line is a marker wherever it stands (YAML 1.1, 9.1.2). */
bool yaml_next_document(struct yaml_split *split, struct str *document, unsigned *line)
{
    if (!split->rest.len)
        return false;
    *line = split->line;
    bool begun = false;
    size_t at = 0;
    while (at < split->rest.len) {
        struct str text = yaml_text_line(split->rest, at);
        if (yaml_is_marker(text) && begun)
            break;
        begun |= yaml_is_marker(text) || !yaml_is_prologue(text);
        at += text.len;
        split->line++;
    }
    *document = str_slice(split->rest, 0, at);
    split->rest = str_slice(split->rest, at, split->rest.len);
    split_drop_mark(document, line);
    return true;
}
