/* What the API server would reject or silently drop before any webhook: unknown fields, wrong
 * types, missing fields. An update is judged only by what it changes.
 *
 * review and rehearse run it, since a manifest in git never met an API server; serve does not,
 * since there the API server has checked already. It must not reject what the API server takes:
 * where the release or the version is not certain, a finding becomes a doubt (SCHEMA_DOUBT). */
#include "backstop/grammar.h"
#include "schema/schema.h"

#include <ctype.h>

/* Walks an object beside its schema, in the order of the API server: strict decoding, pruning of
 * null, ObjectMeta, then the values. */

enum { PROBLEMS_MAX = 100, DEPTH_MAX = 40 };

struct schema_walk {
    struct arena *arena;
    const struct schema_kind *kind;
    struct schema_problem *problems;
    size_t count;
    unsigned release; /* the bit of the one that is known; 0: none is */
    const char *release_name;
    bool stored;  /* a server has written it: it knows fields that are not known here */
    bool lenient; /* another version of the kind lent its schema */
    bool in_status;
    struct buf *path; /* of the value at hand: objects may have as many values as their text has room for */
};

/* Every problem passes here, so that what counts less is weighed in one place: the status of an
 * object that a server wrote is not looked at, and that of any other is no more than doubtful. */
static void walk_add_problem(struct schema_walk *walk, enum schema_problem_kind kind, struct str field,
                             struct str message)
{
    if (walk->in_status && walk->stored)
        return;
    if (walk->in_status && kind == SCHEMA_REFUSED) /* the API server drops it, or a controller writes it anew */
        kind = SCHEMA_DOUBT;
    if (walk->count < PROBLEMS_MAX && field.ptr && message.ptr)
        walk->problems[walk->count++] = (struct schema_problem){kind, field, message};
}

/* "spec.config", "metadata.labels[a.b/c]", "spec" at the top. */
static struct str member_at(struct arena *arena, struct str at, const char *name)
{
    bool bracket = strpbrk(name, ".[]/") != NULL;
    return arena_printf(arena, "%.*s%s%s%s", STR_ARG(at), bracket ? "[" : (at.len ? "." : ""), name,
                        bracket ? "]" : "");
}

/* One step down; the length before it leads back up (walk_leave). */
static size_t walk_enter(struct schema_walk *walk, const char *name, size_t index)
{
    size_t before = walk->path->len;
    bool bracket = name && strpbrk(name, ".[]/");
    if (name)
        buf_printf(walk->path, "%s%s%s", bracket ? "[" : before ? "." : "", name, bracket ? "]" : "");
    else
        buf_printf(walk->path, "[%zu]", index);
    return before;
}

static void walk_leave(struct schema_walk *walk, size_t before)
{
    walk->path->len = before;
}

static struct str walk_place(const struct schema_walk *walk)
{
    return arena_copy(walk->arena, buf_str(walk->path));
}

/* No words are made that nobody would hear. */
static bool walk_is_full(const struct schema_walk *walk)
{
    return walk->count == PROBLEMS_MAX || (walk->in_status && walk->stored);
}

/* Only the first fault of a value is reported; what is below a value of the wrong type has no
 * schema. */
static void walk_check_value(struct schema_walk *walk, const struct schema *schema, struct json_object *value,
                             unsigned depth);

/* A field without releases is in all of them; where no release is known each will do. */
static bool is_of_release(const struct schema_walk *walk, const struct schema_field *field)
{
    return !walk->release || !field->releases || (field->releases & walk->release);
}

/* "Velero 1.18.3": those that have the field. */
static struct str releases_with(const struct schema_walk *walk, unsigned releases)
{
    struct str names = {NULL, 0};
    for (unsigned i = 0; walk->kind->releases[i]; i++)
        if (releases & 1U << i)
            names =
                arena_printf(walk->arena, "%.*s%s%s", STR_ARG(names), names.len ? ", " : "", walk->kind->releases[i]);
    return names;
}

/* Three answers: a doubt where the schema may be too old, the releases that have the field where
 * others do, else a refusal with what may have been meant. */
