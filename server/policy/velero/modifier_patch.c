/* Patches of resource modifiers: what their operations, paths and values must be to take effect. */
#include <math.h>
#include <stdlib.h>

#include "backstop/api.h"
#include "backstop/grammar.h"
#include "policy/velero/velero.h"

/* What is gone before a rule sees the object: pkg/restore/restore.go restoreItem takes away the status
 * and the server's part of metadata (resetMetadataAndStatus), the item actions what belongs to the old
 * cluster, and only then come the rules (ApplyResourceModifierRules). */

static const struct removed {
    const char *target; /* plural.group; NULL: every object */
    const char *path;
    bool settable; /* giving it back as a whole is of use */
} removed[] = {
    {NULL, "/status", false},
    {NULL, "/metadata/generateName", true},
    {NULL, "/metadata/ownerReferences", true},
    {NULL, "/metadata/selfLink", false},
    {NULL, "/metadata/uid", false},
    {NULL, "/metadata/resourceVersion", false},
    {NULL, "/metadata/generation", false},
    {NULL, "/metadata/creationTimestamp", false},
    {NULL, "/metadata/deletionTimestamp", false},
    {NULL, "/metadata/deletionGracePeriodSeconds", false},
    {"pods", "/spec/nodeName", true},
    {"pods", "/spec/priority", true},
    {"persistentvolumeclaims", "/metadata/annotations/pv.kubernetes.io~1bind-completed", true},
    {"persistentvolumeclaims", "/metadata/annotations/pv.kubernetes.io~1bound-by-controller", true},
    {"persistentvolumeclaims", "/metadata/annotations/volume.kubernetes.io~1storage-provisioner", true},
    {"persistentvolumeclaims", "/metadata/annotations/volume.beta.kubernetes.io~1storage-provisioner", true},
    {"persistentvolumeclaims", "/metadata/annotations/volume.kubernetes.io~1selected-node", true},
    {"persistentvolumes", "/spec/claimRef/uid", true},
    {"persistentvolumes", "/spec/claimRef/resourceVersion", true},
};

/* The path itself or anything below it. */
static const struct removed *find_removed(struct str target, struct str path)
{
    for (size_t i = 0; i < LENGTH_OF(removed); i++) {
        struct str root = str_from(removed[i].path);
        if (removed[i].target && !str_is(target, removed[i].target))
            continue;
        if (str_eq(path, root) || (str_starts(path, root) && path.ptr[root.len] == '/'))
            return &removed[i];
    }
    return NULL;
}

/* An earlier rule or patch may put it there again, and another go on from that. */
static bool is_added_again(const struct config_rules *modifier, const struct removed *what)
{
    struct json_object *rules = rules_get(modifier->document->tree, "resourceModifierRules");
    for (size_t r = 0; r < json_len(rules); r++) {
        struct json_object *patches = rules_get(json_item(rules, r), "patches");
        for (size_t i = 0; i < json_len(patches); i++) {
            struct json_object *patch = json_item(patches, i);
            if (str_is(json_str(rules_get(patch, "operation")), "add") &&
                str_is(json_str(rules_get(patch, "path")), what->path))
                return true;
        }
    }
    return false;
}

void modifier_check_removed_match(struct config_rules *modifier, struct str where, struct str target, struct str path,
                                  struct str value)
{
    const struct removed *what = find_removed(target, path);
    if (what && !str_is(value, "null")) /* null is equal to what is not there */
        rules_problem(modifier, where, "%.*s: Velero removes %s before rules are applied; the rule would never apply",
                      STR_ARG(arena_quote(modifier->arena, path)), what->path);
}

static void modifier_check_removed_patch(struct config_rules *modifier, struct str where, struct str target,
                                         struct str operation, struct str path)
{
    const struct removed *what = find_removed(target, path);
    if (!what)
        return;
    bool sets = str_is(operation, "add") || str_is(operation, "copy") || str_is(operation, "move");
    struct str quoted = arena_quote(modifier->arena, path);
    if (sets && str_is(path, what->path)) {
        if (!what->settable)
            rules_warn(modifier, where, "%.*s has no effect: only the API server and controllers set it",
                       STR_ARG(quoted));
    } else if (!is_added_again(modifier, what)) {
        rules_problem(modifier, where,
                      "%.*s: Velero removes %s before rules are applied, so the patch fails and the object is restored "
                      "unpatched",
                      STR_ARG(quoted), what->path);
    }
}

