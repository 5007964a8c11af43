/* Checks and words that several objects share; and annotations put into a patch, with the map that they stand in. */
#include "policy/checks.h"
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

void judge_value(struct decision *decision, enum verdict verdict, const char *field, struct str value,
                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str message = arena_vprintf(decision->arena, format, args);
    va_end(args);
    if (verdict == VERDICT_DENY)
        decision_invalid(decision, field, "%.*s: %.*s", STR_ARG(arena_quote(decision->arena, value)), STR_ARG(message));
    else if (verdict == VERDICT_WARN)
        decision_caution(decision, "%s: %.*s", field, STR_ARG(message));
}

static bool name_is_plain(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (i == 0 || (c != '-' && c != '.')))
            return false;
    }
    return name.len > 0;
}

struct str words_name(struct arena *arena, struct str name)
{
    return name_is_plain(name) ? name : arena_quote(arena, name);
}

struct str ago(struct arena *arena, int64_t now, int64_t when)
{
    char text[TIME_TEXT_SIZE];
    if (when == 0)
        return STR("at an unknown time");
    if (when > now)
        return arena_printf(arena, "at %s", time_format(when, 0, text));
    return arena_printf(arena, "%s ago", duration_format(now - when, text));
}
