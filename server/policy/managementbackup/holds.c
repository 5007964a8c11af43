#include "backstop/policy.h"
#include "policy/checks.h"

/* What keeps kcm from starting ManagementBackups, none of which it reports (internal/controller/backup, k0rdent 1.10 to
 * 1.12). Before each of them, on demand and before an upgrade too, kcm computes its scope: the Credential of every
 * ClusterDeployment, and a client for each Region that those name. An error ends it (scope.go getScope). A scheduled one
 * waits besides while a Backup of it is New or InProgress, here or in a region, and while the Backups of a region cannot
 * be listed (schedule.go areAnyBackupsProgressing). */

enum { HOLDS_MAX = 32, RUNS_LONG = 3600 };

/* Found once for each object, whatever number of others name it: `others` counts them. */
struct hold_search {
    struct arena *arena;
    const struct inventory *inventory;
    const struct settings *settings;
    int64_t now;
    struct backup_hold *items;
    size_t len;
};

/* The one of this kind and object, new and empty if there was none; NULL when there are too many. */
static struct backup_hold *hold_of(struct hold_search *search, enum backup_hold_kind kind, struct str ns,
                                   struct str name)
{
    for (size_t i = 0; i < search->len; i++) {
        struct backup_hold *hold = &search->items[i];
        if (hold->kind == kind && str_eq(hold->ns, ns) && str_eq(hold->name, name))
            return hold;
    }
    if (!search->items) /* reviews seldom find one, and pay for the room only then */
        search->items = arena_array(search->arena, HOLDS_MAX, sizeof *search->items);
    if (!search->items || search->len == HOLDS_MAX)
        return NULL;
    struct backup_hold *hold = &search->items[search->len++];
    *hold = (struct backup_hold){.kind = kind, .ns = ns, .name = name};
    return hold;
}

static struct str hold_quote_path(struct arena *arena, struct str ns, struct str name)
{
    return arena_quote(arena, arena_printf(arena, "%.*s/%.*s", STR_ARG(ns), STR_ARG(name)));
}

/* ---- the scope ------------------------------------------------------------------ */

/* kcm asks for the ClusterDeployments of each ClusterTemplate by its name alone, in whatever namespace; where there is
 * no ClusterTemplate at all, for all of them. */
static bool hold_scope_has(const struct inventory *inventory, const struct cluster_deployment *deployment)
{
    size_t count = inventory->count[FACT_CLUSTER_TEMPLATES];
    for (size_t i = 0; i < count; i++)
        if (str_eq(inventory->cluster_templates[i]->meta.name, deployment->template))
            return true;
    return count == 0;
}

/* kcm fails at the first one it meets, so this holds all backups of all ManagementBackups. */
static void hold_no_credential(struct hold_search *search, const struct cluster_deployment *deployment)
{
    struct arena *arena = search->arena;
    struct backup_hold *hold = hold_of(search, HOLD_NO_CREDENTIAL, deployment->meta.ns, deployment->credential);
    if (!hold || hold->others++)
        return;
    hold->whole = true;
    hold->certain = search->inventory->known[FACT_CLUSTER_TEMPLATES];
    hold->reason = arena_printf(arena, "Credential %.*s of ClusterDeployment %.*s does not exist",
                                STR_ARG(hold_quote_path(arena, deployment->meta.ns, deployment->credential)),
                                STR_ARG(hold_quote_path(arena, deployment->meta.ns, deployment->meta.name)));
    hold->fix = arena_printf(arena, "Restore it, or name another: kubectl -n %.*s edit clusterdeployment %.*s",
                             STR_ARG(words_name(arena, deployment->meta.ns)),
                             STR_ARG(words_name(arena, deployment->meta.name)));
}

/* What is wrong with the kubeconfig of a region, in reason, fix and certain; false where nothing is, or where it is not
 * known. kcm reads a Secret of the system namespace, or NAME-kubeconfig beside the region's ClusterDeployment
 * (internal/util/kube GetRegionalClient). */
