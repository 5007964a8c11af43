#include <string.h>

#include "commands/review/review.h"

static void add_integer(struct json_object *object, const char *key, int64_t value)
{
    json_put(object, key, json_object_new_int64(value));
}

static struct json_object *causes_list(const struct decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < decision->causes.len; i++) {
        struct json_object *cause = json_object_new_object();
        json_put_text(cause, "field", decision->causes.items[i].field);
        json_put_text(cause, "message", decision->causes.items[i].message);
        json_append(list, cause);
    }
    return list;
}

static struct json_object *warnings_list(const struct decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < decision->warnings.len; i++)
        json_append(list, json_new_text(decision->warnings.items[i]));
    return list;
}

static struct json_object *audit_map(const struct decision *decision)
{
    struct json_object *map = json_object_new_object();
    for (size_t i = 0; i < decision->audit.len; i++)
        json_put_text(map, decision->audit.items[i].key.ptr, decision->audit.items[i].value);
    return map;
}

static struct json_object *patch_list(const struct decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; !decision->denied && i < decision->patch.len; i++) {
        const struct patch_step *from = &decision->patch.items[i];
        struct json_object *step = json_object_new_object();
        json_put_text(step, "op", str_from(from->op));
        json_put_text(step, "path", from->path);
        if (strcmp(from->op, "remove") != 0)
            json_put_shared(step, "value", from->value);
        json_append(list, step);
    }
    return list;
}

static struct json_object *effects_list(const struct decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < decision->effects.len; i++)
        json_append(list, json_object_get(decision->effects.items[i].object));
    return list;
}

/* Keys and order are an interface: scripts and golden cases read them. */
static struct json_object *review_json_record(struct arena *arena, const struct review_result *result)
{
    const struct manifest *manifest = result->manifest;
    const struct request *request = &result->request;
    const struct decision *decision = &result->decision;
    struct json_object *object = json_object_new_object();
    json_put_text(object, "source", str_from(manifest->source));
    add_integer(object, "document", manifest->number);
    add_integer(object, "line", manifest->line);
    json_put_text(object, "operation", str_from(operation_name(request->operation)));
    json_put_text(object, "apiVersion", request->api_version);
    json_put_text(object, "kind", request->kind);
    json_put_text(object, "namespace", request->ns);
    json_put_text(object, "name", request->name);
    json_put(object, "allowed", json_object_new_boolean(!decision->denied));
    add_integer(object, "code", decision->denied ? decision->code : 200);
    json_put_text(object, "reason",
                  decision->denied ? str_from(decision->reason) : str_from(result->reviewed ? "" : "not reviewed"));
    json_put_text(object, "message", decision->denied ? decision_message(decision) : STR(""));
    json_put(object, "causes", causes_list(decision));
    add_integer(object, "retryAfterSeconds", decision->retry_after);
    json_put(object, "warnings", warnings_list(decision));
    json_put(object, "auditAnnotations", audit_map(decision));
    json_put(object, "patch", patch_list(decision));
    json_put(object, "effects", effects_list(decision));
    json_put_shared(object, "object", result->object);
    return json_own(arena, object);
}

void review_print_json(struct arena *arena, const struct review_result *result, struct buf *out)
{
    json_write_tree(out, review_json_record(arena, result));
    buf_putc(out, '\n');
}

void review_print_yaml(struct arena *arena, const struct review_result *result, struct buf *out)
{
    buf_puts(out, "---\n");
    yaml_write(out, review_json_record(arena, result));
    if (out->len && out->data[out->len - 1] != '\n')
        buf_putc(out, '\n');
}
