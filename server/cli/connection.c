/* The options of every command that talks to a cluster. */
#include "backstop/cli.h"

#define AT(member) offsetof(struct connection, member)
const struct option connection_options[] = {
    {"kubeconfig", 0, OPTION_TEXT, "FILE", "kubeconfig file (default: $KUBECONFIG, in-cluster, ~/.kube/config)",
     AT(kubeconfig)},
    {"context", 0, OPTION_TEXT, "NAME", "kubeconfig context (default: current-context)", AT(context)},
    {"cluster", 0, OPTION_TEXT, "NAME", "kubeconfig cluster (default: the context's)", AT(cluster)},
    {"user", 0, OPTION_TEXT, "NAME", "kubeconfig user (default: the context's)", AT(user)},
    {"server", 's', OPTION_TEXT, "URL", "API server (default: the cluster's)", AT(server)},
    {"certificate-authority", 0, OPTION_TEXT, "FILE", "trusted CAs in PEM (default: the cluster's)",
     AT(certificate_authority)},
    {"insecure-skip-tls-verify", 0, OPTION_FLAG, NULL, "do not verify the API server's certificate", AT(insecure)},
    {"tls-server-name", 0, OPTION_TEXT, "NAME", "server name to verify its certificate against", AT(tls_server_name)},
    {"token", 0, OPTION_TEXT, "TOKEN", "bearer token (default: the user's)", AT(token)},
    {"client-certificate", 0, OPTION_TEXT, "FILE", "client certificate in PEM (default: the user's)",
     AT(client_certificate)},
    {"client-key", 0, OPTION_TEXT, "FILE", "key of the client certificate in PEM", AT(client_key)},
    {"as", 0, OPTION_TEXT, "NAME", "impersonate this user", AT(as)},
    {"as-group", 0, OPTION_LIST, "NAME", "impersonate this group (repeatable)", AT(as_groups)},
    {"as-uid", 0, OPTION_TEXT, "UID", "impersonate this UID", AT(as_uid)},
    {"request-timeout", 0, OPTION_DURATION, "DURATION", "timeout of one request (default: 10s)", AT(request_timeout)},
};
const size_t connection_option_count = LENGTH_OF(connection_options);

bool connection_given(const struct connection *connection)
{
    return connection->kubeconfig || connection->context || connection->cluster || connection->user ||
           connection->server || connection->token || connection->as;
}

struct kube_options connection_access(const struct connection *connection)
{
    return (struct kube_options){.kubeconfig = connection->kubeconfig,
                                 .context = connection->context,
                                 .cluster = connection->cluster,
                                 .user = connection->user,
                                 .server = connection->server,
                                 .tls_server_name = connection->tls_server_name,
                                 .certificate_authority = connection->certificate_authority,
                                 .insecure = connection->insecure,
                                 .token = connection->token,
                                 .client_certificate = connection->client_certificate,
                                 .client_key = connection->client_key,
                                 .as = connection->as,
                                 .as_uid = connection->as_uid,
                                 .as_groups = (const char *const *)connection->as_groups.items,
                                 .as_group_count = connection->as_groups.len,
                                 .user_agent = "backstop/" BACKSTOP_VERSION,
                                 .timeout_seconds = (unsigned)connection->request_timeout};
}
