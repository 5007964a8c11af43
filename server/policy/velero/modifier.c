/* Resource modifiers, one file of rules that a Restore names (internal/resourcemodifiers):
 * version, rules and conditions here, patches and their values in modifier_patch.c; and which
 * release the rules would set on the Management, by which the restore of an older backup is
 * judged.
 *
 * A rule that does not match leaves the object as it was in the backup, and nobody hears of it, so
 * what can never match is an error here, although Velero takes it. */
#include "backstop/grammar.h"
#include "policy/velero/velero.h"

/* Resource modifiers as a whole: version, rules, and which release a rule would set on the Management. */

/* A glob may stand for the kind too: gobwas/glob with "." as the separator, as Velero compiles
 * it. */
static bool targets_managements(const struct config_rules *modifier, struct json_object *rule)
{
    struct str target = json_str(rules_get(rules_get(rule, "conditions"), "groupResource"));
    return glob_match(modifier->arena, target, STR(MODIFIER_MANAGEMENTS), '.');
}

/* What a patch's value becomes at /spec/release: the text itself, or a member of a whole spec. */
static struct str value_release(const struct config_rules *modifier, struct json_object *patch, bool whole_spec)
{
    struct json_object *tree = NULL;
    struct str problem = modifier_value_problem(modifier->arena, json_str(rules_get(patch, "value")), &tree);
    if (problem.len)
        return (struct str){NULL, 0};
    return whole_spec ? json_get_str(tree, "release") : json_str(tree);
}

/* `test` and `remove` set nothing. Patches of a rule are applied in their order, so the last one
 * that sets the release wins; the caller counts on the order of `all`. */
static void add_from_patches(const struct config_rules *modifier, struct json_object *patches, struct strlist *all)
{
    for (size_t i = 0; i < json_len(patches); i++) {
        struct json_object *patch = json_item(patches, i);
        struct str operation = json_str(rules_get(patch, "operation")), path = json_str(rules_get(patch, "path"));
        bool whole_spec = str_is(path, "/spec");
        struct str found = {NULL, 0};
        if (!whole_spec && !str_is(path, "/spec/release"))
            continue;
        if (str_is(operation, "replace") || str_is(operation, "add"))
            found = value_release(modifier, patch, whole_spec);
        else if (str_is(operation, "copy") || str_is(operation, "move"))
            found = json_str(rules_get(patch, "from")); /* whatever stands there in the backup */
        if (found.len)
            strlist_add(modifier->arena, all, found);
    }
}

/* Nothing but "replace /spec/release" for all Managements. */
static bool is_all(struct json_object *rules)
{
    struct json_object *rule = json_item(rules, 0), *conditions = rules_get(rule, "conditions");
    return json_len(rules) == 1 && json_object_is_type(conditions, json_type_object) &&
           json_member_count(conditions) == 1 && json_len(rules_get(rule, "patches")) == 1 &&
           json_member_count(rule) == 2;
}

/* Strategic patches are left out: they need Go types, which Velero does not have for a
 * Management. What conditions a rule has beside its kind is not looked at, so `all` lists what
 * may be set, not what will be. */
struct modifier_release modifier_release_set(const struct config_rules *modifier)
{
    struct modifier_release result = {.release = {NULL, 0}};
    struct json_object *rules = rules_get(modifier->document->tree, "resourceModifierRules");
    for (size_t i = 0; i < json_len(rules); i++) {
        struct json_object *rule = json_item(rules, i);
        if (!targets_managements(modifier, rule))
            continue;
        add_from_patches(modifier, rules_get(rule, "patches"), &result.all);
        struct json_object *patches = rules_get(rule, "mergePatches");
        for (size_t j = 0; j < json_len(patches); j++) {
            struct yaml_document *document = NULL;
            struct error ignored;
            struct str text = json_str(rules_get(json_item(patches, j), "patchData"));
            if (!yaml_load(modifier->arena, text, &(struct yaml_options){0}, &document, &ignored) || !document)
                continue;
            struct str found = json_path_str(document->tree, "spec.release");
            if (found.len)
                strlist_add(modifier->arena, &result.all, found);
        }
    }
    if (result.all.len)
        result.release = result.all.items[result.all.len - 1];
    result.only = result.release.len > 0 && is_all(rules);
    return result;
}

