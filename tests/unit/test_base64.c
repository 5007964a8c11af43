#include "suite.h"

enum { MEMORY = 4 << 20, LONG = 1000 };

static void test_decode(void)
{
    ARENA_SCOPED arena = arena_new(MEMORY);
    static const struct {
        const char *text, *bytes; /* NULL: refused */
    } cases[] = {{"", ""},       {"aGk=", "hi"}, {"aGV5", "hey"},    {"aGV5aA==", "heyh"}, {"aG\nVy\r\n", "her"},
                 {"aGk", NULL},  {"a===", NULL}, {"aGk=aGk=", NULL}, {"====", NULL},       {"aG k", NULL},
                 {"-_-_", NULL}, {"=", NULL},    {"!!!!", NULL}};
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct str out = base64_decode(arena, str_from(cases[i].text));
        CU_ASSERT_EQUAL(out.ptr != NULL, cases[i].bytes != NULL);
        if (out.ptr && cases[i].bytes)
            ASSERT_TEXT(out, cases[i].bytes);
    }
}

static void test_encode(void)
{
    ARENA_SCOPED arena = arena_new(MEMORY);
    ASSERT_TEXT(base64_encode(arena, STR("")), "");
    ASSERT_TEXT(base64_encode(arena, STR("a")), "YQ==");
    ASSERT_TEXT(base64_encode(arena, STR("ab")), "YWI=");
    ASSERT_TEXT(base64_encode(arena, STR("abc")), "YWJj");
    char bytes[LONG];
    for (size_t length = 0; length < LONG; length++) {
        bytes[length] = (char)(length * 7);
        BUF_SCOPED written;
        buf_init(&written, MEMORY);
        base64_write((struct str){bytes, length}, &written);
        struct str encoded = base64_encode(arena, (struct str){bytes, length});
        CU_ASSERT(str_eq(encoded, buf_str(&written)));
        CU_ASSERT(str_eq(base64_decode(arena, encoded), (struct str){bytes, length}));
    }
}

SUITE(base64, {"as Go's StdEncoding takes it", test_decode}, {"written in blocks and whole, the same", test_encode})
