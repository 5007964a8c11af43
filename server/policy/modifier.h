/* Resource modifiers: the ConfigMaps by which Velero patches what it restores
 * (internal/resourcemodifiers). Two kinds of mistakes are looked for: what fails the
 * Restore when Velero reads the ConfigMap, and what Velero notices only when it applies
 * a rule: then the object is restored unpatched and merely an error is counted. */
#ifndef BACKSTOP_POLICY_MODIFIER_H
#define BACKSTOP_POLICY_MODIFIER_H

#include "backstop/policy.h"

#define MODIFIER_MANAGEMENTS "managements.k0rdent.mirantis.com"

struct modifier {
    struct arena *arena;
    struct decision *decision; /* NULL: only look whether it is fine */
    const char *field;         /* that names the ConfigMap: spec.resourceModifier */
    bool exact;                /* keys count as written (yaml.v3), not in any case (encoding/json) */
    struct str name;           /* of the ConfigMap */
    const struct yaml_document *document;
    struct json_object *rules;
    unsigned problems, warnings;
};

/* Reads the ConfigMap as Velero does, which also means: the one key of data, strictly,
 * keys in any case, numbers and booleans taken for text. False when nothing of it can
 * be read; the decision then says why. */
bool modifier_load(struct modifier *modifier, struct arena *arena, struct decision *decision,
                   const struct config_map *map);
/* The same for another kind of file in a ConfigMap, which yaml.v3 reads: resource policies. */
bool modifier_load_for(struct modifier *modifier, struct arena *arena, struct decision *decision,
                       const struct config_map *map, const char *field);
void modifier_check(struct modifier *modifier); /* every rule */

/* What a modifier does to spec.release of Managements. */
struct modifier_release {
    struct str release; /* absent: it does not set it */
    bool only;          /* it does this and nothing else, for every Management */
};
struct modifier_release modifier_release_set(const struct modifier *modifier);

/* ---- between the files of the modifier ---- */

/* Deny: "Invalid value: "MAP": WHERE (line N): MESSAGE". */
void modifier_problem(struct modifier *modifier, struct str where, const char *format, ...) PRINTF_LIKE(3, 4);
void modifier_warn(struct modifier *modifier, struct str where, const char *format, ...) PRINTF_LIKE(3, 4);
/* A member by its name in any case, as encoding/json finds it; NULL for null too. */
struct json_object *modifier_get(struct json_object *object, const char *key);
/* Unknown keys are errors (UnmarshalStrict); names in another case are taken. False
 * when the value is no object. */
bool modifier_keys(struct modifier *modifier, struct str where, struct json_object *object, const char *const *keys,
                   size_t count);
/* The text of a member: absent when it is not there. False after a problem. */
bool modifier_text(struct modifier *modifier, struct str where, struct json_object *object, const char *key,
                   struct str *text);
/* The items of a list member: 0 when it is absent, null or, after a problem, no list. */
size_t modifier_list(struct modifier *modifier, struct str where, struct json_object *object, const char *key,
                     struct json_object **list);
void modifier_check_conditions(struct modifier *modifier, struct str where, struct json_object *conditions);
void modifier_check_patches(struct modifier *modifier, struct str where, struct json_object *rule, struct str target);
/* Velero's text for a patch value as JSON: quoted or as it is. Mirrors addQuotes. */
struct str modifier_value_json(struct arena *arena, struct str value);
struct str modifier_value_problem(struct arena *arena, struct str value, struct json_object **tree);

#endif
