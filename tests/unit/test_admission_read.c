#include <string.h>

#include "backstop/admission.h"
#include "suite.h"

#define HEAD "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"uid\":\"u-1\","
#define KIND "\"kind\":{\"group\":\"k0rdent.mirantis.com\",\"version\":\"v1beta1\",\"kind\":\"ManagementBackup\"},"
#define OBJECT                                                                                                         \
    "{\"apiVersion\":\"k0rdent.mirantis.com/v1alpha1\",\"kind\":\"ManagementBackup\",\"metadata\":{\"name\":\"kcm\"}," \
    "\"spec\":{\"schedule\":\"@daily\"}}"

/* Reads a text and frees all; texts of the review are copied out before. */
struct outcome {
    bool read;
    struct error error;
    enum operation operation;
    char uid[64], version[64], object_version[64], kind[64], name[64], ns[64], user[64];
    bool dry_run, has_object, has_old;
};

static void copy(char out[64], struct str text)
{
    snprintf(out, 64, "%.*s", STR_ARG(text));
}

static struct outcome read_text(struct str text)
{
    struct outcome outcome = {0};
    struct review review;
    ARENA_SCOPED arena = arena_new(64 * 1024 * 1024);
    outcome.read = admission_read(arena, text, 1000, &review, &outcome.error);
    copy(outcome.uid, review.request.uid);
    copy(outcome.version, review.api_version);
    copy(outcome.object_version, review.request.api_version);
    copy(outcome.kind, review.request.kind);
    copy(outcome.name, review.request.name);
    copy(outcome.ns, review.request.ns);
    copy(outcome.user, review.request.user);
    outcome.operation = review.request.operation;
    outcome.dry_run = review.request.dry_run;
    outcome.has_object = review.request.object != NULL;
    outcome.has_old = review.request.old_object != NULL;
    return outcome;
}

static struct outcome read_literal(const char *text)
{
    return read_text(str_from(text));
}

static void test_create(void)
{
    struct outcome got = read_literal(
        HEAD KIND "\"name\":\"kcm\",\"namespace\":\"kcm-system\",\"operation\":\"CREATE\","
                  "\"userInfo\":{\"username\":\"admin\"},\"object\":" OBJECT ",\"oldObject\":null,\"dryRun\":true}}");
    CU_ASSERT(got.read);
    CU_ASSERT_STRING_EQUAL(got.uid, "u-1");
    CU_ASSERT_STRING_EQUAL(got.version, "admission.k8s.io/v1");
    CU_ASSERT_STRING_EQUAL(got.kind, "ManagementBackup");
    CU_ASSERT_STRING_EQUAL(got.name, "kcm");
    CU_ASSERT_STRING_EQUAL(got.ns, "kcm-system");
    CU_ASSERT_STRING_EQUAL(got.user, "admin");
    CU_ASSERT(got.operation == OPERATION_CREATE && got.dry_run && got.has_object && !got.has_old);
}

/* With matchPolicy Equivalent the object is in the rule's version, not the request's. */
static void test_version_is_the_objects(void)
{
    struct outcome got = read_literal(HEAD KIND "\"operation\":\"CREATE\",\"object\":" OBJECT "}}");
    CU_ASSERT(got.read);
    CU_ASSERT_STRING_EQUAL(got.object_version, "k0rdent.mirantis.com/v1alpha1");
    CU_ASSERT_STRING_EQUAL(got.name, "kcm"); /* from metadata, when the request has none */
}

static void test_delete_and_old_servers(void)
{
    struct outcome got = read_literal(HEAD KIND "\"operation\":\"DELETE\",\"object\":null,\"oldObject\":" OBJECT "}}");
    CU_ASSERT(got.read && !got.has_object && got.has_old);
    CU_ASSERT_STRING_EQUAL(got.name, "kcm");

    got = read_literal(HEAD KIND "\"name\":\"kcm\",\"operation\":\"DELETE\"}}");
    CU_ASSERT(!got.read && got.error.code == 422);
    CU_ASSERT_STRING_EQUAL(got.error.field, "request.oldObject");

    got = read_literal(
        "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1beta1\",\"request\":{\"uid\":\"u\"," KIND
        "\"name\":\"kcm\",\"operation\":\"DELETE\"}}");
    CU_ASSERT(got.read);
    CU_ASSERT_STRING_EQUAL(got.version, "admission.k8s.io/v1beta1");
    CU_ASSERT_STRING_EQUAL(got.object_version, "k0rdent.mirantis.com/v1beta1");
}

