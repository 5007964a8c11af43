/* JSON out, as Go's encoding/json writes it without HTML escaping. */
#include "json/json.h"

#include <inttypes.h>
#include <string.h>

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

/* json-c hangs a double's own text on it as user data. Its own writer is no help:
 * it changes the object, and snapshots are shared between threads. */
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
