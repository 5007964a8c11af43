/* Paths of the API, and the stream of events however it is cut. */
#include <stdio.h>
#include <string.h>

#include "kube/kube.h"
#include "suite.h"

#define BACKUPS                                                                                                        \
    {                                                                                                                  \
        .group = STR_INIT("velero.io"), .version = STR_INIT("v1"), .plural = STR_INIT("backups"), .namespaced = true   \
    }

static void path_is(const struct kube_resource *resource, const char *ns, const char *name, const char *expected)
{
    BUF_SCOPED path;
    buf_init(&path, 4096);
    kube_path(&path, resource, str_from(ns), str_from(name));
    ASSERT_TEXT(buf_str(&path), expected);
}

static void test_paths(void)
{
    const struct kube_resource backups = BACKUPS;
    const struct kube_resource secrets = {.version = STR("v1"), .plural = STR("secrets"), .namespaced = true};
    const struct kube_resource releases = {
        .group = STR("k0rdent.mirantis.com"), .version = STR("v1beta1"), .plural = STR("releases")};
    path_is(&backups, "kcm-system", "daily", "/apis/velero.io/v1/namespaces/kcm-system/backups/daily");
    path_is(&backups, NULL, NULL, "/apis/velero.io/v1/backups");
    path_is(&secrets, "a", NULL, "/api/v1/namespaces/a/secrets");
    path_is(&releases, "ignored", "kcm-1-2-0", "/apis/k0rdent.mirantis.com/v1beta1/releases/kcm-1-2-0");
    /* Names come from objects; none may reach another path. */
    path_is(&backups, "a/../b", "../../x?y#z", "/apis/velero.io/v1/namespaces/a%2F..%2Fb/backups/..%2F..%2Fx%3Fy%23z");
    path_is(&backups, "a", "\xc3\xa9 %", "/apis/velero.io/v1/namespaces/a/backups/%C3%A9%20%25");
}

static void test_list_paths(void)
{
    const struct kube_resource backups = BACKUPS;
    static const struct {
        struct kube_list_options options;
        const char *path;
    } cases[] = {
        {{.ns = STR_INIT("a")}, "/apis/velero.io/v1/namespaces/a/backups?"},
        {{.label_selector = STR_INIT("component=velero,x in (a, b)")},
         "/apis/velero.io/v1/backups?labelSelector=component%3Dvelero%2Cx%20in%20%28a%2C%20b%29"},
        {{.label_selector = STR_INIT("a"), .field_selector = STR_INIT("metadata.name=b&c")},
         "/apis/velero.io/v1/backups?labelSelector=a&fieldSelector=metadata.name%3Db%26c"},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        BUF_SCOPED path;
        buf_init(&path, 4096);
        kube_list_path(&path, &backups, &cases[i].options);
        ASSERT_TEXT(buf_str(&path), cases[i].path);
    }
}

struct heard {
    char text[512];
    unsigned lines, most;
};

static bool hear(void *context, struct str line)
{
    struct heard *heard = context;
    size_t used = strlen(heard->text);
    snprintf(heard->text + used, sizeof heard->text - used, "[%.*s]", STR_ARG(line));
    return ++heard->lines != heard->most;
}

/* Every way to cut it in two, and byte by byte, gives the same lines. */
static void test_cut(void)
{
    static const char text[] = "{\"type\":\"ADDED\"}\n\n{\"a\":\"\xe2\x82\xac\"}\r\n{}\nrest";
    static const char expected[] = "[{\"type\":\"ADDED\"}][{\"a\":\"\xe2\x82\xac\"}\r][{}]";
    const struct str whole = STR(text);
    for (size_t cut = 0; cut <= whole.len; cut++) {
        struct heard heard = {.lines = 0};
        BUF_SCOPED rest;
        buf_init(&rest, 64);
        CU_ASSERT(kube_lines(&rest, str_slice(whole, 0, cut), hear, &heard));
        CU_ASSERT(kube_lines(&rest, str_slice(whole, cut, whole.len), hear, &heard));
        ASSERT_TEXT(str_from(heard.text), expected);
        ASSERT_TEXT(buf_str(&rest), "rest");
    }
    struct heard heard = {.lines = 0};
    BUF_SCOPED rest;
    buf_init(&rest, 64);
    for (size_t i = 0; i < whole.len; i++)
        CU_ASSERT(kube_lines(&rest, str_slice(whole, i, i + 1), hear, &heard));
    ASSERT_TEXT(str_from(heard.text), expected);
}

static void test_cut_short(void)
{
    struct heard heard = {.most = 2};
    BUF_SCOPED rest;
    buf_init(&rest, 8);
    CU_ASSERT(!kube_lines(&rest, STR("a\nb\nc\n"), hear, &heard));
    ASSERT_TEXT(str_from(heard.text), "[a][b]");
    CU_ASSERT(!rest.failed);
    CU_ASSERT(!kube_lines(&rest, STR("a line that is too long\n"), hear, &heard));
    CU_ASSERT(rest.failed);
    CU_ASSERT_EQUAL(heard.lines, 2);
}

static void test_refusals(void)
{
    static const struct {
        const char *answer, *message;
    } cases[] = {
        {"{\"kind\":\"Status\",\"message\":\"backups.velero.io is forbidden: User \\\"u\\\" cannot list\"}",
         "list backups: backups.velero.io is forbidden: User \"u\" cannot list"},
        {"<html>no</html>", "list backups: HTTP status 403 (an HTML page)"},
        {"<!DOCTYPE html>\n<HTML><TITLE>\n403 Forbidden\n</TITLE>", "list backups: HTTP status 403: 403 Forbidden"},
        {"<title>cut short", "list backups: HTTP status 403 (an HTML page)"},
        {"", "list backups: HTTP status 403"},
        {" \r\n", "list backups: HTTP status 403"},
        {"Access denied\x1b[31m by the\tproxy \r\nsecond line",
         "list backups: HTTP status 403: Access denied\\x1b[31m by the\\x09proxy"},
        {"404 page not found\n", "list backups: HTTP status 403: 404 page not found"},
        {"{\"message\":7}", "list backups: HTTP status 403: {\"message\":7}"},
        {"[", "list backups: HTTP status 403"},
    };
    char many[1000];
    struct error clipped;
    memset(many, 'x', sizeof many);
    CU_ASSERT(!kube_refused(502, (struct str){many, sizeof many}, "list", STR("backups"), &clipped));
    CU_ASSERT_EQUAL(strlen(clipped.message), strlen("list backups: HTTP status 502: ") + 200);
    CU_ASSERT(!kube_refused(404, STR("404 page not found\n"), "list", STR("backups"), &clipped));
    ASSERT_TEXT(str_from(clipped.message),
                "list backups: the server could not find the requested resource (HTTP status 404)");
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct error error;
        CU_ASSERT(!kube_refused(403, str_from(cases[i].answer), "list", STR("backups"), &error));
        CU_ASSERT_EQUAL(error.code, 403);
        ASSERT_TEXT(str_from(error.message), cases[i].message);
    }
}

SUITE(kube_paths, {"paths, with every name escaped", test_paths}, {"the query of a list", test_list_paths},
      {"events however they are cut", test_cut}, {"a line too long, and an end wished for", test_cut_short},
      {"refusals in the API server's words", test_refusals})
