/* Velero's Schedule: its times, its name (Velero appends a stamp), and the Backups that its template would make. */
#include "backstop/grammar.h"
#include "policy/backup/spec.h"
#include "policy/checks.h"
#include "policy/velero/installed.h"

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

/* FromSchedule gives each Backup these labels, which nobody checks before it is created. */
static void judge_labels(const struct backup_spec *view)
{
    const char *const labels = "metadata.labels";
    struct str where = {NULL, 0}, why = {NULL, 0};
    if (view->before && json_object_equal(json_path(view->spec, labels), json_path(view->before, labels)))
        return;
    if (!labels_are_bad(view->arena, json_path(view->spec, labels), &where, &why))
        return;
    struct str field = arena_printf(view->arena, "%s.%s%.*s", view->at, labels, STR_ARG(where));
    decision_invalid(view->decision, field.ptr ? field.ptr : view->at, "%.*s: no Backup could be created",
                     STR_ARG(why));
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
    int64_t seconds = nanoseconds ? nanoseconds / 1000000000 : MONTH;
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
    judge_labels(&view);
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
