/* From fail-open, as installed, to fail-closed, once the API server itself has been seen to call
 * the webhook.
 *
 * A webhook that fails closed and cannot be called blocks every request that it covers, so it is
 * installed fail-open. The proof is a dry run that only this webhook refuses: when the API
 * server passes the refusal on, it can call us. */
#include "backstop/api.h"
#include "backstop/telemetry.h"
#include "certificates/certificates.h"

/* robfig/cron takes the days 0 to 6, so no version of backstop admits it; nor is it anything a CRD's schema refuses. */
#define PROOF_SCHEDULE "0 9 * * 7"
#define PROOF_WEBHOOK "managementbackups.backstop.k0rdent.mirantis.com"
/* How the API server begins the message of what a webhook of ours has denied. */
#define PROOF_FAILED "failed calling webhook \"" PROOF_WEBHOOK "\""
#define PROOF_DENIED "admission webhook \"" PROOF_WEBHOOK "\" denied the request"

/* "managements,releases" has "releases"; spaces around a name are fine. */
static bool enforce_names(struct str list, struct str wanted)
{
    struct str name;
    while (str_cut(&list, ',', &name))
        if (str_eq(str_trim(name), wanted))
            return true;
    return false;
}

/* One that the annotation names and that is still fail-open. Webhooks without the annotation
 * stay as they are. */
bool enforce_is_open(struct json_object *configuration, struct json_object *webhook)
{
    struct str name = json_get_str(webhook, "name"), label = {NULL, 0};
    struct json_object *annotations = json_path(configuration, "metadata.annotations");
    return str_is(json_get_str(webhook, "failurePolicy"), "Ignore") && str_cut(&name, '.', &label) && label.len &&
           enforce_names(json_get_str(annotations, ANNOTATION_FAIL_CLOSED), label);
}

/* ---- the proof ---------------------------------------------------------------------- */

/* `absent`: k0rdent is not installed, so there is nothing to prove by, and nothing to guard yet. */
static enum webhook_calls enforce_prove(struct arena *arena, struct kube_client *kube, bool *absent,
                                        struct error *error)
{
    struct kube_resource resource = {
        .group = STR(GROUP_K0RDENT), .plural = STR("managementbackups"), .kind = STR("ManagementBackup")};
    const char *version = NULL;
    if (!kube_served_version(kube, resource.group, resource.plural, versions_of_k0rdent, &version, error)) {
        *absent = error->code == 404;
        if (*absent)
            error_set(error, 404, "k0rdent's ManagementBackups are not installed here");
        return WEBHOOK_UNKNOWN;
    }
    resource.version = str_from(version);
    struct json_object *object =
        json_build(arena,
                   arena_printf(arena,
                                "{\"apiVersion\":\"" GROUP_K0RDENT "/%s\",\"kind\":\"ManagementBackup\","
                                "\"metadata\":{\"name\":\"" WEBHOOK_PROOF_NAME "\"},"
                                "\"spec\":{\"schedule\":\"" PROOF_SCHEDULE "\"}}",
                                version),
                   error);
    if (!object) {
        error_set(error, 500, "out of memory");
        return WEBHOOK_UNKNOWN;
    }
    if (kube_create_dry_run(kube, arena, &resource, STR(""), object, error)) {
        error_set(
            error, 0,
            "the API server admitted an invalid schedule, so it could not call the webhook. Check that the webhook "
            "configurations exist, their selectors, and the network from the API server to port 443 of the Service");
        return WEBHOOK_NOT_CALLED;
    }
    struct str why = str_from(error->message);
    return str_contains(why, STR(PROOF_DENIED))   ? WEBHOOK_CALLED
           : str_contains(why, STR(PROOF_FAILED)) ? WEBHOOK_NOT_CALLED
                                                  : WEBHOOK_UNKNOWN;
}

