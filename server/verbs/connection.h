/* Which cluster a verb asks, in kubectl's words. */
#ifndef BACKSTOP_VERBS_CONNECTION_H
#define BACKSTOP_VERBS_CONNECTION_H

#include "backstop/kube.h"
#include "verbs.h"

/* Part of a verb's options; the verb's `connection` says where. Its rows are shared:
 * connection_options. */
struct connection {
    const char *kubeconfig, *context, *cluster, *user, *server, *tls_server_name, *certificate_authority, *token,
        *client_certificate, *client_key, *as, *as_uid;
    struct option_list as_groups;
    bool insecure;
    int64_t request_timeout; /* seconds; 0: the default */
};
extern const struct option connection_options[];
extern const size_t connection_option_count;

/* A cluster was named, on the command line or in the environment of backstop itself. */
bool connection_given(const struct connection *connection);
/* What kube_open takes; borrows the texts. */
struct kube_options connection_access(const struct connection *connection);

#endif
