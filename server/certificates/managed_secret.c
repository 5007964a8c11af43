#include "backstop/api.h"
#include "backstop/telemetry.h"
#include "certificates/certificates.h"

/* The Secret all replicas share. Whoever is first creates it; everyone updates with the
 * resourceVersion it read. */

#define OWNER_LABEL "app.kubernetes.io/managed-by"
#define OWNER "backstop"

static const struct kube_resource secrets = {STR_INIT(""), STR_INIT("v1"), STR_INIT("secrets"), STR_INIT("Secret"),
                                             true};

/* Its text in the tree is wiped, for trees are freed without being cleared. */
static struct str take_key(struct arena *arena, struct json_object *data, const char *name)
{
    struct str decoded = base64_decode(arena, json_get_str(data, name));
    json_wipe_text(json_get(data, name));
    return decoded;
}

/* True with `secret` NULL where there is none. A Secret that somebody else made is never
 * touched. */
bool secret_read(struct arena *arena, const struct certificates_options *options, struct content *content,
                 struct error *error)
{
    *content = (struct content){.secret = NULL};
    if (!kube_get(options->kube, arena, &secrets, str_from(options->ns), str_from(options->secret), &content->secret,
                  error)) {
        content->secret = NULL;
        return error->code == 404;
    }
    struct json_object *labels = json_path(content->secret, "metadata.labels"),
                       *data = json_get(content->secret, "data");
    content->ca.key = take_key(arena, data, "ca.key");
    content->serving.key = take_key(arena, data, "tls.key");
    if (!str_is(json_get_str(labels, OWNER_LABEL), OWNER))
        return error_set(error, 0,
                         "Secret %s/%s was not created by backstop (it lacks the label " OWNER_LABEL "=" OWNER
                         "), so it was not changed: delete it, or use another one with --tls-secret",
                         options->ns, options->secret);
    content->ca.certificate = base64_decode(arena, json_get_str(data, "ca.crt"));
    content->previous = base64_decode(arena, json_get_str(data, "previous-ca.crt"));
    content->serving.certificate = base64_decode(arena, json_get_str(data, "tls.crt"));
    return true;
}

/* NULL without memory. */
static struct json_object *secret_new(struct arena *arena, const struct certificates_options *options)
{
    struct json_object *secret = json_own(arena, json_object_new_object()), *metadata, *labels;
    bool good =
        json_put_text(secret, "apiVersion", STR("v1")) && json_put_text(secret, "kind", STR("Secret")) &&
        json_put_text(secret, "type", STR("kubernetes.io/tls")) && json_put_map(secret, "metadata", &metadata) &&
        json_put_text(metadata, "name", str_from(options->secret)) &&
        json_put_text(metadata, "namespace", str_from(options->ns)) && json_put_map(metadata, "labels", &labels) &&
        json_put_text(labels, "app.kubernetes.io/name", STR("backstop")) &&
        json_put_text(labels, OWNER_LABEL, STR(OWNER)) &&
        /* A restored CA would not be the one that caBundle announces. */
        json_put_text(labels, LABEL_EXCLUDE_FROM_BACKUP, STR("true"));
    return good ? secret : NULL;
}

static bool secret_put_data(struct arena *arena, struct json_object *secret, const struct content *content)
{
    const struct {
        const char *name;
        struct str text;
    } rows[] = {
        {"ca.crt", content->ca.certificate},    {"ca.key", content->ca.key},
        {"previous-ca.crt", content->previous}, {"tls.crt", content->serving.certificate},
        {"tls.key", content->serving.key},
    };
    struct json_object *data = json_get(secret, "data");
    bool good = json_object_is_type(data, json_type_object) || json_put_map(secret, "data", &data);
    for (size_t i = 0; good && i < LENGTH_OF(rows); i++) {
        struct str encoded = base64_encode(arena, rows[i].text);
        good = encoded.ptr && json_put_text(data, rows[i].name, encoded);
    }
    return good;
}

bool secret_write(struct arena *arena, const struct certificates_options *options, const struct content *content,
                  struct error *error)
{
    struct json_object *secret = content->secret, *written = NULL;
    bool create = !secret;
    if (create)
        secret = secret_new(arena, options);
    if (!secret || !secret_put_data(arena, secret, content))
        return error_set(error, 500, "out of memory");
    bool done = create ? kube_create(options->kube, arena, &secrets, str_from(options->ns), secret, &written, error)
                       : kube_update(options->kube, arena, &secrets, str_from(options->ns), str_from(options->secret),
                                     secret, &written, error);
    struct json_object *const copies[] = {json_get(secret, "data"), done ? json_get(written, "data") : NULL};
    for (size_t i = 0; i < LENGTH_OF(copies); i++) {
        json_wipe_text(json_get(copies[i], "ca.key"));
        json_wipe_text(json_get(copies[i], "tls.key"));
    }
    return done;
}

/* caBundle of the webhooks that call our Service. Written as a guarded JSON patch under our
 * field manager, which then owns caBundle and nothing else. Server-side apply would own the
 * list item too: a GitOps tool could then no longer take a webhook out, for what is left of
 * it (name and caBundle) is no valid webhook. */

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
        announcement->open += enforce_is_open(configuration, webhook);
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
    for (size_t i = 0; i < KUBE_WEBHOOK_CONFIGURATIONS; i++)
        fine &= announce_in(arena, options, &kube_webhook_configurations[i], announcement, now, fine ? error : &other);
    return fine;
}
