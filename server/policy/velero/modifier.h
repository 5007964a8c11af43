/* Resource modifiers: the ConfigMaps by which Velero patches what it restores
 * (internal/resourcemodifiers). Two kinds of mistakes are looked for: what fails the
 * Restore when Velero reads the ConfigMap, and what Velero notices only when it applies
 * a rule: then the object is restored unpatched and merely an error is counted. */
#ifndef BACKSTOP_POLICY_VELERO_MODIFIER_H
#define BACKSTOP_POLICY_VELERO_MODIFIER_H

#include "policy/velero/config_rules.h"

#define MODIFIER_MANAGEMENTS "managements.k0rdent.mirantis.com"

/* rules_load for a resource modifier. */
bool modifier_load(struct config_rules *modifier, struct arena *arena, struct decision *decision,
                   const struct config_map *map);
void modifier_check(struct config_rules *modifier); /* every rule */

/* What a modifier does to spec.release of Managements. */
struct modifier_release {
    struct str release; /* the last one that a rule sets; absent: none does */
    struct strlist all; /* each that a rule sets, whatever its conditions; or the path that it is copied from */
    bool only;          /* it does this and nothing else, for every Management */
};
struct modifier_release modifier_release_set(const struct config_rules *modifier);

/* ---- between the files of the modifier ---- */

void modifier_check_conditions(struct config_rules *modifier, struct str where, struct json_object *conditions);
void modifier_check_patches(struct config_rules *modifier, struct str where, struct json_object *rule,
                            struct str target);
/* modifier_patch.c: what Velero has taken away before it applies rules. */
void modifier_check_removed_match(struct config_rules *modifier, struct str where, struct str target, struct str path,
                                  struct str value);
/* Velero's text for a patch value as JSON: quoted or as it is. Mirrors addQuotes. */
struct str modifier_value_json(struct arena *arena, struct str value);
struct str modifier_value_problem(struct arena *arena, struct str value, struct json_object **tree);

#endif
