/* Where extractors put what they copy: first nowhere, to measure, then into one block of memory per object. Equal maps of
 * labels are pooled; words that most objects repeat cost nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/inventory.h"

enum { BUCKETS = 256 };

struct tree_pool {
    struct pooled_tree *buckets[BUCKETS];
};

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

/* json_equal decides; the hash only finds candidates. */
static struct pooled_tree *tree_pool_take(struct tree_pool *pool, struct json_object *tree)
{
    uint64_t hash = 0;
    json_foreach(tree, key, value)
    {
        hash += hash_text(hash_text(HASH_BASIS, str_from(key)), json_str(value));
    }
    struct pooled_tree **bucket = &pool->buckets[hash % BUCKETS];
    for (struct pooled_tree *seen = *bucket; seen; seen = seen->next)
        if (seen->hash == hash && json_equal(seen->tree, tree)) {
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

int64_t object_time(struct json_object *object, const char *dotted)
{
    int64_t seconds = 0;
    return time_parse(json_path_str(object, dotted), &seconds) ? seconds : 0;
}

int64_t object_count(struct json_object *object, const char *dotted)
{
    struct json_object *value = json_path(object, dotted);
    int64_t count = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;
    return count > 0 ? count : 0;
}

/* The condition that Kubernetes' deployment controller sets: without minimum availability it is False. */
struct deployment_state object_deployment_state(struct json_object *object)
{
    struct deployment_state state = {.ready_replicas = object_count(object, "status.readyReplicas")};
    struct json_object *replicas = json_path(object, "spec.replicas"),
                       *conditions = json_path(object, "status.conditions");
    state.scaled_down = json_object_is_type(replicas, json_type_int) && json_object_get_int64(replicas) == 0;
    for (size_t i = 0; i < json_len(conditions); i++) {
        struct json_object *condition = json_item(conditions, i);
        if (str_is(json_get_str(condition, "type"), "Available") && str_is(json_get_str(condition, "status"), "False"))
            state.unavailable_since = object_time(condition, "lastTransitionTime");
    }
    return state;
}

/* Words that most objects repeat: they cost nothing to keep. */
static const struct str common[] = {
    STR_INIT("kcm-system"),       STR_INIT("Completed"),         STR_INIT("PartiallyFailed"),
    STR_INIT("Failed"),           STR_INIT("InProgress"),        STR_INIT("Available"),
    STR_INIT("FailedValidation"), STR_INIT("velero-server\n\0"), /* the writer of nearly every status */
};

/* Aligned for any type, relative to the block's start, which calloc aligns as well. */
void *store_alloc(struct store *store, size_t size)
{
    size_t at = (store->used + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    store->used = at + size;
    if (store->memory)
        return store->memory + at;
    void *memory = arena_alloc(store->scratch, size);
    store->failed |= !memory;
    return memory;
}

/* Texts are not NUL-terminated in a record: nothing needs it, and it would cost a byte for each. */
struct str store_text(struct store *store, struct str text)
{
    if (!text.len)
        return text.ptr ? STR("") : text;
    for (size_t i = 0; i < LENGTH_OF(common); i++)
        if (str_eq(text, common[i]))
            return common[i];
    if (!store->memory) {
        store->used += text.len;
        return text;
    }
    char *copy = (char *)store->memory + store->used;
    memcpy(copy, text.ptr, text.len);
    store->used += text.len;
    return (struct str){copy, text.len};
}

struct strlist store_texts(struct store *store, const struct strlist *list)
{
    struct strlist copy = {0};
    if (!list->len || !(copy.items = store_alloc(store, list->len * sizeof(struct str))))
        return (struct strlist){0};
    for (; copy.len < list->len; copy.len++)
        copy.items[copy.len] = store_text(store, list->items[copy.len]);
    copy.cap = copy.len;
    return copy;
}

struct strlist store_strings(struct store *store, struct json_object *array, const char *member)
{
    struct strlist found = {0};
    size_t count = 0;
    if (!json_object_is_type(array, json_type_array))
        return found;
    json_walk_each(array, none, any)
    {
        (void)none, (void)any;
        count++;
    }
    found.items = arena_array(store->scratch, count + 1, sizeof *found.items);
    json_walk_each(array, key, item)
    {
        (void)key;
        struct str text = member ? json_get_str(item, member) : json_str(item);
        if (text.len && found.items && found.len < count)
            found.items[found.len++] = arena_copy(store->scratch, text);
    }
    return store_texts(store, &found);
}

/* Labels have 63 characters, and what backstop records has less than this; the API server takes 256 KiB of annotations. */
enum { KEPT_VALUE_MAX = 8192 };

/* *failed is set where there is no memory: then the object must not pass for one without labels. */
static struct json_object *copy_strings(struct json_object *map, bool (*keep)(struct str key), bool *failed)
{
    struct json_object *copy = NULL;
    json_walk_each(map, key, value)
    {
        if (!json_object_is_type(value, json_type_string) || (keep && !keep(str_from(key))))
            continue;
        if (!copy)
            copy = json_object_new_object();
        if (!json_put_text(copy, key, keep ? str_utf8_head(json_str(value), KEPT_VALUE_MAX) : json_str(value))) {
            json_object_put(copy);
            *failed = true;
            return NULL;
        }
    }
    return copy;
}

/* In the measuring pass nothing is pooled: maps are counted trees beside the record, and take
 * none of its bytes. */
struct json_object *store_map(struct store *store, struct json_object *map, bool (*keep)(struct str key))
{
    if (!store->record || !json_object_is_type(map, json_type_object))
        return NULL;
    struct json_object *copy = copy_strings(map, keep, &store->failed);
    if (!copy)
        return NULL;
    struct pooled_tree *pooled = tree_pool_take(store->pool, copy);
    if (!pooled) {
        store->failed = true;
        return NULL;
    }
    store->record->trees[store->tree_count++] = pooled;
    return pooled->tree;
}
