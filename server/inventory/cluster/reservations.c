/* The admitted deletions that all replicas know of, in one Lease: its resourceVersion arbitrates. */
#include "inventory/cluster/cluster.h"

/* The chart makes the Lease, so that the webhook need not be allowed to create any. */
#define LEASE "backstop-deletions"

static const struct kube_resource leases = {.group = {"coordination.k8s.io", 19},
                                            .version = {"v1", 2},
                                            .plural = {"leases", 6},
                                            .kind = {"Lease", 5},
                                            .namespaced = true};

enum { PATCH_LIMIT = 512 * 1024 };

bool cluster_reservations(struct cluster *cluster, struct arena *arena, int64_t now, bool in_time,
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

/* Nobody may have written the Lease since it was read. */
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

bool cluster_reserve(struct facts_source *self, const struct inventory *base, struct str backup, int64_t now,
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