enum webhook_calls webhooks_called(struct kube_client *kube, struct error *error)
{
    ARENA_SCOPED arena = arena_new(CERTIFICATES_MEMORY);
    bool absent = false;
    if (arena)
        return enforce_prove(arena, kube, &absent, error);
    error_set(error, 500, "out of memory");
    return WEBHOOK_UNKNOWN;
}

/* ---- the change --------------------------------------------------------------------- */

static void enforce_add(struct json_object *patch, const char *operation, struct str path, struct str value)
{
    struct json_object *step = json_object_new_object();
    json_put_text(step, "op", str_from(operation));
    json_put_text(step, "path", path);
    json_put_text(step, "value", value);
    json_append(patch, step);
}

/* Its Service and its CA are those that the proof is about. */
static struct json_object *enforce_proven_webhook(struct json_object *const *configurations)
{
    for (size_t i = 0; i < KUBE_WEBHOOK_CONFIGURATIONS; i++) {
        struct json_object *webhooks = json_get(configurations[i], "webhooks");
        for (size_t j = 0; j < json_len(webhooks); j++)
            if (str_is(json_get_str(json_item(webhooks, j), "name"), PROOF_WEBHOOK))
                return json_item(webhooks, j);
    }
    return NULL;
}

static int64_t enforce_count(struct json_object *deployment, const char *path)
{
    return json_object_get_int64(json_path(deployment, path));
}

/* One that was told to stop goes on answering what comes by connections that are open (lame duck). */
static bool enforce_visit_pod(void *context, struct json_object *pod, struct error *error)
{
    struct arena *arena = context;
    return !json_path_str(pod, "metadata.deletionTimestamp").len ||
           error_set(error, 0, "pod %.*s is still terminating",
                     STR_ARG(arena_quote(arena, json_path_str(pod, "metadata.name"))));
}

/* The pods themselves, since only Kubernetes 1.35 counts those that terminate in a Deployment's status, and EndpointSlices
 * are written later than that status: for a moment they show an old pod as ready that is gone from it. The status is read
 * first, so whatever it no longer counts has its deletionTimestamp here. */
static bool enforce_no_pod_ends(struct arena *arena, struct kube_client *kube, struct str ns,
                                struct json_object *deployment, struct error *error)
{
    const struct kube_resource pods = {
        .version = STR("v1"), .plural = STR("pods"), .kind = STR("Pod"), .namespaced = true};
    struct kube_list_options ours = {.ns = ns, .metadata_only = true};
    json_foreach(json_path(deployment, "spec.selector.matchLabels"), key, value) ours.label_selector =
        arena_printf(arena, "%.*s%s%s=%.*s", STR_ARG(ours.label_selector), ours.label_selector.len ? "," : "", key,
                     STR_ARG(json_str(value)));
    return !ours.label_selector.len || kube_list(kube, arena, &pods, &ours, enforce_visit_pod, arena, NULL, error);
}

/* Whether pods of another version may still answer: they do not know the paths of webhooks that are new. By the status of
 * the Deployment that is called like the Service, as `kubectl rollout status` reads it, and by its pods. */
static bool enforce_is_rolled_out(struct arena *arena, struct kube_client *kube, struct json_object *webhook,
                                  struct error *error)
{
    struct kube_resource resource = {.group = STR("apps"),
                                     .version = STR("v1"),
                                     .plural = STR("deployments"),
                                     .kind = STR("Deployment"),
                                     .namespaced = true};
    struct str ns = json_path_str(webhook, "clientConfig.service.namespace"),
               name = json_path_str(webhook, "clientConfig.service.name");
    struct json_object *deployment = NULL;
    if (name.len && !kube_get(kube, arena, &resource, ns, name, &deployment, error) && error->code != 404)
        return false;
    int64_t observed = enforce_count(deployment, "status.observedGeneration"),
            pods = enforce_count(deployment, "status.replicas"),
            updated = enforce_count(deployment, "status.updatedReplicas");
    if (observed && (observed < enforce_count(deployment, "metadata.generation") || updated < pods))
        return error_set(error, 0, "Deployment %.*s is being rolled out: %lld of its %lld pods are of its last version",
                         STR_ARG(name), (long long)updated, (long long)pods);
    return enforce_no_pod_ends(arena, kube, ns, deployment, error);
}

