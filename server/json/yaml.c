/* YAML documents: yaml_load ties reading and decoding together; the rest of this file cuts a text
 * into documents before any of them is read, so that one broken document does not hide the others. */
#include <string.h>

#include "backstop/json.h"
#include "json/yaml.h"

/* Cutting a text into documents, before any of them is read. */

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

/* yaml_load, and the nodes that its parts share. */

enum { NODE_LIMIT = 1000 * 1000, DEPTH_LIMIT = 100, DEPTH_MAX = JSON_DEPTH_LIMIT };

bool yaml_looks_like_json(struct str text)
{
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_slice(text, 3, text.len);
    text = str_trim(text);
    return text.len > 0 && (*text.ptr == '{' || *text.ptr == '[');
}

struct yaml_options yaml_limits(const struct yaml_options *options)
{
    struct yaml_options limits = options ? *options : (struct yaml_options){0};
    if (limits.node_limit == 0)
        limits.node_limit = NODE_LIMIT;
    if (limits.depth_limit == 0)
        limits.depth_limit = DEPTH_LIMIT;
    if (limits.depth_limit > DEPTH_MAX)
        limits.depth_limit = DEPTH_MAX;
    return limits;
}

/* Most of JSON is YAML, but not all: \ud83d\ude00, long keys, a stream of objects
 * without "---". kubectl reads those through a JSON parser, and so does this. What
 * only begins like JSON gets libyaml's verdict, and its message. */
static bool read_nodes(struct yaml_reader *reader, struct str text)
{
    struct yaml_document **documents = reader->link;
    struct error *error = reader->error, ignored = {0};
    if (yaml_looks_like_json(text)) {
        reader->error = &ignored;
        bool good = yaml_parse_json(reader, text);
        reader->error = error;
        if (good)
            return true;
        *documents = NULL;
        reader->link = documents;
    }
    return yaml_parse(reader, text);
}

bool yaml_load(struct arena *arena, struct str text, const struct yaml_options *options,
               struct yaml_document **documents, struct error *error)
{
    struct yaml_reader reader = {.arena = arena, .error = error, .link = documents, .options = yaml_limits(options)};
    *documents = NULL;
    bool good = read_nodes(&reader, text);
    for (struct yaml_document *document = *documents; good && document; document = document->next)
        good = yaml_decode(&reader, document);
    if (!good && error->code >= 500)
        arena_fail(arena);
    if (!good)
        *documents = NULL;
    return good;
}
