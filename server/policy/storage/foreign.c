/* Another cluster that writes management backups where this one does: the old cluster came back after a disaster, say, or
 * a second one was installed from the same values. Velero brings the Backups of a bucket to every cluster that has a
 * storage location for it, annotations and all, so the cluster ids that backstop recorded on them tell whose they are. */
#include "policy/checks.h"
#include "policy/storage/storage.h"
#include "policy/upgrade/gate.h"

enum { FOREIGN_ID_SHOWN = 60 };

/* The cluster whose management Backup in this location it is; absent for any other Backup, and where that is not known. */
static struct str foreign_cluster(const struct backup *backup, const struct storage_location *location)
{
    if (backup->identity.kind != BACKUP_MANAGEMENT || !backup->status.started ||
        !str_eq(backup->storage_location, location->meta.name) || !str_eq(backup->meta.ns, location->meta.ns))
        return (struct str){NULL, 0};
    return backup_recorded(backup, ANNOTATION_CLUSTER_ID);
}

/* Since when this cluster writes there; 0: nobody knows. What others began before that is what a new cluster is restored
 * from, or was moved from. */
static int64_t foreign_since(const struct inventory *inventory, const struct storage_location *location, struct str own)
{
    const struct management *management = inventory_management(inventory);
    int64_t first = 0;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        if ((!first || backup->status.started < first) && str_eq(foreign_cluster(backup, location), own))
            first = backup->status.started;
    }
    return first || !management ? first : management->meta.created;
}

struct foreign_writer policy_foreign_writer(const struct inventory *inventory, const struct settings *settings,
                                            const struct storage_location *location)
{
    struct foreign_writer writer = {0};
    const struct cluster_identity *here = inventory_cluster_identity(inventory);
    if (settings->storage_foreign_writer == VERDICT_ALLOW || !location || !here || !here->uid.len)
        return writer;
    int64_t since = foreign_since(inventory, location, here->uid);
    for (size_t i = 0; since && i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        struct str cluster = foreign_cluster(backup, location);
        if (!cluster.len || str_eq(cluster, here->uid) || backup->status.started <= since)
            continue;
        if (!writer.newest || backup->status.started > writer.newest->status.started) {
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
