#include <stdlib.h>

#include "inventory.h"

/* Facts by name: slots hold 1 + the position in the sorted array, 0 when free. */
struct name_table {
    uint32_t *slots;
    size_t mask;
};

/* What Velero would pick for a schedule, by namespace and schedule name. */
struct schedule_entry {
    struct str ns, schedule;
    const struct backup *newest, *newest_completed;
};

/* The default locations of a namespace. */
struct default_entry {
    struct str ns;
    const struct storage_location *newest;
    size_t count;
};

struct inventory_index {
    const void *const *facts[FACT_COUNT];
    struct name_table names[FACT_COUNT];
    struct schedule_entry *schedules; /* sorted */
    size_t schedule_count;
    struct default_entry *defaults; /* sorted */
    size_t default_count;
};

static const struct object_meta *meta_of(const void *fact)
{
    return fact;
}

static bool build_names(struct arena *arena, struct name_table *table, const void *const *facts, size_t count)
{
    size_t size = 4;
    while (size < count * 2)
        size *= 2;
    table->mask = size - 1;
    table->slots = arena_array(arena, size, sizeof(uint32_t));
    if (!table->slots)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t at = hash_name(meta_of(facts[i])->ns, meta_of(facts[i])->name) & table->mask;
        while (table->slots[at])
            at = (at + 1) & table->mask;
        table->slots[at] = (uint32_t)i + 1;
    }
    return true;
}

/* A backup that Velero has not started yet is newer than all that it has. */
static int64_t newness(const struct backup *backup)
{
    return backup->status.started ? backup->status.started : backup->meta.created;
}

static int by_schedule(const void *a, const void *b)
{
    const struct backup *x = *(const struct backup *const *)a, *y = *(const struct backup *const *)b;
    int order = str_cmp(x->meta.ns, y->meta.ns);
    order = order ? order : str_cmp(x->schedule, y->schedule);
    if (order)
        return order;
    if (newness(x) != newness(y))
        return newness(x) > newness(y) ? -1 : 1;
    return str_cmp(y->meta.name, x->meta.name);
}

static bool same_schedule(const struct backup *a, const struct backup *b)
{
    return str_eq(a->schedule, b->schedule) && str_eq(a->meta.ns, b->meta.ns);
}

/* One entry per schedule, from backups sorted by schedule and then newest first. */
static bool group_schedules(struct arena *arena, struct inventory_index *index, const struct backup **sorted,
                            size_t count)
{
    size_t groups = 0;
    for (size_t i = 0; i < count; i++)
        groups += i == 0 || !same_schedule(sorted[i], sorted[i - 1]);
    if (!(index->schedules = arena_array(arena, groups, sizeof *index->schedules)))
        return false;
    struct schedule_entry *last = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct backup *backup = sorted[i];
        if (!last || !same_schedule(backup, last->newest)) {
            last = &index->schedules[index->schedule_count++];
            *last = (struct schedule_entry){.ns = backup->meta.ns, .schedule = backup->schedule, .newest = backup};
        }
        if (!last->newest_completed && str_is(backup->status.phase, "Completed"))
            last->newest_completed = backup;
    }
    return true;
}

static bool build_schedules(struct arena *arena, struct inventory_index *index, const struct inventory *inventory)
{
    size_t count = 0, all = inventory->count[FACT_BACKUPS];
    for (size_t i = 0; i < all; i++)
        count += inventory->backups[i]->schedule.len > 0;
    if (!count)
        return true;
    const struct backup **scheduled = reallocarray(NULL, count, sizeof(void *));
    if (!scheduled)
        return false;
    for (size_t i = 0, n = 0; i < all; i++)
        if (inventory->backups[i]->schedule.len)
            scheduled[n++] = inventory->backups[i];
    qsort(scheduled, count, sizeof(void *), by_schedule);
    bool good = group_schedules(arena, index, scheduled, count);
    free(scheduled);
    return good;
}

/* Locations come sorted by namespace. Equal ages: the first by name stays, as in
 * velero backup_storage_location_controller.go ensureSingleDefaultBSL. */