static void test_refusals(void)
{
    static const struct {
        const char *body;
        int code;
        const char *field, *uid; /* the uid under which the failure can be answered */
    } rows[] = {
        {"", 400, "", ""},
        {" \n", 400, "", ""},
        {"null", 400, "", ""},
        {"[]", 400, "", ""},
        {"{}", 400, "", ""},
        {"{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}", 400, "", ""},
        {"{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\"}", 400, "", ""},
        {"{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":null}", 400, "", ""},
        {"{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":[]}", 400, "", ""},
        {"{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"uid\":\"\"}}", 400, "",
         ""},
        {"{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"uid\":{}}}", 400, "", ""},
        {"{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v2\",\"request\":{\"uid\":\"u\"}}", 400, "",
         "u"},
        {"{\"kind\":\"Review\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"uid\":\"u\"}}", 400, "", "u"},
        {HEAD "\"operation\":\"CREATE\",\"object\":" OBJECT "}}", 422, "request.kind", "u-1"},
        {HEAD KIND "\"object\":" OBJECT "}}", 422, "request.operation", "u-1"},
        {HEAD KIND "\"operation\":\"create\",\"object\":" OBJECT "}}", 422, "request.operation", "u-1"},
        {HEAD KIND "\"operation\":\"CREATE\"}}", 422, "request.object", "u-1"},
        {HEAD KIND "\"operation\":\"CREATE\",\"object\":null,\"oldObject\":" OBJECT "}}", 422, "request.object", "u-1"},
        {HEAD KIND "\"operation\":\"UPDATE\",\"object\":" OBJECT "}}", 422, "request.oldObject", "u-1"},
        {HEAD KIND "\"operation\":\"CREATE\",\"object\":{\"kind\":\"Restore\"}}}", 422, "request.object.kind", "u-1"},
        {HEAD KIND "\"operation\":\"CREATE\",\"object\":{\"apiVersion\":\"velero.io/v1\"}}}", 422,
         "request.object.apiVersion", "u-1"},
        {HEAD KIND "\"operation\":\"CREATE\",\"object\":" OBJECT ",\"object\":{}}}", 400, "", "u-1"},
        {HEAD "\"uid\":\"u-2\"}}", 400, "", "u-1"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct outcome got = read_literal(rows[i].body);
        if (got.read || got.error.code != rows[i].code || strcmp(got.error.field, rows[i].field) != 0 ||
            strcmp(got.uid, rows[i].uid) != 0)
            fprintf(stderr, "\n    %s\n    gave %d, %s, uid %s: %s\n", rows[i].body, got.error.code, got.error.field,
                    got.uid, got.error.message);
        CU_ASSERT(!got.read && got.error.code == rows[i].code && got.error.message[0]);
        CU_ASSERT_STRING_EQUAL(got.error.field, rows[i].field);
        CU_ASSERT_STRING_EQUAL(got.uid, rows[i].uid);
    }
}

static void test_uid_bound(void)
{
    char body[1024];
    for (int length = 255; length <= 257; length++) {
        char uid[300];
        memset(uid, 'a', sizeof uid);
        snprintf(
            body, sizeof body,
            "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"uid\":\"%.*s\"," KIND
            "\"operation\":\"CONNECT\"}}",
            length, uid);
        CU_ASSERT_EQUAL(read_literal(body).read, length <= 256);
    }
}

static void test_connect_has_an_option_kind(void)
{
    struct outcome got =
        read_literal(HEAD "\"kind\":{\"group\":\"\",\"version\":\"v1\",\"kind\":\"PodExecOptions\"},"
                          "\"operation\":\"CONNECT\",\"object\":{\"apiVersion\":\"v1\",\"kind\":\"Other\"}}}");
    CU_ASSERT(got.read && got.operation == OPERATION_CONNECT);
    CU_ASSERT_STRING_EQUAL(got.object_version, "v1");
}

/* What the API server writes is read from any part of a body; nothing else is taken for it. */
static void test_salvage(void)
{
    static const struct {
        const char *body, *uid;
    } rows[] = {
        {"{\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"abc\",\"obj", "abc"},
        {"{ \"request\" : { \"uid\" :\n\"abc\"", "abc"},
        {"{\"request\":{\"name\":\"uid\",\"uid\":\"abc\"", "abc"},
        {"{\"request\":{\"object\":{\"metadata\":{\"uid\":\"object\"}},\"uid\":\"abc\"", "abc"},
        {"{\"request\":{\"object\":{\"metadata\":{\"uid\":\"object\"", ""},
        {"{\"request\":{\"userInfo\":{\"uid\":\"user\"}}", ""},
        {"{\"response\":{\"uid\":\"abc\"}}", ""},
        {"{\"uid\":\"abc\"}", ""},
        {"{\"note\":\"{\\\"request\\\":{\\\"uid\\\":\\\"x\\\"\",\"request\":{\"uid\":\"abc\"", "abc"},
        {"{\"note\":\"\\\"\",\"request\":{\"uid\":\"abc\"", "abc"},
        {"{\"request\":{\"uid\":\"ab", ""},
        {"{\"request\":{\"uid\":\"a\\u0062\"}", ""},
        {"{\"request\":{\"uid\":\"a\nb\"}", ""},
        {"{\"request\":{\"uid\":\"a\xff\"}", ""},
        {"{\"request\":{\"uid\":\"\"}", ""},
        {"{\"request\":{\"uid\":7,\"uid\":\"abc\"}", "abc"},
        {"}}}}{\"request\":{\"uid\":\"abc\"", "abc"},
        {"\"", ""},
        {"\\", ""},
        {"", ""},
    };
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        ASSERT_TEXT(admission_salvage_uid(arena, str_from(rows[i].body)), rows[i].uid);
}

SUITE(admission_read, {"a CREATE with all its fields", test_create},
      {"the object's own version counts", test_version_is_the_objects},
      {"a DELETE, and servers that send no object with it", test_delete_and_old_servers},
      {"malformed reviews, by code, field and uid", test_refusals}, {"uids up to 256 bytes", test_uid_bound},
      {"CONNECT", test_connect_has_an_option_kind}, {"the uid of a broken body", test_salvage})
