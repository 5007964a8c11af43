#include "status/status.h"

/* What could not be judged because nobody knows the facts it rests on. That is no blocker, and no "ready". */

struct needed {
    enum fact fact;
    unsigned judges;
    const char *question;
};

static const struct needed needed_facts[] = {
    {FACT_MANAGEMENTS, STATUS_BLOCKS_UPGRADE, "which release runs"},
    {FACT_RELEASES, STATUS_BLOCKS_UPGRADE, "whether that release is ready"},
    {FACT_MANAGEMENT_BACKUPS, STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_BACKUP, "what makes backups"},
    {FACT_STORAGE_LOCATIONS, STATUS_BLOCKS_RESTORE | STATUS_BLOCKS_BACKUP,
     "where backups go and whether they can be read"},
    {FACT_BACKUPS, STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_RESTORE, "what could be restored"},
    {FACT_VELERO, STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_RESTORE | STATUS_BLOCKS_BACKUP, "whether Velero runs"},
};

/* The list itself says what it lists, even when that is nothing. */
static struct str unjudged_fix(const struct status_view *view, const struct fact_kind *kind)
{
    if (!view->files)
        return arena_printf(view->arena, "kubectl get %s -A", kind->name); /* which says why not */
    return arena_printf(view->arena, "kubectl get --raw /apis/%s/%s >%s.json", kind->api_version,
                        kind->resource.plural.ptr, kind->resource.plural.ptr);
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
            .cause = CAUSE_UNKNOWN,
            .blocks = needed->judges,
            .object = str_from(fact_kinds[needed->fact].name),
            .says = arena_printf(view->arena, "%s, so it is unknown %s",
                                 view->files ? "no --inventory file lists them" : "the cluster does not list them",
                                 needed->question),
            .fix = unjudged_fix(view, &fact_kinds[needed->fact])};
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
