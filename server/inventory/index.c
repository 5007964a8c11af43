/* Open addressing over a power of two, at most half full. Removal moves later entries up, so
 * that no marks of the removed pile up over months of backups that come and go.
 *
 * What policies ask besides "by name": the newest Backup of a schedule, and the default storage
 * location of a namespace. Both are computed once for each snapshot, as Velero would choose. */
#include <stdlib.h>
#include <string.h>

#include "inventory/inventory.h"

static size_t table_next(const struct record_table *table, size_t at)
{
    return (at + 1) & (table->size - 1);
}

/* The slot of a name: of its record, or the free one where it belongs. The table has slots. */
static size_t table_slot(const struct record_table *table, uint64_t hash, struct str ns, struct str name)
{
    size_t at = hash & (table->size - 1);
    for (const struct record *seen; (seen = table->slots[at]); at = table_next(table, at)) {
        const struct object_meta *meta = record_meta(seen);
        if (seen->hash == hash && str_eq(meta->name, name) && str_eq(meta->ns, ns))
            break;
    }
    return at;
}

static size_t table_slot_of(const struct record_table *table, const struct record *record)
{
    return table_slot(table, record->hash, record_meta(record)->ns, record_meta(record)->name);
}

static bool table_grow(struct record_table *table)
{
    struct record_table larger = {.size = table->size ? table->size * 2 : 16, .len = table->len};
    larger.slots = calloc(larger.size, sizeof(struct record *));
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < table->size; i++)
        if (table->slots[i])
            larger.slots[table_slot_of(&larger, table->slots[i])] = table->slots[i];
    free(table->slots);
    *table = larger;
    return true;
}

/* Grown before it is more than half full: look-ups then take one or two steps. */
bool table_put(struct record_table *table, struct record *record)
{
    if (table->len * 2 >= table->size && !table_grow(table)) {
        shared_release(&record->shared);
        return false;
    }
    struct record **slot = &table->slots[table_slot_of(table, record)];
    if (*slot)
        shared_release(&(*slot)->shared);
    else
        table->len++;
    *slot = record;
    return true;
}

struct record *table_find(const struct record_table *table, struct str ns, struct str name)
{
    return table->size ? table->slots[table_slot(table, hash_name(ns, name), ns, name)] : NULL;
}

bool table_share(struct record_table *table, const struct record_table *from)
{
    struct record **slots = from->size ? malloc(from->size * sizeof(struct record *)) : NULL;
    if (from->size && !slots)
        return false;
    if (slots)
        memcpy(slots, from->slots, from->size * sizeof(struct record *));
    for (size_t i = 0; i < from->size; i++)
        if (slots[i])
            shared_hold(&slots[i]->shared);
    *table = (struct record_table){.slots = slots, .size = from->size, .len = from->len};
    return true;
}

/* Closes the gap at `hole` with the entries that only stand behind it because it was taken. An
 * entry may move up only if that does not put it before the slot where its hash sends it. */
static void table_remove_at(struct record_table *table, size_t hole)
{
    size_t mask = table->size - 1;
    shared_release(&table->slots[hole]->shared);
    table->len--;
    for (size_t at = table_next(table, hole); table->slots[at]; at = table_next(table, at)) {
        size_t from_home = (at - table->slots[at]->hash) & mask;
        if (from_home < ((at - hole) & mask))
            continue;
        table->slots[hole] = table->slots[at];
        hole = at;
    }
    table->slots[hole] = NULL;
}

void table_remove(struct record_table *table, struct str ns, struct str name)
{
    if (!table->size)
        return;
    size_t at = table_slot(table, hash_name(ns, name), ns, name);
    if (table->slots[at])
        table_remove_at(table, at);
}

/* What a list did not name is gone from the cluster, whether or not its deletion was ever seen. */
void table_keep_round(struct record_table *table, unsigned round)
{
    for (size_t i = 0; i < table->size;)
        if (table->slots[i] && table->slots[i]->round != round)
            table_remove_at(table, i); /* another entry may stand at i now */
        else
            i++;
}

