/* Velero validates nothing of a template: a mistake in it fails every backup that it makes, at
 * night, with nobody looking. So the template goes through the same checks as a Backup. The
 * second half judges edits of Backups. */
#include <string.h>

#include "backstop/grammar.h"
#include "policy/backup/spec.h"
#include "policy/checks.h"
#include "policy/deletion/deletion.h"
#include "policy/upgrade/gate.h"
#include "policy/velero/velero.h"

/* Velero's Schedule: its times, its name (Velero appends a stamp), and the Backups that its template would make. */

/* velero pkg/controller/schedule_controller.go. */

struct schedule_edit {
    const struct request *request;
    const struct inventory *inventory;
    const struct settings *settings;
    struct decision *decision;
    bool create;
};

static int64_t schedule_time_of(const struct schedule_edit *edit, const char *path)
{
    int64_t when;
    return time_parse(object_text(edit->request, edit->request->old_object, path), &when) ? when : 0;
}

static bool becomes_true(const struct schedule_edit *edit, const char *path)
{
    return object_true(edit->request, edit->request->object, path) &&
           (edit->create || !object_true(edit->request, edit->request->old_object, path));
}

/* Velero counts from the last backup, the creation, or what it skipped last. */
static void judge_cron(const struct schedule_edit *edit)
{
    const struct request *request = edit->request;
    struct json_object *value = object_tree(request, request->object, "spec.schedule");
    struct str spec = json_str(value);
    bool resumed = !edit->create && object_true(request, request->old_object, "spec.paused") &&
                   !object_true(request, request->object, "spec.paused");
    if (!edit->create && !resumed && !request_changes(request, "spec.schedule"))
        return;
    if (value && !json_object_is_type(value, json_type_string)) {
        decision_type_invalid(edit->decision, "spec.schedule", "must be a string, in quotes");
        return;
    }
    if (spec.len == 0) {
        decision_required(edit->decision, "spec.schedule",
                          "a cron expression such as \"0 1 * * *\" (daily at 01:00); Velero never runs "
                          "a Schedule without one");
        return;
    }
    const struct version_fact velero = inventory_velero_version(edit->inventory, edit->settings);
    struct schedule_check check = {
        .field = "spec.schedule", .runner = "Velero", .spec = spec, .velero = &velero.version};
    check.created = schedule_time_of(edit, "metadata.creationTimestamp");
    check.last_run = schedule_time_of(edit, "status.lastBackup");
    int64_t skipped = schedule_time_of(edit, "status.lastSkipped");
    if (skipped > check.last_run)
        check.last_run = skipped;
    bool waits = object_true(request, request->object, "spec.paused") ||
                 object_true(request, request->object, "spec.skipImmediately");
    if (waits)
        check.last_run = check.created = 0;
    check_schedule(&check, request, edit->settings, edit->decision, NULL);
}

/* BackupBuilder.FromSchedule puts the name in a label as it is. */
static void judge_name(const struct schedule_edit *edit)
{
    const struct request *request = edit->request;
    struct str name = request->name.len ? request->name : object_text(request, request->object, "metadata.name");
    if (edit->create && name.len > LABEL_VALUE_MAX)
        decision_too_long(edit->decision, "metadata.name",
                          "must be at most %d bytes, not %zu: Velero copies the name into a label of each "
                          "Backup, and a longer label is refused",
                          LABEL_VALUE_MAX, name.len);
}

static void warn_of_switches(const struct schedule_edit *edit)
{
    struct decision *decision = edit->decision;
    if (becomes_true(edit, "spec.paused"))
        decision_warn(decision, "spec.paused: Velero takes no backup of this Schedule until it is false");
    if (becomes_true(edit, "spec.skipImmediately"))
        decision_warn(decision, "spec.skipImmediately: Velero skips a run that is due now, then sets this to false. "
                                "GitOps tools will see drift");
    if (becomes_true(edit, "spec.useOwnerReferencesInBackup"))
        decision_warn(decision, "spec.useOwnerReferencesInBackup: deleting this Schedule deletes its Backup objects "
                                "too; their data stays in the object store");
}

/* Velero keeps a backup for its ttl, and for 30 days when the template says none (server
 * flag --default-backup-ttl): if runs are further apart, at times there is no backup. */
