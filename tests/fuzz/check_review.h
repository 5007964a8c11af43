/* What holds for every review that can be read, whatever is in it. */
#ifndef BACKSTOP_TESTS_FUZZ_CHECK_REVIEW_H
#define BACKSTOP_TESTS_FUZZ_CHECK_REVIEW_H

#include <string.h>

#include "backstop/admission.h"
#include "fuzz.h"
#include "world.h"

enum { ARENA = 64 * 1024 * 1024, ANSWER_MAX = 64 * 1024 * 1024 };

/* What a user sees on a terminal must not be able to steer it. */
static inline void check_shown(struct str text)
{
    PROMISE(text.len > 0 && str_utf8_valid(text), "\"%.*s\"", STR_ARG(text));
    for (size_t i = 0; i < text.len; i++)
        PROMISE((unsigned char)text.ptr[i] >= ' ' && text.ptr[i] != 0x7f, "a control byte in \"%.*s\"", STR_ARG(text));
    for (size_t i = 0, length; i < text.len; i += length) {
        struct str rest = str_slice(text, i, text.len);
        length = str_utf8_next(rest);
        PROMISE(!str_misleads(str_slice(rest, 0, length)), "\"%.*s\" can mislead", STR_ARG(text));
    }
}

static inline struct str written(struct arena *arena, const struct review *review)
{
    BUF_SCOPED answer;
    buf_init(&answer, ANSWER_MAX);
    admission_write(review, &answer);
    PROMISE(!answer.failed, "not written");
    return arena_copy(arena, buf_str(&answer));
}

static inline void check_answer(struct arena *arena, const struct review *review)
{
    struct error error = {0};
    struct str answer = written(arena, review);
    const struct json_node *root = json_index(arena, answer, 3, &error);
    PROMISE(root, "%s: %s", error.message, answer.ptr);
    const struct json_node *response = json_member(root, STR("response"));
    PROMISE(str_eq(json_text(arena, json_member(response, STR("uid"))), review->request.uid), "uid: %s", answer.ptr);
    const struct json_node *allowed = json_member(response, STR("allowed"));
    PROMISE(allowed && allowed->kind == JSON_BOOL, "allowed: %s", answer.ptr);
    PROMISE(json_is_true(allowed) == !review->decision.denied, "allowed: %s", answer.ptr);
    if (review->decision.denied)
        PROMISE(review->decision.code >= 400 && decision_message(&review->decision).len > 0, "%s", answer.ptr);
}

static inline void check_decision(const struct decision *decision)
{
    for (size_t i = 0; i < decision->warnings.len; i++)
        check_shown(decision->warnings.items[i]);
    for (size_t i = 0; i < decision->causes.len; i++)
        check_shown(decision->causes.items[i].message);
    if (decision->denied)
        check_shown(decision_message(decision));
    PROMISE(decision->denied || decision->causes.len == 0, "allowed with causes");
}

/* The body with its object replaced by what the patch made of it; the rest, which nobody reads,
 * stays to the byte. Absent for an object with a NUL in a key that nobody reads either, which
 * cannot be held whole. */
static inline struct str patched_body(struct arena *arena, struct str body, const struct decision *decision)
{
    struct error error = {0};
    BUF_SCOPED text;
    buf_init(&text, ANSWER_MAX);
    const struct json_node *root = json_index(arena, body, 2, &error);
    const struct json_node *before = json_member(json_member(root, STR("request")), STR("object"));
    PROMISE(before, "a patch without an object: %s", error.message);
    struct json_object *object = json_build(arena, before->raw, &error);
    if (!object && str_contains(str_from(error.message), STR("NUL")))
        return (struct str){NULL, 0};
    PROMISE(object, "%s", error.message);
    struct json_object *after = admission_apply_patch(arena, object, decision, &error);
    PROMISE(after, "the patch does not apply: %s", error.message);
    size_t start = (size_t)(before->raw.ptr - body.ptr);
    buf_add(&text, str_slice(body, 0, start));
    json_write_tree(&text, after);
    buf_add(&text, str_slice(body, start + before->raw.len, body.len));
    PROMISE(!text.failed, "not written");
    return arena_copy(arena, buf_str(&text));
}

static inline void check_idempotent(struct arena *arena, struct str body, const struct rule *rule,
                                    const struct decision *decision)
{
    struct review again = {0};
    struct error error = {0};
    struct str text = patched_body(arena, body, decision);
    if (!text.ptr)
        return;
    PROMISE(admission_read(arena, text, FUZZ_NOW, &again, &error), "%s: %s", error.message, text.ptr);
    admission_decide(&again, rule, world_inventory(), world_settings());
    PROMISE(again.decision.patch.len == 0, "patched again at %.*s", STR_ARG(again.decision.patch.items[0].path));
    PROMISE(!again.decision.denied, "denied after its own patch");
}

/* Reviews the body, which can be read, by one rule; *answer lives in the arena. False:
 * it needs more memory than a request may have. */
static inline bool check_rule(struct arena *arena, struct str body, const struct rule *rule, struct str *answer)
{
    struct review review = {0};
    struct error error = {0};
    PROMISE(admission_read(arena, body, FUZZ_NOW, &review, &error), "read once, but not twice: %s", error.message);
    admission_decide(&review, rule, world_inventory(), world_settings());
    if (arena_failed(arena))
        return false;
    check_decision(&review.decision);
    check_answer(arena, &review);
    *answer = written(arena, &review);
    if (review.decision.patch.len > 0 && !review.decision.denied)
        check_idempotent(arena, body, rule, &review.decision);
    return true;
}

#endif
