/* A manifest folder usually has the storage location beside the ManagementBackup that names it,
 * in any order; and an apply of both would succeed. Two modes: an object that a document brings
 * replaces what the inventory has (OVERLAY_REPLACES); one that is only implied fills a gap
 * (OVERLAY_FILLS). */
#include <stdlib.h>
#include <string.h>

#include "inventory/files/files.h"

/* A snapshot that grows, for offline reviews: documents of one run see what earlier ones would have created. Its arrays are
 * its own, its records are shared with the snapshot that it lies over. */

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
    size_t at = order_find(overlay->facts[fact], inventory->count[fact], meta);
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

/* After a reload the base is another; what was added is added again. */
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

/* What kcm and Velero would make of a ManagementBackup, for inventories from files: serve can then be tried, gate and all,
 * without a cluster. */

/* What a management backup of a small installation holds. */
enum { ITEMS_TOTAL = 980 };
/* Stages of a simulated backup; between them stands the number of items done. */
enum { STAGE_NONE = -1, STAGE_NEW = 0, STAGE_COMPLETED = ITEMS_TOTAL };
static const int64_t month = INT64_C(720) * 3600; /* kcm's ttl */

struct simulated {
    struct json_object *object; /* as it was created */
    int64_t created;
    int64_t stage; /* what `records` shows */
    struct record_list records;
    struct simulated *next;
};

static void set_time(struct json_object *object, const char *key, int64_t seconds)
{
    char text[TIME_TEXT_SIZE];
    json_put_text(object, key, str_from(time_format(seconds, 0, text)));
}

/* NULL without memory. */
static struct json_object *set_object(struct json_object *object, const char *key)
{
    struct json_object *map;
    return json_put_map(object, key, &map) ? map : NULL;
}

void simulation_clear(struct simulation *simulation)
{
    for (struct simulated *at = simulation->first, *next; at; at = next) {
        next = at->next;
        record_list_clear(&at->records);
        json_object_put(at->object);
        free(at);
    }
    simulation->first = NULL;
    simulation->count = 0;
}

bool simulation_add(struct simulation *simulation, struct json_object *object, int64_t now, struct error *error)
{
    struct simulated *fresh = calloc(1, sizeof *fresh);
    if (!fresh || !(fresh->object = json_copy(object))) {
        free(fresh);
        return error_set(error, 500, "out of memory");
    }
    struct json_object *metadata = json_get(fresh->object, "metadata");
    fresh->stage = STAGE_NONE;
    fresh->created = object_time(metadata, "creationTimestamp");
    if (!fresh->created) {
        fresh->created = now;
        set_time(metadata, "creationTimestamp", now);
    }
    struct simulated **end = &simulation->first;
    while (*end)
        end = &(*end)->next;
    *end = fresh;
    simulation->count++;
    return true;
}

/* On demand: the only kind kcm runs at once. */
static bool is_backup_on_demand(struct json_object *object)
{
    return str_is(json_get_str(object, "kind"), "ManagementBackup") && !json_path_str(object, "spec.schedule").len;
}

/* By the clock that the caller gives, so that tests see the same progress at the
 * same time. */
static int64_t stage_at(const struct simulation *simulation, const struct simulated *simulated, int64_t now)
{
    int64_t elapsed = now - simulated->created, seconds = simulation->seconds;
    if (seconds < 0 || !is_backup_on_demand(simulated->object))
        return STAGE_NEW;
    if (elapsed >= seconds)
        return STAGE_COMPLETED;
    if (elapsed <= 0)
        return STAGE_NEW;
    int64_t done = (int64_t)((double)elapsed / (double)seconds * ITEMS_TOTAL);
    return done < 1 ? 1 : done < ITEMS_TOTAL ? done : ITEMS_TOTAL - 1;
}

static void set_backup_status(struct json_object *parent, const char *key, const struct simulated *simulated,
                              int64_t seconds)
{
    struct json_object *status = set_object(parent, key);
    struct json_object *progress = set_object(status, "progress");
    json_put_text(status, "phase", simulated->stage == STAGE_COMPLETED ? STR("Completed") : STR("InProgress"));
    set_time(status, "startTimestamp", simulated->created);
    set_time(status, "expiration", simulated->created + month);
    if (simulated->stage == STAGE_COMPLETED)
        set_time(status, "completionTimestamp", simulated->created + seconds);
    json_put(progress, "itemsBackedUp", json_object_new_int64(simulated->stage));
    json_put(progress, "totalItems", json_object_new_int64(ITEMS_TOTAL));
}

