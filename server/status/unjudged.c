#include "status/status.h"

/* What could not be judged because nobody knows the facts it rests on. That is no blocker, and no "ready". */

struct needed {
    enum fact fact;
    unsigned judges;
    const char *plural, *path; /* of its list, which says what it lists even when that is nothing */
    const char *question;
};

static const struct needed needed_facts[] = {
    {FACT_MANAGEMENTS, STATUS_BLOCKS_UPGRADE, "managements.k0rdent.mirantis.com",
     "/apis/k0rdent.mirantis.com/v1beta1/managements", "which release runs"},
    {FACT_RELEASES, STATUS_BLOCKS_UPGRADE, "releases.k0rdent.mirantis.com",
     "/apis/k0rdent.mirantis.com/v1beta1/releases", "whether that release is ready"},
    {FACT_MANAGEMENT_BACKUPS, STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_BACKUP, "managementbackups.k0rdent.mirantis.com",
     "/apis/k0rdent.mirantis.com/v1beta1/managementbackups", "what makes backups"},
    {FACT_STORAGE_LOCATIONS, STATUS_BLOCKS_RESTORE | STATUS_BLOCKS_BACKUP, "backupstoragelocations.velero.io",
     "/apis/velero.io/v1/backupstoragelocations", "where backups go and whether they can be read"},
    {FACT_BACKUPS, STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_RESTORE, "backups.velero.io", "/apis/velero.io/v1/backups",
     "what could be restored"},
    {FACT_VELERO, STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_RESTORE | STATUS_BLOCKS_BACKUP, "deployments.apps",
     "/apis/apps/v1/deployments", "whether Velero runs"},
};

static struct str unjudged_fix(const struct status_view *view, const struct needed *needed)
{
    struct str plural = str_from(needed->plural), name;
    if (!view->files)
        return arena_printf(view->arena, "kubectl get %s -A", needed->plural); /* which says why not */
    str_cut(&plural, '.', &name);
    return arena_printf(view->arena, "kubectl get --raw %s >%.*s.json", needed->path, STR_ARG(name));
}

bool status_find_unjudged(struct status_view *view, struct str target)
{
    view->unjudged = arena_array(view->arena, LENGTH_OF(needed_facts), sizeof *view->unjudged);
    for (size_t i = 0; view->unjudged && i < LENGTH_OF(needed_facts); i++) {
        const struct needed *needed = &needed_facts[i];
        bool asked = needed->fact != FACT_RELEASES || (target.len && !str_eq(target, view->upgrade.running));
        if (!asked || view->inventory->known[needed->fact])
            continue;
        view->unjudged[view->unjudged_count++] = (struct status_finding){
            needed->judges, str_from(needed->plural),
            arena_printf(view->arena, "%s, so nobody knows %s",
                         view->files ? "no --inventory file lists them" : "the cluster does not list them",
                         needed->question),
            unjudged_fix(view, needed)};
    }
    return view->unjudged != NULL;
}

const struct status_finding *status_unjudged(const struct status_view *view, unsigned judges)
{
    for (size_t i = 0; i < view->unjudged_count; i++)
        if (view->unjudged[i].blocks & judges)
            return &view->unjudged[i];
    return NULL;
}
