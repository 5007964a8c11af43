#include "policy/deletion/deletion.h"
#include "policy/backup/spec.h"
#include "policy/checks.h"
#include "policy/storage/storage.h"

/* Deletions: of a Backup through Velero's DeleteBackupRequest, which takes the stored data
 * along, of a Backup object alone, which Velero's sync brings back, and of a Restore.
 *
 * Three ways, with different ends: a DeleteBackupRequest deletes for good; deleting the Backup
 * object only hides it until Velero syncs it again from the object store; deleting a Restore
 * deletes its logs and results in the store. Velero's garbage collector uses the first way as
 * well, for what has expired. */

enum { NAMES_COMPARED = 500 };

static struct str deletion_namespace(const struct request *request, const struct settings *settings)
{
    return request->ns.len ? request->ns : settings->system_namespace;
}

/* ---- DeleteBackupRequest ------------------------------------------------------ */

static void deletion_deny_missing(const struct request *request, const struct inventory *inventory, struct str ns,
                                  struct str name, struct decision *decision)
{
    struct arena *arena = request->arena;
    struct strlist names = {0};
    const struct backup *elsewhere = NULL;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        if (!str_eq(backup->meta.ns, ns) && str_eq(backup->meta.name, name))
            elsewhere = backup;
        else if (str_eq(backup->meta.ns, ns) && names.len < NAMES_COMPARED)
            strlist_add(arena, &names, backup->meta.name);
    }
    const struct management_backup *maker = inventory_management_backup(inventory, name);
    struct str near = str_nearest(name, names.items, names.len), hint = STR("");
    if (elsewhere)
        hint = arena_printf(arena, "; it is in %.*s: create the request there",
                            STR_ARG(arena_quote(request->arena, elsewhere->meta.ns)));
    else if (maker && maker->schedule.len && maker->last_backup_name.len)
        hint = arena_printf(arena, "; it is a ManagementBackup with a schedule, whose latest backup is %.*s",
                            STR_ARG(arena_quote(request->arena, maker->last_backup_name)));
    else if (near.len)
        hint = arena_printf(arena, "; did you mean %.*s?", STR_ARG(arena_quote(request->arena, near)));
    decision_not_found(
        decision, "spec.backupName", "%.*s: no such Velero Backup in %.*s, so nothing would be deleted%.*s",
        STR_ARG(arena_quote(request->arena, name)), STR_ARG(arena_quote(request->arena, ns)), STR_ARG(hint));
}

/* backup_deletion_controller.go: the location must be there, writable and Available. */
static void deletion_check_location(const struct request *request, const struct inventory *inventory,
                                    const struct backup *backup, struct decision *decision)
{
    static const char field[] = "spec.backupName";
    struct str name = arena_quote(request->arena, backup->meta.name),
               where = arena_quote(request->arena, backup->storage_location);
    const struct storage_location *location =
        inventory_storage_location(inventory, backup->meta.ns, backup->storage_location);
    if (!inventory->known[FACT_STORAGE_LOCATIONS])
        return;
    if (!location)
        decision_invalid(decision, field,
                         "%.*s: its BackupStorageLocation %.*s does not exist in %.*s, so Velero cannot reach the "
                         "backup; recreate it first, or delete only the Backup object",
                         STR_ARG(name), STR_ARG(where), STR_ARG(arena_quote(request->arena, backup->meta.ns)));
    else if (storage_location_read_only(location))
        decision_invalid(decision, field,
                         "%.*s: its BackupStorageLocation %.*s is read-only (spec.accessMode), so Velero deletes "
                         "nothing there; make it ReadWrite first",
                         STR_ARG(name), STR_ARG(where));
    else if (location->phase.len == 0)
        decision_warn(
            decision,
            "BackupStorageLocation %.*s has not been validated yet: the deletion fails unless it becomes Available",
            STR_ARG(where));
    else if (!storage_location_available(location))
        decision_invalid(
            decision, field,
            "%.*s: its BackupStorageLocation %.*s is %.*s, and Velero deletes nothing there until it is Available",
            STR_ARG(name), STR_ARG(where), STR_ARG(storage_phase(request->arena, location)));
}

