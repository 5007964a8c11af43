/* What all policies share: objects being deleted pass, Velero's own writes are judged leniently; then the rule's policy. */
#include "admission/answer.h"

/* Notes the outcome in the audit annotations, once all is decided. */
static void decision_conclude(struct decision *decision)
{
    decision_audit(decision, "decision", "%s",
                   decision->denied ? "denied" : (decision->patch.len ? "patched" : "allowed"));
}

/* A denial by the server itself: whatever the policy had decided until then is taken back, so
 * that no effect and no patch goes with it. */
static void decision_deny_with(struct decision *decision, int code, struct str message)
{
    decision->denied = true;
    decision->lenient = false;
    decision->code = code;
    decision->reason = status_reason(code);
    decision->message = message;
    decision->retry_after = 0;
    decision->causes.len = 0;
    decision->patch.len = 0;
    decision->effects.len = 0;
    decision->reservation.backup = (struct str){NULL, 0};
}

/* An error that names a field becomes a cause on that field, which kubectl prints as it prints
 * those of the API server. */
void admission_fail(struct review *review, const struct error *error)
{
    struct decision *decision = &review->decision;
    struct str message = arena_copy(decision->arena, str_from(error->message));
    decision_deny_with(decision, error->code >= 400 && error->code < 600 ? error->code : 500,
                       message.ptr ? message : STR(ADMISSION_OUT_OF_MEMORY));
    if (error->field[0] && message.ptr) {
        int code = decision->code;
        decision->message = (struct str){NULL, 0};
        decision_field_text(decision, error->field, message);
        decision->code = code;
        decision->reason = status_reason(code);
    }
    decision_conclude(decision);
}

/* For advisory rules, which record and never stand in the way: the answer is then as if nobody
 * had been asked. */
void admission_let_pass(struct review *review)
{
    struct decision *decision = &review->decision;
    decision->denied = false;
    decision->patch.len = 0;
    decision->warnings.len = 0;
    decision->effects.len = 0;
    decision_conclude(decision);
}

static bool is_right_kind(const struct request *request, const struct rule *rule)
{
    return str_is(api_version_group(request->api_version, NULL), rule->group) && str_is(request->kind, rule->kind);
}

/* The path says which rule is meant, so another kind is a mistake in the webhook
 * configuration: better said than waved through. */
static bool wrong_kind(struct review *review, const struct rule *rule)
{
    const struct request *request = &review->request;
    struct arena *arena = review->decision.arena;
    if (is_right_kind(request, rule))
        return false;
    decision_deny_with(&review->decision, 400,
                       arena_printf(arena, "%s reviews %s.%s, got kind %.*s of %.*s: fix the webhook configuration",
                                    rule->path, rule->kind, rule->group, STR_ARG(arena_quote(arena, request->kind)),
                                    STR_ARG(arena_quote(arena, request->api_version))));
    return true;
}

/* Why the policy need not look, or NULL. An object that is being deleted only has
 * its finalizers removed: denying that would keep it for ever. */
static const char *pass_reason(const struct request *request, const struct rule *rule)
{
    if (!(rule->operations & (unsigned)request->operation))
        return "operation is not reviewed";
    if (request->operation == OPERATION_UPDATE && object_deleting(request->object))
        return "object is being deleted";
    return NULL;
}

/* Velero's own writes are a restore's; kcm's, where the rule says so, are retried for ever when they
 * are refused, while Velero would report the same fault within a second. Deletions stay guarded. */
static bool is_lenient(const struct request *request, const struct rule *rule)
{
    if (request->writer == WRITER_KCM)
        return rule->trusts_kcm && request->operation != OPERATION_DELETE;
    return request->writer == WRITER_VELERO && !rule->binds_velero;
}

/* A misspelt annotation of ours would do nothing without a word, in the night in which somebody needs it. Only what the
 * request brings in is reported, and only to people: a restore brings back what it has. */
static void warn_annotations(const struct review *review, struct decision *decision)
{
    static const char *const known[] = {
        ANNOTATION_SKIP_MUTATION,   ANNOTATION_SKIP_BACKUP,  ANNOTATION_RECOVERY_POINT,
        ANNOTATION_ALLOW_DELETE,    ANNOTATION_ALLOW_EDIT,   ANNOTATION_KEEP,
        ANNOTATION_REHEARSED,       ANNOTATION_TAKEN_BEFORE, ANNOTATION_ADDED,
        ANNOTATION_TAKEN_BEFORE_AT, ANNOTATION_RELEASE,      ANNOTATION_RECORDED_AT,
        ANNOTATION_NOT_READY,       ANNOTATION_CLUSTER_ID,   ANNOTATION_KCM_VERSION,
        ANNOTATION_VELERO_VERSION,  ANNOTATION_PROVIDERS,    ANNOTATION_EXCLUSIONS,
        ANNOTATION_FAIL_CLOSED,
    };
    const struct request *request = &review->request;
    const struct str prefix = STR("backstop.k0rdent.mirantis.com/");
    if (request->operation == OPERATION_DELETE || request->writer != WRITER_USER)
        return;
    json_foreach(object_annotations_naming(request, request->object, prefix), key, value)
    {
        struct str name = str_from(key);
        if (str_starts(name, prefix) && !STR_IN(name, known) &&
            (!request->old_object || !object_annotation_raw(request, request->old_object, key).ptr))
            decision_warn(
                decision,
                "metadata.annotations: %.*s is not an annotation of backstop and has no effect. Those for users "
                "are keep, allow-delete, allow-edit, recovery-point, skip-mutation and skip-pre-upgrade-backup",
                STR_ARG(arena_quote(decision->arena, name)));
    }
}

/* The same questions as admission_decide asks first, for nothing need be read for a review that
 * passes anyway. */
bool admission_wants(const struct review *review, const struct rule *rule, const struct inventory *inventory,
                     const struct settings *settings, struct facts_wanted *wanted)
{
    const struct request *request = &review->request;
    *wanted = (struct facts_wanted){.upgrade = false};
    if (rule->wants && is_right_kind(request, rule) && !pass_reason(request, rule))
        rule->wants(request, inventory, settings, wanted);
    return wanted->upgrade || wanted->k0rdent || wanted->len || wanted->evidence_count || wanted->reservations;
}

/* In this order: a review that came to the wrong path, one that no policy need see, then the
 * policy. Memory is asked about last, as a decision that lacks a part must not be sent. */
void admission_decide(struct review *review, const struct rule *rule, const struct inventory *inventory,
                      const struct settings *settings)
{
    struct decision *decision = &review->decision;
    const struct request *request = &review->request;
    const char *pass = pass_reason(request, rule);
    if (wrong_kind(review, rule)) {
        decision_conclude(decision);
        return;
    }
    if (pass) {
        decision_audit(decision, "skipped", "%s", pass);
    } else {
        review->request.writer = request_writer(request, inventory, settings);
        decision->lenient = is_lenient(request, rule);
        rule->policy(request, inventory, settings, decision);
        warn_annotations(review, decision);
    }
    if (decision->denied || !rule->mutating)
        decision->patch.len = 0; /* the API server refuses a patch here */
    decision_conclude(decision);
    if (arena_failed(decision->arena)) {
        decision_deny_with(decision, 500, STR(ADMISSION_OUT_OF_MEMORY));
        decision_conclude(decision);
    }
}
