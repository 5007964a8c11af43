/* Which resources a Backup holds: the old filters, the new ones, and both at once, which Velero refuses. */
#include "backstop/grammar.h"
#include "policy/backup/spec.h"
#include "policy/velero/velero.h"

static const char *const old_filters[] = {"includedResources", "excludedResources", "includeClusterResources"};
static const char *const new_filters[] = {"includedClusterScopedResources", "excludedClusterScopedResources",
                                          "includedNamespaceScopedResources", "excludedNamespaceScopedResources"};

struct filters {
    const char *included, *excluded, *what;
    enum pattern_kind kind;
    bool scoped;
};
static const struct filters pairs[] = {
    {"includedResources", "excludedResources", "resources", PATTERN_RESOURCES, false},
    {"includedClusterScopedResources", "excludedClusterScopedResources", "cluster-scoped resources", PATTERN_RESOURCES,
     true},
    {"includedNamespaceScopedResources", "excludedNamespaceScopedResources", "namespace-scoped resources",
     PATTERN_RESOURCES, true},
    {"includedNamespaces", "excludedNamespaces", "namespaces", PATTERN_NAMESPACES, false},
};

/* A boolean counts when it is there, a list when it holds something. */
static bool is_used(const struct backup_spec *view, const char *filter)
{
    struct json_object *value = json_get(view->spec, filter);
    return value && (!json_object_is_type(value, json_type_array) || json_len(value) > 0);
}

static struct strlist filters_in_use(const struct backup_spec *view, const char *const *filters, size_t count,
                                     bool *asked)
{
    struct strlist names = {0};
    for (size_t i = 0; i < count; i++) {
        if (is_used(view, filters[i]))
            strlist_add(view->arena, &names, str_from(filters[i]));
        *asked = *asked || backup_spec_asks(view, filters[i]);
    }
    return names;
}

bool backup_spec_old_filters(const struct backup_spec *view)
{
    bool ignored = false;
    return filters_in_use(view, old_filters, LENGTH_OF(old_filters), &ignored).len > 0;
}

static bool backup_spec_read_list(const struct backup_spec *view, const char *member, struct strlist *list)
{
    struct json_object *value = json_get(view->spec, member);
    const char *field = backup_spec_field(view, member);
    if (!check_list_length(view->decision, field, json_len(value)))
        return false;
    if (read_strings(view->arena, value, list))
        return true;
    decision_invalid(view->decision, field, "must be a list of strings");
    return false;
}

/* collections.validateNamespaceName: with a letter for each wildcard it must be a name. */
static bool can_be_namespace(const struct backup_spec *view, struct str item)
{
    char *name = arena_alloc(view->arena, item.len + 1);
    for (size_t i = 0; name && i < item.len; i++)
        name[i] = str_contains(STR("*?[]"), str_slice(item, i, i + 1)) ? 'x' : item.ptr[i];
    return !name || name_is_dns_label((struct str){name, item.len});
}

/* A "]" that no "[" opened, which a glob takes as it is. */
static bool has_stray_bracket(struct str item)
{
    bool open = false;
    for (size_t i = 0; i < item.len; i++) {
        if (item.ptr[i] == ']' && !open)
            return true;
        open = item.ptr[i] == '[' || (open && item.ptr[i] != ']');
    }
    return false;
}

/* pkg/util/wildcard ValidateNamespaceName refuses what a glob would take. */
static void check_wildcards(const struct backup_spec *view, const char *field, const struct strlist *list)
{
    static const char refused[] = "|()!{},";
    const struct version_fact velero = inventory_velero_version(view->inventory, view->settings);
    bool expands = product_version_has(&velero.version, VELERO_NAMESPACE_PATTERNS) != ANSWER_NO;
    for (size_t i = 0; i < list->len && !decision_is_full(view->decision); i++) {
        struct str item = list->items[i], quoted = arena_quote(view->arena, item);
        bool bad = false;
        for (size_t c = 0; c < item.len; c++)
            bad = bad || memchr(refused, item.ptr[c], sizeof(refused) - 1);
        if (bad)
            decision_invalid(view->decision, field,
                             "%.*s: Velero takes no |, (, ), !, {, } or comma in a namespace pattern; "
                             "write one item for each alternative",
                             STR_ARG(quoted));
        else if (str_contains(item, STR("**")) && expands)
            decision_invalid(view->decision, field, "%.*s: Velero takes no \"**\"; write one \"*\"", STR_ARG(quoted));
        else if (glob_has_wildcard(item) && has_stray_bracket(item))
            decision_invalid(view->decision, field, "%.*s: a \"]\" has no \"[\" before it", STR_ARG(quoted));
        else if (glob_has_wildcard(item) && !glob_problem(item) && !can_be_namespace(view, item))
            decision_invalid(
                view->decision, field,
                "%.*s: no namespace can match this: a name has at most 63 lower-case letters, digits and inner dashes",
                STR_ARG(quoted));
        else
            check_namespace_patterns(view->decision, field, &(struct strlist){.items = &list->items[i], .len = 1});
    }
}

