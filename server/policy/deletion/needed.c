/* Velero marks a Backup as Deleting only when it begins with its DeleteBackupRequest, and it
 * takes one after the other: `velero backup delete --all` has created all of them by then.
 * So those that wait are listed for each review that asks what remains. */
#include "policy/checks.h"
#include "policy/deletion/deletion.h"
#include "policy/managementbackup/kcm_names.h"
#include "policy/upgrade/upgrade_backup.h"

static const char source_name[] = "deletebackuprequests";

enum { KEPT = 1000 };

static void deletion_want_pending(const struct request *request, const struct settings *settings,
                                  struct facts_wanted *wanted)
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
static bool deletion_is_pending(const struct inventory *inventory, struct str backup)
{
    const struct evidence_reading *reading = inventory_evidence(inventory, str_from(source_name));
    for (size_t i = 0; reading && i < reading->len; i++)
        if (str_eq(reading->objects[i].value, str_slice(backup, 0, EVIDENCE_TEXT_MAX)) &&
            !str_is(reading->objects[i].failure, "Processed"))
            return true;
    return false;
}

static const struct evidence_object *deletion_reserved(const struct inventory *inventory, struct str backup)
{
    const struct evidence_reading *reading = inventory_evidence(inventory, STR(RESERVATIONS));
    for (size_t i = 0; reading && i < reading->len; i++)
        if (str_eq(reading->objects[i].value, backup))
            return &reading->objects[i];
    return NULL;
}

/* Whether this Backup of the system namespace is to go: a DeleteBackupRequest that Velero has not
 * begun with names it, or (the admitted deletion; NULL when none) it may not show yet. */
static void deletion_warn_unseen(const struct inventory *inventory, struct decision *decision)
{
    enum { PROBLEM_SHOWN = 80 };
    const struct evidence_reading *reading = inventory_evidence(inventory, str_from(source_name));
    if (reading && (reading->access == EVIDENCE_FORBIDDEN || reading->access == EVIDENCE_UNREADABLE))
        decision_warn(decision, "not checked whether other backups are about to be deleted: %.*s",
                      STR_ARG(str_slice(reading->problem, 0, PROBLEM_SHOWN)));
}

bool deletion_is_automatic(const struct request *request, const struct settings *settings)
{
    static const char *const controllers[] = {
        "system:serviceaccount:kube-system:namespace-controller",
        "system:serviceaccount:kube-system:generic-garbage-collector",
    };
    if (request_by_velero(request, settings))
        return true;
    for (size_t i = 0; i < LENGTH_OF(controllers); i++)
        if (str_is(request->user, controllers[i]))
            return true;
    return false;
}

bool deletion_counts(const struct backup *backup, int64_t now)
{
    return backup_is_by_kcm(backup) && !backup->meta.deleting && phase_is(backup->status.phase, PHASE_COMPLETED) &&
           (backup->status.expires == 0 || backup->status.expires > now);
}

struct deletion_question {
    const struct request *request;
    const struct inventory *inventory;
    const struct settings *settings;
    const struct backup *backup;
    const struct backup *doubted;           /* another that says Completed, if only Velero had said so; or NULL */
    bool going;                             /* others are there yet, and are to be deleted */
    const struct evidence_object *admitted; /* the deletion of one of them that only replicas know of; or NULL */
};

/* Good enough to fall back on when the one in question goes: unlike that one, it must prove itself. */
static bool deletion_stands_in(struct deletion_question *question, const struct backup *other)
{
    const struct request *request = question->request;
    if (!deletion_counts(other, request->now))
        return false;
    if (backup_status_by_velero(request->arena, other, question->settings, NULL))
        return true;
    question->doubted = other;
    return false;
}

static bool deletion_is_going(struct deletion_question *question, const struct backup *other)
{
    const struct evidence_object *admitted = deletion_reserved(question->inventory, other->meta.name);
    if (admitted)
        question->admitted = admitted;
    return admitted || deletion_is_pending(question->inventory, other->meta.name);
}

/* One without the Management does not stand in for one that has it. */
static bool deletion_is_less(const struct backup *other, const struct backup *self)
{
    return backup_lacks_management(other) && !backup_lacks_management(self);
}

/* No other good backup of the same cluster remains: this one, or the same region. */
static bool deletion_is_last(struct deletion_question *question)
{
    const struct inventory *inventory = question->inventory;
    const struct backup *self = question->backup;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *other = inventory->backups[i];
        bool same = str_eq(other->meta.ns, self->meta.ns) && str_eq(other->meta.name, self->meta.name);
        if (same || !str_eq(other->meta.ns, self->meta.ns) || !str_eq(other->region, self->region) ||
            !deletion_stands_in(question, other) || deletion_is_less(other, self))
            continue;
        if (!deletion_is_going(question, other))
            return false;
        question->going = true;
    }
    return true;
}