static const char *const operations[] = {"add", "remove", "replace", "move", "copy", "test"};

/* An item of `patches`, JSON Patch (RFC 6902), with each member as the text that Velero decodes. */
struct patch {
    struct str operation, path, from, value;
};

static struct str path_below(const struct config_rules *modifier, struct str where, const char *key)
{
    return arena_printf(modifier->arena, "%.*s.%s", STR_ARG(where), key);
}

/* Velero compares without case when it reads the ConfigMap, but hands the operation on
 * as it is written, and the JSON Patch library knows lower case only. */
static void check_operation(struct config_rules *modifier, struct str where, struct str operation)
{
    struct str names[LENGTH_OF(operations)];
    struct str quoted = arena_quote(modifier->arena, operation);
    for (size_t i = 0; i < LENGTH_OF(operations); i++) {
        names[i] = str_from(operations[i]);
        if (str_eq(operation, names[i]))
            return;
        if (str_eq_nocase(operation, names[i])) {
            rules_problem(modifier, where,
                          "%.*s: write %s in lower case, or the patch fails and the object is restored unpatched",
                          STR_ARG(quoted), operations[i]);
            return;
        }
    }
    struct str near = str_nearest(operation, names, LENGTH_OF(names));
    if (operation.len == 0)
        rules_problem(modifier, where, "is missing: write add, remove, replace, move, copy or test");
    else
        rules_problem(modifier, where, "%.*s is not one of add, remove, replace, move, copy and test%s%.*s%s",
                      STR_ARG(quoted), near.len ? " (did you mean " : "", STR_ARG(near), near.len ? "?)" : "");
}

/* The key of a label or annotation below metadata, as a JSON Pointer has it; absent for
 * other paths. */
static struct str label_key(struct str path)
{
    static const struct str maps[] = {STR_INIT("/metadata/labels/"), STR_INIT("/metadata/annotations/")};
    for (size_t i = 0; i < LENGTH_OF(maps); i++)
        if (str_starts(path, maps[i]))
            return str_slice(path, maps[i].len, path.len);
    return (struct str){NULL, 0};
}

/* As RFC 6901 writes a "/" within a key. "~" itself would be ~0, but no label or annotation has
 * one. */
static struct str escape_slashes(struct arena *arena, struct str key)
{
    struct str escaped = STR(""), part;
    for (bool first = true; str_cut(&key, '/', &part); first = false)
        escaped = arena_printf(arena, "%.*s%s%.*s", STR_ARG(escaped), first ? "" : "~1", STR_ARG(part));
    return escaped;
}

/* Velero prints the path into the JSON of the patch as it stands, so a quote or backslash in it
 * breaks the whole patch. An unescaped "/" in the key of a label is the usual mistake: it asks
 * for a map below a map that is not there. */
static void check_pointer(struct config_rules *modifier, struct str where, struct str path, const char *example)
{
    struct arena *arena = modifier->arena;
    struct error error = {0};
    struct str quoted = arena_quote(arena, path), key = label_key(path);
    if (path.len == 0)
        rules_problem(modifier, where, "is missing: write %s", example);
    else if (path.ptr[0] != '/')
        rules_problem(modifier, where, "%.*s must begin with \"/\": write \"/%.*s\"", STR_ARG(quoted),
                      STR_ARG(str_slice(quoted, 1, quoted.len - 1)));
    else if (!json_build(arena, arena_printf(arena, "\"%.*s\"", STR_ARG(path)), &error))
        rules_problem(modifier, where, "%.*s: Velero does not escape quotes and backslashes in a path",
                      STR_ARG(quoted));
    else if (str_contains(key, STR("/")))
        rules_problem(modifier, where, "%.*s: write a \"/\" inside a key as ~1: %.*s%.*s", STR_ARG(quoted),
                      STR_ARG(str_slice(path, 0, path.len - key.len)), STR_ARG(escape_slashes(arena, key)));
}

