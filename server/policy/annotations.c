#include "policy/annotations.h"

enum { PATH_LIMIT = 1024 };

/* RFC 6901: "~" is ~0, "/" is ~1. */
static struct str annotation_path(struct arena *arena, const char *key)
{
    BUF_SCOPED path;
    buf_init(&path, PATH_LIMIT);
    buf_puts(&path, "/metadata/annotations/");
    for (const char *at = key; *at; at++) {
        if (*at == '~' || *at == '/')
            buf_puts(&path, *at == '~' ? "~0" : "~1");
        else
            buf_putc(&path, *at);
    }
    return arena_copy(arena, arena_text(arena, &path));
}

static void add_to_map(const struct request *request, struct decision *decision, struct json_object *map,
                       const struct annotation *item)
{
    if (str_eq(json_get_str(map, item->key), item->value))
        return;
    struct str path = annotation_path(request->arena, item->key);
    if (path.ptr)
        decision_patch(decision, json_get(map, item->key) ? "replace" : "add", path.ptr,
                       json_own(request->arena, json_new_text(item->value)));
}

void annotations_patch(const struct request *request, struct decision *decision, const struct annotation *items,
                       size_t count)
{
    const struct json_node *metadata = json_member(request->object->root, STR("metadata"));
    struct json_object *map = object_tree(request, request->object, "metadata.annotations"), *fresh;
    if (!metadata || metadata->kind != JSON_OBJECT || (map && !json_object_is_type(map, json_type_object)))
        return; /* the API server refuses that by itself */
    for (size_t i = 0; map && i < count; i++)
        if (items[i].value.len)
            add_to_map(request, decision, map, &items[i]);
    if (map)
        return;
    fresh = json_own(request->arena, json_object_new_object());
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (items[i].value.len && !json_put_text(fresh, items[i].key, items[i].value))
            arena_fail(request->arena);
        any |= items[i].value.len > 0;
    }
    if (any)
        decision_patch(decision, "add", "/metadata/annotations", fresh);
}
