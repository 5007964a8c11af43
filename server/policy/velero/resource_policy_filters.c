/* The filters of a resource policy, new in Velero 1.18.3: which kinds, names and namespaces a Backup holds. */
#include "backstop/grammar.h"
#include "policy/velero/velero.h"

struct str policy_under(const struct config_rules *map, struct str where, const char *key)
{
    return arena_printf(map->arena, "%.*s%s%s", STR_ARG(where), where.len ? "." : "", key);
}

/* A strict decoder of an older release does not know the key and refuses the whole ConfigMap,
 * hence an error and no mere warning. False where the key is absent or the release cannot read
 * it: the caller then need not look at its value. */
bool policy_reads(struct config_rules *map, const struct resource_policy_use *use, struct str where,
                  struct json_object *object, const char *key, enum feature feature)
{
    struct arena *arena = map->arena;
    if (!json_get(object, key))
        return false;
    switch (product_version_has(&use->velero, feature)) {
    case ANSWER_NO:
        rules_problem(map, policy_under(map, where, key), "%.*s does not support this; it needs %.*s or later",
                      STR_ARG(product_version_name(arena, &use->velero)), STR_ARG(feature_since(arena, feature)));
        return false;
    case ANSWER_DEPENDS:
        rules_warn(map, policy_under(map, where, key), "needs %.*s or later, and %.*s",
                   STR_ARG(feature_since(arena, feature)), STR_ARG(product_version_doubt(arena, &use->velero)));
        break;
    case ANSWER_YES:
    default:
        break;
    }
    return true;
}

void policy_check_texts(struct config_rules *map, struct str where, struct json_object *object, const char *key)
{
    struct json_object *list;
    size_t count = rules_list(map, where, object, key, &list);
    /* yaml.v3 takes numbers and booleans for texts. */
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_item(list, i);
        if (json_object_is_type(item, json_type_array) || json_object_is_type(item, json_type_object)) {
            rules_problem(map, policy_under(map, where, key), "must be a list of strings");
            return;
        }
    }
}

/* The fine-grained filters of resource policies: validateClusterScopedFilterPolicy and
 * validateNamespacedFilterPolicies of velero internal/resourcepolicies, since 1.18.3. */

enum { FILTER_KINDS_MAX = 500 };

/* One resourceFilters list, and what was seen of it. */
struct filter_list {
    struct config_rules *map;
    const struct resource_policy_use *use;
    bool cluster_scoped;
    bool catch_all; /* one of its filters is */
    struct strlist kinds;
};

/* ---- selectors ------------------------------------------------------------------ */

/* yaml.v3 takes numbers and booleans for texts, which the check of selectors does not. */
static struct json_object *expression_as_texts(struct json_object *expression)
{
    struct json_object *copy = json_object_new_object(), *values = json_get(expression, "values");
    struct json_object *texts = json_object_new_array();
    bool made = copy && texts;
    for (size_t i = 0; made && i < json_len(values); i++)
        made = json_append(texts, json_new_text(json_scalar(json_item(values, i))));
    made = json_put(copy, "values", texts) && made;
    if (made && json_put_text(copy, "key", json_scalar(json_get(expression, "key"))) &&
        json_put_text(copy, "operator", json_scalar(json_get(expression, "operator"))))
        return copy;
    json_object_put(copy);
    return NULL;
}

/* Scalars become texts, what is no scalar the empty text. Its shape was checked before, so
 * nothing else is lost. */
static struct json_object *selector_as_texts(struct config_rules *map, struct json_object *selector)
{
    struct json_object *copy = json_own(map->arena, json_object_new_object());
    struct json_object *labels = json_object_new_object(), *list = json_object_new_array();
    struct json_object *expressions = json_get(selector, "matchExpressions");
    bool made = labels && list;
    json_foreach(json_get(selector, "matchLabels"), key, value)
    {
        made = made && json_put_text(labels, key, json_scalar(value));
    }
    for (size_t i = 0; made && i < json_len(expressions); i++)
        made = json_append(list, expression_as_texts(json_item(expressions, i)));
    made = json_put(copy, "matchLabels", labels) && made;
    made = json_put(copy, "matchExpressions", list) && made;
    if (!made)
        arena_fail(map->arena);
    return copy;
}

static void filter_check_expression(struct config_rules *map, struct str where, struct json_object *expression)
{
    static const char *const keys[] = {"key", "operator", "values"};
    struct str ignored;
    if (!rules_keys(map, where, expression, keys, LENGTH_OF(keys)) || !expression)
        return;
    (void)rules_text(map, where, expression, "key", &ignored);
    (void)rules_text(map, where, expression, "operator", &ignored);
    policy_check_texts(map, where, expression, "values");
}

/* An empty one counts as none (IsPresentLabelSelector). The selector is not built while
 * something in its shape is wrong, or the same fault would be reported twice. */
