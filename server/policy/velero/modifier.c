/* Resource modifiers as a whole: version, rules, and which release a rule would set on the Management. */
#include "policy/velero/modifier.h"
#include "backstop/grammar.h"

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

static void add_from_merge_patches(const struct config_rules *modifier, struct json_object *patches,
                                   struct strlist *all)
{
    for (size_t i = 0; i < json_len(patches); i++) {
        struct yaml_document *document = NULL;
        struct error ignored;
        struct str text = json_str(rules_get(json_item(patches, i), "patchData"));
        if (!yaml_load(modifier->arena, text, &(struct yaml_options){0}, &document, &ignored) || !document)
            continue;
        struct str found = json_path_str(document->tree, "spec.release");
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

struct modifier_release modifier_release_set(const struct config_rules *modifier)
{
    struct modifier_release result = {.release = {NULL, 0}};
    struct json_object *rules = rules_get(modifier->document->tree, "resourceModifierRules");
    for (size_t i = 0; i < json_len(rules); i++) {
        struct json_object *rule = json_item(rules, i);
        if (!targets_managements(modifier, rule))
            continue;
        add_from_patches(modifier, rules_get(rule, "patches"), &result.all);
        add_from_merge_patches(modifier, rules_get(rule, "mergePatches"), &result.all);
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

/* Exactly one kind of patch. Velero refuses two, and finds out about none only when it
 * applies the rule. */
static void check_kinds(struct config_rules *modifier, struct str where, struct json_object *rule)
{
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
}

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
    check_kinds(modifier, where, rule);
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
