/* Readers of json-c trees that never fail, and building by hand. */
#include "json.h"

#include <string.h>

struct json_object *json_get(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    if (!key || !json_object_is_type(object, json_type_object))
        return NULL;
    return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

struct json_object *json_get_named(struct json_object *object, struct str name)
{
    char key[256];
    if (name.len >= sizeof(key))
        return NULL;
    memcpy(key, name.ptr ? name.ptr : "", name.len);
    key[name.len] = '\0';
    return json_get(object, key);
}

struct json_object *json_path(struct json_object *object, const char *dotted)
{
    struct str rest = str_from(dotted), head;
    while (str_cut(&rest, '.', &head))
        object = json_get_named(object, head);
    return object;
}

struct str json_str(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string))
        return (struct str){NULL, 0};
    return (struct str){json_object_get_string(value), (size_t)json_object_get_string_len(value)};
}

struct str json_get_str(struct json_object *object, const char *key)
{
    return json_str(json_get(object, key));
}

struct str json_path_str(struct json_object *object, const char *dotted)
{
    return json_str(json_path(object, dotted));
}

bool json_get_bool(struct json_object *object, const char *key)
{
    struct json_object *value = json_get(object, key);
    return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

size_t json_len(struct json_object *array)
{
    return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

struct json_object *json_item(struct json_object *array, size_t i)
{
    return i < json_len(array) ? json_object_array_get_idx(array, i) : NULL;
}

struct json_object *json_new_text(struct str text)
{
    return json_object_new_string_len(text.ptr ? text.ptr : "", (int)text.len);
}

bool json_put(struct json_object *object, const char *key, struct json_object *value)
{
    if (object && value && json_object_object_add(object, key, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

bool json_put_text(struct json_object *object, const char *key, struct str text)
{
    return json_put(object, key, json_new_text(text));
}

bool json_put_map(struct json_object *object, const char *key, struct json_object **map)
{
    *map = json_object_new_object();
    return json_put(object, key, *map); /* when false, *map is gone */
}

bool json_append(struct json_object *array, struct json_object *value)
{
    if (array && value && json_object_array_add(array, value) == 0)
        return true;
    json_object_put(value);
    return false;
}