static const struct rules_place places[] = {
    {"version", "at the top, beside resourceModifierRules"},
    {"resourceModifierRules", "at the top, beside version"},
    {"conditions", "in an item of resourceModifierRules"},
    {"patches", "beside conditions"},
    {"mergePatches", "beside conditions"},
    {"strategicPatches", "beside conditions"},
    {"groupResource", "below conditions"},
    {"resourceNameRegex", "below conditions"},
    {"namespaces", "below conditions"},
    {"labelSelector", "below conditions"},
    {"matches", "below conditions"},
    {"matchLabels", "below conditions.labelSelector"},
    {"matchExpressions", "below conditions.labelSelector"},
    {"operation", "in an item of patches"},
    {"from", "in an item of patches"},
    {"path", "in an item of patches or of conditions.matches"},
    {"value", "in an item of patches or of conditions.matches"},
    {"patchData", "in an item of mergePatches or strategicPatches"},
    {NULL, NULL},
};

bool modifier_load(struct config_rules *modifier, struct arena *arena, struct decision *decision,
                   const struct config_map *map)
{
    *modifier = (struct config_rules){.arena = arena,
                                      .decision = decision,
                                      .field = "spec.resourceModifier",
                                      .content = "resourceModifierRules",
                                      .places = places};
    return rules_load(modifier, map);
}

/* Compared without case, as Velero does (strings.EqualFold). */
static void check_version(struct config_rules *modifier)
{
    struct str version;
    struct json_object *tree = modifier->document->tree;
    if (!rules_text(modifier, (struct str){NULL, 0}, tree, "version", &version))
        return;
    if (version.len == 0)
        rules_problem(modifier, STR("version"), "is missing: write \"version: v1\"");
    else if (!str_eq_nocase(version, STR("v1")))
        rules_problem(modifier, STR("version"), "%.*s is not supported: write \"version: v1\"",
                      STR_ARG(arena_quote(modifier->arena, version)));
}

static void modifier_check_conditions(struct config_rules *modifier, struct str where, struct json_object *conditions);

static void check_rule(struct config_rules *modifier, struct str where, struct json_object *rule)
{
    static const char *const keys[] = {"conditions", "patches", "mergePatches", "strategicPatches"};
    struct json_object *conditions = rules_get(rule, "conditions");
    struct str target = json_str(rules_get(conditions, "groupResource"));
    struct str conditions_at = arena_printf(modifier->arena, "%.*s.conditions", STR_ARG(where));
    if (!rule) {
        rules_problem(modifier, where, "is empty");
        return;
    }
    if (!rules_keys(modifier, where, rule, keys, LENGTH_OF(keys)))
        return;
    modifier_check_conditions(modifier, conditions_at, conditions);
    /* Exactly one kind of patch. Velero refuses two, and finds out about none only when it
     * applies the rule. */
    static const char *const kinds[] = {"patches", "mergePatches", "strategicPatches"};
    struct strlist given = {0};
    for (size_t i = 0; i < LENGTH_OF(kinds); i++)
        if (json_len(rules_get(rule, kinds[i])) > 0)
            strlist_add(modifier->arena, &given, str_from(kinds[i]));
    if (given.len == 0)
        rules_problem(modifier, where,
                      "has no patches, so Velero would restore the objects unpatched: add patches, mergePatches or "
                      "strategicPatches");
    else if (given.len > 1)
        rules_problem(modifier, where, "has %.*s: Velero takes one kind per rule; write a rule for each",
                      STR_ARG(strlist_quoted(modifier->arena, &given)));
    modifier_check_patches(modifier, where, rule, target);
}

void modifier_check(struct config_rules *modifier)
{
    static const char *const keys[] = {"version", "resourceModifierRules"};
    const struct str root = {NULL, 0};
    struct json_object *tree = modifier->document->tree, *rules;
    rules_keys(modifier, root, tree, keys, LENGTH_OF(keys));
    check_version(modifier);
    size_t count = rules_list(modifier, root, tree, "resourceModifierRules", &rules);
    if (count == 0 && (rules || !rules_get(tree, "resourceModifierRules")))
        rules_problem(modifier, STR("resourceModifierRules"), "is empty: Velero needs at least one rule");
    for (size_t i = 0; i < count; i++)
        check_rule(modifier, arena_printf(modifier->arena, "resourceModifierRules[%zu]", i), json_item(rules, i));
    if (modifier->problems > RULES_PROBLEMS_SHOWN && modifier->decision)
        decision_invalid(modifier->decision, "spec.resourceModifier", "ConfigMap %.*s: %u more problems are not shown",
                         STR_ARG(arena_quote(modifier->arena, modifier->name)),
                         modifier->problems - RULES_PROBLEMS_SHOWN);
}

/* What a rule of a resource modifier applies to: kind, names, namespaces, labels, and what must match. */

/* Velero trims nothing, so a blank at either end is part of the text. */
static bool has_space(struct str text)
{
    return str_contains(text, STR(" ")) || str_trim(text).len < text.len;
}

static bool has_upper(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= 'A' && text.ptr[i] <= 'Z')
            return true;
    return false;
}

