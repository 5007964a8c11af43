/* The admission handler of `serve`: from the bytes of an AdmissionReview to those of its answer,
 * with what a decision brings about: objects created before it is answered, deletions made known
 * to the other replicas, log, metrics, and what the status page shows of it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

/* The caller waits 10 seconds, and one request to the API server takes 3 at most. A deletion is
 * admitted only after it was written into a Lease that all replicas share: two of them, each
 * asked to delete one of the last two backups, would otherwise both say yes. */
enum { BEGIN_MS = 5000, AGAIN_MS = 2000, ATTEMPTS = 16, PAUSE_MS = 10, RETRY_AFTER = 2, RETRY_AFTER_MANY = 15 };

static int64_t waited_ms(const struct http_request *http)
{
    return (time_monotonic_ns() - http->received_ns) / 1000000;
}

/* What a person can do about it stands in the message, as the denial comes from the state of the
 * cluster and not from the object. */
static void reserve_refuse(struct review *review, const struct error *cause, int code, int64_t retry_after)
{
    struct error error;
    error_set(
        &error, code,
        "cannot make sure that another management backup remains: %.*s. Nothing was deleted; try again. To delete "
        "it anyway, annotate it: " WITH_REASON(ANNOTATION_ALLOW_DELETE),
        600, cause->message);
    admission_fail(review, &error);
    review->decision.retry_after = retry_after;
}

/* Not begun when most of the caller's time is over: an answer that comes too late is a failure
 * of the webhook, and the reservation would stand all the same. */
static bool write_reservation(struct service *service, const struct review *review, const struct inventory *inventory,
                              const struct http_request *http, struct error *error)
{
    struct str backup = review->decision.reservation.backup;
    if (!service->facts)
        return error_set(error, 503, "there is no inventory to keep it in");
    if (waited_ms(http) > BEGIN_MS)
        return error_set(error, 503, "the API server answers too slowly");
    return facts_reserve(service->facts, inventory, backup, review->request.now, error);
}

/* Waits for the API server, and for a short while before RESERVE_AGAIN. A conflict means that
 * another replica wrote first, so the whole decision is taken again on what it wrote; a pause
 * that depends on the uid keeps the two from colliding for ever. */
static enum reserve_result serve_reserve(struct service *service, struct review *review,
                                         const struct inventory *inventory, const struct http_request *http,
                                         unsigned attempt)
{
    static const char kind[] = "deletion";
    const struct reservation *reservation = &review->decision.reservation;
    struct error error;
    if (!reservation->backup.len || review->decision.denied || review->request.dry_run)
        return RESERVE_DONE;
    if (write_reservation(service, review, inventory, http, &error)) {
        metric_add(METRIC_EFFECTS, 1, kind, "reserved");
        return RESERVE_DONE;
    }
    if (error.code == 409 && attempt + 1 < ATTEMPTS && waited_ms(http) < AGAIN_MS) {
        /* Those who lost to each other must not meet again: each waits a while of its own. */
        unsigned spread = attempt;
        for (size_t i = 0; i < review->request.uid.len; i++)
            spread = spread * 31 + (unsigned char)review->request.uid.ptr[i];
        time_sleep_ms(spread % (PAUSE_MS * (attempt + 1)) + 1);
        return RESERVE_AGAIN;
    }
    metric_add(METRIC_EFFECTS, 1, kind, "failed");
    log_line(LOG_WARN, "deletion not reserved", LOG_TEXT("backup", reservation->backup),
             LOG_TEXT("uid", review->request.uid), LOG_TEXT("reason", str_from(error.message)));
    if (reservation->optional)
        decision_warn(&review->decision, "other replicas do not know of this deletion: %.*s",
                      STR_ARG(str_slice(arena_copy(review->decision.arena, str_from(error.message)), 0, 120)));
    else if (error.code == 409 || (error.code == 503 && attempt > 0)) /* others came first, and then the time was up */
        reserve_refuse(review, &(struct error){.message = "many deletions at the same time"}, 429, RETRY_AFTER);
    else if (error.code == 429)
        reserve_refuse(review, &error, 429, RETRY_AFTER_MANY);
    else
        reserve_refuse(review, &error, 503, RETRY_AFTER);
    return RESERVE_DONE;
}

/* The last decisions that did something, for the status page. */

/* Cut between characters, with an ellipsis. */
static void decisions_keep_text(char *out, size_t size, struct str text)
{
    struct str kept = text.len < size ? text : str_utf8_head(text, size - 4);
    snprintf(out, size, "%.*s%s", STR_ARG(kept), kept.len < text.len ? "..." : "");
}

/* Whoever can reach the page may read it, so people are named only when that is wanted. */
static struct str user_of(const struct decisions *decisions, const struct request *request)
{
    if (decisions->users || str_starts(request->user, STR("system:")))
        return request->user;
    return request->user.len ? STR("a user") : STR("");
}

