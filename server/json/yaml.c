/* YAML documents: yaml_load ties reading and decoding together; the rest of this file finds the
 * line of a field (messages of review name it) and cuts a text into documents before any of them
 * is read, so that one broken document does not hide the others. */
#include <string.h>

#include "backstop/json.h"
#include "json/yaml.h"

/* A key inside brackets, [0] or [a.b/c], or up to the next dot or bracket. */
static bool next_part(struct str *field, struct str *part)
{
    if (field->len > 0 && *field->ptr == '.')
        *field = str_slice(*field, 1, field->len);
    if (field->len == 0)
        return false;
    bool bracket = *field->ptr == '[';
    size_t from = bracket, to = from;
    while (to < field->len && (bracket ? field->ptr[to] != ']' : !strchr(".[", field->ptr[to])))
        to++;
    *part = str_slice(*field, from, to);
    *field = str_slice(*field, to + bracket, field->len);
    return true;
}

static const struct yaml_node *yaml_alias_target(const struct yaml_node *node)
{
    return node && node->kind == NODE_ALIAS ? node->target : node;
}

static const struct yaml_node *find_item(const struct yaml_node *list, struct str part)
{
    int64_t index;
    if (!str_to_int64(part, &index))
        return NULL;
    const struct yaml_node *item = list->first;
    while (item && index-- > 0)
        item = item->next;
    return item;
}

/* The key of a member; the last one, since that is the one that counts. */
static const struct yaml_node *find_key(const struct yaml_node *mapping, struct str part, unsigned merges);

static const struct yaml_node *find_merged(const struct yaml_node *value, struct str part, unsigned merges)
{
    const struct yaml_node *target = yaml_alias_target(value), *found = NULL;
    if (target->kind == NODE_MAPPING)
        return find_key(target, part, merges + 1);
    for (const struct yaml_node *item = target->first; item && !found; item = item->next)
        if (yaml_alias_target(item)->kind == NODE_MAPPING)
            found = find_key(yaml_alias_target(item), part, merges + 1);
    return found;
}

enum { MERGES_MAX = 8 };

/* MERGES_MAX: merge keys may point in circles through aliases. No person nests them so deeply. */
static const struct yaml_node *find_key(const struct yaml_node *mapping, struct str part, unsigned merges)
{
    const struct yaml_node *found = NULL;
    if (merges > MERGES_MAX)
        return NULL;
    for (const struct yaml_node *key = mapping->first; key; key = key->next->next) {
        const struct yaml_node *hit = NULL;
        if (yaml_is_merge(key))
            hit = find_merged(key->next, part, merges);
        else if (str_eq(yaml_alias_target(key)->value, part))
            hit = key;
        if (hit)
            found = hit;
    }
    return found;
}

/* Scalars have their own line; a list or a mapping has its key's, since that is
 * the line a reader looks for. */
static unsigned line_below(const struct yaml_node *key)
{
    return key->next->kind == NODE_SCALAR ? key->next->line : key->line;
}

/* Goes as far down as it can: for a field that is missing the line is that of what it is missing
 * in. */
unsigned yaml_line(const struct yaml_document *document, struct str field)
{
    const struct yaml_node *node = yaml_alias_target(document->lines);
    unsigned line = document->line;
    struct str part;
    while (node && next_part(&field, &part)) {
        const struct yaml_node *found = NULL;
        if (node->kind == NODE_SEQUENCE) {
            found = find_item(node, part);
            line = found ? found->line : line;
        } else if (node->kind == NODE_MAPPING) {
            const struct yaml_node *key = find_key(node, part, 0);
            line = key ? line_below(key) : line;
            found = key ? key->next : NULL;
        }
        node = yaml_alias_target(found);
    }
    return line;
}

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
    for (struct yaml_document *document = *documents; good && document && !reader.options.lines_only;
         document = document->next)
        good = yaml_decode(&reader, document);
    if (!good && error->code >= 500)
        arena_fail(arena);
    if (!good)
        *documents = NULL;
    return good;
}
