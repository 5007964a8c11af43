/* Velero marks a Backup as Deleting only when it begins with its DeleteBackupRequest, and it
 * takes one after the other: `velero backup delete --all` has created all of them by then. So
 * those that wait are listed for each review that asks what remains.
 *
 * A backup is kept for the first reason that applies: a pin, the newest ones (backups.keepLast),
 * the rollback of an upgrade, its age (backups.keepFor). Whether it is one of the newest is
 * asked of the others: which of them are good, reachable, of this cluster, and not about to go
 * themselves. In doubt another one does not count, and this one stays. */
#include "backstop/api.h"
#include "policy/checks.h"
#include "policy/deletion/deletion.h"
#include "policy/managementbackup/kcm_names.h"
#include "policy/upgrade/gate.h"

const char *const backup_keep_names[] = {[KEEP_NOT] = "not",
                                         [KEEP_PIN] = "pin",
                                         [KEEP_LAST] = "keepLast",
                                         [KEEP_ROLLBACK] = "rollback",
                                         [KEEP_YOUNG] = "keepFor"};

static const char source_name[] = "deletebackuprequests";

enum { KEPT = 1000 };

/* backup_deletion_controller.go: a processed one stays for a day, whether it went well or not. */
static bool deletion_is_pending(const struct inventory *inventory, struct str backup)
{
    const struct evidence_reading *reading = inventory_evidence(inventory, str_from(source_name));
    for (size_t i = 0; reading && i < reading->len; i++)
        if (str_eq(reading->objects[i].value, str_slice(backup, 0, EVIDENCE_TEXT_MAX)) &&
            !phase_is_processed(reading->objects[i].failure))
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
    return STR_IN(request->user, controllers);
}

/* An expired one too: its data is there until Velero's garbage collector has asked for its deletion. */
static bool deletion_is_restorable(const struct backup *backup)
{
    return backup_is_by_kcm(backup) && !backup->meta.deleting && phase_is(backup->status.phase, PHASE_COMPLETED);
}

static bool deletion_is_expired(const struct backup *backup, int64_t now)
{
    return backup->status.expires && backup->status.expires <= now;
}

/* Can be restored, and for as long as anybody looks. */
static bool deletion_counts(const struct backup *backup, int64_t now)
{
    return deletion_is_restorable(backup) && !deletion_is_expired(backup, now);
}

static bool deletion_is_pinned(const struct backup *backup)
{
    return json_get(backup->meta.annotations, ANNOTATION_KEEP) != NULL;
}

bool deletion_is_guarded(const struct backup *backup)
{
    return deletion_is_restorable(backup) || deletion_is_pinned(backup);
}

static int64_t deletion_backup_time(const struct backup *backup)
{
    const struct backup_status *status = &backup->status;
    return status->completed ? status->completed : status->started ? status->started : backup->meta.created;
}

/* Of two of the same moment the name decides, so that one of them always is. */
static bool deletion_is_newer(const struct backup *one, const struct backup *other)
{
    int64_t left = deletion_backup_time(one), right = deletion_backup_time(other);
    return left != right ? left > right : str_cmp(one->meta.name, other->meta.name) > 0;
}

struct deletion_question {
    struct arena *arena;
    int64_t now;
    const struct inventory *inventory;
    const struct settings *settings;
    const struct backup *backup;
    const struct backup *doubted;           /* another that says Completed, if only Velero had said so; or NULL */
    bool going;                             /* others are there yet, and are to be deleted */
    bool foreign;                           /* others are there, of another cluster (backup_is_foreign) */
    const struct evidence_object *admitted; /* the deletion of one of them that only replicas know of; or NULL */
};

/* Its location does not exist any more: the object restores nothing, its data stays in the bucket, and
 * the object comes back with the location. `velero backup-location delete` deletes both, in this order. */
static bool deletion_is_out_of_reach(const struct inventory *inventory, const struct backup *backup)
{
    const struct storage_location *location =
        inventory_storage_location(inventory, backup->meta.ns, backup->storage_location);
    return inventory->known[FACT_STORAGE_LOCATIONS] && backup->storage_location.len > 0 &&
           (!location || location->meta.deleting);
}

