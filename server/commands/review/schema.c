/* The schemas of a review: those found among the inventories or asked of the cluster, then those built in. */
#include <sys/stat.h>

#include "backstop/api.h"
#include "backstop/kube.h"
#include "commands/review/review.h"

/* ---- CRDs that are at hand ------------------------------------------------------- */

static bool schemas_add(void *context, struct manifest *manifest)
{
    struct review_schemas *schemas = context;
    (void)schema_set_add(&schemas->set, manifest->tree);
    return true;
}

static void schemas_ignore_problem(void *context, const char *source, int64_t line, const char *reason)
{
    (void)context, (void)source, (void)line, (void)reason; /* told where the file is reviewed, or is the inventory */
}

/* Files are read again only where they hold a CRD; a pipe can be read only once. */
void review_schemas_scan(struct review_schemas *schemas, const struct option_list *paths)
{
    struct manifest_files files = {.sink = {schemas_add, schemas_ignore_problem, schemas, NULL},
                                   .containing = "CustomResourceDefinition"};
    for (size_t i = 0; i < paths->len; i++) {
        struct stat info;
        if (stat(paths->items[i], &info) == 0 && (S_ISDIR(info.st_mode) || S_ISREG(info.st_mode)) &&
            !manifests_read(&files, paths->items[i]))
            return;
    }
}

/* Whoever may not read CRDs is answered by what is built in. */
static void ask_cluster(struct review_schemas *schemas, struct arena *arena, struct str group, struct str kind)
{
    const struct rule *rule = review_rule(group, kind);
    const struct kube_resource crds = {.group = STR("apiextensions.k8s.io"),
                                       .version = STR("v1"),
                                       .plural = STR("customresourcedefinitions"),
                                       .kind = STR("CustomResourceDefinition")};
    struct json_object *crd = NULL;
    struct error ignored;
    if (!schemas->client || !rule || schema_set_has(&schemas->set, group, kind))
        return;
    struct str name = arena_printf(arena, "%s.%s", rule->resource, rule->group);
    if (strlist_has(&schemas->asked, name))
        return;
    strlist_add(schemas->set.arena, &schemas->asked, arena_copy(schemas->set.arena, name));
    if (kube_get(schemas->client, schemas->set.arena, &crds, (struct str){NULL, 0}, name, &crd, &ignored))
        (void)schema_set_add(&schemas->set, crd);
}

/* ---- judging ----------------------------------------------------------------------- */

/* "spec.includedNamespaces[0]" is below "spec.includedNamespaces"; "matchLabels[app]" is "matchLabels.app". */
static bool is_at_or_below(struct str field, struct str parent)
{
    size_t f = 0, p = 0;
    for (; p < parent.len; p++) {
        if (parent.ptr[p] == ']' && (f == field.len || field.ptr[f] != ']'))
            continue;
        bool same = f < field.len && (field.ptr[f] == parent.ptr[p] || (field.ptr[f] == '.' && parent.ptr[p] == '['));
        if (!same)
            return false;
        f++;
    }
    return f == field.len || (parent.len && (field.ptr[f] == '.' || field.ptr[f] == '['));
}

/* A policy knows better what is wrong with a value than its type does. */
static bool is_told(const struct decision *decision, size_t causes, const struct schema_problem *problem)
{
    for (size_t i = 0; i < causes; i++) {
        const struct str request = STR("request.object."); /* how the reader of reviews names them */
        struct str field = decision->causes.items[i].field;
        if (str_starts(field, request))
            field = str_slice(field, request.len, field.len);
        if (str_is(field, "spec") ? str_is(problem->field, "spec") : is_at_or_below(problem->field, field))
            return true;
    }
    return false;
}

static void add_problem(struct decision *decision, size_t causes, const struct schema_problem *problem)
{
    struct str field = arena_copy(decision->arena, problem->field);
    if (!field.ptr || is_told(decision, causes, problem))
        return;
    if (problem->kind == SCHEMA_DOUBT)
        decision_warn(decision, "%s: %.*s", field.ptr, STR_ARG(problem->message));
    else
        decision_field_text(decision, field.ptr, problem->message);
}

/* False: there is no such kind. */
static bool judge_kind(const struct review_context *context, struct arena *arena, struct review_result *result)
{
    struct json_object *tree = result->manifest->tree;
    struct str version = json_get_str(tree, "apiVersion"), kind = json_get_str(tree, "kind"), meant;
    ask_cluster(context->schemas, arena, api_version_group(version, NULL), kind);
    if (schema_kind_check(&context->schemas->set, version, kind, arena, &meant) == SCHEMA_KIND_FINE)
        return true;
    struct str hint = meant.len ? arena_printf(arena, "; did you mean %.*s?", STR_ARG(meant)) : STR("");
    bool other_version = str_ends(meant, arena_printf(arena, "kind: %.*s", STR_ARG(kind)));
    decision_not_supported(&result->decision, other_version ? "apiVersion" : "kind",
                           "%.*s: no matches for kind %.*s in version %.*s%.*s",
                           STR_ARG(arena_quote(arena, other_version ? version : kind)),
                           STR_ARG(arena_quote(arena, kind)), STR_ARG(arena_quote(arena, version)), STR_ARG(hint));
    return false;
}

/* kubectl takes the last; kustomize, Flux and the API server's own strict decoding refuse the file. */
static void judge_repeats(struct arena *arena, const struct manifest *manifest, struct decision *decision)
{
    const struct yaml_document *nodes = manifest_nodes(arena, manifest);
    const struct yaml_repeat *repeat = nodes ? nodes->repeats : NULL;
    for (; repeat; repeat = repeat->next) {
        if (!str_starts(repeat->field, manifest->at))
            continue;
        struct str field = arena_copy(arena, str_slice(repeat->field, manifest->at.len, repeat->field.len));
        if (field.ptr)
            decision_duplicate(decision, field.ptr,
                               "the key is set twice, first in line %u: remove one of the two; kubectl "
                               "takes the last one, strict readers refuse the file",
                               repeat->first_line);
    }
}

void review_schema_judge(const struct review_context *context, struct arena *arena, struct review_result *result)
{
    const struct manifest *manifest = result->manifest;
    struct decision *decision = &result->decision;
    size_t count = 0, causes = decision->causes.len;
    if (manifest->review.ptr || result->request.operation == OPERATION_DELETE)
        return;
    const struct version_fact velero = inventory_velero_version(context->inventory, context->settings);
    const struct schema_request request = {.set = &context->schemas->set,
                                           .tree = manifest->tree,
                                           .old = review_old(context, manifest->tree),
                                           .stored = manifest->stored,
                                           .velero_release = arena_copy(arena, velero.version.text).ptr};
    const struct schema_problem *problems = NULL;
    if (judge_kind(context, arena, result))
        problems = schema_check(&request, arena, &count);
    for (size_t i = 0; i < count; i++)
        add_problem(decision, causes, &problems[i]);
    if (review_rule(api_version_group(json_get_str(manifest->tree, "apiVersion"), NULL),
                    json_get_str(manifest->tree, "kind"))) {
        judge_repeats(arena, manifest, decision);
        review_warn_placeholders(arena, manifest->tree, decision);
    }
    if (decision->causes.len == causes)
        return;
    result->reviewed = true;
    result->object = result->before; /* nothing would come of it */
    if (decision->patch.len)
        decision_audit(decision, "decision", "denied");
    decision_forget_changes(decision);
    decision->effects.len = 0;
}