static void add_selector(struct json_object *selectors, const char *key, struct str value)
{
    struct json_object *selector = json_object_new_object();
    struct json_object *labels = set_object(selector, "matchLabels");
    json_put_text(labels, key, value);
    json_append(selectors, selector);
}

/* A list of one text. */
static void put_only(struct json_object *parent, const char *key, struct str text)
{
    struct json_object *list = json_object_new_array();
    json_append(list, json_new_text(text));
    json_put(parent, key, list);
}

/* The Velero Backup that kcm would make of it: same name, kcm's marks (backup_identity.c), and
 * the selectors from which a Restore learns the providers. */
static struct json_object *velero_backup(const struct simulated *simulated, const struct extractor *extractor,
                                         const struct inventory *inventory, int64_t seconds)
{
    struct json_object *backup = json_object_new_object();
    json_put_text(backup, "apiVersion", STR(API_VELERO));
    json_put_text(backup, "kind", STR("Backup"));
    struct json_object *metadata = set_object(backup, "metadata"), *spec = set_object(backup, "spec");
    struct str name = json_path_str(simulated->object, "metadata.name"), ns = extractor->default_ns;
    json_put_text(metadata, "name", name);
    json_put_text(metadata, "namespace", ns);
    set_time(metadata, "creationTimestamp", simulated->created);
    struct str location = json_path_str(simulated->object, "spec.storageLocation");
    const struct storage_location *fallback = inventory_default_location(inventory, ns, NULL);
    if (!location.len && fallback)
        location = fallback->meta.name;
    if (location.len)
        json_put_text(spec, "storageLocation", location);
    put_only(spec, "includedNamespaces", STR("*"));
    put_only(spec, "excludedResources", STR("clusters.cluster.x-k8s.io"));
    json_put(spec, "orLabelSelectors", json_object_new_array());
    struct json_object *selectors = json_get(spec, "orLabelSelectors");
    const struct management *management = inventory_management(inventory);
    for (size_t i = 0; management && i < management->available_providers.len; i++)
        add_selector(selectors, LABEL_PROVIDER, management->available_providers.items[i]);
    add_selector(selectors, LABEL_COMPONENT, STR("kcm"));
    set_backup_status(backup, "status", simulated, seconds);
    return backup;
}

static struct json_object *management_backup(const struct simulated *simulated, int64_t seconds)
{
    struct json_object *copy = json_copy(simulated->object);
    struct json_object *status = set_object(copy, "status");
    struct str name = json_path_str(simulated->object, "metadata.name");
    json_put_text(status, "lastBackupName", name);
    set_time(status, "lastBackupTime", simulated->created);
    set_backup_status(status, "lastBackup", simulated, seconds);
    return copy;
}

static bool extract_and_put(const struct extractor *extractor, struct json_object *object, struct record_list *records)
{
    struct error error;
    bool good = object && extract_object(extractor, object, record_list_sink, records, &error);
    json_object_put(object);
    return good;
}

static void simulated_render(struct simulated *simulated, const struct extractor *extractor,
                             const struct inventory *inventory, int64_t seconds)
{
    struct record_list fresh = {0};
    bool good;
    if (simulated->stage == STAGE_NEW)
        good = extract_and_put(extractor, json_object_get(simulated->object), &fresh);
    else
        good = extract_and_put(extractor, management_backup(simulated, seconds), &fresh) &&
               extract_and_put(extractor, velero_backup(simulated, extractor, inventory, seconds), &fresh);
    if (!good) { /* out of memory: shown as it was, and tried again next time */
        record_list_clear(&fresh);
        simulated->stage = STAGE_NONE;
        return;
    }
    record_list_clear(&simulated->records);
    simulated->records = fresh;
}

bool simulation_advance(struct simulation *simulation, const struct extractor *extractor,
                        const struct inventory *inventory, int64_t now)
{
    bool changed = false;
    for (struct simulated *at = simulation->first; at; at = at->next) {
        int64_t stage = stage_at(simulation, at, now);
        if (stage == at->stage)
            continue;
        at->stage = stage;
        simulated_render(at, extractor, inventory, simulation->seconds);
        changed = true;
    }
    return changed;
}

/* An object of the files wins over a simulated one of the same name: whoever writes it there
 * wants to see it. */
bool simulation_put(const struct simulation *simulation, struct inventory_builder *builder)
{
    for (const struct simulated *at = simulation->first; at; at = at->next)
        for (size_t i = 0; i < at->records.len; i++)
            if (!builder_has(builder, at->records.items[i]) && !builder_share(builder, at->records.items[i]))
                return false;
    return true;
}
