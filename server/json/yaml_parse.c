/* libyaml's events, as nodes. */
#include "json/yaml.h"

#include <search.h>
#include <yaml.h>

#include "json/yaml_problem.h"

/* An anchor of the document that is read. They are kept in a search tree: a
 * hostile document may have as many as it has bytes to name them. */
struct anchor {
    struct str name;
    struct yaml_node *node;
};

struct parse {
    struct yaml_reader *reader;
    void *anchors;
};

static int compare_anchors(const void *a, const void *b)
{
    return str_cmp(((const struct anchor *)a)->name, ((const struct anchor *)b)->name);
}

static void keep(void *anchor)
{
    (void)anchor; /* the arena's */
}

static unsigned line_of(const yaml_event_t *event)
{
    return (unsigned)event->start_mark.line + 1;
}

static struct str copy(struct yaml_reader *reader, const yaml_char_t *text, size_t length)
{
    return text ? arena_copy(reader->arena, (struct str){(const char *)text, length}) : (struct str){NULL, 0};
}

static struct str copy_name(struct yaml_reader *reader, const yaml_char_t *text)
{
    return copy(reader, text, text ? str_from((const char *)text).len : 0);
}

/* A name may be given again; aliases mean the last one before them. */
static bool set_anchor(struct parse *parse, struct yaml_node *node, const yaml_char_t *name)
{
    if (!name)
        return true;
    struct anchor *anchor = arena_alloc(parse->reader->arena, sizeof(*anchor));
    if (!anchor)
        return yaml_memory(parse->reader, node->line);
    anchor->name = copy_name(parse->reader, name);
    struct anchor **found = tsearch(anchor, &parse->anchors, compare_anchors);
    if (!anchor->name.ptr || !found)
        return yaml_memory(parse->reader, node->line);
    (*found)->node = node;
    return true;
}

static bool add_alias(struct parse *parse, const yaml_event_t *event)
{
    struct yaml_reader *reader = parse->reader;
    struct anchor wanted = {.name = str_from((const char *)event->data.alias.anchor)};
    struct anchor *const *found = tfind(&wanted, &parse->anchors, compare_anchors);
    if (!found)
        return error_at(reader->error, 400, line_of(event),
                        "the alias *%.*s has no anchor &%.*s before it in this document", STR_ARG(wanted.name),
                        STR_ARG(wanted.name));
    struct yaml_node *node = yaml_node_add(reader, NODE_ALIAS, line_of(event));
    if (!node)
        return false;
    node->value = (*found)->name;
    node->target = (*found)->node;
    return true;
}

/* libyaml puts what is not there where the next token stands: on a later line,
 * or behind the last. A reader looks for it beside its key, or at the "---". */
static unsigned scalar_line(const struct yaml_reader *reader, const yaml_event_t *event)
{
    const struct yaml_node *container = reader->container;
    if (event->start_mark.index == event->end_mark.index) {
        if (!container)
            return reader->document->line;
        if (container->kind == NODE_MAPPING && container->count % 2 == 1)
            return container->last->line;
    }
    return line_of(event);
}

static bool add_scalar(struct parse *parse, const yaml_event_t *event)
{
    struct yaml_reader *reader = parse->reader;
    struct yaml_node *node = yaml_node_add(reader, NODE_SCALAR, scalar_line(reader, event));
    if (!node)
        return false;
    node->implicit = event->data.scalar.plain_implicit;
    node->value = copy(reader, event->data.scalar.value, event->data.scalar.length);
    node->tag = copy_name(reader, event->data.scalar.tag);
    if (!node->value.ptr || (event->data.scalar.tag && !node->tag.ptr))
        return yaml_memory(reader, node->line);
    return set_anchor(parse, node, event->data.scalar.anchor);
}

static bool add_container(struct parse *parse, enum node_kind kind, const yaml_event_t *event,
                          const yaml_char_t *anchor)
{
    struct yaml_node *node = yaml_node_add(parse->reader, kind, line_of(event));
    return node && set_anchor(parse, node, anchor);
}

static bool take(struct parse *parse, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return yaml_document_open(parse->reader, line_of(event));
    case YAML_DOCUMENT_END_EVENT:
        tdestroy(parse->anchors, keep);
        parse->anchors = NULL;
        return true;
    case YAML_SCALAR_EVENT:
        return add_scalar(parse, event);
    case YAML_ALIAS_EVENT:
        return add_alias(parse, event);
    case YAML_SEQUENCE_START_EVENT:
        return add_container(parse, NODE_SEQUENCE, event, event->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        return add_container(parse, NODE_MAPPING, event, event->data.mapping_start.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        yaml_node_close(parse->reader);
        return true;
    default:
        return true;
    }
}

static bool take_events(struct parse *parse, yaml_parser_t *parser, struct str text)
{
    yaml_event_type_t type;
    do {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return yaml_problem(parser, text, parse->reader->options.lines_before, parse->reader->error);
        type = event.type;
        bool good = take(parse, &event);
        yaml_event_delete(&event);
        if (!good)
            return false;
    } while (type != YAML_STREAM_END_EVENT && type != YAML_NO_EVENT);
    return true;
}

bool yaml_parse(struct yaml_reader *reader, struct str text)
{
    yaml_parser_t parser;
    struct parse parse = {.reader = reader};
    if (!yaml_parser_initialize(&parser))
        return yaml_memory(reader, 1);
    parser.mark.line = reader->options.lines_before;
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
    bool good = take_events(&parse, &parser, text);
    tdestroy(parse.anchors, keep);
    yaml_parser_delete(&parser);
    return good;
}
