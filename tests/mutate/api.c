/* What the API server answers, changed in one place, as the client, the cache, `audit` and managed certificates
 * get it over a socket. */
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "../fuzz/fuzz.h"
#include "backstop/http.h"
#include "backstop/inventory.h"
#include "certificates/certificates.h"
#include "commands/audit/audit.h"
#include "kube/kube.h"
#include "mutate.h"

enum { MEMORY = 64 * 1024 * 1024, PATHS_MAX = 64, LEAF = 900, CA = 2700 };

/* ---- an API server that answers what it is told to ------------------------------------ */

struct answer {
    char path[160];
    struct str body;
};

static struct api {
    struct answer answers[PATHS_MAX];
    size_t count;
    int status;           /* of the changed answer */
    struct str changed;   /* answered to... */
    const char *whenever; /* ...paths that end so; NULL: to all */
    struct http_server *server;
    struct kube_client *client;
    struct text_file kubeconfig;
} api;

static const char no_such[] = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
                              "\"message\":\"things \\\"x\\\" not found\",\"reason\":\"NotFound\",\"code\":404}";

static void api_answer(void *context, const struct http_request *request, struct http_reply *reply)
{
    (void)context;
    reply->content_type = "application/json";
    if (!api.whenever || str_ends(request->path, str_from(api.whenever))) {
        reply->status = api.status;
        buf_add(&reply->body, api.changed);
        return;
    }
    reply->status = 404;
    for (size_t i = 0; i < api.count && reply->status == 404; i++)
        if (str_is(request->path, api.answers[i].path)) {
            reply->status = 200;
            buf_add(&reply->body, api.answers[i].body);
        }
    if (reply->status == 404)
        buf_puts(&reply->body, no_such);
}

static void api_open(void)
{
    struct error error = {0};
    const struct http_config config = {.listen = "127.0.0.1:0", .threads = 1, .handler = api_answer};
    api.server = http_start(&config, &error);
    PROMISE(api.server, "%s", error.message);
    api.kubeconfig = text_file_new();
    char text[400];
    snprintf(text, sizeof text,
             "{\"current-context\":\"x\",\"contexts\":[{\"name\":\"x\",\"context\":{\"cluster\":\"c\"}}],"
             "\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"http://127.0.0.1:%u\"}}]}",
             http_port(api.server));
    text_file_set(&api.kubeconfig, str_from(text));
    const struct kube_options options = {.kubeconfig = api.kubeconfig.path, .timeout_seconds = 10};
    api.client = kube_open(&options, &error);
    PROMISE(api.client, "%s", error.message);
}

/* ---- the world of the golden cases, as it would answer ---------------------------------- */

static struct kube_resource resource_of(struct arena *arena, struct json_object *object)
{
    struct str version = json_get_str(object, "apiVersion"), kind = json_get_str(object, "kind"), group = STR("");
    struct str rest = version, head;
    if (str_cut(&rest, '/', &head) && rest.ptr) {
        group = head;
        version = rest;
    }
    char *plural = arena_alloc(arena, kind.len + 2);
    PROMISE(plural, "memory");
    for (size_t i = 0; i < kind.len; i++)
        plural[i] = (char)tolower((unsigned char)kind.ptr[i]);
    plural[kind.len] = 's';
    plural[kind.len + 1] = '\0';
    return (struct kube_resource){.group = group,
                                  .version = version,
                                  .plural = {plural, kind.len + 1},
                                  .kind = kind,
                                  .namespaced = json_path_str(object, "metadata.namespace").len > 0};
}

/* The answer to a path; a new one that is empty. */
static struct answer *answer_at(struct arena *arena, struct str path)
{
    (void)arena;
    for (size_t i = 0; i < api.count; i++)
        if (str_is(path, api.answers[i].path))
            return &api.answers[i];
    PROMISE(api.count < PATHS_MAX, "too many paths");
    struct answer *answer = &api.answers[api.count++];
    snprintf(answer->path, sizeof answer->path, "%.*s", STR_ARG(path));
    return answer;
}

/* {...,"MEMBER":[...]} with one more item. */
static void answer_grow(struct arena *arena, struct answer *answer, const char *head, const char *member,
                        struct str item)
{
    struct error error = {0};
    struct json_object *tree = json_build(arena, answer->body.len ? answer->body : str_from(head), &error);
    PROMISE(tree, "%s", error.message);
    if (!json_get(tree, member))
        json_put(tree, member, json_object_new_array());
    json_append(json_get(tree, member), json_object_get(json_build(arena, item, &error)));
    BUF_SCOPED text;
    buf_init(&text, MEMORY);
    json_write_tree(&text, tree);
    answer->body = arena_copy(arena, buf_str(&text));
}

