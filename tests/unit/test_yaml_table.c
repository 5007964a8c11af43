/* What sigs.k8s.io/yaml makes of some thousands of texts (hack/yaml/run.sh asks
 * it), and that reading back what yaml_write wrote changes nothing. */
#include <stdlib.h>

#include "backstop/json.h"
#include "suite.h"

static const char table[] = "tests/unit/yaml_table.tsv";
enum { ARENA = 64 * 1024 * 1024, FAILURES_SHOWN = 20 };

static unsigned rows, failures;

static void complain(struct str row, const char *what)
{
    if (failures++ < FAILURES_SHOWN)
        fprintf(stderr, "\n    %.*s\n      %s\n", STR_ARG(row), what);
}

static bool load(struct arena *arena, struct str text, bool strict, struct json_object **tree)
{
    struct error error;
    struct yaml_document *document;
    if (!yaml_load(arena, text, &(struct yaml_options){.reject_duplicates = strict}, &document, &error))
        return false;
    *tree = document ? document->tree : NULL;
    return true;
}

/* Compares after one more reading of both: a float 8 is written as 8, and read as an integer. */
static bool same(struct arena *arena, struct json_object *tree, struct str answer)
{
    struct json_object *expected = NULL, *got = NULL;
    BUF_SCOPED json;
    buf_init(&json, 1 << 20);
    json_write_tree(&json, tree);
    return load(arena, answer, false, &expected) && load(arena, buf_str(&json), false, &got) &&
           json_object_equal(got, expected);
}

/* The tree as YAML, as a text of its own. */
static struct str written(struct arena *arena, struct json_object *tree)
{
    BUF_SCOPED yaml;
    buf_init(&yaml, 1 << 20);
    yaml_write(&yaml, tree);
    return yaml.failed ? (struct str){NULL, 0} : arena_copy(arena, buf_str(&yaml));
}

static void check(struct arena *arena, struct str row, struct str text, struct str answer, bool strict)
{
    struct json_object *tree = NULL, *again = NULL;
    bool good = load(arena, text, strict, &tree);
    if (str_is(answer, "!")) {
        if (good)
            complain(row, "accepted");
        return;
    }
    if (!good || !same(arena, tree, answer)) {
        complain(row, good ? "another value" : "refused");
        return;
    }
    struct str yaml = written(arena, tree);
    if (!yaml.ptr || !load(arena, yaml, true, &again) || !same(arena, again, answer))
        complain(row, yaml.ptr ? yaml.ptr : "could not be written");
}

static void check_row(struct str row)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error;
    struct str rest = row, column, lenient = {NULL, 0}, strict = {NULL, 0};
    CU_ASSERT_FATAL(str_cut(&rest, '\t', &column) && str_cut(&rest, '\t', &lenient) && str_cut(&rest, '\t', &strict));
    struct str text = json_text(arena, json_index(arena, column, 0, &error));
    CU_ASSERT_PTR_NOT_NULL_FATAL(text.ptr);
    check(arena, row, text, lenient, false);
    check(arena, row, text, strict, true);
    rows++;
}

static void test_table(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error;
    struct str text, row;
    CU_ASSERT_FATAL(file_read(arena, table, ARENA / 2, &text, &error));
    while (str_cut(&text, '\n', &row))
        if (row.len > 0)
            check_row(row);
    CU_ASSERT(rows > 2000);
    CU_ASSERT_EQUAL(failures, 0);
}

SUITE(yaml_table, {"the same values as sigs.k8s.io/yaml", test_table})
