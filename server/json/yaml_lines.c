/* The line of a field, which messages of review name: in the nodes of a document, or without them.
 *
 * Nodes take many times the memory of a text. Of a plain document (without aliases and merge keys) that was never read into
 * nodes a table is made instead, once, when the first line is asked for: 16 bytes for each member and item. */
#include <string.h>
#include <yaml.h>

#include "backstop/json.h"
#include "json/yaml.h"

/* A key inside brackets, [0] or [a.b/c], or up to the next dot or bracket. */
static bool yaml_next_part(struct str *field, struct str *part)
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

static const struct yaml_node *yaml_find_item(const struct yaml_node *list, struct str part)
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
static const struct yaml_node *yaml_find_key(const struct yaml_node *mapping, struct str part, unsigned merges);

static const struct yaml_node *yaml_find_merged(const struct yaml_node *value, struct str part, unsigned merges)
{
    const struct yaml_node *target = yaml_alias_target(value), *found = NULL;
    if (target->kind == NODE_MAPPING)
        return yaml_find_key(target, part, merges + 1);
    for (const struct yaml_node *item = target->first; item && !found; item = item->next)
        if (yaml_alias_target(item)->kind == NODE_MAPPING)
            found = yaml_find_key(yaml_alias_target(item), part, merges + 1);
    return found;
}

enum { MERGES_MAX = 8 };

/* MERGES_MAX: merge keys may point in circles through aliases. No person nests them so deeply. */
static const struct yaml_node *yaml_find_key(const struct yaml_node *mapping, struct str part, unsigned merges)
{
    const struct yaml_node *found = NULL;
    if (merges > MERGES_MAX)
        return NULL;
    for (const struct yaml_node *key = mapping->first; key; key = key->next->next) {
        const struct yaml_node *hit = NULL;
        if (yaml_is_merge(key))
            hit = yaml_find_merged(key->next, part, merges);
        else if (str_eq(yaml_alias_target(key)->value, part))
            hit = key;
        if (hit)
            found = hit;
    }
    return found;
}

/* Scalars have their own line; a list or a mapping has its key's, since that is
 * the line a reader looks for. */
static unsigned yaml_line_below(const struct yaml_node *key)
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
    while (node && yaml_next_part(&field, &part)) {
        const struct yaml_node *found = NULL;
        if (node->kind == NODE_SEQUENCE) {
            found = yaml_find_item(node, part);
            line = found ? found->line : line;
        } else if (node->kind == NODE_MAPPING) {
            const struct yaml_node *key = yaml_find_key(node, part, 0);
            line = key ? yaml_line_below(key) : line;
            found = key ? key->next : NULL;
        }
        node = yaml_alias_target(found);
    }
    return line;
}

/* ---- without nodes -------------------------------------------------------------- */

/* A member or an item, in the order of the text. */
struct yaml_place {
    uint64_t key;  /* hash of a member's name; 0 for items */
    unsigned line; /* where a message about it points */
    unsigned next; /* the place behind all that it holds */
};

struct yaml_lines {
    const struct yaml_place *places;
    size_t len;
    unsigned line; /* of the document's first content */
};

struct lines_reader {
    struct buf places;
    unsigned first_line, depth;
    uint64_t key; /* of the member whose value comes next */
    unsigned key_line;
    struct {
        bool mapping, has_key;
        size_t place; /* 1 more than that of the container itself; 0: the root */
    } open[JSON_DEPTH_LIMIT];
};

static uint64_t lines_hash(struct str key)
{
    return hash_text(HASH_BASIS, key) | 1;
}

static size_t lines_count(const struct lines_reader *reader)
{
    return reader->places.len / sizeof(struct yaml_place);
}

static bool lines_expects_key(const struct lines_reader *reader)
{
    return reader->depth && reader->open[reader->depth - 1].mapping && !reader->open[reader->depth - 1].has_key;
}

static void lines_key(struct lines_reader *reader, struct str key, unsigned line)
{
    reader->key = lines_hash(key);
    reader->key_line = line;
    reader->open[reader->depth - 1].has_key = true;
}

/* As yaml_line_below: a member that holds a list or a mapping has its key's line; with `beside` so has any, also one whose
 * value is not there at all. */
static bool lines_value(struct lines_reader *reader, unsigned line, bool beside)
{
    struct yaml_place place = {.line = line, .next = (unsigned)lines_count(reader) + 1};
    if (reader->depth == 0) {
        reader->first_line = line;
        return true;
    }
    if (reader->open[reader->depth - 1].mapping) {
        reader->open[reader->depth - 1].has_key = false;
        place.key = reader->key;
        place.line = beside ? reader->key_line : line;
    }
    buf_add(&reader->places, (struct str){(const char *)&place, sizeof place});
    return !reader->places.failed;
}

static bool lines_open(struct lines_reader *reader, bool mapping, unsigned line)
{
    if (reader->depth == LENGTH_OF(reader->open) || !lines_value(reader, line, true))
        return false;
    reader->open[reader->depth].mapping = mapping;
    reader->open[reader->depth].has_key = false;
    reader->open[reader->depth].place = reader->depth ? lines_count(reader) : 0;
    reader->depth++;
    return true;
}

static void lines_close(struct lines_reader *reader)
{
    size_t place = reader->open[--reader->depth].place;
    if (place)
        ((struct yaml_place *)(void *)reader->places.data)[place - 1].next = (unsigned)lines_count(reader);
}

