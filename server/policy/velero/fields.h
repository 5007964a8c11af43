/* Checks of what Velero's specs have in common: Restore, Backup, Schedule.template
 * and BackupStorageLocation. A field is named by its path ("spec.template.ttl"). */
#ifndef BACKSTOP_POLICY_VELERO_FIELDS_H
#define BACKSTOP_POLICY_VELERO_FIELDS_H

#include "backstop/policy.h"

/* There is so much wrong already that more would not be read, and telling it all would
 * take long: loops over what a user sent end here. */
bool said_enough(const struct decision *decision);
/* The strings of a list; false when it is there and no list of strings. */
bool read_strings(struct arena *arena, struct json_object *array, struct strlist *list);
/* Lists are compared item by item: one that no person writes is denied unread. */
bool check_list_length(struct decision *decision, const char *field, struct json_object *array);

/* Velero decodes durations with time.ParseDuration. The CRD takes any text, and one
 * that does not parse can stop the informers of the whole Velero server. NULL is fine. */
void check_duration(struct decision *decision, struct str field, struct json_object *value);
void check_selector(struct decision *decision, struct str field, struct json_object *selector);
/* labelSelector and orLabelSelectors below `at` ("spec"), which Velero takes one of. */
void check_selectors(struct decision *decision, struct str at, struct json_object *one, struct json_object *any);
/* The command, container and onError of an exec hook, and the durations named. */
void check_exec_hook(struct decision *decision, struct str at, struct json_object *hook, const char *const *timeouts,
                     size_t count);
/* Velero works only in its own namespace: warns when it is known to be in another. */
void warn_no_velero(struct decision *decision, const struct inventory *inventory, struct str ns, const char *kind);

/* ---- velero_lists.c: includes and excludes --------------------------------- */

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
void check_patterns(struct decision *decision, const char *field, const struct strlist *list, enum pattern_kind kind);

#endif
