/* A Velero BackupSpec, whether it is a Backup's or a Schedule's template, and all that
 * Velero finds wrong with it only when the backup begins (backup_controller.go
 * prepareBackupRequest). Velero never looks at a template before that, so there it
 * fails at every run. */
#ifndef BACKSTOP_POLICY_BACKUP_SPEC_H
#define BACKSTOP_POLICY_BACKUP_SPEC_H

#include "policy/velero/fields.h"

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
    return !view->before || !json_object_equal(json_get(view->spec, member), json_get(view->before, member));
}
/* "spec.template.ttl"; never NULL. */
static inline const char *backup_spec_field(const struct backup_spec *view, const char *member)
{
    struct str field = arena_printf(view->arena, "%s.%s", view->at, member);
    return field.ptr ? field.ptr : view->at;
}
void backup_spec_check_lists(const struct backup_spec *view); /* backup_spec_lists.c */
bool backup_spec_old_filters(const struct backup_spec *view);

#endif
