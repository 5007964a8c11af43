/* The scanner and the index: what is JSON, where it breaks, what is kept. */
#include <stdlib.h>

#include "backstop/json.h"
#include "suite.h"

enum { ARENA = 64 * 1024 * 1024 };

static bool accepts(struct str text, unsigned depth)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error;
    return json_index(arena, text, depth, &error) != NULL;
}

static void test_accepts(void)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "null",
        "true",
        "false",
        "\"\"",
        "0",
        "-0",
        "-1.5e+10",
        "1E5",
        "0.0",
        " \t\r\n1 \n",
        "[[],{},[{}]]",
        "{\"a\":{\"a\":{\"a\":[1,\"a\",null]}}}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\ude00\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "\"\x7f\"",
        "\"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80\"",
        "\"\xef\xbf\xbf\"",
        "12345678901234567890123456789",
        "1e400",
        "{\"\":1}",
        "[1,[2,[3,[4]]]]",
    };
    for (size_t i = 0; i < LENGTH_OF(texts); i++)
        for (unsigned depth = 0; depth < 4; depth++)
            CU_ASSERT(accepts(str_from(texts[i]), depth));
}

/* What is wrong, and at which byte. */
static void test_refuses(void)
{
    static const struct {
        const char *text;
        int64_t position;
        const char *message;
    } cases[] = {
        {"", 0, "expected a value, but the text ends here"},
        {" ", 1, "expected a value, but the text ends here"},
        {"{", 1, "expected a key in double quotes, but the text ends here"},
        {"{\"a\"", 4, "expected a colon after the key, but the text ends here"},
        {"{\"a\":", 5, "expected a value, but the text ends here"},
        {"{\"a\":1", 6, "expected a comma or }, but the text ends here"},
        {"{\"a\":1,}", 7, "expected a key in double quotes, found '}'"},
        {"{\"a\":1 \"b\":2}", 7, "expected a comma or }, found '\"'"},
        {"{a:1}", 1, "expected a key in double quotes, found 'a'"},
        {"[1,]", 3, "expected a value, found ']'"},
        {"[1 2]", 3, "expected a comma or ], found '2'"},
        {"[1}", 2, "expected a comma or ], found '}'"},
        {"{\"a\":[}", 6, "expected a value, found '}'"},
        {"[[[1]]", 6, "expected a comma or ], but the text ends here"},
        {"{} {}", 3, "expected nothing after the value, found '{'"},
        {"01", 1, "expected no digits after a leading 0, found '1'"},
        {"+1", 0, "expected a value, found '+'"},
        {"-", 1, "expected a digit, but the text ends here"},
        {"1.", 2, "expected a digit after the decimal point, but the text ends here"},
        {".5", 0, "expected a value, found '.'"},
        {"1e", 2, "expected a digit in the exponent, but the text ends here"},
        {"1e+x", 3, "expected a digit in the exponent, found 'x'"},
        {"tru", 0, "expected true, false or null, found 't'"},
        {"nulll", 4, "expected nothing after the value, found 'l'"},
        {"NaN", 0, "expected a value, found 'N'"},
        {"'a'", 0, "expected a value, found '''"},
        {"\"abc", 4, "the text ends inside a string: expected a closing quote"},
        {"\"a\\", 2, "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four hexadecimal digits"},
        {"\"a\\x\"", 2, "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four hexadecimal digits"},
        {"\"\\u12g4\"", 1, "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four hexadecimal digits"},
        {"\"a\nb\"", 2, "byte 0x0a must be escaped in a string: use \\u000a"},
        {"\"a\xff\"", 2, "byte 0xff is not UTF-8: expected text encoded as UTF-8"},
        {"\xef\xbb\xbf{}", 0, "expected a value, found byte 0xef"},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++)
        for (unsigned depth = 0; depth < 3; depth += 2) {
            ARENA_SCOPED arena = arena_new(ARENA);
            struct error error = {0};
            CU_ASSERT_PTR_NULL(json_index(arena, str_from(cases[i].text), depth, &error));
            ASSERT_TEXT(str_from(error.message), cases[i].message);
            CU_ASSERT_EQUAL(error.position, cases[i].position);
            CU_ASSERT_EQUAL(error.code, 400);
        }
}

static void test_nul_bytes(void)
{
    CU_ASSERT_FALSE(accepts(STR("\"a\0b\""), 0));
    CU_ASSERT_FALSE(accepts(STR("{}\0"), 1));
    CU_ASSERT_FALSE(accepts(STR("\0"), 1));
    CU_ASSERT_FALSE(accepts((struct str){NULL, 0}, 1));
}

/* Table 3-7 of the Unicode Standard: every way to be wrong, at every offset of the
 * 16 bytes that are looked at together. */
