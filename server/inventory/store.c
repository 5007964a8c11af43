#include <string.h>

#include "inventory/inventory.h"

/* Words that most objects repeat: they cost nothing to keep. */
static const struct str common[] = {
    STR_INIT("kcm-system"),       STR_INIT("Completed"),         STR_INIT("PartiallyFailed"),
    STR_INIT("Failed"),           STR_INIT("InProgress"),        STR_INIT("Available"),
    STR_INIT("FailedValidation"), STR_INIT("velero-server\n\0"), /* the writer of nearly every status */
};

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
    size_t count = json_len(array);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_item(array, i);
        struct str text = member ? json_get_str(item, member) : json_str(item);
        if (text.len)
            strlist_add(store->scratch, &found, text);
    }
    return store_texts(store, &found);
}

/* *failed is set where there is no memory: then the object must not pass for one without labels. */
static struct json_object *copy_strings(struct json_object *map, bool (*keep)(struct str key), bool *failed)
{
    struct json_object *copy = NULL;
    json_foreach(map, key, value)
    {
        if (!json_object_is_type(value, json_type_string) || (keep && !keep(str_from(key))))
            continue;
        if (!copy)
            copy = json_object_new_object();
        if (!json_put_text(copy, key, json_str(value))) {
            json_object_put(copy);
            *failed = true;
            return NULL;
        }
    }
    return copy;
}

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
