/* Readers of json-c trees that never fail, and building by hand. json-c asserts the type of what
 * it is given: in a release build that is undefined behaviour or an abort, and input decides the
 * types. These are the only functions to call what asserts (hack/json-calls.sh checks that), and
 * each answers a wrong type as it answers a missing member: NULL, the absent text, false, 0.
 *
 * Ownership is json-c's: json_put and its kind take a reference, readers lend one. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

/* Whether it is such a container; what it holds is read then, if it was not yet. */
static bool tree_is(struct json_object *tree, enum json_type type)
{
    if (!json_object_is_type(tree, type))
        return false;
    if (json_object_get_userdata(tree))
        json_read_now(tree);
    return true;
}

/* Whether a large object that was not read cannot have this member: the name is nowhere in its text, nor can it hide behind
 * an escape. To read it for that would take many times its size. */
static bool tree_lacks(struct json_object *object, const char *key)
{
    enum { LARGE = 64 * 1024 };
    struct str raw;
    return json_unread(object, &raw) && raw.len >= LARGE && !str_contains(raw, str_from(key)) &&
           !str_contains(raw, STR("\\"));
}

/* Whether it is an object that may have this member; it is read then. */
static bool tree_may_have(struct json_object *object, const char *key)
{
    if (!json_object_is_type(object, json_type_object))
        return false;
    if (!json_object_get_userdata(object))
        return true;
    return !tree_lacks(object, key) && tree_is(object, json_type_object);
}

