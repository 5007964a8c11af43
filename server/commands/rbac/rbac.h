/* rbac: the permissions that the webhook needs. */
#ifndef BACKSTOP_COMMANDS_RBAC_RBAC_H
#define BACKSTOP_COMMANDS_RBAC_RBAC_H

#include "backstop/settings.h"

/* The roles and their bindings to this service account, as YAML documents. */
void rbac_write(const struct settings *settings, struct str ns, struct str account, struct buf *out);

#endif
