#include "json/yaml.h"
#include <string.h>

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
    reader->container = reader->container->parent;
    reader->depth--;
}

bool yaml_is_merge(const struct yaml_node *key)
{
    return key->kind == NODE_SCALAR && str_is(key->value, "<<") &&
           (key->implicit || str_is(key->tag, "tag:yaml.org,2002:merge"));
}