static void add_unknown(struct schema_walk *walk, const struct schema *parent, const char *name, unsigned releases)
{
    struct arena *arena = walk->arena;
    if (walk_is_full(walk))
        return;
    struct str at = walk_place(walk);
    struct str field = member_at(arena, at, name), quoted = arena_quote(arena, str_from(name));
    if (walk->stored || walk->lenient)
        walk_add_problem(walk, SCHEMA_DOUBT, field,
                         arena_printf(arena, "unknown field %.*s%.*s", STR_ARG(quoted),
                                      STR_ARG(schema_hint(arena, walk->kind, parent, at, str_from(name), false))));
    else if (releases)
        walk_add_problem(walk, SCHEMA_UNKNOWN, field,
                         arena_printf(arena, "unknown field %.*s in Velero %s; it exists in Velero %.*s",
                                      STR_ARG(quoted), walk->release_name, STR_ARG(releases_with(walk, releases))));
    else
        walk_add_problem(walk, SCHEMA_UNKNOWN, field,
                         arena_printf(arena, "unknown field %.*s: kubectl apply rejects it, other clients drop it%.*s",
                                      STR_ARG(quoted),
                                      STR_ARG(schema_hint(arena, walk->kind, parent, at, str_from(name), true))));
}

/* Releases may differ in a field: a value that one of them takes is fine where none is known.
 * `elsewhere` gets the releases that have a field which the given one lacks. */
static const struct schema *pick_schema(struct schema_walk *walk, const struct schema *parent, const char *name,
                                        struct json_object *value, unsigned *elsewhere)
{
    const struct schema *found = NULL;
    *elsewhere = 0;
    for (size_t i = 0; i < parent->field_count; i++) {
        const struct schema_field *field = &parent->fields[i];
        if (strcmp(field->name, name) != 0)
            continue;
        if (!is_of_release(walk, field)) {
            *elsewhere |= field->releases;
            continue;
        }
        found = field->schema;
        if (!schema_value_problem(walk->arena, found, value).len)
            return found;
    }
    return found;
}

/* A member that is null is as absent, unless the schema allows null: the API server prunes it
 * before it looks. */
static void check_required(struct schema_walk *walk, const struct schema *schema, struct json_object *value)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct schema_field *field = &schema->fields[i];
        if (!field->required || !is_of_release(walk, field))
            continue;
        bool there =
            json_get(value, field->name) || (field->schema && field->schema->nullable && json_has(value, field->name));
        if (!there && !walk_is_full(walk))
            walk_add_problem(walk, SCHEMA_REFUSED, member_at(walk->arena, walk_place(walk), field->name),
                             STR("Required value"));
    }
}

/* A map (additionalProperties) has one schema for all its members. What an open object holds is nobody's business. */
static void check_object(struct schema_walk *walk, const struct schema *schema, struct json_object *value,
                         unsigned depth)
{
    bool map = schema->items != NULL;
    if (!map && !schema->field_count)
        return;
    json_walk_each(value, name, member)
    {
        unsigned elsewhere = 0;
        const struct schema *below = map ? schema->items : pick_schema(walk, schema, name, member, &elsewhere);
        if (below && member) { /* null is pruned */
            size_t before = walk_enter(walk, name, 0);
            walk_check_value(walk, below, member, depth);
            walk_leave(walk, before);
        } else if (!below && !schema->open && schema->field_count) {
            add_unknown(walk, schema, name, elsewhere);
        }
    }
    check_required(walk, schema, value);
}

static void walk_check_value(struct schema_walk *walk, const struct schema *schema, struct json_object *value,
                             unsigned depth)
{
    if (walk_is_full(walk))
        return;
    struct str problem = schema_value_problem(walk->arena, schema, value);
    bool empty = json_object_is_type(value, json_type_string) && json_str(value).len == 0;
    if (problem.len && walk->in_status && empty)
        return; /* as absent, which the client that wrote it took for the same */
    if (problem.len) {
        walk_add_problem(walk, SCHEMA_REFUSED, walk_place(walk), problem);
        return;
    }
    if (depth == DEPTH_MAX)
        return;
    if (json_object_is_type(value, json_type_object))
        check_object(walk, schema, value, depth + 1);
    else if (schema->items && json_object_is_type(value, json_type_array)) {
        size_t index = 0;
        json_walk_each(value, none, item)
        {
            size_t before = walk_enter(walk, none, index++);
            walk_check_value(walk, schema->items, item, depth + 1);
            walk_leave(walk, before);
        }
    }
}

