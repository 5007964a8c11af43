#include "backstop/grammar.h"
#include "policy/backup/spec.h"
#include "policy/restore/restore.h"
#include "policy/velero/velero.h"

/* The namespaces of a Restore are those of the backup: Velero compares them before it maps them
 * (pkg/restore/restore.go getOrderedResourceCollection), and a slip ends as Completed with nothing
 * restored. What a backup holds is known where its includedNamespaces are a list. */

enum { PATTERNS_MAX = 100 };

bool restore_namespaces_match(const struct restore_view *view, const struct strlist *patterns, struct str ns)
{
    for (size_t i = 0; i < patterns->len && i < PATTERNS_MAX; i++)
        if (str_eq(patterns->items[i], ns) ||
            (glob_has_wildcard(patterns->items[i]) && glob_match(view->arena, patterns->items[i], ns, 0)))
            return true;
    return false;
}

/* namespaces.c. Whether the backup can hold this namespace, or pattern; true where nobody knows. */
static bool restore_backup_holds(const struct restore_view *view, struct str ns)
{
    const struct strlist *included = view->backup ? &view->backup->included_namespaces : NULL;
    if (!included || included->len > PATTERNS_MAX)
        return true;
    if (!glob_has_wildcard(ns))
        return (included->len == 0 || restore_namespaces_match(view, included, ns)) &&
               !restore_namespaces_match(view, &view->backup->excluded_namespaces, ns);
    bool some = included->len == 0;
    for (size_t i = 0; i < included->len; i++)
        some = some || glob_has_wildcard(included->items[i]) || glob_match(view->arena, ns, included->items[i], 0);
    return some;
}

/* The namespace that namespaceMapping restores to this one; absent when none is. */
static struct str restore_mapped_from(const struct restore_view *view, struct str ns)
{
    struct json_object *mapping = restore_field(view, "spec.namespaceMapping");
    json_walk_each(mapping, from, to)
    {
        if (str_eq(json_str(to), ns) && !str_is(ns, from))
            return arena_copy(view->arena, str_from(from));
    }
    return (struct str){NULL, 0};
}

/* `it holds "shop" and "web"`, or what it leaves out. */
static struct str restore_backup_held(const struct restore_view *view)
{
    enum { SHOWN = 6 };
    struct strlist some = view->backup->included_namespaces;
    bool all = some.len == 0;
    if (all)
        some = view->backup->excluded_namespaces;
    size_t more = some.len > SHOWN ? some.len - SHOWN : 0;
    some.len -= more;
    return arena_printf(view->arena, "it %s %.*s%s", all ? "leaves out" : "holds",
                        STR_ARG(strlist_quoted(view->arena, &some)), more ? " and more" : "");
}

static void check_one(const struct restore_view *view, const char *field, struct str ns)
{
    struct str quoted = arena_quote(view->arena, ns), from = restore_mapped_from(view, ns);
    if (ns.len == 0 || str_is(ns, "*") || restore_backup_holds(view, ns))
        return;
    if (from.len && restore_backup_holds(view, from))
        decision_caution(view->decision,
                         "%s: Velero matches namespaces as they are in the backup, where %.*s is %.*s. Nothing is "
                         "restored from %.*s",
                         field, STR_ARG(quoted), STR_ARG(arena_quote(view->arena, from)), STR_ARG(quoted));
    else
        decision_caution(view->decision, "%s: nothing is restored from %.*s, which is not in backup %.*s: %.*s", field,
                         STR_ARG(quoted), STR_ARG(arena_quote(view->arena, view->backup->meta.name)),
                         STR_ARG(restore_backup_held(view)));
}