static void test_utf8(void)
{
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x41",
        "\xe0\x9f\xbf",
        "\xe0\xa0",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xe6\x97",
        "\xe6\x97\x41",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x98",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xfe",
        "\xff",
    };
    static const char *const good[] = {"\xc2\x80",     "\xdf\xbf",         "\xe0\xa0\x80",    "\xed\x9f\xbf",
                                       "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    char text[64];
    for (int offset = 0; offset < 20; offset++) {
        for (size_t i = 0; i < LENGTH_OF(bad); i++) {
            snprintf(text, sizeof(text), "\"%.*s%s%.*s\"", offset, "abcdefghijklmnopqrst", bad[i], 20 - offset,
                     "tsrqponmlkjihgfedcba");
            CU_ASSERT_FALSE(accepts(str_from(text), 0));
        }
        for (size_t i = 0; i < LENGTH_OF(good); i++) {
            snprintf(text, sizeof(text), "\"%.*s%s%.*s\"", offset, "abcdefghijklmnopqrst", good[i], 20 - offset,
                     "tsrqponmlkjihgfedcba");
            CU_ASSERT(accepts(str_from(text), 0));
        }
    }
}

static struct str nested(size_t levels, const char *open, const char *middle, const char *close, struct buf *buf)
{
    for (size_t i = 0; i < levels; i++)
        buf_puts(buf, open);
    buf_puts(buf, middle);
    for (size_t i = 0; i < levels; i++)
        buf_puts(buf, close);
    return buf_str(buf);
}

static void test_depth(void)
{
    static const char *const open[] = {"[", "{\"a\":", " [ "}, *const close[] = {"]", "}", " ] "};
    static const unsigned depths[] = {0, 1, 2, 600};
    for (size_t i = 0; i < LENGTH_OF(open); i++)
        for (size_t k = 0; k < LENGTH_OF(depths); k++) {
            BUF_SCOPED buf;
            buf_init(&buf, 1 << 20);
            CU_ASSERT(accepts(nested(JSON_DEPTH_LIMIT, open[i], "1", close[i], &buf), depths[k]));
            buf_clear(&buf);
            CU_ASSERT_FALSE(accepts(nested(JSON_DEPTH_LIMIT, open[i], "[]", close[i], &buf), depths[k]));
            buf_clear(&buf);
            CU_ASSERT_FALSE(accepts(nested(100000, open[i], "1", close[i], &buf), depths[k]));
        }
}

static void test_members(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error;
    const char *text = " { \"a\" : {\"b\":{\"c\":1},\"d\":[{\"e\":2}]} , \"t\\u0065xt\":\"x\\ny\", "
                       "\"yes\":true,\"no\":false,\"n\":-1.5 } ";
    const struct json_node *root = json_index(arena, str_from(text), 2, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_EQUAL(root->kind, JSON_OBJECT);
    const struct json_node *a = json_member(root, STR("a")), *b = json_member(a, STR("b"));
    ASSERT_TEXT(a->raw, "{\"b\":{\"c\":1},\"d\":[{\"e\":2}]}");
    ASSERT_TEXT(b->raw, "{\"c\":1}");
    CU_ASSERT_PTR_NULL(json_member(b, STR("c"))); /* deeper than asked */
    CU_ASSERT_EQUAL(json_member(a, STR("d"))->kind, JSON_ARRAY);
    ASSERT_TEXT(json_text(arena, json_member(root, STR("text"))), "x\ny");
    ASSERT_TEXT(json_member(root, STR("n"))->raw, "-1.5");
    CU_ASSERT(json_is_true(json_member(root, STR("yes"))));
    CU_ASSERT_FALSE(json_is_true(json_member(root, STR("no"))));
    CU_ASSERT_FALSE(json_is_true(json_member(root, STR("n"))));
    CU_ASSERT_FALSE(json_is_true(NULL));
    CU_ASSERT_PTR_NULL(json_member(root, STR("missing")));
    CU_ASSERT_PTR_NULL(json_member(NULL, STR("a")));
    CU_ASSERT_PTR_NULL(json_text(arena, a).ptr);
    CU_ASSERT_PTR_NULL(json_text(arena, NULL).ptr);
    size_t members = 0;
    for (const struct json_node *node = root->first; node; node = node->next)
        members++;
    CU_ASSERT_EQUAL(members, 5);
}

static void test_find(void)
{
    static const struct {
        const char *object, *found;
    } cases[] = {
        {"{}", NULL},
        {"[\"k\"]", NULL},
        {"{\"a\":{\"k\":1},\"kk\":2}", NULL},
        {"{\"k\":\"v\"}", "\"v\""},
        {" { \"a\" : [1,{\"k\":2}] , \"k\" : {\"x\":[]} , \"z\" : null } ", "{\"x\":[]}"},
        {"{\"\\u006b\":7}", "7"},
        {"{\"k\":1,\"k\":2}", "2"},
    };
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error;
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        const struct json_node *node = json_index(arena, str_from(cases[i].object), 0, &error);
        struct json_node member = {0};
        CU_ASSERT_PTR_NOT_NULL_FATAL(node);
        CU_ASSERT_EQUAL(json_find(arena, node, STR("k"), &member), cases[i].found != NULL);
        CU_ASSERT(str_eq(member.raw, str_from(cases[i].found)));
    }
}