static void filter_check_selector(struct config_rules *map, struct str at, struct json_object *selector)
{
    static const char *const keys[] = {"matchLabels", "matchExpressions"};
    struct json_object *expressions;
    struct str where = {NULL, 0}, why = {NULL, 0};
    unsigned before = map->problems;
    if (!selector || !rules_keys(map, at, selector, keys, LENGTH_OF(keys)))
        return;
    size_t count = rules_list(map, at, selector, "matchExpressions", &expressions);
    for (size_t i = 0; i < count && map->problems < RULES_PROBLEMS_SHOWN; i++)
        filter_check_expression(map, arena_printf(map->arena, "%.*s.matchExpressions[%zu]", STR_ARG(at), i),
                                json_item(expressions, i));
    if (map->problems != before)
        return;
    if (selector_problem(map->arena, selector_as_texts(map, selector), &where, &why))
        rules_problem(map, arena_printf(map->arena, "%.*s%.*s", STR_ARG(at), STR_ARG(where)), "%.*s", STR_ARG(why));
}

static void filter_check_selectors(struct config_rules *map, struct str at, struct json_object *filter)
{
    struct json_object *one = json_get(filter, "labelSelector"), *any;
    size_t count = rules_list(map, at, filter, "orLabelSelectors", &any);
    if ((one && !selector_is_empty(one)) && count)
        rules_problem(map, at, "labelSelector and orLabelSelectors cannot be combined");
    filter_check_selector(map, policy_under(map, at, "labelSelector"), one);
    for (size_t i = 0; i < count && map->problems < RULES_PROBLEMS_SHOWN; i++)
        filter_check_selector(map, arena_printf(map->arena, "%.*s.orLabelSelectors[%zu]", STR_ARG(at), i),
                              json_item(any, i));
}

/* ---- kinds and names ------------------------------------------------------------ */

/* `certain`: Velero itself takes the two for one, and refuses them. Otherwise they are the same
 * only by discovery, which validation does not ask. */
static bool filter_same_kind(const struct filter_list *list, struct str a, struct str b, bool *certain)
{
    /* A Restore lowers the case before it compares (resolveResourceFilter). */
    *certain = str_eq(a, b) || (list->use->restore && str_eq_nocase(a, b));
    return *certain || str_eq_nocase(a, b) || resource_name_same(a, b);
}

/* Kinds of all filters of one list count together; `list->kinds` is what was seen so far. */
static void filter_check_kind(struct filter_list *list, struct str at, struct str kind)
{
    struct arena *arena = list->map->arena;
    struct str quoted = arena_quote(arena, kind);
    bool certain = false;
    if (str_is(kind, "*") && !list->cluster_scoped)
        return;
    for (size_t i = 0; i < list->kinds.len && i < FILTER_KINDS_MAX; i++) {
        struct str other = list->kinds.items[i];
        if (!filter_same_kind(list, kind, other, &certain))
            continue;
        if (certain)
            rules_problem(list->map, at, "has %.*s twice: name each kind in one filter only", STR_ARG(quoted));
        else
            rules_warn(list->map, at, "%.*s and %.*s are the same resource: name it in one filter only",
                       STR_ARG(arena_quote(arena, other)), STR_ARG(quoted));
        return;
    }
    strlist_add(arena, &list->kinds, kind);
}

static void filter_check_globs(struct config_rules *map, struct str at, struct json_object *filter, const char *key)
{
    struct json_object *patterns = json_get(filter, key);
    policy_check_texts(map, at, filter, key);
    for (size_t i = 0; i < json_len(patterns) && map->problems < RULES_PROBLEMS_SHOWN; i++) {
        struct str pattern = json_str(json_item(patterns, i));
        const char *problem = glob_problem(pattern);
        if (problem)
            rules_problem(map, policy_under(map, at, key), "%.*s: %s", STR_ARG(arena_quote(map->arena, pattern)),
                          problem);
    }
}

/* IsCatchAll: no kinds, or "*" alone. One is enough, for it takes whatever the other filters do
 * not name, and names without kinds would apply to anything. */
static void filter_check_catch_all(struct filter_list *list, struct str at, struct json_object *filter)
{
    bool named = json_len(json_get(filter, "names")) || json_len(json_get(filter, "excludedNames"));
    if (list->cluster_scoped) {
        rules_problem(list->map, at, "needs kinds: clusterScopedFilterPolicy has no filter for all kinds");
        return;
    }
    if (list->catch_all)
        rules_problem(list->map, at, "only one filter may omit kinds or have \"*\"");
    else if (named)
        rules_problem(list->map, at, "names and excludedNames need kinds");
    list->catch_all = true;
}

static void filter_check(struct filter_list *list, struct str at, struct json_object *filter)
{
    static const char *const keys[] = {"kinds", "labelSelector", "orLabelSelectors", "names", "excludedNames"};
    struct config_rules *map = list->map;
    struct json_object *kinds = json_get(filter, "kinds");
    if (!rules_keys(map, at, filter, keys, LENGTH_OF(keys)))
        return;
    policy_check_texts(map, at, filter, "kinds");
    if (json_len(kinds) == 0 || (json_len(kinds) == 1 && str_is(json_str(json_item(kinds, 0)), "*")))
        filter_check_catch_all(list, at, filter);
    else
        for (size_t i = 0; i < json_len(kinds) && map->problems < RULES_PROBLEMS_SHOWN; i++)
            filter_check_kind(list, policy_under(map, at, "kinds"), json_str(json_item(kinds, i)));
    filter_check_selectors(map, at, filter);
    filter_check_globs(map, at, filter, "names");
    filter_check_globs(map, at, filter, "excludedNames");
}

