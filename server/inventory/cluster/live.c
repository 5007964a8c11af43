/* What one review needs to read anew, and what is created for it. The cache may be seconds
 * behind; where a second matters (the gate's evidence, the last backup that may not be deleted)
 * the objects are read by name, and a snapshot is made of the cache with these in place of its
 * own. All of it runs on a worker thread, within the time that the API server gives a webhook. */
#include "backstop/grammar.h"
#include "backstop/telemetry.h"
#include "inventory/cluster/cluster.h"
#include "inventory/files/files.h"

enum { PAGE = 250 };

static bool cluster_look_for_evidence(void *context, struct json_object *object, struct error *error)
{
    return evidence_look(context, object, error);
}

/* Fills search->reading, if only with why it could not be read. */
static enum evidence_access evidence_access_of(int code)
{
    switch (code) {
    case 404:
        return EVIDENCE_NOT_SERVED;
    case 401:
    case 403:
        return EVIDENCE_FORBIDDEN;
    default:
        return EVIDENCE_UNREADABLE;
    }
}

/* One source that cannot be read does not keep the others from being read: which of them
 * are needed is for the policy to say. */
static void cluster_evidence(struct kube_client *client, struct evidence_search *search, bool in_time)
{
    const struct evidence_source *source = search->source;
    const struct kube_resource resource = {.group = source->group,
                                           .version = source->version,
                                           .plural = source->resource,
                                           .kind = source->kind,
                                           .namespaced = source->ns.len > 0};
    const struct kube_list_options options = {.ns = source->ns, .label_selector = source->selector, .page = PAGE};
    struct evidence_reading *reading = &search->reading;
    struct error error = {.code = 503};
    reading->source = source->name;
    if (!in_time)
        error_set(&error, 503, "list %.*s: the API server responds too slowly", STR_ARG(source->resource));
    else if (kube_list(client, search->arena, &resource, &options, cluster_look_for_evidence, search, NULL, &error))
        return;
    reading->access = evidence_access_of(error.code);
    reading->problem = arena_copy(search->arena, str_from(error.message));
    reading->len = reading->matching = 0;
}

/* The admitted deletions that all replicas know of, in one Lease: its resourceVersion arbitrates. */

/* The chart makes the Lease, so that the webhook need not be allowed to create any. */
#define LEASE "backstop-deletions"

static const struct kube_resource leases = {.group = {"coordination.k8s.io", 19},
                                            .version = {"v1", 2},
                                            .plural = {"leases", 6},
                                            .kind = {"Lease", 5},
                                            .namespaced = true};

enum { PATCH_LIMIT = 512 * 1024 };

/* Fills the reading, if only with why it could not be read; false when out of memory. */
static bool cluster_reservations(struct cluster *cluster, struct arena *arena, int64_t now, bool in_time,
                                 struct evidence_reading *reading)
{
    struct json_object *lease = NULL;
    struct error error = {.code = 503};
    if (!in_time)
        error_set(&error, 503, "get leases \"" LEASE "\": the API server responds too slowly");
    else if (kube_get(cluster->live, arena, &leases, cluster->ns, STR(LEASE), &lease, &error)) {
        reading->version = json_path_str(lease, "metadata.resourceVersion");
        return reservations_read(arena, json_path_str(lease, "spec.holderIdentity"), now, reading);
    }
    reading->source = STR(RESERVATIONS);
    reading->access = evidence_access_of(error.code);
    reading->problem = arena_copy(arena, str_from(error.message));
    return !arena_failed(arena);
}

/* A JSON Patch whose first step tests the resourceVersion that was read: the API server then
 * decides which of two replicas was first. The loser is told 409, and its client tries again. */