/* ---- without nodes, of JSON ------------------------------------------------------ */

/* The line of a place at or behind the last one that was asked for, so that each line break is counted once. */
static unsigned lines_count_to(const char **counted, unsigned *line, const char *at)
{
    for (const char *newline; (newline = memchr(*counted, '\n', (size_t)(at - *counted))); *counted = newline + 1)
        ++*line;
    *counted = at;
    return *line;
}

static bool lines_json_key(struct lines_reader *reader, struct arena *arena, struct scan *scan, unsigned line)
{
    struct str key;
    bool escaped;
    if (!scan_key(scan, &key, &escaped))
        return false;
    lines_key(reader, escaped ? json_unescape(arena, key) : key, line);
    return true;
}

static bool lines_read_json(struct lines_reader *reader, struct arena *arena, struct str text, unsigned line)
{
    struct error ignored;
    struct scan scan = scan_text(text, &ignored);
    const char *counted = scan.start;
    bool opened = false;
    do {
        enum json_kind kind;
        scan_space(&scan);
        if (scan.at == scan.end || !scan_kind(*scan.at, &kind))
            return false;
        lines_count_to(&counted, &line, scan.at);
        opened = kind >= JSON_ARRAY;
        if (opened ? !lines_open(reader, kind == JSON_OBJECT, line) : !lines_value(reader, line, false))
            return false;
        if (opened)
            scan.at++;
        else if (!scan_value(&scan, 0))
            return false;
        for (bool more = false; reader->depth && !more; opened = false) {
            bool mapping = reader->open[reader->depth - 1].mapping;
            if (!scan_member(&scan, mapping ? '}' : ']', opened, &more))
                return false;
            if (!more)
                lines_close(reader);
            scan_space(&scan);
            if (more && mapping && !lines_json_key(reader, arena, &scan, lines_count_to(&counted, &line, scan.at)))
                return false;
        }
    } while (reader->depth);
    return true;
}

/* ---- without nodes, of YAML ------------------------------------------------------ */

/* A text that is not there has no place of its own: libyaml gives it that of the next token. */
static bool lines_take_scalar(struct lines_reader *reader, const yaml_event_t *event, unsigned line)
{
    const struct str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (!lines_expects_key(reader))
        return lines_value(reader, line, event->start_mark.index == event->end_mark.index);
    lines_key(reader, text, line);
    return true;
}

static bool lines_take(struct lines_reader *reader, const yaml_event_t *event)
{
    const unsigned line = (unsigned)event->start_mark.line + 1;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return false;
    case YAML_SCALAR_EVENT:
        return lines_take_scalar(reader, event, line);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return !lines_expects_key(reader) && lines_open(reader, event->type == YAML_MAPPING_START_EVENT, line);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        lines_close(reader);
        return true;
    default:
        return true;
    }
}

static bool lines_read_yaml(struct lines_reader *reader, struct str text, unsigned lines_before)
{
    yaml_parser_t parser;
    yaml_event_type_t type = YAML_NO_EVENT;
    bool good = yaml_parser_initialize(&parser);
    if (!good)
        return false;
    parser.mark.line = lines_before;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
    do {
        yaml_event_t event;
        if ((good = yaml_parser_parse(&parser, &event))) {
            type = event.type;
            good = lines_take(reader, &event);
            yaml_event_delete(&event);
        }
    } while (good && type != YAML_STREAM_END_EVENT && type != YAML_NO_EVENT);
    yaml_parser_delete(&parser);
    return good;
}

const struct yaml_lines *yaml_read_lines(struct arena *arena, struct str text, unsigned lines_before)
{
    struct lines_reader reader = {.first_line = lines_before + 1};
    struct yaml_lines *lines = arena_alloc(arena, sizeof *lines);
    buf_init(&reader.places, SIZE_MAX / 2);
    bool good = lines && (yaml_looks_like_json(text) ? lines_read_json(&reader, arena, text, lines_before + 1)
                                                     : lines_read_yaml(&reader, text, lines_before));
    if (good) {
        lines->line = reader.first_line;
        lines->len = lines_count(&reader);
        lines->places = lines->len ? (const void *)arena_keep_buf(arena, &reader.places).ptr : NULL;
    }
    buf_dispose(&reader.places);
    return good && (lines->places || !lines->len) ? lines : NULL;
}

/* Of two members of one name the last, which counts. */
static const struct yaml_place *lines_look_for(const struct yaml_lines *lines, size_t from, size_t to, struct str part)
{
    const struct yaml_place *found = NULL;
    int64_t index = -1;
    if (from < to && !lines->places[from].key && !str_to_int64(part, &index))
        return NULL;
    const uint64_t key = index < 0 ? lines_hash(part) : 0;
    for (size_t at = from; at < to; at = lines->places[at].next)
        if (key ? lines->places[at].key == key : index-- == 0)
            found = &lines->places[at];
    return found;
}

unsigned yaml_lines_find(const struct yaml_lines *lines, struct str field)
{
    unsigned line = lines->line;
    size_t from = 0, to = lines->len;
    struct str part;
    while (yaml_next_part(&field, &part)) {
        const struct yaml_place *found = lines_look_for(lines, from, to, part);
        if (!found)
            break;
        line = found->line;
        from = (size_t)(found - lines->places) + 1;
        to = found->next;
    }
    return line;
}
