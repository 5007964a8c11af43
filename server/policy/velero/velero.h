/* What several of Velero's objects share: fields, what is installed, names of resources, and the rules in ConfigMaps
 * (resource modifiers, resource policies). */
#ifndef BACKSTOP_POLICY_VELERO_VELERO_H
#define BACKSTOP_POLICY_VELERO_VELERO_H

#include "backstop/grammar.h"
#include "backstop/policy.h"

/* Checks of what Velero's specs have in common: Restore, Backup, Schedule.template
 * and BackupStorageLocation. A field is named by its path ("spec.template.ttl"). */

/* So much is wrong already that more would not be read, and reporting it all would take long: loops over what a
 * user sent end here. */
bool decision_is_full(const struct decision *decision);
/* The strings of a list; false when it is there and no list of strings. */
bool read_strings(struct arena *arena, struct json_object *array, struct strlist *list);
/* Lists are compared item by item: one that no person writes is denied unread. */
enum { LIST_ITEMS_MAX = 5000 };
bool check_list_length(struct decision *decision, const char *field, size_t len);

/* Velero decodes durations with time.ParseDuration. The CRD takes any text, and one
 * that does not parse can stop the informers of the whole Velero server. NULL is fine. */
void check_duration(struct decision *decision, struct str field, struct json_object *value);
/* apimachinery's ValidateLabelSelector, with the item that is wrong. */
void check_selector(struct decision *decision, struct str field, struct json_object *selector);
/* labelSelector and orLabelSelectors below `at` ("spec"), which Velero takes one of. */
void check_selectors(struct decision *decision, struct str at, struct json_object *one, struct json_object *any);
/* The command, container and onError of an exec hook, and the durations named. */
void check_exec_hook(struct decision *decision, struct str at, struct json_object *hook, const char *const *timeouts,
                     size_t count);
/* Velero works only in its own namespace: warns when it is known to be in another. */
void warn_no_velero(struct decision *decision, const struct inventory *inventory, struct str ns, const char *kind);

/* ---- includes and excludes --------------------------------- */

struct list_pair {
    const char *included_field, *excluded_field;
    const char *what;   /* resources, namespaces */
    const char *object; /* Restore, Backup */
    const char *verb;   /* restore, back up */
    bool scoped;        /* of the cluster-scoped and namespace-scoped lists: "*" may be excluded */
    struct strlist included, excluded;
};
/* pkg/util/collections ValidateIncludesExcludes, or ValidateScopedIncludesExcludes. */
void check_list_pair(struct decision *decision, const struct list_pair *pair);
/* The same resource under two names: Velero takes it, and the exclusion wins. */
void warn_list_overlap(struct decision *decision, const struct list_pair *pair);
enum pattern_kind { PATTERN_RESOURCES, PATTERN_NAMESPACES };
/* What a list's items can never match, as patterns or as names. */
void check_resource_patterns(struct decision *decision, const char *field, const struct resource_names *names);
void check_namespace_patterns(struct decision *decision, const char *field, const struct strlist *list);

/* What is installed of Velero: which fields its release and its CRDs know, and its plugins. */

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

/* Names in a list of resources that Velero may not find. */

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

/* Rules that Velero reads from the one key of a ConfigMap: resource modifiers (strict
 * sigs.k8s.io/yaml, then encoding/json) and resource policies (strict yaml.v3). */

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
/* As rules_problem, for what Velero takes and ignores. */
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

/* Resource modifiers: the ConfigMaps by which Velero patches what it restores
 * (internal/resourcemodifiers). Two kinds of mistakes are looked for: what fails the
 * Restore when Velero reads the ConfigMap, and what Velero notices only when it applies
 * a rule: then the object is restored unpatched and merely an error is counted. */

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

/* The one of patches, mergePatches and strategicPatches that a rule may have, for objects of this groupResource. */
void modifier_check_patches(struct config_rules *modifier, struct str where, struct json_object *rule,
                            struct str target);
/* What Velero has taken away before it applies rules. */
void modifier_check_removed_match(struct config_rules *modifier, struct str where, struct str target, struct str path,
                                  struct str value);
struct str modifier_value_problem(struct arena *arena, struct str value, struct json_object **tree);

/* Resource policies: the ConfigMaps by which Velero chooses volumes and resources to
 * back up, and since 1.18.3 to restore (internal/resourcepolicies, version v1). */

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
