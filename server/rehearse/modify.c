/* Resource modifiers, applied: internal/resourcemodifiers. A rule's conditions are held against the object as it was
 * before the first rule; a rule that fails leaves the object as it was, and Velero counts an error. */
#include <regex.h>
#include <stdlib.h>

#include "backstop/api.h"
#include "backstop/grammar.h"
#include "backstop/policy.h"
#include "backstop/rehearse.h"

enum { EXPRESSION_BYTES = 1024 };

/* ---- JSON Patch (RFC 6902), as github.com/evanphx/json-patch applies it ---------------------------- */

enum patch_result { PATCH_DONE, PATCH_TEST_FAILED, PATCH_MISSING, PATCH_BAD };

/* A place in a document: the container, and its member or item. */
struct pointer_place {
    struct json_object *parent;
    struct str key;
    size_t index; /* in an array; SIZE_MAX: behind its last item ("-") */
    bool in_array;
};

/* RFC 6901: ~1 is /, ~0 is ~. */
static struct str pointer_token(struct arena *arena, struct str token)
{
    struct str plain = arena_copy(arena, token);
    BUF_SCOPED text;
    buf_init(&text, plain.len + 1);
    for (size_t i = 0; i < token.len; i++) {
        bool escaped = token.ptr[i] == '~' && i + 1 < token.len && (token.ptr[i + 1] == '0' || token.ptr[i + 1] == '1');
        buf_putc(&text, escaped ? (token.ptr[i + 1] == '1' ? '/' : '~') : token.ptr[i]);
        i += escaped;
    }
    return arena_copy(arena, buf_str(&text));
}

static struct json_object *pointer_step(struct json_object *at, struct str token)
{
    int64_t index;
    if (json_object_is_type(at, json_type_object))
        return json_get_named(at, token);
    if (json_object_is_type(at, json_type_array) && str_to_int64(token, &index) && (size_t)index < json_len(at))
        return json_item(at, (size_t)index);
    return NULL;
}

/* The last token need not exist, since "add" makes it; all before it must. */
static enum patch_result pointer_find(struct arena *arena, struct json_object *root, struct str path,
                                      struct pointer_place *place)
{
    struct str rest = path, token, next;
    int64_t index = 0;
    *place = (struct pointer_place){.parent = root};
    if (!str_starts(path, STR("/")))
        return PATCH_BAD;
    str_cut(&rest, '/', &token); /* before the first one */
    if (!str_cut(&rest, '/', &token))
        return PATCH_BAD;
    while (str_cut(&rest, '/', &next)) {
        place->parent = pointer_step(place->parent, pointer_token(arena, token));
        if (!place->parent)
            return PATCH_MISSING;
        token = next;
    }
    place->key = pointer_token(arena, token);
    place->in_array = json_object_is_type(place->parent, json_type_array);
    place->index = SIZE_MAX;
    if (place->in_array && !str_is(place->key, "-")) {
        if (!str_to_int64(place->key, &index))
            return PATCH_BAD;
        place->index = (size_t)index;
    }
    return place->in_array || json_object_is_type(place->parent, json_type_object) ? PATCH_DONE : PATCH_MISSING;
}

static bool place_has(const struct pointer_place *place)
{
    return place->in_array ? place->index < json_len(place->parent) : json_has(place->parent, place->key.ptr);
}

static struct json_object *place_get(const struct pointer_place *place)
{
    if (place->in_array)
        return place->index < json_len(place->parent) ? json_item(place->parent, place->index) : NULL;
    return json_get(place->parent, place->key.ptr);
}

bool rehearse_at(struct arena *arena, struct json_object *root, struct str pointer, struct json_object **value)
{
    struct pointer_place place;
    *value = NULL;
    if (pointer_find(arena, root, pointer, &place) != PATCH_DONE || !place_has(&place))
        return false;
    *value = place_get(&place);
    return true;
}

static enum patch_result place_add(const struct pointer_place *place, struct json_object *value)
{
    if (!place->in_array)
        return json_put_shared(place->parent, place->key.ptr, value) ? PATCH_DONE : PATCH_BAD;
    size_t at = place->index == SIZE_MAX ? json_len(place->parent) : place->index;
    if (at > json_len(place->parent))
        return PATCH_BAD;
    return json_insert(place->parent, at, json_object_get(value)) ? PATCH_DONE : PATCH_BAD;
}

