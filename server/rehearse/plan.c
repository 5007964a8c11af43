/* Which objects a Restore takes, and in which order: restoreContext.execute, getOrderedResourceCollection and
 * getSelectedRestoreableItems of pkg/restore/restore.go, collections.IncludesExcludes, and util/wildcard. */
#include <stdlib.h>

#include "backstop/grammar.h"
#include "backstop/rehearse.h"

/* nonRestorableResources, pkg/controller/restore_controller.go */
static const char *const not_restorable[] = {"nodes",
                                             "events",
                                             "events.events.k8s.io",
                                             "backups.velero.io",
                                             "restores.velero.io",
                                             "resticrepositories.velero.io",
                                             "csinodes.storage.k8s.io",
                                             "volumeattachments.storage.k8s.io",
                                             "backuprepositories.velero.io"};
#define ALWAYS_RESTORED "datauploads.velero.io" /* resourceMustHave */

struct name_lists {
    struct strlist included, excluded;
};

/* `before` and `served` differ by the CRDs of the backup: names in lists are resolved before
 * those are restored, objects after. */
struct planner {
    struct rehearse_plan *plan;
    struct rehearse_contents *contents;
    const struct rehearse_restore *restore;
    struct rehearse_served *served;
    struct rehearse_served before; /* as many kinds as before the CRDs of the backup: what names in lists mean */
    struct arena *arena;
    struct name_lists resources, namespaces;
    bool *processed; /* by resource */
};

/* ---- lists --------------------------------------------------------------------------------- */

/* Lists hold globs. */
static bool list_matches(struct arena *arena, const struct strlist *list, struct str name)
{
    for (size_t i = 0; i < list->len; i++)
        if (glob_match(arena, list->items[i], name, 0))
            return true;
    return false;
}

/* IncludesExcludes.ShouldInclude */
static bool lists_include(struct arena *arena, const struct name_lists *lists, struct str name)
{
    if (list_matches(arena, &lists->excluded, name))
        return false;
    return lists->included.len == 0 || strlist_has(&lists->included, STR("*")) ||
           list_matches(arena, &lists->included, name);
}

static bool lists_include_everything(const struct name_lists *lists)
{
    return lists->excluded.len == 0 &&
           (lists->included.len == 0 || (lists->included.len == 1 && str_is(lists->included.items[0], "*")));
}

static struct str kind_resource(struct arena *arena, const struct rehearse_kind *kind)
{
    return kind->group.len ? arena_join(arena, kind->plural, ".", kind->group) : kind->plural;
}

/* plural.group, or the name as it is where discovery does not find it. */
static struct str plan_resolve(const struct rehearse_served *served, struct arena *arena, struct str name)
{
    const struct rehearse_kind *kind = rehearse_served_find(served, name);
    return kind ? kind_resource(arena, kind) : name;
}

/* "*" among the excluded is dropped, as Velero does. */
static void plan_resolve_all(const struct planner *planner, const struct strlist *from, bool stars, struct strlist *to)
{
    for (size_t i = 0; i < from->len; i++)
        if (stars || !str_is(from->items[i], "*"))
            strlist_add(planner->arena, to, plan_resolve(&planner->before, planner->arena, from->items[i]));
}

/* The kinds that are never restored are excluded last, whatever the Restore includes. */
static bool plan_resources(struct planner *planner, struct error *error)
{
    const struct rehearse_restore *restore = planner->restore;
    for (size_t i = 0; i < LENGTH_OF(not_restorable); i++)
        if (strlist_has(&restore->included_resources, str_from(not_restorable[i])))
            return error_set(error, 422, "Velero refuses this Restore: %s are non-restorable resources",
                             not_restorable[i]);
    plan_resolve_all(planner, &restore->included_resources, true, &planner->resources.included);
    plan_resolve_all(planner, &restore->excluded_resources, false, &planner->resources.excluded);
    for (size_t i = 0; i < LENGTH_OF(not_restorable); i++)
        strlist_add(planner->arena, &planner->resources.excluded,
                    plan_resolve(&planner->before, planner->arena, str_from(not_restorable[i])));
    return true;
}

static bool has_wildcard(struct str text)
{
    return str_contains(text, STR("*")) || str_contains(text, STR("?")) || str_contains(text, STR("["));
}

