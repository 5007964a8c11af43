#include <stdlib.h>
#include <string.h>

#include "backstop/admission.h"
#include "suite.h"

enum { BODY_LIMIT = 7 * 1024 * 1024 };

static const char real_review[] = "tests/golden/cases/reviews/04-managementbackup-create/input.json";

static struct settings *settings;

/* Sends a body the whole way, as serve does; whatever it is, the answer is a
 * well-formed review with a verdict, and a denial says why. Returns the code. */
static int answer(struct str body, const struct rule *rule, struct str *uid_out)
{
    static char uid[512];
    struct error error;
    struct review review;
    ARENA_SCOPED arena = arena_new(64 * 1024 * 1024);
    ARENA_SCOPED check = arena_new(64 * 1024 * 1024);
    BUF_SCOPED out;
    buf_init(&out, BODY_LIMIT);
    if (admission_read(arena, body, 1763694000, &review, &error))
        admission_decide(&review, rule, inventory_unknown(), settings);
    else
        admission_fail(&review, &error);
    admission_write(&review, &out);
    CU_ASSERT_FATAL(!out.failed);
    struct json_object *tree = json_build(check, buf_str(&out), &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    bool denied = !json_object_get_boolean(json_path(tree, "response.allowed"));
    CU_ASSERT_EQUAL(denied, review.decision.denied);
    if (denied)
        CU_ASSERT(json_path_str(tree, "response.status.message").len > 10);
    struct str sent = json_path_str(tree, "response.uid");
    snprintf(uid, sizeof uid, "%.*s", STR_ARG(sent));
    if (uid_out)
        *uid_out = str_from(uid);
    return denied ? review.decision.code : 200;
}

static const struct rule *any_rule(void)
{
    return admission_rule_for_path(STR("/validate-k0rdent-mirantis-com-v1beta1-managementbackup"));
}

static struct str load(struct arena *arena, const char *path)
{
    struct error error;
    struct str text = STR("");
    bool read = file_read(arena, path, BODY_LIMIT, &text, &error);
    CU_ASSERT_FATAL(read);
    return text;
}

static void setup(void)
{
    struct error error;
    settings = settings_defaults(&error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
}

static void teardown(void)
{
    shared_release(&settings->shared);
}

static void test_truncated_anywhere(void)
{
    setup();
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct str whole = str_trim(load(arena, real_review)), uid;
    const char *mark = strstr(whole.ptr, "\"uid\": \"");
    size_t uid_end = (size_t)(strchr(mark + 8, '"') - whole.ptr) + 1;
    CU_ASSERT(answer(whole, any_rule(), &uid) != 400);
    for (size_t length = 0; length < whole.len; length++) {
        char *cut = malloc(length + 1); /* of its own, so that reading past the end is caught */
        CU_ASSERT_PTR_NOT_NULL_FATAL(cut);
        memcpy(cut, whole.ptr, length);
        CU_ASSERT_EQUAL(answer((struct str){cut, length}, any_rule(), &uid), 400);
        CU_ASSERT_EQUAL(uid.len > 0, length >= uid_end);
        free(cut);
    }
    teardown();
}

/* Every value of a real review replaced by one of every type: always an answer. */
static void test_wrong_types(void)
{
    static const char *const values[] = {"null",     "true", "7",    "-1e300", "\"\"",
                                         "\"text\"", "[]",   "[{}]", "{}",     "{\"a\":{\"b\":[1]}}"};
    static const char *const paths[] = {
        "kind",
        "apiVersion",
        "request",
        "request.uid",
        "request.kind",
        "request.kind.group",
        "request.kind.version",
        "request.kind.kind",
        "request.resource",
        "request.name",
        "request.namespace",
        "request.operation",
        "request.userInfo",
        "request.userInfo.username",
        "request.userInfo.groups",
        "request.object",
        "request.object.apiVersion",
        "request.object.kind",
        "request.object.metadata",
        "request.object.metadata.name",
        "request.object.metadata.labels",
        "request.object.metadata.annotations",
        "request.object.metadata.deletionTimestamp",
        "request.object.spec",
        "request.object.spec.schedule",
        "request.object.spec.storageLocation",
        "request.object.spec.performOnManagementUpgrade",
        "request.oldObject",
        "request.dryRun",
        "request.options",
    };
    setup();
    for (size_t p = 0; p < LENGTH_OF(paths); p++) {
        for (size_t v = 0; v < LENGTH_OF(values); v++) {
            struct error error;
            ARENA_SCOPED arena = arena_new(16 * 1024 * 1024);
            struct json_object *tree = json_build(arena, load(arena, real_review), &error), *parent = tree;
            struct str rest = str_from(paths[p]), name;
            while (str_cut(&rest, '.', &name) && rest.ptr)
                parent = json_get(parent, arena_copy(arena, name).ptr);
            CU_ASSERT_FATAL(json_object_is_type(parent, json_type_object));
            json_object_object_add(parent, arena_copy(arena, name).ptr,
                                   json_object_get(json_build(arena, str_from(values[v]), &error)));
            BUF_SCOPED body;
            buf_init(&body, BODY_LIMIT);
            json_write_tree(&body, tree);
            int code = answer(buf_str(&body), any_rule(), NULL);
            CU_ASSERT(code == 200 || code == 400 || code == 422);
        }
    }
    teardown();
}

/* A body with `fill` in the place of a spec's value. */
static struct str body_with(struct buf *body, const char *before, size_t times, const char *piece, const char *after)
{
    buf_init(body, 2 * BODY_LIMIT);
    buf_puts(body,
             "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"uid\":\"u-1\","
             "\"kind\":{\"group\":\"k0rdent.mirantis.com\",\"version\":\"v1beta1\",\"kind\":\"ManagementBackup\"},"
             "\"operation\":\"CREATE\",\"object\":{\"apiVersion\":\"k0rdent.mirantis.com/v1beta1\","
             "\"kind\":\"ManagementBackup\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"schedule\":");
    buf_puts(body, before);
    for (size_t i = 0; i < times; i++)
        buf_puts(body, piece);
    buf_puts(body, after);
    buf_puts(body, "}}}}");
    CU_ASSERT_FATAL(!body->failed);
    return buf_str(body);
}

static void test_hostile_values(void)
{
    static const struct {
        const char *before;
        size_t times;
        const char *piece, *after;
        int code; /* 0: any verdict of the policy */
    } rows[] = {
        {"", 10000, "[", "", 400},
        {"", 10000, "{\"a\":", "1", 400},
        {"", 10000, "[", "", 400},
        {"\"", BODY_LIMIT, "a", "\"", 0},
        {"\"", 65536, "\xf0\x9f\x98\x80", "\"", 0},
        {"\"", BODY_LIMIT / 6, "\\u0000", "\"", 0},
        {"\"@daily\",\"x\":[", BODY_LIMIT / 2, "1,", "1]", 0},
        {"\"@daily\",\"x\":[", BODY_LIMIT / 3, "{},", "1]", 0},
        {"\"a\xff\"", 0, "", "", 400},
        {"\"\xc0\x80\"", 0, "", "", 400},
        {"\"\xed\xa0\x80\"", 0, "", "", 400},
        {"\"@daily\",\"x\":\"\x01\"", 0, "", "", 400},
        {"\"@daily\",\"schedule\":\"@hourly\"", 0, "", "", 400},
        {"\"@daily\",\"sched\\u0075le\":\"@hourly\"", 0, "", "", 400},
        {"\"\\ud800\"", 0, "", "", 0},
        {"\"\\x\"", 0, "", "", 400},
        {"01", 0, "", "", 400},
        {"NaN", 0, "", "", 400},
        {"'x'", 0, "", "", 400},
        {"\"x\",", 0, "", "", 400},
        {"\"x\"}}}} {\"a\":{\"b\":{\"c\":{\"d\":1", 0, "", "", 400},
        {"/* */ \"x\"", 0, "", "", 400},
    };
    setup();
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        BUF_SCOPED body;
        struct str uid;
        int code =
            answer(body_with(&body, rows[i].before, rows[i].times, rows[i].piece, rows[i].after), any_rule(), &uid);
        if (rows[i].code && code != rows[i].code)
            fprintf(stderr, "\n    row %zu: %s%s... gave %d\n", i, rows[i].before, rows[i].piece, code);
        CU_ASSERT(rows[i].code ? code == rows[i].code : code == 200 || code == 422);
        CU_ASSERT(str_is(uid, "u-1"));
    }
    teardown();
}

static void test_nul_byte(void)
{
    setup();
    BUF_SCOPED body;
    struct str text = body_with(&body, "\"@dai?ly\"", 0, "", ""), uid;
    *strchr(body.data, '?') = '\0';
    CU_ASSERT_EQUAL(answer(text, any_rule(), &uid), 400);
    CU_ASSERT(str_is(uid, "u-1"));
    teardown();
}

/* An arena that is full at any point ends in a denial that can still be sent. */
static void test_little_memory(void)
{
    setup();
    ARENA_SCOPED files = arena_new(1024 * 1024);
    struct str body = load(files, real_review);
    bool whole = false;
    for (size_t limit = 64; limit < 256 * 1024 && !whole; limit += limit < 16384 ? 64 : 1024) {
        struct error error, ignored;
        struct review review;
        ARENA_SCOPED arena = arena_new(limit);
        ARENA_SCOPED check = arena_new(16 * 1024 * 1024);
        CU_ASSERT_PTR_NOT_NULL_FATAL(arena);
        if (admission_read(arena, body, 1763694000, &review, &error))
            admission_decide(&review, any_rule(), inventory_unknown(), settings);
        else
            admission_fail(&review, &error);
        BUF_SCOPED out;
        buf_init(&out, 65536);
        admission_write(&review, &out);
        struct json_object *tree = json_build(check, buf_str(&out), &ignored);
        CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
        whole = !arena_failed(arena);
        CU_ASSERT(whole || review.decision.denied);
        CU_ASSERT(whole || json_object_get_int(json_path(tree, "response.status.code")) == 500);
        CU_ASSERT(whole || json_path_str(tree, "response.status.message").len > 0);
    }
    CU_ASSERT(whole);
    teardown();
}

SUITE(admission_nasty, {"a review cut at every byte", test_truncated_anywhere},
      {"values of the wrong type", test_wrong_types}, {"hostile values, 7 MiB and 10,000 deep", test_hostile_values},
      {"a NUL byte", test_nul_byte}, {"little memory", test_little_memory})
