/* A reflector against an API server that says what the test wants. */
#include <stdio.h>
#include <time.h>

#include "backstop/http.h"
#include "kube_files.h"

struct turn {         /* one answer; the last one stays */
    const char *part; /* what the request must hold */
    int status;
    const char *body;
};

struct stage {
    const struct turn *turns;
    atomic_size_t at;
    atomic_bool wrong;
    pthread_mutex_t lock; /* what is below */
    char objects[4096];   /* +name ~name -name, ( and ) around lists */
    char states[4096];
};

static void answer(void *context, const struct http_request *request, struct http_reply *reply)
{
    struct stage *stage = context;
    size_t at = atomic_load(&stage->at);
    const struct turn *turn = &stage->turns[at];
    reply->content_type = "application/json";
    bool last = !stage->turns[at + 1].part;
    if (!last)
        atomic_store(&stage->at, at + 1);
    if (last) { /* nothing more to say: slow down */
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    } else if (!str_contains(request->query, str_from(turn->part))) {
        fprintf(stderr, "\n    turn %zu: expected %s in %.*s\n", at, turn->part, STR_ARG(request->query));
        atomic_store(&stage->wrong, true);
    }
    reply->status = turn->status;
    buf_puts(&reply->body, turn->body);
}

static void note(struct stage *stage, char *text, size_t size, const char *prefix, struct str word)
{
    pthread_mutex_lock(&stage->lock);
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%.*s", prefix, STR_ARG(word));
    pthread_mutex_unlock(&stage->lock);
}

static void on_begin(void *context)
{
    struct stage *stage = context;
    note(stage, stage->objects, sizeof stage->objects, "(", STR(""));
}

static void on_end(void *context)
{
    struct stage *stage = context;
    note(stage, stage->objects, sizeof stage->objects, ")", STR(""));
}

static void on_object(void *context, enum kube_event event, struct json_object *object)
{
    static const char *const signs[] = {[KUBE_ADDED] = "+", [KUBE_MODIFIED] = "~", [KUBE_DELETED] = "-"};
    struct stage *stage = context;
    note(stage, stage->objects, sizeof stage->objects, signs[event], json_path_str(object, "metadata.name"));
}

static void on_state(void *context, enum kube_sync state, const char *reason)
{
    static const char *const names[] = {[KUBE_CONNECTING] = " connecting",
                                        [KUBE_MISSING] = " missing ",
                                        [KUBE_LISTING] = " listing",
                                        [KUBE_SYNCED] = " synced",
                                        [KUBE_BROKEN] = " broken "};
    struct stage *stage = context;
    bool told = state == KUBE_BROKEN || state == KUBE_MISSING;
    note(stage, stage->states, sizeof stage->states, names[state], told ? str_from(reason) : STR(""));
}

