/* Another cluster that writes management backups where this one does: the old cluster came back after a disaster, say, or
 * a second one was installed from the same values. Velero brings the Backups of a bucket to every cluster that has a
 * storage location for it, annotations and all, so the cluster ids that backstop recorded on them tell whose they are. */
#include "policy/checks.h"
#include "policy/storage/storage.h"
#include "policy/upgrade/gate.h"

enum { FOREIGN_ID_SHOWN = 60, FOREIGN_NAMES_MAX = 8 };

/* The names that one place in a bucket goes by: Velero brings a Backup of it under one of them. */
struct foreign_place {
    struct str ns, names[FOREIGN_NAMES_MAX];
    size_t len;
};

static struct foreign_place foreign_place(const struct inventory *inventory, const struct storage_location *location)
{
    struct foreign_place place = {.ns = location->meta.ns, .names = {location->meta.name}, .len = 1};
    for (size_t i = 0; i < inventory->count[FACT_STORAGE_LOCATIONS] && place.len < FOREIGN_NAMES_MAX; i++) {
        const struct storage_location *other = inventory->storage_locations[i];
        if (str_eq(other->meta.ns, place.ns) && !str_eq(other->meta.name, location->meta.name) &&
            location_same_place(other, location))
            place.names[place.len++] = other->meta.name;
    }
    return place;
}

static bool foreign_place_has(const struct foreign_place *place, const struct backup *backup)
{
    for (size_t i = 0; i < place->len; i++)
        if (str_eq(backup->storage_location, place->names[i]))
            return str_eq(backup->meta.ns, place->ns);
    return false;
}

/* The cluster whose management Backup it is; absent for any other Backup, and where that is not known. */
static struct str foreign_cluster(const struct backup *backup)
{
    return backup->identity.kind == BACKUP_MANAGEMENT ? backup_recorded(backup, ANNOTATION_CLUSTER_ID)
                                                      : (struct str){NULL, 0};
}

/* The uid of namespace kube-system, by which backstop tells clusters apart. Absent until it is
 * known, and nothing is then called foreign. */
static struct str foreign_own_id(const struct inventory *inventory)
{
    const struct cluster_identity *here = inventory_cluster_identity(inventory);
    return here ? here->uid : (struct str){NULL, 0};
}

/* Since when this cluster writes there (anywhere, where place is NULL); 0: nobody knows. What others began before that is
 * what a new cluster is restored from, or was moved from. */
static int64_t foreign_since(const struct inventory *inventory, const struct foreign_place *place, struct str own)
{
    const struct management *management = inventory_management(inventory);
    int64_t first = 0;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        if ((!first || backup->status.started < first) && (!place || foreign_place_has(place, backup)) &&
            str_eq(foreign_cluster(backup), own))
            first = backup->status.started;
    }
    return first || !management ? first : management->meta.created;
}

/* A Backup without a recorded id is never foreign: most are older than backstop's annotation, or
 * were taken by a cluster without backstop. */
bool backup_is_foreign(const struct inventory *inventory, const struct backup *backup)
{
    struct str own = foreign_own_id(inventory), cluster = own.len ? foreign_cluster(backup) : own;
    return cluster.len && !str_eq(cluster, own);
}

int64_t policy_foreign_since(const struct inventory *inventory)
{
    struct str own = foreign_own_id(inventory);
    return own.len ? foreign_since(inventory, NULL, own) : 0;
}

/* The newest management Backup there that another cluster began after this one had its first:
 * before that, the writes of the old cluster are what this one was restored from. Silent where
 * the rule is off, and where the own id is unknown, as every Backup would look foreign. */
struct foreign_writer policy_foreign_writer(const struct inventory *inventory, const struct settings *settings,
                                            const struct storage_location *location)
{
    struct foreign_writer writer = {0};
    struct str own = foreign_own_id(inventory);
    size_t count;
    const struct backup *const *foreign = inventory_foreign_backups(inventory, &count);
    if (settings->storage_foreign_writer == VERDICT_ALLOW || !location || !own.len || !count)
        return writer;
    const struct foreign_place place = foreign_place(inventory, location);
    int64_t since = foreign_since(inventory, &place, own);
    for (size_t i = 0; since && i < count; i++) {
        const struct backup *backup = foreign[i];
        if (backup->status.started <= since || !foreign_place_has(&place, backup) ||
            (writer.newest && backup->status.started <= writer.newest->status.started))
            continue;
        struct str cluster = foreign_cluster(backup);
        if (cluster.len && !str_eq(cluster, own)) {
            writer.newest = backup;
            writer.cluster = cluster;
        }
    }
    return writer;
}

struct str policy_foreign_writer_reason(struct arena *arena, const struct foreign_writer *writer, int64_t now)
{
    return arena_printf(arena,
                        "is also written by cluster %.*s (backup %.*s %.*s): each can delete the other's backups",
                        STR_ARG(arena_quote(arena, str_slice(writer->cluster, 0, FOREIGN_ID_SHOWN))),
                        STR_ARG(arena_quote(arena, writer->newest->meta.name)),
                        STR_ARG(ago(arena, now, writer->newest->status.started)));
}
