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

/* The CRDs of a file are never all; what matters is whether this one is there. */
static bool unchecked_fact(const struct inventory *inventory, enum fact fact)
{
    if (fact == FACT_CUSTOM_RESOURCES && inventory_custom_resource(inventory, STR("backups.velero.io")))
        return false;
    if (fact == FACT_CREDENTIALS && inventory->known[FACT_CLUSTER_DEPLOYMENTS] &&
        inventory->count[FACT_CLUSTER_DEPLOYMENTS] == 0)
        return false;                     /* kcm looks up none */
    bool regional = fact != FACT_REGIONS; /* k0rdent before 1.2 has no such kind */
    for (size_t i = 0; i < inventory->count[FACT_CREDENTIALS] && !regional; i++)
        regional = inventory->credentials[i]->region.len > 0;
    return regional && !inventory->known[fact];
}

void status_find_unchecked(struct status_view *view)
{
    static const enum fact facts[] = {FACT_CUSTOM_RESOURCES, FACT_KCM,     FACT_CLUSTER_DEPLOYMENTS,
                                      FACT_CREDENTIALS,      FACT_REGIONS, FACT_SCHEDULES};
    for (size_t i = 0; i < LENGTH_OF(facts); i++)
        if (unchecked_fact(view->inventory, facts[i]))
            strlist_add(view->arena, &view->unchecked, str_from(fact_kinds[facts[i]].name));
}

/* A deeper cause could explain one of these. */
static bool unchecked_matters(const struct status_view *view)
{
    for (size_t i = 0; i < view->finding_count; i++)
        if (status_causes[view->findings[i].cause].explained_by)
            return true;
    return false;
}

struct str status_unchecked_text(const struct status_view *view)
{
    struct str names = STR("");
    for (size_t i = 0; i < view->unchecked.len && unchecked_matters(view); i++) {
        struct str rest = view->unchecked.items[i], name;
        str_cut(&rest, '.', &name);
        names = arena_printf(view->arena, "%.*s%s%.*s%s", STR_ARG(names), i ? ", " : "", STR_ARG(name),
                             str_ends(view->unchecked.items[i], STR(" of kcm")) ? " of kcm" : "");
    }
    return names.len
               ? arena_printf(view->arena, "a deeper cause may be hidden, since nothing lists %.*s", STR_ARG(names))
               : names;
}
