/* Nodes to json-c trees, as sigs.k8s.io/yaml does it on go-yaml v2: aliases are copied out,
 * merge keys are carried out where they stand (a later member wins, merged or not), keys become
 * strings.
 *
 * What kubectl would send is the measure, also where it is odd: 1 and true become keys "1" and
 * "true", a later duplicate wins without a word, numbers over 64 bits become floats. Duplicates
 * are noted (repeats), since a review can warn where kubectl is silent. */
#include "json/yaml.h"

#include <inttypes.h>
#include <string.h>

struct decoder {
    struct arena *arena;
    struct error *error;
    const struct yaml_options *options;
    bool large; /* memory counts for more than time */
    struct yaml_repeat *repeats, *last_repeat;
    unsigned repeat_count;
    size_t count, cost;
};

/* The memory that each allowed node may take on average. */
enum { COST_PER_NODE = 512 };

static bool decode_node(struct decoder *decoder, struct yaml_node *node, unsigned depth, struct json_object **value);
static bool decode_fill(struct decoder *decoder, struct yaml_node *mapping, unsigned depth, struct json_object *object);

static bool decode_memory(struct decoder *decoder, const struct yaml_node *node)
{
    return error_at(decoder->error, 500, node->line, "not enough memory for this document");
}

/* A few aliases of aliases stand for millions of values ("billion laughs"). An alias is charged
 * for all that it stands for, each time, before anything of it is built. */
static bool decode_charge(struct decoder *decoder, const struct yaml_node *node, size_t cost)
{
    size_t limit = decoder->options->node_limit;
    decoder->count++;
    decoder->cost += cost;
    if (decoder->count > limit || decoder->cost / COST_PER_NODE > limit)
        return error_at(decoder->error, 413, node->line,
                        "expanding its aliases makes the document larger than %zu values or %zu MiB: use fewer aliases",
                        limit, limit * COST_PER_NODE >> 20);
    return true;
}

/* Enters a sequence or a mapping; every success is paired with leaving it. `open` catches an
 * anchor that contains itself; the depth is counted through aliases, as the tree will have it. */
static bool decode_enter(struct decoder *decoder, struct yaml_node *node, unsigned depth)
{
    if (node->open)
        return error_at(decoder->error, 400, node->line, "this anchor's value contains an alias to itself");
    if (depth > decoder->options->depth_limit)
        return error_at(decoder->error, 400, node->line,
                        "lists and mappings are nested deeper than %u levels once aliases are expanded",
                        decoder->options->depth_limit);
    node->open = true;
    return true;
}

/* ---- scalars -------------------------------------------------------------- */

static bool new_string(struct json_object **value, struct str text)
{
    if (text.len <= INT32_MAX)
        *value = json_object_new_string_len(text.ptr ? text.ptr : "", (int)text.len);
    return *value;
}

static bool new_float(struct json_object **value, double real)
{
    BUF_SCOPED text;
    buf_init(&text, 64);
    number_write_json(&text, real);
    if (!text.failed)
        *value = json_object_new_double_s(real, text.data);
    return *value;
}

static bool decode_scalar(struct decoder *decoder, struct yaml_node *node, struct json_object **value)
{
    struct yaml_scalar scalar;
    if (!yaml_resolve_node(decoder->arena, node, &scalar, decoder->error))
        return false;
    switch (scalar.kind) {
    case SCALAR_NULL:
        return true;
    case SCALAR_BOOL:
        *value = json_object_new_boolean(scalar.truth);
        break;
    case SCALAR_INTEGER:
        *value = json_object_new_int64(scalar.integer);
        break;
    case SCALAR_NATURAL:
        *value = json_object_new_uint64(scalar.natural);
        break;
    case SCALAR_FLOAT:
        if (!yaml_scalar_finite(&scalar))
            return error_at(decoder->error, 400, node->line, "%.*s is not a JSON number", STR_ARG(node->value));
        new_float(value, scalar.real);
        break;
    default:
        new_string(value, scalar.text);
    }
    return *value || decode_memory(decoder, node);
}

/* ---- keys ----------------------------------------------------------------- */

static bool bad_key(struct decoder *decoder, const struct yaml_node *key, const char *what)
{
    return error_at(decoder->error, 400, key->line, "%s cannot be a key: expected a string, a number, true or false",
                    what);
}

static bool float_key(struct decoder *decoder, double real, struct str *text)
{
    BUF_SCOPED digits;
    buf_init(&digits, 64);
    number_write_key(&digits, real);
    *text = arena_copy(decoder->arena, buf_str(&digits));
    return !digits.failed;
}

