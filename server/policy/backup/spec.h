/* A Velero BackupSpec, whether it is a Backup's or a Schedule's template, and all that
 * Velero finds wrong with it only when the backup begins (backup_controller.go
 * prepareBackupRequest). Velero never looks at a template before that, so there it
 * fails at every run. */
#ifndef BACKSTOP_POLICY_BACKUP_SPEC_H
#define BACKSTOP_POLICY_BACKUP_SPEC_H

#include "backstop/policy.h"
#include "policy/velero/velero.h"

struct backup_spec {
    const struct request *request;
    const struct inventory *inventory;
    const struct settings *settings;
    struct decision *decision;
    struct arena *arena;
    struct json_object *spec;   /* as sent, an object */
    struct json_object *before; /* of an update; NULL: all of it is new */
    const char *at;             /* spec, spec.template */
    struct str ns;              /* where Velero looks for what it names */
    bool template;
    bool facts;               /* what is in that namespace is known at all */
    const char *inside_means; /* of struct storage_check */
};

void backup_spec_check(const struct backup_spec *view);
/* What it names and must be read for this very review. */
void backup_spec_wants(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, const char *at, struct facts_wanted *wanted);

/* ---- between its files ---- */

/* True when the member is new or changed: "deny only what the request changes". */
static inline bool backup_spec_asks(const struct backup_spec *view, const char *member)
{
    return !view->before || !json_equal(json_get(view->spec, member), json_get(view->before, member));
}
/* "spec.template.ttl"; never NULL. */
static inline const char *backup_spec_field(const struct backup_spec *view, const char *member)
{
    struct str field = arena_printf(view->arena, "%s.%s", view->at, member);
    return field.ptr ? field.ptr : view->at;
}
void backup_spec_check_lists(const struct backup_spec *view);
bool backup_spec_old_filters(const struct backup_spec *view);

/* Edits of a Velero Backup, and Backups that come with a status. */

/* By others than Velero: denies (403) what would have a backup count as a Completed management
 * backup that Velero did not complete, and what takes one away that the cluster needs, as
 * deletion_check_needed does. */
void backup_edit_check(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct decision *decision);
void backup_edit_wants(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct facts_wanted *wanted);
/* What a change of spec still does after Velero has read it; only of an UPDATE that changes it. */
void backup_edit_warn(const struct request *request, const struct settings *settings, struct decision *decision);
/* The old object of the request as a fact: what deletion_check_needed reads of one. */
struct backup backup_edit_old(const struct request *request, const struct settings *settings);

/* KOTS snapshots, which are Velero Backups (kots-snapshots documentation). */

/* Restore of this backup: a partial snapshot taken for a disaster recovery, and what a
 * full one asks of the cluster. */
void kots_warn_restore(const struct inventory *inventory, const struct backup *backup, struct decision *decision);

/* ---- needs.c: what the restore of a Backup has to leave out ---- */

/* Bounds of what is recorded, and of what is believed of a record. */
enum { BACKUP_NEEDS_MAX = 100, BACKUP_NEEDS_BYTES = 8000 };
/* Whether the rules below may exclude this kind, PLURAL.GROUP. Never one that a management restore is for: whoever may edit
 * Backups, or write to the bucket, can write such a record by hand. */
bool backup_need_is_possible(struct str name);

/* The kinds, PLURAL.GROUP, each once and sorted, that the restore of a Backup of this spec must exclude; in the arena.
 * `whole` (may be NULL): all that this takes could be read, so that an empty list means that nothing is needed.
 *
 * R1: a CRD that converts by webhook, and whose preferred version is not the one it stores. Velero writes objects in the
 * version that discovery prefers (pkg/discovery/helper.go), and the webhook does not run yet.
 * R2: the configurations of webhooks that fail closed, if Velero restores a kind they are for after them (restore.go
 * getOrderedResources) and their Service comes from the same backup, so that nothing answers it yet. */
struct strlist backup_needs(const struct inventory *inventory, struct json_object *spec, struct arena *arena,
                            bool *whole);

#endif