static void filter_check_list(struct filter_list *list, struct str where, struct json_object *policy)
{
    struct config_rules *map = list->map;
    struct json_object *filters;
    size_t count = rules_list(map, where, policy, "resourceFilters", &filters);
    if (count == 0)
        rules_problem(map, where, "needs at least one item in resourceFilters");
    for (size_t i = 0; i < count && map->problems < RULES_PROBLEMS_SHOWN; i++)
        filter_check(list, arena_printf(map->arena, "%.*s.resourceFilters[%zu]", STR_ARG(where), i),
                     json_item(filters, i));
}

/* ---- namespaces ------------------------------------------------------------------- */

/* pkg/util/wildcard ValidateNamespaceName. Names of objects are gobwas globs instead, which take
 * more. */
static const char *namespace_pattern_problem(struct str pattern)
{
    bool open = false;
    size_t inside = 0;
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        if (strchr("|()!{},", c))
            return "has one of | ( ) ! { } , which Velero refuses here";
        if (c == '*' && i + 1 < pattern.len && pattern.ptr[i + 1] == '*')
            return "has ** where Velero takes a single *";
        if (!open && c == ']')
            return "has a ] without a [";
        if (open && c == ']' && inside == 0)
            return "has an empty []";
        inside = open ? inside + 1 : 0;
        open = c == '[' ? true : c == ']' ? false : open;
    }
    return open ? "has a [ that is not closed" : NULL;
}

/* `seen` spans all the policies: a namespace, or the very same pattern, may stand in one of them
 * only. Two patterns that overlap are taken. */
static void filter_check_namespaces(struct config_rules *map, struct str where, struct json_object *policy,
                                    struct strlist *seen)
{
    struct json_object *namespaces;
    struct str at = policy_under(map, where, "namespaces");
    size_t count = rules_list(map, where, policy, "namespaces", &namespaces);
    policy_check_texts(map, where, policy, "namespaces");
    if (count == 0)
        rules_problem(map, at, "needs at least one namespace");
    for (size_t i = 0; i < count && map->problems < RULES_PROBLEMS_SHOWN; i++) {
        struct str pattern = json_scalar(json_item(namespaces, i)), quoted = arena_quote(map->arena, pattern);
        const char *problem = namespace_pattern_problem(pattern);
        if (problem)
            rules_problem(map, at, "%.*s %s", STR_ARG(quoted), problem);
        else if (strlist_has(seen, pattern))
            rules_problem(map, at, "has %.*s, which is in namespacedFilterPolicies twice", STR_ARG(quoted));
        else
            strlist_add(map->arena, seen, pattern);
    }
}

static void check_namespaced(struct config_rules *map, const struct resource_policy_use *use, struct json_object *tree)
{
    static const char *const keys[] = {"namespaces", "resourceFilters"};
    struct json_object *policies;
    struct strlist seen = {0};
    if (!policy_reads(map, use, (struct str){NULL, 0}, tree, "namespacedFilterPolicies", VELERO_FILTER_POLICIES))
        return;
    size_t count = rules_list(map, (struct str){NULL, 0}, tree, "namespacedFilterPolicies", &policies);
    for (size_t i = 0; i < count && map->problems < RULES_PROBLEMS_SHOWN; i++) {
        struct filter_list list = {.map = map, .use = use};
        struct str at = arena_printf(map->arena, "namespacedFilterPolicies[%zu]", i);
        struct json_object *policy = json_item(policies, i);
        if (!rules_keys(map, at, policy, keys, LENGTH_OF(keys)))
            continue;
        filter_check_namespaces(map, at, policy, &seen);
        filter_check_list(&list, at, policy);
    }
    if (count && use->old_filters)
        rules_problem(map, STR("namespacedFilterPolicies"),
                      "cannot be combined with includedResources, excludedResources or includeClusterResources of the "
                      "Backup: use the scoped filters");
}

void policy_check_filters(struct config_rules *map, const struct resource_policy_use *use, struct json_object *tree)
{
    static const char *const keys[] = {"resourceFilters"};
    const struct str at = STR("clusterScopedFilterPolicy");
    struct filter_list list = {.map = map, .use = use, .cluster_scoped = true};
    struct json_object *policy = json_get(tree, "clusterScopedFilterPolicy");
    if (policy_reads(map, use, (struct str){NULL, 0}, tree, "clusterScopedFilterPolicy", VELERO_FILTER_POLICIES) &&
        rules_keys(map, at, policy, keys, LENGTH_OF(keys))) {
        filter_check_list(&list, at, policy);
        if (use->old_filters)
            rules_problem(
                map, at,
                "cannot be combined with includedResources, excludedResources or includeClusterResources of the "
                "Backup: use the scoped filters");
    }
    check_namespaced(map, use, tree);
}
