/* kcm has no webhook for the kind: every mistake here is accepted by kubectl apply and shows
 * later in kcm's log, or never. Denied is only what the request brings in; an object that was
 * wrong before can still be edited elsewhere. */
#include <gnutls/crypto.h>

#include "backstop/grammar.h"
#include "backstop/policy.h"
#include "policy/checks.h"
#include "policy/managementbackup/kcm_names.h"
#include "policy/velero/velero.h"

/* ManagementBackup: its schedule, storage location and name; whether kcm would adopt somebody else's Velero Backup of that
 * name; and what is lost when it is changed or deleted. */

/* What one version of a ManagementBackup asks for. */
struct managementbackup_fields {
    struct str schedule, storage;
    bool on_upgrade;
};

struct managementbackup_edit {
    const struct request *request;
    const struct inventory *inventory;
    const struct settings *settings;
    struct decision *decision;
    struct managementbackup_fields now, before; /* before: all empty on CREATE */
    bool create;
    bool pre_upgrade; /* made by kcm or by the gate for an upgrade: denying it would block that upgrade */
};

static struct managementbackup_fields managementbackup_read(const struct request *request, const struct object *object)
{
    return (struct managementbackup_fields){
        .schedule = object_text(request, object, "spec.schedule"),
        .storage = object_text(request, object, "spec.storageLocation"),
        .on_upgrade = object_true(request, object, "spec.performOnManagementUpgrade"),
    };
}

/* The object's own name, also where the request itself names none. */
static struct str managementbackup_name(const struct request *request)
{
    return request->name.len ? request->name : object_text(request, request_subject(request), "metadata.name");
}

/* The API server checks types against the CRD; offline nobody does, and a schedule
 * that is a number would pass for none. */
static void managementbackup_judge_types(const struct managementbackup_edit *edit)
{
    static const struct {
        const char *path, *wanted;
        enum json_kind kind;
    } fields[] = {
        {"spec.schedule", "a string, in quotes", JSON_STRING},
        {"spec.storageLocation", "a string, in quotes", JSON_STRING},
        {"spec.performOnManagementUpgrade", "true or false", JSON_BOOL},
    };
    for (size_t i = 0; i < LENGTH_OF(fields); i++) {
        enum json_kind kind = object_kind(edit->request->object, fields[i].path);
        if (kind != JSON_NULL && kind != fields[i].kind && request_changes(edit->request, fields[i].path))
            decision_type_invalid(edit->decision, fields[i].path, "must be %s", fields[i].wanted);
    }
}

static int64_t managementbackup_time(const struct request *request, const char *path)
{
    int64_t when;
    return time_parse(object_text(request, request->old_object, path), &when) ? when : 0;
}

/* kcm gives each of its backups 30 days (ttl: 720h). */
static void managementbackup_warn_of_gap(const struct managementbackup_edit *edit, const struct cron_schedule *schedule)
{
    enum { KCM_TTL = 30 * 86400 };
    int64_t gap = schedule_gap_over(schedule, edit->request->now, KCM_TTL);
    if (gap)
        decision_warn(edit->decision,
                      "spec.schedule: runs are %.*s, but each backup expires after 30 days, so at times there is none",
                      STR_ARG(schedule_gap_words(edit->request->arena, gap)));
}

/* Counted from status.lastBackupTime, or the creation, as kcm does: an edit of the schedule may
 * make a run due at once. */
static void managementbackup_judge_schedule(const struct managementbackup_edit *edit)
{
    const struct request *request = edit->request;
    if (edit->now.schedule.len == 0 || str_eq(edit->now.schedule, edit->before.schedule))
        return;
    struct schedule_check check = {.field = "spec.schedule", .runner = "kcm", .spec = edit->now.schedule};
    check.last_run = managementbackup_time(request, "status.lastBackupTime");
    check.created = managementbackup_time(request, "metadata.creationTimestamp");
    struct cron_schedule schedule;
    if (check_schedule(&check, request, edit->settings, edit->decision, &schedule))
        managementbackup_warn_of_gap(edit, &schedule);
}

