/* What the API server would say of a manifest before any webhook sees it: unknown fields, wrong
 * types, a kind that does not exist, keys that are given twice; and values that nobody filled
 * in. Also how a document finds its rule, its namespace and its old object. */
#include <ctype.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "backstop/api.h"
#include "backstop/kube.h"
#include "commands/review/review.h"

/* The schemas of a review: those found among the inventories or asked of the cluster, then those built in. */

/* ---- CRDs that are at hand ------------------------------------------------------- */

/* False of schema_set_add means that the object is no CRD, which is most of what is seen here. */
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

/* Whoever may not read CRDs is answered by what is built in. Once for each kind, also where it
 * was not found. */
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

/* A doubt is what the API server would accept, or drop without an error; it becomes a warning. */
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

static void review_warn_placeholders(struct arena *arena, struct json_object *tree, struct decision *decision);

/* Nothing of a recorded review is judged: the API server had done so before it sent it. With a
 * problem the object is refused before any webhook, so patch and effects of the rules are taken
 * back. */
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
        /* kubectl takes the last; kustomize, Flux and the API server's own strict decoding refuse the file. Nodes take many
         * times the size of the text. */
        bool repeats = !manifest->text.ptr || manifest->repeats;
        const struct yaml_document *nodes = repeats ? manifest_nodes(arena, manifest) : NULL;
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

/* What a document is reviewed against: its namespace, its rule, and its object before an update. */

/* Operations are bits, so the next one is a shift. */
const struct rule *review_rule(struct str group, struct str kind)
{
    const struct rule *rule = NULL;
    for (unsigned operation = OPERATION_CREATE; !rule && operation < OPERATION_CONNECT; operation <<= 1)
        rule = admission_rule_for_object(group, kind, (enum operation)operation, 0);
    return rule;
}

/* What kubectl would fill in from the namespace of its context. */
bool review_is_namespaced(struct str group, struct str kind)
{
    if (group.len == 0)
        return str_is(kind, "ConfigMap") || str_is(kind, "Secret");
    return str_is(group, GROUP_VELERO) || (str_is(group, "apps") && str_is(kind, "Deployment"));
}

/* The system namespace, where the objects that rules cover belong. */
static void context_fill_namespace(const struct review_context *context, struct json_object *tree)
{
    struct json_object *metadata = json_get(tree, "metadata");
    struct str ns = context->settings->system_namespace;
    bool wanted =
        review_is_namespaced(api_version_group(json_get_str(tree, "apiVersion"), NULL), json_get_str(tree, "kind"));
    if (wanted && json_object_is_type(metadata, json_type_object) && !json_get(metadata, "namespace"))
        json_put_text(metadata, "namespace", ns);
}

/* ---- the objects before an update: a table, sorted by what identifies an object ------ */

/* A manifest of thousands of objects with an --old of as many would be slow with a search
 * through all. */
struct review_old_row {
    struct str kind, group, ns, name;
    size_t at; /* in `old` */
};

static struct review_old_row context_old_row(struct json_object *tree, size_t at)
{
    return (struct review_old_row){.kind = json_get_str(tree, "kind"),
                                   .group = api_version_group(json_get_str(tree, "apiVersion"), NULL),
                                   .ns = json_path_str(tree, "metadata.namespace"),
                                   .name = json_path_str(tree, "metadata.name"),
                                   .at = at};
}

static int context_old_compare(const struct review_old_row *a, const struct review_old_row *b)
{
    int order = str_cmp(a->name, b->name);
    if (order == 0)
        order = str_cmp(a->kind, b->kind);
    if (order == 0)
        order = str_cmp(a->ns, b->ns);
    return order ? order : str_cmp(a->group, b->group);
}

/* Of two for one object the first in the file counts. */
static int context_old_order(const void *left, const void *right)
{
    const struct review_old_row *a = left, *b = right;
    int order = context_old_compare(a, b);
    return order ? order : a->at < b->at ? -1 : 1;
}

bool review_old_open(struct review_context *context, struct arena *arena, const struct manifests *old)
{
    struct review_old_row *rows = arena_array(arena, old->len + 1, sizeof *rows);
    context->old_used = arena_array(arena, old->len + 1, sizeof *context->old_used);
    if (!rows || !context->old_used)
        return false;
    for (size_t i = 0; i < old->len; i++) {
        context_fill_namespace(context, old->items[i].tree);
        rows[i] = context_old_row(old->items[i].tree, i);
    }
    if (old->len)
        qsort(rows, old->len, sizeof *rows, context_old_order);
    context->old = old;
    context->old_rows = rows;
    return true;
}

