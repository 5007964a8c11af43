#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/inventory.h"

/* Open addressing over a power of two, at most half full; no deletion. */
struct table {
    struct record **slots;
    size_t size, len;
};

struct inventory_builder {
    bool known[FACT_COUNT];
    struct table tables[FACT_COUNT];
    struct tree_pool *pool; /* of inventory_add; records put from elsewhere bring their own */
};

struct snapshot {
    struct inventory inventory;
    struct arena *arena;
    struct record **records; /* all of them, held */
    size_t record_count;
};

struct inventory_builder *inventory_builder_new(void)
{
    return calloc(1, sizeof(struct inventory_builder));
}

void inventory_builder_free(struct inventory_builder *builder)
{
    if (!builder)
        return;
    for (size_t f = 0; f < FACT_COUNT; f++) {
        struct table *table = &builder->tables[f];
        for (size_t i = 0; i < table->size; i++)
            if (table->slots[i])
                shared_release(&table->slots[i]->shared);
        free(table->slots);
    }
    tree_pool_free(builder->pool);
    free(builder);
}

static bool same_name(const struct record *a, const struct record *b)
{
    const struct object_meta *x = record_meta(a), *y = record_meta(b);
    return a->hash == b->hash && str_eq(x->name, y->name) && str_eq(x->ns, y->ns);
}

static struct record **find_slot(const struct table *table, const struct record *record)
{
    size_t at = record->hash & (table->size - 1);
    while (table->slots[at] && !same_name(table->slots[at], record))
        at = (at + 1) & (table->size - 1);
    return &table->slots[at];
}

static bool grow(struct table *table)
{
    struct table larger = {.size = table->size ? table->size * 2 : 16, .len = table->len};
    larger.slots = calloc(larger.size, sizeof(struct record *));
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < table->size; i++)
        if (table->slots[i])
            *find_slot(&larger, table->slots[i]) = table->slots[i];
    free(table->slots);
    *table = larger;
    return true;
}

bool builder_put(struct inventory_builder *builder, struct record *record)
{
    struct table *table = &builder->tables[record->fact];
    if (table->len * 2 >= table->size && !grow(table)) {
        shared_release(&record->shared);
        return false;
    }
    struct record **slot = find_slot(table, record);
    if (*slot)
        shared_release(&(*slot)->shared);
    else
        table->len++;
    *slot = record;
    return true;
}

bool builder_has(const struct inventory_builder *builder, const struct record *record)
{
    const struct table *table = &builder->tables[record->fact];
    return table->size && *find_slot(table, record);
}

static bool put_sink(void *context, struct record *record, struct error *error)
{
    return builder_put(context, record) ? true : error_set(error, 500, "out of memory");
}

bool inventory_add(struct inventory_builder *builder, struct json_object *object, struct error *error)
{
    if (!builder->pool && !(builder->pool = tree_pool_new()))
        return error_set(error, 500, "out of memory");
    struct extractor extractor = {.pool = builder->pool};
    return extract_object(&extractor, object, put_sink, builder, error);
}

void inventory_set_known(struct inventory_builder *builder, enum fact fact, bool known)
{
    builder->known[fact] = known;
}

static void destroy_snapshot(struct shared *shared)
{
    struct snapshot *snapshot = (struct snapshot *)shared;
    for (size_t i = 0; i < snapshot->record_count; i++)
        shared_release(&snapshot->records[i]->shared);
    free(snapshot->records);
    arena_free(snapshot->arena);
    free(snapshot);
}

static int by_name(const void *a, const void *b)
{
    const struct object_meta *x = *(const struct object_meta *const *)a, *y = *(const struct object_meta *const *)b;
    int order = str_cmp(x->ns, y->ns);
    return order ? order : str_cmp(x->name, y->name);
}

/* The sorted array of one kind's facts; the snapshot holds their records. */
static const void **collect(struct snapshot *snapshot, const struct table *table)
{
    const void **facts = arena_array(snapshot->arena, table->len + 1, sizeof *facts);
    if (!facts)
        return NULL;
    size_t count = 0;
    for (size_t i = 0; i < table->size; i++)
        if (table->slots[i]) {
            shared_hold(&table->slots[i]->shared);
            snapshot->records[snapshot->record_count++] = table->slots[i];
            facts[count++] = record_meta(table->slots[i]);
        }
    qsort(facts, count, sizeof *facts, by_name);
    return facts;
}

static bool fill_snapshot(struct snapshot *snapshot, const struct inventory_builder *builder)
{
    struct inventory *inventory = &snapshot->inventory;
    for (size_t f = 0; f < FACT_COUNT; f++) {
        const void **facts = collect(snapshot, &builder->tables[f]);
        if (!facts)
            return false;
        inventory->facts[f] = facts;
        inventory->known[f] = builder->known[f];
        inventory->count[f] = builder->tables[f].len;
    }
    inventory->index = index_build(snapshot->arena, inventory);
    return inventory->index && !arena_failed(snapshot->arena);
}

struct inventory *builder_snapshot(const struct inventory_builder *builder)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot)
        return NULL;
    shared_init(&snapshot->inventory.shared, destroy_snapshot);
    size_t total = 1;
    for (size_t f = 0; f < FACT_COUNT; f++)
        total += builder->tables[f].len;
    snapshot->arena = arena_new(SIZE_MAX / 2);
    snapshot->records = calloc(total, sizeof(struct record *));
    if (!snapshot->arena || !snapshot->records || !fill_snapshot(snapshot, builder)) {
        shared_release(&snapshot->inventory.shared);
        return NULL;
    }
    return &snapshot->inventory;
}

struct inventory *inventory_finish(struct inventory_builder *builder)
{
    struct inventory *inventory = builder_snapshot(builder);
    inventory_builder_free(builder);
    return inventory;
}

bool snapshot_evidence(struct inventory *inventory, const struct evidence_reading *readings, size_t count)
{
    struct arena *arena = ((struct snapshot *)(void *)inventory)->arena;
    struct evidence_reading *copies = arena_array(arena, count + 1, sizeof *copies);
    for (size_t i = 0; copies && i < count; i++) {
        copies[i] = readings[i];
        copies[i].source = arena_copy(arena, readings[i].source);
        copies[i].problem = arena_copy(arena, readings[i].problem);
        copies[i].version = arena_copy(arena, readings[i].version);
        copies[i].objects = arena_array(arena, readings[i].len + 1, sizeof *copies[i].objects);
        for (size_t o = 0; copies[i].objects && o < readings[i].len; o++) {
            struct evidence_object *object = &copies[i].objects[o];
            *object = readings[i].objects[o];
            object->ns = arena_copy(arena, object->ns);
            object->name = arena_copy(arena, object->name);
            object->value = arena_copy(arena, object->value);
            object->failure = arena_copy(arena, object->failure);
        }
    }
    inventory->evidence = copies;
    inventory->evidence_count = count;
    return !arena_failed(arena);
}

size_t inventory_memory(const struct inventory *inventory)
{
    const struct snapshot *snapshot = (const struct snapshot *)(const void *)inventory;
    size_t bytes = sizeof *snapshot + arena_used(snapshot->arena) + snapshot->record_count * sizeof(struct record *);
    for (size_t i = 0; i < snapshot->record_count; i++)
        bytes += sizeof(struct record) + snapshot->records[i]->size + 16; /* malloc's own */
    return bytes;
}

const struct inventory *inventory_unknown(void)
{
    static struct inventory unknown = {.shared = {.references = 1}};
    return &unknown;
}