/* What is not restored is not mapped, and in a Restore a namespace is named as it is in the backup. */
static void check_mapping_source(const struct restore_view *view, const struct strlist *included,
                                 const struct strlist *excluded, struct str from, struct str to)
{
    bool in = included->len == 0 || strlist_has(included, STR("*")) || restore_namespaces_match(view, included, from);
    if (strlist_has(included, to) && view->backup && !restore_backup_holds(view, to))
        return; /* that is told of the target */
    if (from.len && included->len <= PATTERNS_MAX && (!in || strlist_has(excluded, from)))
        decision_caution(
            view->decision,
            "spec.namespaceMapping: nothing is restored to %.*s, because %.*s is %s (use the names in the backup)",
            STR_ARG(arena_quote(view->arena, to)), STR_ARG(arena_quote(view->arena, from)),
            in ? "in spec.excludedNamespaces" : "not in spec.includedNamespaces");
}

/* A list without patterns, all of which is left out again. */
static void check_left_out(const struct restore_view *view)
{
    const struct strlist *excluded = &view->namespaces_out.items;
    const struct strlist *held = view->backup ? &view->backup->included_namespaces : NULL;
    if (!held || !held->len || held->len > PATTERNS_MAX || !restore_asks(view, "spec.excludedNamespaces"))
        return;
    for (size_t i = 0; i < held->len; i++)
        if (glob_has_wildcard(held->items[i]) || !strlist_has(excluded, held->items[i]))
            return;
    decision_caution(
        view->decision,
        "spec.excludedNamespaces: nothing is restored, because it excludes every namespace of backup %.*s (%.*s)",
        STR_ARG(arena_quote(view->arena, view->backup->meta.name)), STR_ARG(restore_backup_held(view)));
}

void restore_check_namespaces(const struct restore_view *view)
{
    const struct strlist *in = &view->namespaces_in.items, *out = &view->namespaces_out.items;
    struct json_object *mapping = restore_field(view, "spec.namespaceMapping");
    bool asked = restore_asks(view, "spec.includedNamespaces") || restore_asks(view, "spec.namespaceMapping");
    check_left_out(view);
    if (!asked)
        return;
    json_walk_each(mapping, source, target)
    {
        if (!decision_is_full(view->decision))
            check_mapping_source(view, in, out, str_from(source), json_str(target));
    }
    if (!view->backup)
        return;
    for (size_t i = 0; i < in->len && !decision_is_full(view->decision); i++)
        check_one(view, "spec.includedNamespaces", in->items[i]);
    json_walk_each(mapping, from, to)
    {
        (void)to;
        if (!decision_is_full(view->decision))
            check_one(view, "spec.namespaceMapping", str_from(from));
    }
}

/* pkg/util/velero/restore.IsResourcePolicyValid: none or update, exactly. */
static void check_policy(const struct restore_view *view)
{
    struct json_object *sent = restore_field(view, "spec.existingResourcePolicy");
    bool regional = restore_is_regional(view), is_update = str_is(view->policy, "update");
    if (!restore_asks(view, "spec.existingResourcePolicy"))
        return;
    if (sent && !json_object_is_type(sent, json_type_string)) {
        decision_invalid(view->decision, "spec.existingResourcePolicy", "write \"update\" or \"none\"");
        return;
    }
    if (view->policy.len && !is_update && !str_is(view->policy, "none")) {
        static const struct str known[] = {STR_INIT("update"), STR_INIT("none")};
        struct str near = str_nearest(view->policy, known, LENGTH_OF(known));
        struct str hint = near.len           ? arena_printf(view->arena, "; did you mean \"%.*s\"?", STR_ARG(near))
                          : view->management ? STR("; a k0rdent management restore needs \"update\"")
                                             : STR("");
        decision_not_supported(view->decision, "spec.existingResourcePolicy",
                               "%.*s: Velero takes \"update\" and \"none\", in lower case%.*s",
                               STR_ARG(arena_quote(view->arena, view->policy)), STR_ARG(hint));
        return;
    }
    if (regional && is_update)
        decision_warn(view->decision,
                      "existingResourcePolicy is \"update\" on a regional backup: k0rdent documents leaving it unset");
    else if (view->management && !regional && str_is(view->policy, "none"))
        decision_caution(
            view->decision,
            "existingResourcePolicy \"none\" leaves existing objects unchanged; management restores need \"update\"");
}

