/* Where a field stands in the text it came from. */
#include "json/yaml.h"

#include <string.h>

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

static const struct yaml_node *resolved(const struct yaml_node *node)
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
    const struct yaml_node *target = resolved(value), *found = NULL;
    if (target->kind == NODE_MAPPING)
        return find_key(target, part, merges + 1);
    for (const struct yaml_node *item = target->first; item && !found; item = item->next)
        if (resolved(item)->kind == NODE_MAPPING)
            found = find_key(resolved(item), part, merges + 1);
    return found;
}

enum { MERGES_MAX = 8 };

static const struct yaml_node *find_key(const struct yaml_node *mapping, struct str part, unsigned merges)
{
    const struct yaml_node *found = NULL;
    if (merges > MERGES_MAX)
        return NULL;
    for (const struct yaml_node *key = mapping->first; key; key = key->next->next) {
        const struct yaml_node *hit = NULL;
        if (yaml_is_merge(key))
            hit = find_merged(key->next, part, merges);
        else if (str_eq(resolved(key)->value, part))
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

unsigned yaml_line(const struct yaml_document *document, struct str field)
{
    const struct yaml_node *node = resolved(document->lines);
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
        node = resolved(found);
    }
    return line;
}