/* A name without wildcards is compared with plural.group as a text. */
static void check_plain_target(struct config_rules *modifier, struct str where, struct str target)
{
    struct arena *arena = modifier->arena;
    const struct resource_kind *kind = resource_name_known(target);
    struct str quoted = arena_quote(arena, target), plural = resource_name_plural(target), resource, group;
    struct str meant = kind ? STR("") : resource_name_meant(arena, target);
    struct str elsewhere = kind ? STR("") : resource_name_elsewhere(arena, target);
    resource_name_split(target, &resource, &group);
    if (kind && !str_eq(target, plural))
        rules_problem(modifier, where, "%.*s matches nothing, so the objects would be restored unpatched: write %.*s",
                      STR_ARG(quoted), STR_ARG(plural));
    else if (has_upper(target))
        rules_problem(
            modifier, where,
            "%.*s matches nothing: write the plural.group in lower case, not the kind, such as " MODIFIER_MANAGEMENTS,
            STR_ARG(quoted));
    else if (elsewhere.len)
        rules_problem(modifier, where,
                      "%.*s matches nothing, so the objects would be restored unpatched: %.*s is not in the group "
                      "%.*s; write %.*s",
                      STR_ARG(quoted), STR_ARG(resource), STR_ARG(shown(arena, group)), STR_ARG(elsewhere));
    else if (!kind && meant.len)
        rules_warn(modifier, where, "%.*s is not a known resource; did you mean %.*s?", STR_ARG(quoted),
                   STR_ARG(meant));
    else if (!kind && !str_ends(resource, STR("s")))
        rules_warn(modifier, where, "%.*s looks like a singular name; Velero matches only plural.group",
                   STR_ARG(quoted));
}

/* What matches nothing is reported as an error; what matches less than its author probably thought,
 * as a warning. */
static void check_target(struct config_rules *modifier, struct str where, struct str target)
{
    struct arena *arena = modifier->arena;
    struct str quoted = arena_quote(arena, target), resource, group;
    const char *problem = glob_problem(target);
    resource_name_split(target, &resource, &group);
    if (target.len == 0)
        rules_problem(modifier, where, "is missing: name the resource as plural.group, such as " MODIFIER_MANAGEMENTS);
    else if (has_space(target))
        rules_problem(modifier, where,
                      "%.*s matches nothing, so the objects would be restored unpatched: remove the "
                      "white space",
                      STR_ARG(quoted));
    else if (problem)
        rules_problem(modifier, where, "%.*s is not a valid pattern: %s", STR_ARG(quoted), problem);
    else if (str_contains(target, STR("/")))
        rules_problem(modifier, where,
                      "%.*s matches nothing: write plural.group without a version, such as " MODIFIER_MANAGEMENTS,
                      STR_ARG(quoted));
    else if (!glob_has_wildcard(target))
        check_plain_target(modifier, where, target);
    else if (has_upper(target))
        rules_problem(modifier, where, "%.*s matches nothing: resources are written in lower case", STR_ARG(quoted));
    else if (str_is(target, "*"))
        rules_warn(modifier, where,
                   "\"*\" does not cross a dot: it matches only resources without a group; ** matches all");
    else if (str_is(group, "*"))
        rules_warn(modifier, where, "%.*s: * does not cross a dot, so only groups without one match; write %.*s.**",
                   STR_ARG(quoted), STR_ARG(resource));
}

static void check_namespaces(struct config_rules *modifier, struct str where, struct json_object *conditions)
{
    struct json_object *list;
    size_t count = rules_list(modifier, where, conditions, "namespaces", &list);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_item(list, i);
        struct str at = arena_printf(modifier->arena, "%.*s.namespaces[%zu]", STR_ARG(where), i);
        const char *problem = glob_problem(json_str(item));
        if (json_object_is_type(item, json_type_object) || json_object_is_type(item, json_type_array))
            rules_problem(modifier, at, "must be the name of a namespace");
        else if (problem)
            rules_problem(modifier, at, "%.*s is not a valid pattern: %s; the rule would never apply",
                          STR_ARG(arena_quote(modifier->arena, json_str(item))), problem);
    }
}

/* Velero's decoder takes numbers and booleans where the type is text. The result is a new
 * reference of the caller's, whether it was copied or not. */
