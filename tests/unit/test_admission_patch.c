#include <string.h>

#include "backstop/admission.h"
#include "suite.h"

/* One step on one object; NULL: it does not fit. */
static void check(const char *object, const char *op, const char *path, const char *value, const char *expected)
{
    struct error error;
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct decision decision;
    decision_init(&decision, arena);
    struct json_object *tree = json_build(arena, str_from(object), &error);
    struct json_object *patch = value ? json_build(arena, str_from(value), &error) : NULL;
    decision_patch(&decision, op, path, patch);
    struct json_object *result = admission_apply_patch(arena, tree, &decision, &error);
    BUF_SCOPED text, before;
    buf_init(&text, 65536);
    buf_init(&before, 65536);
    if (result)
        json_write_tree(&text, result);
    if (!expected) {
        CU_ASSERT_PTR_NULL(result);
        CU_ASSERT(strstr(error.message, op) != NULL);
    } else {
        ASSERT_TEXT(buf_str(&text), expected);
    }
    json_write_tree(&before, tree); /* a copy was patched */
    ASSERT_TEXT(buf_str(&before), object);
}

static void test_objects(void)
{
    check("{\"a\":1}", "add", "/b", "2", "{\"a\":1,\"b\":2}");
    check("{\"a\":1}", "add", "/a", "{\"x\":[]}", "{\"a\":{\"x\":[]}}");
    check("{\"a\":1}", "add", "/b", NULL, "{\"a\":1,\"b\":null}");
    check("{\"a\":1}", "replace", "/a", "2", "{\"a\":2}");
    check("{\"a\":1}", "replace", "/b", "2", NULL);
    check("{\"a\":1,\"b\":2}", "remove", "/a", NULL, "{\"b\":2}");
    check("{\"a\":1}", "remove", "/b", NULL, NULL);
    check("{\"a\":{\"b\":{}}}", "add", "/a/b/c", "\"x\"", "{\"a\":{\"b\":{\"c\":\"x\"}}}");
    check("{\"a\":{}}", "add", "/a/b/c", "1", NULL); /* RFC 6902: the parent must exist */
    check("{\"a\":1}", "add", "/a/b", "1", NULL);
    check("{}", "add", "/", "1", "{\"\":1}");
}

static void test_escapes(void)
{
    check("{\"m\":{}}", "add", "/m/a.b~1c", "\"x\"", "{\"m\":{\"a.b/c\":\"x\"}}");
    check("{\"m\":{}}", "add", "/m/~01", "1", "{\"m\":{\"~1\":1}}");
    check("{\"m\":{}}", "add", "/m/~2~", "1", "{\"m\":{\"~2~\":1}}");
}

static void test_arrays(void)
{
    check("{\"l\":[1,2]}", "add", "/l/-", "3", "{\"l\":[1,2,3]}");
    check("{\"l\":[1,2]}", "add", "/l/0", "3", "{\"l\":[3,1,2]}");
    check("{\"l\":[1,2]}", "add", "/l/1", "3", "{\"l\":[1,3,2]}");
    check("{\"l\":[1,2]}", "add", "/l/2", "3", "{\"l\":[1,2,3]}");
    check("{\"l\":[1,2]}", "add", "/l/3", "3", NULL);
    check("{\"l\":[]}", "add", "/l/0", "3", "{\"l\":[3]}");
    check("{\"l\":[1,2]}", "replace", "/l/1", "3", "{\"l\":[1,3]}");
    check("{\"l\":[1,2]}", "replace", "/l/-", "3", NULL);
    check("{\"l\":[1,2]}", "replace", "/l/2", "3", NULL);
    check("{\"l\":[1,2]}", "remove", "/l/0", NULL, "{\"l\":[2]}");
    check("{\"l\":[1,2]}", "remove", "/l/2", NULL, NULL);
    check("{\"l\":[1,2]}", "add", "/l/x", "3", NULL);
    check("{\"l\":[1,2]}", "add", "/l/99999999999999999999", "3", NULL);
    check("{\"l\":[{\"a\":1}]}", "add", "/l/0/b", "2", "{\"l\":[{\"a\":1,\"b\":2}]}");
    check("{\"l\":[{\"a\":1}]}", "add", "/l/1/b", "2", NULL);
}

static void test_bad_paths(void)
{
    check("{\"a\":1}", "add", "", "1", NULL);
    check("{\"a\":1}", "add", "a", "1", NULL);
    check("{\"a\":1}", "remove", "/a/", NULL, NULL);
}

SUITE(admission_patch, {"steps in objects", test_objects}, {"escaped names", test_escapes},
      {"steps in arrays", test_arrays}, {"paths that lead nowhere", test_bad_paths})