/* The items of a resource are sorted by namespace, so each namespace comes up once in a row. */
static void plan_expand(struct planner *planner, const struct strlist *patterns, struct strlist *expanded)
{
    size_t count;
    struct rehearse_resource *resources = rehearse_contents_resources(planner->contents, &count);
    for (size_t p = 0; p < patterns->len; p++) {
        if (!has_wildcard(patterns->items[p])) {
            strlist_add(planner->arena, expanded, patterns->items[p]);
            continue;
        }
        struct str last = STR("");
        for (size_t r = 0; r < count; r++)
            for (size_t i = 0; i < resources[r].count; i++) {
                struct str ns = resources[r].items[i].ns;
                if (ns.len == 0 || str_eq(ns, last))
                    continue;
                last = ns;
                if (glob_match(planner->arena, patterns->items[p], ns, 0) && !strlist_has(expanded, ns))
                    strlist_add(planner->arena, expanded, ns);
            }
    }
}

/* expandNamespaceWildcards: patterns become the names in the backup that they match. Where the included ones match none,
 * the list is empty, and Velero takes that for all namespaces. */
static void plan_namespaces(struct planner *planner)
{
    const struct rehearse_restore *restore = planner->restore;
    bool expands = false;
    for (size_t i = 0; i < restore->included_namespaces.len; i++)
        expands = expands || has_wildcard(restore->included_namespaces.items[i]);
    for (size_t i = 0; restore->included_namespaces.len && i < restore->excluded_namespaces.len; i++)
        expands = expands || has_wildcard(restore->excluded_namespaces.items[i]);
    if (restore->included_namespaces.len == 0 || strlist_has(&restore->included_namespaces, STR("*")))
        expands = false;
    planner->namespaces = (struct name_lists){restore->included_namespaces, restore->excluded_namespaces};
    if (!expands)
        return;
    planner->namespaces = (struct name_lists){{0}, {0}};
    plan_expand(planner, &restore->included_namespaces, &planner->namespaces.included);
    plan_expand(planner, &restore->excluded_namespaces, &planner->namespaces.excluded);
    if (planner->namespaces.included.len == 0)
        strlist_add(
            planner->arena, &planner->plan->notes,
            STR("spec.includedNamespaces matches no namespace of the backup: Velero then restores all of them"));
}

/* ---- filters of a resource policy (1.18.3) ---------------------------------------------------- */

/* What stands for the items of one resource in one namespace. */
struct item_filter {
    bool none;                  /* nothing of it is restored */
    struct json_object *policy; /* one of its resourceFilters; NULL: the Restore's selectors count */
};

static bool filter_is_catch_all(struct json_object *filter)
{
    struct json_object *kinds = json_get(filter, "kinds");
    return json_len(kinds) == 0 || (json_len(kinds) == 1 && str_is(json_str(json_item(kinds, 0)), "*"));
}

/* The policy for a namespace: one that names it goes before patterns, of which the first counts. */
static struct json_object *filter_policy_of(const struct planner *planner, struct str ns)
{
    struct json_object *policies = json_get(planner->restore->policy, "namespacedFilterPolicies");
    for (int patterns = 0; patterns < 2; patterns++)
        for (size_t i = 0; i < json_len(policies); i++) {
            struct json_object *policy = json_item(policies, i), *names = json_get(policy, "namespaces");
            for (size_t n = 0; n < json_len(names); n++) {
                struct str name = json_str(json_item(names, n));
                if (patterns ? has_wildcard(name) && glob_match(planner->arena, name, ns, 0) : str_eq(name, ns))
                    return policy;
            }
        }
    return NULL;
}

/* The filter that lists this resource, by what discovery makes of its kinds or, with a Kind, by that; *unresolved:
 * discovery does not know one of them. */
static struct json_object *filter_listing(const struct planner *planner, struct json_object *filters,
                                          struct str resource, struct str kind, bool *unresolved)
{
    for (size_t f = 0; f < json_len(filters); f++) {
        struct json_object *filter = json_item(filters, f), *kinds = json_get(filter, "kinds");
        for (size_t k = 0; !filter_is_catch_all(filter) && k < json_len(kinds); k++) {
            struct str name = json_str(json_item(kinds, k));
            const struct rehearse_kind *known = rehearse_served_find(&planner->before, name);
            *unresolved = *unresolved || !known;
            if (kind.len ? str_eq_nocase(name, kind)
                         : str_eq(known ? kind_resource(planner->arena, known) : name, resource))
                return filter;
        }
    }
    return NULL;
}

