/* json_build and json_open: json-c trees, built over the same strict scanner as the index so that both accept the same
 * texts (json-c's own tokener accepts NaN, and refuses integers above 64 bits).
 *
 * json-c needs some 180 bytes for a member and 700 for an object, and of most objects little is read. So the trees of
 * files are opened, not built: an array or an object is an empty one that knows its text, until a reader (tree.c) asks for
 * something in it. Only it is read then; what it holds is as unread as it was. Nobody outside of this folder can tell the
 * difference, since json-c's own readers are called nowhere else (hack/json-calls.sh). */
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

void json_reserve(struct json_object *object, size_t members)
{
    if (members < INT32_MAX / 2 && json_object_is_type(object, json_type_object))
        lh_table_resize(json_object_get_object(object), (int)(members * 3 / 2) + 2);
}

/* lh_table_resize takes any size above the number of entries by the load factor, two thirds. */
void json_shrink(struct json_object *object)
{
    enum { FEW = 8 };
    int count = json_object_is_type(object, json_type_object) ? json_object_object_length(object) : FEW;
    if (count < FEW)
        lh_table_resize(json_object_get_object(object), count * 3 / 2 + 2); /* where it fails all stays as it is */
}

/* The text of a tree that is opened. */
struct json_source {
    struct arena *arena; /* owns it, and the tree */
    size_t cost;
    bool large; /* memory counts for more than time */
};

/* The containers that are open, without recursion: a text may be as deep as the
 * limit on whatever stack the caller's thread has. */
struct builder {
    struct scan scan;
    struct arena *arena;
    struct json_object *root;
    struct json_object *open[JSON_DEPTH_LIMIT];
    const char *key[JSON_DEPTH_LIMIT]; /* of the member that is being read */
    unsigned depth;
    size_t cost, limit;
    struct buf *names;          /* of a walk: has one key at a time, instead of the arena */
    struct json_source *source; /* of a tree that is opened: what is below stays unread */
};

/* What an array or object that was not read holds: hung on it as json-c's user data. */
struct unread {
    struct json_source *source;
    struct str raw;
    bool passing;   /* part of a walk: its keys go with it, and are not the arena's */
    bool counted;   /* `items` is known */
    unsigned items; /* of an array */
};

enum { LARGE_TEXT = 256 * 1024 };

static bool build_charge(struct builder *builder, size_t cost)
{
    builder->cost += cost;
    if (builder->cost > builder->limit)
        return error_at(builder->scan.error, builder->limit == JSON_TREE_LIMIT ? 413 : 500,
                        builder->scan.at - builder->scan.start,
                        "the document needs more than %zu MiB of memory: split it", builder->limit >> 20);
    return true;
}

/* What the arena may still hold beyond a cost that is counted already. */
static size_t build_limit(const struct arena *arena, size_t counted)
{
    size_t more = arena_may_hold(arena);
    return more < JSON_TREE_LIMIT - counted ? counted + more : JSON_TREE_LIMIT;
}

static struct str build_unescaped(struct builder *builder, struct str inside, bool escaped)
{
    return escaped ? json_unescape(builder->arena, inside) : inside;
}

static bool build_string(struct builder *builder, struct json_object **value)
{
    struct str text;
    bool escaped;
    if (!scan_string(&builder->scan, &text, &escaped) || !build_charge(builder, JSON_SCALAR_COST + text.len))
        return false;
    text = build_unescaped(builder, text, escaped);
    *value = text.ptr && text.len <= INT32_MAX ? json_object_new_string_len(text.ptr, (int)text.len) : NULL;
    return *value || scan_memory(&builder->scan);
}

/* Numbers outside 64 bits, with a fraction or an exponent are doubles that keep
 * their text, so that writing gives back what was read. */
static bool build_number(struct builder *builder, struct json_object **value)
{
    const char *from = builder->scan.at;
    bool whole;
    if (!scan_number(&builder->scan, &whole) || !build_charge(builder, JSON_SCALAR_COST))
        return false;
    struct str text = arena_copy(builder->arena, (struct str){from, (size_t)(builder->scan.at - from)});
    if (!text.ptr)
        return scan_memory(&builder->scan);
    struct str digits = *text.ptr == '-' ? str_slice(text, 1, text.len) : text;
    int64_t number;
    if (whole && str_to_int64(digits, &number))
        *value = json_object_new_int64(*text.ptr == '-' ? -number : number);
    else
        *value = json_object_new_double_s(strtod(text.ptr, NULL), text.ptr);
    return *value || scan_memory(&builder->scan);
}