static bool through_the_gate(const struct decision *decision)
{
    for (size_t i = 0; i < decision->audit.len; i++)
        if (str_is(decision->audit.items[i].key, AUDIT_GATE))
            return true;
    return false;
}

/* What a replica has the API server ask for, all day (calls.c): denied on purpose, and nobody's mistake. */
static bool is_call_check(const struct request *request)
{
    return request->dry_run && str_is(request->name, WEBHOOK_PROOF_NAME);
}

/* Keeps what did something, of the last ones; nothing where no page is served. What was admitted
 * without a word is of no interest and would push the rest out. */
static void serve_page_record(struct service *service, const struct review *review, const char *outcome)
{
    const struct request *request = &review->request;
    const struct decision *decision = &review->decision;
    if (!service->page)
        return;
    bool nothing = !decision->denied && !decision->warnings.len && !decision->patch.len;
    if (nothing && !through_the_gate(decision))
        return;
    if (is_call_check(request))
        return;
    struct decisions *decisions = &service->page->decisions;
    struct str why = decision->denied ? decision_message(decision) : STR("");
    for (size_t i = 0; i < decision->warnings.len && why.len < sizeof((struct kept_decision *)0)->why; i++)
        why = arena_printf(decision->arena, "%.*s%s%.*s", STR_ARG(why), why.len ? "; " : "",
                           STR_ARG(decision->warnings.items[i]));
    pthread_mutex_lock(&decisions->lock);
    struct kept_decision *kept = &decisions->kept[decisions->count++ % DECISIONS];
    *kept = (struct kept_decision){.at = request->now,
                                   .operation = request->operation ? operation_name(request->operation) : "",
                                   .outcome = outcome,
                                   .dry_run = request->dry_run};
    decisions_keep_text(kept->user, sizeof kept->user, user_of(decisions, request));
    decisions_keep_text(kept->kind, sizeof kept->kind, request->kind);
    decisions_keep_text(kept->ns, sizeof kept->ns, request->ns);
    decisions_keep_text(kept->name, sizeof kept->name, request->name);
    decisions_keep_text(kept->why, sizeof kept->why, why);
    pthread_mutex_unlock(&decisions->lock);
}

/* Copied under the lock, as the slots are overwritten in turn. */
struct status_decision *decisions_list(struct decisions *decisions, struct arena *arena, size_t *count)
{
    struct status_decision *list = arena_array(arena, DECISIONS, sizeof *list);
    pthread_mutex_lock(&decisions->lock);
    *count = decisions->count < DECISIONS ? decisions->count : DECISIONS;
    for (size_t i = 0; list && i < *count; i++) {
        const struct kept_decision *kept = &decisions->kept[(decisions->count - 1 - i) % DECISIONS];
        list[i] = (struct status_decision){.at = kept->at,
                                           .user = arena_copy(arena, str_from(kept->user)),
                                           .operation = str_from(kept->operation),
                                           .kind = arena_copy(arena, str_from(kept->kind)),
                                           .ns = arena_copy(arena, str_from(kept->ns)),
                                           .name = arena_copy(arena, str_from(kept->name)),
                                           .outcome = str_from(kept->outcome),
                                           .why = arena_copy(arena, str_from(kept->why)),
                                           .dry_run = kept->dry_run};
    }
    pthread_mutex_unlock(&decisions->lock);
    return list;
}

/* The admission handler: bytes in, AdmissionReview out. What cannot be answered as a
 * review, because no uid is known, is answered as plain HTTP with a metav1.Status. */

/* An object with very many members cannot take the server down: what one review may use, and what the trees of its object may,
 * are each several times what policies read of the largest objects, and the pods' limit holds all that come at once. */
enum {
    MEMORY_LIMIT = 16 * 1024 * 1024,
    TREES_LIMIT = 16 * 1024 * 1024,
    ANSWER_LIMIT = 32 * 1024 * 1024,
    LOGGED_TEXT = 256,
    OVERLOAD_RETRY = 1
};

/* An error that is no AdmissionReview: a metav1.Status. */
static void serve_status(struct http_reply *reply, int status, const char *format, ...) PRINTF_LIKE(3, 4);

static void serve_status(struct http_reply *reply, int status, const char *format, ...)
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

/* False when the request is answered already. What is wrong with the HTTP request is never a
 * review: there is no uid to answer under. 429 goes before the content checks, so that a server
 * with too much to do does the least for those it sends away. */
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

/* The label of metrics and log. Denied as "error" is what the request or the server was at fault
 * for, rather than what the object asked. */
static const char *decision_name(const struct decision *decision)
{
    if (decision->denied)
        return decision->code >= 500 || decision->code == 400 || decision->code == 413 ? "error" : "denied";
    return decision->patch.len ? "mutated" : decision->warnings.len ? "warned" : "allowed";
}

