/* The admission handler: bytes in, AdmissionReview out. What cannot be answered as a
 * review, because no uid is known, is answered as plain HTTP with a metav1.Status. */
#include <stdio.h>
#include <string.h>

#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

enum { MEMORY_LIMIT = 64 * 1024 * 1024, ANSWER_LIMIT = 32 * 1024 * 1024, LOGGED_TEXT = 256, OVERLOAD_RETRY = 1 };

void serve_status(struct http_reply *reply, int status, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    reply->status = status;
    reply->content_type = "application/json";
    admission_write_status(status, message, &reply->body);
}

/* ---- before the body is looked at ------------------------------------------- */

static bool is_json(struct str content_type)
{
    struct str type;
    return str_cut(&content_type, ';', &type) && str_eq_nocase(str_trim(type), STR("application/json"));
}

static void review_unknown_path(struct http_reply *reply, struct arena *arena, struct str path)
{
    struct strlist paths = {0};
    size_t count;
    const struct rule *rules = admission_rules(&count);
    for (size_t i = 0; i < count; i++)
        strlist_add(arena, &paths, str_from(rules[i].path));
    serve_status(reply, 404, "no webhook at %.*s; valid paths: %.*s", STR_ARG(arena_quote(arena, path)),
                 STR_ARG(strlist_quoted(arena, &paths)));
}

/* False when the request is answered already. */
static bool review_check_http(const struct http_request *request, struct http_reply *reply, struct arena *arena)
{
    if (!str_is(request->method, "POST")) {
        reply->allow = "POST";
        serve_status(reply, 405, "AdmissionReviews are sent with POST, not %.*s",
                     STR_ARG(arena_quote(arena, request->method)));
    } else if (request->overloaded) {
        reply->retry_after = OVERLOAD_RETRY;
        serve_status(reply, 429, "too many reviews at once; try again in %d second", OVERLOAD_RETRY);
    } else if (!is_json(request->content_type)) {
        serve_status(reply, 415, "the body must be an AdmissionReview with Content-Type: application/json, got %.*s",
                     STR_ARG(arena_quote(arena, request->content_type)));
    } else if (request->content_encoding.ptr) {
        serve_status(reply, 415, "the body must not have a Content-Encoding, got %.*s",
                     STR_ARG(arena_quote(arena, request->content_encoding)));
    } else if (!request->body.len && !request->oversized) {
        serve_status(reply, 400, "the body is empty; send an AdmissionReview");
    } else {
        return true;
    }
    return false;
}

/* ---- the review -------------------------------------------------------------- */

/* Creates what the decision asks for. The gate must not tell anyone to wait for a
 * backup that was never started, so a failure turns into the answer. */
static void review_apply_effects(struct service *service, struct review *review, int64_t retry_after)
{
    if (review->request.dry_run)
        return;
    for (size_t i = 0; i < review->decision.effects.len; i++) {
        const struct effect *effect = &review->decision.effects.items[i];
        struct str kind = arena_copy(review->decision.arena, json_get_str(effect->object, "kind"));
        struct error error;
        bool created = service->facts ? facts_create(service->facts, effect->object, review->request.now, &error)
                                      : error_set(&error, 503, "no cluster and no inventory to create it in");
        metric_add(METRIC_EFFECTS, 1, kind.ptr ? kind.ptr : "", created ? "created" : "failed");
        log_line(created ? LOG_INFO : LOG_ERROR, created ? "created" : "not created", LOG_TEXT("object", effect->what),
                 LOG_TEXT("uid", review->request.uid), LOG_TEXT("reason", created ? STR("") : str_from(error.message)));
        if (created)
            continue;
        error_wrap(&error, "cannot create %.*s", STR_ARG(effect->what));
        error.code = 503; /* whatever it was: nothing is decided, and may be tried again */
        error.field[0] = '\0';
        admission_fail(review, &error);
        review->decision.retry_after = retry_after;
        return;
    }
}

static const char *decision_name(const struct decision *decision)
{
    if (decision->denied)
        return decision->code >= 500 || decision->code == 400 || decision->code == 413 ? "error" : "denied";
    return decision->patch.len ? "mutated" : decision->warnings.len ? "warned" : "allowed";
}

static struct str log_clip(struct str text)
{
    return str_slice(text, 0, LOGGED_TEXT);
}

/* "evidence-kasten": "good: RunAction ..." */
static void count_evidence(struct arena *arena, const struct decision *decision)
{
    for (size_t i = 0; i < decision->audit.len; i++) {
        struct str source = decision->audit.items[i].key, rest = decision->audit.items[i].value, state;
        if (!str_starts(source, STR(AUDIT_EVIDENCE)) || !str_cut(&rest, ':', &state))
            continue;
        source = arena_copy(arena, str_slice(source, sizeof AUDIT_EVIDENCE - 1, source.len));
        state = arena_copy(arena, state);
        if (source.ptr && state.ptr)
            metric_add(METRIC_UPGRADE_EVIDENCE, 1, source.ptr, state.ptr);
    }
}