/* Decided once for each resource and namespace. The Kind is read from an object only where names
 * alone do not settle it. */
static struct item_filter filter_for(const struct planner *planner, const struct rehearse_item *first)
{
    struct str resource = first->resource->name;
    struct json_object *policy = planner->restore->policy;
    if (!policy || str_is(resource, ALWAYS_RESTORED))
        return (struct item_filter){0};
    struct json_object *of_ns = first->ns.len ? filter_policy_of(planner, first->ns) : NULL;
    struct json_object *filters =
        json_get(first->ns.len ? of_ns : json_get(policy, "clusterScopedFilterPolicy"), "resourceFilters");
    if (!filters)
        return (struct item_filter){0};
    bool unresolved = false, unused = false;
    struct json_object *found = filter_listing(planner, filters, resource, (struct str){NULL, 0}, &unresolved);
    struct json_object *catch_all = NULL;
    for (size_t f = 0; f < json_len(filters); f++)
        if (filter_is_catch_all(json_item(filters, f)))
            catch_all = json_item(filters, f);
    if (!found && (first->ns.len == 0 || catch_all || unresolved)) {
        ARENA_SCOPED arena = arena_new(64 * 1024 * 1024);
        struct error ignored;
        struct json_object *tree = arena ? rehearse_item_read(planner->contents, first, arena, &ignored) : NULL;
        struct str kind = arena_copy(planner->arena, json_get_str(tree, "kind"));
        found = kind.len ? filter_listing(planner, filters, resource, kind, &unused) : NULL;
    }
    if (found || first->ns.len == 0)
        return (struct item_filter){false, found};
    return (struct item_filter){!catch_all, catch_all};
}

/* ---- selectors ---------------------------------------------------------------------------------- */

/* No selector at all is a match; `skip_empty` takes empty ones for none. */
static bool any_selector_matches(struct json_object *selectors, struct json_object *labels, bool skip_empty)
{
    size_t counted = 0;
    for (size_t i = 0; i < json_len(selectors); i++) {
        struct json_object *selector = json_item(selectors, i);
        if (skip_empty && selector_is_empty(selector))
            continue;
        counted++;
        if (selector_matches(selector, labels))
            return true;
    }
    return counted == 0;
}

static const char *filter_refuses(const struct planner *planner, struct json_object *filter, struct json_object *tree)
{
    struct json_object *labels = json_path(tree, "metadata.labels");
    struct json_object *included = json_get(filter, "names"), *excluded = json_get(filter, "excludedNames");
    struct name_lists names = {{0}, {0}};
    for (size_t i = 0; i < json_len(included); i++)
        strlist_add(planner->arena, &names.included, json_str(json_item(included, i)));
    for (size_t i = 0; i < json_len(excluded); i++)
        strlist_add(planner->arena, &names.excluded, json_str(json_item(excluded, i)));
    if (!selector_matches(json_get(filter, "labelSelector"), labels) ||
        !any_selector_matches(json_get(filter, "orLabelSelectors"), labels, true))
        return "the resource policy's label selector does not match it";
    if (!lists_include(planner->arena, &names, json_path_str(tree, "metadata.name")))
        return "the resource policy's names leave it out";
    return NULL;
}

/* Why the item is not selected, or NULL. */
static const char *item_unselected(const struct planner *planner, const struct item_filter *filter,
                                   const struct rehearse_item *item)
{
    const struct rehearse_restore *restore = planner->restore;
    if (filter->none)
        return "the resource policy does not list its kind for this namespace";
    if (str_is(item->resource->name, ALWAYS_RESTORED) ||
        (!filter->policy && !restore->selector && json_len(restore->or_selectors) == 0))
        return NULL;
    ARENA_SCOPED arena = arena_new(64 * 1024 * 1024);
    struct error ignored;
    struct json_object *tree = arena ? rehearse_item_read(planner->contents, item, arena, &ignored) : NULL;
    struct json_object *labels = json_path(tree, "metadata.labels");
    if (!tree)
        return NULL; /* told when it is restored */
    if (filter->policy)
        return filter_refuses(planner, filter->policy, tree);
    if (!selector_matches(restore->selector, labels))
        return "spec.labelSelector does not match it";
    return any_selector_matches(restore->or_selectors, labels, false) ? NULL
                                                                      : "none of spec.orLabelSelectors matches it";
}