/* ---- ObjectMeta ------------------------------------------------------------- */

/* apimachinery pkg/api/validation ValidateObjectMeta: what its names may be. */
static void check_name(struct schema_walk *walk, struct json_object *metadata, const char *member)
{
    struct arena *arena = walk->arena;
    struct str name = json_get_str(metadata, member), checked = name;
    bool ns = strcmp(member, "namespace") == 0;
    if (strcmp(member, "generateName") == 0) /* only what comes before the five random characters */
        checked = arena_printf(arena, "%.*sx", STR_ARG(str_slice(name, 0, 248)));
    if (name.len == 0 || (ns ? name_is_dns_label(name) : name_is_dns_subdomain(checked)))
        return;
    walk_add_problem(walk, SCHEMA_REFUSED, arena_printf(arena, "metadata.%s", member),
                     arena_printf(arena, "Invalid value: %.*s: not a valid %s name: %s",
                                  STR_ARG(arena_quote(arena, name)), ns ? "namespace" : "object",
                                  ns ? "lower-case letters, digits and inner dashes, at most 63"
                                     : "lower-case letters, digits, inner \"-\" and \".\", at most 253"));
}

/* An annotation's key may have capitals in its prefix. */
static bool annotation_key_is_valid(const char *key)
{
    char lower[512]; /* the longest has 253 characters, a slash and 63 */
    size_t len = strlen(key);
    for (size_t i = 0; i < len && len < sizeof lower; i++)
        lower[i] = (char)tolower((unsigned char)key[i]);
    return len < sizeof lower && label_key_is_valid((struct str){lower, len});
}

static void walk_check_keys(struct schema_walk *walk, struct json_object *metadata, const char *member)
{
    struct arena *arena = walk->arena;
    struct json_object *map = json_get(metadata, member);
    bool labels = strcmp(member, "labels") == 0;
    if (!json_object_is_type(map, json_type_object))
        return;
    struct str at = arena_printf(arena, "metadata.%s", member);
    json_walk_each(map, key, value)
    {
        struct str text = json_str(value);
        bool valid = labels ? label_key_is_valid(str_from(key)) : annotation_key_is_valid(key);
        if ((valid && (!labels || label_value_is_valid(text))) || walk_is_full(walk))
            continue;
        struct str field = member_at(arena, at, key);
        if (!valid)
            walk_add_problem(walk, SCHEMA_REFUSED, field,
                             arena_printf(arena,
                                          "Invalid value: %.*s: not a valid key: an optional DNS prefix and \"/\", "
                                          "then at most 63 letters, digits, \"-\", \"_\" or \".\"",
                                          STR_ARG(arena_quote(arena, str_from(key)))));
        else
            walk_add_problem(walk, SCHEMA_REFUSED, field,
                             arena_printf(arena,
                                          "Invalid value: %.*s: not a valid label value: at most 63 letters, digits, "
                                          "\"-\", \"_\" or \".\", starting and ending with a letter or digit",
                                          STR_ARG(arena_quote(arena, text))));
    }
}

/* ---- the whole --------------------------------------------------------------- */

/* status is checked last and leniently: users paste objects with it, and the API server ignores
 * it where there is a status subresource. */
