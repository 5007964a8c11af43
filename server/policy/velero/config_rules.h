/* Rules that Velero reads from the one key of a ConfigMap: resource modifiers (strict
 * sigs.k8s.io/yaml, then encoding/json) and resource policies (strict yaml.v3). */
#ifndef BACKSTOP_POLICY_VELERO_CONFIG_RULES_H
#define BACKSTOP_POLICY_VELERO_CONFIG_RULES_H

#include "backstop/policy.h"

enum { RULES_PROBLEMS_SHOWN = 8 };

/* A key of the format, and where it stands: {"matches", "conditions"}. */
struct rules_place {
    const char *key, *place;
};

struct config_rules {
    struct arena *arena;
    struct decision *decision;        /* NULL: only look whether they are fine */
    const char *field;                /* that names the ConfigMap: spec.resourceModifier */
    const char *content;              /* the key that holds the rules */
    const struct rules_place *places; /* where keys belong that stand elsewhere, ended by a NULL key; or NULL */
    bool exact;                       /* keys count as written (yaml.v3), not in any case (encoding/json) */
    /* by rules_load */
    struct str name; /* of the ConfigMap */
    const struct yaml_document *document;
    unsigned problems, warnings;
};

/* Reads the ConfigMap as Velero does, which also means: the one key of data, strictly.
 * The caller has set arena, decision, field, content and exact. False when nothing of it
 * can be read; the decision then says why. */
bool rules_load(struct config_rules *rules, const struct config_map *map) MUST_CHECK;

/* The ConfigMap that `field` names, or NULL after a denial (there is none of that name, with
 * the one that may be meant) or a warning (nothing is known of ConfigMaps). */
const struct config_map *rules_find_map(struct decision *decision, const struct inventory *inventory, struct str ns,
                                        const char *field, struct str name) MUST_CHECK;

/* Deny: "Invalid value: "MAP": WHERE (line N): MESSAGE". */
void rules_problem(struct config_rules *rules, struct str where, const char *format, ...) PRINTF_LIKE(3, 4);
void rules_warn(struct config_rules *rules, struct str where, const char *format, ...) PRINTF_LIKE(3, 4);
/* A member by its name in any case, as encoding/json finds it; NULL for null too. */
struct json_object *rules_get(struct json_object *object, const char *key);
/* Unknown keys are errors (UnmarshalStrict); names in another case are taken. False
 * when the value is no object. */
bool rules_keys(struct config_rules *rules, struct str where, struct json_object *object, const char *const *keys,
                size_t count);
/* The text of a member, numbers and booleans taken for it: absent when it is not there.
 * False after a problem. */
bool rules_text(struct config_rules *rules, struct str where, struct json_object *object, const char *key,
                struct str *text);
/* The items of a list member: 0 when it is absent, null or, after a problem, no list. */
size_t rules_list(struct config_rules *rules, struct str where, struct json_object *object, const char *key,
                  struct json_object **list);

#endif
