/* JSON texts as nodes: one value, or several one after another, as kubectl takes
 * them; a line of "---" between them is passed over. */
#include "json/yaml.h"

#include <string.h>

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

/* Numbers, true, false and null mean the same as in YAML. */
static bool add_plain(struct json_reader *json, unsigned line)
{
    const char *from = json->scan.at;
    if (!scan_value(&json->scan, 0))
        return false;
    struct yaml_node *node = add_text(json, (struct str){from, (size_t)(json->scan.at - from)}, false, line);
    if (node)
        node->implicit = true;
    return node;
}

static bool add_string(struct json_reader *json, unsigned line)
{
    struct str inside;
    bool escaped;
    return scan_string(&json->scan, &inside, &escaped) && add_text(json, inside, escaped, line);
}

static bool add_value(struct json_reader *json, enum json_kind kind)
{
    unsigned line = line_here(json);
    if (kind == JSON_STRING)
        return add_string(json, line);
    if (kind < JSON_STRING)
        return add_plain(json, line);
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

static void skip_separators(struct scan *scan)
{
    scan_space(scan);
    while (scan->end - scan->at >= 4 && memcmp(scan->at, "---\n", 4) == 0) {
        scan->at += 4;
        scan_space(scan);
    }
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
        skip_separators(&json.scan);
    }
    return true;
}
