/* How fresh facts must be, rule by rule. A cache that follows the cluster lags a few
 * milliseconds, which is longer than one `kubectl apply` takes between two documents: what it
 * does not hold yet, or holds in a state that would be denied, is read anew.
 *
 * Each function here stands beside a policy and answers one question: can this decision rest on
 * the cache? Reading anew costs a review some milliseconds and a worker thread, so the answer is
 * yes wherever the cache cannot be wrong in a way that matters: an object that is there and good
 * is good. */
#include "policy/deletion/deletion.h"
#include "policy/managementbackup/kcm_names.h"
#include "policy/upgrade/gate.h"

/* ---- the upgrade gate ---------------------------------------------------- */

/* The Velero Backups of the names that the gate would give: one that came from the
 * object store must not be adopted. */
static void wants_exact_names(const struct request *request, const struct inventory *inventory,
                              const struct settings *settings, struct str running, struct facts_wanted *wanted)
{
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        if (backup->schedule.len && backup->on_upgrade)
            facts_want(request->arena, wanted, FACT_BACKUPS, settings->system_namespace,
                       kcm_upgrade_backup(request->arena, backup->meta.name, running));
    }
}

/* What runs, as the gate will see it: emptied by hand or by a restore, it is what spec.release said until now. */
static struct str wants_running_release(const struct request *request, const struct inventory *inventory)
{
    struct str running = gate_running_release(request, inventory);
    if (running.len == 0 && request->operation != OPERATION_CREATE && gate_sees_older_life(inventory))
        return object_text(request, request->old_object, "spec.release");
    return running;
}

/* The same conditions as policy_management, step 1: who is let through needs no
 * evidence, and must not be held up by an API server that does not answer. */
void policy_management_wants(const struct request *request, const struct inventory *inventory,
                             const struct settings *settings, struct facts_wanted *wanted)
{
    bool creates = request->operation == OPERATION_CREATE;
    struct str target = object_text(request, request->object, "spec.release");
    struct str running = wants_running_release(request, inventory);
    if (!request_changes(request, "spec.release") || target.len == 0 ||
        (!creates && (running.len == 0 || str_eq(target, running))))
        return;
    if (creates && request_by_kcm(request, settings))
        return;
    if (request_by_velero(request, settings) || !settings->upgrade_gate ||
        object_reason(request, request->object, ANNOTATION_SKIP_BACKUP).len > 0)
        return;
    wanted->upgrade = true;
    wanted->evidence = settings->evidence;
    wanted->evidence_count = settings->evidence_count;
    wants_exact_names(request, inventory, settings, running, wanted);
    const struct release *release = inventory_release(inventory, target);
    if (inventory->known[FACT_RELEASES] && !(release && release->ready))
        facts_want(request->arena, wanted, FACT_RELEASES, (struct str){NULL, 0}, target);
}

/* ---- ManagementBackup ---------------------------------------------------- */

void policy_management_backup_wants(const struct request *request, const struct inventory *inventory,
                                    const struct settings *settings, struct facts_wanted *wanted)
{
    struct str ns = settings->system_namespace;
    if (request->operation == OPERATION_DELETE || !request_changes(request, "spec.storageLocation") ||
        !inventory->known[FACT_STORAGE_LOCATIONS])
        return;
    struct str name = object_text(request, request->object, "spec.storageLocation");
    const struct storage_location *location = inventory_storage_location(inventory, ns, name);
    if (name.len && !storage_location_available(location))
        facts_want(request->arena, wanted, FACT_STORAGE_LOCATIONS, ns, name);
}

/* ---- Restore ------------------------------------------------------------- */

static void wants_backup(const struct request *request, const struct inventory *inventory, struct facts_wanted *wanted)
{
    struct str name = object_text(request, request->object, "spec.backupName");
    const struct backup *backup = inventory_backup(inventory, request->ns, name);
    if (name.len && inventory->known[FACT_BACKUPS] && !(backup && phase_is(backup->status.phase, PHASE_COMPLETED)))
        facts_want(request->arena, wanted, FACT_BACKUPS, request->ns, name);
}

/* A ConfigMap may have been corrected a moment ago, so what the cache holds says little. */
static void wants_config_map(const struct request *request, const char *path, struct facts_wanted *wanted)
{
    struct json_object *reference = object_tree(request, request->object, path);
    struct str name = json_get_str(reference, "name");
    if (name.len && str_eq_nocase(json_get_str(reference, "kind"), STR("ConfigMap")))
        facts_want(request->arena, wanted, FACT_CONFIG_MAPS, request->ns, name);
}

void policy_restore_wants(const struct request *request, const struct inventory *inventory,
                          const struct settings *settings, struct facts_wanted *wanted)
{
    if (request_by_velero(request, settings))
        return;
    if (request_changes(request, "spec.backupName"))
        wants_backup(request, inventory, wanted);
    /* For the version of Kubernetes that runs now, which no object tells. */
    if (request->operation == OPERATION_CREATE && inventory->known[FACT_CLUSTER])
        facts_want(request->arena, wanted, FACT_CLUSTER, (struct str){NULL, 0}, STR("kube-system"));
    if (request_changes(request, "spec.resourceModifier"))
        wants_config_map(request, "spec.resourceModifier", wanted);
    if (request_changes(request, "spec.resourcePolicy"))
        wants_config_map(request, "spec.resourcePolicy", wanted);
    /* A modifier may set a newer release, which is an upgrade; that it does is known once it is read. */
    const struct management *management = inventory_management(inventory);
    bool modifies = json_get_str(object_tree(request, request->object, "spec.resourceModifier"), "name").len > 0;
    if (!modifies || !management || !management->status_release.len || !settings->upgrade_gate ||
        object_reason(request, request->object, ANNOTATION_SKIP_BACKUP).len)
        return;
    wanted->upgrade = true;
    wanted->evidence = settings->evidence;
    wanted->evidence_count = settings->evidence_count;
    wants_exact_names(request, inventory, settings, management->status_release, wanted);
}

/* ---- DeleteBackupRequest ------------------------------------------------- */

void policy_delete_backup_request_wants(const struct request *request, const struct inventory *inventory,
                                        const struct settings *settings, struct facts_wanted *wanted)
{
    if ((request_by_velero(request, settings) && request->operation != OPERATION_CREATE) ||
        !(request_changes(request, "spec.backupName") || request_changes(request, "status")))
        return;
    struct str name = object_text(request, request->object, "spec.backupName");
    wants_backup(request, inventory, wanted);
    /* It may have been annotated a moment ago, so that it may go. */
    const struct backup *backup = inventory_backup(inventory, request->ns, name);
    if (backup && backup_is_by_kcm(backup) && phase_is(backup->status.phase, PHASE_COMPLETED))
        facts_want(request->arena, wanted, FACT_BACKUPS, request->ns, name);
    deletion_want_others(request, inventory, settings, name, wanted);
}