/* Good enough to fall back on when the one in question goes: unlike that one, it must prove itself. One that has not
 * expired does not go for the sake of one that has. Of expired ones the newest stay, so that it makes no difference in
 * which order Velero's garbage collector comes to them. */
static bool deletion_stands_in(struct deletion_question *question, const struct backup *other)
{
    bool expired = deletion_is_expired(question->backup, question->now);
    if (!deletion_is_restorable(other) ||
        (expired ? !deletion_is_newer(other, question->backup) : deletion_is_expired(other, question->now)) ||
        deletion_is_out_of_reach(question->inventory, other))
        return false;
    if (!backup_status_by_velero(question->arena, other, question->settings, NULL)) {
        question->doubted = other;
        return false;
    }
    if (!backup_is_foreign(question->inventory, other) || backup_is_foreign(question->inventory, question->backup))
        return true;
    question->foreign = true;
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

/* Fewer other good backups of the same cluster (this one, or the same region) remain than the settings want. Names end in
 * a time, so the newest are looked at first, and rarely any other. */
static bool deletion_is_last(struct deletion_question *question)
{
    const struct inventory *inventory = question->inventory;
    const struct backup *self = question->backup;
    int64_t missing = question->settings->backups_keep_last;
    for (size_t i = inventory->count[FACT_BACKUPS]; i > 0 && missing > 0; i--) {
        const struct backup *other = inventory->backups[i - 1];
        bool same = str_eq(other->meta.ns, self->meta.ns) && str_eq(other->meta.name, self->meta.name);
        if (same || !str_eq(other->meta.ns, self->meta.ns) || !str_eq(other->region, self->region) ||
            !deletion_stands_in(question, other) || deletion_is_less(other, self))
            continue;
        if (deletion_is_going(question, other))
            question->going = true;
        else
            missing--;
    }
    return missing > 0;
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

/* Another cluster's backup says nothing of whether this one can be restored, and whether that cluster has more elsewhere
 * is not known here. */
static struct str deletion_last_message(const struct deletion_question *question)
{
    struct arena *arena = question->arena;
    struct str region = question->backup->region, of = STR(""), is = STR("is");
    bool foreign = region.len == 0 && backup_is_foreign(question->inventory, question->backup);
    long long kept = (long long)question->settings->backups_keep_last;
    bool expired = deletion_is_expired(question->backup, question->now);
    const char *still = question->going ? " that is not already being deleted" : "";
    const char *stay = question->going ? " that are not already being deleted" : "";
    if (region.len)
        of = arena_printf(arena, " of region %.*s", STR_ARG(arena_quote(arena, region)));
    else if (foreign)
        of = STR(" here");
    else if (question->foreign)
        of = STR(" of this cluster");
    if (foreign)
        is = arena_printf(arena, "is of another cluster (%.*s) and",
                          STR_ARG(arena_quote(arena, backup_recorded(question->backup, ANNOTATION_CLUSTER_ID))));
    const char *kind = region.len ? "" : "management ";
    if (kept > 1)
        return arena_printf(arena,
                            "%.*s one of the %s %lld Completed %sbackups%.*s%s (settings backups.keepLast), so %s",
                            STR_ARG(is), expired ? "newest" : "last", kept, kind, STR_ARG(of), stay,
                            expired ? "it stays until newer ones are Completed" : "take a new one first");
    if (expired)
        return arena_printf(arena,
                            "%.*s the newest Completed %sbackup%.*s%s, so it stays until a newer one is Completed",
                            STR_ARG(is), kind, STR_ARG(of), still);
    return arena_printf(arena, "%.*s the last Completed %sbackup%.*s%s: %s", STR_ARG(is), kind, STR_ARG(of), still,
                        foreign      ? "this cluster has none of its own, so take one first"
                        : region.len ? "without it that cluster cannot be restored, so take a new one first"
                                     : "without it this cluster cannot be restored, so take a new one first");
}

/* Why a backup that says Completed was not counted. */
static struct str deletion_doubted_hint(const struct deletion_question *question)
{
    struct arena *arena = question->arena;
    struct str doubt = {NULL, 0};
    if (!question->doubted || backup_status_by_velero(arena, question->doubted, question->settings, &doubt))
        return STR("");
    return arena_printf(arena, ". Backup %.*s is not counted: it %.*s",
                        STR_ARG(arena_quote(arena, question->doubted->meta.name)), STR_ARG(doubt));
}

/* What an admitted deletion left standing, because somebody else refused it, is free again soon. */
static struct str deletion_admitted_hint(const struct deletion_question *question)
{
    struct arena *arena = question->arena;
    const struct evidence_object *admitted = question->admitted;
    if (!admitted)
        return STR("");
    return arena_printf(arena, ". The deletion of %.*s was admitted a moment ago; if it fails, try again in 2 minutes",
                        STR_ARG(arena_quote(arena, admitted->value)));
}

static bool deletion_is_young(const struct deletion_question *question)
{
    int64_t when = deletion_backup_time(question->backup);
    return when && question->now - when < question->settings->backups_keep_for;
}

/* The backup of the running release is what an upgrade under way falls back on; after the upgrade, the newest one of
 * another release is the rollback to that. Absent: it is neither. */
static struct str deletion_rollback_message(struct deletion_question *question)
{
    struct arena *arena = question->arena;
    const struct management *management = inventory_management(question->inventory);
    struct str release = upgrade_backup_release(question->inventory, question->backup);
    struct str running = management ? kcm_release_label(arena, management->status_release) : (struct str){NULL, 0};
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

/* Why the backup stays: the first reason, in the order of enum backup_keep. */
static struct backup_kept deletion_kept_for(struct deletion_question *question)
{
    enum { REASON_SHOWN = 80 };
    struct arena *arena = question->arena;
    const struct backup *backup = question->backup;
    char age[TIME_TEXT_SIZE], least[TIME_TEXT_SIZE];
    struct str why = json_get_str(backup->meta.annotations, ANNOTATION_KEEP);
    if (deletion_is_pinned(backup))
        return (struct backup_kept){KEEP_PIN,
                                    arena_printf(arena, "is pinned by annotation " ANNOTATION_KEEP " (%.*s)",
                                                 STR_ARG(arena_quote(arena, str_slice(why, 0, REASON_SHOWN))))};
    /* Restored from and named after its own namespace only: elsewhere k0rdent keeps none. */
    if (!deletion_is_restorable(backup) || !str_eq(backup->meta.ns, question->settings->system_namespace))
        return (struct backup_kept){KEEP_NOT, {NULL, 0}};
    if (deletion_is_last(question))
        return (struct backup_kept){KEEP_LAST, deletion_last_message(question)};
    why = deletion_rollback_message(question);
    if (why.len)
        return (struct backup_kept){KEEP_ROLLBACK, why};
    if (!deletion_is_young(question))
        return (struct backup_kept){KEEP_NOT, {NULL, 0}};
    duration_format(question->now - deletion_backup_time(backup), age);
    return (struct backup_kept){KEEP_YOUNG,
                                arena_printf(arena,
                                             "is %s old, and management backups younger than %s stay (settings "
                                             "backups.keepFor)",
                                             age, duration_format(question->settings->backups_keep_for, least))};
}

struct backup_kept policy_backup_kept(struct arena *arena, const struct inventory *inventory,
                                      const struct settings *settings, int64_t now, const struct backup *backup)
{
    struct deletion_question question = {
        .arena = arena, .now = now, .inventory = inventory, .settings = settings, .backup = backup};
    return deletion_kept_for(&question);
}

/* What the answer says of a backup that stays, and how it may go. */
static void deletion_forbid(const struct deletion_question *question, const struct request *request,
                            const struct removal *removal, const struct backup_kept *kept, bool unreasoned,
                            struct decision *decision)
{
    struct arena *arena = question->arena;
    const struct backup *backup = question->backup;
    const char *act = removal->change.len ? "change" : "delete";
    bool velero = request_by_velero(request, question->settings);
    char since[TIME_TEXT_SIZE];
    struct str takes = STR(""), expired = STR(""), how;
    struct str command =
        arena_printf(arena, "kubectl -n %.*s annotate backups.velero.io %.*s",
                     STR_ARG(words_name(arena, backup->meta.ns)), STR_ARG(words_name(arena, backup->meta.name)));
    if (removal->change.len)
        takes = arena_printf(arena, ". With this change (%.*s) it would no longer count", STR_ARG(removal->change));
    if (deletion_is_expired(backup, question->now))
        expired =
            arena_printf(arena, "expired %s ago and ", duration_format(question->now - backup->status.expires, since));
    if (kept->by == KEEP_PIN)
        how = arena_printf(arena, "To %s it, remove the pin first: %.*s " ANNOTATION_KEEP "-", act, STR_ARG(command));
    else if (velero)
        how = arena_printf(arena, "To let Velero delete it, annotate it%s: %.*s " WITH_REASON(ANNOTATION_ALLOW_DELETE),
                           unreasoned ? " (the value must be a reason)" : "", STR_ARG(command));
    else
        how = arena_printf(arena,
                           "To %s it anyway, annotate it%s and %s it again: %.*s " WITH_REASON(ANNOTATION_ALLOW_DELETE),
                           act, unreasoned ? " (the value must be a reason)" : "", act, STR_ARG(command));
    decision_forbid(decision, "backup %.*s %.*s%.*s%.*s%.*s%.*s. %.*s", STR_ARG(arena_quote(arena, backup->meta.name)),
                    STR_ARG(expired), STR_ARG(kept->why), STR_ARG(takes), STR_ARG(deletion_doubted_hint(question)),
                    STR_ARG(deletion_admitted_hint(question)), STR_ARG(how));
    decision_audit(decision, "kept", "%s", backup_keep_names[kept->by]);
}

bool deletion_check_needed(const struct request *request, const struct inventory *inventory,
                           const struct settings *settings, const struct removal *removal, const struct backup *backup,
                           struct decision *decision)
{
    enum { REASON_SHOWN = 80 };
    struct arena *arena = request->arena;
    struct deletion_question question = {
        .arena = arena, .now = request->now, .inventory = inventory, .settings = settings, .backup = backup};
    /* The Velero CLI cannot annotate the request that it makes, so the Backup's own counts too. */
    struct str own =
        removal->change.len ? (struct str){NULL, 0} : json_get_str(backup->meta.annotations, ANNOTATION_ALLOW_DELETE);
    struct str reason = object_annotation(request, removal->holder, ANNOTATION_ALLOW_DELETE);
    struct str given = object_reason(request, removal->holder, ANNOTATION_ALLOW_DELETE);
    if (given.len == 0)
        given = annotation_reason(own);
    struct backup_kept kept = deletion_kept_for(&question);
    if (str_eq(backup->meta.ns, settings->system_namespace) && deletion_counts(backup, request->now))
        decision->reservation = (struct reservation){backup->meta.name, given.len > 0};
    if (kept.by == KEEP_NOT) {
        if (backup_is_by_kcm(backup))
            deletion_warn_unseen(inventory, decision);
        return true;
    }
    struct str name = arena_quote(arena, backup->meta.name);
    if (kept.by != KEEP_PIN && request->operation == OPERATION_DELETE && deletion_is_out_of_reach(inventory, backup)) {
        decision_warn(decision,
                      "backup %.*s %.*s; only its object is deleted, since BackupStorageLocation %.*s is gone",
                      STR_ARG(name), STR_ARG(kept.why), STR_ARG(arena_quote(arena, backup->storage_location)));
        return true;
    }
    if (kept.by != KEEP_PIN && given.len) {
        decision_warn(decision, "backup %.*s %.*s", STR_ARG(name), STR_ARG(kept.why));
        decision_warn(decision, "%s allowed by annotation %s: %.*s", removal->change.len ? "change" : "deletion",
                      ANNOTATION_ALLOW_DELETE, STR_ARG(arena_quote(arena, str_slice(given, 0, REASON_SHOWN))));
        decision_audit(decision, "allow-delete", "%.*s", STR_ARG(given));
        return true;
    }
    deletion_forbid(&question, request, removal, &kept, reason.ptr || own.ptr, decision);
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
    struct evidence_source *source = arena_alloc(request->arena, sizeof *source);
    if (source) {
        *source = (struct evidence_source){.name = str_from(source_name),
                                           .group = STR(GROUP_VELERO),
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
    for (size_t i = inventory->count[FACT_BACKUPS]; i > 0 && others < OTHERS; i--) {
        const struct backup *other = inventory->backups[i - 1];
        if (other == self || !str_eq(other->meta.ns, ns) || (self && !str_eq(other->region, self->region)) ||
            !deletion_is_restorable(other))
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
