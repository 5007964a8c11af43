/* Webhooks that come with the restore. Velero restores resources in the order of their names after its priorities: webhook
 * configurations come back before most custom resources, and before what serves them runs. Where they fail closed, the
 * API server then refuses what they would judge. The same holds for CRDs that are converted by a webhook. */
#include "backstop/api.h"
#include "backstop/grammar.h"
#include "rehearse/run.h"

#define MUTATING "mutatingwebhookconfigurations.admissionregistration.k8s.io"
#define VALIDATING "validatingwebhookconfigurations.admissionregistration.k8s.io"

static const struct kube_resource endpoint_slices = {.group = STR_INIT("discovery.k8s.io"),
                                                     .version = STR_INIT("v1"),
                                                     .plural = STR_INIT("endpointslices"),
                                                     .kind = STR_INIT("EndpointSlice"),
                                                     .namespaced = true};

static bool slice_is_ready(void *context, struct json_object *slice, struct error *error)
{
    bool *ready = context;
    struct json_object *endpoints = json_get(slice, "endpoints");
    (void)error;
    for (size_t i = 0; i < json_len(endpoints); i++) {
        struct json_object *condition = json_path(json_item(endpoints, i), "conditions.ready");
        *ready = *ready || !condition || json_object_get_boolean(condition);
    }
    return true;
}

/* By the EndpointSlices of the Service. An answer that cannot be had counts as "not running". */
static bool service_ask(struct rehearse_state *run, struct str ns, struct str name)
{
    struct error error;
    bool ready = false;
    ARENA_SCOPED arena = run->client ? arena_new(16 * 1024 * 1024) : NULL;
    if (!arena)
        return false;
    const struct kube_list_options options = {
        .ns = ns, .label_selector = arena_join(arena, STR("kubernetes.io/service-name"), "=", name)};
    return kube_list(run->client, arena, &endpoint_slices, &options, slice_is_ready, &ready, NULL, &error) && ready;
}

static const struct service_state *service_known(const struct rehearse_state *run, struct str ns, struct str name)
{
    for (size_t i = 0; i < run->services.len; i++)
        if (str_eq(run->services.items[i].ns, ns) && str_eq(run->services.items[i].name, name))
            return &run->services.items[i];
    return NULL;
}

/* Whether a Service has an endpoint that is ready. False without a cluster. */
static bool run_service_runs(struct rehearse_state *run, struct str ns, struct str name)
{
    pthread_mutex_lock(&run->lock); /* held while asking: others want the same answer */
    const struct service_state *known = service_known(run, ns, name);
    bool runs = known ? known->runs : service_ask(run, ns, name);
    if (!known && ARENA_ROOM(run->arena, &run->services))
        run->services.items[run->services.len++] =
            (struct service_state){arena_copy(run->arena, ns), arena_copy(run->arena, name), runs};
    pthread_mutex_unlock(&run->lock);
    return runs;
}

/* Only what fails closed and calls a Service that has no endpoint is kept. */
static bool webhook_keep(struct rehearse_state *run, const struct rehearse_item *item, struct json_object *webhook,
                         size_t at)
{
    struct json_object *service = json_path(webhook, "clientConfig.service");
    struct str ns = json_get_str(service, "namespace"), name = json_get_str(service, "name");
    if (str_is(json_get_str(webhook, "failurePolicy"), "Ignore") || !service || run_service_runs(run, ns, name))
        return true;
    struct json_object *copy = json_own(run->arena, json_copy(webhook));
    if (!copy || !ARENA_ROOM(run->arena, &run->webhooks))
        return false;
    run->webhooks.items[run->webhooks.len++] = (struct dead_webhook){.webhook = copy,
                                                                     .item = item,
                                                                     .name = json_get_str(copy, "name"),
                                                                     .service = arena_join(run->arena, ns, "/", name),
                                                                     .at = at};
    return !arena_failed(run->arena);
}