static struct json_object *patch_of(struct arena *arena, struct str version, struct str text, struct error *error)
{
    BUF_SCOPED out;
    buf_init(&out, PATCH_LIMIT);
    buf_puts(&out, "[{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":");
    json_write_str(&out, version);
    buf_puts(&out, "},{\"op\":\"add\",\"path\":\"/spec/holderIdentity\",\"value\":");
    json_write_str(&out, text);
    buf_puts(&out, "}]");
    struct json_object *patch = out.failed ? NULL : json_build(arena, arena_copy(arena, buf_str(&out)), error);
    if (!patch)
        error_set(error, 503, "out of memory");
    return patch;
}

static bool is_lost(int code)
{
    return code == 409 || code == 422; /* a JSON Patch whose test fails is 422 */
}

bool cluster_reserve(struct snapshot_source *self, const struct inventory *base, struct str backup, int64_t now,
                     struct error *error)
{
    struct cluster *cluster = (struct cluster *)self;
    const struct evidence_reading *reading = inventory_evidence(base, STR(RESERVATIONS));
    ARENA_SCOPED arena = arena_new(4 * PATCH_LIMIT);
    if (!arena)
        return error_set(error, 503, "out of memory");
    if (!reading)
        return error_set(error, 503, "cannot read Lease \"" LEASE "\"");
    if (reading->access == EVIDENCE_NOT_SERVED)
        return error_set(error, 503,
                         "the Lease \"" LEASE "\" is missing in namespace \"%.*s\"; backstop rbac prints it",
                         STR_ARG(cluster->ns));
    if (reading->access != EVIDENCE_READ)
        return error_set(error, 503, "%.*s", STR_ARG(reading->problem));
    struct str text = reservations_with(arena, reading, backup, now, error);
    struct json_object *patch = text.ptr ? patch_of(arena, reading->version, text, error) : NULL;
    if (!patch)
        return false;
    if (kube_patch(cluster->live, arena, &leases, cluster->ns, STR(LEASE), patch, STR("backstop"), NULL, error))
        return true;
    error->code = is_lost(error->code) ? 409 : 503;
    return false;
}

/* What one review needs read anew, and what the gate creates. Runs where it may wait. */

/* The API server gives a webhook 10 seconds: no request is begun after the fourth, and
 * none takes longer than 3. */
enum { BEGIN_MS = 4000, READ_LIMIT = 64 * 1024 * 1024 };

struct live_reading {
    struct cluster *cluster;
    struct arena *arena;
    int64_t begin_ns;
    enum fact fact;             /* of the list that is under way */
    struct record_list records; /* what was read */
    bool listed[FACT_COUNT];    /* whole: the store's records do not count */
    struct facts_wanted absent; /* read, and not there */
    struct evidence_reading *evidence;
    size_t evidence_count;
};

/* ---- resources ------------------------------------------------------------- */

/* With the version that the API server serves; asked once and kept until it is refused. */
static bool resource_now(struct cluster *cluster, enum fact fact, struct kube_resource *resource, struct error *error)
{
    const struct fact_kind *kind = &fact_kinds[fact];
    *resource = kind->resource;
    if (!kind->versions)
        return true;
    pthread_mutex_lock(&cluster->lock);
    const char *version = cluster->versions[fact];
    pthread_mutex_unlock(&cluster->lock);
    if (!version) {
        if (!kube_served_version(cluster->live, resource->group, resource->plural, kind->versions, &version, error))
            return false;
        pthread_mutex_lock(&cluster->lock);
        cluster->versions[fact] = version;
        pthread_mutex_unlock(&cluster->lock);
    }
    resource->version = str_from(version);
    return true;
}

static void forget_version(struct cluster *cluster, enum fact fact)
{
    pthread_mutex_lock(&cluster->lock);
    cluster->versions[fact] = NULL;
    pthread_mutex_unlock(&cluster->lock);
}

static struct str live_namespace(const struct cluster *cluster, const struct kube_resource *resource, struct str ns)
{
    if (!resource->namespaced)
        return (struct str){NULL, 0};
    return ns.len ? ns : cluster->ns;
}

static bool in_time(const struct live_reading *reading, struct error *error)
{
    if (time_monotonic_ns() - reading->begin_ns < BEGIN_MS * INT64_C(1000000))
        return true;
    return error_set(error, 503, "the API server responds too slowly");
}

/* ---- reading --------------------------------------------------------------- */

static bool live_take_object(void *context, struct json_object *object, struct error *error)
{
    struct live_reading *reading = context;
    pthread_mutex_lock(&reading->cluster->lock);
    bool good = cluster_extract(reading->cluster, reading->fact, object, record_list_sink, &reading->records, error);
    pthread_mutex_unlock(&reading->cluster->lock);
    return good;
}

/* Consistent: the API server answers once its watch cache has caught up with etcd, for which it takes up to 100 ms. A
 * list of resourceVersion=0 costs nothing of that, but may be of any age, and what it lacks (a ManagementBackup that has
 * failed since, the release that another has just set) cannot be asked for by name. An upgrade can wait so long. */
static bool live_list_kind(struct live_reading *reading, enum fact fact, struct error *error)
{
    struct cluster *cluster = reading->cluster;
    const struct kube_list_options options = {.ns = {NULL, 0}};
    struct kube_resource resource;
    reading->fact = fact;
    /* Twice, because the version that was kept may be served no longer. */
    for (int attempt = 0; attempt < 2; attempt++) {
        if (!in_time(reading, error) || !resource_now(cluster, fact, &resource, error))
            return false;
        if (kube_list(cluster->live, reading->arena, &resource, &options, live_take_object, reading, NULL, error)) {
            reading->listed[fact] = true;
            return true;
        }
        if (error->code != 404)
            return false;
        forget_version(cluster, fact);
    }
    return false;
}

/* No object tells it, so it is noted on the one that stands for the cluster. */
static void note_kubernetes(struct live_reading *reading, struct json_object *object)
{
    struct json_object *meta = json_get(object, "metadata"), *annotations;
    struct str version = {NULL, 0};
    struct error error = {.message = "out of memory"};
    if (!kube_version(reading->cluster->live, reading->arena, &version, &error) ||
        !json_put_map(meta, "annotations", &annotations) ||
        !json_put_text(annotations, ANNOTATION_KUBERNETES_VERSION, version))
        log_line(LOG_WARN, "version of the API server is unknown", LOG_TEXT("reason", str_from(error.message)));
}

/* A name that is not there is noted as absent, so that the cache's older copy is taken out. A
 * kind that is only optional and cannot be read fails nothing. */
static bool get_one(struct live_reading *reading, enum fact fact, struct str ns, struct str name, struct error *error)
{
    struct cluster *cluster = reading->cluster;
    struct kube_resource resource;
    struct json_object *object = NULL;
    if (!in_time(reading, error))
        return false;
    if (resource_now(cluster, fact, &resource, error)) {
        ns = live_namespace(cluster, &resource, ns);
        if (kube_get(cluster->live, reading->arena, &resource, ns, name, &object, error)) {
            reading->fact = fact;
            if (fact == FACT_CLUSTER)
                note_kubernetes(reading, object);
            return live_take_object(reading, object, error);
        }
    }
    if (error->code != 404)
        return fact_kinds[fact].optional;
    facts_want(reading->arena, &reading->absent, fact, ns, name);
    return true;
}

/* ---- the gate's evidence --------------------------------------------------- */

static struct str live_running_release(const struct live_reading *reading)
{
    for (size_t i = 0; i < reading->records.len; i++)
        if (reading->records.items[i]->fact == FACT_MANAGEMENTS)
            return ((const struct management *)(const void *)reading->records.items[i]->bytes)->status_release;
    return (struct str){NULL, 0};
}

/* The label of a long release name is cut and hashed: then every labelled one is read. */
static bool is_evidence(const struct management_backup *backup, struct str running)
{
    if (backup->release.len == 0 || backup->schedule.len)
        return false;
    return running.len == 0 || running.len > LABEL_VALUE_MAX || str_eq(backup->release, running);
}

static bool read_k0rdent(struct live_reading *reading, struct error *error)
{
    return live_list_kind(reading, FACT_MANAGEMENTS, error) && live_list_kind(reading, FACT_MANAGEMENT_BACKUPS, error);
}

/* kcm names the Velero Backup of a ManagementBackup without a schedule as that itself; those of regions,
 * which its status names, come here by Velero's sync. */
static bool read_parts(struct live_reading *reading, const struct management_backup *backup, struct error *error)
{
    bool good = get_one(reading, FACT_BACKUPS, reading->cluster->ns, backup->meta.name, error);
    for (size_t i = 0; good && i < backup->region_count; i++)
        if (name_is_dns_subdomain(backup->regions[i].backup_name)) /* it becomes part of a path */
            good = get_one(reading, FACT_BACKUPS, reading->cluster->ns, backup->regions[i].backup_name, error);
    return good;
}

/* The order matters: Management and ManagementBackups first, then the Velero Backups that these
 * name. Reading Backups by name costs a few requests; listing all of them could cost seconds. */
static bool read_evidence(struct live_reading *reading, struct error *error)
{
    if (!read_k0rdent(reading, error))
        return false;
    struct str running = live_running_release(reading);
    size_t listed = reading->records.len;
    for (size_t i = 0; i < listed; i++) {
        const struct record *record = reading->records.items[i];
        const struct management_backup *backup = (const void *)record->bytes;
        if (record->fact == FACT_MANAGEMENT_BACKUPS && is_evidence(backup, running) &&
            !read_parts(reading, backup, error))
            return false;
    }
    return true;
}

/* Before everything else: what is read after them shows those that have gone through. */
static bool read_reservations(struct live_reading *reading, const struct facts_wanted *wanted, int64_t now,
                              struct error *error)
{
    struct error late;
    reading->evidence = arena_array(reading->arena, wanted->evidence_count + 1, sizeof *reading->evidence);
    bool good = reading->evidence != NULL;
    if (good && wanted->reservations)
        good = cluster_reservations(reading->cluster, reading->arena, now, in_time(reading, &late),
                                    &reading->evidence[reading->evidence_count++]);
    if (!good)
        error_set(error, 503, "out of memory");
    return good;
}

/* ---- one snapshot of both -------------------------------------------------- */

/* The lock is held. */
static bool put_stored(const struct live_reading *reading, struct inventory_builder *builder)
{
    const struct cluster *cluster = reading->cluster;
    for (size_t f = 0; f < FACT_COUNT; f++)
        inventory_set_known(builder, (enum fact)f, cluster_knows(cluster, (enum fact)f) || reading->listed[f]);
    for (size_t f = 0; f < cluster->feed_count; f++) {
        const struct feed *feed = &cluster->feeds[f];
        if (feed->known && !reading->listed[feed->fact] && !builder_share_table(builder, feed->fact, &feed->records))
            return false;
    }
    for (size_t i = 0; i < reading->absent.len; i++) {
        const struct facts_ref *ref = &reading->absent.refs[i];
        builder_remove(builder, ref->fact, ref->ns, ref->name);
    }
    return true;
}

static bool put_read(const struct live_reading *reading, struct inventory_builder *builder)
{
    for (size_t i = 0; i < reading->records.len; i++)
        if (!builder_share(builder, reading->records.items[i]))
            return false;
    return true;
}

/* The lock is held. */
static bool cluster_installed(const struct cluster *cluster, enum fact fact)
{
    bool installed = true;
    for (size_t f = 0; f < cluster->feed_count; f++)
        installed = installed && (cluster->feeds[f].fact != fact || cluster->feeds[f].state != KUBE_MISSING);
    return installed;
}

/* Records that were read outrank the cache's; kinds that were listed replace it whole. */
static const struct inventory *live_snapshot(const struct live_reading *reading, bool upgrade, struct error *error)
{
    struct cluster *cluster = reading->cluster;
    struct inventory_builder *builder = inventory_builder_new();
    struct inventory *fresh = NULL;
    const struct inventory *before = snapshot_current(&cluster->current);
    if (builder)
        builder_follow(builder, before);
    snapshot_release(before);
    pthread_mutex_lock(&cluster->lock);
    bool filled = builder && put_stored(reading, builder);
    /* Every Backup that matters to the gate was asked for by its name. */
    if (filled && upgrade && cluster_installed(cluster, FACT_BACKUPS))
        inventory_set_known(builder, FACT_BACKUPS, true);
    pthread_mutex_unlock(&cluster->lock);
    if (filled && put_read(reading, builder))
        fresh = inventory_finish(builder);
    else
        inventory_builder_free(builder);
    if (fresh && !snapshot_evidence(fresh, reading->evidence, reading->evidence_count)) {
        snapshot_release(fresh);
        fresh = NULL;
    }
    if (!fresh)
        error_set(error, 503, "out of memory");
    return fresh;
}

/* Any failure is 503: the policy then says what it could not check, and never decides on half of
 * it. */
const struct inventory *cluster_live(struct snapshot_source *self, const struct facts_wanted *wanted, int64_t now,
                                     struct error *error)
{
    ARENA_SCOPED arena = arena_new(READ_LIMIT);
    struct live_reading reading = {.cluster = (struct cluster *)self, .arena = arena, .begin_ns = time_monotonic_ns()};
    const struct inventory *fresh = NULL;
    bool good = arena != NULL && read_reservations(&reading, wanted, now, error);
    if (arena == NULL)
        error_set(error, 503, "out of memory");
    if (good && wanted->upgrade)
        good = read_evidence(&reading, error);
    for (size_t i = 0; good && i < wanted->len; i++)
        good = get_one(&reading, wanted->refs[i].fact, wanted->refs[i].ns, wanted->refs[i].name, error);
    if (good) {
        struct error late;
        for (size_t i = 0; i < wanted->evidence_count; i++) {
            struct evidence_search search = {.source = &wanted->evidence[i], .arena = reading.arena};
            cluster_evidence(reading.cluster->live, &search, in_time(&reading, &late));
            reading.evidence[reading.evidence_count++] = search.reading;
        }
    }
    if (good && arena_failed(arena))
        good = error_set(error, 503, "out of memory");
    if (good)
        fresh = live_snapshot(&reading, wanted->upgrade, error);
    else
        error->code = 503;
    record_list_clear(&reading.records);
    return fresh;
}

/* ---- creating -------------------------------------------------------------- */

/* The object in the version that is served; the request may have come in another one. */
static struct json_object *in_version(struct arena *arena, struct json_object *object,
                                      const struct kube_resource *resource)
{
    struct json_object *copy = json_own(arena, json_copy(object));
    struct str text = resource->group.len
                          ? arena_printf(arena, "%.*s/%.*s", STR_ARG(resource->group), STR_ARG(resource->version))
                          : resource->version;
    return text.ptr && json_put_text(copy, "apiVersion", text) ? copy : NULL;
}

static bool create_now(struct cluster *cluster, struct arena *arena, const struct fact_kind *kind,
                       struct json_object *object, struct error *error)
{
    enum fact fact = (enum fact)(kind - fact_kinds);
    struct kube_resource resource;
    if (!resource_now(cluster, fact, &resource, error))
        return false;
    struct json_object *copy = in_version(arena, object, &resource);
    struct str ns = live_namespace(cluster, &resource, json_path_str(object, "metadata.namespace"));
    if (!copy)
        return error_set(error, 503, "out of memory");
    /* Another replica, a retry or kcm itself may have been faster. */
    if (kube_create(cluster->live, arena, &resource, ns, copy, NULL, error) || error->code == 409)
        return true;
    if (error->code == 404)
        forget_version(cluster, fact);
    return false;
}

bool cluster_create(struct snapshot_source *self, struct json_object *object, int64_t now, struct error *error)
{
    (void)now;
    ARENA_SCOPED arena = arena_new(READ_LIMIT);
    const struct fact_kind *kind =
        fact_kind_find(json_get_str(object, "apiVersion"), json_get_str(object, "kind"), NULL);
    if (!arena)
        return error_set(error, 503, "out of memory");
    if (!kind)
        return error_set(error, 500, "objects of this kind are never created");
    struct cluster *cluster = (struct cluster *)self;
    if (create_now(cluster, arena, kind, object, error))
        return true;
    return error->code == 404 && create_now(cluster, arena, kind, object, error);
}