struct json_object *json_get(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    if (!key || !tree_may_have(object, key))
        return NULL;
    return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

bool json_has(struct json_object *object, const char *key)
{
    return tree_may_have(object, key) && json_object_object_get_ex(object, key, NULL);
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

/* A key with a dot in it cannot be named so; use json_get for annotations and labels. */
struct json_object *json_path(struct json_object *object, const char *dotted)
{
    struct str rest = str_from(dotted), head;
    while (str_cut(&rest, '.', &head))
        object = json_get_named(object, head);
    return object;
}

/* For Secrets that pass through: json-c frees texts without wiping them. */
void json_wipe_text(struct json_object *value)
{
    struct str text = json_str(value);
    char *zeros = text.len > 0 && text.len <= INT_MAX ? calloc(1, text.len) : NULL;
    if (zeros)
        json_object_set_string_len(value, zeros, (int)text.len); /* in place, since it is no longer than before */
    free(zeros);
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

/* A list may be far too long: that is found without reading it. */
size_t json_len(struct json_object *array)
{
    size_t length = 0;
    if (!json_object_is_type(array, json_type_array))
        return 0;
    if (json_object_get_userdata(array) && json_unread_length(array, &length))
        return length;
    return json_object_array_length(array);
}

struct json_object *json_item(struct json_object *array, size_t i)
{
    bool there = tree_is(array, json_type_array) && i < json_object_array_length(array);
    return there ? json_object_array_get_idx(array, i) : NULL;
}

struct json_object *json_new_text(struct str text)
{
    return json_object_new_string_len(text.ptr ? text.ptr : "", (int)text.len);
}

bool json_put_null(struct json_object *object, const char *key)
{
    return tree_is(object, json_type_object) && json_object_object_add(object, key, NULL) == 0;
}

/* Takes the value even when it fails, so that a caller never has to free one. */
bool json_put(struct json_object *object, const char *key, struct json_object *value)
{
    if (value && tree_is(object, json_type_object) && json_object_object_add(object, key, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

bool json_put_shared(struct json_object *object, const char *key, struct json_object *value)
{
    return value ? json_put(object, key, json_object_get(value)) : json_put_null(object, key);
}

bool json_put_text(struct json_object *object, const char *key, struct str text)
{
    return json_put(object, key, json_new_text(text));
}

bool json_put_map(struct json_object *object, const char *key, struct json_object **map)
{
    *map = json_object_new_object();
    if (json_put(object, key, *map))
        return true;
    *map = NULL;
    return false;
}

bool json_append_null(struct json_object *array)
{
    return tree_is(array, json_type_array) && json_object_array_add(array, NULL) == 0;
}

bool json_append(struct json_object *array, struct json_object *value)
{
    if (value && tree_is(array, json_type_array) && json_object_array_add(array, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

bool json_insert(struct json_object *array, size_t i, struct json_object *value)
{
    bool good = i <= json_len(array) && json_append_null(array);
    for (size_t at = json_len(array); good && at > i + 1; at--) /* json-c 0.16 cannot insert: shift what follows */
        good = json_object_array_put_idx(array, at - 1, json_object_get(json_item(array, at - 2))) == 0;
    return json_replace(array, good ? i : SIZE_MAX, value);
}

bool json_replace(struct json_object *array, size_t i, struct json_object *value)
{
    if (tree_is(array, json_type_array) && i < json_len(array) && json_object_array_put_idx(array, i, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

bool json_remove(struct json_object *array, size_t i)
{
    return tree_is(array, json_type_array) && i < json_len(array) && json_object_array_del_idx(array, i, 1) == 0;
}

void json_delete(struct json_object *object, const char *key)
{
    if (tree_is(object, json_type_object))
        json_object_object_del(object, key);
}

/* json-c's own copy of a text ends at its first NUL. It uses strlen; a text with a NUL inside,
 * which JSON may have, would be shortened. */
static int copy_shallow(struct json_object *from, struct json_object *parent, const char *key, size_t index,
                        struct json_object **copy)
{
    if (!json_object_is_type(from, json_type_string)) {
        (void)(tree_is(from, json_type_object) || tree_is(from, json_type_array)); /* read, before json-c goes on */
        return json_c_shallow_copy_default(from, parent, key, index, copy);
    }
    *copy = json_new_text(json_str(from));
    return *copy ? 1 : -1;
}

struct json_object *json_copy(struct json_object *tree)
{
    struct json_object *copy = NULL;
    if (tree && json_object_deep_copy(tree, &copy, copy_shallow) == 0)
        return copy;
    json_object_put(copy);
    return NULL;
}

/* Two that are unread have the same text mostly. json-c compares, once all is read. */
bool json_equal(struct json_object *a,
                struct json_object *b) /* NOLINT(misc-no-recursion): as deep as json_build lets it */
{
    struct str left, right;
    bool objects = json_object_is_type(a, json_type_object) && json_object_is_type(b, json_type_object);
    bool arrays = json_object_is_type(a, json_type_array) && json_object_is_type(b, json_type_array);
    if (a == b || !(objects || arrays))
        return json_object_equal(a, b);
    if (json_unread(a, &left) && json_unread(b, &right) && str_eq(left, right))
        return true;
    if (json_member_count(a) != json_member_count(b) || json_len(a) != json_len(b))
        return false;
    for (size_t i = 0; i < json_len(a); i++)
        if (!json_equal(json_item(a, i), json_item(b, i)))
            return false;
    json_foreach(a, key, value)
    {
        if (!json_has(b, key) || !json_equal(value, json_get(b, key)))
            return false;
    }
    return true;
}

size_t json_member_count(struct json_object *object)
{
    return tree_is(object, json_type_object) ? (size_t)json_object_object_length(object) : 0;
}

struct lh_entry *json_first_member(struct json_object *object)
{
    return tree_is(object, json_type_object) ? lh_table_head(json_object_get_object(object)) : NULL;
}

bool json_next_member(struct lh_entry **next, const char **key, struct json_object **value)
{
    struct lh_entry *entry = *next;
    if (!entry)
        return false;
    *key = lh_entry_k(entry);
    *value = lh_entry_v(entry);
    *next = lh_entry_next(entry);
    return true;
}

/* ---- walks -------------------------------------------------------------------- */

/* What was read already, and what there is no memory to walk, is gone through as it is. */
struct json_members json_walk(struct json_object *container)
{
    struct json_members members = {.container = container};
    if ((json_object_is_type(container, json_type_object) || json_object_is_type(container, json_type_array)) &&
        json_object_get_userdata(container))
        members.walk = json_unread_walk(container);
    if (!members.walk)
        members.entry = json_first_member(container);
    return members;
}

void json_walk_end(struct json_members *members)
{
    if (members->walk)
        json_unread_walk_end(members->walk);
}

bool json_walk_next(struct json_members *members, const char **key, struct json_object **value)
{
    if (members->walk)
        return json_unread_walk_next(members->walk, key, value);
    if (json_object_is_type(members->container, json_type_object))
        return json_next_member(&members->entry, key, value);
    *key = NULL;
    if (members->index >= json_len(members->container))
        return false;
    *value = json_item(members->container, members->index++);
    return true;
}

/* Paths that users write in settings, a small part of kubectl's JSONPath. */

/* "name", "[name]", or "[key=value]", which picks an item of a list. */
struct select_step {
    struct str name, value;
    bool picks;
};

static size_t select_until(struct str text, const char *ends)
{
    size_t at = 0;
    while (at < text.len && !strchr(ends, text.ptr[at]))
        at++;
    return at;
}

static bool next_bracket(struct str *path, struct select_step *step)
{
    size_t end = select_until(*path, "]");
    struct str inside = str_slice(*path, 1, end);
    if (end == path->len)
        return false;
    *path = str_slice(*path, end + 1, path->len);
    str_cut(&inside, '=', &step->name);
    step->picks = inside.ptr != NULL;
    step->value = inside;
    return step->name.len > 0 && (!step->picks || inside.len > 0);
}

/* Takes the first step off a path that is not empty. False: this is no path. */
static bool next_step(struct str *path, bool first, struct select_step *step)
{
    *step = (struct select_step){.picks = false};
    if (path->ptr[0] == '[')
        return !first && next_bracket(path, step);
    if (!first && path->ptr[0] != '.')
        return false;
    struct str rest = first ? *path : str_slice(*path, 1, path->len);
    size_t end = select_until(rest, ".[]= \t\r\n\"'{}()?@*");
    step->name = str_slice(rest, 0, end);
    *path = str_slice(rest, end, rest.len);
    return end > 0;
}

bool json_select_valid(struct str path)
{
    struct select_step step;
    if (path.len == 0)
        return false;
    for (bool first = true; path.len; first = false)
        if (!next_step(&path, first, &step))
            return false;
    return true;
}

static struct json_object *select_pick(struct json_object *list, const struct select_step *step)
{
    for (size_t i = 0; i < json_len(list); i++)
        if (str_eq(json_scalar(json_get_named(json_item(list, i), step->name)), step->value))
            return json_item(list, i);
    return NULL;
}

/* A missing step ends in NULL; it is no error, since evidence may not be there yet. */
struct json_object *json_select(struct json_object *object, struct str path)
{
    struct select_step step;
    for (bool first = true; object && path.len; first = false) {
        if (!next_step(&path, first, &step))
            return NULL;
        object = step.picks ? select_pick(object, &step) : json_get_named(object, step.name);
    }
    return object;
}

struct str json_scalar(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_string:
        return json_str(value);
    case json_type_boolean:
    case json_type_int:
    case json_type_double:
        return str_from(json_object_get_string(value));
    default:
        return (struct str){NULL, 0};
    }
}

bool json_list_has(struct json_object *list, struct str text)
{
    if (!json_object_is_type(list, json_type_array))
        return false;
    json_walk_each(list, none, item)
    {
        (void)none;
        if (str_eq(json_str(item), text))
            return true;
    }
    return false;
}
