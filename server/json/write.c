/* The bytes matter: a patch test compares values, kubectl's annotations and golden files compare
 * texts, and diffs must show only what changed. So numbers, escapes and the order of members are
 * Go's. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

/* JSON out, as Go's encoding/json writes it without HTML escaping. */

/* Nothing that this program reads or makes is deeper; a cycle would be. */
enum { WRITE_DEPTH = 4 * JSON_DEPTH_LIMIT };

/* Writes the byte or the sequence at `at` that is not plain; returns its length. */
static size_t write_special(struct buf *buf, const char *at, const char *end)
{
    static const char letters[256] = {
        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    unsigned char byte = (unsigned char)*at;
    if (byte >= 0x80) {
        size_t length = utf8_length(at, end);
        /* Go escapes the two line separators of JavaScript always */
        if (length == 3 && memcmp(at, "\xe2\x80\xa8", 2) == 0 && ((unsigned char)at[2] & 0xfe) == 0xa8)
            buf_printf(buf, "\\u202%c", at[2] & 1 ? '9' : '8');
        else if (length)
            buf_add(buf, (struct str){at, length});
        else
            buf_puts(buf, "\\ufffd");
        return length ? length : 1;
    }
    if (letters[byte]) {
        char escape[2] = {'\\', letters[byte]};
        buf_add(buf, (struct str){escape, sizeof(escape)});
    } else {
        buf_printf(buf, "\\u%04x", byte);
    }
    return 1;
}

void json_write_str(struct buf *buf, struct str text)
{
    const char *at = text.ptr ? text.ptr : "", *end = at + text.len;
    buf_putc(buf, '"');
    while (at < end) {
        const char *from = at;
        at = scan_plain_end(at, end);
        buf_add(buf, (struct str){from, (size_t)(at - from)});
        if (at < end)
            at += write_special(buf, at, end);
    }
    buf_putc(buf, '"');
}

/* json-c hangs a double's own text on it as user data. Its own writer is no help: it changes the
 * object, and snapshots are shared between threads. A whole number that is INT64_MAX may stand
 * for a larger unsigned one; json-c saturates the signed reading. */
static void json_write_number_as_go(struct buf *buf, struct json_object *value)
{
    const char *text = json_object_get_userdata(value);
    if (text)
        buf_puts(buf, text);
    else if (json_object_is_type(value, json_type_double))
        number_write_json(buf, json_object_get_double(value));
    else if (json_object_get_int64(value) == INT64_MAX)
        buf_printf(buf, "%" PRIu64, json_object_get_uint64(value));
    else
        buf_printf(buf, "%" PRId64, json_object_get_int64(value));
}

static void json_write_node(struct buf *buf, struct json_object *value, unsigned depth);

static void write_object(struct buf *buf, struct json_object *object, unsigned depth)
{
    const char *separator = "{";
    json_foreach(object, key, member)
    {
        buf_puts(buf, separator);
        json_write_str(buf, str_from(key));
        buf_putc(buf, ':');
        json_write_node(buf, member, depth);
        separator = ",";
    }
    buf_puts(buf, *separator == '{' ? "{}" : "}");
}

static void write_array(struct buf *buf, struct json_object *array, unsigned depth)
{
    buf_putc(buf, '[');
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        if (i > 0)
            buf_putc(buf, ',');
        json_write_node(buf, json_object_array_get_idx(array, i), depth);
    }
    buf_putc(buf, ']');
}

static void json_write_node(struct buf *buf, struct json_object *value, unsigned depth)
{
    if (depth > WRITE_DEPTH)
        buf->failed = true;
    if (buf->failed)
        return;
    switch (json_object_get_type(value)) {
    case json_type_object:
        write_object(buf, value, depth + 1);
        return;
    case json_type_array:
        write_array(buf, value, depth + 1);
        return;
    case json_type_string:
        json_write_str(buf, json_str(value));
        return;
    case json_type_boolean:
        buf_puts(buf, json_object_get_boolean(value) ? "true" : "false");
        return;
    case json_type_null:
        buf_puts(buf, "null");
        return;
    default:
        json_write_number_as_go(buf, value);
    }
}

void json_write_tree(struct buf *buf, struct json_object *tree)
{
    json_write_node(buf, tree, 0);
}

/* json_build: json-c trees, built over the same strict scanner as the index so
 * that both accept the same texts (json-c's own tokener accepts NaN, and refuses
 * integers above 64 bits). */

/* The containers that are open, without recursion: a text may be as deep as the
 * limit on whatever stack the caller's thread has. */
struct builder {
    struct scan scan;
    struct arena *arena;
    struct json_object *root;
    struct json_object *open[JSON_DEPTH_LIMIT];
    const char *key[JSON_DEPTH_LIMIT]; /* of the member that is being read */
    unsigned depth;
    size_t cost;
};

enum { LARGE_TEXT = 256 * 1024 };

static bool build_charge(struct builder *builder, size_t cost)
{
    builder->cost += cost;
    if (builder->cost > JSON_TREE_LIMIT)
        return error_at(builder->scan.error, 413, builder->scan.at - builder->scan.start,
                        "the document needs more than %d MiB of memory: split it", JSON_TREE_LIMIT >> 20);
    return true;
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
    key = arena_copy(builder->arena, build_unescaped(builder, key, escaped));
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
    int failed = json_object_is_type(parent, json_type_object)
                     ? json_object_object_add(parent, builder->key[builder->depth - 1], value)
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
    if (!build_tree(&builder)) {
        json_object_put(builder.root);
        if (error->code >= 500)
            arena_fail(arena);
        return NULL;
    }
    return builder.root ? json_own(arena, builder.root) : NULL;
}
