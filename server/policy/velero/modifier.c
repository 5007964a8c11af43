#include "policy/velero/modifier.h"

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