/* A flag set later does not change where backups go, but upgrades depend on the place from then on. */
static void managementbackup_judge_storage(const struct managementbackup_edit *edit)
{
    bool newly_scheduled = edit->now.schedule.len && edit->before.schedule.len == 0;
    bool asked = edit->create || newly_scheduled || !str_eq(edit->now.storage, edit->before.storage);
    if (!asked && !(edit->now.on_upgrade && edit->now.schedule.len && !edit->before.on_upgrade))
        return;
    const struct storage_check check = {
        .field = "spec.storageLocation",
        .name = edit->now.storage,
        .unusable = edit->pre_upgrade || !asked ? VERDICT_WARN : VERDICT_DENY,
        .management = true,
    };
    check_storage(&check, edit->request, edit->inventory, edit->settings, edit->decision);
}

/* kcm looks at the flag only on ManagementBackups that have a schedule. */
static void managementbackup_judge_upgrade_flag(const struct managementbackup_edit *edit)
{
    bool pointless = edit->now.on_upgrade && edit->now.schedule.len == 0;
    bool was_pointless = edit->before.on_upgrade && edit->before.schedule.len == 0;
    if (pointless && !was_pointless)
        decision_invalid(edit->decision, "spec.performOnManagementUpgrade",
                         "true: has no effect without spec.schedule, so no pre-upgrade backup would be taken. Add "
                         "spec.schedule (such as \"0 */6 * * *\"), or remove this field");
}

/* Each scheduled backup carries the ManagementBackup's name as a label's value. */
static void managementbackup_judge_length(const struct managementbackup_edit *edit, struct str name)
{
    if (name.len <= LABEL_VALUE_MAX || edit->now.schedule.len == 0 || str_eq(edit->now.schedule, edit->before.schedule))
        return;
    enum verdict verdict = edit->before.schedule.len ? VERDICT_WARN : VERDICT_DENY;
    decision_judge(
        edit->decision, verdict, FIELD_TOO_LONG, "metadata.name",
        "must be at most %d bytes with a schedule, but has %zu: kcm uses the name as a label value on each backup",
        LABEL_VALUE_MAX, name.len);
}

/* kcm runs an on-demand ManagementBackup until it has a last backup, then never again. */
static bool managementbackup_has_run(const struct managementbackup_edit *edit, struct str name)
{
    const struct request *request = edit->request;
    if (edit->create)
        return false;
    if (object_text(request, request->old_object, "status.lastBackupName").len ||
        object_has(request->old_object, "status.lastBackup"))
        return true;
    const struct management_backup *known = inventory_management_backup(edit->inventory, name);
    return known && known->last_backup_name.len;
}

/* An on-demand ManagementBackup's Velero Backup has its own name, and kcm takes one
 * that exists for the one it wanted to create. */
static void managementbackup_judge_adoption(const struct managementbackup_edit *edit, struct str name)
{
    const struct request *request = edit->request;
    bool to_on_demand = edit->create || (edit->before.schedule.len && !managementbackup_has_run(edit, name));
    bool will_run = edit->now.schedule.len == 0 && to_on_demand;
    /* A restore brings back the ManagementBackup together with the Backup it made. */
    if (!will_run || name.len == 0 || request->writer == WRITER_VELERO)
        return;
    struct arena *arena = request->arena;
    struct str ns = edit->settings->system_namespace;
    const struct backup *backup = inventory_backup(edit->inventory, ns, name);
    if (!backup)
        return;
    struct str quoted = arena_quote(arena, name);
    const char *advice = edit->pre_upgrade ? "" : ". Choose another name";
    int64_t when = backup->status.completed ? backup->status.completed : backup->meta.created;
    judge_value(edit->decision, edit->pre_upgrade ? VERDICT_WARN : VERDICT_DENY, "metadata.name", name,
                "Velero Backup %.*s already exists in %.*s (%.*s, %.*s): kcm would adopt it and make no new backup%s",
                STR_ARG(quoted), STR_ARG(ns), STR_ARG(backup->status.phase.len ? backup->status.phase : STR("new")),
                STR_ARG(ago(arena, request->now, when)), advice);
}

/* True when no ManagementBackup but the one named would back up before an upgrade.
 * False where that is not known. */
static bool managementbackup_is_last_source(const struct inventory *inventory, struct str name)
{
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        if (backup->on_upgrade && backup->schedule.len && !backup->meta.deleting && !str_eq(backup->meta.name, name))
            return false;
    }
    return inventory->known[FACT_MANAGEMENT_BACKUPS];
}