static void warn_of_short_ttl(const struct schedule_edit *edit)
{
    enum { MONTH = 31 * 86400 }; /* a monthly one that relies on the default is not bothered for a day */
    const struct request *request = edit->request;
    struct error ignored;
    int64_t nanoseconds = 0;
    struct str ttl = object_text(request, request->object, "spec.template.ttl");
    struct str spec = object_text(request, request->object, "spec.schedule");
    const struct product_version velero = inventory_velero_version(edit->inventory, edit->settings).version;
    if (!edit->create && !request_changes(request, "spec.schedule") && !request_changes(request, "spec.template"))
        return;
    if (ttl.len && (!duration_parse(ttl, &nanoseconds, &ignored) || nanoseconds < 0))
        return;
    int64_t seconds = nanoseconds ? nanoseconds / NS_PER_SECOND : MONTH;
    int64_t gap = schedule_longest_gap(spec, product_version_cron(&velero), edit->settings, request->now, seconds);
    if (!gap)
        return;
    struct str kept = nanoseconds ? arena_quote(request->arena, ttl) : STR("Velero's default of 720h");
    decision_caution(edit->decision,
                     "spec.template.ttl: %.*s is shorter than the time between runs (%.*s), so at times there is no "
                     "backup of this Schedule",
                     STR_ARG(kept), STR_ARG(schedule_gap_words(request->arena, gap)));
}

static void judge_template(const struct schedule_edit *edit)
{
    const struct request *request = edit->request;
    struct json_object *template = object_tree(request, request->object, "spec.template");
    if (!edit->create && !request_changes(request, "spec.template"))
        return;
    if (!json_object_is_type(template, json_type_object)) {
        decision_required(edit->decision, "spec.template",
                          "say what each Backup holds; {} backs up everything to the default location");
        return;
    }
    struct backup_spec view = {
        .request = request,
        .inventory = edit->inventory,
        .settings = edit->settings,
        .decision = edit->decision,
        .arena = request->arena,
        .spec = template,
        .before = edit->create ? NULL : object_tree(request, request->old_object, "spec.template"),
        .at = "spec.template",
        .ns = request->ns.len ? request->ns : edit->settings->system_namespace,
        .template = true,
    };
    view.facts = str_eq(view.ns, edit->settings->system_namespace);
    if (edit->create)
        warn_no_velero(edit->decision, edit->inventory, view.ns, "Schedule");
    if (edit->create)
        velero_warn_fields(request, edit->inventory, edit->settings, edit->decision);
    if (edit->create && view.facts)
        velero_warn_cannot_start(edit->inventory, edit->settings, edit->decision);
    backup_spec_check(&view);
    /* FromSchedule gives each Backup these labels, which nobody checks before it is created. */
    const char *const labels = "metadata.labels";
    struct str where = {NULL, 0}, why = {NULL, 0};
    if (view.before && json_equal(json_path(view.spec, labels), json_path(view.before, labels)))
        return;
    if (!labels_are_bad(view.arena, json_path(view.spec, labels), &where, &why))
        return;
    struct str field = arena_printf(view.arena, "%s.%s%.*s", view.at, labels, STR_ARG(where));
    decision_invalid(view.decision, field.ptr ? field.ptr : view.at, "%.*s: no Backup could be created", STR_ARG(why));
}

void policy_velero_schedule(const struct request *request, const struct inventory *inventory,
                            const struct settings *settings, struct decision *decision)
{
    const struct schedule_edit edit = {
        .request = request,
        .inventory = inventory,
        .settings = settings,
        .decision = decision,
        .create = request->operation == OPERATION_CREATE || !request->old_object,
    };
    if (request->operation == OPERATION_DELETE || (!edit.create && !request_changes(request, "spec")))
        return;
    judge_name(&edit);
    judge_cron(&edit);
    judge_template(&edit);
    warn_of_short_ttl(&edit);
    warn_of_switches(&edit);
}

void policy_velero_schedule_wants(const struct request *request, const struct inventory *inventory,
                                  const struct settings *settings, struct facts_wanted *wanted)
{
    if (request->operation != OPERATION_DELETE)
        backup_spec_wants(request, inventory, settings, "spec.template", wanted);
}

