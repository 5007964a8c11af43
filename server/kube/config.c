#include <stdlib.h>
#include <unistd.h>

#include "kube/kube.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
enum { NAMESPACE_BYTES_MAX = 1024 };

/* As client-go's rest.InClusterConfig: two variables and the mounted files. */
bool kube_config_in_cluster(struct arena *arena, struct kube_config *config, struct error *error)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written */
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (!host || !*host || !port || !*port)
        return error_set(error, 0, "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
    if (access(SERVICE_ACCOUNT "token", R_OK) != 0)
        return error_set(error, 0, "cannot read the ServiceAccount token %stoken", SERVICE_ACCOUNT);
    bool ipv6 = str_contains(str_from(host), STR(":"));
    config->server = arena_printf(arena, "https://%s%s%s:%s", ipv6 ? "[" : "", host, ipv6 ? "]" : "", port);
    config->ca_file = STR(SERVICE_ACCOUNT "ca.crt");
    config->token_file = STR(SERVICE_ACCOUNT "token");
    struct error ignored;
    struct str ns;
    if (file_read(arena, SERVICE_ACCOUNT "namespace", NAMESPACE_BYTES_MAX, &ns, &ignored))
        config->ns = str_trim(ns);
    return config->server.ptr ? true : error_set(error, 500, "out of memory");
}

/* The flag, or $KUBECONFIG; NULL when neither names a file. */
static const char *named_paths(const char *kubeconfig)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written */
    const char *listed = getenv("KUBECONFIG");
    if (kubeconfig && *kubeconfig)
        return kubeconfig;
    return listed && *listed ? listed : NULL;
}

/* ~/.kube/config; NULL when it cannot be read. */
static const char *home_path(struct arena *arena)
{
    const char *home = getenv("HOME"); /* NOLINT(concurrency-mt-unsafe): the environment is never written */
    struct str path = arena_printf(arena, "%s/.kube/config", home ? home : "");
    return path.ptr && access(path.ptr, R_OK) == 0 ? path.ptr : NULL;
}

/* kubectl's order: the flag, $KUBECONFIG, then (ours) in-cluster, then ~/.kube/config. Who
 * names something of a kubeconfig, or a server, does not mean the cluster around the pod. */
bool kube_config_load(struct arena *arena, const struct kube_options *options, struct kube_config *config,
                      struct error *error)
{
    const char *paths = named_paths(options->kubeconfig);
    bool elsewhere = options->context || options->cluster || options->user || options->server;
    if (!paths && !elsewhere && kube_config_in_cluster(arena, config, error))
        return kube_config_override(arena, options, config, error);
    if (!paths)
        paths = home_path(arena);
    if (!paths && elsewhere && !options->server)
        return error_set(error, 0, "no kubeconfig: pass --kubeconfig, set KUBECONFIG, or create ~/.kube/config");
    if (!paths && !elsewhere)
        return error_wrap(error, "no kubeconfig (--kubeconfig, KUBECONFIG or ~/.kube/config) and");
    return kube_config_from_kubeconfig(arena, paths ? paths : "", options, config, error);
}

void kube_config_names(struct arena *arena, const char *kubeconfig, const char *list, struct strlist *names)
{
    const char *paths = named_paths(kubeconfig);
    if (!paths)
        paths = home_path(arena);
    if (paths)
        kube_config_list(arena, paths, list, names);
}