static void serve_object(struct arena *arena, struct json_object *object)
{
    struct kube_resource of = resource_of(arena, object);
    struct str api_version = json_get_str(object, "apiVersion");
    struct str root = arena_printf(arena, "/%s/%.*s", of.group.len ? "apis" : "api", STR_ARG(api_version));
    BUF_SCOPED text;
    buf_init(&text, MEMORY);
    json_write_tree(&text, object);
    answer_grow(arena, answer_at(arena, arena_printf(arena, "%.*s/%.*s", STR_ARG(root), STR_ARG(of.plural))),
                arena_printf(arena,
                             "{\"kind\":\"%.*sList\",\"apiVersion\":\"%.*s\",\"metadata\":{\"resourceVersion\":\"7\"}}",
                             STR_ARG(of.kind), STR_ARG(api_version))
                    .ptr,
                "items", arena_copy(arena, buf_str(&text)));
    answer_grow(arena, answer_at(arena, root),
                arena_printf(arena, "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":\"%.*s\"}",
                             STR_ARG(api_version))
                    .ptr,
                "resources",
                arena_printf(arena, "{\"name\":\"%.*s\",\"kind\":\"%.*s\",\"namespaced\":%s,\"verbs\":[\"list\"]}",
                             STR_ARG(of.plural), STR_ARG(of.kind), of.namespaced ? "true" : "false"));
}

/* ---- the client -------------------------------------------------------------------------- */

struct call {
    struct kube_resource resource;
    struct str ns, name;
    struct json_object *object;
};

static bool to_inventory(void *context, struct json_object *object, struct error *error)
{
    return inventory_add(context, object, error) || error->code != 500;
}

static void run_list(void *context, struct str text)
{
    struct call *call = context;
    struct error error = {0};
    struct str version;
    const struct kube_list_options all = {0}, metadata = {.metadata_only = true};
    api.changed = text;
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct inventory_builder *builder = inventory_builder_new();
    PROMISE(builder, "memory");
    call->resource.namespaced = false;
    bool good = kube_list(api.client, arena, &call->resource, &all, to_inventory, builder, &version, &error);
    PROMISE(good || error.message[0], "no reason");
    good = kube_list(api.client, arena, &call->resource, &metadata, to_inventory, builder, &version, &error);
    PROMISE(good || error.message[0], "no reason");
    struct inventory *inventory = inventory_finish(builder);
    snapshot_release(inventory);
}

static void run_object(void *context, struct str text)
{
    struct call *call = context;
    struct error error = {0};
    struct json_object *object = NULL;
    struct kube_watch_line line;
    api.changed = text;
    ARENA_SCOPED arena = arena_new(MEMORY);
    for (api.status = 200; api.status < 500; api.status += 203) { /* a success, and a refusal with it as its Status */
        (void)!kube_get(api.client, arena, &call->resource, call->ns, call->name, &object, &error);
        (void)!kube_create(api.client, arena, &call->resource, call->ns, call->object, &object, &error);
        (void)!kube_update(api.client, arena, &call->resource, call->ns, call->name, call->object, &object, &error);
        (void)!kube_delete(api.client, arena, &call->resource, call->ns, call->name, &error);
    }
    api.status = 200;
    (void)!kube_watch_line(arena, text, &call->resource, false, &line, &error);
    struct str event = arena_printf(arena, "{\"type\":\"MODIFIED\",\"object\":%.*s}", STR_ARG(text));
    if (kube_watch_line(arena, event, &call->resource, false, &line, &error) && line.object) {
        struct inventory_builder *builder = inventory_builder_new();
        PROMISE(builder, "memory");
        (void)!inventory_add(builder, line.object, &error);
        struct inventory *inventory = inventory_finish(builder);
        snapshot_release(inventory);
    }
}

static void run_discovery(void *context, struct str text)
{
    static const char *const versions[] = {"v1beta1", "v1alpha1", "v1", NULL};
    struct call *call = context;
    struct error error = {0};
    const char *version = NULL;
    api.changed = text;
    (void)!kube_served_version(api.client, call->resource.group, call->resource.plural, versions, &version, &error);
    (void)!kube_served_version(api.client, STR("velero.io"), STR("backups"), versions, &version, &error);
}

static void no_problem(void *context, const char *source, int64_t line, const char *reason)
{
    (void)context, (void)source, (void)line;
    PROMISE(reason[0], "no reason");
}

static bool no_visit(void *context, struct manifest *manifest)
{
    (void)context;
    PROMISE(json_object_is_type(manifest->tree, json_type_object), "no object");
    return true;
}

static void run_audit(void *context, struct str text)
{
    (void)context;
    const struct facts_options options = {.connection = {.kubeconfig = api.kubeconfig.path}};
    const struct manifest_sink sink = {.visit = no_visit, .problem = no_problem};
    api.changed = text;
    audit_list(&options, STR("cluster"), &sink);
}