/* ---- order -------------------------------------------------------------------------------------- */

/* The reason is a literal, so it need not be copied. */
static void item_skip(struct rehearse_item *item, const char *why)
{
    if (item->planned) /* another object that is restored refers to it */
        return;
    item->outcome = REHEARSE_SKIPPED;
    item->evidence = REHEARSE_BY_PLAN;
    item->reason = str_from(why);
}

/* Why nothing of this namespace (or, with "", of the cluster) is restored; NULL where something is. */
static const char *scope_excluded(const struct planner *planner, struct str ns, bool always)
{
    const struct rehearse_restore *restore = planner->restore;
    if (ns.len)
        return always || lists_include(planner->arena, &planner->namespaces, ns) ? NULL : "its namespace is excluded";
    if (restore->include_cluster == 0)
        return "it is cluster-scoped, and spec.includeClusterResources is false";
    if (restore->include_cluster == -1 && !lists_include_everything(&planner->namespaces))
        return "it is cluster-scoped, and only some namespaces are restored (spec.includeClusterResources is not set)";
    return NULL;
}

/* ---- additional items ------------------------------------------------------------------------------ */

static void plan_add(struct planner *planner, struct rehearse_item *item);

/* restoreItem for an additional item: it passes selectors, resource policies and the rule that a Restore of some
 * namespaces takes nothing of the cluster, but not the lists. */
static void plan_pull(struct planner *planner, const char *resource_name, struct str ns, struct str name)
{
    struct rehearse_resource *resource = rehearse_contents_resource(planner->contents, str_from(resource_name));
    struct rehearse_item *item = resource && name.len ? rehearse_resource_item(resource, ns, name) : NULL;
    bool in_scope =
        ns.len ? lists_include(planner->arena, &planner->namespaces, ns) : planner->restore->include_cluster != 0;
    if (item && !item->planned && in_scope && lists_include(planner->arena, &planner->resources, resource->name))
        plan_add(planner, item);
}

/* What Velero's own plugins add (AddPVCFromPodAction, PodAction, PVCAction) is restored before the object that refers to
 * it: a pod's claims and PriorityClass, and the volume of a claim that is bound. */
static void plan_pull_items(struct planner *planner, const struct rehearse_item *item)
{
    bool pod = str_is(item->resource->name, "pods");
    if (!pod && !str_is(item->resource->name, "persistentvolumeclaims"))
        return;
    ARENA_SCOPED arena = arena_new(64 * 1024 * 1024);
    struct error ignored;
    struct json_object *tree = arena ? rehearse_item_read(planner->contents, item, arena, &ignored) : NULL;
    struct str phase = json_path_str(tree, "status.phase");
    struct json_object *volumes = json_path(tree, "spec.volumes");
    if (!pod) {
        if (str_is(phase, "Bound"))
            plan_pull(planner, "persistentvolumes", STR(""), json_path_str(tree, "spec.volumeName"));
        return;
    }
    if (str_is(phase, "Failed") || str_is(phase, "Succeeded")) /* isCompleted: it is not restored itself */
        return;
    for (size_t i = 0; i < json_len(volumes); i++)
        plan_pull(planner, "persistentvolumeclaims", item->ns,
                  json_path_str(json_item(volumes, i), "persistentVolumeClaim.claimName"));
    plan_pull(planner, "priorityclasses.scheduling.k8s.io", STR(""), json_path_str(tree, "spec.priorityClassName"));
}

/* Recurses from a pod to its claims, and from a claim to its volume. */
static void plan_add(struct planner *planner, struct rehearse_item *item)
{
    if (item->planned)
        return;
    item->planned = true;
    plan_pull_items(planner, item);
    item->outcome = REHEARSE_PENDING;
    item->reason = (struct str){NULL, 0};
    item->target_ns = rehearse_restore_target(planner->restore, item->ns);
    if (planner->plan->count < rehearse_contents_count(planner->contents))
        planner->plan->items[planner->plan->count++] = item;
}

