/* YAML out, as kubectl -o yaml prints it. */
#include <stdlib.h>

#include "backstop/json.h"
#include "suite.h"

enum { ARENA = 64 * 1024 * 1024 };

static struct str written(struct arena *arena, const char *json)
{
    struct error error = {0};
    BUF_SCOPED yaml;
    buf_init(&yaml, 1 << 20);
    yaml_write(&yaml, json_build(arena, str_from(json), &error));
    CU_ASSERT_FALSE(yaml.failed || error.code);
    return arena_copy(arena, buf_str(&yaml));
}

static void test_layout(void)
{
    static const struct {
        const char *json, *yaml;
    } cases[] = {
        {"{\"a\":{\"b\":[1,{\"c\":\"x\",\"d\":[[2]]}]},\"e\":{},\"f\":[],\"g\":null,\"h\":true,\"i\":1.50}",
         "a:\n  b:\n  - 1\n  - c: x\n    d:\n    - - 2\ne: {}\nf: []\ng: null\nh: true\ni: 1.50\n"},
        {"{\"a\":\"one\\ntwo\\n\",\"b\":\"one\\ntwo\",\"c\":\"one\\n\\n\",\"d\":1}",
         "a: |\n  one\n  two\nb: |-\n  one\n  two\nc: |+\n  one\n\nd: 1\n"},
        {"{\"a\":\"x\\n\\n\"}", "a: |+\n  x\n\n"},
        {"{\"a\":\"a line that is longer than eighty characters is not folded, so that it can be found again\"}",
         "a: a line that is longer than eighty characters is not folded, so that it can be found again\n"},
        {"[]", "[]\n"},
        {"\"x\"", "x\n"},
        {"null", "null\n"},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        ASSERT_TEXT(written(arena, cases[i].json), cases[i].yaml);
    }
}

static void test_quotes(void)
{
    static const struct {
        const char *text, *yaml;
    } cases[] = {
        {"plain", "plain\n"},
        {"two words", "two words\n"},
        {"yes", "\"yes\"\n"},
        {"n", "\"n\"\n"},
        {"null", "\"null\"\n"},
        {"~", "\"~\"\n"},
        {"", "\"\"\n"},
        {"1e3", "\"1e3\"\n"},
        {"0x1", "\"0x1\"\n"},
        {"1_0", "\"1_0\"\n"},
        {".5", "\".5\"\n"},
        {".inf", "\".inf\"\n"},
        {"2001-01-01", "\"2001-01-01\"\n"},
        {"2026-11-21T06:00:00Z", "\"2026-11-21T06:00:00Z\"\n"},
        {"1:30", "\"1:30\"\n"},
        {"*", "'*'\n"},
        {"*/5 * * * *", "'*/5 * * * *'\n"},
        {"0 9 * * 1", "0 9 * * 1\n"},
        {"@daily", "'@daily'\n"},
        {"a: b", "'a: b'\n"},
        {"a #b", "'a #b'\n"},
        {" a", "' a'\n"},
        {"it's", "it's\n"},
        {"- a", "'- a'\n"},
        {"kcm-1-2-0", "kcm-1-2-0\n"},
        {"1.2.3", "1.2.3\n"},
        {"\xc3\xa9", "\xc3\xa9\n"},
        {"a\tb", "\"a\\tb\"\n"},
        {"\xc2\x85", "\"\\N\"\n"},
        {"a\rb\nc", "\"a\\rb\\nc\"\n"},
        {"\xff", "\xef\xbf\xbd\n"},
        {"08", "\"08\"\n"},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        BUF_SCOPED yaml;
        buf_init(&yaml, 1000);
        yaml_write(&yaml, json_own(arena, json_object_new_string(cases[i].text)));
        ASSERT_TEXT(buf_str(&yaml), cases[i].yaml);
    }
}

static void test_bounded(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    BUF_SCOPED yaml;
    struct error error;
    buf_init(&yaml, 8);
    yaml_write(&yaml, json_build(arena, STR("[\"one\",\"two\",\"three\"]"), &error));
    CU_ASSERT(yaml.failed);
}

SUITE(yaml_write, {"block style", test_layout}, {"quotes where they are needed", test_quotes},
      {"writing is bounded", test_bounded})
