#include <inttypes.h>
#include <string.h>
#include <yaml.h>

#include "json/json.h"
#include "json/yaml.h"

/* YAML out, as kubectl -o yaml prints it: block style, lists not indented below
 * their key, quotes only where a text would be read as something else. Lines are
 * not folded, so that a message can be searched for. */

enum { SCRATCH_LIMIT = 64 * 1024 * 1024 };

struct yaml_writer {
    yaml_emitter_t emitter;
    struct arena *arena; /* for cleaned texts */
};

static int yaml_write_append(void *data, unsigned char *bytes, size_t length)
{
    struct buf *buf = data;
    buf_add(buf, (struct str){(const char *)bytes, length});
    return !buf->failed;
}

static bool yaml_write_value(struct yaml_writer *writer, struct json_object *value);

/* Takes the event over even when it fails, as libyaml does. */
static bool yaml_emit(struct yaml_writer *writer, int initialized, yaml_event_t *event)
{
    return initialized && yaml_emitter_emit(&writer->emitter, event);
}

static bool write_scalar(struct yaml_writer *writer, struct str text, yaml_scalar_style_t style)
{
    yaml_event_t event;
    const yaml_char_t *value = (const yaml_char_t *)(text.ptr ? text.ptr : "");
    return text.len <= INT32_MAX &&
           yaml_emit(writer, yaml_scalar_event_initialize(&event, NULL, NULL, value, (int)text.len, 1, 1, style),
                     &event);
}

/* YAML 1.1 reads 1:30 as 90; go-yaml does not, but quotes it for those who do. */
static bool is_sexagesimal(struct str text)
{
    return text.len > 0 && strchr("+-0123456789", *text.ptr) && str_contains(text, STR(":")) &&
           strspn(text.ptr, "+-0123456789_:.") >= text.len;
}

/* Breaks that YAML would fold or normalise, and the mark that it would drop. */
static bool has_odd_break(struct str text)
{
    static const struct str odd[] = {STR_INIT("\r"), STR_INIT("\xc2\x85"), STR_INIT("\xe2\x80\xa8"),
                                     STR_INIT("\xe2\x80\xa9"), STR_INIT("\xef\xbb\xbf")};
    for (size_t i = 0; i < LENGTH_OF(odd); i++)
        if (str_contains(text, odd[i]))
            return true;
    return false;
}

/* Decided by reading the text back with yaml_resolve: what would not come out as the same string
 * gets quotes. */
static yaml_scalar_style_t style_of(struct yaml_writer *writer, struct str text)
{
    struct yaml_scalar scalar;
    if (has_odd_break(text) || str_is(text, "<<")) /* as a key, << would merge */
        return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    if (text.ptr && text.len > 0 && memchr(text.ptr, '\n', text.len))
        return YAML_LITERAL_SCALAR_STYLE;
    if (!yaml_resolve(writer->arena, text, &scalar) || scalar.kind != SCALAR_STRING || is_sexagesimal(text))
        return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    return YAML_PLAIN_SCALAR_STYLE;
}

static bool write_text(struct yaml_writer *writer, struct str text)
{
    struct str clean = utf8_clean(writer->arena, text);
    return (clean.ptr || text.len == 0) && write_scalar(writer, clean, style_of(writer, clean));
}

static bool yaml_write_number(struct yaml_writer *writer, struct json_object *value)
{
    BUF_SCOPED digits;
    buf_init(&digits, 4096);
    json_write_tree(&digits, value);
    return !digits.failed && write_scalar(writer, buf_str(&digits), YAML_PLAIN_SCALAR_STYLE);
}

static bool write_mapping(struct yaml_writer *writer, struct json_object *object)
{
    yaml_event_t event;
    if (!yaml_emit(writer, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE),
                   &event))
        return false;
    json_foreach(object, key, member)
    {
        if (!write_text(writer, str_from(key)) || !yaml_write_value(writer, member))
            return false;
    }
    return yaml_emit(writer, yaml_mapping_end_event_initialize(&event), &event);
}

static bool write_sequence(struct yaml_writer *writer, struct json_object *array)
{
    yaml_event_t event;
    if (!yaml_emit(writer, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE),
                   &event))
        return false;
    for (size_t i = 0; i < json_len(array); i++)
        if (!yaml_write_value(writer, json_item(array, i)))
            return false;
    return yaml_emit(writer, yaml_sequence_end_event_initialize(&event), &event);
}

static bool yaml_write_value(struct yaml_writer *writer, struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_object:
        return write_mapping(writer, value);
    case json_type_array:
        return write_sequence(writer, value);
    case json_type_string:
        return write_text(writer, json_str(value));
    default: /* null, true, false and numbers are written alike in both */
        return yaml_write_number(writer, value);
    }
}

static bool write_document(struct yaml_writer *writer, struct json_object *tree)
{
    yaml_event_t event;
    return yaml_emit(writer, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING), &event) &&
           yaml_emit(writer, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1), &event) &&
           yaml_write_value(writer, tree) && yaml_emit(writer, yaml_document_end_event_initialize(&event, 1), &event) &&
           yaml_emit(writer, yaml_stream_end_event_initialize(&event), &event);
}

