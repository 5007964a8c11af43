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

static void annotation_add_to_map(const struct request *request, struct decision *decision,
                                  const struct annotation *item)
{
    struct str before = object_annotation(request, request->object, item->key);
    if (before.ptr && str_eq(before, item->value))
        return;
    struct str path = annotation_path(request->arena, item->key);
    if (path.ptr)
        decision_patch(decision, before.ptr ? "replace" : "add", path.ptr,
                       json_own(request->arena, json_new_text(item->value)));
}

void annotations_patch(const struct request *request, struct decision *decision, const struct annotation *items,
                       size_t count)
{
    const struct json_node *metadata = json_member(request->object->root, STR("metadata"));
    const struct json_node *map = json_member(metadata, STR("annotations"));
    bool has_map = map && map->kind != JSON_NULL;
    if (!metadata || metadata->kind != JSON_OBJECT || (has_map && map->kind != JSON_OBJECT))
        return; /* the API server refuses that by itself */
    for (size_t i = 0; has_map && i < count; i++)
        if (items[i].value.len)
            annotation_add_to_map(request, decision, &items[i]);
    if (has_map)
        return;
    struct json_object *fresh = json_own(request->arena, json_object_new_object());
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (items[i].value.len && !json_put_text(fresh, items[i].key, items[i].value))
            arena_fail(request->arena);
        any |= items[i].value.len > 0;
    }
    if (any)
        decision_patch(decision, "add", "/metadata/annotations", fresh);
}
