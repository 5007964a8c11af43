/* Snapshots: immutable, counted, handed out as const. A builder collects records in one table per kind, and the
 * snapshot takes these tables over, so a record is hashed once, when it is extracted. */
#include <stdlib.h>

#include "inventory/inventory.h"

struct inventory_builder {
    bool known[FACT_COUNT];
    struct record_table tables[FACT_COUNT];
    struct tree_pool *pool;         /* of inventory_add; records put from elsewhere bring their own */
    const struct inventory *before; /* held; NULL: none */
};

struct snapshot {
    struct shared shared;
    struct inventory inventory;
    struct arena *arena; /* of the sorted arrays, the index and the evidence */
};

/* ---- builder --------------------------------------------------------------- */

struct inventory_builder *inventory_builder_new(void)
{
    return calloc(1, sizeof(struct inventory_builder));
}

void inventory_builder_free(struct inventory_builder *builder)
{
    if (!builder)
        return;
    for (size_t f = 0; f < FACT_COUNT; f++)
        table_clear(&builder->tables[f]);
    tree_pool_free(builder->pool);
    snapshot_release(builder->before);
    free(builder);
}

void builder_follow(struct inventory_builder *builder, const struct inventory *before)
{
    builder->before = before ? snapshot_hold(before) : NULL;
}

bool builder_share(struct inventory_builder *builder, struct record *record)
{
    shared_hold(&record->shared);
    return table_put(&builder->tables[record->fact], record);
}

/* The common case, an empty table, takes over a copy of the slots, without hashing anything
 * again. */
bool builder_share_table(struct inventory_builder *builder, enum fact fact, const struct record_table *records)
{
    if (builder->tables[fact].size == 0)
        return table_share(&builder->tables[fact], records);
    for (size_t i = 0; i < records->size; i++)
        if (records->slots[i] && !builder_share(builder, records->slots[i]))
            return false;
    return true;
}

void builder_remove(struct inventory_builder *builder, enum fact fact, struct str ns, struct str name)
{
    table_remove(&builder->tables[fact], ns, name);
}

bool builder_has(const struct inventory_builder *builder, const struct record *record)
{
    const struct object_meta *meta = record_meta(record);
    return table_find(&builder->tables[record->fact], meta->ns, meta->name) != NULL;
}

static bool builder_take(void *context, struct record *record, struct error *error)
{
    struct inventory_builder *builder = context;
    return table_put(&builder->tables[record->fact], record) ? true : error_set(error, 500, "out of memory");
}

bool inventory_add(struct inventory_builder *builder, struct json_object *object, struct error *error)
{
    if (!builder->pool && !(builder->pool = tree_pool_new()))
        return error_set(error, 500, "out of memory");
    struct extractor extractor = {.pool = builder->pool};
    return extract_object(&extractor, object, builder_take, builder, error);
}

void inventory_set_known(struct inventory_builder *builder, enum fact fact, bool known)
{
    builder->known[fact] = known;
}

/* ---- counting -------------------------------------------------------------- */

const struct inventory *snapshot_hold(const struct inventory *inventory)
{
    shared_hold(inventory->counted);
    return inventory;
}

void snapshot_release(const struct inventory *inventory)
{
    if (inventory)
        shared_release(inventory->counted);
}

/* The cast is from the first member: `shared` is the first of struct snapshot. */
const struct inventory *snapshot_current(struct shared_slot *slot)
{
    struct snapshot *snapshot = (struct snapshot *)shared_slot_get(slot);
    return snapshot ? &snapshot->inventory : NULL;
}

static struct snapshot *snapshot_of(const struct inventory *inventory)
{
    return (struct snapshot *)inventory->counted;
}

static void snapshot_destroy(struct shared *shared)
{
    struct snapshot *snapshot = (struct snapshot *)shared;
    index_clear(snapshot->inventory.index);
    arena_free(snapshot->arena);
    free(snapshot);
}

/* ---- making one ------------------------------------------------------------ */

