/* What a client holds on to, and what it must not lose without a word. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backstop/http.h"
#include "kube/kube.h"
#include "kube_files.h"

static struct str token_now(struct kube_client *client, struct arena *arena)
{
    struct kube_credentials credentials = {.expires = 0};
    struct error error;
    CU_ASSERT(kube_credentials_now(client, NULL, arena, &credentials, &error));
    return credentials.token;
}

/* Who writes a token in place empties the file first; without a token a request is anonymous. */
static void test_token_file(void)
{
    struct kube_files files = kube_files_begin();
    struct error error = {.code = 0};
    const char *token = kube_files_put(&files, "token", "first\n");
    struct str text = arena_printf(files.arena,
                                   "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
                                   "clusters: [{name: c, cluster: {server: 'https://s'}}]\n"
                                   "users: [{name: u, user: {tokenFile: %s}}]\n",
                                   token);
    const struct kube_options options = {.kubeconfig = kube_files_put(&files, "config", text.ptr)};
    struct kube_client *client = kube_open(&options, &error);
    CU_ASSERT_FATAL(client != NULL);
    ASSERT_TEXT(token_now(client, files.arena), "first");
    kube_files_put(&files, "token", "");
    kube_credentials_forget(client);
    ASSERT_TEXT(token_now(client, files.arena), "first");
    kube_files_put(&files, "token", "second");
    ASSERT_TEXT(token_now(client, files.arena), "second");
    kube_close(client);

    struct kube_credentials credentials = {.expires = 0};
    kube_files_put(&files, "token", " \n");
    client = kube_open(&options, &error);
    CU_ASSERT_FATAL(client != NULL);
    CU_ASSERT_FALSE(kube_credentials_now(client, NULL, files.arena, &credentials, &error));
    CU_ASSERT(strstr(error.message, "is empty") != NULL);
    kube_close(client);
    kube_files_end(&files);
}

/* What did not fit is not dropped: as nobody's stand-in the user would be somebody else. */
static void test_configuration_that_does_not_fit(void)
{
    enum { LONG = 1900 * 1024 };
    struct kube_files files = kube_files_begin();
    struct error error = {.code = 0};
    char *name = malloc(LONG + 1);
    CU_ASSERT_FATAL(name != NULL);
    memset(name, 'a', LONG);
    name[LONG] = '\0';
    struct str text = arena_printf(files.arena,
                                   "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
                                   "clusters: [{name: c, cluster: {server: 'https://s'}}]\n"
                                   "users: [{name: u, user: {token: %s, as: %s}}]\n",
                                   name, name);
    free(name);
    CU_ASSERT_FATAL(text.ptr != NULL);
    const struct kube_options options = {.kubeconfig = kube_files_put(&files, "config", text.ptr)};
    CU_ASSERT(kube_open(&options, &error) == NULL);
    kube_files_end(&files);
}

static struct kube_client *open_at(struct kube_files *files, unsigned port)
{
    struct error error = {.code = 0};
    struct str text = arena_printf(files->arena,
                                   "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\n"
                                   "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:%u'}}]\n",
                                   port);
    const struct kube_options options = {.kubeconfig = kube_files_put(files, "config", text.ptr),
                                         .timeout_seconds = 60};
    struct kube_client *client = kube_open(&options, &error);
    CU_ASSERT_FATAL(client != NULL);
    return client;
}

static void answer_page(void *context, const struct http_request *request, struct http_reply *reply)
{
    (void)context;
    reply->status = 200;
    reply->content_type = "application/json";
    if (str_contains(request->query, STR("continue="))) {
        buf_puts(&reply->body, "{\"apiVersion\":\"g/"
                               "v1\",\"kind\":\"ThingList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{"
                               "\"metadata\":{\"name\":\"b\"}}]}");
        return;
    }
    buf_puts(&reply->body,
             "{\"apiVersion\":\"g/"
             "v1\",\"kind\":\"ThingList\",\"items\":[{\"metadata\":{\"name\":\"a\"}}],\"metadata\":{\"continue\":\"");
    for (int i = 0; i < 1000; i++)
        buf_puts(&reply->body, "next");
    buf_puts(&reply->body, "\"}}");
}

static bool count(void *context, struct json_object *object, struct error *error)
{
    (void)object, (void)error;
    (*(int *)context)++;
    return true;
}

/* Half a list that passes for a whole one says that the rest does not exist. */
static void test_list_without_memory(void)
{
    struct kube_files files = kube_files_begin();
    struct error error = {.code = 0};
    struct http_config config = {
        .listen = "127.0.0.1:0", .threads = 1, .handler = answer_page, .limits = {.header_bytes = 32 * 1024}};
    struct http_server *server = http_start(&config, &error);
    CU_ASSERT_FATAL(server != NULL);
    struct kube_client *client = open_at(&files, http_port(server));
    const struct kube_resource resource = {
        .group = STR("g"), .version = STR("v1"), .plural = STR("things"), .kind = STR("Thing")};
    const struct kube_list_options all = {.page = 1};
    int seen = 0;
    CU_ASSERT(kube_list(client, files.arena, &resource, &all, count, &seen, NULL, &error));
    CU_ASSERT_EQUAL(seen, 2);
    ARENA_SCOPED little = arena_new(1024);
    CU_ASSERT_FATAL(little != NULL);
    CU_ASSERT_FALSE(kube_list(client, little, &resource, &all, count, &seen, NULL, &error));
    CU_ASSERT_EQUAL(error.code, 500);
    kube_close(client);
    http_stop(server, 0);
    kube_files_end(&files);
}

