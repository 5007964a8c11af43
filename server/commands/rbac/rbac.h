/* rbac: the permissions that the webhook needs. */
#ifndef BACKSTOP_COMMANDS_RBAC_RBAC_H
#define BACKSTOP_COMMANDS_RBAC_RBAC_H

#include "backstop/settings.h"

/* Who issues the certificates, by the words of the chart's certificates.mode. */
enum rbac_certificates {
    RBAC_MANAGED,     /* the webhook itself: managed */
    RBAC_JOB,         /* a Job with an account of its own: job */
    RBAC_CERTIFICATES /* somebody else: cert-manager, secret */
};
/* The roles and their bindings to this service account, as YAML documents. */
void rbac_write(const struct settings *settings, enum rbac_certificates certificates, struct str ns, struct str account,
                struct buf *out);

#endif
