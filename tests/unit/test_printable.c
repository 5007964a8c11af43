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
        {STR_INIT("a\xe2\x80\x8b\xc2\xad\xef\xbf\xbe\xef\xbf\xbf\xf3\xa0\x81\x81z"),
         "a\\xe2\\x80\\x8b\\xc2\\xad\\xef\\xbf\\xbe\\xef\\xbf\\xbf\\xf3\\xa0\\x81\\x81z",
         "a\\xe2\\x80\\x8b\\xc2\\xad\\xef\\xbf\\xbe\\xef\\xbf\\xbf\\xf3\\xa0\\x81\\x81z"}, /* nothing to see, or none */
        {STR_INIT("\xed\xa0\x80"), "\\xed\\xa0\\x80", "\\xed\\xa0\\x80"},                  /* a lone surrogate */
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

static void test_visible(void)
{
    static const char *const seen[] = {"x", " x ", "\xc3\xa9", "e\xcc\x81", "\xe5\x82\x99", "\xf0\x9f\x98\x80",
                                       "-", "0"};
    static const char *const unseen[] = {
        "",
        " ",
        "\t\r\n",
        "\x01\x7f",
        "\xc2\x85",
        "\xc2\xa0",
        "\xc2\xad", /* controls, NBSP, soft hyphen */
        "\xe2\x80\x8b",
        "\xe2\x80\xa8",
        "\xe2\x80\xa9",
        "\xe2\x81\xa0", /* U+200B U+2028 U+2029 U+2060 */
        "\xe3\x80\x80",
        "\xe1\x9a\x80",
        "\xe2\xa0\x80",
        "\xef\xbb\xbf", /* U+3000 U+1680 U+2800 U+FEFF */
        "\xe3\x85\xa4",
        "\xe1\x85\x9f",
        "\xef\xbe\xa0",
        "\xcc\x81", /* fillers, a lone accent */
        "\xef\xb8\x8f",
        "\xf3\xa0\x81\x81",
        "\xe2\x80\xae",
        "\xef\xbf\xbf", /* U+FE0F U+E0041 U+202E U+FFFF */
        " \xe2\x80\x8b\xc2\xa0\t",
        "\xff\xfe",
    };
    for (size_t i = 0; i < LENGTH_OF(seen); i++)
        CU_ASSERT_TRUE(str_is_visible(str_from(seen[i])));
    for (size_t i = 0; i < LENGTH_OF(unseen); i++)
        CU_ASSERT_FALSE(str_is_visible(str_from(unseen[i])));
}

SUITE(printable, {"what can be seen of a text", test_visible},
      {"what a terminal would act on becomes escapes", test_escapes},
      {"columns of combining and wide characters", test_columns})