static bool hold_kubeconfig(const struct hold_search *search, const struct region *region, struct backup_hold *hold)
{
    struct arena *arena = search->arena;
    const struct inventory *inventory = search->inventory;
    struct str quoted = arena_quote(arena, region->meta.name), system = search->settings->system_namespace;
    struct str ns = system, name = region->kubeconfig_secret, key = region->kubeconfig_key;
    hold->certain = true;
    if (region->cluster_name.len) {
        ns = region->cluster_ns.len ? region->cluster_ns : system;
        name = arena_printf(arena, "%.*s-kubeconfig", STR_ARG(region->cluster_name));
        key = STR("value");
    }
    if (name.len == 0)
        return false;
    const struct secret *secret = inventory_secret(inventory, ns, name);
    hold->fix = arena_printf(arena, "Store it again: kubectl -n %.*s create secret generic %.*s --from-file=%.*s=FILE",
                             STR_ARG(words_name(arena, ns)), STR_ARG(words_name(arena, name)), STR_ARG(key));
    if (key.len == 0) {
        hold->reason = arena_printf(arena, "spec.kubeConfig.key of Region %.*s is empty, since kcm assumes no default",
                                    STR_ARG(quoted));
        hold->fix = STR("It cannot be changed: create the Region again with the key of the Secret");
    } else if (secret && secret->keys.len && !strlist_has(&secret->keys, key)) {
        hold->reason =
            arena_printf(arena, "Secret %.*s, the kubeconfig of Region %.*s, has no key %.*s",
                         STR_ARG(hold_quote_path(arena, ns, name)), STR_ARG(quoted), STR_ARG(arena_quote(arena, key)));
    } else if (!secret && str_eq(ns, system) && inventory->known[FACT_SECRETS]) {
        hold->reason = arena_printf(arena, "Secret %.*s, the kubeconfig of Region %.*s, does not exist",
                                    STR_ARG(hold_quote_path(arena, ns, name)), STR_ARG(quoted));
    } else if (!secret && region->cluster_name.len && inventory->known[FACT_CLUSTER_DEPLOYMENTS] &&
               !inventory_cluster_deployment(inventory, ns, region->cluster_name)) {
        /* Secrets elsewhere are not read. Cluster API deletes this one together with the cluster. */
        hold->certain = false;
        hold->reason = arena_printf(arena, "the kubeconfig of Region %.*s is missing: ClusterDeployment %.*s is",
                                    STR_ARG(quoted), STR_ARG(hold_quote_path(arena, ns, region->cluster_name)));
        hold->fix = STR("Restore the cluster, or delete the ClusterDeployments of that region");
    }
    return hold->reason.len > 0;
}

static struct str hold_region_fix(struct arena *arena, struct str region)
{
    return arena_printf(arena, "See: kubectl describe region %.*s", STR_ARG(words_name(arena, region)));
}

static void hold_region(struct hold_search *search, const struct region *region)
{
    struct arena *arena = search->arena;
    struct str none = {NULL, 0}, name = region->meta.name;
    struct backup_hold found = {0};
    bool kubeconfig = hold_kubeconfig(search, region, &found);
    /* kcm's own word where it could not reach the region or set it up; components that are not ready hold nothing. */
    if (!kubeconfig && !str_starts(region->problem, STR("ConfigurationError: ")))
        return;
    struct backup_hold *hold = hold_of(search, kubeconfig ? HOLD_NO_KUBECONFIG : HOLD_REGION_FAILS, none, name);
    if (!hold || hold->others++)
        return;
    if (kubeconfig) {
        hold->whole = true;
        hold->certain = found.certain;
        hold->reason = found.reason;
        hold->fix = found.fix;
        return;
    }
    hold->reason = arena_printf(arena, "Region %.*s is not ready: %.*s", STR_ARG(arena_quote(arena, name)),
                                STR_ARG(arena_quote_error(arena, region->problem)));
    hold->fix = hold_region_fix(arena, name);
}

