/* admission: AdmissionReview in and out, the rule table, JSON Patch. Knows the
 * protocol and which policy answers for which resource; decides nothing itself. */
#ifndef BACKSTOP_ADMISSION_H
#define BACKSTOP_ADMISSION_H

#include "backstop/policy.h"

/* One row per webhook: the newcomer's map. Routes, manifests and docs follow it. */
struct rule {
    const char *group, *resource, *kind;
    const char *subresource;    /* "status"; NULL: the object itself */
    unsigned operations;        /* OPERATION_CREATE | ... */
    bool mutating, has_effects; /* has_effects: sideEffects is NoneOnDryRun, else None */
    bool trusts_kcm;            /* what kcm creates and updates is warned about, not denied */
    bool binds_velero;          /* denials hold for Velero's own writes, too */
    bool advisory;              /* never denies: what goes wrong in reviewing lets the object pass unchanged */
    const char *path;           /* /validate-k0rdent-mirantis-com-v1beta1-managementbackup */
    policy_fn *policy;
    wants_fn *wants;            /* NULL: any snapshot is fresh enough */
    const char *failure_policy; /* Fail or Ignore, the shipped default */
    const char *documentation;  /* one line */
};
/* Every row, in the order in which the API server calls them: mutating before validating. Static. */
const struct rule *admission_rules(size_t *count);
/* The row whose webhook is served under this path ("/validate-backup"); NULL: none, which is answered 404. */
const struct rule *admission_rule_for_path(struct str path);
/* The n-th rule (0, 1, ...) for an object of this group, kind and operation, in the
 * order the API server would call them: mutating first. NULL after the last. */
const struct rule *admission_rule_for_object(struct str group, struct str kind, enum operation operation, size_t n);

/* The same for what a review says it is about, its subresource included. */
const struct rule *admission_rule_for_request(const struct request *request, size_t n);

/* A review while it is worked on. Everything lives in the arena. */
struct review {
    struct str api_version; /* admission.k8s.io/v1 or v1beta1; the answer has the same */
    struct request request;
    struct decision decision;
    struct object object, old_object; /* storage for request's pointers */
};

/* Reads the bytes of an AdmissionReview; they must outlive the review. On failure
 * error->code is 400, 422 or 500; review->request.uid is set when it could be
 * read, and then the failure itself is to be answered as a review. */
bool admission_read(struct arena *arena, struct str body, int64_t now, struct review *review,
                    struct error *error) MUST_CHECK;
/* Runs the rule's policy under the rules all policies share: objects with a
 * deletionTimestamp pass on UPDATE, operations the rule does not name pass, another
 * kind is refused (400: the webhook configuration has a wrong path), Velero's
 * service accounts get warnings instead of denials, unless the rule binds them. */
void admission_decide(struct review *review, const struct rule *rule, const struct inventory *inventory,
                      const struct settings *settings);
/* What must be read anew before admission_decide; false when nothing. */
bool admission_wants(const struct review *review, const struct rule *rule, const struct inventory *inventory,
                     const struct settings *settings, struct facts_wanted *wanted);
/* Turns a denial, or a failure that became one, into "allowed, unchanged": for advisory rules. */
void admission_let_pass(struct review *review);
#define ADMISSION_OUT_OF_MEMORY "this review needs more memory than one review may use: make the object smaller"
/* Turns a failure to read or to decide into the review's own denial. */
void admission_fail(struct review *review, const struct error *error);
/* The AdmissionReview to send back: uid, allowed, status, warnings (each cut to
 * the API server's bound), patch in base64, audit annotations. */
void admission_write(const struct review *review, struct buf *out);
/* The uid in a body that could not be read whole (too large, truncated): a best
 * effort over its first bytes; absent when there is none. */
struct str admission_salvage_uid(struct arena *arena, struct str body);
/* An error as a metav1.Status JSON document, for answers without a review. */
void admission_write_status(int code, const char *message, struct buf *out);
/* The object after the decision's patch (a copy), for offline review and tests. NULL on failure. */
struct json_object *admission_apply_patch(struct arena *arena, struct json_object *object,
                                          const struct decision *decision, struct error *error);
/* "CREATE", as in AdmissionReview.request.operation. Static. */
const char *operation_name(enum operation operation);
/* False for what no rule reviews, such as CONNECT. */
bool operation_parse(struct str text, enum operation *operation) MUST_CHECK;

#endif
