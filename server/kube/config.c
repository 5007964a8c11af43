#include <stdlib.h>
#include <unistd.h>

#include "kube.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
enum { NAMESPACE_BYTES_MAX = 1024 };

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool kube_base64_decode(struct arena *arena, struct str text, struct str *out)
{
    char *bytes = arena_alloc(arena, text.len / 4 * 3 + 4);
    size_t length = 0, digits = 0, padding = 0;
    uint32_t group = 0;
    if (!bytes)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n' || c == '\r')
            continue;
        int value = c == '=' ? 0 : base64_value(c);
        padding += c == '=';
        if (value < 0 || (padding && c != '=') || padding > 2)
            return false;
        group = group << 6 | (uint32_t)value;
        if (++digits % 4 == 0)
            for (int shift = 16; shift >= 0; shift -= 8)
                bytes[length++] = (char)(group >> shift & 0xff);
    }
    if (digits % 4 != 0)
        return false;
    *out = (struct str){bytes, length - padding};
    bytes[out->len] = '\0';
    return true;
}

/* As client-go's rest.InClusterConfig: two variables and the mounted files. */
bool kube_config_in_cluster(struct arena *arena, struct kube_config *config, struct error *error)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written */
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (!host || !*host || !port || !*port)
        return error_set(error, 0, "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
    if (access(SERVICE_ACCOUNT "token", R_OK) != 0)
        return error_set(error, 0, "the ServiceAccount token %stoken cannot be read", SERVICE_ACCOUNT);
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

/* kubectl's order: the flag, $KUBECONFIG, then (ours) in-cluster, then ~/.kube/config. */
bool kube_config_load(struct arena *arena, const struct kube_options *options, struct kube_config *config,
                      struct error *error)
{
    if (options->kubeconfig)
        return kube_config_from_kubeconfig(arena, options->kubeconfig, options->context, config, error);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written */
    const char *listed = getenv("KUBECONFIG"), *home = getenv("HOME");
    if (listed && *listed)
        return kube_config_from_kubeconfig(arena, listed, options->context, config, error);
    if (kube_config_in_cluster(arena, config, error))
        return true;
    struct str path = arena_printf(arena, "%s/.kube/config", home ? home : "");
    if (!path.ptr || access(path.ptr, R_OK) != 0)
        return error_wrap(error, "no kubeconfig (--kubeconfig, KUBECONFIG or ~/.kube/config) and");
    return kube_config_from_kubeconfig(arena, path.ptr, options->context, config, error);
}
