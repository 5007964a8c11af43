#include "backstop/grammar.h"
#include "policy/restore/restore.h"
#include "policy/velero/fields.h"

/* The namespaces of a Restore are those of the backup: Velero compares them before it maps them
 * (pkg/restore/restore.go getOrderedResourceCollection), and a slip ends as Completed with nothing
 * restored. What a backup holds is known where its includedNamespaces are a list. */

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
