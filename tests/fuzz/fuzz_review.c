/* Any bytes as the body of a review: read, decided by every rule, written. The
 * answer is always JSON that carries the request's uid, and reviewing a mutated
 * object again changes nothing more. */
#include "check_review.h"
#include "mutate_json.h"

static void check_by(struct str body, const struct rule *rule)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct str answer;
    check_rule(arena, body, rule, &answer);
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
            check_by(body, &rule[i]);
    return 0;
}
