/* Resource policies: the ConfigMaps by which Velero chooses volumes and resources to
 * back up (internal/resourcepolicies, version v1). */
#ifndef BACKSTOP_POLICY_RESOURCE_POLICY_H
#define BACKSTOP_POLICY_RESOURCE_POLICY_H

#include "backstop/policy.h"

/* Denies, naming `field`, what fails the Backup. `old_filters`: it also has
 * includedResources and the like, which Velero does not take beside includeExcludePolicy. */
void resource_policy_check(struct decision *decision, const char *field, const struct config_map *map,
                           bool old_filters);
/* Kubernetes' resource.Quantity ("10Gi", "1e3"), as a number; false when it is none. */
bool quantity_parse(struct str text, double *value) MUST_CHECK;

#endif
