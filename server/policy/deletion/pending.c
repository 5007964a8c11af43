#include "policy/deletion/deletion.h"

/* Velero marks a Backup as Deleting only when it begins with its DeleteBackupRequest, and it
 * takes one after the other: `velero backup delete --all` has created all of them by then.
 * So those that wait are listed for each review that asks what remains. */
static const char source_name[] = "deletebackuprequests";

enum { KEPT = 1000 };

void deletion_want_pending(const struct request *request, const struct settings *settings, struct facts_wanted *wanted)
{
    struct evidence_source *source = arena_alloc(request->arena, sizeof *source);
    if (!source)
        return;
    *source = (struct evidence_source){.name = str_from(source_name),
                                       .group = STR("velero.io"),
                                       .version = STR("v1"),
                                       .kind = STR("DeleteBackupRequest"),
                                       .resource = STR("deletebackuprequests"),
                                       .ns = settings->system_namespace,
                                       .done_path = STR("spec.backupName"),
                                       .failed_path = STR("status.phase"),
                                       .time_path = STR("metadata.creationTimestamp"),
                                       .kept = KEPT};
    wanted->evidence = source;
    wanted->evidence_count = 1;
}

/* backup_deletion_controller.go: a processed one stays for a day, whether it went well or not. */
bool deletion_is_pending(const struct inventory *inventory, struct str backup)
{
    const struct evidence_reading *reading = inventory_evidence(inventory, str_from(source_name));
    for (size_t i = 0; reading && i < reading->len; i++)
        if (str_eq(reading->objects[i].value, str_slice(backup, 0, EVIDENCE_TEXT_MAX)) &&
            !str_is(reading->objects[i].failure, "Processed"))
            return true;
    return false;
}

const struct evidence_object *deletion_reserved(const struct inventory *inventory, struct str backup)
{
    const struct evidence_reading *reading = inventory_evidence(inventory, STR(RESERVATIONS));
    for (size_t i = 0; reading && i < reading->len; i++)
        if (str_eq(reading->objects[i].value, backup))
            return &reading->objects[i];
    return NULL;
}

void deletion_warn_unseen(const struct inventory *inventory, struct decision *decision)
{
    enum { PROBLEM_SHOWN = 80 };
    const struct evidence_reading *reading = inventory_evidence(inventory, str_from(source_name));
    if (reading && (reading->access == EVIDENCE_FORBIDDEN || reading->access == EVIDENCE_UNREADABLE))
        decision_warn(decision, "not checked whether other backups are about to be deleted: %.*s",
                      STR_ARG(str_slice(reading->problem, 0, PROBLEM_SHOWN)));
}
