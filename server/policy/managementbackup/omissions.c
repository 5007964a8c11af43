/* What the Management needs and kcm's selectors leave out (internal/controller/backup/collect.go). kcm labels its own
 * kinds, but not the Secrets that users make for them; and it selects a ClusterDeployment's objects through its
 * ClusterTemplate. */
#include "backstop/policy.h"
#include "policy/checks.h"

enum { OMISSIONS_MAX = 32 };

struct omission_search {
    struct arena *arena;
    const struct inventory *inventory;
    struct backup_omission *items;
    size_t len;
};

/* NULL when it is listed already, or there are too many. */
static struct backup_omission *omission_add(struct omission_search *search, enum backup_omission_kind kind,
                                            struct str ns, struct str name)
{
    for (size_t i = 0; i < search->len; i++)
        if (search->items[i].kind == kind && str_eq(search->items[i].ns, ns) && str_eq(search->items[i].name, name))
            return NULL;
    if (!search->items)
        search->items = arena_array(search->arena, OMISSIONS_MAX, sizeof *search->items);
    if (!search->items || search->len == OMISSIONS_MAX)
        return NULL;
    struct backup_omission *omission = &search->items[search->len++];
    *omission = (struct backup_omission){.kind = kind, .ns = ns, .name = name};
    return omission;
}

bool policy_backup_selects(struct json_object *labels)
{
    static const char *const selected_by[] = {LABEL_CLUSTER_NAME, LABEL_HELM_NAME, LABEL_PROVIDER};
    if (str_is(json_get_str(labels, LABEL_COMPONENT), "kcm"))
        return true;
    for (size_t i = 0; i < LENGTH_OF(selected_by); i++)
        if (json_get_str(labels, selected_by[i]).len)
            return true;
    return false;
}

/* Only Secrets of the system namespace are read; one that is not there is another fault. */
static void omission_of_secret(struct omission_search *search, struct str ns, struct str name, const char *owner_kind,
                               struct str owner)
{
    struct arena *arena = search->arena;
    const struct secret *secret = inventory_secret(search->inventory, ns, name);
    if (!secret || policy_backup_selects(secret->meta.labels))
        return;
    struct backup_omission *omission = omission_add(search, OMITS_SECRET, ns, name);
    if (!omission)
        return;
    omission->reason = arena_printf(arena, "Secret %.*s of %s %.*s lacks label " LABEL_COMPONENT "=kcm",
                                    STR_ARG(arena_quote(arena, name)), owner_kind, STR_ARG(arena_quote(arena, owner)));
    omission->fix = arena_printf(arena, "Add it: kubectl -n %.*s label secret %.*s " LABEL_COMPONENT "=kcm",
                                 STR_ARG(words_name(arena, ns)), STR_ARG(words_name(arena, name)));
}

static bool omission_has_template(const struct inventory *inventory, struct str name)
{
    for (size_t i = 0; i < inventory->count[FACT_CLUSTER_TEMPLATES]; i++)
        if (str_eq(inventory->cluster_templates[i]->meta.name, name))
            return true;
    return false;
}

static void omission_of_template(struct omission_search *search, const struct cluster_deployment *deployment)
{
    struct arena *arena = search->arena;
    const struct object_meta *meta = &deployment->meta;
    struct backup_omission *omission = omission_add(search, OMITS_CLUSTER, meta->ns, meta->name);
    if (!omission)
        return;
    omission->reason = arena_printf(
        arena, "ClusterTemplate %.*s of ClusterDeployment %.*s does not exist",
        STR_ARG(arena_quote(arena, deployment->template)),
        STR_ARG(arena_quote(arena, arena_printf(arena, "%.*s/%.*s", STR_ARG(meta->ns), STR_ARG(meta->name)))));
    omission->fix = arena_printf(arena, "Restore it; compare: kubectl -n %.*s get clustertemplates",
                                 STR_ARG(words_name(arena, meta->ns)));
}

struct backup_omissions policy_backup_omissions(struct arena *arena, const struct inventory *inventory,
                                                const struct settings *settings)
{
    struct omission_search search = {.arena = arena, .inventory = inventory};
    for (size_t i = 0; i < inventory->count[FACT_CREDENTIALS]; i++) {
        const struct credential *credential = inventory->credentials[i];
        if (str_is(credential->identity_kind, "Secret") && credential->region.len == 0)
            omission_of_secret(&search, credential->identity_ns.len ? credential->identity_ns : credential->meta.ns,
                               credential->identity_name, "Credential", credential->meta.name);
    }
    for (size_t i = 0; i < inventory->count[FACT_REGIONS]; i++)
        omission_of_secret(&search, settings->system_namespace, inventory->regions[i]->kubeconfig_secret, "Region",
                           inventory->regions[i]->meta.name);
    for (size_t i = 0; inventory->count[FACT_CLUSTER_TEMPLATES] && i < inventory->count[FACT_CLUSTER_DEPLOYMENTS]; i++)
        if (!omission_has_template(inventory, inventory->cluster_deployments[i]->template))
            omission_of_template(&search, inventory->cluster_deployments[i]);
    return (struct backup_omissions){.items = search.items,
                                     .len = search.len,
                                     .known = inventory->known[FACT_CREDENTIALS] && inventory->known[FACT_REGIONS] &&
                                              inventory->known[FACT_SECRETS] &&
                                              inventory->known[FACT_CLUSTER_DEPLOYMENTS] &&
                                              inventory->known[FACT_CLUSTER_TEMPLATES]};
}
