/* Backups that KOTS made, and Restores of them: no disaster recovery of k0rdent. */
#include "policy/backup/kots.h"
#include "policy/storage/storage.h"

enum { SHOWN = 60 };

/* The application of a partial snapshot, by what its selector or annotation says. */
static struct str kots_application(struct arena *arena, struct json_object *annotations, struct str slug)
{
    struct str app = slug.len ? slug : json_get_str(annotations, "kots.io/app-id");
    return arena_quote(arena, str_slice(app, 0, SHOWN));
}

static const char full_inside[] = "enough for rollbacks, not for disaster recovery";

const char *kots_inside_means(struct json_object *annotations)
{
    return backup_kots_kind(annotations) == BACKUP_KOTS_FULL ? full_inside : NULL;
}

static void warn_location(struct decision *decision, const struct storage_location *location)
{
    struct arena *arena = decision->arena;
    struct str lost = location ? storage_lost(arena, location, full_inside) : (struct str){NULL, 0};
    if (lost.len)
        decision_caution(decision, "BackupStorageLocation %.*s %.*s",
                         STR_ARG(arena_quote(arena, str_slice(location->meta.name, 0, SHOWN))), STR_ARG(lost));
}

static struct str selected_slug(const struct request *request)
{
    struct json_object *selector = object_tree(request, request->object, "spec.labelSelector");
    return json_get_str(json_get(selector, "matchLabels"), "kots.io/app-slug");
}

void kots_warn_backup(const struct request *request, const struct inventory *inventory, const struct settings *settings,
                      bool storage_told, struct decision *decision)
{
    struct json_object *annotations = object_tree(request, request->object, "metadata.annotations");
    struct str ns = request->ns.len ? request->ns : settings->system_namespace, slug = selected_slug(request);
    struct str named = object_text(request, request->object, "spec.storageLocation");
    enum backup_kind kind = backup_kots_kind(annotations);
    if (kind == BACKUP_OTHER && slug.len)
        kind = BACKUP_KOTS_PARTIAL;
    if (kind == BACKUP_OTHER)
        return;
    if (kind == BACKUP_KOTS_PARTIAL)
        decision_caution(
            decision,
            "this is a partial KOTS snapshot of application %.*s: without the admin console it is not enough "
            "for disaster recovery. Take a full snapshot for that",
            STR_ARG(kots_application(request->arena, annotations, slug)));
    if (named.len && !str_is(named, "default"))
        decision_warn(decision, "KOTS keeps its snapshots in the BackupStorageLocation \"default\", not in %.*s",
                      STR_ARG(arena_quote(request->arena, str_slice(named, 0, SHOWN))));
    if (kind == BACKUP_KOTS_FULL && !storage_told)
        warn_location(decision, named.len ? inventory_storage_location(inventory, ns, named)
                                          : inventory_default_location(inventory, ns, NULL));
}

static const struct backup *newest_full(const struct inventory *inventory, struct str ns)
{
    const struct backup *newest = NULL;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        if (str_eq(backup->meta.ns, ns) && phase_is(backup->status.phase, PHASE_COMPLETED) && !backup->meta.deleting &&
            backup_kots_kind(backup->meta.annotations) == BACKUP_KOTS_FULL &&
            (!newest || backup->status.started > newest->status.started))
            newest = backup;
    }
    return newest;
}

static void warn_partial(const struct inventory *inventory, const struct backup *backup, struct decision *decision)
{
    struct arena *arena = decision->arena;
    const struct backup *full = newest_full(inventory, backup->meta.ns);
    decision_caution(decision,
                     "backup %.*s is a partial KOTS snapshot of application %.*s: without the admin console it is not "
                     "enough for disaster recovery",
                     STR_ARG(arena_quote(arena, str_slice(backup->meta.name, 0, SHOWN))),
                     STR_ARG(kots_application(arena, backup->meta.annotations, (struct str){NULL, 0})));
    if (full)
        decision_warn(decision, "for disaster recovery restore a full snapshot: the newest Completed one is %.*s",
                      STR_ARG(arena_quote(arena, full->meta.name)));
    else
        decision_warn(decision, "disaster recovery needs a full snapshot, and there is no Completed one here");
}

/* Prerequisites of the documentation ("Limitations"), as far as the snapshot tells. */
static void warn_prerequisites(const struct backup *backup, struct decision *decision)
{
    struct str airgap = json_get_str(backup->meta.annotations, "kots.io/is-airgap");
    const char *method = "";
    if (str_is(airgap, "true"))
        method = " (air gapped)";
    else if (str_is(airgap, "false"))
        method = " (online)";
    decision_warn(
        decision,
        "restore a full KOTS snapshot with the operating system and installation method%s that it was taken with",
        method);
}

void kots_warn_restore(const struct inventory *inventory, const struct backup *backup, struct decision *decision)
{
    enum backup_kind kind = backup ? backup_kots_kind(backup->meta.annotations) : BACKUP_OTHER;
    if (kind == BACKUP_KOTS_PARTIAL)
        warn_partial(inventory, backup, decision);
    if (kind != BACKUP_KOTS_FULL)
        return;
    warn_location(decision, inventory_storage_location(inventory, backup->meta.ns, backup->storage_location));
    warn_prerequisites(backup, decision);
}