/* The first row that is not smaller: of equal rows the one that came first in the file. */
struct json_object *review_old(const struct review_context *context, struct json_object *tree)
{
    context_fill_namespace(context, tree);
    const struct review_old_row wanted = context_old_row(tree, 0);
    size_t low = 0, high = context->old ? context->old->len : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (context_old_compare(&context->old_rows[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (!context->old || low == context->old->len || context_old_compare(&context->old_rows[low], &wanted) != 0)
        return NULL;
    context->old_used[context->old_rows[low].at] = true;
    return context->old->items[context->old_rows[low].at].tree;
}

/* Values that look as if they were to be filled in yet: <name>, CHANGEME, ${VAR}. */

/* Placeholders of templating tools that nobody filled in: envsubst, Flux, Helm, Jinja, Maven, and those that people
 * write for people. Only where Velero and k0rdent could not mean them: not in commands, not in annotations. */

enum { DEPTH_MAX = 20, SHOWN = 6 };

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* How much of the text, from `from` on, is a name: a letter or "_" first. */
static size_t name_length(struct str text, size_t from)
{
    size_t to = from;
    if (to < text.len && !isalpha((unsigned char)text.ptr[to]) && text.ptr[to] != '_')
        return 0;
    while (to < text.len && is_word(text.ptr[to]))
        to++;
    return to - from;
}

static bool is_upper_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (islower((unsigned char)name.ptr[i]))
            return false;
    return name.len > 0;
}

/* A name between two texts; `upper`: in capitals only. `open_end`: anything may follow the name before the end. */
static const struct frame {
    const char *before, *after;
    bool upper, open_end;
} frames[] = {
    {"${", "}", false, true},   /* ${BUCKET}, ${BUCKET:-default} */
    {"$(", ")", false, false},  /* $(BUCKET) */
    {"#{", "}", false, false},  /* #{BUCKET}# */
    {"((", "))", false, false}, /* ((bucket)) */
    {"[[", "]]", false, false}, /* [[bucket]] */
    {"<", ">", false, true},    /* <your-bucket>, <bucket name> */
    {"{", "}", false, false},   /* {bucket} */
    {"%", "%", true, false},    /* %BUCKET% */
    {"__", "__", true, false},  /* __BUCKET__ */
    {"@", "@", true, false},    /* @BUCKET@ */
};

/* "%C3%A4" is a text in an address. */
static bool is_percent_code(const struct frame *frame, struct str name)
{
    return frame->before[0] == '%' && name.len == 2 && isxdigit((unsigned char)name.ptr[0]) &&
           isxdigit((unsigned char)name.ptr[1]);
}

/* The end of what a frame encloses, from `from` on; 0 when it is none. */
static size_t frame_end(const struct frame *frame, struct str text, size_t from)
{
    struct str before = str_from(frame->before), after = str_from(frame->after);
    if (!str_starts(str_slice(text, from, text.len), before))
        return 0;
    size_t at = from + before.len, len = name_length(text, at);
    if (strcmp(frame->before, "__") == 0) /* the end belongs to the name's letters */
        while (len > 0 && text.ptr[at + len - 1] == '_')
            len--;
    struct str name = str_slice(text, at, at + len);
    size_t end = at + len;
    while (frame->open_end && end < text.len && !str_starts(str_slice(text, end, text.len), after) &&
           !strchr("<>{@", text.ptr[end]))
        end++;
    if (len == 0 || (frame->upper && !is_upper_name(name)) || is_percent_code(frame, name) ||
        !str_starts(str_slice(text, end, text.len), after))
        return 0;
    return end + after.len;
}

/* $BUCKET, {{ .Values.bucket }}, <%= bucket %>. */
static size_t other_end(struct str text, size_t from)
{
    struct str rest = str_slice(text, from, text.len);
    if (str_starts(rest, STR("{{")) || str_starts(rest, STR("<%"))) {
        struct str close = rest.ptr[0] == '{' ? STR("}}") : STR("%>");
        for (size_t i = 2; i < rest.len; i++)
            if (str_starts(str_slice(rest, i, rest.len), close))
                return from + i + close.len;
        return text.len;
    }
    size_t len = rest.len && rest.ptr[0] == '$' ? name_length(text, from + 1) : 0;
    while (len && (text.ptr[from + len] == '-' || text.ptr[from + len] == '.'))
        len--;
    return len ? from + 1 + len : 0;
}

/* What people write for people: the whole value, or its beginning. */
static bool is_said_to_be_changed(struct str text)
{
    static const char *const whole[] = {"changeme",   "change-me",  "change_me", "replaceme", "replace-me",
                                        "replace_me", "to-be-done", "fill-me",   "fill_me_in"};
    static const char *const starts[] = {"your-",    "your_",   "CHANGE_ME",     "CHANGEME",
                                         "REPLACE_", "INSERT_", "my-bucket-name"};
    static const char *const exact[] = {"TODO", "TBD", "FIXME", "XXX", "XXXX", "xxxx", "xxxxx", "xxxxxxxx"};
    for (size_t i = 0; i < LENGTH_OF(whole); i++)
        if (str_eq_nocase(text, str_from(whole[i])))
            return true;
    for (size_t i = 0; i < LENGTH_OF(starts); i++)
        if (str_starts(text, str_from(starts[i])) ||
            (i < 2 && str_eq_nocase(str_slice(text, 0, 5), str_from(starts[i]))))
            return true;
    return STR_IN(text, exact);
}

/* The first one in a text is enough for a warning. */
static struct str find_placeholder(struct str text)
{
    if (is_said_to_be_changed(text))
        return text;
    for (size_t from = 0; from < text.len; from++) {
        if (!strchr("$#([<{%_@", text.ptr[from]))
            continue;
        size_t end = other_end(text, from);
        for (size_t i = LENGTH_OF(frames); i > 0 && !end; i--)
            end = frame_end(&frames[i - 1], text, from);
        if (end)
            return str_slice(text, from, end);
    }
    return (struct str){NULL, 0};
}

struct placeholder_search {
    struct arena *arena;
    struct decision *decision;
    struct buf path; /* of the value at hand */
    size_t found;
};

/* Programs' texts, and what Helm or a cluster's users fill with what they like. */
static bool may_hold_anything(const char *key)
{
    static const char *const keys[] = {"annotations", "managedFields", "ownerReferences", "status",
                                       "command",     "args",          "initContainers",  "caCert"};
    return STR_IN(str_from(key), keys);
}

/* Values only: a key that nobody filled in is an unknown field, and told as one. */
static void search_value(struct placeholder_search *search, struct json_object *value, unsigned depth)
{
    struct str found = find_placeholder(json_str(value));
    size_t index = 0, before = search->path.len;
    if (found.len && ++search->found <= SHOWN)
        decision_warn(search->decision, "%.*s: %.*s looks like a placeholder that was not filled in",
                      STR_ARG(buf_str(&search->path)), STR_ARG(arena_quote(search->arena, found)));
    if (depth == DEPTH_MAX)
        return;
    json_walk_each(value, key, member)
    {
        if (!key)
            buf_printf(&search->path, "[%zu]", index++);
        else if (may_hold_anything(key))
            continue;
        else
            buf_printf(&search->path, "%s%s", before ? "." : "", key);
        search_value(search, member, depth + 1);
        search->path.len = before;
    }
}

static void search_below(struct placeholder_search *search, struct json_object *object, const char *field)
{
    buf_puts(&search->path, field);
    search_value(search, json_get(object, field), 0);
    buf_clear(&search->path);
}

/* Warns of values that a templating tool, or a person, was to fill in. */
static void review_warn_placeholders(struct arena *arena, struct json_object *tree, struct decision *decision)
{
    struct placeholder_search search = {.arena = arena, .decision = decision};
    if (str_is(json_get_str(tree, "kind"), "Management")) /* its config is Helm's values */
        return;
    buf_init(&search.path, SIZE_MAX / 2);
    search_below(&search, tree, "metadata");
    search_below(&search, tree, "spec");
    buf_dispose(&search.path);
    if (search.found > SHOWN)
        decision_warn(decision, "%zu more values look like placeholders", search.found - SHOWN);
}