/* Whether a newer good backup leads back to the same release, or (others) to any but
 * the running one. One that was taken of a half-installed release replaces none of a whole one. */
static bool deletion_is_newest_rollback(struct deletion_question *question, struct str running, bool others)
{
    const struct inventory *inventory = question->inventory;
    const struct backup *self = question->backup;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *other = inventory->backups[i];
        struct str release = upgrade_backup_release(inventory, other);
        bool rivals = release.len && str_eq(other->meta.ns, self->meta.ns) && str_eq(release, running) != others;
        bool half = upgrade_backup_not_ready(other).len > 0 && upgrade_backup_not_ready(self).len == 0;
        if (rivals && !half && other->status.started > self->status.started && deletion_stands_in(question, other) &&
            !deletion_is_less(other, self) && !deletion_is_going(question, other))
            return false;
    }
    return true;
}

static struct str deletion_last_message(const struct deletion_question *question)
{
    struct arena *arena = question->request->arena;
    struct str region = question->backup->region;
    struct str of = region.len ? arena_printf(arena, "backup of region %.*s", STR_ARG(arena_quote(arena, region)))
                               : STR("management backup");
    return arena_printf(
        arena, "is the last Completed %.*s%s: without it %s cluster cannot be restored, so take a new one first",
        STR_ARG(of), question->going ? " that is not already being deleted" : "", region.len ? "that" : "this");
}

/* Why a backup that says Completed was not counted. */
static struct str deletion_doubted_hint(const struct deletion_question *question)
{
    struct arena *arena = question->request->arena;
    struct str doubt = {NULL, 0};
    if (!question->doubted || backup_status_by_velero(arena, question->doubted, question->settings, &doubt))
        return STR("");
    return arena_printf(arena, ". Backup %.*s is not counted: it %.*s",
                        STR_ARG(arena_quote(arena, question->doubted->meta.name)), STR_ARG(doubt));
}

/* What an admitted deletion left standing, because somebody else refused it, is free again soon. */
static struct str deletion_admitted_hint(const struct deletion_question *question)
{
    struct arena *arena = question->request->arena;
    const struct evidence_object *admitted = question->admitted;
    if (!admitted)
        return STR("");
    return arena_printf(arena, ". The deletion of %.*s was admitted a moment ago; if it fails, try again in 2 minutes",
                        STR_ARG(arena_quote(arena, admitted->value)));
}

/* Why the cluster needs this backup; absent when it does not. The backup of the running
 * release is what an upgrade under way falls back on; after the upgrade, the newest one
 * of another release is the way back to that. */
static struct str deletion_needed_for(struct deletion_question *question)
{
    struct arena *arena = question->request->arena;
    const struct backup *backup = question->backup;
    const struct management *management = inventory_management(question->inventory);
    struct str release = upgrade_backup_release(question->inventory, backup);
    struct str running = management ? kcm_release_label(arena, management->status_release) : (struct str){NULL, 0};
    if (!deletion_counts(backup, question->request->now))
        return (struct str){NULL, 0};
    if (deletion_is_last(question))
        return deletion_last_message(question);
    if (release.len == 0 || running.len == 0)
        return (struct str){NULL, 0};
    bool others = !str_eq(kcm_release_label(arena, release), running);
    if (!deletion_is_newest_rollback(question, running, others))
        return (struct str){NULL, 0};
    struct str quoted = arena_quote(arena, management->status_release);
    if (!others)
        return arena_printf(arena,
                            "protects the running release %.*s: it is the backup to roll back to if an upgrade fails",
                            STR_ARG(quoted));
    return arena_printf(arena, "is the rollback from the running release %.*s to %.*s", STR_ARG(quoted),
                        STR_ARG(arena_quote(arena, release)));
}

/* Its location does not exist any more: the object restores nothing, its data stays in the bucket, and
 * the object comes back with the location. `velero backup-location delete` deletes both, in this order. */
static bool deletion_is_out_of_reach(const struct inventory *inventory, const struct backup *backup)
{
    const struct storage_location *location =
        inventory_storage_location(inventory, backup->meta.ns, backup->storage_location);
    return inventory->known[FACT_STORAGE_LOCATIONS] && backup->storage_location.len > 0 &&
           (!location || location->meta.deleting);
}

