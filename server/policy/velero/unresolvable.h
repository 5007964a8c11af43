/* Names in a list of resources that Velero may not find. */
#ifndef BACKSTOP_POLICY_VELERO_UNRESOLVABLE_H
#define BACKSTOP_POLICY_VELERO_UNRESOLVABLE_H

#include "backstop/grammar.h"
#include "backstop/policy.h"

/* Velero resolves resource names through discovery. One that it does not find is kept
 * and compared as a text with plural.group, without an error: a typo excludes nothing,
 * and where its CRD is not installed any form but the plural does neither. Only warns,
 * since CRDs that are not known here may well be installed. `verb`: "excluded". With
 * `clean_cluster`, as a Restore may find it; where a Backup is made its CRDs are installed,
 * or there is nothing to back up. */
void warn_unresolvable(struct decision *decision, const char *verb, const struct resource_names *names,
                       bool clean_cluster);
/* The plural.group that a name not known here is probably a misspelling of; empty where there is none. */
struct str resource_name_meant(struct arena *arena, struct str name);
/* The plural.group of a resource that is known, named with a group that does not have it; empty otherwise. */
struct str resource_name_elsewhere(struct arena *arena, struct str name);

#endif