/* In any case of letters, for the spelling of the operation is judged by check_operation. */
static bool sets_value(struct str operation)
{
    return str_eq_nocase(operation, STR("add")) || str_eq_nocase(operation, STR("replace")) ||
           str_eq_nocase(operation, STR("test"));
}

/* A map of texts, and what it is called: labels and annotations of all objects, the data of two kinds. */
static const char *text_map(struct str target, struct str path)
{
    static const struct {
        const char *target, *path, *what;
    } maps[] = {{"configmaps", "/data/", "values below /data of a ConfigMap"},
                {"secrets", "/data/", "values of a Secret"},
                {"secrets", "/stringData/", "values of a Secret"}};
    if (label_key(path).len)
        return "labels and annotations";
    for (size_t i = 0; i < LENGTH_OF(maps); i++)
        if (str_is(target, maps[i].target) && str_starts(path, str_from(maps[i].path)))
            return maps[i].what;
    return NULL;
}

/* A value is text in the ConfigMap and becomes JSON by modifier_value_json: "true" or "1" are no
 * strings there, which the API server refuses where the field is one. Which fields are strings
 * is known only of the maps in text_map. */
static void check_value(struct config_rules *modifier, struct str where, struct str target, const struct patch *patch)
{
    struct json_object *tree = NULL;
    struct str problem = modifier_value_problem(modifier->arena, patch->value, &tree);
    if (problem.len)
        rules_problem(modifier, where, "%.*s", STR_ARG(problem));
    else if (!sets_value(patch->operation))
        return;
    else if (!patch->value.ptr)
        rules_warn(modifier, where, "is missing: Velero uses an empty string");
    else if (text_map(target, patch->path) && !json_object_is_type(tree, json_type_string))
        rules_problem(modifier, where, "%s must be strings, but Velero reads %.*s as JSON: write '\"%.*s\"'",
                      text_map(target, patch->path), STR_ARG(arena_quote(modifier->arena, patch->value)),
                      STR_ARG(str_slice(patch->value, 0, 100)));
}

static void check_patch(struct config_rules *modifier, struct str where, struct str target, struct json_object *item)
{
    static const char *const keys[] = {"operation", "path", "from", "value"};
    struct patch patch;
    if (!rules_keys(modifier, where, item, keys, LENGTH_OF(keys)))
        return;
    bool readable = rules_text(modifier, where, item, "operation", &patch.operation);
    readable = rules_text(modifier, where, item, "path", &patch.path) && readable;
    readable = rules_text(modifier, where, item, "from", &patch.from) && readable;
    readable = rules_text(modifier, where, item, "value", &patch.value) && readable;
    if (!readable)
        return;
    check_operation(modifier, path_below(modifier, where, "operation"), patch.operation);
    check_pointer(modifier, path_below(modifier, where, "path"), patch.path,
                  "the field as a JSON Pointer, such as /spec/release");
    modifier_check_removed_patch(modifier, path_below(modifier, where, "path"), target, patch.operation, patch.path);
    if (str_eq_nocase(patch.operation, STR("move")) || str_eq_nocase(patch.operation, STR("copy"))) {
        check_pointer(modifier, path_below(modifier, where, "from"), patch.from, "the field to take the value from");
        modifier_check_removed_patch(modifier, path_below(modifier, where, "from"), target, STR(""), patch.from);
    }
    check_value(modifier, path_below(modifier, where, "value"), target, &patch);
}