/* backup_tracker.go: Velero refuses a deletion of a backup that it works on, and takes one of a backup that waits. */
static bool deletion_check_phase(const struct request *request, const struct backup *backup, struct decision *decision)
{
    const struct backup_status *status = &backup->status;
    struct str name = arena_quote(request->arena, backup->meta.name);
    enum phase phase = backup->meta.deleting ? PHASE_DELETING : phase_of(status->phase);
    struct str progress = STR("");
    if (status->items_total)
        progress = arena_printf(request->arena, " (%lld of %lld items)", (long long)status->items_done,
                                (long long)status->items_total);
    if (phase == PHASE_RUNNING)
        decision_invalid(
            decision, "spec.backupName",
            "%.*s: this backup is still running: phase %.*s%.*s; Velero refuses to delete it until it finishes",
            STR_ARG(name), STR_ARG(arena_quote(request->arena, status->phase)), STR_ARG(progress));
    else if (phase == PHASE_WAITING)
        decision_warn(decision, "backup %.*s has not started yet: it is deleted before it holds anything",
                      STR_ARG(name));
    else if (phase == PHASE_DELETING)
        decision_warn(decision, "backup %.*s is already being deleted; create another request only if that one failed",
                      STR_ARG(name));
    return phase != PHASE_RUNNING && phase != PHASE_WAITING && phase != PHASE_DELETING;
}

/* One that failed validation stored nothing. */
static void deletion_warn_of_loss(const struct request *request, const struct backup *backup, struct decision *decision)
{
    struct str name = arena_quote(request->arena, backup->meta.name);
    if (phase_is(backup->status.phase, PHASE_REFUSED))
        return;
    decision_warn(decision,
                  "deletes backup %.*s from the cluster and from the object store, with its volume snapshots: this "
                  "cannot be undone",
                  STR_ARG(name));
    decision_warn(decision, "the Restores made from %.*s are deleted too", STR_ARG(name));
}

/* backup_deletion_controller.go: Velero looks at no request again that it has begun with. */
static bool delete_request_is_taken(const struct request *request, const struct object *object)
{
    struct str phase = object_text(request, object, "status.phase");
    return phase_is_in_progress(phase) || phase_is_processed(phase);
}

/* An edit can turn a request to another backup, or have one that is done (its status is no
 * subresource) done once more: both ask for a deletion as creating one does. */
static bool delete_request_asks(const struct request *request, struct decision *decision)
{
    if (request->operation != OPERATION_UPDATE || !request->old_object)
        return true;
    bool turned = request_changes(request, "spec.backupName");
    if (!delete_request_is_taken(request, request->object))
        return turned || delete_request_is_taken(request, request->old_object);
    if (turned)
        decision_warn(decision,
                      "the change has no effect: Velero has already started this DeleteBackupRequest (phase %.*s); "
                      "create a new one",
                      STR_ARG(arena_quote(request->arena, object_text(request, request->object, "status.phase"))));
    return false;
}

/* Velero's account asks for a deletion when a backup has expired (gc_controller.go), and when somebody runs the CLI in
 * its pod. Refused, the garbage collector logs the answer and tries again, at growing intervals up to 17 minutes and
 * once in each of its rounds; nothing else of Velero waits for it. All that Velero itself checks later is left to it. */
static void deletion_check_by_velero(const struct request *request, const struct inventory *inventory,
                                     const struct settings *settings, struct str ns, struct str name,
                                     struct decision *decision)
{
    const struct removal removal = {.holder = request->object};
    if (!inventory->known[FACT_BACKUPS]) {
        decision_wait(decision, 503, 0,
                      "cannot tell whether backup %.*s is still needed: nothing is known about Velero Backups. Nothing "
                      "was deleted; Velero tries again. See /readyz?verbose",
                      STR_ARG(arena_quote(request->arena, name)));
        return;
    }
    const struct backup *backup = inventory_backup(inventory, ns, name);
    decision_audit(decision, "backup", "%.*s", STR_ARG(name));
    /* One with a short ttl can expire while it runs: the request would fail, and stay for a day. */
    if (backup && phase_is(backup->status.phase, PHASE_RUNNING))
        deletion_check_phase(request, backup, decision);
    else if (backup)
        deletion_check_needed(request, inventory, settings, &removal, backup, decision);
}