bool run_is_webhooks(const struct rehearse_item *item)
{
    return str_is(item->resource->name, MUTATING) || str_is(item->resource->name, VALIDATING);
}

/* A configuration that exists already is called by the API server itself in each dry run. */
bool run_find_webhooks(struct rehearse_state *run, struct error *error)
{
    for (size_t i = 0; i < run->plan->count; i++) {
        const struct rehearse_item *item = run->plan->items[i];
        if (!run_is_webhooks(item) || item->exists == REHEARSE_EXISTS)
            continue;
        ARENA_SCOPED arena = arena_new(64 * 1024 * 1024);
        struct json_object *tree = arena ? rehearse_item_read(run->contents, item, arena, error) : NULL;
        struct json_object *webhooks = json_get(tree, "webhooks");
        for (size_t w = 0; w < json_len(webhooks); w++)
            if (!webhook_keep(run, item, json_item(webhooks, w), i))
                return error_set(error, 500, "out of memory");
    }
    return true;
}

/* "*" is any; "*" with a slash stands for subresources too, which no restore writes. */
static bool rule_lists(struct json_object *list, struct str value)
{
    for (size_t i = 0; i < json_len(list); i++) {
        struct str item = json_str(json_item(list, i));
        if (str_is(item, "*") || str_is(item, "*/*") || str_eq(item, value))
            return true;
    }
    return false;
}

/* With matchPolicy Equivalent, the default, the version does not matter. */
static bool rule_takes(const struct dead_webhook *dead, struct json_object *rule, const struct rehearse_kind *kind,
                       struct str version)
{
    bool equivalent = !str_is(json_get_str(dead->webhook, "matchPolicy"), "Exact");
    struct str scope = json_get_str(rule, "scope");
    return rule_lists(json_get(rule, "operations"), STR("CREATE")) &&
           rule_lists(json_get(rule, "apiGroups"), kind->group) &&
           rule_lists(json_get(rule, "resources"), kind->plural) &&
           (equivalent || rule_lists(json_get(rule, "apiVersions"), version)) &&
           (scope.len == 0 || str_is(scope, "*") || str_is(scope, kind->namespaced ? "Namespaced" : "Cluster"));
}

/* The labels of the namespace as the backup has it; the API server adds its name. */
static struct json_object *namespace_labels(struct rehearse_state *run, const struct rehearse_item *item,
                                            struct arena *arena)
{
    struct error ignored;
    struct rehearse_resource *namespaces = rehearse_contents_resource(run->contents, STR("namespaces"));
    const struct rehearse_item *ns = rehearse_resource_item(namespaces, STR(""), item->ns);
    struct json_object *tree = ns ? rehearse_item_read(run->contents, ns, arena, &ignored) : NULL;
    struct json_object *labels = json_path(tree, "metadata.labels");
    labels = labels ? labels : json_own(arena, json_object_new_object());
    json_put_text(labels, "kubernetes.io/metadata.name", item->target_ns);
    return labels;
}

static bool webhook_takes(struct rehearse_state *run, const struct dead_webhook *dead, const struct rehearse_item *item,
                          const struct rehearse_kind *kind, struct json_object *object, struct arena *arena)
{
    struct json_object *rules = json_get(dead->webhook, "rules");
    struct str version;
    bool taken = false;
    api_version_group(json_get_str(object, "apiVersion"), &version);
    for (size_t i = 0; i < json_len(rules) && !taken; i++)
        taken = rule_takes(dead, json_item(rules, i), kind, version);
    if (!taken || !selector_matches(json_get(dead->webhook, "objectSelector"), json_path(object, "metadata.labels")))
        return false;
    return item->target_ns.len == 0 ||
           selector_matches(json_get(dead->webhook, "namespaceSelector"), namespace_labels(run, item, arena));
}