/* What an admin may not expect of an edit that is allowed. */
static void managementbackup_warn_of_edit(const struct managementbackup_edit *edit, struct str name)
{
    const struct request *request = edit->request;
    struct decision *decision = edit->decision;
    struct str quoted = arena_quote(request->arena, name);
    bool ran = managementbackup_has_run(edit, name);
    bool was_scheduled = edit->before.schedule.len > 0, is_scheduled = edit->now.schedule.len > 0;
    if (!was_scheduled && !is_scheduled && ran && request_changes(request, "spec"))
        decision_warn(decision,
                      "ManagementBackup %.*s has already run, so changing its spec has no effect; create another one "
                      "for a new backup",
                      STR_ARG(quoted));
    if (was_scheduled && !is_scheduled)
        decision_warn(decision, "spec.schedule: without it ManagementBackup %.*s %s", STR_ARG(quoted),
                      ran ? "takes no further backups; existing ones stay until they expire"
                          : "takes one backup now, and none after it");
    bool did_protect = was_scheduled && edit->before.on_upgrade, protects = is_scheduled && edit->now.on_upgrade;
    if (did_protect && !protects && managementbackup_is_last_source(edit->inventory, name)) {
        /* Taken off the last one, the flag does what its deletion would: the same setting says whether it may. */
        const char *field = edit->now.schedule.len ? "spec.performOnManagementUpgrade" : "spec.schedule";
        if (edit->settings->backups_delete_protecting == VERDICT_DENY)
            decision_forbidden(edit->decision, field,
                               "no other ManagementBackup has performOnManagementUpgrade, so upgrades would start "
                               "without a backup. To do "
                               "it anyway, set managementBackups.deleteProtecting to warn in backstop's settings");
        else if (edit->settings->backups_delete_protecting == VERDICT_WARN)
            decision_warn(
                edit->decision,
                "no ManagementBackup is left with performOnManagementUpgrade: upgrades will start without a backup");
    }
}

/* kcm reports none of this: the ManagementBackup would just never run. One warning of each kind, the rest counted. */
static void managementbackup_warn_of_holds(const struct managementbackup_edit *edit, struct str name)
{
    const struct request *request = edit->request;
    bool scheduled = edit->now.schedule.len > 0;
    unsigned warned = 0;
    if (!edit->create && !request_changes(request, "spec"))
        return;
    const struct backup_holds holds =
        policy_backup_holds(request->arena, edit->inventory, edit->settings, request->now);
    for (size_t i = 0; i < holds.len; i++) {
        const struct backup_hold *hold = &holds.items[i];
        bool ours = hold->whole || (scheduled && (hold->owner.len == 0 || str_eq(hold->owner, name)));
        if (!ours || (warned & 1U << hold->kind))
            continue;
        warned |= 1U << hold->kind;
        decision_caution(edit->decision, "kcm %s no %s while %.*s. %.*s", hold->certain ? "starts" : "may start",
                         hold->whole ? "backup at all" : "scheduled backup", STR_ARG(hold->reason), STR_ARG(hold->fix));
    }
}

/* A backup that completes and lacks the credentials of its clusters is noticed when it is restored. */
static void managementbackup_warn_of_omissions(const struct managementbackup_edit *edit)
{
    struct arena *arena = edit->request->arena;
    if (!edit->create || edit->pre_upgrade)
        return;
    const struct backup_omissions omissions = policy_backup_omissions(arena, edit->inventory, edit->settings);
    for (enum backup_omission_kind kind = OMITS_SECRET; kind <= OMITS_CLUSTER; kind++) {
        const struct backup_omission *first = NULL;
        size_t count = 0;
        for (size_t i = 0; i < omissions.len; i++)
            if (omissions.items[i].kind == kind && count++ == 0)
                first = &omissions.items[i];
        if (!first)
            continue;
        struct str more = count > 1 ? arena_printf(arena, " and %zu more", count - 1) : STR("");
        decision_caution(edit->decision, "backups leave out %s%.*s: %.*s. %.*s",
                         kind == OMITS_SECRET ? "a Secret" : "a cluster", STR_ARG(more), STR_ARG(first->reason),
                         STR_ARG(first->fix));
    }
}