/* patchData is text that holds YAML or JSON of an object. */
static void check_patch_data(struct config_rules *modifier, struct str where, struct json_object *item)
{
    static const char *const keys[] = {"patchData"};
    struct yaml_document *document = NULL;
    struct error error = {.position = -1};
    struct str text, at = path_below(modifier, where, "patchData");
    struct json_object *data = rules_get(item, "patchData");
    if (!rules_keys(modifier, where, item, keys, LENGTH_OF(keys)))
        return;
    if (json_object_is_type(data, json_type_object) || json_object_is_type(data, json_type_array)) {
        rules_problem(modifier, at, "must be a string: write \"patchData: |\" and indent the patch below it");
        return;
    }
    if (!rules_text(modifier, where, item, "patchData", &text))
        return;
    if (str_trim(text).len == 0)
        rules_problem(modifier, at, "is empty: write \"patchData: |\" and the patch below it");
    else if (!yaml_load(modifier->arena, text, &(struct yaml_options){0}, &document, &error))
        rules_problem(modifier, at, "is neither YAML nor JSON: line %lld: %s", (long long)error.position,
                      error.message);
    else if (!document || !json_object_is_type(document->tree, json_type_object))
        rules_problem(modifier, at,
                      "must hold a map of the fields to set, such as {\"spec\":{\"release\":\"kcm-1-1-0\"}}");
    else {
        /* A merge patch cannot fail over what is not there. */
        struct json_object *metadata = json_get(document->tree, "metadata");
        if (json_get(document->tree, "status"))
            rules_warn(modifier, at, "sets status, which has no effect: only controllers set it");
        for (size_t i = 0; i < LENGTH_OF(removed); i++) {
            struct str name = str_from(removed[i].path), head = STR("/metadata/");
            if (removed[i].target || removed[i].settable || !str_starts(name, head))
                continue;
            if (json_get(metadata, name.ptr + head.len))
                rules_warn(modifier, at, "sets metadata.%s, which has no effect: only the API server sets it",
                           name.ptr + head.len);
        }
    }
}

static bool target_has_types(struct str target)
{
    struct str resource, group;
    resource_name_split(target, &resource, &group);
    return api_velero_has_types(group, STR(""));
}

void modifier_check_patches(struct config_rules *modifier, struct str where, struct json_object *rule,
                            struct str target)
{
    static const char *const data_kinds[] = {"mergePatches", "strategicPatches"};
    struct arena *arena = modifier->arena;
    struct json_object *list;
    size_t count = rules_list(modifier, where, rule, "patches", &list);
    for (size_t i = 0; i < count; i++)
        check_patch(modifier, arena_printf(arena, "%.*s.patches[%zu]", STR_ARG(where), i), target, json_item(list, i));
    for (size_t k = 0; k < LENGTH_OF(data_kinds); k++) {
        count = rules_list(modifier, where, rule, data_kinds[k], &list);
        for (size_t i = 0; i < count; i++)
            check_patch_data(modifier, arena_printf(arena, "%.*s.%s[%zu]", STR_ARG(where), data_kinds[k], i),
                             json_item(list, i));
    }
    if (count > 0 && target.len && !glob_has_wildcard(target) && !target_has_types(target))
        rules_problem(modifier, path_below(modifier, where, "strategicPatches"),
                      "Velero knows no Go type for %.*s, so a strategic patch fails: use mergePatches",
                      STR_ARG(arena_quote(arena, target)));
}

/* A patch's value: Velero puts it into JSON text unquoted where Go's strconv would parse it as a number, bool or JSON
 * (internal/resourcemodifiers/json_patch.go), so "1.0" in YAML may become a number. */

static char value_char_at(struct str text, size_t i)
{
    return i < text.len ? text.ptr[i] : '\0';
}

/* Digits and at most one point, from i on; how many digits. */
static size_t skip_mantissa(struct str text, size_t *i, bool hex)
{
    size_t digits = 0;
    bool point = false;
    for (;; ++*i) {
        char c = value_char_at(text, *i);
        if (hex ? char_is_hex(c) : char_is_digit(c))
            digits++;
        else if (c == '.' && !point)
            point = true;
        else
            return digits;
    }
}

static bool is_exponent(struct str text, size_t i)
{
    i += value_char_at(text, i) == '+' || value_char_at(text, i) == '-';
    size_t from = i;
    while (char_is_digit(value_char_at(text, i)))
        i++;
    return i > from && i == text.len;
}

/* Underscores may stand between digits (strconv underscoreOK); the text without them,
 * or as it is when one stands elsewhere. */