/* Edits of a Backup by others than Velero. Its kind has no status subresource, so whoever may
 * update Backups writes phase and expiration too, and what is protected is recognised by them,
 * by spec and by labels: an edit can take a backup away as a deletion does, or make one up. */

enum { NAME_SHOWN = 80 };

/* Of one version of the object, what decides whether it counts; the rest of the fact is empty. */
static struct backup backup_of(const struct request *request, const struct settings *settings,
                               const struct object *object)
{
    struct backup backup = {.meta.ns = request->ns.len ? request->ns : settings->system_namespace};
    struct json_object *metadata = object_tree(request, object, "metadata");
    struct json_object *spec = object_tree(request, object, "spec");
    struct json_object *labels = json_get(metadata, "labels");
    struct str name = json_get_str(metadata, "name");
    backup.meta.name = request->name.len ? request->name : name;
    backup.meta.deleting = object_deleting(object);
    backup.meta.labels = labels;
    backup.meta.annotations = json_get(metadata, "annotations");
    backup.storage_location = json_get_str(spec, "storageLocation");
    backup.region = json_get_str(labels, LABEL_REGION);
    backup.identity = backup_identify(metadata, spec);
    backup.status.phase = object_text(request, object, "status.phase");
    if (!time_parse(object_text(request, object, "status.startTimestamp"), &backup.status.started))
        backup.status.started = 0;
    if (!time_parse(object_text(request, object, "status.completionTimestamp"), &backup.status.completed))
        backup.status.completed = 0;
    if (!time_parse(object_text(request, object, "status.expiration"), &backup.status.expires))
        backup.status.expires = 0;
    return backup;
}

/* Also the account of the Deployment that runs in Velero's namespace: who may have a pod run as
 * that account there is Velero for every purpose. */
static bool is_velero(const struct request *request, const struct inventory *inventory, const struct settings *settings)
{
    struct str ns = settings->system_namespace;
    if (request_by_velero(request, settings))
        return true;
    for (size_t i = 0; i < inventory->count[FACT_VELERO]; i++) {
        const struct velero_deployment *velero = inventory->velero_deployments[i];
        struct str user = arena_printf(request->arena, "system:serviceaccount:%.*s:%.*s", STR_ARG(ns),
                                       STR_ARG(velero->service_account));
        if (str_eq(velero->meta.ns, ns) && velero->service_account.len && str_eq(user, request->user))
            return true;
    }
    return false;
}

static bool is_real(const struct backup *backup)
{
    return backup_is_by_kcm(backup) && phase_is(backup->status.phase, PHASE_COMPLETED);
}

/* ---- one that is made up ------------------------------------------------------ */

/* A status that makes a backup out of nothing, or another one out of this: start and end are
 * what decisions go by. */
static bool is_forged(const struct backup *before, const struct backup *after)
{
    if (!is_real(after))
        return false;
    return !before || !is_real(before) || before->status.started != after->status.started ||
           before->status.completed != after->status.completed;
}

/* ---- one that is taken away --------------------------------------------------- */

static void add_change(const struct request *request, struct str *changes, bool changed, const char *what)
{
    if (changed)
        *changes = changes->len ? arena_printf(request->arena, "%.*s, %s", STR_ARG(*changes), what) : str_from(what);
}

static bool label_changes(const struct backup *before, const struct backup *after, const char *label)
{
    return !str_eq(json_get_str(before->meta.labels, label), json_get_str(after->meta.labels, label));
}

static bool gets_owner(const struct request *request)
{
    const char *const path = "metadata.ownerReferences";
    return request_changes(request, path) && json_len(object_tree(request, request->object, path)) > 0;
}

