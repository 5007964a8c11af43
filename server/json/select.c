/* Paths that users write in settings, a small part of kubectl's JSONPath. */
#include "json/json.h"

/* "name", "[name]", or "[key=value]", which picks an item of a list. */
struct step {
    struct str name, value;
    bool picks;
};

static size_t until(struct str text, const char *ends)
{
    size_t at = 0;
    while (at < text.len && !strchr(ends, text.ptr[at]))
        at++;
    return at;
}

static bool next_bracket(struct str *path, struct step *step)
{
    size_t end = until(*path, "]");
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
static bool next_step(struct str *path, bool first, struct step *step)
{
    *step = (struct step){.picks = false};
    if (path->ptr[0] == '[')
        return !first && next_bracket(path, step);
    if (!first && path->ptr[0] != '.')
        return false;
    struct str rest = first ? *path : str_slice(*path, 1, path->len);
    size_t end = until(rest, ".[]= \t\r\n\"'{}()?@*");
    step->name = str_slice(rest, 0, end);
    *path = str_slice(rest, end, rest.len);
    return end > 0;
}

bool json_select_valid(struct str path)
{
    struct step step;
    if (path.len == 0)
        return false;
    for (bool first = true; path.len; first = false)
        if (!next_step(&path, first, &step))
            return false;
    return true;
}

static struct json_object *pick(struct json_object *list, const struct step *step)
{
    for (size_t i = 0; i < json_len(list); i++)
        if (str_eq(json_scalar(json_get_named(json_item(list, i), step->name)), step->value))
            return json_item(list, i);
    return NULL;
}

struct json_object *json_select(struct json_object *object, struct str path)
{
    struct step step;
    for (bool first = true; object && path.len; first = false) {
        if (!next_step(&path, first, &step))
            return NULL;
        object = step.picks ? pick(object, &step) : json_get_named(object, step.name);
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
