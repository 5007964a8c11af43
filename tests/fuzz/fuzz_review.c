/* Any bytes as the body of a review: read, decided by every rule, written. The
 * answer is always JSON that carries the request's uid, and reviewing a mutated
 * object again changes nothing more. */
#include <string.h>

#include "backstop/admission.h"
#include "fuzz.h"
#include "mutate_json.h"
#include "world.h"

enum { ARENA = 64 * 1024 * 1024, ANSWER_MAX = 64 * 1024 * 1024, WARNING_MAX = 256 };

static void check_answer(struct arena *arena, const struct review *review)
{
    BUF_SCOPED answer;
    struct error error = {0};
    buf_init(&answer, ANSWER_MAX);
    admission_write(review, &answer);
    PROMISE(!answer.failed, "not written");
    const struct json_node *root = json_index(arena, buf_str(&answer), 3, &error);
    PROMISE(root, "%s: %s", error.message, answer.data);
    const struct json_node *response = json_member(root, STR("response"));
    PROMISE(str_eq(json_text(arena, json_member(response, STR("uid"))), review->request.uid), "uid: %s", answer.data);
    const struct json_node *allowed = json_member(response, STR("allowed"));
    PROMISE(allowed && allowed->kind == JSON_BOOL, "allowed: %s", answer.data);
    PROMISE(json_is_true(allowed) == !review->decision.denied, "allowed: %s", answer.data);
    if (review->decision.denied)
        PROMISE(review->decision.code >= 400 && decision_message(&review->decision).len > 0, "%s", answer.data);
}

static void check_decision(const struct decision *decision)
{
    for (size_t i = 0; i < decision->warnings.len; i++) {
        struct str warning = decision->warnings.items[i];
        PROMISE(warning.len > 0 && str_utf8_valid(warning), "warning %zu", i);
        PROMISE(!memchr(warning.ptr, '\n', warning.len), "%.*s", STR_ARG(warning));
    }
    for (size_t i = 0; i < decision->causes.len; i++)
        PROMISE(decision->causes.items[i].message.len > 0, "cause %zu", i);
    PROMISE(decision->denied || decision->causes.len == 0, "allowed with causes");
}

/* The body with its object replaced by what the patch made of it. */
static struct str patched_body(struct arena *arena, struct str body, const struct decision *decision)
{
    struct error error = {0};
    BUF_SCOPED text;
    buf_init(&text, ANSWER_MAX);
    struct json_object *root = json_build(arena, body, &error), *request = json_get(root, "request");
    PROMISE(request, "%s", error.message);
    struct json_object *object = admission_apply_patch(arena, json_get(request, "object"), decision, &error);
    PROMISE(object, "the patch does not apply: %s", error.message);
    json_object_object_add(request, "object", json_object_get(object));
    json_write_tree(&text, root);
    PROMISE(!text.failed, "not written");
    return arena_copy(arena, buf_str(&text));
}

static void check_idempotent(struct arena *arena, struct str body, const struct rule *rule,
                             const struct decision *decision)
{
    struct review again = {0};
    struct error error = {0};
    struct str text = patched_body(arena, body, decision);
    PROMISE(admission_read(arena, text, FUZZ_NOW, &again, &error), "%s: %s", error.message, text.ptr);
    admission_decide(&again, rule, world_inventory(), world_settings());
    PROMISE(again.decision.patch.len == 0, "patched again at %.*s", STR_ARG(again.decision.patch.items[0].path));
    PROMISE(!again.decision.denied, "denied after its own patch");
}

static void check_rule(struct str body, const struct rule *rule)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct review review = {0};
    struct error error = {0};
    PROMISE(admission_read(arena, body, FUZZ_NOW, &review, &error), "read once, but not twice: %s", error.message);
    admission_decide(&review, rule, world_inventory(), world_settings());
    if (arena_failed(arena))
        return;
    check_decision(&review.decision);
    check_answer(arena, &review);
    if (review.decision.patch.len > 0 && !review.decision.denied)
        check_idempotent(arena, body, rule, &review.decision);
}

static void check_unread(struct arena *arena, struct review *review, const struct error *error)
{
    BUF_SCOPED status;
    struct error ignored;
    PROMISE(error->message[0] != '\0' && error->code >= 400, "code %d", error->code);
    buf_init(&status, ANSWER_MAX);
    admission_write_status(error->code, error->message, &status);
    PROMISE(!status.failed && json_index(arena, buf_str(&status), 1, &ignored), "status");
    if (review->request.uid.len > 0) {
        admission_fail(review, error);
        check_answer(arena, review);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct str body = {(const char *)data, size};
    struct review review = {0};
    struct error error = {0};
    size_t rules;
    const struct rule *rule = admission_rules(&rules);
    struct str uid = admission_salvage_uid(arena, body);
    PROMISE(str_utf8_valid(uid), "salvaged uid");
    if (!admission_read(arena, body, FUZZ_NOW, &review, &error))
        check_unread(arena, &review, &error);
    else
        for (size_t i = 0; i < rules; i++)
            check_rule(body, &rule[i]);
    return 0;
}