void table_clear(struct record_table *table)
{
    for (size_t i = 0; i < table->size; i++)
        if (table->slots[i])
            shared_release(&table->slots[i]->shared);
    free(table->slots);
    *table = (struct record_table){0};
}

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

/* The few Backups that some check looks for in every review: of ten thousand there is mostly none. */
struct backup_list {
    const struct backup **items;
    size_t len, cap;
};

struct inventory_index {
    struct backup_list unfinished, foreign;
    struct record_table records[FACT_COUNT]; /* held; the snapshot's facts stand inside them */
    struct schedule_entry *schedules;        /* sorted */
    size_t schedule_count, schedule_cap;
    struct default_entry *defaults; /* sorted */
    size_t default_count;
};

/* A backup that Velero has not started yet is newer than all that it has. */
static int64_t backup_newness(const struct backup *backup)
{
    return backup->status.started ? backup->status.started : backup->meta.created;
}

/* Velero takes the newest by startTimestamp (restore_controller.go, mostRecentCompletedBackup);
 * equal times are decided by name here, so that every replica says the same. */
static bool backup_is_newer(const struct backup *a, const struct backup *b)
{
    int64_t x = backup_newness(a), y = backup_newness(b);
    return x != y ? x > y : str_cmp(a->meta.name, b->meta.name) > 0;
}

static void schedule_consider(struct schedule_entry *entry, const struct backup *backup)
{
    if (!entry->newest || backup_is_newer(backup, entry->newest))
        entry->newest = backup;
    if ((!entry->newest_completed || backup_is_newer(backup, entry->newest_completed)) &&
        phase_is(backup->status.phase, PHASE_COMPLETED))
        entry->newest_completed = backup;
}

static int schedule_order(struct str ns, struct str schedule, const struct schedule_entry *entry)
{
    int order = str_cmp(ns, entry->ns);
    return order ? order : str_cmp(schedule, entry->schedule);
}

static int by_schedule(const void *a, const void *b)
{
    const struct schedule_entry *entry = a;
    return schedule_order(entry->ns, entry->schedule, b);
}

static bool is_of_schedule(const struct schedule_entry *entry, const struct backup *backup)
{
    return entry && str_eq(backup->schedule, entry->schedule) && str_eq(backup->meta.ns, entry->ns);
}

/* Backups that follow each other in the inventory and have the same schedule share an entry. Velero names a backup after
 * its schedule and the time, so that is mostly all of them, and from the end the first is the newest. Without `entries`
 * it only counts. */
static size_t schedule_runs(const struct inventory *inventory, struct schedule_entry *entries)
{
    size_t count = 0;
    struct schedule_entry counted = {.newest = NULL}, *last = NULL;
    for (size_t i = inventory->count[FACT_BACKUPS]; i > 0; i--) {
        const struct backup *backup = inventory->backups[i - 1];
        if (!backup->schedule.len)
            continue;
        if (!is_of_schedule(last, backup)) {
            last = entries ? &entries[count] : &counted;
            *last = (struct schedule_entry){.ns = backup->meta.ns, .schedule = backup->schedule};
            count++;
        }
        if (entries)
            schedule_consider(last, backup);
    }
    return count;
}