static bool build_literal(struct builder *builder, struct json_object **value)
{
    char first = *builder->scan.at;
    if (!scan_literal(&builder->scan) || !build_charge(builder, JSON_SCALAR_COST))
        return false;
    *value = first == 'n' ? NULL : json_object_new_boolean(first == 't');
    return first == 'n' || *value || scan_memory(&builder->scan);
}

/* json-c keeps keys as C strings, so a NUL would cut the key in two. */
static bool read_key(struct builder *builder)
{
    struct scan *scan = &builder->scan;
    struct str key;
    bool escaped;
    const char *from = scan->at;
    if (!scan_key(scan, &key, &escaped) || !build_charge(builder, JSON_SCALAR_COST + key.len))
        return false;
    key = build_unescaped(builder, key, escaped);
    if (builder->names) {
        buf_clear(builder->names);
        buf_add(builder->names, key);
        key.ptr = key.ptr && !builder->names->failed ? builder->names->data : NULL;
    } else {
        key = arena_copy(builder->arena, key);
    }
    if (!key.ptr)
        return scan_memory(scan);
    if (memchr(key.ptr, 0, key.len))
        return error_at(scan->error, 400, from - scan->start, "a key must not contain a NUL character (\\u0000)");
    builder->key[builder->depth - 1] = key.ptr;
    return true;
}

/* Puts a value into the container that is open. Takes it even when it fails. */
static bool build_place(struct builder *builder, struct json_object *value)
{
    if (builder->depth == 0) {
        builder->root = value;
        return true;
    }
    struct json_object *parent = builder->open[builder->depth - 1];
    /* An opened tree lives no longer than its arena, which has the key. */
    unsigned options = builder->source && !builder->names ? JSON_C_OBJECT_KEY_IS_CONSTANT : 0;
    int failed = json_object_is_type(parent, json_type_object)
                     ? json_object_object_add_ex(parent, builder->key[builder->depth - 1], value, options)
                     : json_object_array_add(parent, value);
    if (failed)
        json_object_put(value);
    return !failed || scan_memory(&builder->scan);
}

static bool build_scalar(struct builder *builder, enum json_kind kind)
{
    struct json_object *value = NULL;
    bool good = kind == JSON_STRING   ? build_string(builder, &value)
                : kind == JSON_NUMBER ? build_number(builder, &value)
                                      : build_literal(builder, &value);
    return good && build_place(builder, value);
}

static bool open_container(struct builder *builder, bool object)
{
    struct scan *scan = &builder->scan;
    if (builder->depth == JSON_DEPTH_LIMIT)
        return scan_too_deep(scan);
    if (!build_charge(builder, object ? JSON_OBJECT_COST : JSON_ARRAY_COST))
        return false;
    struct json_object *container = object ? json_object_new_object() : json_object_new_array_ext(4);
    if (!container)
        return scan_memory(scan);
    if (!build_place(builder, container))
        return false;
    builder->open[builder->depth++] = container;
    scan->at++;
    scan_space(scan);
    return true;
}

/* Up to the next value: past the key of a first member, or out of what closes here. */
static bool build_advance(struct builder *builder, bool opened)
{
    struct scan *scan = &builder->scan;
    while (builder->depth > 0) {
        bool object = json_object_is_type(builder->open[builder->depth - 1], json_type_object);
        bool more;
        if (!scan_member(scan, object ? '}' : ']', opened, &more))
            return false;
        opened = false;
        if (more)
            return !object || read_key(builder);
        if (object && builder->scan.end - builder->scan.start > LARGE_TEXT)
            json_shrink(builder->open[builder->depth - 1]);
        builder->depth--;
    }
    return true;
}

static bool build_tree(struct builder *builder)
{
    struct scan *scan = &builder->scan;
    do {
        enum json_kind kind;
        scan_space(scan);
        if (scan->at == scan->end || !scan_kind(*scan->at, &kind))
            return scan_expected(scan, scan->at, "a value");
        bool container = kind >= JSON_ARRAY;
        if (!(container ? open_container(builder, kind == JSON_OBJECT) : build_scalar(builder, kind)))
            return false;
        if (!build_advance(builder, container))
            return false;
    } while (builder->depth > 0);
    return scan_finish(scan);
}