static void review_log_and_count(const struct service *service, const struct rule *rule, const struct review *review,
                                 const struct http_request *http)
{
    const struct request *request = &review->request;
    const struct decision *decision = &review->decision;
    int64_t took_ns = time_monotonic_ns() - http->received_ns;
    const char *operation = request->operation ? operation_name(request->operation) : "unknown";
    metric_add(METRIC_REVIEWS, 1, rule->resource, operation, decision_name(decision));
    count_evidence(request->arena, decision);
    metric_observe(METRIC_REVIEW_SECONDS, (double)took_ns / 1e9, rule->resource);
    if (!service->log_reviews)
        return;
    log_line(LOG_INFO, "review", LOG_TEXT("uid", request->uid), LOG_TEXT("user", log_clip(request->user)),
             LOG_TEXT("resource", str_from(rule->resource)), LOG_TEXT("operation", str_from(operation)),
             LOG_TEXT("namespace", log_clip(request->ns)), LOG_TEXT("name", log_clip(request->name)),
             LOG_TEXT("decision", str_from(decision_name(decision))),
             LOG_INTEGER("code", decision->denied ? decision->code : 200),
             LOG_TEXT("reason", decision->denied ? decision_message(decision) : STR("")),
             LOG_INTEGER("warnings", (int64_t)decision->warnings.len), LOG_BOOLEAN("dry_run", request->dry_run),
             LOG_INTEGER("bytes", (int64_t)http->body.len), LOG_INTEGER("duration_us", took_ns / 1000));
}

static void arena_release_snapshot(void *shared)
{
    shared_release(shared);
}

static bool arena_keep_snapshot(struct arena *arena, struct shared *shared)
{
    return shared && arena_defer(arena, arena_release_snapshot, shared);
}

enum review_step {
    REVIEW_DECIDED,
    REVIEW_NEEDS_WORKER, /* it must read from the API server; the caller runs it again on a worker thread */
    REVIEW_AGAIN         /* another deletion was admitted meanwhile: decide again on a new snapshot */
};

/* A decision borrows from the snapshot until it is written, so that lives as long as its arena. */
static enum review_step review_decide_once(struct service *service, const struct rule *rule, struct review *review,
                                           const struct settings *settings, const struct http_request *http,
                                           unsigned attempt)
{
    struct arena *arena = review->decision.arena;
    struct error error = {.code = 503, .message = "the server is short of memory; try again"};
    bool needs_worker = false;
    const struct inventory *inventory = serve_facts(service, rule, review, settings, http, &needs_worker, &error);
    if (needs_worker)
        return REVIEW_NEEDS_WORKER;
    if (!arena_keep_snapshot(arena, inventory ? inventory->counted : NULL)) {
        admission_fail(review, &error);
        review->decision.retry_after = settings->upgrade_retry_after;
        return REVIEW_DECIDED;
    }
    admission_decide(review, rule, inventory, settings);
    bool writes = review->decision.effects.len > 0 || review->decision.reservation.backup.len > 0;
    if (writes && !review->request.dry_run && !http->may_wait && service->facts && facts_wait(service->facts))
        return REVIEW_NEEDS_WORKER;
    if (serve_reserve(service, review, inventory, http, attempt) == RESERVE_AGAIN)
        return REVIEW_AGAIN;
    review_apply_effects(service, review, settings->upgrade_retry_after);
    return REVIEW_DECIDED;
}

static enum review_step review_decide(struct service *service, const struct rule *rule, struct review *review,
                                      const struct http_request *http)
{
    struct error error = {.code = 503, .message = "the server is short of memory; try again"};
    struct settings *settings = settings_source_get(&service->settings);
    if (!arena_keep_snapshot(review->decision.arena, settings ? &settings->shared : NULL)) {
        admission_fail(review, &error);
        return REVIEW_DECIDED;
    }
    enum review_step step = REVIEW_AGAIN;
    for (unsigned attempt = 0; step == REVIEW_AGAIN; attempt++) {
        decision_init(&review->decision, review->decision.arena);
        step = review_decide_once(service, rule, review, settings, http, attempt);
    }
    return step;
}

static void review_body(struct service *service, const struct rule *rule, struct arena *arena,
                        const struct http_request *request, struct http_reply *reply)
{
    struct review review;
    struct error error;
    bool whole = admission_read(arena, request->body, time_now(), &review, &error);
    if (request->oversized) /* its first part may well read as a whole review */
        whole =
            error_set(&error, 413, "the review is larger than the %zu bytes this webhook accepts", service->body_limit);
    if (whole) {
        reply->later = review_decide(service, rule, &review, request) == REVIEW_NEEDS_WORKER;
        if (reply->later)
            return;
    } else if (review.request.uid.len) {
        admission_fail(&review, &error);
    } else {
        serve_status(reply, error.code >= 400 ? error.code : 400, "%s", error.message);
        return;
    }
    if (arena_failed(arena)) {
        error_set(&error, 500, "this review needs more memory than one review may use");
        admission_fail(&review, &error);
    }
    if (rule->advisory && review.decision.denied)
        admission_let_pass(&review);
    reply->status = 200;
    reply->content_type = "application/json";
    admission_write(&review, &reply->body);
    serve_events_record(service, rule, &review);
    serve_page_record(service, &review, decision_name(&review.decision));
    review_log_and_count(service, rule, &review, request);
}

void serve_review(void *context, const struct http_request *request, struct http_reply *reply)
{
    struct service *service = context;
    buf_init(&reply->body, ANSWER_LIMIT);
    ARENA_SCOPED arena = arena_new(MEMORY_LIMIT);
    if (!arena) {
        serve_status(reply, 503, "the server is short of memory; try again");
        return;
    }
    const struct rule *rule = admission_rule_for_path(request->path);
    if (!rule)
        review_unknown_path(reply, arena, request->path);
    else if (review_check_http(request, reply, arena))
        review_body(service, rule, arena, request, reply);
}
