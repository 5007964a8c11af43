/* grammar: the small languages that Kubernetes' and Velero's fields are written in: globs, regular
 * expressions, label selectors, quantities, names of objects, labels and resources. Knows nothing of policies. */
#ifndef BACKSTOP_GRAMMAR_H
#define BACKSTOP_GRAMMAR_H

#include "backstop/base.h"
#include "backstop/json.h"

/* ---- names --------------------------------------------------------------------- */

/* apimachinery pkg/util/validation: the lengths and forms that the API server holds names to. */
enum { DNS_LABEL_MAX = 63, DNS_SUBDOMAIN_MAX = 253, LABEL_VALUE_MAX = 63 };
/* The name of a namespace: lower-case letters, digits and inner dashes. */
bool name_is_dns_label(struct str text);
/* The name of most objects: such labels joined by dots. As in Kubernetes only the whole has a limit. */
bool name_is_dns_subdomain(struct str text);
/* An optional DNS subdomain and "/", then what a label's value may be, but not empty. */
bool label_key_is_valid(struct str text);
bool label_value_is_valid(struct str text); /* may be empty */

/* ---- quantities (quantity.c) --------------------------------------------------- */

/* Kubernetes' resource.Quantity ("10Gi", "1e3"), as a number; false when it is none. */
bool quantity_parse(struct str text, double *value) MUST_CHECK;

/* ---- globs (glob.c) ------------------------------------------------------------ */

/* Patterns as gobwas/glob v0.2.3, which Velero uses, takes them. */

/* Why the pattern does not compile, or compiles but can never match (an unclosed
 * brace); NULL when it is fine. */
const char *glob_problem(struct str pattern);
/* Whether Velero takes it as a pattern at all: it has one of * ? [ { or a backslash. */
bool glob_has_wildcard(struct str pattern);
/* `*` stops at the separator, `**` does not; separator 0: there is none. Texts over
 * 512 bytes, patterns over 253 and those with over 64 alternatives match nothing. */
bool glob_match(struct arena *arena, struct str pattern, struct str text, char separator);

/* ---- regular expressions (regex.c) --------------------------------------------- */

/* Regular expressions as Go's regexp (RE2, Perl flags) compiles them. Only checked,
 * never run. Mirrors go1.2x regexp/syntax/parse.go. */

/* Why Go would refuse the expression, in a few words; NULL when it compiles. The
 * text must be valid UTF-8. */
const char *regex_problem(struct str text);

/* ---- label selectors (selector.c) ---------------------------------------------- */

/* Label selectors, checked as metav1.LabelSelectorAsSelector checks them. */

/* The first thing wrong with a selector: where it is below the selector
 * (".matchExpressions[0].operator") and why. False when it is fine or null. */
bool selector_problem(struct arena *arena, struct json_object *selector, struct str *where, struct str *why);
/* A selector without a requirement ({}, {matchLabels: {}}, null), which selects everything. */
bool selector_is_empty(struct json_object *selector);
/* Whether an object with these labels (or NULL) is selected, as labels.Selector decides it, by a selector without a
 * problem. One without a requirement, or NULL, selects everything. */
bool selector_matches(struct json_object *selector, struct json_object *labels);
/* The same of the labels an object is to get, checked as the API server does: "[team]". */
bool labels_are_bad(struct arena *arena, struct json_object *labels, struct str *where, struct str *why);

/* ---- names of resources (resource_name.c) -------------------------------------- */

/* Resource names as Velero's lists take them: `plural.group`, and whatever its
 * discovery resolves to that (singular, lower-cased Kind, short name, no group). */
struct resource_kind {
    struct str name;                    /* plural.group, or the plural of the core group; not terminated by NUL */
    struct str plural, singular, group; /* the singular is the Kind in lower case */
    struct str shorts[2];
};

/* A name taken apart, for those that are compared with many. */
struct resource_name {
    struct str text, resource, group;
    const struct resource_kind *kind; /* as resource_name_known */
    bool wildcard;
};
/* Reads "PLURAL", "PLURAL.GROUP", singular and short names; `kind` is NULL for what is in no table, which may
 * well be installed. */
struct resource_name resource_name_read(struct str text);
struct resource_names {
    struct resource_name *items;
    size_t len, cap;
};
void resource_names_add(struct arena *arena, struct resource_names *names, struct resource_name name);
bool resource_names_have(const struct resource_names *names, const struct resource_name *wanted);
struct resource_names resource_names_of(struct arena *arena, const struct strlist *list);

/* All kinds of the table. */
const struct resource_kind *resource_kinds(size_t *count);
/* The documented kind that a name stands for in any of its forms, with its group, a
 * prefix of its group or none; NULL for all others. */
const struct resource_kind *resource_name_known(struct str name);
/* Both stand for the same resource. Kinds outside the table are compared by
 * Kubernetes' own guess of the plural (UnsafeGuessKindToResource). */
bool resource_name_same(struct str a, struct str b);
/* `plural.group`, the only form that also works while its CRD is not installed. */
struct str resource_name_plural(struct str name);
/* Cuts "managements.k0rdent.mirantis.com" at its first dot; the group may be absent. */
void resource_name_split(struct str name, struct str *resource, struct str *group);

#endif