static enum patch_result place_remove(const struct pointer_place *place)
{
    if (!place_has(place))
        return PATCH_MISSING;
    if (place->in_array)
        return json_remove(place->parent, place->index) ? PATCH_DONE : PATCH_BAD;
    json_delete(place->parent, place->key.ptr);
    return PATCH_DONE;
}

/* A patch of a rule: its texts, and the value as Velero pastes it into the document. */
struct modifier_patch {
    struct str operation, from, path;
    struct json_object *value;
};

static bool patch_read(struct arena *arena, struct json_object *tree, struct modifier_patch *patch)
{
    struct error error = {.code = 0};
    struct str text = modifier_value_json(arena, json_scalar(json_get(tree, "value")));
    *patch = (struct modifier_patch){.operation = json_get_str(tree, "operation"),
                                     .from = json_get_str(tree, "from"),
                                     .path = json_get_str(tree, "path"),
                                     .value = json_build(arena, text, &error)};
    return patch->value || str_is(text, "null");
}

/* RFC 6902: "move" removes before it adds, so the path is looked up in what is left. */
static enum patch_result patch_move(struct arena *arena, struct json_object *root, const struct modifier_patch *patch,
                                    bool copies)
{
    struct pointer_place from, to;
    enum patch_result result = pointer_find(arena, root, patch->from, &from);
    if (result == PATCH_DONE && !place_has(&from))
        result = PATCH_MISSING;
    if (result != PATCH_DONE)
        return result;
    struct json_object *value = json_own(arena, json_copy(place_get(&from)));
    if (!copies && (result = place_remove(&from)) != PATCH_DONE)
        return result;
    result = pointer_find(arena, root, patch->path, &to);
    return result == PATCH_DONE ? place_add(&to, value) : result;
}

/* A value of NULL is JSON's null. */
static enum patch_result patch_apply(struct arena *arena, struct json_object *root, const struct modifier_patch *patch)
{
    struct pointer_place place;
    if (str_is(patch->operation, "move") || str_is(patch->operation, "copy"))
        return patch_move(arena, root, patch, str_is(patch->operation, "copy"));
    enum patch_result result = pointer_find(arena, root, patch->path, &place);
    if (result != PATCH_DONE)
        return result;
    if (str_is(patch->operation, "add"))
        return place_add(&place, patch->value);
    if (str_is(patch->operation, "remove"))
        return place_remove(&place);
    if (str_is(patch->operation, "replace")) {
        if (!place_has(&place))
            return PATCH_MISSING;
        if (place.in_array)
            return json_replace(place.parent, place.index, json_object_get(patch->value)) ? PATCH_DONE : PATCH_BAD;
        return json_put_shared(place.parent, place.key.ptr, patch->value) ? PATCH_DONE : PATCH_BAD;
    }
    if (!str_is(patch->operation, "test"))
        return PATCH_BAD;
    if (!place_has(&place) && patch->value)
        return PATCH_MISSING;
    return json_equal(place_get(&place), patch->value) ? PATCH_DONE : PATCH_TEST_FAILED;
}

/* ---- merge patches (RFC 7386), and strategic ones ------------------------------------------------------ */

/* The field by whose value Kubernetes' types tell the items of a list apart (patchMergeKey); NULL: the list is
 * replaced. */
static const char *strategic_key(const char *list, struct json_object *items)
{
    static const struct {
        const char *list, *key;
    } keys[] = {{"containers", "name"},
                {"initContainers", "name"},
                {"ephemeralContainers", "name"},
                {"volumes", "name"},
                {"env", "name"},
                {"volumeMounts", "mountPath"},
                {"imagePullSecrets", "name"},
                {"secrets", "name"},
                {"hostAliases", "ip"},
                {"volumeDevices", "devicePath"},
                {"topologySpreadConstraints", "topologyKey"}};
    for (size_t i = 0; i < LENGTH_OF(keys); i++)
        if (str_is(str_from(list), keys[i].list))
            return keys[i].key;
    if (str_is(str_from(list), "ports")) /* of a container, or of a Service */
        return json_has(json_item(items, 0), "containerPort") ? "containerPort" : "port";
    return NULL;
}

static void merge_apply(struct json_object *target, struct json_object *patch, bool strategic);

