/* What a resource modifier could change so that a refused object is taken: only what the API server has taken, changed so,
 * in a second dry run. The candidates come from its own answer, which names the fields it refuses. */
#include "backstop/api.h"
#include "rehearse/run.h"

enum { CURE_ROUNDS = 3, CURE_TRIES_MAX = 500, CURE_POINTER_BYTES = 1024 };

/* ---- fields ----------------------------------------------------------------------------------------- */

static void pointer_add(struct buf *pointer, struct str token)
{
    buf_putc(pointer, '/');
    for (size_t i = 0; i < token.len; i++)
        if (token.ptr[i] == '~' || token.ptr[i] == '/')
            buf_puts(pointer, token.ptr[i] == '~' ? "~0" : "~1");
        else
            buf_putc(pointer, token.ptr[i]);
}

/* A field as field.Path prints it, spec.ports[0].name or data[a.b], as a JSON pointer. Absent for what is no field of its
 * own: the whole object, spec as a whole, what names the object. */
static struct str cure_pointer(struct arena *arena, struct str field)
{
    BUF_SCOPED pointer;
    size_t tokens = 0, from = 0;
    buf_init(&pointer, CURE_POINTER_BYTES);
    for (size_t i = 0; i <= field.len; i++) {
        bool ends = i == field.len || field.ptr[i] == '.' || field.ptr[i] == '[';
        if (ends && i > from) {
            pointer_add(&pointer, str_slice(field, from, i));
            tokens++;
        }
        if (i < field.len && field.ptr[i] == '[') { /* up to its bracket, whatever dots a key has */
            size_t end = i + 1;
            while (end < field.len && field.ptr[end] != ']')
                end++;
            pointer_add(&pointer, str_slice(field, i + 1, end));
            tokens++;
            i = end;
            ends = true;
        }
        from = ends ? i + 1 : from;
    }
    static const char *const names[] = {"/metadata/name", "/metadata/namespace", "/metadata/generateName"};
    bool named = pointer.failed || tokens < 2;
    for (size_t i = 0; i < LENGTH_OF(names); i++)
        named = named || str_is(buf_str(&pointer), names[i]);
    return named ? (struct str){NULL, 0} : arena_copy(arena, buf_str(&pointer));
}

/* ---- operations ----------------------------------------------------------------------------------------- */

static bool operations_have(struct json_object *operations, struct str pointer)
{
    for (size_t i = 0; i < json_len(operations); i++)
        if (str_eq(json_get_str(json_item(operations, i), "path"), pointer))
            return true;
    return false;
}

/* A value that is no text is written as JSON in a text: Velero's patches have only texts. */
static bool operation_add(struct json_object *operations, const char *name, struct str pointer,
                          struct json_object *value)
{
    struct json_object *operation = json_object_new_object();
    BUF_SCOPED text;
    buf_init(&text, 64 * 1024);
    if (value)
        json_write_tree(&text, value);
    bool made = json_put_text(operation, "operation", str_from(name)) && json_put_text(operation, "path", pointer) &&
                (!value || (!text.failed && json_put_text(operation, "value", buf_str(&text))));
    if (made)
        return json_append(operations, operation);
    json_object_put(operation);
    return false;
}

/* An object of the cluster keeps what may not change; a new one goes without what is refused. */
static bool operations_for_field(const struct run_refused *refused, struct json_object *operations, struct str field)
{
    struct json_object *value = NULL, *kept = NULL;
    struct str pointer = cure_pointer(refused->arena, field);
    if (!pointer.len || operations_have(operations, pointer))
        return false;
    bool there = rehearse_at(refused->arena, refused->object, pointer, &value);
    if (refused->cluster && rehearse_at(refused->arena, refused->cluster, pointer, &kept) && kept)
        return operation_add(operations, there ? "replace" : "add", pointer, kept);
    return there && operation_add(operations, "remove", pointer, NULL);
}

/* From the last to the first: what stands behind in a list moves up when something is removed. */
static bool operations_for_causes(const struct run_refused *refused, struct json_object *operations,
                                  struct json_object *status)
{
    bool more = false;
    struct json_object *causes = json_path(status, "details.causes");
    for (size_t i = json_len(causes); i > 0; i--)
        more |= operations_for_field(refused, operations, json_get_str(json_item(causes, i - 1), "field"));
    return more;
}

/* ---- the second dry run ------------------------------------------------------------------------------ */

