#include <stdlib.h>
#include <string.h>

#include "backstop/admission.h"
#include "suite.h"

static struct review *new_review(struct arena *arena)
{
    struct review *review = arena_alloc(arena, sizeof *review);
    review->api_version = STR("admission.k8s.io/v1");
    request_init(&review->request, arena);
    review->request.uid = STR("u-1");
    review->request.api_version = STR("velero.io/v1");
    review->request.kind = STR("Restore");
    review->request.name = STR("dr");
    decision_init(&review->decision, arena);
    return review;
}

static struct str written(struct arena *arena, const struct review *review)
{
    BUF_SCOPED out;
    buf_init(&out, 16 * 1024 * 1024);
    admission_write(review, &out);
    CU_ASSERT(!out.failed);
    return arena_copy(arena, buf_str(&out));
}

static struct json_object *response(struct arena *arena, const struct review *review)
{
    struct error error;
    struct json_object *tree = json_build(arena, written(arena, review), &error);
    CU_ASSERT_PTR_NOT_NULL(tree);
    return json_get(tree, "response");
}

static void test_allowed(void)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    ASSERT_TEXT(written(arena, new_review(arena)),
                "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\","
                "\"response\":{\"uid\":\"u-1\",\"allowed\":true}}\n");
}

static void test_invalid(void)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct review *review = new_review(arena);
    review->api_version = STR("admission.k8s.io/v1beta1");
    decision_invalid(&review->decision, "spec.a", "\"x\"");
    decision_warn(&review->decision, "look \"here\"");
    decision_audit(&review->decision, "decision", "denied");
    ASSERT_TEXT(
        written(arena, review),
        "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1beta1\",\"response\":{\"uid\":\"u-1\","
        "\"allowed\":false,\"status\":{\"metadata\":{},\"status\":\"Failure\",\"message\":"
        "\"spec.a: Invalid value: \\\"x\\\"\",\"reason\":\"Invalid\",\"details\":{\"name\":\"dr\","
        "\"group\":\"velero.io\",\"kind\":\"Restore\",\"causes\":[{\"reason\":\"FieldValueInvalid\","
        "\"message\":\"Invalid value: \\\"x\\\"\",\"field\":\"spec.a\"}]},\"code\":422},"
        "\"auditAnnotations\":{\"decision\":\"denied\"},\"warnings\":[\"look \\\"here\\\"\"]}}\n");
}

static void test_wait(void)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct review *review = new_review(arena);
    decision_wait(&review->decision, 429, 15, "not yet");
    struct json_object *answer = response(arena, review);
    ASSERT_TEXT(json_path_str(answer, "status.reason"), "TooManyRequests");
    CU_ASSERT_EQUAL(json_object_get_int(json_path(answer, "status.code")), 429);
    CU_ASSERT_EQUAL(json_object_get_int(json_path(answer, "status.details.retryAfterSeconds")), 15);
    CU_ASSERT_PTR_NULL(json_path(answer, "status.details.causes"));
}

/* For Invalid with a name or kind kubectl prints causes only, so without causes neither may be there. */
static void test_invalid_without_causes(void)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct review *review = new_review(arena);
    struct error error;
    error_set(&error, 422, "no good");
    admission_fail(review, &error);
    struct json_object *answer = response(arena, review);
    ASSERT_TEXT(json_path_str(answer, "status.message"), "no good");
    CU_ASSERT_PTR_NULL(json_path(answer, "status.details.kind"));
    CU_ASSERT_PTR_NULL(json_path(answer, "status.details.name"));
}

static void test_fail(void)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct review *review = new_review(arena);
    struct error error;
    decision_patch(&review->decision, "add", "/spec/x", NULL);
    decision_create(&review->decision, NULL, STR("a thing"));
    decision_invalid(&review->decision, "spec.old", "gone");
    error_set(&error, 0, "broken");
    admission_fail(review, &error);
    CU_ASSERT(review->decision.denied && review->decision.code == 500 && review->decision.effects.len == 0);
    struct json_object *answer = response(arena, review);
    ASSERT_TEXT(json_path_str(answer, "status.message"), "broken");
    ASSERT_TEXT(json_path_str(answer, "status.reason"), "InternalError");
    ASSERT_TEXT(json_path_str(answer, "auditAnnotations.decision"), "denied");
    CU_ASSERT_PTR_NULL(json_get(answer, "patch"));

    error_set(&error, 422, "must be a string");
    memcpy(error.field, "request.name", sizeof "request.name");
    admission_fail(review, &error);
    answer = response(arena, review);
    ASSERT_TEXT(json_path_str(answer, "status.message"), "request.name: must be a string");
    struct json_object *cause = json_item(json_path(answer, "status.details.causes"), 0);
    ASSERT_TEXT(json_get_str(cause, "field"), "request.name");
}