/* By the merge key; an item that none matches is inserted at its place in the patch. */
static void strategic_list(struct json_object *list, struct json_object *patch, const char *key)
{
    for (size_t i = 0; i < json_len(patch); i++) {
        struct json_object *change = json_item(patch, i), *match = NULL;
        size_t at = 0;
        for (size_t j = 0; j < json_len(list) && !match; j++)
            if (json_equal(json_get(json_item(list, j), key), json_get(change, key))) {
                match = json_item(list, j);
                at = j;
            }
        if (str_is(json_get_str(change, "$patch"), "delete")) {
            if (match)
                json_remove(list, at);
        } else if (match) {
            merge_apply(match, change, true);
        } else {
            json_insert(list, i <= json_len(list) ? i : json_len(list), json_object_get(change));
        }
    }
}

/* null removes a member; maps are merged, everything else is replaced. Directives of strategic
 * patches ("$patch") are no members. */
static void merge_apply(struct json_object *target, struct json_object *patch, bool strategic)
{
    json_foreach(patch, name, value)
    {
        struct json_object *was = json_get(target, name);
        const char *key = strategic && json_object_is_type(value, json_type_array) ? strategic_key(name, value) : NULL;
        if (strategic && str_starts(str_from(name), STR("$")))
            continue;
        if (!value) {
            json_delete(target, name);
        } else if (json_object_is_type(value, json_type_object) && !str_is(json_get_str(value, "$patch"), "replace")) {
            if (!json_object_is_type(was, json_type_object) && !json_put_map(target, name, &was))
                return;
            merge_apply(was, value, strategic);
        } else if (key && json_object_is_type(was, json_type_array)) {
            strategic_list(was, value, key);
        } else if (!json_put_shared(target, name, value)) {
            return;
        }
    }
}

/* ---- rules --------------------------------------------------------------------------------------------- */

/* All of them on a copy, so that a rule which fails changes nothing. */
static struct str rule_merge(struct arena *arena, struct json_object **object, struct json_object *patches,
                             bool strategic)
{
    struct json_object *changed = json_own(arena, json_copy(*object));
    struct str version, group = api_version_group(json_get_str(*object, "apiVersion"), &version);
    if (strategic && !api_velero_has_types(group, version))
        return STR("Velero knows no type for this kind, which a strategic patch needs");
    for (size_t i = 0; i < json_len(patches); i++) {
        struct error error = {.message = "it is empty"};
        struct yaml_document *document = NULL;
        struct str data = json_get_str(json_item(patches, i), "patchData");
        if (!yaml_load(arena, data, &(struct yaml_options){0}, &document, &error) || !document || !document->tree)
            return arena_printf(arena, "patchData is not YAML: %s", error.message);
        merge_apply(changed, document->tree, strategic);
    }
    *object = changed ? changed : *object;
    return (struct str){NULL, 0};
}

/* The same; the reason, or absent. */
static struct str rule_patch(struct arena *arena, struct json_object **object, struct json_object *patches)
{
    struct json_object *changed = json_own(arena, json_copy(*object));
    for (size_t i = 0; changed && i < json_len(patches); i++) {
        struct modifier_patch patch;
        if (!patch_read(arena, json_item(patches, i), &patch))
            return STR("a patch's value is not JSON");
        enum patch_result result = patch_apply(arena, changed, &patch);
        if (result == PATCH_TEST_FAILED)
            return (struct str){NULL, 0}; /* Velero leaves the object as it is, and counts nothing */
        if (result != PATCH_DONE)
            return arena_printf(arena, "%.*s %.*s: %s", STR_ARG(shown(arena, patch.operation)),
                                STR_ARG(arena_quote(arena, patch.path)),
                                result == PATCH_MISSING ? "there is no such path" : "it cannot be applied");
    }
    *object = changed ? changed : *object;
    return (struct str){NULL, 0};
}

enum rule_match { RULE_PASSES, RULE_MATCHES, RULE_FAILS };

/* Go's regexp by POSIX' extended one, as far as both mean the same. What POSIX does not know is
 * not guessed: the rule then counts as one that cannot be judged. */
