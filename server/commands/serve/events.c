/* Decisions as Events: the gate's steps, and denials of what exists.
 *
 * Recording never blocks a review: notes go into the queues of the recorder (backstop/kube.h),
 * where a flood of common ones cannot push out what weighs more. Nothing is recorded for a dry
 * run, of which nothing remains. */
#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

#define CONTROLLER "backstop.k0rdent.mirantis.com/webhook"

/* The gate's word (audit annotation upgrade-gate) begins with one of these. */
static const struct gate_event {
    const char *outcome, *reason, *action;
    bool warning;
} steps[] = {
    {"passed", "UpgradeAdmitted", "AdmitUpgrade", false},      {"waiting", "UpgradeWaits", "HoldUpgrade", false},
    {"refused", "UpgradeRefused", "RefuseUpgrade", true},      {"unknown", "UpgradeRefused", "RefuseUpgrade", true},
    {"skipped", "UpgradeWithoutBackup", "AdmitUpgrade", true}, {"off", "UpgradeWithoutBackup", "AdmitUpgrade", true},
};

static const struct gate_event *gate_step(const struct decision *decision)
{
    for (size_t i = 0; i < decision->audit.len; i++)
        for (size_t s = 0; s < LENGTH_OF(steps) && str_is(decision->audit.items[i].key, AUDIT_GATE); s++)
            if (str_starts(decision->audit.items[i].value, str_from(steps[s].outcome)))
                return &steps[s];
    return NULL;
}

/* uid is of the old object: what is being created has none yet. */
static struct kube_note about_subject(const struct request *request)
{
    return (struct kube_note){.api_version = request->api_version,
                              .kind = request->kind,
                              .ns = request->ns,
                              .name = request->name,
                              .uid = object_text(request, request->old_object, "metadata.uid")};
}

static struct str events_text_admitted(const struct request *request, const struct decision *decision)
{
    struct str release = object_text(request, request->object, "spec.release"); /* a Restore has none */
    struct str text = release.len ? arena_printf(request->arena, "spec.release %.*s is admitted",
                                                 STR_ARG(arena_quote(request->arena, release)))
                                  : STR("admitted");
    for (size_t i = 0; i < decision->warnings.len; i++)
        text = arena_printf(request->arena, "%.*s; %.*s", STR_ARG(text), STR_ARG(decision->warnings.items[i]));
    return text;
}

/* Two Events of one fact: on the Management, where somebody waits for the upgrade, and on the
 * backup itself. The uid of the latter is looked up by the recorder, by the plural. */
static void record_started(struct service *service, const struct review *review)
{
    const struct request *request = &review->request;
    for (size_t i = 0; i < review->decision.effects.len; i++) {
        const struct effect *effect = &review->decision.effects.items[i];
        struct str kind = json_get_str(effect->object, "kind");
        if (!str_is(kind, "ManagementBackup"))
            continue;
        struct kube_note note = about_subject(request);
        note.weight = KUBE_VITAL;
        note.reason = "PreUpgradeBackupStarted";
        note.action = "StartBackup";
        note.text = arena_printf(
            request->arena, "started %.*s before the upgrade to %.*s", STR_ARG(effect->what),
            STR_ARG(json_get_str(json_path(effect->object, "metadata.annotations"), ANNOTATION_TAKEN_BEFORE)));
        kube_record(service->recorder, &note);
        note.api_version = json_get_str(effect->object, "apiVersion");
        note.kind = kind;
        note.name = json_path_str(effect->object, "metadata.name");
        note.uid = (struct str){NULL, 0};
        note.plural = STR("managementbackups");
        kube_record(service->recorder, &note);
    }
}

static struct str events_audit_value(const struct decision *decision, const char *key)
{
    for (size_t i = 0; i < decision->audit.len; i++)
        if (str_is(decision->audit.items[i].key, key))
            return decision->audit.items[i].value;
    return (struct str){NULL, 0};
}

/* What kcm wrote and a user could not. A Backup of kcm's has another name each time, so the Event
 * is on the ManagementBackup, which people look at, and is the same one each time. */
static void record_would_deny(struct service *service, const struct review *review)
{
    const struct request *request = &review->request;
    struct str why = events_audit_value(&review->decision, AUDIT_WOULD_DENY);
    if (why.len == 0 || request->writer != WRITER_KCM)
        return;
    struct kube_note note = about_subject(request);
    if (str_is(request->kind, "Backup")) {
        struct str maker = object_label(request, request->object, LABEL_MANAGEMENT_BACKUP);
        note = (struct kube_note){.api_version = STR(API_K0RDENT),
                                  .kind = STR("ManagementBackup"),
                                  .name = maker.len ? maker : request->name,
                                  .plural = STR("managementbackups")};
    }
    note.reason = "BackupWillFail";
    note.action = "CreateBackup";
    note.warning = true;
    note.text = why;
    kube_record(service->recorder, &note);
}