/* Checked in the order in which Velero would fail: name, the backup's phase, its location; only
 * then whether the backup may go at all. */
void policy_delete_backup_request(const struct request *request, const struct inventory *inventory,
                                  const struct settings *settings, struct decision *decision)
{
    struct str ns = deletion_namespace(request, settings);
    struct str name = object_text(request, request->object, "spec.backupName");
    bool velero = request_by_velero(request, settings);
    if (velero ? request->operation != OPERATION_CREATE : deletion_is_automatic(request, settings)) {
        decision_audit(decision, "skipped", "the request is carried out by a controller");
        return;
    }
    if (!delete_request_asks(request, decision))
        return;
    if (velero && name.len) {
        deletion_check_by_velero(request, inventory, settings, ns, name, decision);
        return;
    }
    if (name.len == 0) {
        decision_required(decision, "spec.backupName", "name the Velero Backup to delete");
        return;
    }
    if (!inventory->known[FACT_BACKUPS]) {
        decision_unchecked(decision, FACT_BACKUPS,
                           "could not look up backup %.*s: nothing is known about Velero Backups",
                           STR_ARG(arena_quote(request->arena, name)));
        return;
    }
    const struct backup *backup = inventory_backup(inventory, ns, name);
    if (!backup) {
        deletion_deny_missing(request, inventory, ns, name, decision);
        return;
    }
    decision_audit(decision, "backup", "%.*s", STR_ARG(name));
    bool stored = deletion_check_phase(request, backup, decision);
    deletion_check_location(request, inventory, backup, decision);
    if (decision->denied)
        return;
    const struct removal removal = {.holder = request->object};
    if (deletion_check_needed(request, inventory, settings, &removal, backup, decision) && stored)
        deletion_warn_of_loss(request, backup, decision);
}

/* ---- Backup ------------------------------------------------------------------- */

/* Whether, and when, the sync from the object store brings the object back. */
static struct str deletion_comes_back(const struct request *request, const struct inventory *inventory,
                                      const struct backup *backup)
{
    char period[TIME_TEXT_SIZE];
    struct arena *arena = request->arena;
    struct str where = arena_quote(request->arena, backup->storage_location);
    const struct storage_location *location =
        inventory_storage_location(inventory, backup->meta.ns, backup->storage_location);
    if (!location && inventory->known[FACT_STORAGE_LOCATIONS])
        return arena_printf(arena, "comes back only with BackupStorageLocation %.*s, which does not exist now",
                            STR_ARG(where));
    if (!location)
        return STR("comes back with the next sync");
    if (location->sync_period == 0)
        return arena_printf(arena, "does not come back: location %.*s has backupSyncPeriod 0", STR_ARG(where));
    if (!storage_location_available(location))
        return arena_printf(arena, "comes back once location %.*s is Available", STR_ARG(where));
    return arena_printf(arena, "comes back with the next sync of location %.*s (every %s)", STR_ARG(where),
                        duration_format(location->sync_period, period));
}

static void deletion_warn_of_backup(const struct request *request, const struct inventory *inventory,
                                    const struct backup *backup, struct decision *decision)
{
    struct str name = arena_quote(request->arena, backup->meta.name);
    enum phase phase = phase_of(backup->status.phase);
    if (phase == PHASE_RUNNING)
        decision_warn(decision, "backup %.*s is still running: this does not stop it, and it %.*s", STR_ARG(name),
                      STR_ARG(deletion_comes_back(request, inventory, backup)));
    if (phase == PHASE_WAITING || phase == PHASE_RUNNING || phase == PHASE_REFUSED || phase == PHASE_DELETING)
        return;
    decision_warn(decision, "this removes backup %.*s from the cluster only", STR_ARG(name));
    decision_warn(decision, "its data stays in the object store, and the object %.*s",
                  STR_ARG(deletion_comes_back(request, inventory, backup)));
    decision_warn(decision, "to delete it from the object store too, create a DeleteBackupRequest with backupName %.*s",
                  STR_ARG(name));
}