static void test_patch(void)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct review *review = new_review(arena);
    struct decision *decision = &review->decision;
    decision_patch(decision, "add", "/spec/a~1b", json_own(arena, json_object_new_string("x")));
    struct json_object *answer = response(arena, review);
    ASSERT_TEXT(json_get_str(answer, "patchType"), "JSONPatch");
    /* [{"op":"add","path":"/spec/a~1b","value":"x"}] */
    ASSERT_TEXT(json_get_str(answer, "patch"), "W3sib3AiOiJhZGQiLCJwYXRoIjoiL3NwZWMvYX4xYiIsInZhbHVlIjoieCJ9XQ==");
    decision_patch(decision, "remove", "/spec/c", NULL);
    answer = response(arena, review);
    ASSERT_TEXT(json_get_str(answer, "patch"), "W3sib3AiOiJhZGQiLCJwYXRoIjoiL3NwZWMvYX4xYiIsInZhbHVlIjoieCJ9LHsib3AiOi"
                                               "JyZW1vdmUiLCJwYXRoIjoiL3NwZWMvYyJ9XQ==");
    decision_forbid(decision, "no");
    answer = response(arena, review);
    CU_ASSERT_PTR_NULL(json_get(answer, "patch"));
    CU_ASSERT_PTR_NULL(json_get(answer, "patchType"));
}

static size_t characters(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    return count;
}

/* The API server drops, without a word, what is over 4096 characters in all. */
static void test_warnings_are_bounded(void)
{
    ARENA_SCOPED arena = arena_new(16 * 1024 * 1024);
    struct review *review = new_review(arena);
    char text[1024];
    for (size_t i = 0; i < 100; i++) {
        int used = snprintf(text, sizeof text, "%zu ", i);
        for (size_t at = (size_t)used; at + 2 < sizeof text; at += 2)
            memcpy(text + at, "\xc3\xa9", 3); /* é */
        strlist_add(arena, &review->decision.warnings, arena_copy(arena, str_from(text)));
    }
    struct json_object *warnings = json_get(response(arena, review), "warnings");
    size_t total = 0, count = json_len(warnings);
    for (size_t i = 0; i < count; i++) {
        struct str warning = json_str(json_item(warnings, i));
        CU_ASSERT(characters(warning) <= 256 && str_utf8_valid(warning) && !str_contains(warning, STR("\xef\xbf\xbd")));
        total += characters(warning);
    }
    CU_ASSERT(total <= 4096 && count > 10);
    char last[64];
    snprintf(last, sizeof last, "%zu more warnings omitted", 100 - (count - 1));
    ASSERT_TEXT(json_str(json_item(warnings, count - 1)), last);
}

static void test_long_warning_alone_is_whole(void)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct review *review = new_review(arena);
    char text[1001];
    memset(text, 'a', 1000);
    text[1000] = '\0';
    strlist_add(arena, &review->decision.warnings, str_from(text));
    struct json_object *warnings = json_get(response(arena, review), "warnings");
    CU_ASSERT_EQUAL(json_str(json_item(warnings, 0)).len, 1000);
}

static void test_audit_keys(void)
{
    static const char *const rows[][2] = {
        {"decision", "decision"}, {"a b/c", "a-b-c"}, {"-x-", "xxx"}, {"a.b_c-d", "a.b_c-d"}, {"\xc3\xa9", "xx"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        ARENA_SCOPED arena = arena_new(1024 * 1024);
        struct review *review = new_review(arena);
        decision_audit(&review->decision, rows[i][0], "v");
        struct json_object *audit = json_get(response(arena, review), "auditAnnotations");
        ASSERT_TEXT(json_get_str(audit, rows[i][1]), "v");
    }
}

static void test_status(void)
{
    BUF_SCOPED out;
    buf_init(&out, 4096);
    admission_write_status(413, "too \"large\"", &out);
    ASSERT_TEXT(buf_str(&out),
                "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
                "\"message\":\"too \\\"large\\\"\",\"reason\":\"RequestEntityTooLarge\",\"code\":413}\n");
}

SUITE(admission_write, {"allowed", test_allowed}, {"422 with causes, warnings and audit", test_invalid},
      {"429 with retryAfterSeconds", test_wait}, {"422 without causes", test_invalid_without_causes},
      {"a failure becomes the review's denial", test_fail}, {"patches, and none with a denial", test_patch},
      {"warnings are bounded", test_warnings_are_bounded}, {"one long warning", test_long_warning_alone_is_whole},
      {"audit annotation keys", test_audit_keys}, {"a Status without a review", test_status})
