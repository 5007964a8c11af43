/* Resource names as Velero's lists take them: `plural.group`, and whatever its
 * discovery resolves to that (singular, lower-cased Kind, short name, no group). */
#ifndef BACKSTOP_POLICY_RESOURCE_NAME_H
#define BACKSTOP_POLICY_RESOURCE_NAME_H

#include "backstop/base.h"

struct resource_kind {
    struct str plural, singular, group; /* the singular is the Kind in lower case */
    struct str shorts[2];
    uint64_t lengths; /* a bit for each length that one of its forms has */
};

/* All kinds of the table. */
const struct resource_kind *resource_kinds(size_t *count);
/* The documented kind that a name stands for in any of its forms, with its group, a
 * prefix of its group or none; NULL for all others. */
const struct resource_kind *resource_name_known(struct str name);
/* Both stand for the same resource. Kinds outside the table are compared by
 * Kubernetes' own guess of the plural (UnsafeGuessKindToResource). */
bool resource_name_same(struct str a, struct str b);
/* `plural.group`, the only form that also works while its CRD is not installed. */
struct str resource_name_plural(struct arena *arena, struct str name);
struct str resource_kind_name(struct arena *arena, const struct resource_kind *kind);
/* Cuts "managements.k0rdent.mirantis.com" at its first dot; the group may be absent. */
void resource_name_split(struct str name, struct str *resource, struct str *group);

#endif