static bool build_defaults(struct arena *arena, struct inventory_index *index, const struct inventory *inventory)
{
    struct default_entry *last = NULL;
    size_t groups = 0, all = inventory->count[FACT_STORAGE_LOCATIONS];
    for (size_t i = 0; i < all; i++)
        groups += inventory->storage_locations[i]->is_default;
    if (groups && !(index->defaults = arena_array(arena, groups, sizeof *index->defaults)))
        return false;
    for (size_t i = 0; i < all; i++) {
        const struct storage_location *location = inventory->storage_locations[i];
        if (!location->is_default)
            continue;
        if (!last || !str_eq(last->ns, location->meta.ns)) {
            last = &index->defaults[index->default_count++];
            last->ns = location->meta.ns;
        }
        if (!last->newest || location->meta.created > last->newest->meta.created)
            last->newest = location;
        last->count++;
    }
    return true;
}

struct inventory_index *index_build(struct arena *arena, const struct inventory *inventory,
                                    const void *const *const facts[FACT_COUNT])
{
    struct inventory_index *index = arena_alloc(arena, sizeof *index);
    if (!index)
        return NULL;
    for (size_t f = 0; f < FACT_COUNT; f++) {
        index->facts[f] = facts[f];
        if (!build_names(arena, &index->names[f], facts[f], inventory->count[f]))
            return NULL;
    }
    return build_schedules(arena, index, inventory) && build_defaults(arena, index, inventory) ? index : NULL;
}

const void *index_find(const struct inventory *inventory, enum fact fact, struct str ns, struct str name)
{
    const struct inventory_index *index = inventory->index;
    if (!index)
        return NULL;
    const struct name_table *table = &index->names[fact];
    for (size_t at = hash_name(ns, name) & table->mask; table->slots[at]; at = (at + 1) & table->mask) {
        const void *found = index->facts[fact][table->slots[at] - 1];
        if (str_eq(meta_of(found)->name, name) && str_eq(meta_of(found)->ns, ns))
            return found;
    }
    return NULL;
}

static const struct str no_namespace = {NULL, 0};

const struct management_backup *inventory_management_backup(const struct inventory *inventory, struct str name)
{
    return index_find(inventory, FACT_MANAGEMENT_BACKUPS, no_namespace, name);
}

const struct release *inventory_release(const struct inventory *inventory, struct str name)
{
    return index_find(inventory, FACT_RELEASES, no_namespace, name);
}

const struct storage_location *inventory_storage_location(const struct inventory *inventory, struct str ns,
                                                          struct str name)
{
    return index_find(inventory, FACT_STORAGE_LOCATIONS, ns, name);
}

const struct backup *inventory_backup(const struct inventory *inventory, struct str ns, struct str name)
{
    return index_find(inventory, FACT_BACKUPS, ns, name);
}

const struct velero_schedule *inventory_schedule(const struct inventory *inventory, struct str ns, struct str name)
{
    return index_find(inventory, FACT_SCHEDULES, ns, name);
}

const struct config_map *inventory_config_map(const struct inventory *inventory, struct str ns, struct str name)
{
    return index_find(inventory, FACT_CONFIG_MAPS, ns, name);
}

const struct snapshot_location *inventory_snapshot_location(const struct inventory *inventory, struct str ns,
                                                            struct str name)
{
    return index_find(inventory, FACT_SNAPSHOT_LOCATIONS, ns, name);
}

const struct secret *inventory_secret(const struct inventory *inventory, struct str ns, struct str name)
{
    return index_find(inventory, FACT_SECRETS, ns, name);
}

const struct management *inventory_management(const struct inventory *inventory)
{
    return inventory->count[FACT_MANAGEMENTS] ? inventory->managements[0] : NULL;
}

const struct backup *inventory_newest_completed(const struct inventory *inventory, struct str ns, struct str schedule,
                                                const struct backup **newest)
{
    const struct inventory_index *index = inventory->index;
    size_t low = 0, high = index ? index->schedule_count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct schedule_entry *entry = &index->schedules[middle];
        int order = str_cmp(ns, entry->ns);
        order = order ? order : str_cmp(schedule, entry->schedule);
        if (order == 0) {
            if (newest)
                *newest = entry->newest;
            return entry->newest_completed;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    if (newest)
        *newest = NULL;
    return NULL;
}

const struct storage_location *inventory_default_location(const struct inventory *inventory, struct str ns,
                                                          size_t *defaults)
{
    const struct inventory_index *index = inventory->index;
    size_t low = 0, high = index ? index->default_count : 0;
    if (defaults)
        *defaults = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct default_entry *entry = &index->defaults[middle];
        int order = str_cmp(ns, entry->ns);
        if (order == 0) {
            if (defaults)
                *defaults = entry->count;
            return entry->newest;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return inventory_storage_location(inventory, ns, STR("default"));
}
