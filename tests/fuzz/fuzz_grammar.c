/* Bytes as choices in the grammar of AdmissionReviews: each is a review that can be read,
 * and is decided the same way twice. With BACKSTOP_GRAMMAR_PRINT set it is printed too. */
#include "check_review.h"
#include "grammar_fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    const struct rule *rule;
    struct str body = grammar_review(arena, data, size, &rule), answer, again;
    if (getenv("BACKSTOP_GRAMMAR_PRINT"))
        printf("%s\n", body.ptr);
    if (check_rule(arena, body, rule, &answer) && check_rule(arena, body, rule, &again))
        PROMISE(str_eq(answer, again), "%s and then %s", answer.ptr, again.ptr);
    return 0;
}
