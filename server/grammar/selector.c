/* Names and labels as apimachinery validates them (pkg/api/validate/content), and label
 * selectors as metav1.LabelSelectorAsSelector reads them. Velero hands selectors to the API
 * server in its list calls, so a bad one fails there, long after kubectl apply said yes; one of
 * a Backup that does not parse even stops Velero's controller (nsTracker.init panics). Hence the
 * same rules here, with a place for each mistake. */
#include "backstop/grammar.h"

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool name_is_dns_label(struct str text)
{
    if (text.len == 0 || text.len > DNS_LABEL_MAX || !is_lower_or_digit(text.ptr[0]) ||
        !is_lower_or_digit(text.ptr[text.len - 1]))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_lower_or_digit(text.ptr[i]) && text.ptr[i] != '-')
            return false;
    return true;
}

/* apimachinery does not hold the parts to 63 characters, only DNS does; neither does this. */
bool name_is_dns_subdomain(struct str text)
{
    struct str rest = text, part;
    if (text.len == 0 || text.len > DNS_SUBDOMAIN_MAX)
        return false;
    while (str_cut(&rest, '.', &part)) {
        if (part.len == 0 || !is_lower_or_digit(part.ptr[0]) || !is_lower_or_digit(part.ptr[part.len - 1]))
            return false;
        for (size_t i = 0; i < part.len; i++)
            if (!is_lower_or_digit(part.ptr[i]) && part.ptr[i] != '-')
                return false;
    }
    return true;
}

bool label_value_is_valid(struct str text)
{
    if (text.len == 0)
        return true;
    if (text.len > DNS_LABEL_MAX || !char_is_alphanumeric(text.ptr[0]) || !char_is_alphanumeric(text.ptr[text.len - 1]))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!char_is_alphanumeric(text.ptr[i]) && text.ptr[i] != '-' && text.ptr[i] != '_' && text.ptr[i] != '.')
            return false;
    return true;
}

/* The prefix is a DNS name in lower case; the name behind it may have capitals, as label values. */
bool label_key_is_valid(struct str text)
{
    struct str name = text, prefix;
    if (!str_contains(text, STR("/")))
        return text.len && label_value_is_valid(text);
    return str_cut(&name, '/', &prefix) && name_is_dns_subdomain(prefix) && name.len && label_value_is_valid(name);
}

/* Where the caller wants the first problem. `where` is a path below the selector, without the
 * name of its field. */
struct finding {
    struct arena *arena;
    struct str *where, *why;
};

static bool selector_key_is_bad(const struct finding *found, struct str key, const char *path)
{
    if (label_key_is_valid(key))
        return false;
    *found->where = arena_printf(found->arena, "%s", path);
    *found->why = arena_printf(found->arena,
                               "%.*s is not a label key: an optional DNS prefix and \"/\", then at most 63 letters, "
                               "digits, \"-\", \"_\" or \".\"",
                               STR_ARG(arena_quote(found->arena, key)));
    return true;
}

/* YAML makes booleans of yes and numbers of 1.10: they arrive as such, and the API server
 * refuses them with a type error that few people read as "put it in quotes". */
static bool selector_value_is_good(struct json_object *value)
{
    return json_object_is_type(value, json_type_string) && label_value_is_valid(json_str(value));
}

/* Always true. */
static bool selector_bad_value(const struct finding *found, struct json_object *value, struct str where)
{
    struct str text = json_str(value);
    *found->where = where;
    if (json_object_is_type(value, json_type_string))
        *found->why = arena_printf(found->arena,
                                   "%.*s is not a label value: at most 63 letters, digits, \"-\", \"_\" or \".\", "
                                   "starting and ending with a letter or digit",
                                   STR_ARG(arena_quote(found->arena, text)));
    else
        *found->why = STR("must be a string: put it in quotes");
    return true;
}

static bool labels_problem(const struct finding *found, struct json_object *labels, const char *at)
{
    if (labels && !json_object_is_type(labels, json_type_object)) {
        *found->where = str_from(at);
        *found->why = STR("must be a map of label keys and values");
        return true;
    }
    if (!labels)
        return false;
    json_walk_each(labels, key, value)
    {
        if (selector_key_is_bad(found, str_from(key), at))
            return true;
        if (!selector_value_is_good(value))
            return selector_bad_value(found, value, arena_printf(found->arena, "%s[%s]", at, key));
    }
    return false;
}

/* What metav1.LabelSelectorAsSelector knows; the case counts. */
static const struct {
    const char *name;
    bool takes_values;
} operators[] = {{"In", true}, {"NotIn", true}, {"Exists", false}, {"DoesNotExist", false}};