/* The first document's "---" is implicit; callers put markers between documents themselves. */
void yaml_write(struct buf *buf, struct json_object *tree)
{
    ARENA_SCOPED arena = arena_new(SCRATCH_LIMIT);
    struct yaml_writer writer = {.arena = arena};
    if (!arena || !yaml_emitter_initialize(&writer.emitter)) {
        buf->failed = true;
        return;
    }
    yaml_emitter_set_output(&writer.emitter, yaml_write_append, buf);
    yaml_emitter_set_unicode(&writer.emitter, 1);
    yaml_emitter_set_width(&writer.emitter, -1);
    if (!write_document(&writer, tree))
        buf->failed = true;
    yaml_emitter_delete(&writer.emitter);
    /* libyaml ends a stream with "..." when some text in it ends with blank lines. */
    if (!buf->failed && str_ends(buf_str(buf), STR("\n...\n"))) {
        buf->len -= 4;
        buf->data[buf->len] = '\0';
    }
}

/* JSON texts as nodes: one value, or several one after another, as kubectl takes
 * them; a line of "---" between them is passed over. */

/* Nodes rather than trees, so that lines and duplicate keys are reported for JSON files, too. */
struct json_reader {
    struct yaml_reader *reader;
    struct scan scan;
    const char *counted; /* lines up to here are in `line` */
    unsigned line;
};

static unsigned line_here(struct json_reader *json)
{
    const char *at = json->scan.at, *newline;
    while ((newline = memchr(json->counted, '\n', (size_t)(at - json->counted)))) {
        json->line++;
        json->counted = newline + 1;
    }
    json->counted = at;
    return json->line;
}

static struct yaml_node *add_text(struct json_reader *json, struct str inside, bool escaped, unsigned line)
{
    struct arena *arena = json->reader->arena;
    struct yaml_node *node = yaml_node_add(json->reader, NODE_SCALAR, line);
    if (!node)
        return NULL;
    node->value = escaped ? json_unescape(arena, inside) : arena_copy(arena, inside);
    if (node->value.ptr)
        return node;
    yaml_memory(json->reader, line);
    return NULL;
}

static bool add_key(struct json_reader *json)
{
    struct str inside;
    bool escaped;
    scan_space(&json->scan);
    unsigned line = line_here(json);
    return scan_key(&json->scan, &inside, &escaped) && add_text(json, inside, escaped, line);
}

static bool add_value(struct json_reader *json, enum json_kind kind)
{
    unsigned line = line_here(json);
    if (kind == JSON_STRING) {
        struct str inside;
        bool escaped;
        return scan_string(&json->scan, &inside, &escaped) && add_text(json, inside, escaped, line);
    }
    if (kind < JSON_STRING) {
        /* Numbers, true, false and null mean the same as in YAML. */
        const char *from = json->scan.at;
        if (!scan_value(&json->scan, 0))
            return false;
        struct yaml_node *node = add_text(json, (struct str){from, (size_t)(json->scan.at - from)}, false, line);
        if (node)
            node->implicit = true;
        return node;
    }
    json->scan.at++;
    return yaml_node_add(json->reader, kind == JSON_OBJECT ? NODE_MAPPING : NODE_SEQUENCE, line);
}

/* Up to the next value: past the key of a first member, or out of what closes here. */
static bool yaml_json_advance(struct json_reader *json, bool opened)
{
    struct scan *scan = &json->scan;
    while (json->reader->container) {
        bool object = json->reader->container->kind == NODE_MAPPING, more;
        if (!scan_member(scan, object ? '}' : ']', opened, &more))
            return false;
        opened = false;
        if (more)
            return !object || add_key(json);
        yaml_node_close(json->reader);
    }
    return true;
}

static bool add_document(struct json_reader *json)
{
    struct scan *scan = &json->scan;
    if (*scan->at != '{' && *scan->at != '[')
        return scan_expected(scan, scan->at, "an object or an array");
    if (!yaml_document_open(json->reader, line_here(json)))
        return false;
    do {
        enum json_kind kind;
        scan_space(scan);
        if (scan->at == scan->end || !scan_kind(*scan->at, &kind))
            return scan_expected(scan, scan->at, "a value");
        if (!add_value(json, kind) || !yaml_json_advance(json, kind >= JSON_ARRAY))
            return false;
    } while (json->reader->container);
    return true;
}

bool yaml_parse_json(struct yaml_reader *reader, struct str text)
{
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_slice(text, 3, text.len);
    struct json_reader json = {
        .reader = reader, .scan = scan_text(text, reader->error), .line = reader->options.lines_before + 1};
    json.counted = json.scan.start;
    scan_space(&json.scan);
    while (json.scan.at < json.scan.end) {
        if (!add_document(&json))
            return false;
        scan_space(&json.scan);
        while (json.scan.end - json.scan.at >= 4 && memcmp(json.scan.at, "---\n", 4) == 0) {
            json.scan.at += 4;
            scan_space(&json.scan);
        }
    }
    return true;
}
