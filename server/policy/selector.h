/* Label selectors, checked as metav1.LabelSelectorAsSelector checks them. */
#ifndef BACKSTOP_POLICY_SELECTOR_H
#define BACKSTOP_POLICY_SELECTOR_H

#include "backstop/json.h"

/* The first thing wrong with a selector: where it is below the selector
 * (".matchExpressions[0].operator") and why. False when it is fine or null. */
bool selector_problem(struct arena *arena, struct json_object *selector, struct str *where, struct str *why);
/* A selector without a requirement ({}, {matchLabels: {}}, null), which selects everything. */
bool selector_is_empty(struct json_object *selector);
/* The same of the labels an object is to get, checked as the API server does: "[team]". */
bool labels_are_bad(struct arena *arena, struct json_object *labels, struct str *where, struct str *why);

#endif
