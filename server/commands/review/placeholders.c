/* Values that look as if they were to be filled in yet: <name>, CHANGEME, ${VAR}. */
#include <ctype.h>

#include "commands/review/review.h"

/* Placeholders of templating tools that nobody filled in: envsubst, Flux, Helm, Jinja, Maven, and those that people
 * write for people. Only where Velero and k0rdent could not mean them: not in commands, not in annotations. */

enum { DEPTH_MAX = 20, SHOWN = 6 };

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* How much of the text, from `from` on, is a name: a letter or "_" first. */
static size_t name_length(struct str text, size_t from)
{
    size_t to = from;
    if (to < text.len && !isalpha((unsigned char)text.ptr[to]) && text.ptr[to] != '_')
        return 0;
    while (to < text.len && is_word(text.ptr[to]))
        to++;
    return to - from;
}

static bool is_upper_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (islower((unsigned char)name.ptr[i]))
            return false;
    return name.len > 0;
}

/* A name between two texts; `upper`: in capitals only. `open_end`: anything may follow the name before the end. */
static const struct frame {
    const char *before, *after;
    bool upper, open_end;
} frames[] = {
    {"${", "}", false, true},   /* ${BUCKET}, ${BUCKET:-default} */
    {"$(", ")", false, false},  /* $(BUCKET) */
    {"#{", "}", false, false},  /* #{BUCKET}# */
    {"((", "))", false, false}, /* ((bucket)) */
    {"[[", "]]", false, false}, /* [[bucket]] */
    {"<", ">", false, true},    /* <your-bucket>, <bucket name> */
    {"{", "}", false, false},   /* {bucket} */
    {"%", "%", true, false},    /* %BUCKET% */
    {"__", "__", true, false},  /* __BUCKET__ */
    {"@", "@", true, false},    /* @BUCKET@ */
};

/* "%C3%A4" is a text in an address. */
static bool is_percent_code(const struct frame *frame, struct str name)
{
    return frame->before[0] == '%' && name.len == 2 && isxdigit((unsigned char)name.ptr[0]) &&
           isxdigit((unsigned char)name.ptr[1]);
}

/* The end of what a frame encloses, from `from` on; 0 when it is none. */
static size_t frame_end(const struct frame *frame, struct str text, size_t from)
{
    struct str before = str_from(frame->before), after = str_from(frame->after);
    if (!str_starts(str_slice(text, from, text.len), before))
        return 0;
    size_t at = from + before.len, len = name_length(text, at);
    if (strcmp(frame->before, "__") == 0) /* the end belongs to the name's letters */
        while (len > 0 && text.ptr[at + len - 1] == '_')
            len--;
    struct str name = str_slice(text, at, at + len);
    size_t end = at + len;
    while (frame->open_end && end < text.len && !str_starts(str_slice(text, end, text.len), after) &&
           !strchr("<>{@", text.ptr[end]))
        end++;
    if (len == 0 || (frame->upper && !is_upper_name(name)) || is_percent_code(frame, name) ||
        !str_starts(str_slice(text, end, text.len), after))
        return 0;
    return end + after.len;
}

/* $BUCKET, {{ .Values.bucket }}, <%= bucket %>. */
static size_t other_end(struct str text, size_t from)
{
    struct str rest = str_slice(text, from, text.len);
    if (str_starts(rest, STR("{{")) || str_starts(rest, STR("<%"))) {
        struct str close = rest.ptr[0] == '{' ? STR("}}") : STR("%>");
        for (size_t i = 2; i < rest.len; i++)
            if (str_starts(str_slice(rest, i, rest.len), close))
                return from + i + close.len;
        return text.len;
    }
    size_t len = rest.len && rest.ptr[0] == '$' ? name_length(text, from + 1) : 0;
    while (len && (text.ptr[from + len] == '-' || text.ptr[from + len] == '.'))
        len--;
    return len ? from + 1 + len : 0;
}

/* What people write for people: the whole value, or its beginning. */
static bool is_said_to_be_changed(struct str text)
{
    static const char *const whole[] = {"changeme",   "change-me",  "change_me", "replaceme", "replace-me",
                                        "replace_me", "to-be-done", "fill-me",   "fill_me_in"};
    static const char *const starts[] = {"your-",    "your_",   "CHANGE_ME",     "CHANGEME",
                                         "REPLACE_", "INSERT_", "my-bucket-name"};
    static const char *const exact[] = {"TODO", "TBD", "FIXME", "XXX", "XXXX", "xxxx", "xxxxx", "xxxxxxxx"};
    for (size_t i = 0; i < LENGTH_OF(whole); i++)
        if (str_eq_nocase(text, str_from(whole[i])))
            return true;
    for (size_t i = 0; i < LENGTH_OF(starts); i++)
        if (str_starts(text, str_from(starts[i])) ||
            (i < 2 && str_eq_nocase(str_slice(text, 0, 5), str_from(starts[i]))))
            return true;
    for (size_t i = 0; i < LENGTH_OF(exact); i++)
        if (str_is(text, exact[i]))
            return true;
    return false;
}

static struct str find_placeholder(struct str text)
{
    if (is_said_to_be_changed(text))
        return text;
    for (size_t from = 0; from < text.len; from++) {
        if (!strchr("$#([<{%_@", text.ptr[from]))
            continue;
        size_t end = other_end(text, from);
        for (size_t i = LENGTH_OF(frames); i > 0 && !end; i--)
            end = frame_end(&frames[i - 1], text, from);
        if (end)
            return str_slice(text, from, end);
    }
    return (struct str){NULL, 0};
}

struct search {
    struct arena *arena;
    struct decision *decision;
    size_t found;
};

/* Programs' texts, and what Helm or a cluster's users fill with what they like. */
static bool may_hold_anything(const char *key)
{
    static const char *const keys[] = {"annotations", "managedFields", "ownerReferences", "status",
                                       "command",     "args",          "initContainers",  "caCert"};
    for (size_t i = 0; i < LENGTH_OF(keys); i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static void search_value(struct search *search, struct json_object *value, struct str at, unsigned depth)
{
    struct str text = json_str(value), found = find_placeholder(text);
    if (found.len && ++search->found <= SHOWN)
        decision_warn(search->decision, "%.*s: %.*s looks like a placeholder that was not filled in", STR_ARG(at),
                      STR_ARG(arena_quote(search->arena, found)));
    if (depth == DEPTH_MAX)
        return;
    for (size_t i = 0; i < json_len(value); i++)
        search_value(search, json_item(value, i), arena_printf(search->arena, "%.*s[%zu]", STR_ARG(at), i), depth + 1);
    json_foreach(value, key, member)
    {
        if (!may_hold_anything(key))
            search_value(search, member, arena_printf(search->arena, "%.*s%s%s", STR_ARG(at), at.len ? "." : "", key),
                         depth + 1);
    }
}

void review_warn_placeholders(struct arena *arena, struct json_object *tree, struct decision *decision)
{
    struct search search = {.arena = arena, .decision = decision};
    struct json_object *metadata = json_get(tree, "metadata");
    if (str_is(json_get_str(tree, "kind"), "Management")) /* its config is Helm's values */
        return;
    search_value(&search, metadata, STR("metadata"), 0);
    search_value(&search, json_get(tree, "spec"), STR("spec"), 0);
    if (search.found > SHOWN)
        decision_warn(decision, "%zu more values look like placeholders", search.found - SHOWN);
}