static void managementbackup_judge_loss(struct decision *decision, enum verdict verdict, struct str message)
{
    if (verdict == VERDICT_DENY)
        decision_forbid(
            decision,
            "%.*s. To delete it anyway, set managementBackups.deleteProtecting to warn in backstop's settings",
            STR_ARG(message));
    else if (verdict == VERDICT_WARN)
        decision_warn(decision, "%.*s", STR_ARG(message));
}

static bool managementbackup_completed(const struct management_backup *backup)
{
    if (!phase_is(backup->last_backup.phase, PHASE_COMPLETED))
        return false;
    for (size_t i = 0; i < backup->region_count; i++)
        if (!phase_is(backup->regions[i].backup.phase, PHASE_COMPLETED))
            return false;
    return true;
}

/* The newest good pre-upgrade backup of a release (its label's value; absent: of any). */
static const struct management_backup *managementbackup_newest_good(const struct inventory *inventory,
                                                                    struct str release)
{
    const struct management_backup *newest = NULL;
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        bool wanted = release.ptr ? str_eq(backup->release, release) : backup->release.len > 0;
        if (wanted && !backup->meta.deleting && managementbackup_completed(backup) &&
            (!newest || backup->last_backup.completed > newest->last_backup.completed))
            newest = backup;
    }
    return newest;
}

/* The backup of the running release is what an upgrade under way falls back on; after
 * the upgrade, the newest one of another release is the rollback to that. */
static void managementbackup_judge_rollback(const struct request *request, const struct inventory *inventory,
                                            struct str name, enum verdict verdict, struct decision *decision)
{
    const struct management_backup *self = inventory_management_backup(inventory, name);
    const struct management *management = inventory_management(inventory);
    if (!self || !self->release.len || !management || !management->status_release.len)
        return;
    struct arena *arena = request->arena;
    struct str running = kcm_release_label(arena, management->status_release);
    struct str quoted = arena_quote(arena, name);
    if (str_eq(self->release, running)) {
        if (managementbackup_newest_good(inventory, running) == self)
            managementbackup_judge_loss(decision, verdict,
                                        arena_printf(arena,
                                                     "ManagementBackup %.*s protects the running release %.*s: it "
                                                     "tracks the backup to roll back to if an upgrade fails",
                                                     STR_ARG(quoted),
                                                     STR_ARG(arena_quote(arena, management->status_release))));
        return;
    }
    const struct management_backup *newest = managementbackup_newest_good(inventory, (struct str){NULL, 0});
    if (newest == self)
        managementbackup_judge_loss(decision, verdict,
                                    arena_printf(arena,
                                                 "ManagementBackup %.*s protects the running release %.*s: it tracks "
                                                 "the backup to roll back to %.*s with",
                                                 STR_ARG(quoted),
                                                 STR_ARG(arena_quote(arena, management->status_release)),
                                                 STR_ARG(arena_quote(arena, self->release))));
}

/* DELETE: what the cluster loses with this ManagementBackup. */
static void managementbackup_judge_deletion(const struct request *request, const struct inventory *inventory,
                                            const struct settings *settings, struct decision *decision)
{
    const struct object *object = request->old_object;
    struct str name = managementbackup_name(request);
    enum verdict verdict = settings->backups_delete_protecting;
    if (object_deleting(object))
        return;
    managementbackup_judge_rollback(request, inventory, name, verdict, decision);
    bool protects = object_true(request, object, "spec.performOnManagementUpgrade") &&
                    object_text(request, object, "spec.schedule").len;
    if (protects && managementbackup_is_last_source(inventory, name))
        managementbackup_judge_loss(
            decision, verdict,
            arena_printf(request->arena,
                         "ManagementBackup %.*s is the last one with performOnManagementUpgrade: without it upgrades "
                         "start without a backup",
                         STR_ARG(arena_quote(request->arena, name))));
}