static void check_mapping(const struct restore_view *view)
{
    struct json_object *mapping = restore_field(view, "spec.namespaceMapping");
    if (!mapping || !restore_asks(view, "spec.namespaceMapping"))
        return;
    if (!json_object_is_type(mapping, json_type_object)) {
        decision_invalid(view->decision, "spec.namespaceMapping", "must map namespaces to namespaces");
        return;
    }
    json_walk_each(mapping, key, value)
    {
        struct str from = str_from(key), to = json_str(value), quoted = {NULL, 0};
        bool good = name_is_dns_label(to), home = str_eq(from, view->settings->system_namespace);
        if (decision_is_full(view->decision))
            return;
        if (!good || home)
            quoted = arena_quote(view->arena, from);
        if (!good)
            decision_invalid(
                view->decision, "spec.namespaceMapping",
                "%.*s: %.*s is not a namespace name: use at most 63 lower-case letters, digits and inner dashes",
                STR_ARG(quoted), STR_ARG(arena_quote(view->arena, to)));
        else if (home && !str_eq(from, to))
            decision_caution(view->decision, "namespaceMapping moves %.*s to %.*s: k0rdent expects its objects in %.*s",
                             STR_ARG(quoted), STR_ARG(arena_quote(view->arena, to)), STR_ARG(from));
    }
}

void restore_check_fields(const struct restore_view *view)
{
    check_policy(view);
    if (restore_asks(view, "spec.labelSelector") || restore_asks(view, "spec.orLabelSelectors"))
        check_selectors(view->decision, STR("spec"), restore_field(view, "spec.labelSelector"),
                        restore_field(view, "spec.orLabelSelectors"));
    check_mapping(view);
    if (restore_asks(view, "spec.itemOperationTimeout"))
        check_duration(view->decision, STR("spec.itemOperationTimeout"),
                       restore_field(view, "spec.itemOperationTimeout"));
}

/* k0rdent documents moving a ClusterDeployment to another management cluster, which runs, with a
 * Backup made by hand: what kcm did not make is never completed like a management restore. */
static void warn_handmade(const struct restore_view *view)
{
    const struct management *management = inventory_management(view->inventory);
    if (!view->backup || view->backup->identity.kind != BACKUP_HANDMADE)
        return;
    if (!view->management)
        decision_warn(view->decision, "backup %.*s is %.*s: the Restore was left unchanged",
                      STR_ARG(arena_quote(view->arena, view->backup->meta.name)),
                      STR_ARG(backup_identity_reason(view->arena, view->backup->identity)));
    if (management && str_is(view->policy, "update"))
        decision_caution(
            view->decision,
            "existingResourcePolicy \"update\" overwrites this cluster's objects, including Management %.*s, "
            "with those of the backup. Remove it to keep them",
            STR_ARG(arena_quote(view->arena, management->meta.name)));
}

/* What is not wrong with the Restore itself, but with when and where it is made. */
void restore_check_circumstances(const struct restore_view *view)
{
    const struct management *management = inventory_management(view->inventory);
    warn_no_velero(view->decision, view->inventory, view->ns, "Restore");
    kots_warn_restore(view->inventory, view->backup, view->decision);
    warn_handmade(view);
    if (view->backup && backup_lacks_management(view->backup))
        decision_caution(
            view->decision,
            "backup %.*s contains no Management, Release or other cluster-scoped object: a namespace was excluded "
            "from it. Prefer one with an empty spec.excludedNamespaces",
            STR_ARG(arena_quote(view->arena, view->backup->meta.name)));
    if (!view->management || !management || !view->backup)
        return;
    if (restore_is_regional(view))
        decision_caution(
            view->decision,
            "backup %.*s is from region %.*s, but this cluster has a Management: restore it on the regional cluster",
            STR_ARG(arena_quote(view->arena, view->backup->meta.name)),
            STR_ARG(arena_quote(view->arena, view->backup->region)));
    else
        decision_caution(view->decision,
                         "this cluster already has a Management (%.*s); restore into a clean installation "
                         "(controller.createManagement=false)",
                         STR_ARG(arena_quote(view->arena, management->meta.name)));
}

