/* The bytes matter: a patch test compares values, kubectl's annotations and golden files compare
 * texts, and diffs must show only what changed. So numbers, escapes and the order of members are
 * Go's. */
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

/* What was not read yet is written from its text, as it would be from a tree: without white space, and with texts and
 * numbers in one form. */
struct raw_writer {
    struct scan scan;
    struct buf *buf;
    struct arena *arena; /* of texts with escapes; NULL: there were none */
};

static void raw_write_text(struct raw_writer *writer, struct str inside, bool escaped)
{
    if (escaped && !writer->arena)
        writer->arena = arena_new(SIZE_MAX / 2);
    if (escaped && writer->arena)
        inside = json_unescape(writer->arena, inside);
    writer->buf->failed |= escaped && (!writer->arena || !inside.ptr);
    json_write_str(writer->buf, inside);
}

/* json_build keeps the text of what is no 64-bit integer; of the others only -0 is written in another way. */
static bool raw_write_number(struct raw_writer *writer)
{
    const char *from = writer->scan.at;
    bool whole;
    if (!scan_number(&writer->scan, &whole))
        return false;
    struct str text = {from, (size_t)(writer->scan.at - from)};
    buf_add(writer->buf, str_is(text, "-0") ? STR("0") : text);
    return true;
}

static bool raw_write(struct raw_writer *writer) /* NOLINT(misc-no-recursion): JSON_DEPTH_LIMIT deep at most */
{
    struct scan *scan = &writer->scan;
    enum json_kind kind;
    struct str inside;
    bool escaped, more;
    scan_space(scan);
    if (scan->at == scan->end || !scan_kind(*scan->at, &kind))
        return false;
    const char *from = scan->at;
    if (kind == JSON_NUMBER)
        return raw_write_number(writer);
    if (kind < JSON_NUMBER) {
        bool good = scan_literal(scan);
        buf_add(writer->buf, (struct str){from, (size_t)(scan->at - from)});
        return good;
    }
    if (kind == JSON_STRING) {
        bool good = scan_string(scan, &inside, &escaped);
        if (good)
            raw_write_text(writer, inside, escaped);
        return good;
    }
    char closing = kind == JSON_OBJECT ? '}' : ']';
    buf_putc(writer->buf, *scan->at++);
    for (bool opened = true;; opened = false) {
        if (!scan_member(scan, closing, opened, &more))
            return false;
        if (!more)
            break;
        if (!opened)
            buf_putc(writer->buf, ',');
        if (kind == JSON_OBJECT) {
            if (!scan_key(scan, &inside, &escaped))
                return false;
            raw_write_text(writer, inside, escaped);
            buf_putc(writer->buf, ':');
        }
        if (!raw_write(writer))
            return false;
    }
    buf_putc(writer->buf, closing);
    return true;
}

static void write_unread(struct buf *buf, struct str raw)
{
    struct error ignored;
    struct raw_writer writer = {.scan = scan_text(raw, &ignored), .buf = buf};
    if (!raw_write(&writer))
        buf->failed = true;
    arena_free(writer.arena);
}

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
    struct str raw;
    enum json_type type = json_object_get_type(value);
    if ((type == json_type_object || type == json_type_array) && json_unread(value, &raw)) {
        write_unread(buf, raw);
        return;
    }
    switch (type) {
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

struct json_object *json_keep(struct arena *arena, struct json_object *tree)
{
    struct error ignored;
    BUF_SCOPED text;
    buf_init(&text, INT32_MAX);
    json_write_tree(&text, tree);
    struct str kept = arena_keep_buf(arena, &text);
    if (!kept.ptr)
        arena_fail(arena);
    return kept.ptr ? json_open(arena, kept, &ignored) : NULL;
}