void policy_backup_deletion(const struct request *request, const struct inventory *inventory,
                            const struct settings *settings, struct decision *decision)
{
    const struct object *object = request->old_object;
    struct str name = request->name.len ? request->name : object_text(request, object, "metadata.name");
    if (request->operation != OPERATION_DELETE || object_deleting(object))
        return;
    if (deletion_is_automatic(request, settings)) {
        decision_audit(decision, "skipped", "the deletion is carried out by a controller");
        return;
    }
    if (!inventory->known[FACT_BACKUPS]) {
        decision_unchecked(decision, FACT_BACKUPS,
                           "nothing is known about Velero Backups: whether %.*s is still needed was not checked",
                           STR_ARG(arena_quote(request->arena, name)));
        return;
    }
    /* One that is not known yet is what the API server says it is. */
    struct backup *unknown = arena_alloc(request->arena, sizeof *unknown);
    const struct backup *backup = inventory_backup(inventory, deletion_namespace(request, settings), name);
    if (unknown && !backup) {
        *unknown = backup_edit_old(request, settings);
        backup = unknown;
    }
    const struct removal removal = {.holder = object};
    if (backup && deletion_check_needed(request, inventory, settings, &removal, backup, decision))
        deletion_warn_of_backup(request, inventory, backup, decision);
}

/* ---- Restore ------------------------------------------------------------------ */

/* restore_controller.go, deleteExternalResources: the finalizer waits for the location
 * of the backup, and finds nothing to do once the backup is gone. */
void policy_restore_deletion(const struct request *request, const struct inventory *inventory,
                             const struct settings *settings, struct decision *decision)
{
    const struct object *object = request->old_object;
    struct str ns = deletion_namespace(request, settings);
    struct str name = request->name.len ? request->name : object_text(request, object, "metadata.name");
    struct str phase = object_text(request, object, "status.phase"), shown_name = arena_quote(request->arena, name);
    if (request->operation != OPERATION_DELETE || object_deleting(object) || deletion_is_automatic(request, settings))
        return;
    if (phase_is(phase, PHASE_RUNNING))
        decision_warn(decision, "Restore %.*s is still running (%.*s): deleting it does not undo what it restored",
                      STR_ARG(shown_name), STR_ARG(phase));
    decision_warn(decision,
                  "deletes Restore %.*s from the cluster and its log and results from the object store; the restored "
                  "objects stay",
                  STR_ARG(shown_name));
    const struct backup *backup = inventory_backup(inventory, ns, object_text(request, object, "spec.backupName"));
    const struct storage_location *location =
        backup ? inventory_storage_location(inventory, ns, backup->storage_location) : NULL;
    if (location && !storage_location_available(location))
        decision_warn(decision, "the deletion waits until BackupStorageLocation %.*s is Available",
                      STR_ARG(arena_quote(request->arena, location->meta.name)));
}

/* Deletions of what kcm reads before it makes a ManagementBackup (internal/controller/backup/scope.go): a Credential that a
 * ClusterDeployment names, without which it makes none at all, and a Region, whose cluster is then in none. */

struct scope_users {
    const struct cluster_deployment *first; /* NULL: there are none */
    size_t count;
};

static void scope_use(struct scope_users *users, const struct cluster_deployment *deployment)
{
    if (!users->count++)
        users->first = deployment;
}

/* ClusterDeployment "a/b", and 2 more. */
static struct str scope_users_words(struct arena *arena, const struct scope_users *users)
{
    struct str name = arena_quote(
        arena, arena_printf(arena, "%.*s/%.*s", STR_ARG(users->first->meta.ns), STR_ARG(users->first->meta.name)));
    if (users->count == 1)
        return arena_printf(arena, "ClusterDeployment %.*s", STR_ARG(name));
    return arena_printf(arena, "ClusterDeployment %.*s and %zu more", STR_ARG(name), users->count - 1);
}