/* The fields by which the backup is less, or another, than before; empty when by none. */
static struct str what_weakens(const struct request *request, const struct backup *before, const struct backup *after)
{
    struct str changes = STR("");
    const struct backup_status *was = &before->status, *is = &after->status;
    bool sooner = is->expires && (!was->expires || is->expires < was->expires);
    add_change(request, &changes, !str_eq(was->phase, is->phase), "status.phase");
    add_change(request, &changes, sooner, "status.expiration");
    add_change(request, &changes,
               (before->identity.marks & BACKUP_KCM_MARKS) != (after->identity.marks & BACKUP_KCM_MARKS) ||
                   (backup_lacks_management(after) && !backup_lacks_management(before)),
               "what kcm set in spec");
    add_change(request, &changes, !str_eq(before->storage_location, after->storage_location), "spec.storageLocation");
    add_change(request, &changes, label_changes(before, after, LABEL_REGION), "label " LABEL_REGION);
    add_change(request, &changes,
               label_changes(before, after, LABEL_RELEASE_BACKUP) ||
                   label_changes(before, after, LABEL_MANAGEMENT_BACKUP),
               "label " LABEL_RELEASE_BACKUP " or " LABEL_MANAGEMENT_BACKUP);
    add_change(request, &changes, label_changes(before, after, LABEL_STORAGE_LOCATION),
               "label velero.io/storage-location");
    add_change(request, &changes, gets_owner(request), "metadata.ownerReferences");
    return changes;
}

static void backup_edit_warn_of_pin(const struct request *request, const struct inventory *inventory,
                                    const struct settings *settings, const struct backup *before,
                                    const struct backup *after, struct decision *decision)
{
    struct arena *arena = request->arena;
    char since[TIME_TEXT_SIZE];
    struct str name = arena_quote(arena, after->meta.name);
    struct str was = json_get_str(before->meta.annotations, ANNOTATION_KEEP);
    struct str is = json_get_str(after->meta.annotations, ANNOTATION_KEEP);
    bool expired = after->status.expires && after->status.expires <= request->now;
    if (is.ptr && !str_eq(is, was)) {
        decision_warn(decision,
                      "pinned: nobody, Velero included, can delete backup %.*s until annotation %s is removed%s",
                      STR_ARG(name), ANNOTATION_KEEP,
                      annotation_reason(is).len ? "" : ". Give it a reason as its value, for whoever finds it later");
        if (!was.ptr)
            decision_warn(decision,
                          "the object store does not contain the pin: pin backup %.*s again where Velero has "
                          "synced it from there",
                          STR_ARG(name));
    } else if (was.ptr && !is.ptr) {
        struct backup_kept kept = policy_backup_kept(arena, inventory, settings, request->now, after);
        if (kept.by != KEEP_NOT)
            decision_warn(decision, "no longer pinned, but backup %.*s %.*s", STR_ARG(name), STR_ARG(kept.why));
        else if (expired)
            decision_warn(decision, "no longer pinned: backup %.*s expired %s ago, and Velero deletes it soon",
                          STR_ARG(name), duration_format(request->now - after->status.expires, since));
    }
}

/* What a Restore is completed from, and judged by. */
static void backup_edit_warn_of_record(const struct request *request, const struct backup *before,
                                       const struct backup *after, struct decision *decision)
{
    static const char *const recorded[] = {ANNOTATION_RELEASE,    ANNOTATION_RECORDED_AT, ANNOTATION_NOT_READY,
                                           ANNOTATION_CLUSTER_ID, ANNOTATION_KCM_VERSION, ANNOTATION_VELERO_VERSION,
                                           ANNOTATION_PROVIDERS,  ANNOTATION_EXCLUSIONS};
    for (size_t i = 0; i < LENGTH_OF(recorded); i++) {
        if (str_eq(json_get_str(before->meta.annotations, recorded[i]),
                   json_get_str(after->meta.annotations, recorded[i])))
            continue;
        decision_warn(
            decision,
            "annotation %s recorded what was so when backup %.*s was taken: a Restore on this cluster now uses the "
            "value given by hand",
            recorded[i], STR_ARG(arena_quote(request->arena, after->meta.name)));
        decision_audit(decision, "changed-record", "%s", recorded[i]);
        return;
    }
}

