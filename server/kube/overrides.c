/* What kubectl's flags put over a kubeconfig. Mirrors client-go's
 * tools/clientcmd/client_config.go getCluster and getAuthInfo. */
#include "kube/kube.h"

static void override_text(struct arena *arena, const char *given, struct str *text)
{
    if (given)
        *text = arena_copy(arena, str_from(given));
}

/* As client-go's rest.DefaultServerURL: without a scheme it is https where something of TLS is configured. */
static struct str with_scheme(struct arena *arena, const struct kube_config *config)
{
    bool tls = config->insecure || config->ca_file.len || config->ca_data.len || config->client_cert_file.len ||
               config->client_cert_data.len;
    struct str server = config->server;
    while (server.len && server.ptr[server.len - 1] == '/')
        server.len--;
    if (server.len == 0)
        return server;
    return str_contains(server, STR("://")) ? arena_copy(arena, server)
                                            : arena_printf(arena, "%s://%.*s", tls ? "https" : "http", STR_ARG(server));
}

static void override_cluster(struct arena *arena, const struct kube_options *options, struct kube_config *config)
{
    if (options->insecure || options->certificate_authority) {
        config->insecure = options->insecure;
        config->ca_file = config->ca_data = (struct str){NULL, 0};
        override_text(arena, options->certificate_authority, &config->ca_file);
    }
    if (options->server || options->tls_server_name) {
        config->tls_server_name = (struct str){NULL, 0};
        override_text(arena, options->tls_server_name, &config->tls_server_name);
    }
    override_text(arena, options->server, &config->server);
}

/* A credential on the command line is the one that is meant: none that a program or a
 * file gives may come before it. */
static void override_user(struct arena *arena, const struct kube_options *options, struct kube_config *config)
{
    if (options->token || options->client_certificate) {
        config->exec = NULL;
        config->token = config->token_file = config->username = config->password = (struct str){NULL, 0};
    }
    override_text(arena, options->token, &config->token);
    if (options->client_certificate)
        config->client_cert_data = (struct str){NULL, 0};
    if (options->client_key)
        config->client_key_data = (struct str){NULL, 0};
    override_text(arena, options->client_certificate, &config->client_cert_file);
    override_text(arena, options->client_key, &config->client_key_file);
}

static bool is_encrypted(struct str server)
{
    return str_eq_nocase(str_slice(server, 0, 8), STR("https://"));
}

/* As client-go (clientcmd's ClientConfig asks rest.IsConfigTransportTLS): who the user is goes to an
 * https server only, so that `kubectl proxy`, which is http, is asked without. A token on the command
 * line was meant to be sent. */
static bool config_keep_secrets(const struct kube_options *options, struct kube_config *config, struct error *error)
{
    const struct str none = {NULL, 0};
    if (config->server.len == 0 || is_encrypted(config->server))
        return true;
    if (options->token)
        return error_set(error, 0, "%.*s is not https, so the token was not sent: use an https:// server",
                         STR_ARG(config->server));
    config->exec = NULL;
    config->token = config->token_file = config->username = config->password = none;
    config->client_cert_file = config->client_cert_data = config->client_key_file = config->client_key_data = none;
    return true;
}

bool kube_config_override(struct arena *arena, const struct kube_options *options, struct kube_config *config,
                          struct error *error)
{
    override_cluster(arena, options, config);
    override_user(arena, options, config);
    override_text(arena, options->as, &config->as);
    override_text(arena, options->as_uid, &config->as_uid);
    if (options->as_group_count)
        config->as_groups = (struct strlist){0};
    for (size_t i = 0; i < options->as_group_count; i++)
        strlist_add(arena, &config->as_groups, arena_copy(arena, str_from(options->as_groups[i])));
    config->server = with_scheme(arena, config);
    return config_keep_secrets(options, config, error);
}
