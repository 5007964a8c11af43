/* Resource policies: the ConfigMaps by which Velero chooses volumes and resources to
 * back up, and since 1.18.3 to restore (internal/resourcepolicies, version v1). */
#ifndef BACKSTOP_POLICY_VELERO_RESOURCE_POLICY_H
#define BACKSTOP_POLICY_VELERO_RESOURCE_POLICY_H

#include "policy/velero/config_rules.h"

/* Who reads the policies. */
struct resource_policy_use {
    struct product_version velero;
    bool restore;     /* of a Restore, which takes filters only (ValidateForRestore) */
    bool old_filters; /* of a Backup that has includedResources and the like as well, which stand beside no filter */
};
/* Denies, naming `field`, what fails the Backup or Restore, and warns of what an older
 * Velero would not read where its version is not known. */
void resource_policy_check(struct decision *decision, const char *field, const struct config_map *map,
                           const struct resource_policy_use *use);

/* ---- between its files ---- */

/* Whether this Velero reads the key: else denied, or warned about where it depends on
 * the version and that is not known. True when there is something to check. */
bool policy_reads(struct config_rules *map, const struct resource_policy_use *use, struct str where,
                  struct json_object *object, const char *key, enum feature feature) MUST_CHECK;
struct str policy_under(const struct config_rules *map, struct str where, const char *key);
/* Items of a list must be strings (yaml.v3 takes numbers and booleans for them). */
void policy_check_texts(struct config_rules *map, struct str where, struct json_object *object, const char *key);
/* namespacedFilterPolicies and clusterScopedFilterPolicy: resource_policy_filters.c */
void policy_check_filters(struct config_rules *map, const struct resource_policy_use *use, struct json_object *tree);

#endif