void run_webhook_cause(struct rehearse_state *run, struct rehearse_item *item, const struct dead_webhook *dead)
{
    run_cause(run, item, dead->item->resource->name,
              "webhook %.*s is restored before them, and its service %.*s is not running", STR_ARG(dead->name),
              STR_ARG(dead->service));
    pthread_mutex_lock(&run->lock);
    item->webhook = arena_printf(run->arena, "%.*s (%.*s)", STR_ARG(dead->name), STR_ARG(dead->service));
    pthread_mutex_unlock(&run->lock);
}

/* `at`: the place of the object in the plan; only what is restored before it can refuse it. */
bool run_meets_webhook(struct rehearse_state *run, struct rehearse_item *item, size_t at,
                       const struct rehearse_kind *kind, struct json_object *object)
{
    ARENA_SCOPED arena = run->webhooks.len ? arena_new(64 * 1024 * 1024) : NULL;
    for (size_t i = 0; arena && i < run->webhooks.len; i++) {
        const struct dead_webhook *dead = &run->webhooks.items[i];
        if (dead->at >= at || dead->item->outcome == REHEARSE_REFUSED ||
            !webhook_takes(run, dead, item, kind, object, arena))
            continue;
        bool sure = json_len(json_get(dead->webhook, "matchConditions")) == 0;
        run_outcome(run, item, sure ? REHEARSE_REFUSED : REHEARSE_UNKNOWN, REHEARSE_BY_WEBHOOK,
                    "webhook %.*s of %.*s is restored before it, fails closed, and its service %.*s is not running%s",
                    STR_ARG(dead->name), STR_ARG(dead->item->name), STR_ARG(dead->service),
                    sure ? "" : "; its matchConditions were not evaluated");
        run_webhook_cause(run, item, dead);
        return true;
    }
    return false;
}

/* The API server names the webhook in its message: in a drill that tells whose refusal it was. */
const struct dead_webhook *run_webhook_called(const struct rehearse_state *run, struct str message)
{
    struct str mark = STR("failed calling webhook \"");
    for (size_t at = 0; at + mark.len < message.len; at++) {
        struct str rest = str_slice(message, at, message.len), name;
        if (!str_starts(rest, mark))
            continue;
        rest = str_slice(rest, mark.len, rest.len);
        str_cut(&rest, '"', &name);
        for (size_t i = 0; i < run->webhooks.len; i++)
            if (str_eq(run->webhooks.items[i].name, name) && run->webhooks.items[i].item->outcome == REHEARSE_CREATED)
                return &run->webhooks.items[i];
    }
    return NULL;
}

/* Objects of the stored version need no conversion. */
bool run_meets_conversion(struct rehearse_state *run, struct rehearse_item *item, struct json_object *crd,
                          struct str version)
{
    struct json_object *versions = json_path(crd, "spec.versions");
    struct json_object *service = json_path(crd, "spec.conversion.webhook.clientConfig.service");
    struct str ns = json_get_str(service, "namespace"), name = json_get_str(service, "name"), stored = STR("");
    for (size_t i = 0; i < json_len(versions); i++)
        if (json_get_bool(json_item(versions, i), "storage"))
            stored = json_get_str(json_item(versions, i), "name");
    if (!str_is(json_path_str(crd, "spec.conversion.strategy"), "Webhook") || !service || str_eq(stored, version) ||
        run_service_runs(run, ns, name))
        return false;
    run_outcome(run, item, REHEARSE_REFUSED, REHEARSE_BY_WEBHOOK,
                "its CRD stores %.*s and converts %.*s by a webhook, whose service %.*s/%.*s is not running",
                STR_ARG(stored), STR_ARG(version), STR_ARG(ns), STR_ARG(name));
    run_cause(run, item, item->resource->name,
              "their CRD converts %.*s to %.*s by a webhook, whose service %.*s/%.*s is not running", STR_ARG(version),
              STR_ARG(stored), STR_ARG(ns), STR_ARG(name));
    return true;
}