static void build_release(void *tree)
{
    json_object_put(tree);
}

/* The tree is released together with the arena. A tree that cannot be recorded is released at
 * once, by arena_defer. */
struct json_object *json_own(struct arena *arena, struct json_object *tree)
{
    if (!tree)
        arena_fail(arena);
    return tree && arena_defer(arena, build_release, tree) ? tree : NULL;
}

/* NULL for "null", too, with no error; a caller that cares asks the index for the kind. Failing
 * with a code from 500 on means that memory ran out, and marks the arena. */
struct json_object *json_build(struct arena *arena, struct str raw, struct error *error)
{
    struct builder builder;
    builder.scan = scan_text(raw, error);
    builder.arena = arena;
    builder.root = NULL;
    builder.depth = 0;
    builder.cost = 0;
    builder.limit = build_limit(arena, 0);
    builder.names = NULL;
    builder.source = NULL;
    if (!build_tree(&builder)) {
        json_object_put(builder.root);
        if (error->code >= 500)
            arena_fail(arena);
        return NULL;
    }
    arena_count_held(arena, builder.cost);
    return builder.root ? json_own(arena, builder.root) : NULL;
}

/* ---- trees that are read where somebody looks ------------------------------- */

static void unread_free(struct json_object *container, void *unread)
{
    (void)container;
    free(unread);
}

/* NULL when out of memory. json-c gives every new object a table of 16 entries. */
static struct json_object *unread_new(struct json_source *source, struct str raw, bool passing)
{
    bool object = raw.ptr[0] == '{';
    struct json_object *container = object ? json_object_new_object() : json_object_new_array_ext(1);
    struct unread *unread = container ? malloc(sizeof *unread) : NULL;
    if (!unread) {
        json_object_put(container);
        return NULL;
    }
    *unread = (struct unread){.source = source, .raw = raw, .passing = passing};
    if (object && source->large)
        json_shrink(container);
    json_object_set_userdata(container, unread, unread_free);
    return container;
}

/* A container of which nothing but where it ends is looked at; its whole text was checked before. */
static bool build_unread(struct builder *builder, bool object)
{
    const char *from = builder->scan.at;
    const size_t of_object = builder->source->large ? JSON_OBJECT_COST / 4 : JSON_OBJECT_COST; /* unread_new */
    if (!scan_value(&builder->scan, 0) || !build_charge(builder, object ? of_object : JSON_ARRAY_COST))
        return false;
    const struct str raw = {from, (size_t)(builder->scan.at - from)};
    struct json_object *value = unread_new(builder->source, raw, builder->names);
    return value ? build_place(builder, value) : scan_memory(&builder->scan);
}

/* The next member or item, placed in the container that is open. False at the end, and where it fails. */
static bool unread_next(struct builder *builder, bool object, bool opened)
{
    enum json_kind kind;
    bool more;
    if (!scan_member(&builder->scan, object ? '}' : ']', opened, &more) || !more || (object && !read_key(builder)))
        return false;
    scan_space(&builder->scan);
    if (builder->scan.at == builder->scan.end || !scan_kind(*builder->scan.at, &kind))
        return scan_expected(&builder->scan, builder->scan.at, "a value");
    return kind < JSON_ARRAY ? build_scalar(builder, kind) : build_unread(builder, kind == JSON_OBJECT);
}

static void unread_begin(struct builder *builder, struct unread unread, struct json_object *container,
                         struct error *error)
{
    *error = (struct error){.code = 0};
    builder->scan = scan_text(unread.raw, error);
    builder->scan.at++;
    builder->arena = unread.source->arena;
    builder->open[0] = container;
    builder->depth = 1;
    builder->cost = unread.source->cost;
    builder->limit = build_limit(builder->arena, builder->cost);
    builder->source = unread.source;
    builder->names = NULL;
}

/* How many members or items it has. */
static size_t unread_count(struct str raw)
{
    struct error ignored;
    struct scan scan = scan_text(raw, &ignored);
    struct str key;
    const bool object = raw.ptr[0] == '{';
    size_t count = 0;
    bool more, escaped;
    scan.at++;
    for (bool opened = true; scan_member(&scan, object ? '}' : ']', opened, &more) && more; opened = false, count++) {
        scan_space(&scan);
        if ((object && !scan_key(&scan, &key, &escaped)) || !scan_value(&scan, 0))
            break;
    }
    return count;
}