/* Pages of which one object alone is not too much: "{}" takes 800 bytes in memory. */
static void answer_large(void *context, const struct http_request *request, struct http_reply *reply)
{
    enum { MEMBERS = 200 * 1000 };
    bool last = str_contains(request->query, STR("continue=")), large = !str_contains(request->query, STR("limit=1"));
    (void)context;
    reply->status = 200;
    reply->content_type = "application/json";
    buf_puts(&reply->body,
             "{\"apiVersion\":\"g/v1\",\"kind\":\"ThingList\",\"items\":[{\"metadata\":{\"name\":\"a\"},\"a\":[{}");
    for (int i = 0; i < MEMBERS * (large ? 2 : 1); i++)
        buf_puts(&reply->body, ",{}");
    buf_printf(&reply->body, "]}],\"metadata\":{\"continue\":\"%s\"}}", last ? "" : "next");
}

static void test_large_objects(void)
{
    struct kube_files files = kube_files_begin();
    struct error error = {.code = 0};
    struct http_config config = {.listen = "127.0.0.1:0", .threads = 1, .handler = answer_large};
    struct http_server *server = http_start(&config, &error);
    CU_ASSERT_FATAL(server != NULL);
    struct kube_client *client = open_at(&files, http_port(server));
    const struct kube_resource resource = {
        .group = STR("g"), .version = STR("v1"), .plural = STR("things"), .kind = STR("Thing")};
    const struct kube_list_options all = {.page = 4};
    int seen = 0;
    CU_ASSERT(kube_list(client, files.arena, &resource, &all, count, &seen, NULL, &error));
    CU_ASSERT_EQUAL(seen, 2);
    kube_close(client);
    http_stop(server, 0);
    kube_files_end(&files);
}

static void answer_late(void *context, const struct http_request *request, struct http_reply *reply)
{
    (void)request;
    while (!atomic_load((atomic_bool *)context))
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    reply->status = 404;
}

/* An API server that is silent must not hold up the end of the webhook. */
static void test_interrupt(void)
{
    struct kube_files files = kube_files_begin();
    struct error error = {.code = 0};
    atomic_bool released = false;
    struct http_config config = {.listen = "127.0.0.1:0", .threads = 1, .handler = answer_late, .context = &released};
    struct http_server *server = http_start(&config, &error);
    CU_ASSERT_FATAL(server != NULL);
    struct kube_client *client = open_at(&files, http_port(server));
    const struct kube_resource resource = {
        .group = STR("g"), .version = STR("v1"), .plural = STR("things"), .kind = STR("Thing")};
    const int64_t began = time_monotonic_ns();
    kube_interrupt(client, began + 200000000);
    CU_ASSERT_FALSE(kube_get(client, files.arena, &resource, STR(""), STR("a"), NULL, &error));
    CU_ASSERT_FALSE(kube_get(client, files.arena, &resource, STR(""), STR("a"), NULL, &error));
    CU_ASSERT_EQUAL(error.code, 0);
    CU_ASSERT(time_monotonic_ns() - began < INT64_C(30000000000)); /* of 60 */
    kube_close(client);
    atomic_store(&released, true);
    http_stop(server, 0);
    kube_files_end(&files);
}

/* What stands behind a line break would be a header of its own: another user, say. */
static void test_headers(void)
{
    static const struct {
        const char *as, *as_uid, *group, *token;
        const char *header; /* NULL: it is sent, and there is no answer */
    } cases[] = {
        {"jane", "1", "dev", "t", NULL},
        {"jane\tdoe \xc3\xa9", "1", "dev", "t", NULL},
        {"jane\r\nImpersonate-Group: system:masters", NULL, NULL, NULL, "Impersonate-User"},
        {"jane\nX: y", NULL, NULL, NULL, "Impersonate-User"},
        {"jane\r", NULL, NULL, NULL, "Impersonate-User"},
        {"jane\x7f", NULL, NULL, NULL, "Impersonate-User"},
        {"jane", "1\nX: y", NULL, NULL, "Impersonate-Uid"},
        {"jane", NULL, "a\nX: y", NULL, "Impersonate-Group"},
        {NULL, NULL, NULL, "t\nX: y", "Authorization"},
        {NULL, NULL, NULL, "t\x01", "Authorization"},
    };
    const struct kube_resource resource = {.group = STR("g"), .version = STR("v1"), .plural = STR("things")};
    struct kube_files files = kube_files_begin();
    const char *path = kube_files_put(&files, "config", "{}\n");
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct error error = {.code = 0};
        const struct kube_options options = {.kubeconfig = path,
                                             .server = "https://127.0.0.1:1",
                                             .token = cases[i].token,
                                             .as = cases[i].as,
                                             .as_uid = cases[i].as_uid,
                                             .as_groups = &cases[i].group,
                                             .as_group_count = cases[i].group != NULL,
                                             .timeout_seconds = 5};
        struct kube_client *client = kube_open(&options, &error);
        CU_ASSERT_FATAL(client != NULL);
        CU_ASSERT_FALSE(kube_get(client, files.arena, &resource, STR(""), STR("a"), NULL, &error));
        struct str wanted = cases[i].header
                                ? arena_printf(files.arena, "%s: the value contains a line break", cases[i].header)
                                : STR("connect");
        bool said = str_contains(str_from(error.message), wanted);
        if (!said)
            fprintf(stderr, "\n    case %zu: %s\n", i, error.message);
        CU_ASSERT(said);
        kube_close(client);
    }
    kube_files_end(&files);
}

SUITE(kube_client, {"a token file that is being written leaves the old token", test_token_file},
      {"a configuration that does not fit is none", test_configuration_that_does_not_fit},
      {"a list that cannot go on is no list", test_list_without_memory},
      {"large objects come in smaller pages", test_large_objects}, {"requests are interrupted", test_interrupt},
      {"what would become a header of its own is not sent", test_headers})
