/* A snapshot that grows, for offline reviews: documents of one run see what earlier ones would have created. Its arrays are
 * its own, its records are shared with the snapshot that it lies over. */
#include <stdlib.h>
#include <string.h>

#include "inventory/files/files.h"

/* What was added, so that it can be added to another snapshot as well. */
struct addition {
    struct record *record;
    enum overlay_mode mode;
};

struct inventory_overlay {
    struct inventory inventory; /* its arrays are this overlay's own, the facts of the base are shared */
    const struct inventory *base;
    struct arena *arena; /* of the arrays and the index; what they outgrow stays until the end */
    struct tree_pool *pool;
    const void **facts[FACT_COUNT];
    size_t caps[FACT_COUNT];
    struct addition *additions;
    size_t len, cap;
};

static bool overlay_reserve(struct inventory_overlay *overlay, enum fact fact, size_t count)
{
    if (overlay->facts[fact] && count <= overlay->caps[fact])
        return true;
    size_t cap = 2 * count + 16;
    const void **larger = arena_array(overlay->arena, cap, sizeof *larger);
    if (!larger)
        return false;
    if (overlay->inventory.count[fact])
        memcpy(larger, overlay->inventory.facts[fact], overlay->inventory.count[fact] * sizeof *larger);
    overlay->facts[fact] = larger;
    overlay->caps[fact] = cap;
    overlay->inventory.facts[fact] = larger;
    return true;
}

/* Where a name stands, or would stand, in the sorted array of its kind. */
static size_t overlay_position(const struct inventory_overlay *overlay, enum fact fact, const struct object_meta *meta)
{
    size_t low = 0, high = overlay->inventory.count[fact];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct object_meta *there = overlay->facts[fact][middle];
        int order = str_cmp(there->ns, meta->ns);
        order = order ? order : str_cmp(there->name, meta->name);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool overlay_remember(struct inventory_overlay *overlay, struct record *record, enum overlay_mode mode)
{
    if (!array_room(&overlay->additions, overlay->len, &overlay->cap, sizeof *overlay->additions))
        return false;
    overlay->additions[overlay->len++] = (struct addition){record, mode};
    return true;
}

/* Takes the record. */
static bool overlay_put(struct inventory_overlay *overlay, struct record *record, enum overlay_mode mode)
{
    struct inventory *inventory = &overlay->inventory;
    enum fact fact = record->fact;
    const struct object_meta *meta = record_meta(record);
    const void *gone = inventory_find(inventory, fact, meta->ns, meta->name);
    if (!overlay_remember(overlay, record, mode)) {
        shared_release(&record->shared);
        return false;
    }
    if (gone && mode == OVERLAY_FILLS)
        return true;
    if (!overlay_reserve(overlay, fact, inventory->count[fact] + 1))
        return false;
    size_t at = overlay_position(overlay, fact, meta);
    const void **place = &overlay->facts[fact][at];
    if (!gone) {
        memmove(place + 1, place, (inventory->count[fact] - at) * sizeof *place);
        inventory->count[fact]++;
    }
    *place = meta;
    shared_hold(&record->shared);
    return index_put(overlay->arena, inventory, record, gone);
}

/* Arrays that can grow, and tables of the same records. */
static bool overlay_take_base(struct inventory_overlay *overlay, const struct inventory *base)
{
    struct record_table records[FACT_COUNT] = {{.size = 0}};
    bool whole = true;
    for (size_t f = 0; whole && f < FACT_COUNT; f++) {
        const struct record_table *from = index_records(base, (enum fact)f);
        whole = overlay_reserve(overlay, (enum fact)f, base->count[f]) && (!from || table_share(&records[f], from));
    }
    if (whole)
        overlay->inventory.index = index_build(overlay->arena, &overlay->inventory, records);
    for (size_t f = 0; f < FACT_COUNT; f++)
        table_clear(&records[f]); /* empty unless it failed */
    return overlay->inventory.index != NULL;
}

struct inventory_overlay *inventory_overlay_new(const struct inventory *base)
{
    struct inventory_overlay *overlay = calloc(1, sizeof *overlay);
    if (!overlay)
        return NULL;
    overlay->base = snapshot_hold(base);
    overlay->inventory = *base;
    overlay->inventory.counted = NULL; /* borrowed from the overlay */
    overlay->inventory.index = NULL;
    overlay->arena = arena_new(SIZE_MAX / 2);
    overlay->pool = tree_pool_new();
    if (overlay->arena && overlay->pool && overlay_take_base(overlay, base))
        return overlay;
    inventory_overlay_free(overlay);
    return NULL;
}

void inventory_overlay_free(struct inventory_overlay *overlay)
{
    if (!overlay)
        return;
    for (size_t i = 0; i < overlay->len; i++)
        shared_release(&overlay->additions[i].record->shared);
    free(overlay->additions);
    snapshot_release(overlay->base);
    index_clear(overlay->inventory.index);
    arena_free(overlay->arena);
    tree_pool_free(overlay->pool);
    free(overlay);
}

bool inventory_overlay_add(struct inventory_overlay *overlay, struct json_object *object, enum overlay_mode mode)
{
    struct error error = {0};
    struct record_list records = {0};
    const struct extractor extractor = {.pool = overlay->pool};
    /* 422: it says too little to be a fact. */
    bool good = extract_object(&extractor, object, record_list_sink, &records, &error) || error.code == 422;
    for (size_t i = 0; good && i < records.len; i++) {
        shared_hold(&records.items[i]->shared);
        good = overlay_put(overlay, records.items[i], mode);
    }
    record_list_clear(&records);
    return good;
}

const struct inventory *inventory_overlay_get(const struct inventory_overlay *overlay)
{
    return &overlay->inventory;
}

struct inventory_overlay *inventory_overlay_onto(const struct inventory_overlay *overlay, const struct inventory *base)
{
    struct inventory_overlay *onto = inventory_overlay_new(base);
    for (size_t i = 0; onto && i < overlay->len; i++) {
        shared_hold(&overlay->additions[i].record->shared);
        if (!overlay_put(onto, overlay->additions[i].record, overlay->additions[i].mode)) {
            inventory_overlay_free(onto);
            return NULL;
        }
    }
    return onto;
}
