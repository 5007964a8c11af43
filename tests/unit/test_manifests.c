#include "backstop/admission.h"
#include "certificates/certificates.h"
#include "suite.h"

/* The shipped webhook configurations say what the rule table says. */

enum { FILE_LIMIT = 1 << 20 };
static const char path[] = "manifests/install.yaml"; /* tests run in the root of the source tree */

static struct yaml_document *load(struct arena *arena)
{
    struct error error = {0};
    struct str text;
    struct yaml_document *documents = NULL;
    const struct yaml_options options = {.reject_duplicates = true};
    if (file_read(arena, path, FILE_LIMIT, &text, &error) && yaml_load(arena, text, &options, &documents, &error))
        return documents;
    fprintf(stderr, "\n    %s\n", error.message);
    return NULL;
}

static struct json_object *hook_for(const struct yaml_document *documents, const struct rule *rule)
{
    const char *kind = rule->mutating ? "MutatingWebhookConfiguration" : "ValidatingWebhookConfiguration";
    for (const struct yaml_document *each = documents; each; each = each->next) {
        struct json_object *hooks = json_get(each->tree, "webhooks");
        for (size_t i = 0; str_is(json_get_str(each->tree, "kind"), kind) && i < json_len(hooks); i++)
            if (str_is(json_path_str(json_item(hooks, i), "clientConfig.service.path"), rule->path))
                return json_item(hooks, i);
    }
    return NULL;
}

static struct json_object *configuration_of(const struct yaml_document *documents, struct json_object *hook)
{
    for (const struct yaml_document *each = documents; each; each = each->next) {
        struct json_object *hooks = json_get(each->tree, "webhooks");
        for (size_t i = 0; i < json_len(hooks); i++)
            if (json_item(hooks, i) == hook)
                return each->tree;
    }
    return NULL;
}

static unsigned operations_of(struct json_object *hook)
{
    struct json_object *names = json_get(json_item(json_get(hook, "rules"), 0), "operations");
    unsigned operations = 0;
    enum operation one;
    for (size_t i = 0; i < json_len(names); i++)
        operations |= operation_parse(json_str(json_item(names, i)), &one) ? (unsigned)one : 0;
    return operations;
}

static void test_each_rule_has_its_webhook(void)
{
    ARENA_SCOPED arena = arena_new(4 * FILE_LIMIT);
    const struct yaml_document *documents = load(arena);
    size_t count;
    const struct rule *rules = admission_rules(&count);
    CU_ASSERT_FATAL(documents != NULL && count > 0);
    for (size_t i = 0; i < count; i++) {
        struct json_object *hook = hook_for(documents, &rules[i]), *rule = json_item(json_get(hook, "rules"), 0);
        if (!hook)
            fprintf(stderr,
                    "\n    %s has no webhook for %s: give it a row in manifests/chart/templates/_webhooks.tpl and in "
                    "values.yaml, then make manifests\n",
                    path, rules[i].path);
        CU_ASSERT_FATAL(hook != NULL);
        unsigned failures = CU_get_number_of_failures();
        CU_ASSERT_EQUAL(json_len(json_get(hook, "rules")), 1);
        ASSERT_TEXT(json_str(json_item(json_get(rule, "apiGroups"), 0)), rules[i].group);
        struct str resource = str_from(rules[i].resource);
        if (rules[i].subresource)
            resource = arena_printf(arena, "%s/%s", rules[i].resource, rules[i].subresource);
        ASSERT_TEXT(json_str(json_item(json_get(rule, "resources"), 0)), resource.ptr);
        CU_ASSERT_EQUAL(operations_of(hook), rules[i].operations);
        /* Installed as Ignore; those that are to fail closed are named beside it (server/certificates/enforce.c). */
        bool fails = strcmp(rules[i].failure_policy, "Fail") == 0;
        CU_ASSERT_EQUAL(enforce_is_open(configuration_of(documents, hook), hook), fails);
        ASSERT_TEXT(json_get_str(hook, "failurePolicy"), "Ignore");
        ASSERT_TEXT(json_get_str(hook, "sideEffects"), rules[i].has_effects ? "NoneOnDryRun" : "None");
        ASSERT_TEXT(json_get_str(hook, "matchPolicy"), "Equivalent");
        ASSERT_TEXT(json_get_str(hook, "reinvocationPolicy"), rules[i].mutating ? "IfNeeded" : "");
        if (CU_get_number_of_failures() > failures)
            fprintf(stderr, "\n    %s: server/admission/rules.c and %s differ\n", rules[i].path, path);
    }
}

static void test_each_webhook_has_its_rule(void)
{
    ARENA_SCOPED arena = arena_new(4 * FILE_LIMIT);
    size_t hooks = 0, rules;
    for (const struct yaml_document *each = load(arena); each; each = each->next)
        hooks += json_len(json_get(each->tree, "webhooks"));
    admission_rules(&rules);
    CU_ASSERT_EQUAL(hooks, rules);
}

SUITE(manifests, {"each rule has its webhook in the shipped configurations", test_each_rule_has_its_webhook},
      {"each webhook in the shipped configurations has its rule", test_each_webhook_has_its_rule})
