#include <stdlib.h>

#include "inventory/inventory.h"

enum { BUCKETS = 256 };

struct tree_pool {
    struct pooled_tree *buckets[BUCKETS];
};

/* FNV-1a. Nothing secret and no attacker here: whoever may fill the inventory may
 * do worse than slow a look-up down. */
uint64_t hash_text(uint64_t hash, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3U;
    return (hash ^ 0xff) * 0x100000001b3U;
}

static uint64_t hash_map(struct json_object *map)
{
    uint64_t sum = 0;
    json_foreach(map, key, value)
    {
        sum += hash_text(hash_text(0xcbf29ce484222325U, str_from(key)), json_str(value));
    }
    return sum;
}

static void destroy_tree(struct shared *shared)
{
    struct pooled_tree *pooled = (struct pooled_tree *)shared;
    json_object_put(pooled->tree);
    free(pooled);
}

struct tree_pool *tree_pool_new(void)
{
    return calloc(1, sizeof(struct tree_pool));
}

void tree_pool_free(struct tree_pool *pool)
{
    if (!pool)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct pooled_tree *tree = pool->buckets[i], *next; tree; tree = next) {
            next = tree->next;
            shared_release(&tree->shared);
        }
    free(pool);
}

void tree_pool_sweep(struct tree_pool *pool)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct pooled_tree **at = &pool->buckets[i]; *at;) {
            struct pooled_tree *tree = *at;
            /* Only the pool hands out new references, so one left means its own. */
            if (atomic_load(&tree->shared.references) > 1) {
                at = &tree->next;
                continue;
            }
            *at = tree->next;
            shared_release(&tree->shared);
        }
}

struct pooled_tree *tree_pool_take(struct tree_pool *pool, struct json_object *tree)
{
    uint64_t hash = hash_map(tree);
    struct pooled_tree **bucket = &pool->buckets[hash % BUCKETS];
    for (struct pooled_tree *seen = *bucket; seen; seen = seen->next)
        if (seen->hash == hash && json_object_equal(seen->tree, tree)) {
            json_object_put(tree);
            shared_hold(&seen->shared);
            return seen;
        }
    struct pooled_tree *fresh = calloc(1, sizeof *fresh);
    if (!fresh) {
        json_object_put(tree);
        return NULL;
    }
    shared_init(&fresh->shared, destroy_tree);
    fresh->tree = tree;
    fresh->hash = hash;
    fresh->next = *bucket;
    *bucket = fresh;
    shared_hold(&fresh->shared);
    return fresh;
}
