#include <string.h>

#include "admission/answer.h"

void patch_write(const struct decision *decision, struct buf *out)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < decision->patch.len; i++) {
        const struct patch_step *step = &decision->patch.items[i];
        buf_puts(out, i ? ",{\"op\":\"" : "{\"op\":\"");
        buf_puts(out, step->op);
        buf_puts(out, "\",\"path\":");
        json_write_str(out, step->path);
        if (strcmp(step->op, "remove") != 0) {
            buf_puts(out, ",\"value\":");
            json_write_tree(out, step->value);
        }
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

/* One reference token of a JSON Pointer, unescaped (RFC 6901: ~1 is /, ~0 is ~).
 * NUL-terminated, as json-c wants its keys. */
static struct str patch_unescape_token(struct arena *arena, struct str token)
{
    BUF_SCOPED text;
    buf_init(&text, token.len + 1);
    for (size_t i = 0; i < token.len; i++) {
        char next = i + 1 < token.len ? token.ptr[i + 1] : '\0';
        bool escape = token.ptr[i] == '~' && (next == '0' || next == '1');
        buf_putc(&text, escape ? (next == '1' ? '/' : '~') : token.ptr[i]);
        i += escape;
    }
    return arena_copy(arena, buf_str(&text));
}

/* An array index below `end`; "-" is `end` itself where that is allowed. */
static bool array_index(struct str token, size_t end, bool dash, size_t *index)
{
    int64_t number;
    if (dash && str_is(token, "-")) {
        *index = end;
        return true;
    }
    if (!str_to_int64(token, &number) || (uint64_t)number >= (uint64_t)end + dash)
        return false;
    *index = (size_t)number;
    return true;
}

static struct json_object *patch_child(struct json_object *parent, struct str token)
{
    size_t index;
    if (json_object_is_type(parent, json_type_array))
        return array_index(token, json_len(parent), false, &index) ? json_item(parent, index) : NULL;
    return json_get(parent, token.ptr);
}

static bool step_in_array(struct json_object *array, struct str token, const struct patch_step *step)
{
    bool add = strcmp(step->op, "add") == 0;
    size_t index;
    if (!array_index(token, json_len(array), add, &index))
        return false;
    if (strcmp(step->op, "remove") == 0)
        return json_remove(array, index);
    struct json_object *value = json_copy(step->value);
    if (step->value && !value)
        return false;
    return add ? json_insert(array, index, value) : json_replace(array, index, value);
}

static bool step_in_object(struct json_object *object, struct str token, const struct patch_step *step)
{
    bool add = strcmp(step->op, "add") == 0;
    if (!add && !json_object_object_get_ex(object, token.ptr, NULL))
        return false;
    if (strcmp(step->op, "remove") == 0) {
        json_delete(object, token.ptr);
        return true;
    }
    return step->value ? json_put(object, token.ptr, json_copy(step->value)) : json_put_null(object, token.ptr);
}

static bool apply_step(struct arena *arena, struct json_object *root, const struct patch_step *step)
{
    struct str rest = step->path, token = {NULL, 0};
    struct json_object *parent = root;
    if (rest.len == 0 || rest.ptr[0] != '/')
        return false;
    rest = str_slice(rest, 1, rest.len);
    while (str_cut(&rest, '/', &token)) {
        token = patch_unescape_token(arena, token);
        if (!token.ptr)
            return false;
        if (!rest.ptr)
            break;
        parent = patch_child(parent, token);
    }
    if (!token.ptr)
        return false;
    if (json_object_is_type(parent, json_type_array))
        return step_in_array(parent, token, step);
    return json_object_is_type(parent, json_type_object) && step_in_object(parent, token, step);
}

struct json_object *admission_apply_patch(struct arena *arena, struct json_object *object,
                                          const struct decision *decision, struct error *error)
{
    struct json_object *copy = object ? json_own(arena, json_copy(object)) : NULL;
    if (!copy) {
        error_set(error, 500, "no object to apply the patch to");
        return NULL;
    }
    for (size_t i = 0; i < decision->patch.len; i++) {
        const struct patch_step *step = &decision->patch.items[i];
        if (!apply_step(arena, copy, step)) {
            error_set(error, 500, "patch step %zu (%s %.*s) does not fit the object", i, step->op, STR_ARG(step->path));
            return NULL;
        }
    }
    return copy;
}
