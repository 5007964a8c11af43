#include <string.h>

#include "review.h"

static struct json_object *text_value(struct str text)
{
    return json_object_new_string_len(text.len ? text.ptr : "", (int)text.len);
}

static void add_text(struct json_object *object, const char *key, struct str value)
{
    json_object_object_add(object, key, text_value(value));
}

static void add_integer(struct json_object *object, const char *key, int64_t value)
{
    json_object_object_add(object, key, json_object_new_int64(value));
}

static struct json_object *causes_list(const struct decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < decision->causes.len; i++) {
        struct json_object *cause = json_object_new_object();
        add_text(cause, "field", decision->causes.items[i].field);
        add_text(cause, "message", decision->causes.items[i].message);
        json_object_array_add(list, cause);
    }
    return list;
}

static struct json_object *warnings_list(const struct decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < decision->warnings.len; i++)
        json_object_array_add(list, text_value(decision->warnings.items[i]));
    return list;
}

static struct json_object *audit_map(const struct decision *decision)
{
    struct json_object *map = json_object_new_object();
    for (size_t i = 0; i < decision->audit.len; i++)
        add_text(map, decision->audit.items[i].key.ptr, decision->audit.items[i].value);
    return map;
}

static struct json_object *patch_list(const struct decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; !decision->denied && i < decision->patch.len; i++) {
        const struct patch_step *from = &decision->patch.items[i];
        struct json_object *step = json_object_new_object();
        add_text(step, "op", str_from(from->op));
        add_text(step, "path", from->path);
        if (strcmp(from->op, "remove") != 0)
            json_object_object_add(step, "value", json_object_get(from->value));
        json_object_array_add(list, step);
    }
    return list;
}

static struct json_object *effects_list(const struct decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < decision->effects.len; i++)
        json_object_array_add(list, json_object_get(decision->effects.items[i].object));
    return list;
}

/* Keys and order are an interface: scripts and golden cases read them. */
static struct json_object *record(struct arena *arena, const struct review_result *result)
{
    const struct manifest *manifest = result->manifest;
    const struct request *request = &result->request;
    const struct decision *decision = &result->decision;
    struct json_object *object = json_object_new_object();
    add_text(object, "source", str_from(manifest->source));
    add_integer(object, "document", manifest->number);
    add_integer(object, "line", manifest->line);
    add_text(object, "operation", str_from(operation_name(request->operation)));
    add_text(object, "apiVersion", request->api_version);
    add_text(object, "kind", request->kind);
    add_text(object, "namespace", request->ns);
    add_text(object, "name", request->name);
    json_object_object_add(object, "allowed", json_object_new_boolean(!decision->denied));
    add_integer(object, "code", decision->denied ? decision->code : 200);
    add_text(object, "reason",
             decision->denied ? str_from(decision->reason) : str_from(result->reviewed ? "" : "not reviewed"));
    add_text(object, "message", decision->denied ? decision_message(decision) : STR(""));
    json_object_object_add(object, "causes", causes_list(decision));
    add_integer(object, "retryAfterSeconds", decision->retry_after);
    json_object_object_add(object, "warnings", warnings_list(decision));
    json_object_object_add(object, "auditAnnotations", audit_map(decision));
    json_object_object_add(object, "patch", patch_list(decision));
    json_object_object_add(object, "effects", effects_list(decision));
    json_object_object_add(object, "object", json_object_get(result->object));
    return json_own(arena, object);
}

void review_print_json(struct arena *arena, const struct review_result *result, struct buf *out)
{
    json_write_tree(out, record(arena, result));
    buf_putc(out, '\n');
}

void review_print_yaml(struct arena *arena, const struct review_result *result, struct buf *out)
{
    buf_puts(out, "---\n");
    yaml_write(out, record(arena, result));
    if (out->len && out->data[out->len - 1] != '\n')
        buf_putc(out, '\n');
}