static struct str without_underscores(struct arena *arena, struct str text)
{
    struct str plain = STR(""), part, rest = text;
    bool hex = value_char_at(text, 0) == '0' && (value_char_at(text, 1) | 0x20) == 'x';
    for (size_t i = 0; i < text.len; i++) {
        char before = i > 0 ? text.ptr[i - 1] : '\0', after = value_char_at(text, i + 1);
        bool between =
            hex ? (char_is_hex(before) || i == 2) && char_is_hex(after) : char_is_digit(before) && char_is_digit(after);
        if (text.ptr[i] == '_' && !between)
            return text;
    }
    if (!str_contains(text, STR("_")))
        return text;
    while (str_cut(&rest, '_', &part))
        plain = arena_printf(arena, "%.*s%.*s", STR_ARG(plain), STR_ARG(part));
    return plain;
}

/* strconv.ParseFloat(text, 64) without an error: the syntax, and within range. */
static bool go_parses_as_float(struct arena *arena, struct str text)
{
    struct str body = text;
    bool sign = value_char_at(text, 0) == '+' || value_char_at(text, 0) == '-';
    if (sign)
        body = str_slice(text, 1, text.len);
    body = without_underscores(arena, body);
    if (str_eq_nocase(body, STR("inf")) || str_eq_nocase(body, STR("infinity")) ||
        (!sign && str_eq_nocase(body, STR("nan"))))
        return true;
    bool hex = value_char_at(body, 0) == '0' && (value_char_at(body, 1) | 0x20) == 'x';
    size_t i = hex ? 2 : 0;
    if (skip_mantissa(body, &i, hex) == 0)
        return false;
    bool has_exponent = (value_char_at(body, i) | 0x20) == (hex ? 'p' : 'e');
    if (has_exponent ? !is_exponent(body, i + 1) : (hex || i < body.len))
        return false;
    struct str copy = arena_copy(arena, body); /* terminated, for strtod */
    return copy.ptr && (hex || isfinite(strtod(copy.ptr, NULL)));
}

/* Velero's text for a patch value as JSON: quoted or as it is. Mirrors addQuotes. What is a
 * number to Go need not be one in JSON ("0x1F", "1_000", "Inf"): it goes out unquoted all the
 * same, and the patch is not JSON then. */
struct str modifier_value_json(struct arena *arena, struct str value)
{
    bool quote = false;
    if (value.len == 0)
        return STR("\"\"");
    if (value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
        value = str_slice(value, 1, value.len > 1 ? value.len - 1 : 1);
        quote = true;
    } else if (!str_is(value, "null") && !str_eq_nocase(value, STR("true")) && !str_eq_nocase(value, STR("false")) &&
               value.ptr[0] != '{' && value.ptr[0] != '[') {
        quote = !go_parses_as_float(arena, value);
    }
    return quote ? arena_printf(arena, "\"%.*s\"", STR_ARG(value)) : value;
}

/* Velero pastes the value into a JSON document without escaping anything. Absent when the value
 * is fine; `tree` then is what it becomes, NULL for null. */
struct str modifier_value_problem(struct arena *arena, struct str value, struct json_object **tree)
{
    struct error error = {0};
    struct str json = modifier_value_json(arena, value), shown = arena_quote(arena, value);
    struct json_object *built = json_build(arena, json, &error);
    if (tree)
        *tree = built;
    if (built || str_is(json, "null"))
        return (struct str){NULL, 0};
    if (value.len && (value.ptr[0] == '{' || value.ptr[0] == '['))
        return arena_printf(arena, "%.*s is not JSON, but Velero reads text that begins with { or [ as JSON",
                            STR_ARG(shown));
    if (str_eq_nocase(value, STR("true")) || str_eq_nocase(value, STR("false")))
        return arena_printf(arena, "%.*s: write true or false in lower case", STR_ARG(shown));
    if (go_parses_as_float(arena, value))
        return arena_printf(arena,
                            "Velero reads %.*s as a number, but it is not one in JSON; for a string write '\"%.*s\"'",
                            STR_ARG(shown), STR_ARG(value));
    return arena_printf(arena,
                        "%.*s is not valid JSON, because Velero does not escape quotes, backslashes and line breaks; "
                        "write \\\" for a quote",
                        STR_ARG(shown));
}