static void plan_named(struct planner *planner, struct str name)
{
    size_t count;
    struct rehearse_resource *resources = rehearse_contents_resources(planner->contents, &count);
    struct str resolved = plan_resolve(planner->served, planner->arena, name);
    struct rehearse_resource *resource = rehearse_contents_resource(planner->contents, resolved);
    if (!resource || planner->processed[resource - resources])
        return;
    planner->processed[resource - resources] = true;
    bool always = str_is(resource->name, ALWAYS_RESTORED);
    const char *excluded = NULL;
    struct item_filter filter = {0};
    if (!always && !lists_include(planner->arena, &planner->resources, resource->name)) {
        excluded =
            STR_IN(resource->name, not_restorable) ? "Velero never restores this resource" : "its resource is excluded";
        for (size_t i = 0; i < resource->count; i++)
            item_skip(&resource->items[i], excluded);
        return;
    }
    for (size_t i = 0; i < resource->count; i++) {
        struct rehearse_item *item = &resource->items[i];
        if (i == 0 || !str_eq(item->ns, resource->items[i - 1].ns)) {
            excluded = scope_excluded(planner, item->ns, always);
            if (!excluded)
                filter = filter_for(planner, item);
        }
        const char *why = excluded ? excluded : item_unselected(planner, &filter, item);
        if (why)
            item_skip(item, why);
        else
            plan_add(planner, item);
    }
}

/* First of all, whatever the order says: what other kinds there are depends on them. */
static bool plan_crds(struct planner *planner, struct error *error)
{
    plan_named(planner, STR("customresourcedefinitions"));
    planner->plan->crds = planner->plan->count;
    planner->before = *planner->served;
    for (size_t i = 0; i < planner->plan->crds; i++) {
        ARENA_SCOPED arena = arena_new(64 * 1024 * 1024);
        struct error reason;
        struct json_object *crd =
            arena ? rehearse_item_read(planner->contents, planner->plan->items[i], arena, &reason) : NULL;
        if (crd)
            rehearse_served_add_crd(planner->served, crd, planner->plan->items[i]);
    }
    return !arena_failed(planner->arena) || error_set(error, 500, "out of memory");
}

/* CRDs, then the priorities in their order, then the rest by name, then what is to come last.
 * Each resource once; the same call may be made again when more kinds are served. */
bool rehearse_plan_make(struct rehearse_plan *plan, struct rehearse_contents *contents,
                        const struct rehearse_restore *restore, struct rehearse_served *served, struct arena *arena,
                        struct error *error)
{
    size_t count, total = rehearse_contents_count(contents);
    struct rehearse_resource *resources = rehearse_contents_resources(contents, &count);
    struct planner planner = {.plan = plan,
                              .contents = contents,
                              .restore = restore,
                              .served = served,
                              .before = *served,
                              .arena = arena,
                              .processed = arena_array(arena, count ? count : 1, sizeof(bool))};
    *plan = (struct rehearse_plan){.items = arena_array(arena, total ? total : 1, sizeof(struct rehearse_item *))};
    if (!plan->items || !planner.processed)
        return error_set(error, 500, "out of memory");
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < resources[r].count; i++)
            resources[r].items[i].planned = false; /* of an earlier plan */
    if (!plan_resources(&planner, error))
        return false;
    plan_namespaces(&planner);
    if (!plan_crds(&planner, error))
        return false;
    struct rehearse_order order = restore->order;
    if (!order.read)
        rehearse_order_default(&order, arena);
    for (size_t i = 0; i < order.high.len; i++)
        plan_named(&planner, order.high.items[i]);
    for (size_t i = 0; i < count; i++) /* in the order of their names */
        if (!strlist_has(&order.high, resources[i].name) && !strlist_has(&order.low, resources[i].name))
            plan_named(&planner, resources[i].name);
    for (size_t i = 0; i < order.low.len; i++)
        plan_named(&planner, order.low.items[i]);
    return !arena_failed(arena) || error_set(error, 500, "out of memory");
}