/* Restore.spec.resourcePolicy, which Velero reads since 1.18.3 (restore_controller.go
 * validateAndComplete, resourcepolicies.GetResourcePoliciesFromRestore). */

#define FIELD "spec.resourcePolicy"

/* A Velero that does not know the field restores everything, without a word. */
static bool restore_policy_is_read(const struct restore_view *view, const struct product_version *velero)
{
    struct arena *arena = view->arena;
    struct str since = feature_since(arena, VELERO_RESTORE_RESOURCE_POLICY);
    switch (product_version_has(velero, VELERO_RESTORE_RESOURCE_POLICY)) {
    case ANSWER_NO:
        decision_forbidden(view->decision, FIELD,
                           "%.*s ignores it and would restore everything in the backup. Remove it, or upgrade Velero "
                           "and its CRDs: it needs %.*s or later",
                           STR_ARG(product_version_name(arena, velero)), STR_ARG(since));
        return false;
    case ANSWER_DEPENDS:
        decision_caution(view->decision,
                         "%s needs %.*s or later, and %.*s. An older Velero ignores it and restores everything in the "
                         "backup",
                         FIELD, STR_ARG(since), STR_ARG(product_version_doubt(arena, velero)));
        return true;
    case ANSWER_YES:
    default:
        return true;
    }
}

static bool restore_policy_is_config_map(const struct restore_view *view, struct str kind, struct str name)
{
    if (!str_eq_nocase(kind, STR("ConfigMap"))) {
        decision_not_supported(view->decision, FIELD ".kind",
                               "%.*s: write \"ConfigMap\", the only kind that Velero takes",
                               STR_ARG(arena_quote(view->arena, kind)));
        return false;
    }
    if (name.len == 0)
        decision_required(view->decision, FIELD ".name", "name the ConfigMap with the filter policies");
    return name.len > 0;
}

void restore_check_resource_policy(const struct restore_view *view)
{
    struct json_object *reference = restore_field(view, "spec.resourcePolicy");
    struct str name = json_get_str(reference, "name");
    const struct product_version velero = inventory_velero_version(view->inventory, view->settings).version;
    /* Whichever Velero reads the field at all also knows the filters. */
    const struct resource_policy_use use = {.velero = product_version_having(velero, VELERO_RESTORE_RESOURCE_POLICY),
                                            .restore = true};
    if (!reference || !restore_asks(view, FIELD) || !restore_policy_is_read(view, &velero) ||
        !restore_policy_is_config_map(view, json_get_str(reference, "kind"), name))
        return;
    const struct config_map *map = rules_find_map(view->decision, view->inventory, view->ns, FIELD ".name", name);
    if (map)
        resource_policy_check(view->decision, FIELD ".name", map, &use);
}

/* The ConfigMap this webhook makes may not be in the facts yet when the validating
 * review follows at the mutating one's heels; its content is known to be right. */
static bool is_own_map(const struct restore_view *view)
{
    struct str release = restore_release_left(view);
    return view->settings->restores_inject_release_modifier && release.len &&
           str_eq(view->modifier_name, restore_release_map_name(view->arena, release));
}

/* Velero compares the kind without case and ignores every other one, without a word. */
static bool restore_check_modifier_reference(const struct restore_view *view)
{
    if (!str_eq_nocase(view->modifier_kind, STR("ConfigMap"))) {
        decision_not_supported(view->decision, "spec.resourceModifier.kind",
                               "%.*s: write \"ConfigMap\"; Velero ignores every other kind and restores the "
                               "objects unpatched",
                               STR_ARG(arena_quote(view->arena, view->modifier_kind)));
        return false;
    }
    if (view->modifier_name.len == 0) {
        decision_required(view->decision, "spec.resourceModifier.name", "name the ConfigMap with the rules");
        return false;
    }
    return true;
}

