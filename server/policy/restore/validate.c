/* The namespaces of a Restore are those of the backup: Velero compares them before it maps them
 * (pkg/restore/restore.go getOrderedResourceCollection), and a slip ends as Completed with nothing
 * restored. What a backup holds is known where its includedNamespaces are a list. */
#include "backstop/grammar.h"
#include "policy/backup/kots.h"
#include "policy/restore/restore.h"
#include "policy/velero/fields.h"

enum { PATTERNS_MAX = 100 };

static bool matches_one(const struct restore_view *view, const struct strlist *patterns, struct str ns)
{
    for (size_t i = 0; i < patterns->len && i < PATTERNS_MAX; i++)
        if (str_eq(patterns->items[i], ns) ||
            (glob_has_wildcard(patterns->items[i]) && glob_match(view->arena, patterns->items[i], ns, 0)))
            return true;
    return false;
}

bool restore_backup_holds(const struct restore_view *view, struct str ns)
{
    const struct strlist *included = view->backup ? &view->backup->included_namespaces : NULL;
    if (!included || included->len > PATTERNS_MAX)
        return true;
    if (!glob_has_wildcard(ns))
        return (included->len == 0 || matches_one(view, included, ns)) &&
               !matches_one(view, &view->backup->excluded_namespaces, ns);
    bool some = included->len == 0;
    for (size_t i = 0; i < included->len; i++)
        some = some || glob_has_wildcard(included->items[i]) || glob_match(view->arena, ns, included->items[i], 0);
    return some;
}

struct str restore_mapped_from(const struct restore_view *view, struct str ns)
{
    struct json_object *mapping = restore_field(view, "spec.namespaceMapping");
    json_foreach(mapping, from, to)
    {
        if (str_eq(json_str(to), ns) && !str_is(ns, from))
            return str_from(from);
    }
    return (struct str){NULL, 0};
}

/* `it holds "shop" and "web"`, or what it leaves out. */
struct str restore_backup_held(const struct restore_view *view)
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
    bool in = included->len == 0 || strlist_has(included, STR("*")) || matches_one(view, included, from);
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
    struct strlist excluded = {0};
    const struct strlist *held = view->backup ? &view->backup->included_namespaces : NULL;
    if (!held || !held->len || held->len > PATTERNS_MAX || !restore_asks(view, "spec.excludedNamespaces"))
        return;
    (void)read_strings(view->arena, restore_field(view, "spec.excludedNamespaces"), &excluded);
    for (size_t i = 0; i < held->len; i++)
        if (glob_has_wildcard(held->items[i]) || !strlist_has(&excluded, held->items[i]))
            return;
    decision_caution(
        view->decision,
        "spec.excludedNamespaces: nothing is restored, because it excludes every namespace of backup %.*s (%.*s)",
        STR_ARG(arena_quote(view->arena, view->backup->meta.name)), STR_ARG(restore_backup_held(view)));
}

void restore_check_namespaces(const struct restore_view *view)
{
    struct json_object *included = restore_field(view, "spec.includedNamespaces");
    struct json_object *mapping = restore_field(view, "spec.namespaceMapping");
    bool asked = restore_asks(view, "spec.includedNamespaces") || restore_asks(view, "spec.namespaceMapping");
    struct strlist in = {0}, out = {0};
    check_left_out(view);
    if (!asked)
        return;
    if (mapping) {
        (void)read_strings(view->arena, included, &in);
        (void)read_strings(view->arena, restore_field(view, "spec.excludedNamespaces"), &out);
    }
    json_foreach(mapping, source, target)
    {
        if (!said_enough(view->decision))
            check_mapping_source(view, &in, &out, str_from(source), json_str(target));
    }
    if (!view->backup)
        return;
    for (size_t i = 0; i < json_len(included) && !said_enough(view->decision); i++)
        check_one(view, "spec.includedNamespaces", json_str(json_item(included, i)));
    json_foreach(mapping, from, to)
    {
        (void)to;
        if (!said_enough(view->decision))
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
    json_foreach(mapping, key, value)
    {
        if (said_enough(view->decision))
            return;
        struct str from = str_from(key), to = json_str(value), quoted = arena_quote(view->arena, from);
        if (!name_is_dns_label(to))
            decision_invalid(
                view->decision, "spec.namespaceMapping",
                "%.*s: %.*s is not a namespace name: use at most 63 lower-case letters, digits and inner dashes",
                STR_ARG(quoted), STR_ARG(arena_quote(view->arena, to)));
        else if (str_eq(from, view->settings->system_namespace) && !str_eq(from, to))
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