void backup_edit_check(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct decision *decision)
{
    bool update = request->operation == OPERATION_UPDATE && request->old_object;
    struct backup *after = arena_alloc(request->arena, sizeof *after);
    struct backup *before = arena_alloc(request->arena, sizeof *before);
    if (!after || !before)
        return;
    *after = backup_of(request, settings, request->object);
    if (update)
        *before = backup_of(request, settings, request->old_object);
    if (!str_eq(after->meta.ns, settings->system_namespace) || is_velero(request, inventory, settings))
        return;
    if (is_forged(update ? before : NULL, after)) {
        struct str name = arena_quote(request->arena, after->meta.name);
        struct str user = arena_quote(request->arena, str_slice(request->user, 0, NAME_SHOWN));
        decision_forbid(
            decision,
            "backup %.*s would count as a Completed management backup, but only Velero may complete one. %s. "
            "If %.*s is Velero, add it to velero.serviceAccounts in the settings",
            STR_ARG(name),
            update ? "Leave its status and what kcm set in its spec unchanged"
                   : "Create it without a status: Velero itself syncs what is in the object store",
            STR_ARG(user));
        return;
    }
    struct str change = update && deletion_is_guarded(before) ? what_weakens(request, before, after) : STR("");
    const struct removal removal = {.holder = request->object, .change = change};
    if (change.len)
        deletion_check_needed(request, inventory, settings, &removal, before, decision);
    if (!update || decision->denied)
        return;
    backup_edit_warn_of_pin(request, inventory, settings, before, after, decision);
    if (backup_is_by_kcm(before))
        backup_edit_warn_of_record(request, before, after, decision);
}

/* Only an edit that takes a guarded backup away asks what else there is. */
void backup_edit_wants(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct facts_wanted *wanted)
{
    if (request->operation != OPERATION_UPDATE || !request->old_object || is_velero(request, inventory, settings))
        return;
    struct backup before = backup_of(request, settings, request->old_object);
    struct backup after = backup_of(request, settings, request->object);
    if (deletion_is_guarded(&before) && what_weakens(request, &before, &after).len)
        deletion_want_others(request, inventory, settings, before.meta.name, wanted);
}

struct backup backup_edit_old(const struct request *request, const struct settings *settings)
{
    return backup_of(request, settings, request->old_object);
}

/* ---- what an edit does that Velero takes no notice of ------------------------- */

/* Fields of a Backup's spec that are read after it is done (velero pkg/restore, gc_controller.go,
 * backup_deletion_controller.go, csi/pvc_action.go). */
static const struct {
    const char *field, *effect;
} read_later[] = {
    {"storageLocation", "restores and deletions now look for the backup's data there, but Velero moves no data"},
    {"orLabelSelectors", "Restores are completed for the providers named here, whatever the backup holds"},
    {"snapshotMoveData", "Restores of its volumes follow this, whatever the backup holds"},
    {"csiSnapshotTimeout", "Restores of its volumes follow this"},
};

static const char *effect_of(const char *field)
{
    for (size_t i = 0; i < LENGTH_OF(read_later); i++)
        if (strcmp(read_later[i].field, field) == 0)
            return read_later[i].effect;
    return NULL;
}

void backup_edit_warn(const struct request *request, const struct settings *settings, struct decision *decision)
{
    struct json_object *before = object_tree(request, request->old_object, "spec");
    struct json_object *after = object_tree(request, request->object, "spec");
    struct backup was = backup_of(request, settings, request->old_object);
    struct backup is = backup_of(request, settings, request->object);
    const char *dead = NULL;
    json_foreach(before, gone, ignored) if (!json_get(after, gone) && ignored && !effect_of(gone)) dead = gone;
    json_foreach(after, field, value)
    {
        const char *effect = effect_of(field);
        if (json_equal(value, json_get(before, field)))
            continue;
        if (effect)
            decision_warn(decision, "spec.%s: %s", field, effect);
        else
            dead = field;
    }
    if (was.identity.kind != is.identity.kind)
        decision_warn(decision, "after this change backstop treats the backup as %.*s",
                      STR_ARG(backup_identity_reason(request->arena, is.identity)));
    else if (dead)
        decision_warn(
            decision,
            "the change of %.*s has no effect: Velero has already read this Backup (phase %.*s); create a new "
            "one",
            STR_ARG(arena_quote(request->arena, arena_printf(request->arena, "spec.%.*s", NAME_SHOWN, dead))),
            STR_ARG(arena_quote(request->arena, was.status.phase)));
}