static bool build_schedules(struct arena *arena, struct inventory_index *index, const struct inventory *inventory)
{
    size_t runs = schedule_runs(inventory, NULL);
    if (!runs)
        return true;
    struct schedule_entry *entries = arena_array(arena, runs, sizeof *entries);
    if (!entries)
        return false;
    schedule_runs(inventory, entries);
    qsort(entries, runs, sizeof *entries, by_schedule);
    struct schedule_entry *last = entries;
    for (size_t i = 1; i < runs; i++) {
        if (by_schedule(last, &entries[i]) != 0) {
            *++last = entries[i];
            continue;
        }
        schedule_consider(last, entries[i].newest);
        if (entries[i].newest_completed)
            schedule_consider(last, entries[i].newest_completed);
    }
    index->schedules = entries;
    index->schedule_cap = runs;
    index->schedule_count = (size_t)(last - entries) + 1;
    return true;
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

static bool index_is_foreign(const struct inventory *inventory, struct json_object *annotations)
{
    const struct cluster_identity *here = inventory_cluster_identity(inventory);
    struct str cluster = json_get_str(annotations, ANNOTATION_CLUSTER_ID);
    return cluster.len && here && here->uid.len && !str_eq(cluster, here->uid);
}

static void backup_list_add(struct arena *arena, struct backup_list *list, const struct backup *backup)
{
    if (ARENA_ROOM(arena, list))
        list->items[list->len++] = backup;
}

static void backup_list_remove(struct backup_list *list, const struct backup *gone)
{
    for (size_t i = 0; i < list->len; i++)
        if (list->items[i] == gone) {
            list->len--;
            memmove(&list->items[i], &list->items[i + 1], (list->len - i) * sizeof(struct backup *));
            return;
        }
}

static void lists_add(struct arena *arena, struct inventory_index *index, const struct backup *backup, bool is_foreign)
{
    if (phase_holds_kcm(backup->status.phase))
        backup_list_add(arena, &index->unfinished, backup);
    if (is_foreign)
        backup_list_add(arena, &index->foreign, backup);
}

/* Equal annotations are kept once, and mostly the next Backup has the same. */
static bool build_lists(struct arena *arena, struct inventory_index *index, const struct inventory *inventory)
{
    struct json_object *seen = NULL;
    bool is_foreign = false;
    index->unfinished.len = index->foreign.len = 0;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        struct json_object *annotations = inventory->backups[i]->meta.annotations;
        if (annotations != seen)
            is_foreign = index_is_foreign(inventory, annotations);
        seen = annotations;
        lists_add(arena, index, inventory->backups[i], is_foreign);
    }
    return !arena_failed(arena);
}

const struct backup *const *inventory_unfinished_backups(const struct inventory *inventory, size_t *count)
{
    *count = inventory->index ? inventory->index->unfinished.len : 0;
    return *count ? inventory->index->unfinished.items : NULL;
}

const struct backup *const *inventory_foreign_backups(const struct inventory *inventory, size_t *count)
{
    *count = inventory->index ? inventory->index->foreign.len : 0;
    return *count ? inventory->index->foreign.items : NULL;
}

struct inventory_index *index_build(struct arena *arena, const struct inventory *inventory,
                                    struct record_table records[FACT_COUNT])
{
    struct inventory_index *index = arena_alloc(arena, sizeof *index);
    if (!index)
        return NULL;
    memcpy(index->records, records, sizeof index->records);
    memset(records, 0, sizeof index->records);
    if (build_schedules(arena, index, inventory) && build_defaults(arena, index, inventory) &&
        build_lists(arena, index, inventory))
        return index;
    index_clear(index);
    return NULL;
}

void index_clear(struct inventory_index *index)
{
    for (size_t f = 0; index && f < FACT_COUNT; f++)
        table_clear(&index->records[f]);
}

const struct record_table *index_records(const struct inventory *inventory, enum fact fact)
{
    return inventory->index ? &inventory->index->records[fact] : NULL;
}

/* Where the entry of a schedule stands, or would stand. */
static bool schedules_find(const struct inventory_index *index, struct str ns, struct str schedule, size_t *at)
{
    size_t low = 0, high = index->schedule_count;
    while (low < high) {
        *at = low + (high - low) / 2;
        const struct schedule_entry *entry = &index->schedules[*at];
        int order = schedule_order(ns, schedule, entry);
        if (order == 0)
            return true;
        if (order < 0)
            high = *at;
        else
            low = *at + 1;
    }
    *at = low;
    return false;
}

/* ---- one fact more ----------------------------------------------------------- */

