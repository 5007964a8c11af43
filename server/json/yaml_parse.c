/* Text to nodes through libyaml, whose events are taken one by one under limits on number and
 * depth, and its complaints in words that say what to do. Nodes keep their lines and the text of
 * scalars; what a scalar means is decided later (yaml_scalar.c). */
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "backstop/base.h"
#include "json/yaml.h"

/* libyaml says what it looked for; people want to know what they did. The left side must be
 * libyaml's text exactly; one that is not listed is shown without a hint. */
static const struct {
    const char *problem, *hint;
} hints[] = {
    {"did not find expected key", "check the indentation of this line and of the lines above it"},
    {"did not find expected '-' indicator", "items of one list must have the same indentation"},
    {"did not find expected ',' or '}'", "a brace { is not closed, or a comma is missing"},
    {"did not find expected ',' or ']'", "a bracket [ is not closed, or a comma is missing"},
    {"did not find expected node content", "a value is missing here"},
    {"did not find expected <document start>", "separate documents with a --- line"},
    {"mapping values are not allowed in this context",
     "quote a value that contains \": \", and check the indentation of this line"},
    {"could not find expected ':'", "a key needs a colon and a space after it"},
    {"found character that cannot start any token",
     "indent with spaces, not with tabs, and quote a value that begins with @, ` or %"},
    {"found a tab character", "indent with spaces, not with tabs"},
    {"found a tab character that violates indentation", "indent with spaces, not with tabs"},
    {"found a tab character where an indentation space is expected", "indent with spaces, not with tabs"},
    {"found unexpected end of stream", "a quote is not closed"},
    {"found unexpected document indicator", "a quote is not closed before the --- line"},
    {"found unknown escape character", "write a backslash within double quotes as \\\\, or use single quotes"},
    {"did not find expected alphabetic or numeric character", "quote a value that begins with * or &"},
    {"block sequence entries are not allowed in this context", "put the first \"- \" of a list on its own line"},
    {"block mapping entries are not allowed in this context", "put the first key on its own line"},
    {"mapping keys are not allowed in this context", "quote a value that begins with \"? \""},
    {"found undefined tag handle", "quote a value that begins with an exclamation mark"},
    {"found duplicate %YAML directive", "keep one of the two"},
    {"control characters are not allowed", "the file contains binary data or control characters"},
    {"invalid leading UTF-8 octet", "save the file as UTF-8"},
    {"invalid trailing UTF-8 octet", "save the file as UTF-8"},
    {"incomplete UTF-8 octet sequence", "save the file as UTF-8"},
};

static const char *hint_for(const char *problem)
{
    for (size_t i = 0; i < LENGTH_OF(hints); i++)
        if (strcmp(hints[i].problem, problem) == 0)
            return hints[i].hint;
    return NULL;
}

static size_t line_at(struct str text, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset && i < text.len; i++)
        line += text.ptr[i] == '\n';
    return line;
}

/* The reader knows only a byte offset; past the last line the text simply ends. */
static size_t problem_line(const yaml_parser_t *parser, struct str text, size_t lines_before)
{
    if (parser->error == YAML_READER_ERROR)
        return lines_before + line_at(text, parser->problem_offset);
    size_t line = parser->problem_mark.line + 1, last = lines_before + line_at(text, text.len > 0 ? text.len - 1 : 0);
    return line < last ? line : last;
}

/* Fills the error from a parser that failed on this text. Always false. */
static bool yaml_problem(const yaml_parser_t *parser, struct str text, size_t lines_before, struct error *error)
{
    if (parser->error == YAML_MEMORY_ERROR || !parser->problem)
        return error_at(error, 500, (int64_t)parser->mark.line + 1, "not enough memory for this document");
    const char *hint = hint_for(parser->problem);
    size_t line = problem_line(parser, text, lines_before),
           from = parser->context ? parser->context_mark.line + 1 : line;
    char context[160] = "", column[32] = "";
    if (from < line)
        snprintf(context, sizeof(context), " %s that begins at line %zu", parser->context, from);
    if (parser->error != YAML_READER_ERROR && line == parser->problem_mark.line + 1)
        snprintf(column, sizeof(column), "column %zu: ", parser->problem_mark.column + 1);
    return error_at(error, 400, (int64_t)line, "%s%s%s%s%s", column, parser->problem, context, hint ? ": " : "",
                    hint ? hint : "");
}