static void check_top(struct schema_walk *walk, struct json_object *tree)
{
    const struct schema *schema = walk->kind->schema;
    static const char *const names[] = {"name", "generateName", "namespace"};
    struct json_object *metadata = json_get(tree, "metadata");
    size_t before = walk->count;
    if (metadata) {
        size_t top = walk_enter(walk, "metadata", 0);
        walk_check_value(walk, &schema_metadata, metadata, 0);
        walk_leave(walk, top);
    }
    if (!json_get(metadata, "name") && !json_get_str(metadata, "generateName").len)
        walk_add_problem(walk, SCHEMA_REFUSED, STR("metadata.name"), STR("Required value: set a name"));
    else if (walk->count == before && !json_get_str(metadata, "name").len &&
             !json_get_str(metadata, "generateName").len)
        walk_add_problem(walk, SCHEMA_REFUSED, STR("metadata.name"), STR("Required value: the name is empty"));
    for (size_t i = 0; i < LENGTH_OF(names); i++)
        check_name(walk, metadata, names[i]);
    walk_check_keys(walk, metadata, "labels");
    walk_check_keys(walk, metadata, "annotations");
    json_foreach(tree, name, member)
    {
        unsigned elsewhere = 0;
        struct str key = str_from(name);
        if (str_is(key, "apiVersion") || str_is(key, "kind") || str_is(key, "metadata"))
            continue;
        const struct schema *below = pick_schema(walk, schema, name, member, &elsewhere);
        walk->in_status = str_is(key, "status");
        if (!below && !schema->open)
            add_unknown(walk, schema, name, elsewhere);
        else if (below && member) {
            size_t top = walk_enter(walk, name, 0);
            walk_check_value(walk, below, member, 0);
            walk_leave(walk, top);
        }
    }
    walk->in_status = false;
    check_required(walk, schema, tree);
}

/* "1.18.2": its three numbers as one that can be compared; 0 when it is none. */
static int64_t release_number(const char *release)
{
    struct str text = str_from(release), part;
    int64_t number = 0, value;
    for (unsigned i = 0; i < 3; i++) {
        if (!str_cut(&text, '.', &part) || !str_to_int64(part, &value) || value >= 1000)
            return 0;
        number = number * 1000 + value;
    }
    return number;
}

/* By field and words: the value is in the words. */
static bool same_problem(const struct schema_problem *a, const struct schema_problem *b)
{
    return a->kind == b->kind && str_eq(a->field, b->field) && str_eq(a->message, b->message);
}

/* CRD ratcheting: what was wrong before is only refused where the update changes it. The API
 * server does it since Kubernetes 1.30 for whatever a CRD's schema refuses. */
static void drop_unchanged(struct schema_walk *walk, struct json_object *old)
{
    struct schema_walk before = *walk;
    size_t kept = 0;
    before.count = 0;
    before.problems = arena_array(walk->arena, PROBLEMS_MAX, sizeof *before.problems);
    if (!before.problems)
        return;
    check_top(&before, old);
    for (size_t i = 0; i < walk->count; i++) {
        bool was = false;
        for (size_t b = 0; b < before.count && !was && walk->problems[i].kind == SCHEMA_REFUSED; b++)
            was = same_problem(&walk->problems[i], &before.problems[b]);
        if (!was)
            walk->problems[kept++] = walk->problems[i];
    }
    walk->count = kept;
}

/* NULL and 0 where nothing is wrong, and where no schema is known. */
const struct schema_problem *schema_check(const struct schema_request *request, struct arena *arena, size_t *count)
{
    struct json_object *tree = request->tree;
    BUF_SCOPED path;
    struct schema_walk walk = {.arena = arena, .release_name = request->velero_release, .path = &path};
    bool exact;
    buf_init(&path, SIZE_MAX / 2);
    *count = 0;
    walk.kind = schema_find(request->set, json_get_str(tree, "apiVersion"), json_get_str(tree, "kind"), &exact);
    walk.problems = walk.kind ? arena_array(arena, PROBLEMS_MAX, sizeof *walk.problems) : NULL;
    if (!walk.problems)
        return NULL;
    walk.lenient = !exact;
    walk.stored = request->stored;
    /* Of a release between those of the table the one before it counts, in the same minor version;
     * of a newer or older one nobody here knows what fields it has. `lenient` then: whatever is not
     * known may be new. */
    int64_t wanted = request->velero_release ? release_number(request->velero_release) : 0, known = 0;
    const char *const *releases = walk.kind->releases;
    for (unsigned i = 0; wanted && releases[i]; i++) {
        known = release_number(releases[i]);
        bool minor = known / 1000 == wanted / 1000;
        if (minor && (known <= wanted || !walk.release))
            walk.release = 1U << i;
    }
    walk.lenient = walk.lenient || (known && !walk.release);
    check_top(&walk, tree);
    if (request->old && walk.count)
        drop_unchanged(&walk, request->old);
    *count = walk.count;
    return walk.count ? walk.problems : NULL;
}