static bool snapshot_fill(struct snapshot *snapshot, struct inventory_builder *builder)
{
    struct inventory *inventory = &snapshot->inventory;
    for (size_t f = 0; f < FACT_COUNT; f++) {
        const void **facts = order_facts(snapshot->arena, &builder->tables[f], builder->before, (enum fact)f);
        if (!facts)
            return false;
        inventory->facts[f] = facts;
        inventory->known[f] = builder->known[f];
        inventory->count[f] = builder->tables[f].len;
    }
    inventory->index = index_build(snapshot->arena, inventory, builder->tables);
    return inventory->index && !arena_failed(snapshot->arena);
}

struct inventory *inventory_finish(struct inventory_builder *builder)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    bool whole = false;
    if (snapshot) {
        shared_init(&snapshot->shared, snapshot_destroy);
        snapshot->inventory.counted = &snapshot->shared;
        snapshot->arena = arena_new(SIZE_MAX / 2);
        whole = snapshot->arena && snapshot_fill(snapshot, builder);
    }
    inventory_builder_free(builder);
    if (whole)
        return &snapshot->inventory;
    if (snapshot)
        shared_release(&snapshot->shared);
    return NULL;
}

/* Readings are made in the arena of the one who read; the snapshot outlives it. */
static bool snapshot_keeps_evidence(struct arena *arena, struct evidence_reading *copy,
                                    const struct evidence_reading *reading)
{
    *copy = *reading;
    copy->source = arena_copy(arena, reading->source);
    copy->problem = arena_copy(arena, reading->problem);
    copy->version = arena_copy(arena, reading->version);
    copy->objects = arena_array(arena, reading->len + 1, sizeof *copy->objects);
    for (size_t i = 0; copy->objects && i < reading->len; i++) {
        struct evidence_object *object = &copy->objects[i];
        *object = reading->objects[i];
        object->ns = arena_copy(arena, object->ns);
        object->name = arena_copy(arena, object->name);
        object->value = arena_copy(arena, object->value);
        object->failure = arena_copy(arena, object->failure);
    }
    return !arena_failed(arena);
}

bool snapshot_evidence(struct inventory *inventory, const struct evidence_reading *readings, size_t count)
{
    struct arena *arena = snapshot_of(inventory)->arena;
    struct evidence_reading *copies = arena_array(arena, count + 1, sizeof *copies);
    bool whole = copies != NULL;
    for (size_t i = 0; whole && i < count; i++)
        whole = snapshot_keeps_evidence(arena, &copies[i], &readings[i]);
    inventory->evidence = copies;
    inventory->evidence_count = whole ? count : 0;
    return whole;
}

/* ---- one of another -------------------------------------------------------- */

/* The same facts without those that are hidden; its records are shared, its evidence is left out. */
static struct inventory *snapshot_without(const struct inventory *inventory, inventory_hide_fn *hide, void *context)
{
    struct inventory_builder *builder = inventory_builder_new();
    bool whole = builder != NULL;
    if (whole)
        builder_follow(builder, inventory);
    for (size_t f = 0; whole && f < FACT_COUNT; f++) {
        const struct record_table *records = index_records(inventory, (enum fact)f);
        inventory_set_known(builder, (enum fact)f, inventory->known[f]);
        whole = !records || builder_share_table(builder, (enum fact)f, records);
        for (size_t i = 0; whole && hide && i < inventory->count[f]; i++) {
            const struct object_meta *meta = inventory->facts[f][i];
            if (hide(context, (enum fact)f, meta))
                builder_remove(builder, (enum fact)f, meta->ns, meta->name);
        }
    }
    if (whole)
        return inventory_finish(builder);
    inventory_builder_free(builder);
    return NULL;
}

const struct inventory *inventory_without(const struct inventory *inventory, inventory_hide_fn *hide, void *context)
{
    struct inventory *fresh = snapshot_without(inventory, hide, context);
    if (!fresh || snapshot_evidence(fresh, inventory->evidence, inventory->evidence_count))
        return fresh;
    snapshot_release(fresh);
    return NULL;
}

struct inventory *inventory_copy(const struct inventory *inventory)
{
    return snapshot_without(inventory, NULL, NULL);
}

/* For offline runs without an inventory: every kind unknown, so nothing is ever "not found". */
const struct inventory *inventory_unknown(void)
{
    static struct shared always = {.references = 1}; /* is never destroyed */
    static const struct inventory unknown = {.counted = &always};
    return &unknown;
}