/* sigs.k8s.io/yaml, convertToJSONableObject. */
static bool scalar_key(struct decoder *decoder, const struct yaml_node *key, struct str *text)
{
    struct yaml_scalar scalar;
    if (!yaml_resolve_node(decoder->arena, key, &scalar, decoder->error))
        return false;
    switch (scalar.kind) {
    case SCALAR_NULL:
        return bad_key(decoder, key, "null");
    case SCALAR_NATURAL:
        return bad_key(decoder, key, "an integer above 9223372036854775807");
    case SCALAR_BOOL:
        *text = scalar.truth ? STR("true") : STR("false");
        return true;
    case SCALAR_INTEGER:
        *text = arena_printf(decoder->arena, "%" PRId64, scalar.integer);
        return true;
    case SCALAR_FLOAT:
        return float_key(decoder, scalar.real, text);
    default:
        *text = arena_copy(decoder->arena, scalar.text);
        return true;
    }
}

static bool decode_key(struct decoder *decoder, struct yaml_node *key, struct str *text)
{
    struct yaml_node *value = key->kind == NODE_ALIAS ? key->target : key;
    if (value->kind != NODE_SCALAR)
        return bad_key(decoder, key, value->kind == NODE_MAPPING ? "a mapping" : "a list");
    if (!decode_charge(decoder, key, JSON_SCALAR_COST + value->value.len) || !scalar_key(decoder, value, text))
        return false;
    if (!text->ptr)
        return decode_memory(decoder, key);
    if (memchr(text->ptr, 0, text->len))
        return bad_key(decoder, key, "a string with a NUL character");
    return true;
}

/* ---- keys that are there twice ---------------------------------------------- */

enum { PATH_DEPTH = 40, REPEATS_MAX = 50 };

/* Where a key stands, by the way up; an alias's content stands at its anchor. From the key
 * upwards, since nodes know their parents and not their names. */
static struct str path_of(struct decoder *decoder, const struct yaml_node *key, struct str name)
{
    struct str path = name;
    const struct yaml_node *node = key->parent;
    for (unsigned depth = 0; node && node->parent && depth < PATH_DEPTH; depth++, node = node->parent) {
        const struct yaml_node *child = node->parent->first, *before = NULL;
        size_t index = 0;
        for (; child && child != node; child = child->next, index++)
            before = child;
        bool dot = path.len && *path.ptr != '[';
        if (node->parent->kind == NODE_SEQUENCE)
            path = arena_printf(decoder->arena, "[%zu]%s%.*s", index, dot ? "." : "", STR_ARG(path));
        else if (before && str_contains(before->value, STR(".")))
            path = arena_printf(decoder->arena, "[%.*s]%s%.*s", STR_ARG(before->value), dot ? "." : "", STR_ARG(path));
        else if (before)
            path = arena_printf(decoder->arena, "%.*s%s%.*s", STR_ARG(before->value), dot ? "." : "", STR_ARG(path));
    }
    return path;
}

/* A member may be there because it was merged: only the mapping's own keys are compared.
 * REPEATS_MAX bounds what one file can make of it. */
static void note_repeat(struct decoder *decoder, const struct yaml_node *key, struct str name)
{
    const struct yaml_node *first = key->parent ? key->parent->first : key;
    while (first != key && (yaml_is_merge(first) || first->kind != NODE_SCALAR || !str_eq(first->value, key->value)))
        first = first->next->next;
    bool noted = decoder->last_repeat && decoder->last_repeat->line == key->line; /* aliases come again */
    struct yaml_repeat *repeat = first == key || noted ? NULL : arena_alloc(decoder->arena, sizeof *repeat);
    if (!repeat)
        return;
    *repeat = (struct yaml_repeat){.field = path_of(decoder, key, name), .line = key->line, .first_line = first->line};
    if (decoder->last_repeat)
        decoder->last_repeat->next = repeat;
    else
        decoder->repeats = repeat;
    decoder->last_repeat = repeat;
    decoder->repeat_count++;
}

/* ---- mappings ------------------------------------------------------------- */

/* The value is decoded even if an earlier one is replaced: it may hold mistakes that must be
 * reported. */
static bool set_member(struct decoder *decoder, struct yaml_node *key, unsigned depth, struct json_object *object)
{
    struct str text;
    struct json_object *value = NULL;
    if (!decode_key(decoder, key, &text))
        return false;
    bool repeated = json_object_object_get_ex(object, text.ptr, NULL);
    if (repeated && decoder->repeat_count < REPEATS_MAX)
        note_repeat(decoder, key, text);
    if (decoder->options->reject_duplicates && repeated)
        return error_at(decoder->error, 400, key->line, "duplicate key %.*s in one mapping: remove one of the two",
                        STR_ARG(arena_quote(decoder->arena, text)));
    if (!decode_node(decoder, key->next, depth, &value))
        return false;
    if (json_object_object_add(object, text.ptr, value) == 0)
        return true;
    json_object_put(value);
    return decode_memory(decoder, key);
}