static enum rule_match name_matches(struct str expression, struct str name)
{
    char posix[EXPRESSION_BYTES], text[DNS_SUBDOMAIN_MAX + 1];
    size_t len = 0;
    regex_t compiled;
    if (expression.len == 0)
        return RULE_MATCHES;
    if (expression.len > sizeof posix / 8 || name.len >= sizeof text || str_contains(expression, STR("(?")) ||
        str_contains(expression, STR("\\p")) || str_contains(expression, STR("*?")) ||
        str_contains(expression, STR("+?")) || str_contains(expression, STR("[[")))
        return RULE_FAILS;
    for (size_t i = 0; i < expression.len; i++) {
        bool digit = expression.ptr[i] == '\\' && i + 1 < expression.len && expression.ptr[i + 1] == 'd';
        if (digit) {
            memcpy(posix + len, "[0-9]", 5);
            len += 5;
            i++;
        } else {
            posix[len++] = expression.ptr[i];
        }
    }
    posix[len] = '\0';
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    if (regcomp(&compiled, posix, REG_EXTENDED | REG_NOSUB) != 0)
        return RULE_FAILS;
    bool matches = regexec(&compiled, text, 0, NULL, 0) == 0;
    regfree(&compiled);
    return matches ? RULE_MATCHES : RULE_PASSES;
}

static bool rule_takes_namespace(struct arena *arena, struct json_object *namespaces, struct str ns)
{
    bool taken = json_len(namespaces) == 0 || ns.len == 0;
    for (size_t i = 0; i < json_len(namespaces) && !taken; i++)
        taken = glob_match(arena, json_str(json_item(namespaces, i)), ns, 0);
    return taken;
}

static enum rule_match rule_matches(struct arena *arena, struct json_object *object, struct str group_resource,
                                    struct json_object *conditions)
{
    struct json_object *metadata = json_get(object, "metadata"), *selector = json_get(conditions, "labelSelector");
    struct str pattern = json_get_str(conditions, "groupResource");
    if (!rule_takes_namespace(arena, json_get(conditions, "namespaces"), json_get_str(metadata, "namespace")))
        return RULE_PASSES;
    if (glob_problem(pattern))
        return RULE_FAILS;
    if (!glob_match(arena, pattern, group_resource, '.'))
        return RULE_PASSES;
    enum rule_match name = name_matches(json_get_str(conditions, "resourceNameRegex"), json_get_str(metadata, "name"));
    if (name != RULE_MATCHES)
        return name;
    if (selector && !selector_matches(selector, json_get(metadata, "labels")))
        return RULE_PASSES;
    struct json_object *matches = json_get(conditions, "matches");
    for (size_t i = 0; i < json_len(matches); i++) {
        struct modifier_patch patch;
        if (!patch_read(arena, json_item(matches, i), &patch))
            return RULE_FAILS;
        patch.operation = STR("test");
        enum patch_result result = patch_apply(arena, object, &patch);
        if (result != PATCH_DONE)
            return result == PATCH_BAD ? RULE_FAILS : RULE_PASSES;
    }
    return RULE_MATCHES;
}

static struct str rule_apply(struct arena *arena, struct json_object **object, struct json_object *rule)
{
    if (json_len(json_get(rule, "patches")))
        return rule_patch(arena, object, json_get(rule, "patches"));
    if (json_len(json_get(rule, "mergePatches")))
        return rule_merge(arena, object, json_get(rule, "mergePatches"), false);
    if (json_len(json_get(rule, "strategicPatches")))
        return rule_merge(arena, object, json_get(rule, "strategicPatches"), true);
    return STR("the rule has no patch");
}

struct str rehearse_modify(struct arena *arena, struct json_object **object, struct str group_resource,
                           struct json_object *modifier)
{
    struct str problem = {NULL, 0};
    struct json_object *rules = json_get(modifier, "resourceModifierRules"), *origin = *object;
    for (size_t i = 0; i < json_len(rules); i++) {
        struct json_object *rule = json_item(rules, i);
        struct str failed = {NULL, 0};
        enum rule_match match = rule_matches(arena, origin, group_resource, json_get(rule, "conditions"));
        if (match == RULE_FAILS)
            failed = STR("its conditions cannot be evaluated here");
        else if (match == RULE_MATCHES)
            failed = rule_apply(arena, object, rule);
        if (failed.len && !problem.len)
            problem = arena_printf(arena, "resourceModifierRules[%zu]: %.*s", i, STR_ARG(failed));
    }
    return problem;
}
