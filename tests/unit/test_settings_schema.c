#include "backstop/json.h"
#include "backstop/settings.h"
#include "suite.h"

enum { FILE_LIMIT = 1 << 20 };

/* Tests run in the root of the source tree. */
static bool read_tree_file(struct arena *arena, const char *path, struct str *text)
{
    struct error error = {0};
    bool good = file_read(arena, path, FILE_LIMIT, text, &error);
    if (!good)
        fprintf(stderr, "\n    %s (tests run in the root of the source tree)\n", error.message);
    return good;
}

static void test_committed_schema(void)
{
    ARENA_SCOPED arena = arena_new(4 * FILE_LIMIT);
    struct str committed;
    CU_ASSERT_FATAL(read_tree_file(arena, "docs/settings.schema.json", &committed));
    BUF_SCOPED written;
    buf_init(&written, FILE_LIMIT);
    settings_write_schema(&written);
    bool same = str_eq(buf_str(&written), committed);
    if (!same)
        fprintf(stderr, "\n    docs/settings.schema.json is old: make docs\n");
    CU_ASSERT(same);
}

static void test_schema_says_what_the_parser_does(void)
{
    ARENA_SCOPED arena = arena_new(4 * FILE_LIMIT);
    BUF_SCOPED written;
    struct error error = {0};
    buf_init(&written, FILE_LIMIT);
    settings_write_schema(&written);
    struct json_object *schema = json_build(arena, buf_str(&written), &error);
    CU_ASSERT_FATAL(schema != NULL);
    struct json_object *age = json_path(schema, "properties.upgrade.properties.maxBackupAge");
    ASSERT_TEXT(json_get_str(age, "default"), "1h");
    ASSERT_TEXT(json_get_str(age, "type"), "string");
    CU_ASSERT(json_get_str(age, "description").len > 0);
    struct json_object *frequent = json_path(schema, "properties.schedules.properties.tooFrequent");
    CU_ASSERT(json_len(json_get(frequent, "enum")) == 3);
    ASSERT_TEXT(json_str(json_item(json_get(frequent, "enum"), 2)), "deny");
    CU_ASSERT(json_object_is_type(json_get(schema, "additionalProperties"), json_type_boolean));
    CU_ASSERT(!json_get_bool(schema, "additionalProperties"));
    CU_ASSERT(json_len(json_path(schema, "properties.velero.properties.serviceAccounts.default")) == 2);
}

/* What `backstop settings` prints is the committed sample. */
static void test_committed_sample(void)
{
    ARENA_SCOPED arena = arena_new(4 * FILE_LIMIT);
    struct str committed;
    CU_ASSERT_FATAL(read_tree_file(arena, "manifests/samples/settings.yaml", &committed));
    BUF_SCOPED written;
    buf_init(&written, FILE_LIMIT);
    settings_write_sample(&written);
    bool same = str_eq(buf_str(&written), committed);
    if (!same)
        fprintf(stderr, "\n    manifests/samples/settings.yaml is old: make docs\n");
    CU_ASSERT(same);
}

/* The commented sample names every key of the schema, at its default. */
static void test_sample(void)
{
    ARENA_SCOPED arena = arena_new(4 * FILE_LIMIT);
    struct str text;
    struct error error = {0};
    struct yaml_document *document = NULL;
    const struct yaml_options options = {.reject_duplicates = true};
    CU_ASSERT_FATAL(read_tree_file(arena, "manifests/samples/settings.yaml", &text));
    struct settings *settings = settings_parse(text, &error);
    if (!settings)
        fprintf(stderr, "\n    line %lld: %s\n", (long long)error.position, error.message);
    CU_ASSERT_FATAL(settings != NULL);
    shared_release(&settings->shared);
    CU_ASSERT_FATAL(yaml_load(arena, text, &options, &document, &error) && document != NULL);
    BUF_SCOPED written;
    buf_init(&written, FILE_LIMIT);
    settings_write_schema(&written);
    struct json_object *schema = json_build(arena, buf_str(&written), &error);
    CU_ASSERT_FATAL(schema != NULL);
    json_foreach(json_get(schema, "properties"), section, properties)
    {
        struct json_object *here = json_get(document->tree, section), *keys = json_get(properties, "properties");
        CU_ASSERT(here != NULL);
        if (!keys && json_get(properties, "default"))
            CU_ASSERT(json_object_equal(here, json_get(properties, "default")));
        if (!keys)
            continue;
        json_foreach(keys, key, rule)
        {
            if (!json_object_equal(json_get(here, key), json_get(rule, "default")))
                fprintf(stderr, "\n    manifests/samples/settings.yaml: %s.%s is not at its default: make docs\n",
                        section, key);
            CU_ASSERT(json_object_equal(json_get(here, key), json_get(rule, "default")));
        }
    }
}

SUITE(settings_schema, {"the committed schema is the table's", test_committed_schema},
      {"types, defaults and allowed words", test_schema_says_what_the_parser_does},
      {"the committed sample is the table's", test_committed_sample},
      {"the sample names every key at its default", test_sample})
