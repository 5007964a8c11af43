/* caBundle of the webhooks that call our Service. Written as a guarded JSON patch under our
 * field manager, which then owns caBundle and nothing else. Server-side apply would own the
 * list item too: a GitOps tool could then no longer take a webhook out, for what is left of
 * it (name and caBundle) is no valid webhook. */
#include "backstop/telemetry.h"
#include "certificates/certificates.h"

static const struct kube_resource configurations[] = {
    {STR_INIT("admissionregistration.k8s.io"), STR_INIT("v1"), STR_INIT("mutatingwebhookconfigurations"),
     STR_INIT("MutatingWebhookConfiguration"), false},
    {STR_INIT("admissionregistration.k8s.io"), STR_INIT("v1"), STR_INIT("validatingwebhookconfigurations"),
     STR_INIT("ValidatingWebhookConfiguration"), false},
};

static bool bundle_webhook_is_ours(const struct certificates_options *options, struct json_object *webhook)
{
    struct json_object *service = json_path(webhook, "clientConfig.service");
    return str_is(json_get_str(service, "name"), options->service) &&
           str_is(json_get_str(service, "namespace"), options->ns);
}

/* Whether the webhook trusts all of the bundle, and nothing else where that counts. */
static bool is_current(struct arena *arena, struct announcement *announcement, struct json_object *webhook, int64_t now)
{
    struct str current = base64_decode(arena, json_path_str(webhook, "clientConfig.caBundle"));
    if (!current.len || !pki_bundle_has(current, announcement->ca))
        return false;
    struct str alone = pki_bundle_join(arena, current, STR(""), now);
    if (!str_eq(alone, pki_bundle_join(arena, current, announcement->bundle, now)))
        return false;
    bool extra = !str_eq(announcement->bundle, pki_bundle_join(arena, announcement->bundle, current, now));
    announcement->extra |= extra;
    return !extra || !announcement->prune;
}

static void add_operation(struct json_object *patch, const char *operation, struct str path, struct str value)
{
    struct json_object *step = json_object_new_object();
    json_put_text(step, "op", str_from(operation));
    json_put_text(step, "path", path);
    json_put_text(step, "value", value);
    json_append(patch, step);
}

static bool announce_in(struct arena *arena, const struct certificates_options *options,
                        const struct kube_resource *resource, struct announcement *announcement, int64_t now,
                        struct error *error)
{
    struct json_object *configuration = NULL;
    struct str name = str_from(options->configurations);
    if (!kube_get(options->kube, arena, resource, STR(""), name, &configuration, error))
        return error->code == 404;
    struct json_object *webhooks = json_get(configuration, "webhooks"),
                       *patch = json_own(arena, json_object_new_array());
    struct str encoded = base64_encode(arena, announcement->bundle);
    for (size_t i = 0; patch && i < json_len(webhooks); i++) {
        struct json_object *webhook = json_item(webhooks, i);
        if (!bundle_webhook_is_ours(options, webhook))
            continue;
        announcement->webhooks++;
        struct str current = base64_decode(arena, json_path_str(webhook, "clientConfig.caBundle"));
        announcement->found = pki_bundle_join(arena, announcement->found, current, now);
        if (is_current(arena, announcement, webhook, now))
            continue;
        add_operation(patch, "test", arena_printf(arena, "/webhooks/%zu/name", i), json_get_str(webhook, "name"));
        add_operation(patch, "add", arena_printf(arena, "/webhooks/%zu/clientConfig/caBundle", i), encoded);
    }
    if (arena_failed(arena) || !patch || (!encoded.len && !announcement->look_only))
        return error_set(error, 500, "out of memory");
    announcement->lacking |= json_len(patch) > 0;
    if (!json_len(patch) || announcement->look_only)
        return true;
    bool written = kube_patch(options->kube, arena, resource, STR(""), name, patch, STR("backstop"), NULL, error);
    metric_add(METRIC_CA_BUNDLE_WRITES, 1, written ? "ok" : "failed");
    announcement->wrote = true;
    if (written)
        log_line(LOG_INFO, "caBundle written", LOG_TEXT("configuration", name), LOG_TEXT("kind", resource->plural),
                 LOG_INTEGER("webhooks", (int64_t)json_len(patch) / 2));
    return written;
}

bool announce(struct arena *arena, const struct certificates_options *options, struct announcement *announcement,
              int64_t now, struct error *error)
{
    bool fine = true;
    struct error other;
    for (size_t i = 0; i < LENGTH_OF(configurations); i++)
        fine &= announce_in(arena, options, &configurations[i], announcement, now, fine ? error : &other);
    return fine;
}