static struct json_object *as_texts(struct json_object *tree)
{
    switch (json_object_get_type(tree)) {
    case json_type_boolean:
    case json_type_int:
    case json_type_double:
        return json_object_new_string(json_object_get_string(tree));
    case json_type_array: {
        struct json_object *copy = json_object_new_array();
        for (size_t i = 0; copy && i < json_len(tree); i++)
            json_item(tree, i) ? json_append(copy, as_texts(json_item(tree, i))) : json_append_null(copy);
        return copy;
    }
    case json_type_object: {
        struct json_object *copy = json_object_new_object();
        if (!copy)
            return NULL;
        json_foreach(tree, key, value)
        {
            value ? json_put(copy, key, as_texts(value)) : json_put_null(copy, key);
        }
        return copy;
    }
    case json_type_null:
    case json_type_string:
    default:
        return json_object_get(tree);
    }
}

/* First the keys, with lines, since decoding is strict; the selector as such, as Kubernetes
 * checks it, only once its shape is right. */
static void modifier_check_selector(struct config_rules *modifier, struct str where, struct json_object *conditions)
{
    static const char *const keys[] = {"matchLabels", "matchExpressions"};
    static const char *const expression_keys[] = {"key", "operator", "values"};
    struct arena *arena = modifier->arena;
    struct json_object *selector = rules_get(conditions, "labelSelector"), *expressions;
    struct str at = arena_printf(arena, "%.*s.labelSelector", STR_ARG(where)), below = {NULL, 0}, why = {NULL, 0};
    if (!selector || !rules_keys(modifier, at, selector, keys, LENGTH_OF(keys)))
        return;
    size_t count = rules_list(modifier, at, selector, "matchExpressions", &expressions);
    for (size_t i = 0; i < count; i++)
        if (!rules_keys(modifier, arena_printf(arena, "%.*s.matchExpressions[%zu]", STR_ARG(at), i),
                        json_item(expressions, i), expression_keys, LENGTH_OF(expression_keys)))
            return;
    if (selector_problem(arena, json_own(arena, as_texts(selector)), &below, &why))
        rules_problem(modifier, arena_printf(arena, "%.*s%.*s", STR_ARG(at), STR_ARG(below)),
                      "%.*s; the rule would never apply", STR_ARG(why));
}

/* A match compares the value at a path with JSON text, so its value follows the same rules of
 * quoting as that of a patch. A path without its slash is not found, which reads as "does not
 * match". */
static void check_match(struct config_rules *modifier, struct str where, struct str target, struct json_object *match)
{
    static const char *const keys[] = {"path", "value"};
    struct arena *arena = modifier->arena;
    struct str path, value, path_at = arena_printf(arena, "%.*s.path", STR_ARG(where));
    if (!rules_keys(modifier, where, match, keys, LENGTH_OF(keys)) ||
        !rules_text(modifier, where, match, "path", &path) || !rules_text(modifier, where, match, "value", &value))
        return;
    struct str problem = modifier_value_problem(arena, value, NULL);
    if (path.len == 0)
        rules_problem(modifier, path_at, "is missing: name the field to compare, such as /spec/release");
    else if (path.ptr[0] != '/')
        rules_problem(modifier, path_at, "%.*s must begin with \"/\"; the rule would never apply",
                      STR_ARG(arena_quote(arena, path)));
    else
        modifier_check_removed_match(modifier, path_at, target, path, value);
    if (problem.len)
        rules_problem(modifier, arena_printf(arena, "%.*s.value", STR_ARG(where)), "%.*s", STR_ARG(problem));
}

/* groupResource, resourceNameRegex, namespaces, labelSelector and matches of one rule (resource_modifiers.go
 * ResourceModifierRule.apply). */
static void modifier_check_conditions(struct config_rules *modifier, struct str where, struct json_object *conditions)
{
    static const char *const keys[] = {"groupResource", "namespaces", "resourceNameRegex", "labelSelector", "matches"};
    struct arena *arena = modifier->arena;
    struct json_object *matches;
    struct str target = {NULL, 0}, expression;
    if (!rules_keys(modifier, where, conditions, keys, LENGTH_OF(keys)))
        return;
    if (rules_text(modifier, where, conditions, "groupResource", &target))
        check_target(modifier, arena_printf(arena, "%.*s.groupResource", STR_ARG(where)), target);
    check_namespaces(modifier, where, conditions);
    if (rules_text(modifier, where, conditions, "resourceNameRegex", &expression)) {
        const char *problem = regex_problem(expression);
        if (problem)
            rules_problem(modifier, arena_printf(arena, "%.*s.resourceNameRegex", STR_ARG(where)),
                          "%.*s is not a valid Go regular expression: %s; the rule would never apply",
                          STR_ARG(arena_quote(arena, expression)), problem);
    }
    modifier_check_selector(modifier, where, conditions);
    size_t count = rules_list(modifier, where, conditions, "matches", &matches);
    for (size_t i = 0; i < count; i++)
        check_match(modifier, arena_printf(arena, "%.*s.matches[%zu]", STR_ARG(where), i), target,
                    json_item(matches, i));
}