/* Plays the turns until the objects are as expected. */
static void play(const struct turn *turns, const char *objects, const char *says)
{
    struct stage stage = {.turns = turns, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct kube_files files = kube_files_begin();
    struct error error = {.code = 0};
    struct http_config config = {.listen = "127.0.0.1:0", .threads = 1, .handler = answer, .context = &stage};
    struct http_server *server = http_start(&config, &error);
    CU_ASSERT_FATAL(server != NULL);
    struct str text = arena_printf(files.arena,
                                   "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\n"
                                   "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:%u'}}]\n",
                                   http_port(server));
    const struct kube_options options = {.kubeconfig = kube_files_put(&files, "config", text.ptr)};
    struct kube_client *client = kube_open(&options, &error);
    CU_ASSERT_FATAL(client != NULL);
    const struct kube_reflector_options wanted = {
        .resource = {.group = STR("g"), .version = STR("v1"), .plural = STR("things"), .kind = STR("Thing")},
        .replace_begin = on_begin,
        .object = on_object,
        .replace_end = on_end,
        .state = on_state,
        .context = &stage};
    struct kube_reflector *reflector = kube_reflect(client, &wanted, &error);
    CU_ASSERT_FATAL(reflector != NULL);
    bool done = false;
    for (unsigned i = 0; i < 1500 && !done; i++) {
        nanosleep(&(struct timespec){0, 10000000}, NULL);
        pthread_mutex_lock(&stage.lock);
        done = str_is(str_from(stage.objects), objects) && str_contains(str_from(stage.states), str_from(says));
        pthread_mutex_unlock(&stage.lock);
    }
    kube_reflector_stop(reflector);
    kube_close(client);
    http_stop(server, 0);
    if (!done)
        fprintf(stderr, "\n    objects %s, expected %s\n    states%s\n", stage.objects, objects, stage.states);
    CU_ASSERT(done);
    CU_ASSERT(!atomic_load(&stage.wrong));
    kube_files_end(&files);
}

#define ITEM(name, version)                                                                                            \
    "{\"apiVersion\":\"g/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version   \
    "\"}}"
#define LIST(version, next, items)                                                                                     \
    "{\"apiVersion\":\"g/v1\",\"kind\":\"ThingList\",\"metadata\":{\"resourceVersion\":\"" version                     \
    "\",\"continue\":\"" next "\"},\"items\":[" items "]}"
#define OTHER(kind, version, metadata)                                                                                 \
    "{\"apiVersion\":\"" version "\",\"kind\":\"" kind "\",\"metadata\":{" metadata "}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" ITEM(name, version) "}\n"
#define FAILURE(code, message)                                                                                         \
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":" code ",\"message\":\"" message "\"}}\n"
#define QUIET "watch=true", 200, ""

static void test_follow(void)
{
    static const struct turn turns[] = {
        {"limit=", 200, LIST("1", "page/2", ITEM("a", "1"))},
        {"continue=page%2F2", 200, LIST("5", "", ITEM("b", "2") "," ITEM("c", "3"))},
        {"resourceVersion=5", 200, EVENT("ADDED", "d", "6") EVENT("MODIFIED", "a", "7") EVENT("DELETED", "b", "8")},
        {"resourceVersion=8", 200, EVENT("BOOKMARK", "", "20")},
        {"resourceVersion=20", 200, EVENT("ADDED", "e", "21")},
        {"resourceVersion=21", 503, "{\"message\":\"not now\"}"},
        {"resourceVersion=21", 200, EVENT("ADDED", "f", "22")},
        {QUIET},
        {NULL, 0, NULL}};
    play(turns, "(+a+b+c)+d~a-b+e+f", " broken watch things: not now");
}

static void test_gone(void)
{
    static const struct turn turns[] = {{"limit=", 200, LIST("1", "", ITEM("a", "1"))},
                                        {"resourceVersion=1", 410, "{\"message\":\"too old\"}"},
                                        {"limit=", 200, LIST("9", "", ITEM("b", "9"))},
                                        {"resourceVersion=9", 200, FAILURE("410", "too old resource version")},
                                        {"limit=", 200, LIST("11", "", ITEM("c", "9"))},
                                        {QUIET},
                                        {NULL, 0, NULL}};
    play(turns, "(+a)(+b)(+c)", " synced");
}

static void test_events_that_cannot_be_read(void)
{
    static const struct turn turns[] = {{"limit=", 200, LIST("1", "", ITEM("a", "1"))},
                                        {"resourceVersion=1", 200, EVENT("ADDED", "b", "2") "{\"type\":\n"},
                                        {"limit=", 200, LIST("3", "", ITEM("c", "3"))},
                                        {"resourceVersion=3", 200, FAILURE("504", "Too large resource version")},
                                        {"limit=", 200, LIST("2", "", ITEM("d", "1"))},
                                        {QUIET},
                                        {NULL, 0, NULL}};
    play(turns, "(+a)+b(+c)(+d)", " broken watch things: Too large resource version");
}

/* What is no event of the kind that is watched changes nothing, and leads to a list. */
static void test_events_of_something_else(void)
{
    static const char *const lines[] = {
        "{\"type\":\"DELETED\",\"object\":{\"kind\":\"Status\",\"message\":\"no\"}}\n",
        "{\"type\":\"DELETED\",\"object\":" OTHER("Other", "g/v1", "\"name\":\"a\"") "}\n",
        "{\"type\":\"DELETED\",\"object\":" OTHER("Thing", "g/v2", "\"name\":\"a\"") "}\n",
        "{\"type\":\"DELETED\",\"object\":" OTHER("Thing", "g/v1", "") "}\n",
        "{\"type\":\"DELETED\",\"object\":[]}\n",
        "{\"type\":\"DELETED\"}\n",
        "{\"type\":\"REMOVED\",\"object\":" ITEM("a", "2") "}\n",
        "{\"type\":\"BOOKMARK\",\"object\":" OTHER("Thing", "g/v1", "\"name\":\"a\"") "}\n",
        "{\"type\":\"ERROR\",\"object\":{\"code\":410}}\n",
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":\"410\"}}\n",
        "[]\n",
        "5\n",
        "null\n"};
    for (size_t i = 0; i < LENGTH_OF(lines); i++) {
        const struct turn turns[] = {{"limit=", 200, LIST("1", "", ITEM("a", "1"))},
                                     {"resourceVersion=1", 200, lines[i]},
                                     {"limit=", 200, LIST("3", "", ITEM("c", "3"))},
                                     {QUIET},
                                     {NULL, 0, NULL}};
        play(turns, "(+a)(+c)", " broken watch things: ");
    }
}

/* An answer that is no list says nothing of what exists. */
static void test_lists_of_something_else(void)
{
    static const struct turn turns[] = {{"limit=", 200, LIST("1", "", ITEM("a", "1"))},
                                        {"resourceVersion=1", 410, "{\"message\":\"too old\"}"},
                                        {"limit=", 200, "{}"},
                                        {"limit=", 200, LIST("9", "", ITEM("b", "9"))},
                                        {QUIET},
                                        {NULL, 0, NULL}};
    play(turns, "(+a)((+b)", " broken list things: expected kind ThingList");
}

static void test_lists_that_fail(void)
{
    static const struct turn turns[] = {{"limit=", 403, "{\"message\":\"you cannot\"}"},
                                        {"limit=", 200, LIST("1", "x", ITEM("a", "1"))},
                                        {"continue=x", 410, "{\"message\":\"the token expired\"}"},
                                        {"limit=", 200, "{\"items\":"},
                                        {"limit=", 404, "{\"kind\":\"Status\",\"message\":\"not found\"}"},
                                        {"limit=", 200, LIST("4", "", ITEM("b", "1"))},
                                        {QUIET},
                                        {NULL, 0, NULL}};
    play(turns, "((+a(((+b)", " missing list things: not found");
}

/* A proxy's 404 is not the API server's: nothing is known of what that has. */
static void test_lists_that_somebody_else_answers(void)
{
    static const struct turn turns[] = {{"limit=", 404, "{\"message\":\"no route\"}"},
                                        {"limit=", 404, "404 page not found\n"},
                                        {"limit=", 200, LIST("4", "", ITEM("b", "1"))},
                                        {QUIET},
                                        {NULL, 0, NULL}};
    play(turns, "(((+b)", " broken list things: no route listing missing list things: the server could not find");
}

SUITE(kube_reflector, {"pages, events, bookmarks, and a watch taken up again", test_follow},
      {"410 lists anew", test_gone}, {"so does what cannot be read", test_events_that_cannot_be_read},
      {"so do events of something else", test_events_of_something_else},
      {"a list of something else replaces nothing", test_lists_of_something_else},
      {"lists that fail are tried again", test_lists_that_fail},
      {"a 404 of somebody else is none", test_lists_that_somebody_else_answers})
