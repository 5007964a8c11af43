/* schema: what the API server finds wrong with an object before any webhook sees it: fields that
 * its CRD does not have, values of another type, and names that no object may have. The schemas of
 * the kinds that are reviewed are built in (server/schema/crds.def); a CRD that is at hand goes
 * first. Knows nothing of policies. */
#ifndef BACKSTOP_SCHEMA_H
#define BACKSTOP_SCHEMA_H

#include "backstop/base.h"
#include "backstop/json.h"

/* CRDs that were found among manifests, in an inventory or in the cluster. */
struct schema_set {
    struct arena *arena; /* of what is kept; the trees that were added must live as long */
    struct schema_crd *first;
    bool any_group; /* keeps CRDs of all groups, not only of those that are reviewed: others may be many and large */
};

/* Keeps what `tree` says of versions and fields when it is a CustomResourceDefinition, or a List
 * that holds some; other objects are passed over. True when it kept any. */
bool schema_set_add(struct schema_set *set, struct json_object *tree);
/* Whether a CRD for this group and kind was added, whatever its versions. */
bool schema_set_has(const struct schema_set *set, struct str group, struct str kind);

struct schema_problem {
    enum schema_problem_kind {
        SCHEMA_UNKNOWN, /* a field that is not there: kubectl's strict validation refuses the object, others drop it */
        SCHEMA_REFUSED, /* the API server refuses the object whoever asks */
        SCHEMA_DOUBT    /* unknown here, but the object was stored with it, or its version is not known here */
    } kind;
    struct str field, message;
};
struct schema_request {
    const struct schema_set *set;   /* or NULL */
    struct json_object *tree, *old; /* old: what is stored before an update, or NULL */
    bool stored;                    /* a server wrote it: its CRD has fields that are not known here */
    const char *velero_release;     /* "1.18.2" where it is known; NULL: fields of all releases are taken */
};
/* What is wrong with an object, at most 100 problems in the order of its text, in the arena.
 * NULL and 0 when nothing is, or no schema is known for it. Mirrors apiextensions-apiserver: strict
 * decoding, then ObjectMeta's validation, then the schema; values that an update leaves as they
 * were are not held against it (ratcheting). */
const struct schema_problem *schema_check(const struct schema_request *request, struct arena *arena, size_t *count);

/* A kind of Velero's or k0rdent's groups, or one that looks as if it were meant to be. */
enum schema_kind_verdict {
    SCHEMA_KIND_FINE, /* it is one, or it is none of our business */
    SCHEMA_KIND_WRONG /* the API server has no such kind; *meant says what is near, or is absent */
};
/* Whether this apiVersion has this kind. `meant` gets what it is a slip of, or is absent. New releases bring new
 * kinds, so an unknown one of k0rdent's is no mistake. */
enum schema_kind_verdict schema_kind_check(const struct schema_set *set, struct str api_version, struct str kind,
                                           struct arena *arena, struct str *meant);

#endif
