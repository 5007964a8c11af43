#include <stdlib.h>
#include <string.h>

#include "commands/review/review.h"
#include "suite.h"

static void check(const char *before, const char *after, const char *expected)
{
    BUF_SCOPED out;
    buf_init(&out, 65536);
    review_diff(str_from(before), str_from(after), "", false, &out);
    ASSERT_TEXT(buf_str(&out), expected);
}

static void test_changes(void)
{
    check("a\nb\n", "a\nb\n", "");
    check("", "", "");
    check("", "a\n", "+ a\n");
    check("a\n", "", "- a\n");
    check("a\nb\nc\n", "a\nx\nc\n", "  a\n- b\n+ x\n  c\n");
    check("a\n", "a\nb\n", "  a\n+ b\n");
    check("b\n", "a\nb\n", "+ a\n  b\n");
    check("a\na\n", "a\na\na\n", "  a\n  a\n+ a\n");
}

static void test_context(void)
{
    check("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n", "  2\n  3\n  4\n- 5\n+ x\n  6\n  7\n  8\n");
    check("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "1\n2\n3\n4\n5\n6\n7\n", "- a\n  1\n  2\n  3\n  ...\n  5\n  6\n  7\n- b\n");
}

static void test_colour(void)
{
    BUF_SCOPED out;
    buf_init(&out, 65536);
    review_diff(STR("a\n"), STR("b\n"), "  ", true, &out);
    ASSERT_TEXT(buf_str(&out), "  \033[31m- a\033[0m\n  \033[32m+ b\033[0m\n");
}

/* The lines without a sign and with "-" are the old text, those with "+" instead
 * the new one; short texts are shown whole. */
static void test_nothing_is_lost(void)
{
    unsigned seed = 1;
    for (int round = 0; round < 2000; round++) {
        BUF_SCOPED before, after, out, old, new;
        buf_init(&before, 4096);
        buf_init(&after, 4096);
        buf_init(&out, 4096);
        buf_init(&old, 4096);
        buf_init(&new, 4096);
        for (int i = 0; i < 6; i++) {
            seed = seed * 1103515245u + 12345u;
            if (seed >> 16 & 3)
                buf_printf(&before, "%c\n", 'a' + (char)(seed >> 20 & 1));
            if (seed >> 24 & 3)
                buf_printf(&after, "%c\n", 'a' + (char)(seed >> 28 & 1));
        }
        review_diff(buf_str(&before), buf_str(&after), "", false, &out);
        struct str rest = buf_str(&out), line;
        while (rest.len && str_cut(&rest, '\n', &line)) {
            if (line.ptr[0] != '+')
                buf_printf(&old, "%.*s\n", STR_ARG(str_slice(line, 2, line.len)));
            if (line.ptr[0] != '-')
                buf_printf(&new, "%.*s\n", STR_ARG(str_slice(line, 2, line.len)));
        }
        if (out.len == 0 || str_contains(buf_str(&out), STR("...")))
            continue;
        /* At most three lines stand before the first and after the last change. */
        CU_ASSERT(str_contains(buf_str(&before), buf_str(&old)) || before.len == 0);
        CU_ASSERT(str_contains(buf_str(&after), buf_str(&new)) || after.len == 0);
        CU_ASSERT_EQUAL(before.len - old.len, after.len - new.len);
    }
}

SUITE(review_diff, {"changed, added and removed lines", test_changes}, {"three lines around a change", test_context},
      {"colour", test_colour}, {"nothing is lost", test_nothing_is_lost})