static bool operator_problem(const struct finding *found, struct json_object *expression, size_t i, bool *takes_values)
{
    struct str operator= json_get_str(expression, "operator");
    struct str names[LENGTH_OF(operators)];
    for (size_t o = 0; o < LENGTH_OF(operators); o++) {
        names[o] = str_from(operators[o].name);
        if (str_eq(operator, names[o])) {
            *takes_values = operators[o].takes_values;
            return false;
        }
    }
    struct str near = str_nearest(operator, names, LENGTH_OF(names));
    *found->where = arena_printf(found->arena, ".matchExpressions[%zu].operator", i);
    *found->why = arena_printf(found->arena, "%.*s is not In, NotIn, Exists or DoesNotExist%s%.*s%s",
                               STR_ARG(arena_quote(found->arena, operator)), near.len ? " (did you mean " : "",
                               STR_ARG(near), near.len ? "?)" : "");
    return true;
}

static bool expression_problem(const struct finding *found, struct json_object *expression, size_t i)
{
    struct arena *arena = found->arena;
    struct json_object *values = json_get(expression, "values");
    bool takes_values = false;
    if (selector_key_is_bad(found, json_get_str(expression, "key"), "")) {
        *found->where = arena_printf(arena, ".matchExpressions[%zu].key", i);
        return true;
    }
    if (operator_problem(found, expression, i, &takes_values))
        return true;
    bool list = !values || json_object_is_type(values, json_type_array);
    if (!list || takes_values != (json_len(values) > 0))
        *found->where = arena_printf(arena, ".matchExpressions[%zu].values", i);
    if (!list) {
        *found->why = STR("must be a list of strings");
        return true;
    }
    if (takes_values != (json_len(values) > 0)) {
        *found->why =
            takes_values ? STR("must not be empty for In and NotIn") : STR("must be empty for Exists and DoesNotExist");
        return true;
    }
    size_t v = 0;
    json_walk_each(values, none, value)
    {
        (void)none;
        if (!selector_value_is_good(value))
            return selector_bad_value(found, value, arena_printf(arena, ".matchExpressions[%zu].values[%zu]", i, v));
        v++;
    }
    return false;
}

bool labels_are_bad(struct arena *arena, struct json_object *labels, struct str *where, struct str *why)
{
    const struct finding found = {arena, where, why};
    *where = *why = (struct str){NULL, 0};
    return labels_problem(&found, labels, "");
}

bool selector_problem(struct arena *arena, struct json_object *selector, struct str *where, struct str *why)
{
    const struct finding found = {arena, where, why};
    *where = *why = (struct str){NULL, 0};
    if (!selector)
        return false;
    if (!json_object_is_type(selector, json_type_object)) {
        *why = STR("must be an object with matchLabels or matchExpressions");
        return true;
    }
    if (labels_problem(&found, json_get(selector, "matchLabels"), ".matchLabels"))
        return true;
    struct json_object *expressions = json_get(selector, "matchExpressions");
    if (expressions && !json_object_is_type(expressions, json_type_array)) {
        *where = STR(".matchExpressions");
        *why = STR("must be a list");
        return true;
    }
    size_t i = 0;
    json_walk_each(expressions, none, expression)
    {
        (void)none;
        if (expression_problem(&found, expression, i++))
            return true;
    }
    *where = *why = (struct str){NULL, 0};
    return false;
}

/* Members that Kubernetes does not know count as requirements: better a selector that is taken
 * for one too many than one for "everything". */
bool selector_is_empty(struct json_object *selector)
{
    if (!json_object_is_type(selector, json_type_object))
        return selector == NULL;
    json_foreach(selector, key, value)
    {
        bool known = str_is(str_from(key), "matchLabels") || str_is(str_from(key), "matchExpressions");
        if (!known || json_member_count(value) > 0 || json_len(value) > 0)
            return false;
    }
    return true;
}

static struct str selector_label(struct json_object *labels, struct str key, bool *there)
{
    struct json_object *value = json_get_named(labels, key);
    *there = json_object_is_type(value, json_type_string);
    return json_str(value);
}

/* NotIn is true also for an object without the label, as in labels.Requirement.Matches. */
static bool requirement_matches(struct json_object *requirement, struct json_object *labels)
{
    bool there, listed = false;
    struct str operator= json_get_str(requirement, "operator");
    struct str value = selector_label(labels, json_get_str(requirement, "key"), &there);
    struct json_object *values = json_get(requirement, "values");
    for (size_t i = 0; there && i < json_len(values) && !listed; i++)
        listed = str_eq(json_str(json_item(values, i)), value);
    if (str_is(operator, "In"))
        return listed;
    if (str_is(operator, "NotIn"))
        return !listed;
    return str_is(operator, "Exists") ? there : !there;
}

bool selector_matches(struct json_object *selector, struct json_object *labels)
{
    json_foreach(json_get(selector, "matchLabels"), key, wanted)
    {
        bool there;
        struct str value = selector_label(labels, str_from(key), &there);
        if (!there || !str_eq(value, json_str(wanted)))
            return false;
    }
    struct json_object *expressions = json_get(selector, "matchExpressions");
    for (size_t i = 0; i < json_len(expressions); i++)
        if (!requirement_matches(json_item(expressions, i), labels))
            return false;
    return true;
}