/* Only stars: up to 1.17 it matches "*", by which Velero knows that all namespaces are meant (getNamespacesToList). */
static bool is_only_stars(struct str item)
{
    for (size_t i = 0; i < item.len; i++)
        if (item.ptr[i] != '*')
            return false;
    return item.len > 0;
}

/* Up to 1.17 Velero looks for a namespace with the pattern as its name: the Backup ends PartiallyFailed, without
 * what the pattern was meant for (pkg/backup/item_collector.go). */
static void check_patterns_expanded(const struct backup_spec *view, const char *field, const struct strlist *list)
{
    struct version_fact velero = inventory_velero_version(view->inventory, view->settings);
    enum version_answer expands = product_version_has(&velero.version, VELERO_NAMESPACE_PATTERNS);
    for (size_t i = 0; i < list->len && expands != ANSWER_YES && !decision_is_full(view->decision); i++) {
        struct str quoted = arena_quote(view->arena, list->items[i]);
        if (str_is(list->items[i], "*") || !glob_has_wildcard(list->items[i]))
            continue;
        struct str since = feature_since(view->arena, VELERO_NAMESPACE_PATTERNS);
        if (expands == ANSWER_NO && is_only_stars(list->items[i])) {
            decision_warn(view->decision,
                          "%s: %.*s means all namespaces here, but %.*s and later refuse it: write \"*\"", field,
                          STR_ARG(quoted), STR_ARG(since));
        } else if (expands == ANSWER_NO) {
            decision_invalid(view->decision, field,
                             "%.*s: %.*s reads it as the name of one namespace and backs up nothing for it. List the "
                             "namespaces; patterns need %.*s or later",
                             STR_ARG(quoted), STR_ARG(product_version_name(view->arena, &velero.version)),
                             STR_ARG(since));
        } else {
            decision_caution(view->decision,
                             "%s: %.*s is a pattern only in %.*s and later; an older Velero backs up nothing for it",
                             field, STR_ARG(quoted), STR_ARG(since));
            return; /* once for all of them */
        }
    }
}

static void check_pair(const struct backup_spec *view, const struct filters *filters)
{
    struct list_pair pair = {
        .included_field = backup_spec_field(view, filters->included),
        .excluded_field = backup_spec_field(view, filters->excluded),
        .what = filters->what,
        .object = "Backup",
        .verb = "back up",
        .scoped = filters->scoped,
    };
    if (!backup_spec_asks(view, filters->included) && !backup_spec_asks(view, filters->excluded))
        return;
    if (!backup_spec_read_list(view, filters->included, &pair.included) ||
        !backup_spec_read_list(view, filters->excluded, &pair.excluded))
        return;
    check_list_pair(view->decision, &pair);
    if (filters->kind == PATTERN_NAMESPACES) {
        check_wildcards(view, pair.included_field, &pair.included);
        check_wildcards(view, pair.excluded_field, &pair.excluded);
        check_patterns_expanded(view, pair.included_field, &pair.included);
        return;
    }
    warn_list_overlap(view->decision, &pair);
    const struct resource_names included = resource_names_of(view->arena, &pair.included);
    const struct resource_names excluded = resource_names_of(view->arena, &pair.excluded);
    check_resource_patterns(view->decision, pair.included_field, &included);
    check_resource_patterns(view->decision, pair.excluded_field, &excluded);
    warn_unresolvable(view->decision, "included", &included, false);
    warn_unresolvable(view->decision, "excluded", &excluded, false);
}

void backup_spec_check_lists(const struct backup_spec *view)
{
    /* oldAndNewFilterParametersUsedTogether */
    bool asked = false;
    struct strlist old = filters_in_use(view, old_filters, LENGTH_OF(old_filters), &asked);
    struct strlist fresh = filters_in_use(view, new_filters, LENGTH_OF(new_filters), &asked);
    if (asked && old.len && fresh.len)
        decision_forbidden(view->decision, backup_spec_field(view, fresh.items[0].ptr),
                           "Velero takes either the new filters (%.*s) or the old ones (%.*s): use one kind",
                           STR_ARG(strlist_quoted(view->arena, &fresh)), STR_ARG(strlist_quoted(view->arena, &old)));
    for (size_t i = 0; i < LENGTH_OF(pairs); i++)
        check_pair(view, &pairs[i]);
}