/* modifier.match compares the object's own namespace; it is mapped only afterwards. */
static void check_rule_namespaces(const struct restore_view *view, struct config_rules *modifier)
{
    struct json_object *rules = rules_get(modifier->document->tree, "resourceModifierRules");
    for (size_t r = 0; r < json_len(rules); r++) {
        struct json_object *list = rules_get(rules_get(json_item(rules, r), "conditions"), "namespaces");
        for (size_t i = 0; i < json_len(list); i++) {
            struct str ns = json_str(json_item(list, i)), from = restore_mapped_from(view, ns);
            struct str at = arena_printf(view->arena, "resourceModifierRules[%zu].conditions.namespaces[%zu]", r, i);
            if (ns.len == 0 || str_is(ns, "*"))
                continue;
            bool listed = view->backup && view->backup->included_namespaces.len && restore_backup_holds(view, ns);
            if (from.len && !listed && !json_get_named(restore_field(view, "spec.namespaceMapping"), ns))
                rules_warn(modifier, at,
                           "the rule never applies: Velero matches the namespace in the backup, where %.*s is %.*s",
                           STR_ARG(arena_quote(view->arena, ns)), STR_ARG(arena_quote(view->arena, from)));
            else if (!restore_backup_holds(view, ns))
                rules_warn(modifier, at, "%.*s is not in the backup, so the rule never applies: %.*s",
                           STR_ARG(arena_quote(view->arena, ns)), STR_ARG(restore_backup_held(view)));
        }
    }
}

/* The modifier of all Restores that have none (Velero 1.19, restore_controller.go loadResourceModifierConfigMap). Velero
 * takes up one of the two, and goes on without a word where its own default is missing. */
static void check_default_modifier(const struct restore_view *view)
{
    const struct inventory *inventory = view->inventory;
    struct str name = {NULL, 0};
    for (size_t i = 0; i < inventory->count[FACT_VELERO] && name.len == 0; i++)
        if (str_eq(inventory->velero_deployments[i]->meta.ns, view->ns))
            name = inventory->velero_deployments[i]->default_modifier;
    struct str quoted = arena_quote(view->arena, name);
    if (name.len == 0 || str_eq(name, view->modifier_name))
        return;
    if (view->modifier_name.len)
        decision_caution(
            view->decision,
            "spec.resourceModifier replaces Velero's default modifier, ConfigMap %.*s: copy the rules of it "
            "that are still needed",
            STR_ARG(quoted));
    else if (inventory->known[FACT_CONFIG_MAPS] && !inventory_config_map(inventory, view->ns, name) &&
             !object_true(view->request, view->request->object, "spec.skipDefaultResourceModifier"))
        decision_caution(view->decision,
                         "Velero's default modifier, ConfigMap %.*s, does not exist in %.*s: objects are restored "
                         "unpatched",
                         STR_ARG(quoted), STR_ARG(view->ns));
}

void restore_check_modifier(const struct restore_view *view)
{
    if (view->request->operation == OPERATION_CREATE)
        check_default_modifier(view);
    struct config_rules modifier;
    struct json_object *reference = restore_field(view, "spec.resourceModifier");
    if (!reference || view->modifier_injected || !restore_asks(view, "spec.resourceModifier") ||
        !restore_check_modifier_reference(view))
        return;
    if (view->inventory->known[FACT_CONFIG_MAPS] && is_own_map(view) &&
        !inventory_config_map(view->inventory, view->ns, view->modifier_name))
        return;
    const struct config_map *map =
        rules_find_map(view->decision, view->inventory, view->ns, "spec.resourceModifier.name", view->modifier_name);
    if (map && modifier_load(&modifier, view->arena, view->decision, map)) {
        modifier_check(&modifier);
        check_rule_namespaces(view, &modifier);
    }
}