static void mutate_client(struct arena *arena)
{
    struct error error = {0};
    for (struct yaml_document *document = mutate_documents(arena, MUTATE_INVENTORY); document;
         document = document->next)
        if (document->tree)
            serve_object(arena, document->tree);
    for (size_t i = 0; i < api.count; i++) {
        const struct answer *answer = &api.answers[i];
        struct json_object *tree = json_build(arena, answer->body, &error),
                           *item = json_item(json_get(tree, "items"), 0);
        struct call call = {.object = item};
        api.whenever = NULL;
        if (item) {
            call.resource = resource_of(arena, item);
            call.ns = json_path_str(item, "metadata.namespace");
            call.name = json_path_str(item, "metadata.name");
            mutate_each(answer->path, item, run_object, &call);
            mutate_each(answer->path, tree, run_list, &call);
        } else {
            call.resource = (struct kube_resource){.group = STR("k0rdent.mirantis.com"), .plural = STR("managements")};
            mutate_each(answer->path, tree, run_discovery, &call);
        }
        api.whenever = answer->path;
        mutate_each(answer->path, tree, run_audit, NULL);
    }
    struct call call = {.resource = {STR_INIT("g"), STR_INIT("v1"), STR_INIT("things"), STR_INIT("Thing"), false},
                        .name = STR("x"),
                        .object = json_build(arena, STR("{\"metadata\":{\"name\":\"x\"}}"), &error)};
    api.whenever = NULL;
    mutate_each("a Status", json_build(arena, str_from(no_such), &error), run_object, &call);
}

/* ---- managed certificates ---------------------------------------------------------------- */

static const char *const names[] = {"b", "b.ns", "b.ns.svc", NULL};

static void run_secret(void *context, struct str text)
{
    const struct certificates_options *options = context;
    const struct rotation rotation = {.names = names, .leaf_seconds = LEAF, .ca_seconds = CA, .now = time_now()};
    struct content content = {.secret = NULL};
    struct error error = {0};
    unsigned changes = 0;
    api.changed = text;
    ARENA_SCOPED arena = arena_new(MEMORY);
    if (secret_read(arena, options, &content, &error) && rotate(arena, &rotation, &content, &changes, &error))
        (void)!secret_write(arena, options, &content, &error);
}

static void run_configuration(void *context, struct str text)
{
    const struct certificates_options *options = context;
    struct announcement announcement = {.ca = STR("ca"), .bundle = STR("ca"), .prune = true};
    struct error error = {0};
    api.changed = text;
    ARENA_SCOPED arena = arena_new(MEMORY);
    (void)!announce(arena, options, &announcement, time_now(), &error);
}

static void mutate_certificates(struct arena *arena)
{
    const struct rotation rotation = {.names = names, .leaf_seconds = LEAF, .ca_seconds = CA, .now = time_now()};
    struct certificates_options options = {
        .kube = api.client, .ns = "ns", .secret = "tls", .service = "b", .configurations = "backstop"};
    struct content content = {.secret = NULL};
    struct error error = {0};
    unsigned changes = 0;
    PROMISE(rotate(arena, &rotation, &content, &changes, &error), "%s", error.message);
    struct str secret = arena_printf(
        arena,
        "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"tls\",\"namespace\":\"ns\",\"labels\":"
        "{\"app.kubernetes.io/managed-by\":\"backstop\"},\"resourceVersion\":\"7\"},\"type\":\"kubernetes.io/tls\","
        "\"data\":{\"ca.crt\":\"%.*s\",\"ca.key\":\"%.*s\",\"tls.crt\":\"%.*s\",\"tls.key\":\"%.*s\","
        "\"previous-ca.crt\":\"\"}}",
        STR_ARG(base64_encode(arena, content.ca.certificate)), STR_ARG(base64_encode(arena, content.ca.key)),
        STR_ARG(base64_encode(arena, content.serving.certificate)), STR_ARG(base64_encode(arena, content.serving.key)));
    mutate_each("the Secret", json_build(arena, secret, &error), run_secret, &options);
    for (int i = 0; i < 2; i++) {
        struct str configuration = arena_printf(
            arena,
            "{\"kind\":\"%sWebhookConfiguration\",\"apiVersion\":\"admissionregistration.k8s.io/v1\",\"metadata\":"
            "{\"name\":\"backstop\",\"resourceVersion\":\"7\"},\"webhooks\":[{\"name\":\"a.b.c\",\"clientConfig\":"
            "{\"service\":{\"namespace\":\"ns\",\"name\":\"b\",\"path\":\"/x\"},\"caBundle\":\"Y2E=\"}},{\"name\":"
            "\"d.b.c\",\"clientConfig\":{\"service\":{\"namespace\":\"ns\",\"name\":\"b\"}}}]}",
            i ? "Mutating" : "Validating");
        mutate_each("a webhook configuration", json_build(arena, configuration, &error), run_configuration, &options);
    }
}

void mutate_api(void)
{
    ARENA_SCOPED arena = arena_new(MEMORY);
    api.status = 200;
    api_open();
    mutate_client(arena);
    mutate_certificates(arena);
    kube_close(api.client);
    http_stop(api.server, 0);
    close(api.kubeconfig.fd);
}
