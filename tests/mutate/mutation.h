/* Every one-node change of a JSON document: each value, in turn, becomes each JSON type, is left out, or
 * stands there twice. Counting is all there is to it, so that a change can be told by its number. */
#ifndef BACKSTOP_TESTS_MUTATION_H
#define BACKSTOP_TESTS_MUTATION_H

#include "backstop/json.h"

enum {
    MUTATION_DROPPED = 10, /* below it: replaced */
    MUTATION_DOUBLED,
    MUTATIONS /* of each node */
};

static inline size_t mutation_nodes(struct json_object *tree)
{
    size_t nodes = 1;
    json_foreach(tree, key, value)
    {
        nodes += mutation_nodes(value);
    }
    for (size_t i = 0; i < json_len(tree); i++)
        nodes += mutation_nodes(json_item(tree, i));
    return nodes;
}

/* Where the change is to come: so many nodes from here, in the order of the text. */
struct mutation {
    size_t left;
    unsigned how;
};

static inline void mutation_write_node(struct buf *out, struct json_object *tree, struct mutation *mutation);

/* One member or item, as often as the change wants it. */
static inline void mutation_write_child(struct buf *out, const char *key, struct json_object *value,
                                        struct mutation *mutation, bool *first)
{
    bool here = mutation->left == 0;
    unsigned times = !here ? 1 : mutation->how == MUTATION_DROPPED ? 0 : mutation->how == MUTATION_DOUBLED ? 2 : 1;
    for (unsigned i = 0; i < times; i++) {
        buf_puts(out, *first ? "" : ",");
        *first = false;
        if (key) {
            json_write_str(out, str_from(key));
            buf_putc(out, ':');
        }
        mutation_write_node(out, value, mutation);
    }
    if (here)
        mutation->left = SIZE_MAX; /* done */
}

static inline void mutation_write_node(struct buf *out, struct json_object *tree, struct mutation *mutation)
{
    static const char *const values[MUTATION_DROPPED] = {"null",  "true", "-1", "1e400",   "\"\"",
                                                         "\"x\"", "[]",   "{}", "[\"x\"]", "{\"a\":\"x\"}"};
    bool first = true, here = mutation->left == 0;
    mutation->left -= mutation->left != SIZE_MAX;
    if (here && mutation->how < MUTATION_DROPPED) {
        mutation->left = SIZE_MAX;
        buf_puts(out, values[mutation->how]);
        return;
    }
    if (here)
        mutation->left = SIZE_MAX;
    if (json_object_is_type(tree, json_type_object)) {
        buf_putc(out, '{');
        json_foreach(tree, key, value)
        {
            mutation_write_child(out, key, value, mutation, &first);
        }
        buf_putc(out, '}');
    } else if (json_object_is_type(tree, json_type_array)) {
        buf_putc(out, '[');
        for (size_t i = 0; i < json_len(tree); i++)
            mutation_write_child(out, NULL, json_item(tree, i), mutation, &first);
        buf_putc(out, ']');
    } else {
        json_write_tree(out, tree);
    }
}

/* Change `number` of mutation_nodes(tree) * MUTATIONS. */
static inline void mutation_write(struct buf *out, struct json_object *tree, size_t number)
{
    struct mutation mutation = {.left = number / MUTATIONS, .how = (unsigned)(number % MUTATIONS)};
    if (mutation.left == 0 && mutation.how == MUTATION_DROPPED)
        return;
    if (mutation.left == 0 && mutation.how == MUTATION_DOUBLED)
        json_write_tree(out, tree);
    mutation_write_node(out, tree, &mutation);
}

#endif