/* What was added to a Restore, which the Velero CLI shows nobody. */
static void record_added(struct service *service, const struct review *review)
{
    const struct request *request = &review->request;
    const struct decision *decision = &review->decision;
    if (!str_is(request->kind, "Restore") || decision->denied || decision->patch.len == 0)
        return;
    struct kube_note note = about_subject(request);
    note.plural = STR("restores");
    note.reason = "RestoreAdjusted";
    note.action = "AdjustRestore";
    note.text = STR("");
    for (size_t i = 0; i < decision->warnings.len; i++)
        note.text = arena_printf(request->arena, "%.*s%s%.*s", STR_ARG(note.text), i ? "; " : "",
                                 STR_ARG(decision->warnings.items[i]));
    kube_record(service->recorder, &note);
}

/* What must reach those, too, whose client drops warnings: the Velero CLI, and whatever applies from git. Of the two
 * reviews of a Restore only the validating one tells, so that it comes once. Controllers get none for what they write:
 * Velero makes a Backup of a Schedule at each run. */
static void record_cautions(struct service *service, const struct rule *rule, const struct review *review)
{
    const struct request *request = &review->request;
    const struct strlist *cautions = &review->decision.cautions;
    if (rule->mutating || review->decision.denied || cautions->len == 0 || request->writer != WRITER_USER ||
        request->operation == OPERATION_DELETE || gate_step(&review->decision))
        return;
    struct kube_note note = about_subject(request);
    note.plural = str_from(rule->resource);
    note.reason = "ReviewWarning";
    note.action = "Review";
    note.warning = true;
    note.text = STR("");
    for (size_t i = 0; i < cautions->len; i++)
        note.text =
            arena_printf(request->arena, "%.*s%s%.*s", STR_ARG(note.text), i ? "; " : "", STR_ARG(cautions->items[i]));
    kube_record(service->recorder, &note);
}

/* An annotation has opened what would have been refused: whoever looks at the cluster later finds it. */
static void record_override(struct service *service, const struct review *review)
{
    static const char *const keys[] = {"allow-delete", "skip-mutation"};
    const struct request *request = &review->request;
    for (size_t i = 0; i < LENGTH_OF(keys); i++) {
        struct str reason = events_audit_value(&review->decision, keys[i]);
        if (review->decision.denied || reason.len == 0)
            continue;
        struct kube_note note = about_subject(request);
        note.reason = "GuardOverridden";
        note.action = "Override";
        note.warning = true;
        note.weight = KUBE_VITAL;
        note.text = arena_printf(request->arena, "%s: %.*s (by %.*s)", keys[i], STR_ARG(reason),
                                 STR_ARG(arena_quote(request->arena, request->user)));
        kube_record(service->recorder, &note);
    }
}

/* A Management that is denied by the server itself (500 and more) counts as refused, whatever
 * the gate had said until then: the upgrade did not happen. */
void serve_events_record(struct service *service, const struct rule *rule, const struct review *review)
{
    const struct request *request = &review->request;
    const struct decision *decision = &review->decision;
    if (!service->recorder || request->dry_run || request->name.len == 0)
        return;
    record_would_deny(service, review);
    record_added(service, review);
    record_cautions(service, rule, review);
    record_override(service, review);
    const struct gate_event *step = gate_step(decision);
    struct kube_note note = about_subject(request);
    if (!decision->denied && !step)
        return;
    if (decision->denied && (!step || decision->code >= 500))
        step = str_is(request->kind, "Management") ? &steps[2] : NULL;
    note.reason = step ? step->reason : "Denied";
    note.action = step ? step->action : "Deny";
    note.warning = step ? step->warning : true;
    note.weight = !step ? KUBE_COMMON : decision->denied ? KUBE_IMPORTANT : KUBE_VITAL;
    note.text = decision->denied ? decision_message(decision) : events_text_admitted(request, decision);
    record_started(service, review);
    kube_record(service->recorder, &note);
}

/* Without Events the webhook still decides; why there are none is logged. */
void serve_events_open(struct service *service, const char *kubeconfig, const char *context)
{
    const struct kube_options access = {
        .kubeconfig = kubeconfig, .context = context, .user_agent = "backstop/" BACKSTOP_VERSION, .timeout_seconds = 5};
    struct error error;
    service->events_client = kube_open(&access, &error);
    if (service->events_client)
        service->recorder = kube_recorder_start(service->events_client, CONTROLLER, &error);
    if (!service->recorder)
        log_line(LOG_WARN, "Events are off", LOG_TEXT("reason", str_from(error.message)));
}

void serve_events_close(struct service *service)
{
    kube_recorder_stop(service->recorder);
    kube_close(service->events_client);
}