bool rehearse_modifier_add(struct arena *arena, struct json_object *rules, const struct rehearse_item *item,
                           struct str names, struct json_object *patches)
{
    struct json_object *rule, *conditions, *namespaces;
    rule = json_object_new_object();
    bool made = names.len && json_put_map(rule, "conditions", &conditions) &&
                json_put_text(conditions, "groupResource", item->resource->name) &&
                json_put_text(conditions, "resourceNameRegex", arena_printf(arena, "^(%.*s)$", STR_ARG(names)));
    if (made && item->ns.len) {
        namespaces = json_object_new_array();
        made = json_append(namespaces, json_new_text(item->ns)) && json_put(conditions, "namespaces", namespaces);
    }
    if (made && json_put_shared(rule, "patches", patches))
        return json_append(rules, rule);
    json_object_put(rule);
    return false;
}

struct str rehearse_name_pattern(struct arena *arena, struct str name)
{
    BUF_SCOPED text;
    buf_init(&text, 1024);
    for (size_t i = 0; i < name.len; i++) {
        if (!char_is_alphanumeric(name.ptr[i]) && name.ptr[i] != '-')
            buf_putc(&text, '\\');
        buf_putc(&text, name.ptr[i]);
    }
    return arena_copy(arena, buf_str(&text));
}

/* The object as the restore would send it with these operations in a modifier; NULL where they cannot be applied. */
static struct json_object *cure_apply(const struct run_refused *refused, struct json_object *operations)
{
    struct json_object *modifier = json_own(refused->arena, json_object_new_object());
    struct json_object *rules = json_object_new_array(), *object = json_own(refused->arena, json_copy(refused->object));
    struct json_object *metadata = json_get(object, "metadata");
    if (!json_put(modifier, "resourceModifierRules", rules) || !object ||
        !rehearse_modifier_add(refused->arena, rules, refused->item,
                               rehearse_name_pattern(refused->arena, refused->item->name), operations))
        return NULL;
    if (refused->ns.len)
        json_put_text(metadata, "namespace", refused->item->ns); /* a rule's namespaces are the original ones */
    if (rehearse_modify(refused->arena, &object, refused->item->resource->name, modifier).len)
        return NULL;
    if (refused->ns.len)
        json_put_text(json_get(object, "metadata"), "namespace", refused->ns);
    return object;
}

/* Fields that another version does not have would be dropped without a word: so it is asked strictly. */
static bool cure_holds(const struct run_refused *refused, struct json_object *operations, bool strict,
                       struct json_object **status)
{
    struct error error = {0};
    struct kube_resource resource = *refused->resource;
    struct json_object *object = cure_apply(refused, operations);
    *status = NULL;
    if (!object)
        return false;
    api_version_group(json_get_str(object, "apiVersion"), &resource.version);
    const struct kube_trial trial = {
        .resource = &resource,
        .ns = refused->ns,
        .name = refused->cluster ? refused->item->name : STR(""),
        .object = refused->cluster ? json_own(refused->arena, rehearse_merge_diff(refused->cluster, object)) : object,
        .strict = strict,
        .refusal = status};
    return run_try(refused->run, refused->arena, trial, &error) ||
           (error.code == 409 && !str_eq(refused->ns, refused->item->target_ns));
}

static void cure_keep(const struct run_refused *refused, struct json_object *operations)
{
    BUF_SCOPED text;
    buf_init(&text, 64 * 1024);
    json_write_tree(&text, operations);
    pthread_mutex_lock(&refused->run->lock);
    refused->item->patches = text.failed ? STR("") : arena_copy(refused->run->arena, buf_str(&text));
    pthread_mutex_unlock(&refused->run->lock);
}

static bool cure_may_try(struct rehearse_state *run)
{
    pthread_mutex_lock(&run->lock);
    bool may = run->cures < CURE_TRIES_MAX;
    run->cures += may;
    pthread_mutex_unlock(&run->lock);
    return may;
}

void run_find_cure(const struct run_refused *refused, struct json_object *status)
{
    struct json_object *operations = json_own(refused->arena, json_object_new_array());
    for (int round = 0; operations && round < CURE_ROUNDS && status; round++) {
        if (!operations_for_causes(refused, operations, status) || !cure_may_try(refused->run))
            return;
        if (cure_holds(refused, operations, false, &status)) {
            cure_keep(refused, operations);
            return;
        }
    }
}

void run_find_version(const struct run_refused *refused, struct str group, struct str version)
{
    struct json_object *ignored, *operations = json_own(refused->arena, json_object_new_array());
    struct json_object *value =
        json_own(refused->arena, json_new_text(group.len ? arena_join(refused->arena, group, "/", version) : version));
    if (operations && value && operation_add(operations, "replace", STR("/apiVersion"), value) &&
        cure_may_try(refused->run) && cure_holds(refused, operations, true, &ignored))
        cure_keep(refused, operations);
}
