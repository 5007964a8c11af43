/* Trees: building, reading, writing. */
#include <stdlib.h>
#include <string.h>

#include "backstop/json.h"
#include "suite.h"

enum { ARENA = 64 * 1024 * 1024 };

/* Builds the text and writes it again; an empty text when it is refused. */
static struct str rewritten(struct arena *arena, struct str text)
{
    struct error error = {0};
    BUF_SCOPED buf;
    buf_init(&buf, 1 << 20);
    struct json_object *tree = json_build(arena, text, &error);
    if (!tree && error.code)
        return STR("");
    json_write_tree(&buf, tree);
    return arena_copy(arena, buf_str(&buf));
}

static void test_round_trip(void)
{
    static const struct {
        const char *text, *written; /* NULL: the same */
    } cases[] = {
        {"{\"b\":1,\"a\":[true,false,null,\"x\",{}],\"c\":{}}", NULL},
        {" [ 1 , 2 ] ", "[1,2]"},
        {"null", NULL},
        {"\"a\\u00e9\\n\\u0001\\/\"", "\"a\xc3\xa9\\n\\u0001/\""},
        {"\"a\\u0000b\"", NULL},
        {"\"<&>\"", NULL},
        {"\"\\u2028\\u2029\\u2027\"", "\"\\u2028\\u2029\xe2\x80\xa7\""},
        {"\"\\ud800\"", "\"\xef\xbf\xbd\""},
        {"[0,-0,1,-1,9223372036854775807,-9223372036854775808]", "[0,0,1,-1,9223372036854775807,-9223372036854775808]"},
        {"[9223372036854775808,18446744073709551615,18446744073709551616]", NULL},
        {"[1.0,1.50,1e3,1E-7,-0.0,1e400,0.1]", NULL},
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"}, /* the last one wins, as in Go */
        {"[[[]],[{}],{\"\":[]}]", NULL},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        ASSERT_TEXT(rewritten(arena, str_from(cases[i].text)), cases[i].written ? cases[i].written : cases[i].text);
    }
}

static void test_refused(void)
{
    static const char *const texts[] = {"",    "{",     "{\"a\":1,}", "[1,]", "NaN",      "Infinity",
                                        "'a'", "{a:1}", "1 2",        "[1]x", "\"\xff\"", "{\"a\\u0000b\":1}",
                                        "01",  "tru",   "/**/1",      "[1"};
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        struct error error = {0};
        CU_ASSERT_PTR_NULL(json_build(arena, str_from(texts[i]), &error));
        CU_ASSERT_EQUAL(error.code, 400);
        CU_ASSERT(error.message[0] != '\0' && error.position >= 0 && (size_t)error.position <= strlen(texts[i]));
    }
}

static void test_null(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error = {0};
    CU_ASSERT_PTR_NULL(json_build(arena, STR("null"), &error));
    CU_ASSERT_EQUAL(error.code, 0);
}

/* "{}" costs json-c hundreds of times its two bytes: refused before memory runs out. */
static void test_memory_bound(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    BUF_SCOPED buf;
    struct error error = {0};
    buf_init(&buf, 8 << 20);
    for (int i = 0; i < 1000000; i++)
        buf_puts(&buf, i ? ",{}" : "[{}");
    buf_putc(&buf, ']');
    CU_ASSERT_PTR_NULL(json_build(arena, buf_str(&buf), &error));
    CU_ASSERT_EQUAL(error.code, 413);
}

static void test_deep(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    BUF_SCOPED buf;
    struct error error = {0};
    buf_init(&buf, 1 << 20);
    for (int i = 0; i < JSON_DEPTH_LIMIT; i++)
        buf_puts(&buf, "{\"a\":");
    size_t deepest = buf.len;
    buf_puts(&buf, "1");
    for (int i = 0; i < JSON_DEPTH_LIMIT; i++)
        buf_putc(&buf, '}');
    CU_ASSERT_EQUAL(rewritten(arena, buf_str(&buf)).len, buf.len);
    buf.data[deepest] = '[';
    CU_ASSERT_PTR_NULL(json_build(arena, buf_str(&buf), &error));
    ASSERT_TEXT(str_from(error.message), "arrays and objects are nested deeper than 512 levels");
}