bool json_unread_length(struct json_object *array, size_t *length)
{
    struct unread *unread = json_object_get_userdata(array);
    if (!unread)
        return false;
    if (!unread->counted) {
        unread->items = (unsigned)unread_count(unread->raw);
        unread->counted = true;
    }
    *length = unread->items;
    return true;
}

/* What cannot be read for want of memory is empty, and marks the arena failed: whoever asked fails then. */
void json_read_now(struct json_object *container)
{
    struct error error;
    struct builder builder;
    const struct unread unread = *(const struct unread *)json_object_get_userdata(container);
    bool object = unread.raw.ptr[0] == '{', opened = true;
    BUF_SCOPED names;
    buf_init(&names, SIZE_MAX / 2);
    json_object_set_userdata(container, NULL, NULL);
    unread_begin(&builder, unread, container, &error);
    if (unread.passing)
        builder.names = &names;
    if (object && unread.source->large) /* json-c doubles its table, and keeps the old one meanwhile */
        json_reserve(container, unread_count(unread.raw));
    while (unread_next(&builder, object, opened))
        opened = false;
    arena_count_held(builder.arena, builder.cost - unread.source->cost);
    unread.source->cost = builder.cost;
    if (error.code)
        arena_fail(unread.source->arena);
    if (!object)
        json_object_array_shrink(container, 0);
}

/* A NUL in a key, which only a full build finds, is left to it; and so are texts that are wrong, for its words. */
struct json_object *json_open(struct arena *arena, struct str raw, struct error *error)
{
    struct error ignored;
    struct scan scan = scan_text(raw, &ignored);
    scan_space(&scan);
    const char *from = scan.at;
    bool container = from < scan.end && (*from == '{' || *from == '[');
    if (!container || !scan_value(&scan, 0) || memmem(raw.ptr, raw.len, "\\u0000", 6))
        return json_build(arena, raw, error);
    const struct str text = {from, (size_t)(scan.at - from)};
    if (!scan_finish(&scan))
        return json_build(arena, raw, error);
    struct json_source *source = arena_alloc(arena, sizeof *source);
    if (source)
        *source = (struct json_source){.arena = arena, .large = raw.len > LARGE_TEXT};
    struct json_object *tree = source ? json_own(arena, unread_new(source, text, false)) : NULL;
    if (!tree) {
        arena_fail(arena);
        error_set(error, 500, "not enough memory for this text");
    }
    return tree;
}

/* ---- walks, which keep nothing ------------------------------------------------ */

struct json_walk {
    struct builder builder;
    struct error error;
    struct buf names;
    struct json_object *holder; /* of the member at hand */
    bool object, opened;
};

struct json_walk *json_unread_walk(struct json_object *container)
{
    const struct unread *unread = json_object_get_userdata(container);
    bool once = unread && (unread->raw.ptr[0] == '[' || !json_repeats_keys(unread->raw));
    struct json_walk *walk = once ? malloc(sizeof *walk) : NULL;
    if (!walk)
        return NULL;
    walk->object = unread->raw.ptr[0] == '{';
    walk->opened = true;
    walk->holder = json_object_new_array_ext(1);
    buf_init(&walk->names, SIZE_MAX / 2);
    if (!walk->holder) {
        free(walk);
        return NULL;
    }
    unread_begin(&walk->builder, *unread, walk->holder, &walk->error);
    walk->builder.names = &walk->names;
    return walk;
}

void json_unread_walk_end(struct json_walk *walk)
{
    if (walk->error.code)
        arena_fail(walk->builder.source->arena);
    json_object_put(walk->holder);
    buf_dispose(&walk->names);
    free(walk);
}

bool json_unread_walk_next(struct json_walk *walk, const char **key, struct json_object **value)
{
    if (!walk->opened)
        json_object_array_del_idx(walk->holder, 0, 1);
    walk->builder.cost = walk->builder.source->cost; /* of one at a time */
    if (!unread_next(&walk->builder, walk->object, walk->opened))
        return false;
    walk->opened = false;
    *key = walk->object ? walk->names.data : NULL;
    *value = json_object_array_get_idx(walk->holder, 0);
    return true;
}

bool json_unread(struct json_object *container, struct str *raw)
{
    const struct unread *unread = json_object_get_userdata(container);
    *raw = unread ? unread->raw : (struct str){NULL, 0};
    return unread;
}
