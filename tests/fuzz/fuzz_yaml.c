/* Any bytes as YAML: what is read can be written as JSON and as YAML, and reads
 * back as the same; limits hold. */
#include <string.h>

#include "backstop/json.h"
#include "fuzz.h"

enum { ARENA = 128 * 1024 * 1024 };

static const struct yaml_options strict = {.reject_duplicates = true, .node_limit = 20000};

static struct str as_json(struct arena *arena, struct json_object *tree)
{
    BUF_SCOPED json;
    buf_init(&json, ARENA);
    json_write_tree(&json, tree);
    PROMISE(!json.failed, "not written");
    return arena_copy(arena, buf_str(&json));
}

/* The float -0 is written as kubectl writes it, and read as the integer 0, as Go reads it. */
static bool has_negative_zero(struct str json)
{
    for (size_t i = 0; i + 2 < json.len; i++)
        if (json.ptr[i] == '-' && json.ptr[i + 1] == '0' && strchr(",]}", json.ptr[i + 2]))
            return true;
    return json.len == 2 && str_is(json, "-0");
}

/* One more reading first: a float 8 is written as 8, and read as an integer. */
static void check_yaml(struct arena *arena, struct json_object *tree)
{
    struct error error = {0};
    struct yaml_document *document;
    BUF_SCOPED yaml;
    buf_init(&yaml, ARENA);
    yaml_write(&yaml, tree);
    PROMISE(!yaml.failed, "not written");
    PROMISE(yaml_load(arena, buf_str(&yaml), &strict, &document, &error), "%s in\n%s", error.message, yaml.data);
    PROMISE(document && !document->next, "one document became several:\n%s", yaml.data);
    struct str before = as_json(arena, tree), after = as_json(arena, document->tree);
    PROMISE(str_eq(before, after) || has_negative_zero(before), "%s\n%s\n%s", before.ptr, after.ptr, yaml.data);
}

static const char *const fields[] = {"", "a", "spec.schedule", "a[0].b", "a[b.c/d]", "[", "a..b[", "<<.a"};

static void check_document(struct arena *arena, const struct yaml_document *document, unsigned last)
{
    struct error error = {0};
    struct str json = as_json(arena, document->tree);
    PROMISE(json_index(arena, json, 600, &error), "%s: %s", error.message, json.ptr);
    PROMISE(document->line >= 1 && document->line <= last, "line %u of %u", document->line, last);
    for (size_t i = 0; i < LENGTH_OF(fields); i++) {
        unsigned line = yaml_line(document, str_from(fields[i]));
        PROMISE(line >= 1 && line <= last, "line %u of %u", line, last);
    }
    check_yaml(arena, document->tree);
}

/* What is written as JSON without nodes is what they make of the same text, key for key. */
static void check_plain(struct arena *arena, struct str text, const struct yaml_document *document,
                        const struct yaml_options *options)
{
    struct error error = {0};
    struct yaml_outline outline;
    BUF_SCOPED json;
    buf_init(&json, ARENA);
    if (!yaml_write_as_json(&json, text, options, &outline))
        return;
    PROMISE(document && !document->next, "not one document: %s", json.data);
    PROMISE(outline.line == document->line, "line %u and %u", outline.line, document->line);
    struct json_object *tree = json_build(arena, buf_str(&json), &error);
    PROMISE(tree, "%s: %s", error.message, json.data);
    PROMISE(json_object_get_type(tree) == json_object_get_type(document->tree), "another type");
    struct str nodes = as_json(arena, document->tree), plain = as_json(arena, tree);
    PROMISE(str_eq(nodes, plain), "%s\n%s", nodes.ptr, plain.ptr);
    PROMISE(json_equal(tree, document->tree), "of other types: %s", plain.ptr);
    if (!json_repeats_keys(buf_str(&json)))
        PROMISE(str_eq(nodes, buf_str(&json)), "%s\n%s", nodes.ptr, json.data);
    if (json_len(tree) && json_object_is_type(json_item(tree, 0), json_type_object))
        PROMISE(outline.first_line == yaml_line(document, STR("[0]")), "line %u of the first item", outline.first_line);
    const struct yaml_lines *lines = yaml_read_lines(arena, text, options ? options->lines_before : 0);
    PROMISE(lines, "no lines: %s", json.data);
    for (size_t i = 0; i < LENGTH_OF(fields); i++) {
        unsigned line = yaml_lines_find(lines, str_from(fields[i])),
                 expected = yaml_line(document, str_from(fields[i]));
        PROMISE(line == expected, "%s: line %u, and %u in the nodes", fields[i], line, expected);
    }
}

/* libyaml counts \r, U+0085, U+2028 and U+2029 as line breaks too, and UTF-16 has two bytes each. */
static unsigned line_bound(const uint8_t *data, size_t size)
{
    unsigned lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0x85 || data[i] == 0xa8 || data[i] == 0xa9 ||
                 data[i] == 0x28 || data[i] == 0x29;
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct str text = {(const char *)data, size};
    struct yaml_options lenient = {.node_limit = 20000};
    struct yaml_document *documents, *again;
    struct error error = {0};
    bool good = yaml_load(arena, text, &strict, &documents, &error);
    if (!good) {
        PROMISE(error.message[0] != '\0' && error.position >= 1, "%s at %lld", error.message,
                (long long)error.position);
        PROMISE(error.position <= line_bound(data, size), "line %lld", (long long)error.position);
        PROMISE(error.code == 400 || error.code == 413, "%d %s", error.code, error.message);
    }
    for (const struct yaml_document *document = good ? documents : NULL; document; document = document->next)
        check_document(arena, document, line_bound(data, size));
    bool read = yaml_load(arena, text, &lenient, &again, &error);
    PROMISE(read || !good, "refused when lenient: %s", error.message);
    check_plain(arena, text, read ? again : NULL, &lenient);
    return 0;
}
