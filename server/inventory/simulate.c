/* What kcm and Velero would make of a ManagementBackup, for inventories from files: serve can then be tried, gate and all,
 * without a cluster. */
#include <stdlib.h>
#include <string.h>

#include "inventory/files/files.h"

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

static void simulated_free(struct simulated *simulated)
{
    record_list_clear(&simulated->records);
    json_object_put(simulated->object);
    free(simulated);
}

void simulation_clear(struct simulation *simulation)
{
    for (struct simulated *at = simulation->first, *next; at; at = next) {
        next = at->next;
        simulated_free(at);
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

bool simulation_put(const struct simulation *simulation, struct inventory_builder *builder)
{
    for (const struct simulated *at = simulation->first; at; at = at->next)
        for (size_t i = 0; i < at->records.len; i++)
            if (!builder_has(builder, at->records.items[i]) && !builder_share(builder, at->records.items[i]))
                return false;
    return true;
}