static void test_text(void)
{
    static const struct {
        const char *json;
        struct str text;
    } cases[] = {
        {"\"\"", STR_INIT("")},
        {"\"plain\"", STR_INIT("plain")},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", STR_INIT("\"\\/\b\f\n\r\t")},
        {"\"a\\u0000b\"", STR_INIT("a\0b")},
        {"\"\\u00e9\\u65e5\\ud83d\\ude00\"", STR_INIT("\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80")},
        {"\"\\ud83d\"", STR_INIT("\xef\xbf\xbd")},
        {"\"\\ude00x\"", STR_INIT("\xef\xbf\xbdx")},
        {"\"\\ud83dx\\ude00\"", STR_INIT("\xef\xbf\xbdx\xef\xbf\xbd")},
        {"\"\\ud83d\\ud83d\\ude00\"", STR_INIT("\xef\xbf\xbd\xf0\x9f\x98\x80")},
        {"\"\\ud83d\\n\"", STR_INIT("\xef\xbf\xbd\n")},
    };
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error;
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        const struct json_node *node = json_index(arena, str_from(cases[i].json), 0, &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(node);
        CU_ASSERT(str_eq(json_text(arena, node), cases[i].text));
    }
}

/* Sixteen bytes are looked at together: an escape may begin, end or break anywhere among them. */
static void test_escape_places(void)
{
    static const struct {
        const char *middle;
        int64_t breaks; /* this many bytes into the middle; -1: it does not */
    } cases[] = {{"\\\"", -1}, {"\\\\", -1},  {"\\n\\t\\\"x", -1}, {"\\u0041\\\"", -1},
                 {"\\x", 0},   {"\\n\\q", 2}, {"\\\"\x01", 2}};
    for (size_t i = 0; i < LENGTH_OF(cases); i++)
        for (int before = 0; before < 34; before++) {
            ARENA_SCOPED arena = arena_new(ARENA);
            BUF_SCOPED text;
            struct error error = {0};
            buf_init(&text, 256);
            buf_printf(&text, "\"%.*s%s0123456789abcdef\"", before, "abcdefghijklmnopqrstuvwxyzabcdefgh",
                       cases[i].middle);
            bool good = json_index(arena, buf_str(&text), 0, &error) != NULL;
            CU_ASSERT_EQUAL(good, cases[i].breaks < 0);
            if (cases[i].breaks >= 0)
                CU_ASSERT_EQUAL(error.position, 1 + before + cases[i].breaks);
        }
}

static void test_duplicates(void)
{
    static const struct {
        const char *text;
        unsigned depth;
        bool good;
    } cases[] = {
        {"{\"a\":1,\"a\":1}", 1, false},
        {"{\"a\":1,\"\\u0061\":1}", 1, false},
        {"{\"a\":1,\"A\":1,\"\":2,\"aa\":3}", 1, true},
        {"{\"x\":{\"a\":1,\"a\":1}}", 1, true}, /* not indexed there */
        {"{\"x\":{\"a\":1,\"a\":1}}", 2, false},
        {"{\"a\":1,\"a\":1}", 0, true},
        {"{\"\\ud800\":1,\"\\ud801\":1}", 1, false}, /* both U+FFFD */
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++)
        CU_ASSERT_EQUAL(accepts(str_from(cases[i].text), cases[i].depth), cases[i].good);
}

/* 200,000 keys with one repeated: found, at its place, without comparing all pairs. */
static void test_many_keys(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    BUF_SCOPED buf;
    struct error error = {0};
    buf_init(&buf, 16 << 20);
    for (int i = 0; i < 200000; i++)
        buf_printf(&buf, "%s\"k%d\":1", i ? "," : "{", i);
    size_t clean = buf.len;
    buf_putc(&buf, '}');
    CU_ASSERT_PTR_NOT_NULL(json_index(arena, buf_str(&buf), 1, &error));
    buf.len = clean;
    buf_puts(&buf, ",\"k77\":2,\"k5\":3}");
    CU_ASSERT_PTR_NULL(json_index(arena, buf_str(&buf), 1, &error));
    ASSERT_TEXT(str_from(error.message), "duplicate key \"k77\" in one object: remove one of the two");
    CU_ASSERT_EQUAL(error.position, (int64_t)clean + 7);
}