/* By settings managementBackups.deleteNeeded; ANNOTATION_ALLOW_DELETE with a reason allows it. */
static void scope_judge(const struct request *request, const struct settings *settings, const char *resource,
                        struct str why, struct decision *decision)
{
    struct arena *arena = request->arena;
    struct str reason = object_reason(request, request->old_object, ANNOTATION_ALLOW_DELETE);
    struct str ns =
        request->ns.len ? arena_printf(arena, "-n %.*s ", STR_ARG(words_name(arena, request->ns))) : STR("");
    if (settings->backups_delete_needed == VERDICT_ALLOW)
        return;
    if (settings->backups_delete_needed == VERDICT_DENY && reason.len == 0) {
        decision_forbid(decision,
                        "%.*s. To delete it anyway, annotate it and delete it again: kubectl %.*sannotate %s "
                        "%.*s " WITH_REASON(ANNOTATION_ALLOW_DELETE),
                        STR_ARG(why), STR_ARG(ns), resource, STR_ARG(words_name(arena, request->name)));
        return;
    }
    if (reason.len)
        decision_audit(decision, "allow-delete", "%.*s", STR_ARG(reason));
    decision_warn(decision, "%.*s", STR_ARG(why));
}

static bool scope_is_asked(const struct request *request, const struct inventory *inventory,
                           const struct settings *settings, struct decision *decision)
{
    if (request->operation != OPERATION_DELETE || object_deleting(request->old_object) ||
        deletion_is_automatic(request, settings) || request_by_kcm(request, settings))
        return false;
    if (inventory->known[FACT_CLUSTER_DEPLOYMENTS])
        return true;
    decision_unchecked(decision, FACT_CLUSTER_DEPLOYMENTS,
                       "nothing is known about ClusterDeployments: not checked whether one needs this");
    return false;
}

void policy_credential_deletion(const struct request *request, const struct inventory *inventory,
                                const struct settings *settings, struct decision *decision)
{
    struct arena *arena = request->arena;
    struct scope_users users = {0};
    if (!scope_is_asked(request, inventory, settings, decision))
        return;
    for (size_t i = 0; i < inventory->count[FACT_CLUSTER_DEPLOYMENTS]; i++) {
        const struct cluster_deployment *deployment = inventory->cluster_deployments[i];
        if (str_eq(deployment->meta.ns, request->ns) && str_eq(deployment->credential, request->name))
            scope_use(&users, deployment);
    }
    if (users.count)
        scope_judge(request, settings, "credential",
                    arena_printf(arena, "%.*s needs Credential %.*s: without it kcm makes no management backup at all",
                                 STR_ARG(scope_users_words(arena, &users)), STR_ARG(arena_quote(arena, request->name))),
                    decision);
}

void policy_region_deletion(const struct request *request, const struct inventory *inventory,
                            const struct settings *settings, struct decision *decision)
{
    struct arena *arena = request->arena;
    struct str region = arena_quote(arena, request->name);
    struct scope_users users = {0};
    size_t backups = 0;
    if (!scope_is_asked(request, inventory, settings, decision))
        return;
    for (size_t i = 0; i < inventory->count[FACT_CLUSTER_DEPLOYMENTS]; i++) {
        const struct cluster_deployment *deployment = inventory->cluster_deployments[i];
        const struct credential *credential =
            inventory_credential(inventory, deployment->meta.ns, deployment->credential);
        if (credential && str_eq(credential->region, request->name))
            scope_use(&users, deployment);
    }
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        backups += str_eq(backup->region, request->name) && phase_is(backup->status.phase, PHASE_COMPLETED);
    }
    if (users.count)
        scope_judge(request, settings, "region",
                    arena_printf(arena,
                                 "%.*s runs in Region %.*s: without it k0rdent cannot manage it, and no "
                                 "management backup contains that cluster",
                                 STR_ARG(scope_users_words(arena, &users)), STR_ARG(region)),
                    decision);
    if (backups && !decision->denied && settings->backups_delete_needed != VERDICT_ALLOW)
        decision_warn(decision,
                      "%zu Completed backup%s of region %.*s remain%s, to be restored on its own cluster only", backups,
                      backups == 1 ? "" : "s", STR_ARG(region), backups == 1 ? "s" : "");
}