bool deletion_check_needed(const struct request *request, const struct inventory *inventory,
                           const struct settings *settings, const struct removal *removal, const struct backup *backup,
                           struct decision *decision)
{
    enum { REASON_SHOWN = 80 };
    struct arena *arena = request->arena;
    struct deletion_question question = {
        .request = request, .inventory = inventory, .settings = settings, .backup = backup};
    /* The Velero CLI cannot annotate the request that it makes, so the Backup's own counts too. */
    struct str own =
        removal->change.len ? (struct str){NULL, 0} : json_get_str(backup->meta.annotations, ANNOTATION_ALLOW_DELETE);
    struct str reason = object_annotation(request, removal->holder, ANNOTATION_ALLOW_DELETE);
    struct str given = object_reason(request, removal->holder, ANNOTATION_ALLOW_DELETE);
    if (given.len == 0)
        given = annotation_reason(own);
    /* Restored from and named after its own namespace only: elsewhere k0rdent keeps none. */
    bool counts = str_eq(backup->meta.ns, settings->system_namespace);
    struct str why = counts ? deletion_needed_for(&question) : STR("");
    if (counts && deletion_counts(backup, request->now))
        decision->reservation = (struct reservation){backup->meta.name, given.len > 0};
    if (why.len && request->operation == OPERATION_DELETE && deletion_is_out_of_reach(inventory, backup)) {
        decision_warn(decision,
                      "backup %.*s %.*s; only its object is deleted, since BackupStorageLocation %.*s is gone",
                      STR_ARG(arena_quote(arena, backup->meta.name)), STR_ARG(why),
                      STR_ARG(arena_quote(arena, backup->storage_location)));
        return true;
    }
    if (why.len == 0) {
        if (backup_is_by_kcm(backup))
            deletion_warn_unseen(inventory, decision);
        return true;
    }
    struct str name = arena_quote(arena, backup->meta.name);
    const char *done = removal->change.len ? "change" : "deletion", *act = removal->change.len ? "change" : "delete";
    if (given.len) {
        decision_warn(decision, "backup %.*s %.*s", STR_ARG(name), STR_ARG(why));
        decision_warn(decision, "%s allowed by annotation %s: %.*s", done, ANNOTATION_ALLOW_DELETE,
                      STR_ARG(arena_quote(arena, str_slice(given, 0, REASON_SHOWN))));
        decision_audit(decision, "allow-delete", "%.*s", STR_ARG(given));
        return true;
    }
    struct str takes = STR("");
    if (removal->change.len)
        takes = arena_printf(arena, ". With this change (%.*s) it would no longer count", STR_ARG(removal->change));
    decision_forbid(decision,
                    "backup %.*s %.*s%.*s%.*s%.*s. To %s it anyway, annotate it%s and %s it again: kubectl -n %.*s "
                    "annotate backups.velero.io %.*s %s=\"REASON\"",
                    STR_ARG(name), STR_ARG(why), STR_ARG(takes), STR_ARG(deletion_doubted_hint(&question)),
                    STR_ARG(deletion_admitted_hint(&question)), act,
                    reason.ptr || own.ptr ? " (the value must be a reason)" : "", act,
                    STR_ARG(words_name(arena, backup->meta.ns)), STR_ARG(words_name(arena, backup->meta.name)),
                    ANNOTATION_ALLOW_DELETE);
    return false;
}

/* `kubectl delete backups --all` deletes one after the other, faster than a cache
 * learns of it: the few that would still stand between this one and the last. */
void deletion_want_others(const struct request *request, const struct inventory *inventory,
                          const struct settings *settings, struct str name, struct facts_wanted *wanted)
{
    enum { OTHERS = 4 };
    size_t others = 0;
    struct str ns = settings->system_namespace;
    const struct backup *self = inventory_backup(inventory, ns, name);
    if (!str_eq(request->ns, ns) || !inventory->known[FACT_BACKUPS] || (self && !backup_is_by_kcm(self)))
        return;
    wanted->reservations = true;
    deletion_want_pending(request, settings, wanted);
    for (size_t i = inventory->count[FACT_BACKUPS]; i > 0 && others < OTHERS; i--) {
        const struct backup *other = inventory->backups[i - 1];
        if (other == self || !str_eq(other->meta.ns, ns) || (self && !str_eq(other->region, self->region)) ||
            !deletion_counts(other, request->now))
            continue;
        facts_want(request->arena, wanted, FACT_BACKUPS, ns, other->meta.name);
        others++;
    }
}

void policy_backup_deletion_wants(const struct request *request, const struct inventory *inventory,
                                  const struct settings *settings, struct facts_wanted *wanted)
{
    const struct backup *self = inventory_backup(inventory, request->ns, request->name);
    if (deletion_is_automatic(request, settings))
        return;
    deletion_want_others(request, inventory, settings, request->name, wanted);
    if (self && backup_is_by_kcm(self) && self->storage_location.len)
        facts_want(request->arena, wanted, FACT_STORAGE_LOCATIONS, self->meta.ns, self->storage_location);
}