/* The trace that the API server's call belongs to, out of its header (W3C Trace Context, version 00: "00", 32, 16 and 2
 * lower-case hexadecimal digits, divided by "-"); empty when there is none, or it is not valid. */
static struct str trace_id(struct str traceparent)
{
    static const char shape[] = "00-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";
    bool zero = true;
    if (traceparent.len != sizeof shape - 1)
        return STR("");
    for (size_t i = 0; i < traceparent.len; i++) {
        char c = traceparent.ptr[i];
        if (shape[i] == 'h' ? !char_is_hex(c) || (c >= 'A' && c <= 'F') : c != shape[i])
            return STR("");
        zero &= i < 3 || i >= 35 || c == '0';
    }
    return zero ? STR("") : str_slice(traceparent, 3, 35);
}

static void review_log_and_count(const struct service *service, const struct rule *rule, const struct review *review,
                                 const struct http_request *http)
{
    const struct request *request = &review->request;
    const struct decision *decision = &review->decision;
    int64_t took_ns = time_monotonic_ns() - http->received_ns;
    const char *operation = request->operation ? operation_name(request->operation) : "unknown";
    metric_add(METRIC_REVIEWS, 1, rule->resource, operation, decision_name(decision));
    /* "evidence-kasten": "good: RunAction ..." */
    for (size_t i = 0; i < decision->audit.len; i++) {
        struct str source = decision->audit.items[i].key, rest = decision->audit.items[i].value, state;
        if (!str_starts(source, STR(AUDIT_EVIDENCE)) || !str_cut(&rest, ':', &state))
            continue;
        source = arena_copy(request->arena, str_slice(source, sizeof AUDIT_EVIDENCE - 1, source.len));
        state = arena_copy(request->arena, state);
        if (source.ptr && state.ptr)
            metric_add(METRIC_UPGRADE_EVIDENCE, 1, source.ptr, state.ptr);
    }
    metric_observe(METRIC_REVIEW_SECONDS, (double)took_ns / 1e9, rule->resource);
    if (!service->log_reviews)
        return;
    struct str trace = trace_id(http->traceparent);
    log_line(LOG_INFO, is_call_check(request) ? "call check" : "review", LOG_TEXT("uid", request->uid),
             LOG_TEXT("user", str_slice(request->user, 0, LOGGED_TEXT)), LOG_TEXT("resource", str_from(rule->resource)),
             LOG_TEXT("operation", str_from(operation)), LOG_TEXT("namespace", str_slice(request->ns, 0, LOGGED_TEXT)),
             LOG_TEXT("name", str_slice(request->name, 0, LOGGED_TEXT)),
             LOG_TEXT("decision", str_from(decision_name(decision))),
             LOG_INTEGER("code", decision->denied ? decision->code : 200),
             LOG_TEXT("reason", decision->denied ? decision_message(decision) : STR("")),
             LOG_INTEGER("warnings", (int64_t)decision->warnings.len), LOG_BOOLEAN("dry_run", request->dry_run),
             LOG_INTEGER("bytes", (int64_t)http->body.len), LOG_INTEGER("duration_us", took_ns / 1000),
             LOG_TEXT(trace.len ? "trace_id" : NULL, trace)); /* the last: no key ends the list */
}

static void arena_release_snapshot(void *shared)
{
    shared_release(shared);
}

/* The reference is given back when the arena is freed, whichever way the review ends. */
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

/* One set of settings for all attempts: a reload in between must not judge half of a review. The
 * decision starts anew each time, on the same arena. */
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

/* Events, the page and the log come after the answer was written into the reply, so that they
 * never change it. An advisory rule never denies, whatever went wrong in it. */
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
        error_set(&error, 500, ADMISSION_OUT_OF_MEMORY);
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

/* An unknown path is reported with the valid ones, since it is a webhook configuration of another
 * version that asks. */
void serve_review(void *context, const struct http_request *request, struct http_reply *reply)
{
    struct service *service = context;
    buf_init(&reply->body, ANSWER_LIMIT);
    ARENA_SCOPED arena = arena_new(MEMORY_LIMIT);
    if (!arena) {
        serve_status(reply, 503, "the server is short of memory; try again");
        return;
    }
    arena_limit_held(arena, TREES_LIMIT);
    const struct rule *rule = admission_rule_for_path(request->path);
    if (!rule) {
        struct strlist paths = {0};
        size_t count;
        const struct rule *rules = admission_rules(&count);
        for (size_t i = 0; i < count; i++)
            strlist_add(arena, &paths, str_from(rules[i].path));
        serve_status(reply, 404, "no webhook at %.*s; valid paths: %.*s", STR_ARG(arena_quote(arena, request->path)),
                     STR_ARG(strlist_quoted(arena, &paths)));
    } else if (review_check_http(request, reply, arena))
        review_body(service, rule, arena, request, reply);
}