static struct schedule_entry *schedules_insert(struct arena *arena, struct inventory_index *index, size_t at)
{
    if (index->schedule_count >= index->schedule_cap) { /* what was built has no room to spare */
        size_t cap = 2 * index->schedule_count + 16;
        struct schedule_entry *larger = arena_array(arena, cap, sizeof *larger);
        if (!larger)
            return NULL;
        if (index->schedule_count)
            memcpy(larger, index->schedules, index->schedule_count * sizeof *larger);
        index->schedules = larger;
        index->schedule_cap = cap;
    }
    memmove(&index->schedules[at + 1], &index->schedules[at], (index->schedule_count - at) * sizeof *index->schedules);
    index->schedule_count++;
    index->schedules[at] = (struct schedule_entry){0};
    return &index->schedules[at];
}

static bool schedules_add(struct arena *arena, struct inventory_index *index, const struct backup *backup)
{
    size_t at = 0;
    struct schedule_entry *entry = schedules_find(index, backup->meta.ns, backup->schedule, &at)
                                       ? &index->schedules[at]
                                       : schedules_insert(arena, index, at);
    if (!entry)
        return false;
    entry->ns = backup->meta.ns;
    entry->schedule = backup->schedule;
    schedule_consider(entry, backup);
    return true;
}

/* `inventory` does not hold `gone` any more; only where it stood first the others are looked at again. */
static void schedules_remove(struct inventory_index *index, const struct inventory *inventory,
                             const struct backup *gone)
{
    size_t at = 0;
    if (!schedules_find(index, gone->meta.ns, gone->schedule, &at))
        return;
    struct schedule_entry *entry = &index->schedules[at];
    if (entry->newest != gone && entry->newest_completed != gone)
        return;
    entry->newest = entry->newest_completed = NULL;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++)
        if (inventory->backups[i] != gone && is_of_schedule(entry, inventory->backups[i]))
            schedule_consider(entry, inventory->backups[i]);
    if (entry->newest)
        return;
    index->schedule_count--;
    memmove(entry, entry + 1, (index->schedule_count - at) * sizeof *entry);
}

/* Used by overlays only: a snapshot of the cache is built whole. */
bool index_put(struct arena *arena, const struct inventory *inventory, struct record *record, const void *gone)
{
    struct inventory_index *index = inventory->index;
    enum fact fact = record->fact;
    const void *added = record->bytes;
    if (!table_put(&index->records[fact], record))
        return false;
    if (fact == FACT_STORAGE_LOCATIONS) {
        const struct storage_location *before = gone, *now = added;
        if (!now->is_default && !(before && before->is_default))
            return true;
        index->default_count = 0;
        return build_defaults(arena, index, inventory);
    }
    if (fact == FACT_CLUSTER) /* whose Backups are another cluster's */
        return build_lists(arena, index, inventory);
    if (fact != FACT_BACKUPS)
        return true;
    const struct backup *before = gone, *now = added;
    backup_list_remove(&index->unfinished, before);
    backup_list_remove(&index->foreign, before);
    lists_add(arena, index, now, index_is_foreign(inventory, now->meta.annotations));
    if (before && before->schedule.len)
        schedules_remove(index, inventory, before);
    return !now->schedule.len || schedules_add(arena, index, now);
}

const void *inventory_find(const struct inventory *inventory, enum fact fact, struct str ns, struct str name)
{
    const struct record_table *records = inventory->count[fact] ? index_records(inventory, fact) : NULL;
    const struct record *record = records ? table_find(records, ns, name) : NULL;
    return record ? record->bytes : NULL;
}

const struct backup *inventory_newest_completed(const struct inventory *inventory, struct str ns, struct str schedule,
                                                const struct backup **newest)
{
    const struct inventory_index *index = inventory->index;
    size_t at = 0;
    const struct schedule_entry *entry =
        index && schedules_find(index, ns, schedule, &at) ? &index->schedules[at] : NULL;
    if (newest)
        *newest = entry ? entry->newest : NULL;
    return entry ? entry->newest_completed : NULL;
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