/* A Credential without a Region, or with one that is gone, stops nothing: kcm passes over both. */
static void hold_scope(struct hold_search *search)
{
    const struct inventory *inventory = search->inventory;
    for (size_t i = 0; i < inventory->count[FACT_CLUSTER_DEPLOYMENTS]; i++) {
        const struct cluster_deployment *deployment = inventory->cluster_deployments[i];
        if (deployment->credential.len == 0)
            continue;
        const struct credential *credential =
            inventory_credential(inventory, deployment->meta.ns, deployment->credential);
        const struct region *region =
            credential && credential->region.len ? inventory_region(inventory, credential->region) : NULL;
        bool missing = !credential && inventory->known[FACT_CREDENTIALS];
        if ((missing || region) && !hold_scope_has(inventory, deployment))
            continue;
        if (missing)
            hold_no_credential(search, deployment);
        else if (region)
            hold_region(search, region);
    }
}

/* ---- scheduled ones alone -------------------------------------------------------- */

static void hold_runs(struct hold_search *search, struct str owner, struct str region, struct str name,
                      const struct backup_status *status, int64_t since)
{
    struct arena *arena = search->arena;
    if (!phase_holds_kcm(status->phase) || since == 0 || search->now - since < RUNS_LONG)
        return;
    struct backup_hold *hold = hold_of(search, HOLD_BACKUP_RUNS, region, name);
    if (!hold || hold->others++)
        return;
    hold->certain = true;
    hold->owner = owner;
    hold->reason =
        arena_printf(arena, "Backup %.*s%s%.*s is %.*s (started %.*s)", STR_ARG(arena_quote(arena, name)),
                     region.len ? " in region " : "", STR_ARG(region.len ? arena_quote(arena, region) : STR("")),
                     STR_ARG(status->phase), STR_ARG(ago(arena, search->now, since)));
    hold->fix = arena_printf(arena, "If Velero hangs%s: kubectl -n %.*s rollout restart deployment/velero",
                             region.len ? ", on that region's cluster" : "",
                             STR_ARG(words_name(arena, search->settings->system_namespace)));
}

/* One that has run for less than RUNS_LONG is nothing to report. */
static void hold_backups(struct hold_search *search)
{
    const struct inventory *inventory = search->inventory;
    struct str here = {NULL, 0};
    size_t count;
    const struct backup *const *unfinished = inventory_unfinished_backups(inventory, &count);
    for (size_t i = 0; i < count; i++) {
        const struct backup *backup = unfinished[i];
        struct str owner = json_get_str(backup->meta.labels, LABEL_MANAGEMENT_BACKUP);
        int64_t since = backup->status.started ? backup->status.started : backup->meta.created;
        if (owner.len && str_eq(backup->meta.ns, search->settings->system_namespace))
            hold_runs(search, owner, here, backup->meta.name, &backup->status, since);
    }
}

/* kcm sets a region's error where it could not create a Backup there. */
static void hold_regions_reported(struct hold_search *search, const struct management_backup *backup)
{
    struct arena *arena = search->arena;
    struct str none = {NULL, 0};
    for (size_t i = 0; i < backup->region_count; i++) {
        const struct region_status *region = &backup->regions[i];
        hold_runs(search, backup->meta.name, region->region, region->backup_name, &region->backup,
                  region->backup.started);
        struct backup_hold *hold = region->error.len ? hold_of(search, HOLD_REGION_FAILS, none, region->region) : NULL;
        if (!hold || hold->others++)
            continue;
        hold->reason = arena_printf(arena, "region %.*s reports %.*s", STR_ARG(arena_quote(arena, region->region)),
                                    STR_ARG(arena_quote_error(arena, region->error)));
        hold->fix = hold_region_fix(arena, region->region);
    }
}

/* ---- all of them ------------------------------------------------------------------ */

/* Certain ones of all backups first. */
static unsigned hold_rank(const struct backup_hold *hold)
{
    return (hold->certain ? 0U : 2U) + (hold->whole ? 0U : 1U);
}

