/* What is installed of Velero: which fields its release and its CRDs know, and its plugins. */
#ifndef BACKSTOP_POLICY_VELERO_INSTALLED_H
#define BACKSTOP_POLICY_VELERO_INSTALLED_H

#include "backstop/policy.h"

/* Warns of fields of a Restore, Backup, Schedule or BackupStorageLocation that the Velero which
 * runs does not read, and of those that kubectl applied and the API server dropped, since the
 * CRD is older than the field. */
void velero_warn_fields(const struct request *request, const struct inventory *inventory,
                        const struct settings *settings, struct decision *decision);
/* Warns, once, where policy_velero_can_start says no. */
void velero_warn_cannot_start(const struct inventory *inventory, const struct settings *settings,
                              struct decision *decision);
/* Warns when no init container of Velero's Deployment in that namespace looks like the
 * provider's plugin. Says nothing where the Deployment or the provider is not known. */
void velero_warn_plugin(const struct inventory *inventory, struct str ns, const char *field, struct str provider,
                        struct decision *decision);

/* Warns of file-system backup and data movement (`spec` is a BackupSpec at the path `at`) without a
 * node agent in that namespace; where DaemonSets are not known, by what k0rdent was told to install,
 * which leaves it out otherwise. */
void velero_warn_node_agent(const struct inventory *inventory, struct str ns, const char *at, struct json_object *spec,
                            struct decision *decision);
/* Warns of config.credentialsFile, which Velero 1.19 does not read any more. */
void velero_warn_credentials_file(const struct inventory *inventory, const struct settings *settings,
                                  struct json_object *config, struct decision *decision);

#endif