static void test_out_of_memory(void)
{
    BUF_SCOPED buf;
    buf_init(&buf, 1 << 20);
    for (int i = 0; i < 5000; i++)
        buf_printf(&buf, "%s\"\\u006b%d\":\"\\n\"", i ? "," : "{", i);
    buf_putc(&buf, '}');
    for (size_t limit = 1; limit < 1 << 21; limit *= 2) {
        ARENA_SCOPED arena = arena_new(limit);
        struct error error = {0};
        if (arena && !json_index(arena, buf_str(&buf), 1, &error))
            CU_ASSERT_EQUAL(error.code, 500);
    }
}

/* Every truncation of a valid text is refused, and none reads past its end. */
static void test_truncated(void)
{
    static const char text[] = "{\"a\\u00e9\":[1,-2.5e3,\"\xc3\xa9\\n\",{\"b\":null}],\"c\":{\"d\":true,\"e\":"
                               "\"0123456789abcdef0123456789abcdef\"}}";
    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        char *copy = malloc(length ? length : 1); /* exact, for the address sanitizer */
        CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
        memcpy(copy, text, length);
        for (unsigned depth = 0; depth < 3; depth++)
            CU_ASSERT_FALSE(accepts((struct str){copy, length}, depth));
        free(copy);
    }
    CU_ASSERT(accepts(STR(text), 2));
}

/* What is emptied, as any other parser would find it; what is cut anywhere, without leaving the buffer. */
static void test_omits(void)
{
    static const struct {
        const char *text, *shorter;
    } texts[] = {
        {"{\"s\":{\"a\":[1,\"}\"]},\"t\":1}", "{\"s\":{},\"t\":1}"},
        {"[{\"v\": [{\"s\" : {\"s\":{}}, \"x\":2}]},{\"s\":{}}]", "[{\"v\": [{\"s\" : {}, \"x\":2}]},{\"s\":{}}]"},
        {"{\"s\":\"{\\\"s\\\":{1}}\",\"S\":{\"q\":1},\"ss\":{\"q\":1}}",
         "{\"s\":\"{\\\"s\\\":{1}}\",\"S\":{\"q\":1},\"ss\":{\"q\":1}}"},
        {"{\"a\":{\"b\":0},\"s\":{\"b\":0},\"s\":{\"c\":0}}", "{\"a\":{\"b\":0},\"s\":{},\"s\":{}}"},
        {"{\"s\":[{\"a\":1}],\"s\":null,\"s\":{\"\\\\\":\"\\\"}\"}}", "{\"s\":[{\"a\":1}],\"s\":null,\"s\":{}}"},
    };
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        size_t len = strlen(texts[i].text);
        for (size_t cut = 0; cut <= len; cut++) {
            BUF_SCOPED text;
            buf_init(&text, 1024);
            buf_add(&text, (struct str){texts[i].text, cut});
            json_omit(&text, STR("s"));
            CU_ASSERT(text.len <= cut);
            if (cut == len)
                CU_ASSERT(str_is(buf_str(&text), texts[i].shorter));
        }
    }
}

/* In one go as byte by byte, wherever the text is cut. */
static void test_brackets_skip(void)
{
    static const char bytes[] = "{}[],:\"\"\\ab ";
    uint64_t random = 88172645463325252U;
    for (unsigned step = 0; step < 20000; step++) {
        char data[48];
        struct str text = {data, sizeof data};
        for (size_t i = 0; i < sizeof data; i++) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            data[i] = bytes[(random >> 33) % (sizeof bytes - 1)];
        }
        struct json_brackets single = {.depth = step % 4}, whole = single;
        size_t at = 0, cut = (random >> 40) % sizeof data;
        while (at < text.len && json_brackets_take(&single, data[at]))
            at++;
        size_t skipped = json_brackets_skip(&whole, str_slice(text, 0, cut));
        if (skipped == cut)
            skipped += json_brackets_skip(&whole, str_slice(text, cut, text.len));
        CU_ASSERT_FATAL(skipped == at && whole.depth == single.depth && whole.quoted == single.quoted &&
                        whole.escaped == single.escaped);
    }
}

SUITE(json_index, {"strict JSON is accepted", test_accepts}, {"objects under a key are omitted", test_omits},
      {"anything else is refused, with its place", test_refuses}, {"NUL bytes are refused", test_nul_bytes},
      {"UTF-8 is checked at every offset", test_utf8}, {"depth is bounded", test_depth},
      {"members are indexed to the depth asked for", test_members}, {"a member is found without an index", test_find},
      {"escapes are decoded", test_text}, {"escapes at every place", test_escape_places},
      {"repeated keys are refused where indexed", test_duplicates}, {"thousands of keys", test_many_keys},
      {"a full arena", test_out_of_memory}, {"truncated texts", test_truncated},
      {"brackets are passed over as byte by byte", test_brackets_skip})
