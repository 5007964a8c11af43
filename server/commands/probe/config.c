#include "commands/probe/probe.h"

#include "backstop/kube.h"
#include "commands/facts_open.h"

static struct json_object *webhook_for(struct json_object *configuration, struct str path)
{
    struct json_object *webhooks = json_get(configuration, "webhooks");
    for (size_t i = 0; i < json_len(webhooks); i++) {
        struct json_object *client = json_get(json_item(webhooks, i), "clientConfig");
        if (str_eq(json_path_str(client, "service.path"), path))
            return client;
    }
    return NULL;
}

static bool probe_config_fill_target(struct arena *arena, struct json_object *client, struct str name,
                                     struct probe_target *target, struct error *error)
{
    struct json_object *service = json_get(client, "service"), *port = json_get(service, "port");
    struct str bundle = json_get_str(client, "caBundle");
    if (!client)
        return error_set(error, 0, "ValidatingWebhookConfiguration %.*s calls no Service at %.*s", STR_ARG(name),
                         STR_ARG(target->path));
    target->ca = base64_decode(arena, bundle);
    if (!target->ca.len)
        return error_set(error, 0,
                         "ValidatingWebhookConfiguration %.*s: its caBundle is %s, so kube-apiserver cannot trust the "
                         "webhook",
                         STR_ARG(name), bundle.len ? "not base64" : "empty");
    int64_t number = json_object_is_type(port, json_type_int) ? json_object_get_int64(port) : 443;
    if (!target->server_name.len)
        target->server_name = arena_printf(arena, "%.*s.%.*s.svc", STR_ARG(json_get_str(service, "name")),
                                           STR_ARG(json_get_str(service, "namespace")));
    if (!target->port.len)
        target->port = arena_printf(arena, "%lld", (long long)number);
    return true;
}

/* It serves no Management, in whatever version: most likely not the cluster that was meant. */
static bool lacks_k0rdent(struct kube_client *client)
{
    static const char *const versions[] = {"v1beta1", "v1alpha1", NULL};
    const char *version;
    struct error error;
    return !kube_served_version(client, STR("k0rdent.mirantis.com"), STR("managements"), versions, &version, &error) &&
           error.code == 404;
}

bool probe_from_configuration(struct arena *arena, const struct connection *connection, struct str name,
                              struct probe_target *target, struct error *error)
{
    struct kube_options wanted = connection_access(connection);
    if (!wanted.timeout_seconds)
        wanted.timeout_seconds = (unsigned)target->timeout;
    const struct kube_resource resource = {.group = STR("admissionregistration.k8s.io"),
                                           .version = STR("v1"),
                                           .plural = STR("validatingwebhookconfigurations"),
                                           .kind = STR("ValidatingWebhookConfiguration")};
    struct json_object *configuration = NULL;
    struct kube_client *client = kube_open(&wanted, error);
    if (!client)
        return false;
    bool got = kube_get(client, arena, &resource, (struct str){NULL, 0}, name, &configuration, error);
    if (!got && error->code == 404 && lacks_k0rdent(client))
        error_set(error, 404, NO_K0RDENT, STR_ARG(str_from(kube_server(client))));
    else if (!got)
        error_wrap(error, "%s", kube_server(client));
    kube_close(client);
    return got && probe_config_fill_target(arena, webhook_for(configuration, target->path), name, target, error);
}
