/* Text from outside on its way to a terminal. */
#include "suite.h"

static void test_escapes(void)
{
    static const struct {
        struct str text;
        const char *unicode, *ascii;
    } cases[] = {
        {STR_INIT("kcm-backup"), "kcm-backup", "kcm-backup"},
        {STR_INIT(""), "", ""},
        {STR_INIT("a\033[31mb"), "a\\x1b[31mb", "a\\x1b[31mb"},
        {STR_INIT("\033]0;title\007"), "\\x1b]0;title\\x07", "\\x1b]0;title\\x07"},
        {STR_INIT("a\r\n\tb\0c\177"), "a\\x0d\\x0a\\x09b\\x00c\\x7f", "a\\x0d\\x0a\\x09b\\x00c\\x7f"},
        {STR_INIT("caf\xc3\xa9"), "caf\xc3\xa9", "caf\\xc3\\xa9"},
        {STR_INIT("\xc2\x9b"
                  "31m"),
         "\\xc2\\x9b31m", "\\xc2\\x9b31m"}, /* CSI as one C1 character */
        {STR_INIT("\x9b\xff\xc3"), "\\x9b\\xff\\xc3", "\\x9b\\xff\\xc3"},
        {STR_INIT("a\xe2\x80\xae"
                  "b"),
         "a\\xe2\\x80\\xaeb", "a\\xe2\\x80\\xaeb"},
        {STR_INIT("\xe5\x82\x99\xe4\xbb\xbd"), "\xe5\x82\x99\xe4\xbb\xbd", "\\xe5\\x82\\x99\\xe4\\xbb\\xbd"},
    };
    ARENA_SCOPED arena = arena_new(1 << 16);
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        ASSERT_TEXT(arena_printable(arena, cases[i].text, false), cases[i].unicode);
        ASSERT_TEXT(arena_printable(arena, cases[i].text, true), cases[i].ascii);
    }
    /* Every single byte, and every pair that begins like UTF-8, leaves nothing to act on. */
    for (unsigned first = 0; first < 256; first++)
        for (unsigned second = 0; second < 256; second++) {
            char pair[2] = {(char)first, (char)second};
            BUF_SCOPED out;
            buf_init(&out, 64);
            buf_add_printable(&out, (struct str){pair, 2}, false);
            CU_ASSERT_FATAL(str_utf8_valid(buf_str(&out)));
            for (size_t i = 0; i < out.len; i++)
                CU_ASSERT_FATAL((unsigned char)out.data[i] >= 0x20 && out.data[i] != 0x7f);
            CU_ASSERT_FATAL(!(out.len == 2 && out.data[0] == '\xc2' && (unsigned char)out.data[1] < 0xa0));
        }
}

static void test_columns(void)
{
    static const struct {
        const char *text;
        size_t columns;
        const char *in_three;
    } cases[] = {
        {"", 0, ""},
        {"abcd", 4, "abc"},
        {"caf\xc3\xa9", 4, "caf"},
        {"e\xcc\x81", 1, "e\xcc\x81"},                                 /* a combining accent */
        {"abe\xcc\x81z", 4, "abe\xcc\x81"},                            /* stays with its letter */
        {"\xe5\x82\x99\xe4\xbb\xbd", 4, "\xe5\x82\x99"},               /* two columns each */
        {"\xf0\x9f\x98\x80x", 3, "\xf0\x9f\x98\x80x"},                 /* an emoji, and a letter */
        {"a\xe2\x80\x8b\xe2\x80\x8d", 1, "a\xe2\x80\x8b\xe2\x80\x8d"}, /* of no width */
        {"\xe1\x84\x80\xe1\x85\xa1", 2, "\xe1\x84\x80\xe1\x85\xa1"},   /* conjoining Hangul */
        {"\xe2\x97\x8f\xe2\x94\x82\xe2\x96\x88\xe2\x96\x91", 4, "\xe2\x97\x8f\xe2\x94\x82\xe2\x96\x88"},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        CU_ASSERT_EQUAL(str_columns(str_from(cases[i].text)), cases[i].columns);
        ASSERT_TEXT(str_fitting(str_from(cases[i].text), 3), cases[i].in_three);
    }
    CU_ASSERT_EQUAL(str_columns(STR("\xff\xfe")), 2);
}

SUITE(printable, {"what a terminal would act on becomes escapes", test_escapes},
      {"columns of combining and wide characters", test_columns})