static void test_readers(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error;
    struct json_object *tree = json_build(arena,
                                          STR("{\"s\":\"text\",\"nul\":\"a\\u0000b\",\"t\":true,\"f\":false,\"n\":1,"
                                              "\"null\":null,\"a\":[1,\"x\"],\"o\":{\"p\":{\"q\":\"deep\"}}}"),
                                          &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    ASSERT_TEXT(json_get_str(tree, "s"), "text");
    CU_ASSERT_EQUAL(json_get_str(tree, "nul").len, 3);
    CU_ASSERT_PTR_NULL(json_get_str(tree, "n").ptr);
    CU_ASSERT_PTR_NULL(json_get_str(tree, "missing").ptr);
    CU_ASSERT_PTR_NULL(json_get_str(NULL, "s").ptr);
    CU_ASSERT(json_get_bool(tree, "t"));
    CU_ASSERT_FALSE(json_get_bool(tree, "f") || json_get_bool(tree, "n") || json_get_bool(tree, "s") ||
                    json_get_bool(NULL, "t"));
    CU_ASSERT_EQUAL(json_len(json_get(tree, "a")), 2);
    CU_ASSERT_EQUAL(json_len(tree) + json_len(NULL) + json_len(json_get(tree, "s")), 0);
    ASSERT_TEXT(json_str(json_item(json_get(tree, "a"), 1)), "x");
    CU_ASSERT_PTR_NULL(json_item(json_get(tree, "a"), 2));
    CU_ASSERT_PTR_NULL(json_item(tree, 0));
    ASSERT_TEXT(json_path_str(tree, "o.p.q"), "deep");
    ASSERT_TEXT(json_path_str(tree, "s"), "text");
    CU_ASSERT_PTR_NULL(json_path(tree, "o.p.q.r"));
    CU_ASSERT_PTR_NULL(json_path(tree, "o..q"));
    CU_ASSERT_PTR_NULL(json_path(NULL, "o"));
    CU_ASSERT_PTR_NULL(json_get(json_get(tree, "a"), "s"));
    char longer[400];
    memset(longer, 'k', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    CU_ASSERT_PTR_NULL(json_path(tree, longer));
}

static void test_write_str(void)
{
    static const struct {
        struct str text;
        const char *written;
    } cases[] = {
        {STR_INIT(""), "\"\""},
        {{NULL, 0}, "\"\""},
        {STR_INIT("a\"b\\c/d"), "\"a\\\"b\\\\c/d\""},
        {STR_INIT("\b\f\n\r\t\v\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u000b\\u001f\x7f\""},
        {STR_INIT("a\0b"), "\"a\\u0000b\""},
        {STR_INIT("\xff\xc3\xa9\xc3"), "\"\\ufffd\xc3\xa9\\ufffd\""},
        {STR_INIT("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""},
        {STR_INIT("\xf0\x9f\x98\x80"), "\"\xf0\x9f\x98\x80\""},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        BUF_SCOPED buf;
        buf_init(&buf, 1000);
        json_write_str(&buf, cases[i].text);
        ASSERT_TEXT(buf_str(&buf), cases[i].written);
    }
}

/* Numbers that this program made itself, as encoding/json would write them. */
static void test_write_doubles(void)
{
    static const struct {
        double value;
        const char *written;
    } cases[] = {{0, "0"},
                 {-0.0, "-0"},
                 {0.1, "0.1"},
                 {100, "100"},
                 {1.5e300, "1.5e+300"},
                 {1e20, "100000000000000000000"},
                 {1e21, "1e+21"},
                 {1e-6, "0.000001"},
                 {1e-7, "1e-7"},
                 {5e-324, "5e-324"},
                 {1.0 / 3, "0.3333333333333333"},
                 {-12.25, "-12.25"},
                 {123456789.125, "123456789.125"}};
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        BUF_SCOPED buf;
        buf_init(&buf, 1000);
        json_write_tree(&buf, json_own(arena, json_object_new_double(cases[i].value)));
        ASSERT_TEXT(buf_str(&buf), cases[i].written);
    }
}

static void test_write_bounded(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    BUF_SCOPED buf;
    struct error error;
    buf_init(&buf, 10);
    json_write_tree(&buf, json_build(arena, STR("[1,2,3,4,5,6,7]"), &error));
    CU_ASSERT(buf.failed);
    struct json_object *loop = json_object_new_array();
    json_object_array_add(loop, json_object_get(loop));
    buf_dispose(&buf);
    buf_init(&buf, 1 << 20);
    json_write_tree(&buf, loop);
    CU_ASSERT(buf.failed);
    json_object_array_del_idx(loop, 0, 1);
    json_object_put(loop);
}

/* json-c would abort on each of these. */
static void test_changing_another_type(void)
{
    static const char *const texts[] = {"null", "true", "1", "1.5", "\"x\"", "[1,\"x\"]", "{\"a\":1}"};
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        struct error error = {0};
        struct json_object *tree = json_build(arena, str_from(texts[i]), &error), *map;
        bool array = json_object_is_type(tree, json_type_array), object = json_object_is_type(tree, json_type_object);
        size_t members = 0;
        json_foreach(tree, key, value)
        {
            members += str_is(str_from(key), "a") && value != NULL;
        }
        CU_ASSERT_EQUAL(members, object);
        CU_ASSERT_EQUAL(json_member_count(tree), object);
        CU_ASSERT_EQUAL(json_append(tree, json_object_new_int(1)), array);
        CU_ASSERT_EQUAL(json_append_null(tree), array);
        CU_ASSERT_EQUAL(json_insert(tree, 0, NULL), array);
        CU_ASSERT_EQUAL(json_insert(tree, json_len(tree), json_object_new_int(5)), array);
        CU_ASSERT_EQUAL(json_insert(tree, 99, json_object_new_int(5)), false);
        CU_ASSERT_EQUAL(json_replace(tree, 1, json_object_new_int(2)), array);
        CU_ASSERT_EQUAL(json_replace(tree, 99, json_object_new_int(2)), false);
        CU_ASSERT_EQUAL(json_remove(tree, 0), array);
        CU_ASSERT_EQUAL(json_remove(tree, 99), false);
        CU_ASSERT_EQUAL(json_put(tree, "b", json_object_new_int(1)), object);
        CU_ASSERT_EQUAL(json_put_text(tree, "c", STR("x")), object);
        CU_ASSERT_EQUAL(json_put_null(tree, "d"), object);
        CU_ASSERT_EQUAL(json_put_shared(tree, "e", json_get(tree, "c")), object);
        CU_ASSERT_EQUAL(json_put_shared(tree, "f", NULL), object);
        CU_ASSERT_EQUAL(json_put_map(tree, "g", &map), object);
        CU_ASSERT_EQUAL(map != NULL, object);
        json_delete(tree, "a");
        BUF_SCOPED buf;
        buf_init(&buf, 1000);
        json_write_tree(&buf, tree);
        ASSERT_TEXT(buf_str(&buf), array    ? "[2,\"x\",1,null,5]"
                                   : object ? "{\"b\":1,\"c\":\"x\",\"d\":null,\"e\":\"x\",\"f\":null,\"g\":{}}"
                                            : texts[i]);
    }
    CU_ASSERT_FALSE(json_put(NULL, "a", NULL) || json_append(NULL, NULL));
}

static void test_copies(void)
{
    static const char *const texts[] = {
        "{\"a\":[null,true,1,1.50,\"a\\u0000b\",{\"c\":{}}],\"d\":18446744073709551616}", "[]"};
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        struct error error = {0};
        struct json_object *tree = json_build(arena, str_from(texts[i]), &error),
                           *copy = json_own(arena, json_copy(tree));
        BUF_SCOPED buf;
        buf_init(&buf, 1000);
        json_write_tree(&buf, copy);
        ASSERT_TEXT(buf_str(&buf), texts[i]);
        CU_ASSERT(json_object_equal(tree, copy) && tree != copy);
    }
    CU_ASSERT_PTR_NULL(json_copy(NULL));
}

/* In place: what was read before shows it. */
static void test_wiping(void)
{
    static const size_t sizes[] = {1, 7, 8, 64, 3000};
    for (size_t i = 0; i < LENGTH_OF(sizes); i++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        char *text = arena_alloc(arena, sizes[i]);
        CU_ASSERT_FATAL(text != NULL);
        memset(text, 'k', sizes[i]);
        struct json_object *value = json_own(arena, json_new_text((struct str){text, sizes[i]}));
        struct str seen = json_str(value);
        CU_ASSERT(str_eq(seen, (struct str){text, sizes[i]}));
        json_wipe_text(value);
        memset(text, 0, sizes[i]);
        CU_ASSERT(str_eq(seen, (struct str){text, sizes[i]}));
    }
    json_wipe_text(NULL);
}

/* An opened tree is the one that is built, be it unread, half read or read. */
static void test_opened(void)
{
    static const char *const texts[] = {
        "{}", "[ ]", "{\n  \"a\": {\"b\": [1, {\"c\": null}, \"\\u00e9\\/\"]},\n\t\"d\": -0, \"e\": 1e3}", "[[[[{}]]]]",
        "{\"n\": 18446744073709551615, \"m\": -9223372036854775808, \"t\": true}"};
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        struct error error;
        BUF_SCOPED built, opened;
        buf_init(&built, 1000);
        buf_init(&opened, 1000);
        struct json_object *whole = json_build(arena, str_from(texts[i]), &error);
        struct json_object *tree = json_open(arena, str_from(texts[i]), &error);
        json_write_tree(&built, whole);
        json_write_tree(&opened, tree);
        ASSERT_TEXT(buf_str(&opened), built.data);
        CU_ASSERT(json_equal(whole, tree)); /* which reads it */
        buf_clear(&opened);
        json_write_tree(&opened, tree);
        ASSERT_TEXT(buf_str(&opened), built.data);
        CU_ASSERT(!arena_failed(arena));
    }
}

/* Nothing of it stays in memory, and of a key that is there twice the last counts, as everywhere. */
static void test_walks(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error;
    const struct str text = STR("{\"a\": {\"x\": 1}, \"b\": [true], \"c\": null}");
    const struct str twice = STR("{\"a\": 1, \"a\": 2}");
    struct json_object *tree = json_open(arena, text, &error), *repeats = json_open(arena, twice, &error);
    BUF_SCOPED seen;
    buf_init(&seen, 1000);
    json_walk_each(tree, key, value)
    {
        buf_printf(&seen, "%s=", key);
        json_write_tree(&seen, value);
        if (strcmp(key, "a") == 0)
            CU_ASSERT(json_has(value, "x"));
    }
    json_walk_each(repeats, again, number)
    {
        buf_printf(&seen, " %s=", again);
        json_write_tree(&seen, number);
    }
    json_walk_each(json_get(tree, "b"), none, item)
    {
        CU_ASSERT(!none);
        json_write_tree(&seen, item);
    }
    json_walk_each(json_get(tree, "c"), never, ever)
    {
        CU_FAIL("null has no members");
        (void)never, (void)ever;
    }
    ASSERT_TEXT(buf_str(&seen), "a={\"x\":1}b=[true]c=null a=2true");
    CU_ASSERT(!json_repeats_keys(text) && json_repeats_keys(twice));
    CU_ASSERT(json_repeats_keys(STR("[{\"deep\": {\"a\": 1, \"b\": 2, \"a\": 3}}]")));
    CU_ASSERT(!json_repeats_keys(STR("{\"a\": {\"a\": {\"a\": 1}}}")));
}

/* A copy outlives the arena, and the text, that it was made of. */
static void test_kept(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct arena *other = arena_new(ARENA);
    struct error error;
    BUF_SCOPED seen;
    buf_init(&seen, 1000);
    struct json_object *tree = json_open(other, arena_copy(other, STR("{\"a\": {\"b\": \"c\"}}")), &error);
    struct json_object *kept = json_keep(arena, tree);
    arena_free(other);
    ASSERT_TEXT(json_path_str(kept, "a.b"), "c");
    json_write_tree(&seen, kept);
    ASSERT_TEXT(buf_str(&seen), "{\"a\":{\"b\":\"c\"}}");
}

/* However they are made and read, all trees of one arena share its limit. */
static void test_held(void)
{
    enum { ITEMS = 3000, LIMIT = ITEMS * 500 };
    BUF_SCOPED text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < ITEMS; i++)
        buf_puts(&text, i ? ",{}" : "[{}");
    buf_puts(&text, "]");
    for (int way = 0; way < 2; way++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        struct error error = {.code = 0};
        arena_limit_held(arena, LIMIT);
        struct json_object *tree =
            way ? json_open(arena, buf_str(&text), &error) : json_build(arena, buf_str(&text), &error);
        CU_ASSERT(way ? tree && !error.code : !tree && error.code == 500); /* what is not read takes nothing */
        if (way)
            CU_ASSERT(json_item(tree, 0) != NULL);
        CU_ASSERT(arena_failed(arena));
    }
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error = {.code = 0};
    int trees = 0;
    arena_limit_held(arena, LIMIT);
    while (trees < ITEMS && json_build(arena, STR("[{}, {}, {}]"), &error))
        trees++;
    CU_ASSERT(trees > 100 && trees < ITEMS / 3);
    CU_ASSERT(error.code == 500 && arena_failed(arena));
}

SUITE(json_tree, {"an opened tree is the one that is built", test_opened}, {"walks keep nothing", test_walks},
      {"a copy outlives its origin", test_kept}, {"what is built is written again", test_round_trip},
      {"what is no JSON is refused", test_refused}, {"null is no error", test_null},
      {"memory is bounded", test_memory_bound}, {"all trees of an arena share its limit", test_held},
      {"depth is bounded", test_deep}, {"readers never fail", test_readers},
      {"strings are escaped as in Go", test_write_str}, {"doubles are written as in Go", test_write_doubles},
      {"writing is bounded", test_write_bounded},
      {"what is of another type is not changed", test_changing_another_type}, {"copies are exact", test_copies},
      {"a text is zeroed in place", test_wiping})
