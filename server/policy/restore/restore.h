/* Restores: what is asked for, as the review sees it after its own changes. */
#ifndef BACKSTOP_POLICY_RESTORE_RESTORE_H
#define BACKSTOP_POLICY_RESTORE_RESTORE_H

#include "backstop/grammar.h"
#include "backstop/policy.h"

/* A list of the spec, as sent. */
struct restore_list {
    const char *field; /* "spec.includedResources" */
    struct strlist items;
    bool is_list; /* of strings, or absent */
};

/* A Restore with what was found out about it. The mutation changes only this view
 * and records patch steps; the checks read the view, so they see the same Restore
 * whether it was patched in this review or comes back patched. */
struct restore_view {
    const struct request *request;
    const struct inventory *inventory;
    const struct settings *settings;
    struct decision *decision;
    struct arena *arena;
    struct str ns; /* where Velero looks for the backup: the Restore's own namespace */
    struct str backup_name, schedule_name;
    const struct backup *backup; /* what Velero would restore; NULL when absent or not known */
    bool management;             /* the rules for k0rdent's backups apply */
    bool mutating;               /* patches may be added */
    bool as_new;                 /* created, or changed before Velero takes it: all of it counts */
    bool opted_out;              /* ANNOTATION_SKIP_MUTATION with a reason */
    struct str opt_out_reason;   /* its ptr tells "empty" from "absent" */
    struct restore_list resources_in, resources_out, namespaces_in, namespaces_out;
    struct strlist included, excluded;                    /* resources */
    struct resource_names included_names, excluded_names; /* the same */
    struct str policy;                                    /* existingResourcePolicy */
    struct str modifier_kind, modifier_name;              /* absent when there is no resourceModifier */
    bool modifier_injected;                               /* set by this review: known to be right */
    size_t excluded_given;                                /* of `excluded`, as sent; the others were added */
    bool policy_added;                                    /* existingResourcePolicy was */
};

bool restore_view_init(struct restore_view *view, const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct decision *decision);
/* Created, or changed before Velero takes it: then all of it counts, as at a creation. */
bool restore_is_as_new(const struct request *request, const struct settings *settings);
/* A field as sent, which is never changed: "spec.hooks"; NULL when it is absent. */
struct json_object *restore_field(const struct restore_view *view, const char *path);
/* New as a whole, or an update that changes the field: "deny only what the request changes". */
bool restore_asks(const struct restore_view *view, const char *path);
/* By a pattern of the list, which Velero matches without separators against plural.group; "*" is none. */
bool restore_names_match(const struct restore_view *view, const struct resource_names *names, struct str plural);
/* The provider exclusions that apply, as pointers into the settings. */
struct provider_exclusions {
    const struct provider_exclusion **items;
    size_t len;
};
void restore_provider_exclusions(const struct restore_view *view, struct provider_exclusions *exclusions);

/* What a restore of a management backup needs and does not say: the exclusions of its backup's providers, and
 * existingResourcePolicy: update (k0rdent documentation, "Restoration"). */
void restore_mutate(struct restore_view *view);
void restore_record(const struct restore_view *view); /* what was added, as an annotation */
void restore_advise(const struct restore_view *view); /* what the mutation would have done, as warnings */

/* The checks, each of what the request changes. The Backup or Schedule that is named, and the location it lies in: */
void restore_check_source(const struct restore_view *view);
/* One of the first hundred items is the namespace, or a pattern that matches it. */
bool restore_namespaces_match(const struct restore_view *view, const struct strlist *patterns, struct str ns);
/* Namespaces that the backup does not hold, and namespaceMapping. */
void restore_check_namespaces(const struct restore_view *view);
/* All other fields. */
void restore_check_fields(const struct restore_view *view);
/* What is not wrong with the Restore itself, but with when and where it is made. */
void restore_check_circumstances(const struct restore_view *view);
/* What was recorded on the backup, held against this cluster. */
void restore_check_passport(const struct restore_view *view);
/* The exclusions that were recorded on the backup. */
void restore_passport_exclusions(const struct restore_view *view, struct strlist *exclusions);
/* Before k0rdent 1.2.0 a restore fails when Velero's Deployment has another name (velero issue 9023). */
void restore_check_velero(const struct restore_view *view);
void restore_check_modifier(const struct restore_view *view);
void restore_check_resource_policy(const struct restore_view *view);

/* ---- the rollback to the release before an upgrade ---- */

/* The release a kcm-made pre-upgrade backup was taken before leaving; absent for other backups. */
struct str restore_release_left(const struct restore_view *view);
void restore_check_release(struct restore_view *view);
void restore_gate_release(struct restore_view *view); /* a modifier that sets a newer release meets the gate */
/* The ConfigMap that the webhook itself creates for a release. */
struct str restore_release_map_name(struct arena *arena, struct str release);

/* A webhook configuration is never restored with a regional backup (k0rdent documentation). */
bool restore_is_regional(const struct restore_view *view);
/* Whether existingResourcePolicy may be set to update: kcm made the backup, or there is no
 * Management here that a foreign one would overwrite. */
bool restore_may_update(const struct restore_view *view);

#endif
