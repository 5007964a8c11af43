/* Annotations that a mutating review writes on the object under review. */
#ifndef BACKSTOP_POLICY_ANNOTATIONS_H
#define BACKSTOP_POLICY_ANNOTATIONS_H

#include "backstop/policy.h"

struct annotation {
    const char *key;
    struct str value;
};
/* Patches the object so that it has these annotations, beside those it has already; one of the
 * same key is replaced. Values that are empty are left out. Steps are added only for what differs,
 * so calling it again for the patched object adds none. */
void annotations_patch(const struct request *request, struct decision *decision, const struct annotation *items,
                       size_t count);

#endif
