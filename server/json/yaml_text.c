/* A YAML document as JSON text, straight from libyaml's events.
 *
 * Nodes and trees take many times the memory of a text, and of most documents little is read: so a document is written as
 * JSON and opened (json_open). This is for plain documents, as people and kubectl write them. Whatever else there may be
 * (aliases, merge keys, several documents, limits that are passed, mistakes of any kind) ends it, and is left to the nodes,
 * which know the words and lines for it; so what is written here is what yaml_load makes of the same text. */
#include <inttypes.h>
#include <yaml.h>

#include "json/yaml.h"

enum { LEVELS = 100 };

struct yaml_text {
    struct arena *scratch; /* of numbers */
    struct buf *json;
    const struct yaml_options *options;
    struct yaml_outline *outline;
    size_t count; /* of nodes */
    unsigned documents, depth;
    struct {
        bool mapping;
        size_t count; /* of children; a mapping's keys and values alternate */
    } open[LEVELS];
};

static bool text_is_key(const struct yaml_text *text)
{
    return text->depth && text->open[text->depth - 1].mapping && text->open[text->depth - 1].count % 2 == 0;
}

/* What goes before a node: a comma or a colon. */
static bool text_begin_node(struct yaml_text *text, size_t line)
{
    if (++text->count > text->options->node_limit)
        return false;
    if (text->depth == 0)
        text->outline->line = (unsigned)line;
    else {
        size_t before = text->open[text->depth - 1].count++;
        if (text->open[text->depth - 1].mapping && before % 2)
            buf_putc(text->json, ':');
        else if (before)
            buf_putc(text->json, ',');
        if (text->depth == 1 && before == 0)
            text->outline->first_line = (unsigned)line;
    }
    return !text->json->failed;
}

/* sigs.k8s.io/yaml makes strings of all keys; those that it does so in an odd way are not plain. */
static bool text_write_key(struct yaml_text *text, const struct yaml_scalar *scalar)
{
    if (scalar->kind == SCALAR_BOOL)
        buf_puts(text->json, scalar->truth ? "\"true\"" : "\"false\"");
    else if (scalar->kind == SCALAR_INTEGER)
        buf_printf(text->json, "\"%" PRId64 "\"", scalar->integer);
    else if (scalar->kind == SCALAR_STRING || scalar->kind == SCALAR_TIMESTAMP)
        json_write_str(text->json, scalar->text);
    else
        return false;
    return !memchr(scalar->text.ptr ? scalar->text.ptr : "", 0, scalar->text.len);
}

/* A float without a fraction would be read back as an integer, and an integer above INT64_MAX as a float. */
static bool text_write_value(struct yaml_text *text, const struct yaml_scalar *scalar)
{
    switch (scalar->kind) {
    case SCALAR_NULL:
        buf_puts(text->json, "null");
        return true;
    case SCALAR_BOOL:
        buf_puts(text->json, scalar->truth ? "true" : "false");
        return true;
    case SCALAR_INTEGER:
        buf_printf(text->json, "%" PRId64, scalar->integer);
        return true;
    case SCALAR_NATURAL:
        return false;
    case SCALAR_FLOAT: {
        size_t from = text->json->len;
        if (!yaml_scalar_finite(scalar))
            return false;
        number_write_json(text->json, scalar->real);
        struct str written = str_slice(buf_str(text->json), from, text->json->len);
        return str_contains(written, STR(".")) || str_contains(written, STR("e"));
    }
    default:
        json_write_str(text->json, scalar->text);
        return true;
    }
}

static bool text_scalar(struct yaml_text *text, const yaml_event_t *event)
{
    struct error ignored;
    struct yaml_scalar scalar;
    const struct yaml_node node = {.implicit = event->data.scalar.plain_implicit,
                                   .value = {(const char *)event->data.scalar.value, event->data.scalar.length},
                                   .tag = event->data.scalar.tag ? str_from((const char *)event->data.scalar.tag)
                                                                 : (struct str){NULL, 0}};
    bool key = text_is_key(text);
    if (!text->depth || (key && yaml_is_merge(&node)) || !text_begin_node(text, event->start_mark.line + 1) ||
        !yaml_resolve_node(text->scratch, &node, &scalar, &ignored))
        return false;
    return key ? text_write_key(text, &scalar) : text_write_value(text, &scalar);
}

static bool text_open(struct yaml_text *text, const yaml_event_t *event, bool mapping)
{
    if (text_is_key(text) || text->depth == LEVELS || text->depth == text->options->depth_limit ||
        !text_begin_node(text, event->start_mark.line + 1))
        return false;
    buf_putc(text->json, mapping ? '{' : '[');
    text->open[text->depth].mapping = mapping;
    text->open[text->depth++].count = 0;
    return true;
}

static bool text_take(struct yaml_text *text, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return text->documents++ == 0;
    case YAML_ALIAS_EVENT:
        return false;
    case YAML_SCALAR_EVENT:
        return text_scalar(text, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return text_open(text, event, event->type == YAML_MAPPING_START_EVENT);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        buf_putc(text->json, text->open[--text->depth].mapping ? '}' : ']');
        return true;
    default:
        return true;
    }
}

static bool text_take_events(struct yaml_text *text, yaml_parser_t *parser)
{
    yaml_event_type_t type;
    do {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return false;
        type = event.type;
        bool good = text_take(text, &event);
        yaml_event_delete(&event);
        if (!good)
            return false;
    } while (type != YAML_STREAM_END_EVENT && type != YAML_NO_EVENT);
    return text->documents == 1 && text->count && !text->json->failed;
}

bool yaml_write_as_json(struct buf *json, struct str text, const struct yaml_options *options,
                        struct yaml_outline *outline)
{
    const struct yaml_options limits = yaml_limits(options);
    struct yaml_text writing = {.json = json, .options = &limits, .outline = outline};
    yaml_parser_t parser;
    if (yaml_looks_like_json(text) || !(writing.scratch = arena_new(text.len * 2 + 65536)))
        return false;
    *outline = (struct yaml_outline){0};
    bool good = yaml_parser_initialize(&parser);
    if (good) {
        parser.mark.line = limits.lines_before;
        yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
        good = text_take_events(&writing, &parser);
        yaml_parser_delete(&parser);
    }
    arena_free(writing.scratch);
    return good;
}