void policy_management_backup(const struct request *request, const struct inventory *inventory,
                              const struct settings *settings, struct decision *decision)
{
    if (request->operation == OPERATION_DELETE) {
        managementbackup_judge_deletion(request, inventory, settings, decision);
        return;
    }
    struct managementbackup_edit edit = {
        .request = request, .inventory = inventory, .settings = settings, .decision = decision};
    edit.create = request->operation == OPERATION_CREATE || !request->old_object;
    edit.now = managementbackup_read(request, request->object);
    edit.before = managementbackup_read(request, edit.create ? NULL : request->old_object);
    edit.pre_upgrade = object_label(request, request->object, LABEL_RELEASE_BACKUP).len > 0;
    struct str name = managementbackup_name(request);
    managementbackup_judge_types(&edit);
    if (edit.create && edit.now.schedule.len == 0 && !decision->denied)
        decision_audit(decision, "schedule", "on demand");
    managementbackup_judge_schedule(&edit);
    managementbackup_judge_storage(&edit);
    managementbackup_judge_upgrade_flag(&edit);
    managementbackup_judge_length(&edit, name);
    managementbackup_judge_adoption(&edit, name);
    if (!edit.create && !decision->denied)
        managementbackup_warn_of_edit(&edit, name);
    if (!decision->denied)
        managementbackup_warn_of_holds(&edit, name);
    if (!decision->denied)
        managementbackup_warn_of_omissions(&edit);
    if (!decision->denied && (edit.create || request_changes(request, "spec")))
        velero_warn_cannot_start(inventory, settings, decision);
}

enum {
    SHA256_BYTES = 32,
    HASH_BYTES_SHOWN = 4,
    HASH_SUFFIX = 1 + 2 * HASH_BYTES_SHOWN, /* "-" and the hex digits */
    TIME_DIGITS = 14,
    TIME_SUFFIX = 1 + TIME_DIGITS
};

struct str kcm_bounded(struct arena *arena, struct str value, size_t limit)
{
    if (value.len <= limit)
        return value;
    unsigned char hash[SHA256_BYTES];
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, value.ptr, value.len, hash) < 0) {
        arena_fail(arena);
        return (struct str){NULL, 0};
    }
    struct str prefix = str_slice(value, 0, limit - HASH_SUFFIX);
    while (prefix.len && (prefix.ptr[prefix.len - 1] == '-' || prefix.ptr[prefix.len - 1] == '.'))
        prefix.len--;
    return arena_printf(arena, "%.*s-%02x%02x%02x%02x", STR_ARG(prefix), hash[0], hash[1], hash[2], hash[3]);
}

static struct str kcm_unbounded_name(struct arena *arena, struct str backup, struct str release)
{
    return arena_printf(arena, "%.*s-%.*s", STR_ARG(backup), STR_ARG(release));
}

static struct str kcm_repeat_prefix(struct arena *arena, struct str backup, struct str release)
{
    return kcm_bounded(arena, kcm_unbounded_name(arena, backup, release), DNS_SUBDOMAIN_MAX - TIME_SUFFIX);
}

struct str kcm_upgrade_backup(struct arena *arena, struct str backup, struct str release)
{
    return kcm_bounded(arena, kcm_unbounded_name(arena, backup, release), DNS_SUBDOMAIN_MAX);
}

struct str kcm_upgrade_backup_again(struct arena *arena, struct str backup, struct str release, int64_t when)
{
    struct str prefix = kcm_repeat_prefix(arena, backup, release);
    struct civil at = civil_from_unix(when);
    return arena_printf(arena, "%.*s-%04lld%02d%02d%02d%02d%02d", STR_ARG(prefix), (long long)at.year, at.month, at.day,
                        at.hour, at.minute, at.second);
}

bool kcm_is_upgrade_backup(struct arena *arena, struct str name, struct str backup, struct str release)
{
    if (str_eq(name, kcm_upgrade_backup(arena, backup, release)))
        return true;
    struct str prefix = kcm_repeat_prefix(arena, backup, release);
    if (prefix.len == 0 || name.len != prefix.len + TIME_SUFFIX || !str_starts(name, prefix) ||
        name.ptr[prefix.len] != '-')
        return false;
    for (size_t i = prefix.len + 1; i < name.len; i++)
        if (name.ptr[i] < '0' || name.ptr[i] > '9')
            return false;
    return true;
}

struct str kcm_release_label(struct arena *arena, struct str release)
{
    return kcm_bounded(arena, release, LABEL_VALUE_MAX);
}