/* What is known is looked at even if not all kinds are; `known` then says that an empty list
 * proves nothing. */
struct backup_holds policy_backup_holds(struct arena *arena, const struct inventory *inventory,
                                        const struct settings *settings, int64_t now)
{
    static const enum fact needed[] = {
        FACT_CLUSTER_DEPLOYMENTS, FACT_CLUSTER_TEMPLATES, FACT_CREDENTIALS, FACT_REGIONS, FACT_SECRETS, FACT_BACKUPS,
        FACT_MANAGEMENT_BACKUPS};
    struct hold_search search = {.arena = arena, .inventory = inventory, .settings = settings, .now = now};
    struct backup_holds holds = {.known = true};
    for (size_t i = 0; i < LENGTH_OF(needed); i++)
        holds.known &= inventory->known[needed[i]];
    hold_scope(&search);
    hold_backups(&search);
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++)
        hold_regions_reported(&search, inventory->management_backups[i]);
    for (size_t i = 0; i < search.len; i++)
        search.items[i].others--;
    for (size_t i = 1; i < search.len; i++)
        for (size_t at = i; at && hold_rank(&search.items[at]) < hold_rank(&search.items[at - 1]); at--) {
            struct backup_hold moved = search.items[at];
            search.items[at] = search.items[at - 1];
            search.items[at - 1] = moved;
        }
    if (arena_failed(arena))
        return (struct backup_holds){0};
    holds.items = search.items;
    holds.len = search.len;
    return holds;
}

/* A Credential whose identity no backup by kcm would contain: they select by labels, and kcm labels the Credential, but
 * not what it refers to (internal/controller/backup/collect.go). Off unless the settings ask for it. */

static bool policy_backup_selects(struct json_object *labels);

/* Only Secrets of the system namespace are cached, and no identities: the webhook has no right to read them. */
void policy_credential(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct decision *decision)
{
    struct arena *arena = request->arena;
    bool create = request->operation == OPERATION_CREATE || !request->old_object;
    struct str kind = object_text(request, request->object, "spec.identityRef.kind");
    struct str name = object_text(request, request->object, "spec.identityRef.name");
    struct str ns = object_text(request, request->object, "spec.identityRef.namespace");
    if (settings->credentials_not_backed_up == VERDICT_ALLOW || !name.len || !kind.len ||
        (!create && !request_changes(request, "spec.identityRef")))
        return;
    ns = ns.len ? ns : request->ns;
    const struct secret *secret = str_is(kind, "Secret") ? inventory_secret(inventory, ns, name) : NULL;
    if (secret && policy_backup_selects(secret->meta.labels))
        return;
    if (secret) {
        const char *field = "spec.identityRef.name";
        struct str problem =
            arena_printf(arena, "no management backup contains Secret %.*s, which lacks label " LABEL_COMPONENT "=kcm",
                         STR_ARG(arena_quote(arena, name)));
        judge_value(decision, settings->credentials_not_backed_up, field, name,
                    "%.*s. Add it: kubectl -n %.*s label secret %.*s " LABEL_COMPONENT "=kcm", STR_ARG(problem),
                    STR_ARG(words_name(arena, ns)), STR_ARG(words_name(arena, name)));
    } else
        decision_warn(
            decision,
            "spec.identityRef: %.*s %.*s and its Secret are in management backups only with label " LABEL_COMPONENT
            "=kcm (not checked). List what is left out: kubectl backstop status",
            STR_ARG(shown(arena, kind)), STR_ARG(arena_quote(arena, name)));
}

/* What the Management needs and kcm's selectors leave out (internal/controller/backup/collect.go). kcm labels its own
 * kinds, but not the Secrets that users make for them; and it selects a ClusterDeployment's objects through its
 * ClusterTemplate. */

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

/* Whether the backups by kcm select an object with these labels, which are those that the cache keeps. */
static bool policy_backup_selects(struct json_object *labels)
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

/* kcm collects what belongs to a ClusterDeployment through its ClusterTemplate. */
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