/* Guarded, so that a configuration that has changed meanwhile is read anew instead. A webhook with another CA stays open:
 * one that an upgrade has added has none until it is written, and every request to it would be refused. */
static bool enforce_close(struct arena *arena, struct kube_client *kube, const struct kube_resource *resource,
                          struct json_object *configuration, struct str proven, struct enforcement *done,
                          struct error *error)
{
    struct json_object *webhooks = json_get(configuration, "webhooks"),
                       *patch = json_own(arena, json_object_new_array());
    struct str name = json_path_str(configuration, "metadata.name");
    size_t closed = 0;
    for (size_t i = 0; patch && i < json_len(webhooks); i++) {
        struct json_object *webhook = json_item(webhooks, i);
        if (!enforce_is_open(configuration, webhook) ||
            !str_eq(json_path_str(webhook, "clientConfig.caBundle"), proven))
            continue;
        enforce_add(patch, "test", arena_printf(arena, "/webhooks/%zu/name", i), json_get_str(webhook, "name"));
        enforce_add(patch, "replace", arena_printf(arena, "/webhooks/%zu/failurePolicy", i), STR("Fail"));
        closed++;
    }
    if (arena_failed(arena) || !patch)
        return error_set(error, 500, "out of memory");
    if (!closed)
        return true;
    if (!kube_patch(kube, arena, resource, STR(""), name, patch, STR("backstop"), NULL, error))
        return false;
    done->closed += closed;
    log_line(LOG_INFO, "webhooks fail closed now", LOG_TEXT("configuration", name), LOG_TEXT("kind", resource->plural),
             LOG_INTEGER("webhooks", (int64_t)closed));
    return true;
}

/* Reads both configurations, and is done when none of them has a webhook that is to be closed.
 * False with the reason; it is called again later. */
bool webhooks_enforce(struct kube_client *kube, const char *name, struct enforcement *done, struct error *error)
{
    ARENA_SCOPED arena = arena_new(CERTIFICATES_MEMORY);
    struct json_object *found[KUBE_WEBHOOK_CONFIGURATIONS] = {NULL};
    *done = (struct enforcement){.open = 0};
    if (!arena)
        return error_set(error, 500, "out of memory");
    for (size_t i = 0; i < KUBE_WEBHOOK_CONFIGURATIONS; i++) {
        if (!kube_get(kube, arena, &kube_webhook_configurations[i], STR(""), str_from(name), &found[i], error) &&
            error->code != 404)
            return false;
        struct json_object *webhooks = json_get(found[i], "webhooks");
        for (size_t j = 0; j < json_len(webhooks); j++)
            done->open += enforce_is_open(found[i], json_item(webhooks, j));
    }
    if (!done->open)
        return true;
    struct json_object *proven = enforce_proven_webhook(found);
    if (!enforce_is_rolled_out(arena, kube, proven, error) ||
        enforce_prove(arena, kube, &done->absent, error) != WEBHOOK_CALLED)
        return error_wrap(error, "webhooks do not fail closed yet");
    for (size_t i = 0; i < KUBE_WEBHOOK_CONFIGURATIONS; i++)
        if (found[i] && !enforce_close(arena, kube, &kube_webhook_configurations[i], found[i],
                                       json_path_str(proven, "clientConfig.caBundle"), done, error))
            return error_wrap(error, "cannot set failurePolicy");
    size_t left = done->open - done->closed;
    return left == 0 ||
           error_set(error, 0, "%zu %s not fail closed yet: %s caBundle differs from that of %s", left,
                     left == 1 ? "webhook does" : "webhooks do", left == 1 ? "its" : "their", PROOF_WEBHOOK);
}