bool yaml_memory(struct yaml_reader *reader, unsigned line)
{
    return error_at(reader->error, 500, line, "not enough memory for this document");
}

bool yaml_document_open(struct yaml_reader *reader, unsigned line)
{
    struct yaml_document *document = arena_alloc(reader->arena, sizeof(*document));
    if (!document)
        return yaml_memory(reader, line);
    document->line = line;
    reader->document = document;
    reader->container = NULL;
    reader->depth = 0;
    reader->count = 0;
    *reader->link = document;
    reader->link = &document->next;
    return true;
}

static void yaml_node_place(struct yaml_reader *reader, struct yaml_node *node)
{
    struct yaml_node *container = reader->container;
    node->parent = container;
    if (!container) {
        reader->document->lines = node;
        reader->document->line = node->line;
    } else if (container->last) {
        container->last->next = node;
    } else {
        container->first = node;
    }
    if (container) {
        container->last = node;
        container->count++;
    }
}

/* Both limits are checked before memory is taken. */
struct yaml_node *yaml_node_add(struct yaml_reader *reader, enum node_kind kind, unsigned line)
{
    if (++reader->count > reader->options.node_limit) {
        error_at(reader->error, 413, line, "the document has more than %zu values: split it",
                 reader->options.node_limit);
        return NULL;
    }
    bool container = kind == NODE_SEQUENCE || kind == NODE_MAPPING;
    if (container && reader->depth == reader->options.depth_limit) {
        error_at(reader->error, 400, line, "lists and mappings are nested deeper than %u levels",
                 reader->options.depth_limit);
        return NULL;
    }
    struct yaml_node *node = arena_alloc(reader->arena, sizeof(*node));
    if (!node) {
        yaml_memory(reader, line);
        return NULL;
    }
    node->kind = kind;
    node->line = line;
    yaml_node_place(reader, node);
    if (container) {
        reader->container = node;
        reader->depth++;
    }
    return node;
}

void yaml_node_close(struct yaml_reader *reader)
{
    if (!reader->container)
        return;
    reader->container = reader->container->parent;
    reader->depth--;
}

bool yaml_is_merge(const struct yaml_node *key)
{
    return key->kind == NODE_SCALAR && str_is(key->value, "<<") &&
           (key->implicit || str_is(key->tag, "tag:yaml.org,2002:merge"));
}

/* libyaml's events, as nodes. */

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

static void parse_keep_anchor(void *anchor)
{
    (void)anchor; /* the arena's */
}

static unsigned line_of(const yaml_event_t *event)
{
    return (unsigned)event->start_mark.line + 1;
}

static struct str parse_copy(struct yaml_reader *reader, const yaml_char_t *text, size_t length)
{
    return text ? arena_copy(reader->arena, (struct str){(const char *)text, length}) : (struct str){NULL, 0};
}

static struct str copy_name(struct yaml_reader *reader, const yaml_char_t *text)
{
    return parse_copy(reader, text, text ? str_from((const char *)text).len : 0);
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
    node->value = parse_copy(reader, event->data.scalar.value, event->data.scalar.length);
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

static bool parse_take(struct parse *parse, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return yaml_document_open(parse->reader, line_of(event));
    case YAML_DOCUMENT_END_EVENT:
        tdestroy(parse->anchors, parse_keep_anchor);
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
        bool good = parse_take(parse, &event);
        yaml_event_delete(&event);
        if (!good)
            return false;
    } while (type != YAML_STREAM_END_EVENT && type != YAML_NO_EVENT);
    return true;
}

/* `lines_before` lets a document that was cut out of a file report the file's lines. */
bool yaml_parse(struct yaml_reader *reader, struct str text)
{
    yaml_parser_t parser;
    struct parse parse = {.reader = reader};
    if (!yaml_parser_initialize(&parser))
        return yaml_memory(reader, 1);
    parser.mark.line = reader->options.lines_before;
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
    bool good = take_events(&parse, &parser, text);
    tdestroy(parse.anchors, parse_keep_anchor);
    yaml_parser_delete(&parser);
    return good;
}
