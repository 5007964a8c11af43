#include "backstop/grammar.h"
#include "policy/velero/modifier.h"

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