static bool merge_one(struct decoder *decoder, struct yaml_node *value, unsigned depth, struct json_object *object)
{
    struct yaml_node *mapping = value->kind == NODE_ALIAS ? value->target : value;
    if (mapping->kind != NODE_MAPPING)
        return error_at(decoder->error, 400, value->line,
                        "<< needs a mapping or a list of mappings, usually as an alias such as *base");
    return decode_charge(decoder, value, 0) && decode_fill(decoder, mapping, depth + 1, object);
}

/* Backwards, since earlier mappings take precedence. */
static bool merge_list(struct decoder *decoder, struct yaml_node *list, unsigned depth, struct json_object *object)
{
    size_t count = list->count;
    struct yaml_node **items = arena_array(decoder->arena, count, sizeof(struct yaml_node *));
    if (!items)
        return count == 0 || decode_memory(decoder, list);
    count = 0;
    for (struct yaml_node *item = list->first; item; item = item->next)
        items[count++] = item;
    while (count > 0)
        if (!merge_one(decoder, items[--count], depth, object))
            return false;
    return true;
}

static bool decode_merge(struct decoder *decoder, struct yaml_node *value, unsigned depth, struct json_object *object)
{
    return value->kind == NODE_SEQUENCE ? merge_list(decoder, value, depth, object)
                                        : merge_one(decoder, value, depth, object);
}

static bool decode_fill(struct decoder *decoder, struct yaml_node *mapping, unsigned depth, struct json_object *object)
{
    if (!decode_enter(decoder, mapping, depth))
        return false;
    bool good = true;
    for (struct yaml_node *key = mapping->first; good && key; key = key->next->next)
        good = yaml_is_merge(key) ? decode_merge(decoder, key->next, depth, object)
                                  : set_member(decoder, key, depth, object);
    mapping->open = false;
    return good;
}

static bool decode_mapping(struct decoder *decoder, struct yaml_node *node, unsigned depth, struct json_object **value)
{
    if (!decode_charge(decoder, node, JSON_OBJECT_COST))
        return false;
    *value = json_object_new_object();
    if (!*value)
        return decode_memory(decoder, node);
    if (!decode_fill(decoder, node, depth, *value))
        return false;
    if (decoder->large)
        json_shrink(*value);
    return true;
}

/* ---- the rest ------------------------------------------------------------- */

static bool add_item(struct decoder *decoder, struct yaml_node *item, unsigned depth, struct json_object *array)
{
    struct json_object *value = NULL;
    if (!decode_node(decoder, item, depth, &value))
        return false;
    if (json_object_array_add(array, value) == 0)
        return true;
    json_object_put(value);
    return decode_memory(decoder, item);
}

static bool decode_sequence(struct decoder *decoder, struct yaml_node *node, unsigned depth, struct json_object **value)
{
    if (!decode_charge(decoder, node, JSON_ARRAY_COST))
        return false;
    *value = json_object_new_array_ext(4);
    if (!*value)
        return decode_memory(decoder, node);
    if (!decode_enter(decoder, node, depth))
        return false;
    bool good = true;
    for (struct yaml_node *item = node->first; good && item; item = item->next)
        good = add_item(decoder, item, depth, *value);
    node->open = false;
    return good;
}

/* On failure nothing is left in *value. */
static bool decode_node(struct decoder *decoder, struct yaml_node *node, unsigned depth, struct json_object **value)
{
    if (node->kind == NODE_ALIAS)
        node = node->target;
    bool good;
    if (node->kind == NODE_MAPPING)
        good = decode_mapping(decoder, node, depth + 1, value);
    else if (node->kind == NODE_SEQUENCE)
        good = decode_sequence(decoder, node, depth + 1, value);
    else
        good = decode_charge(decoder, node, JSON_SCALAR_COST + node->value.len) && decode_scalar(decoder, node, value);
    if (!good) {
        json_object_put(*value);
        *value = NULL;
    }
    return good;
}

bool yaml_decode(struct yaml_reader *reader, struct yaml_document *document)
{
    enum { LARGE = 10000 }; /* nodes */
    struct decoder decoder = {
        .arena = reader->arena, .error = reader->error, .options = &reader->options, .large = reader->count > LARGE};
    struct yaml_node *root = document->lines;
    struct json_object *tree = NULL;
    if (root && !decode_node(&decoder, root, 0, &tree))
        return false;
    document->repeats = decoder.repeats;
    document->tree = tree ? json_own(reader->arena, tree) : NULL;
    return !tree || document->tree || decode_memory(&decoder, root);
}
