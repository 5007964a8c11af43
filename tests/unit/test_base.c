#include <stdio.h>
#include <stdlib.h>

#include "suite.h"

static void test_str_cut(void)
{
    struct str rest = STR("a,,b"), head;
    CU_ASSERT(str_cut(&rest, ',', &head));
    ASSERT_TEXT(head, "a");
    CU_ASSERT(str_cut(&rest, ',', &head));
    ASSERT_TEXT(head, "");
    CU_ASSERT(str_cut(&rest, ',', &head));
    ASSERT_TEXT(head, "b");
    CU_ASSERT_FALSE(str_cut(&rest, ',', &head));
    CU_ASSERT(head.ptr == NULL && head.len == 0); /* who does not ask for the result has no text either */
}

static void test_str_cut_after_trailing_separator(void)
{
    struct str rest = STR("a,"), head;
    CU_ASSERT(str_cut(&rest, ',', &head));
    CU_ASSERT(str_cut(&rest, ',', &head));
    ASSERT_TEXT(head, "");
    CU_ASSERT_FALSE(str_cut(&rest, ',', &head));
}

static void test_str_compare(void)
{
    CU_ASSERT(str_eq(STR(""), (struct str){NULL, 0}));
    CU_ASSERT_FALSE(str_eq(STR("a\0b"), STR("a\0c")));
    CU_ASSERT(str_cmp(STR("a"), STR("ab")) < 0);
    CU_ASSERT(str_cmp(STR("b"), STR("ab")) > 0);
    CU_ASSERT(str_eq_nocase(STR("KCM-system"), STR("kcm-SYSTEM")));
    CU_ASSERT(str_starts(STR("kcm-system"), STR("kcm")));
    CU_ASSERT_FALSE(str_starts(STR("k"), STR("kcm")));
    CU_ASSERT(str_ends(STR("a.svc"), STR(".svc")));
    CU_ASSERT(str_contains(STR("abc"), STR("bc")));
    CU_ASSERT_FALSE(str_contains(STR("abc"), STR("cb")));
}

static void test_str_to_int64_limits(void)
{
    int64_t value;
    CU_ASSERT(str_to_int64(STR("9223372036854775807"), &value) && value == INT64_MAX);
    CU_ASSERT_FALSE(str_to_int64(STR("9223372036854775808"), &value));
    CU_ASSERT_FALSE(str_to_int64(STR(""), &value));
    CU_ASSERT_FALSE(str_to_int64(STR("+1"), &value));
    CU_ASSERT_FALSE(str_to_int64(STR("1 "), &value));
}

static void test_utf8(void)
{
    static const struct {
        struct str text;
        bool valid;
    } rows[] = {
        {STR_INIT("k\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"), true},
        {STR_INIT("\xc0\x80"), false},
        {STR_INIT("\xed\xa0\x80"), false},
        {STR_INIT("\xf4\x90\x80\x80"), false},
        {STR_INIT("\xe2\x82"), false},
        {STR_INIT("\x80"), false},
        {STR_INIT("\xf5\x80\x80\x80"), false},
        {STR_INIT("a\0b"), true},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        CU_ASSERT(str_utf8_valid(rows[i].text) == rows[i].valid);
}

/* "a", a character of two bytes, one of three. */
static void test_utf8_cut(void)
{
    const struct str text = STR("a\xc3\xa4\xe2\x82\xac");
    static const size_t heads[] = {0, 1, 1, 3, 3, 3, 6, 6}, tails[] = {0, 0, 0, 3, 3, 5, 6, 6};
    for (size_t limit = 0; limit < LENGTH_OF(heads); limit++) {
        struct str head = str_utf8_head(text, limit), tail = str_utf8_tail(text, limit);
        CU_ASSERT(head.len == heads[limit] && str_starts(text, head));
        CU_ASSERT(tail.len == tails[limit] && str_ends(text, tail));
    }
    CU_ASSERT(str_utf8_head((struct str){NULL, 0}, 4).len == 0 && str_utf8_tail((struct str){NULL, 0}, 4).len == 0);
}

static void test_nearest(void)
{
    static const struct str names[] = {STR_INIT("aws-s3"), STR_INIT("aws-s3-eu"), STR_INIT("azure")};
    ASSERT_TEXT(str_nearest(STR("aws-s4"), names, LENGTH_OF(names)), "aws-s3");
    ASSERT_TEXT(str_nearest(STR("Azure"), names, LENGTH_OF(names)), "azure");
    ASSERT_TEXT(str_nearest(STR("gcp"), names, LENGTH_OF(names)), "");
    ASSERT_TEXT(str_nearest(STR(""), names, LENGTH_OF(names)), "");
}

static void test_buf_keeps_its_limit(void)
{
    BUF_SCOPED buf;
    buf_init(&buf, 10);
    buf_puts(&buf, "0123456789");
    CU_ASSERT_FALSE(buf.failed);
    buf_putc(&buf, 'x');
    CU_ASSERT(buf.failed);
    ASSERT_TEXT(buf_str(&buf), "0123456789");
    buf_clear(&buf);
    buf_printf(&buf, "%d-%s", 42, "ab");
    CU_ASSERT_FALSE(buf.failed);
    ASSERT_TEXT(buf_str(&buf), "42-ab");
}

static int released;
static void count_release(void *object)
{
    released = released * 10 + *(int *)object;
}

static void test_arena_defers_run_newest_first(void)
{
    static int one = 1, two = 2;
    struct arena *arena = arena_new(1 << 16);
    released = 0;
    CU_ASSERT(arena_defer(arena, count_release, &one));
    CU_ASSERT(arena_defer(arena, count_release, &two));
    arena_free(arena);
    CU_ASSERT_EQUAL(released, 21);
}

static void test_arena_limit_is_sticky_and_harmless(void)
{
    ARENA_SCOPED arena = arena_new(4096);
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(arena, 1000));
    CU_ASSERT_FALSE(arena_failed(arena));
    CU_ASSERT_PTR_NULL(arena_alloc(arena, 100000));
    CU_ASSERT(arena_failed(arena));
    CU_ASSERT_PTR_NULL(arena_array(arena, SIZE_MAX / 2, 4));
    CU_ASSERT_PTR_NULL(arena_alloc(arena, SIZE_MAX));
    CU_ASSERT_PTR_NULL(arena_printf(arena, "%5000d", 1).ptr);
}

static void test_arena_memory_is_zeroed_and_separate(void)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    unsigned char *blocks[200];
    for (size_t i = 0; i < LENGTH_OF(blocks); i++) {
        blocks[i] = arena_alloc(arena, i * 7 + 1);
        CU_ASSERT_FATAL(blocks[i] != NULL);
        for (size_t b = 0; b <= i * 7; b++)
            CU_ASSERT(blocks[i][b] == 0);
        memset(blocks[i], (int)(i + 1), i * 7 + 1);
    }
    for (size_t i = 0; i < LENGTH_OF(blocks); i++)
        CU_ASSERT(blocks[i][0] == i + 1 && blocks[i][i * 7] == i + 1);
}

static void test_quote(void)
{
    static const struct {
        struct str text;
        const char *quoted;
    } rows[] = {
        {STR_INIT("0 9 * * 7"), "\"0 9 * * 7\""},
        {STR_INIT("a\"b\\c\n\0d"), "\"a\\\"b\\\\c\\n\\x00d\""},
        {STR_INIT("k\xc3\xbc"), "\"k\xc3\xbc\""},
        {STR_INIT("\xff"), "\"\\xff\""},
        {STR_INIT("a\xe2\x80\xaetxt"), "\"a\\xe2\\x80\\xaetxt\""},
        {STR_INIT("\x1b[31m"), "\"\\x1b[31m\""},
        {STR_INIT("\xc2\x9b"), "\"\\xc2\\x9b\""},
        {STR_INIT(""), "\"\""},
    };
    ARENA_SCOPED arena = arena_new(1 << 16);
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        ASSERT_TEXT(arena_quote(arena, rows[i].text), rows[i].quoted);
}

static void test_quote_cuts_long_texts_between_characters(void)
{
    ARENA_SCOPED arena = arena_new(1 << 16);
    char text[300];
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xbc", 2);
    struct str quoted = arena_quote(arena, (struct str){text + 1, 299});
    CU_ASSERT(quoted.len < 140);
    quoted = arena_quote(arena, (struct str){text, 299});
    CU_ASSERT(str_utf8_valid(quoted) && str_ends(quoted, STR("...\"")));
}

static void test_strlist(void)
{
    ARENA_SCOPED arena = arena_new(1 << 23);
    struct strlist list = {0};
    ASSERT_TEXT(strlist_quoted(arena, &list), "");
    for (int i = 0; i < 20; i++)
        strlist_add(arena, &list, arena_printf(arena, "n%d", i));
    CU_ASSERT(list.len == 20 && strlist_has(&list, STR("n19")) && !strlist_has(&list, STR("n20")));
    list.len = 3;
    ASSERT_TEXT(strlist_quoted(arena, &list), "\"n0\", \"n1\" and \"n2\"");
    ASSERT_TEXT(strlist_quoted_first(arena, &list, 3), "\"n0\", \"n1\" and \"n2\"");
    ASSERT_TEXT(strlist_quoted_first(arena, &list, 2), "\"n0\", \"n1\" and 1 more");
    ASSERT_TEXT(strlist_quoted_first(arena, &list, 1), "\"n0\" and 2 more");
    struct strlist many = {0};
    for (size_t i = 0; i < 90000; i++)
        strlist_add(arena, &many, STR("0123456789"));
    struct str shown_names = strlist_quoted(arena, &many);
    CU_ASSERT(shown_names.len > 16 * 1024 && shown_names.len < 17 * 1024);
    CU_ASSERT(str_ends(shown_names, STR(" and 88829 more")));
}

static void test_error_wrap(void)
{
    struct error error;
    CU_ASSERT_FALSE(error_at(&error, 400, 7, "expected %s", "a comma"));
    CU_ASSERT(error.position == 7 && error.code == 400);
    CU_ASSERT_FALSE(error_wrap(&error, "file %s", "x.yaml"));
    ASSERT_TEXT(str_from(error.message), "file x.yaml: expected a comma");
}

static void test_civil_round_trip(void)
{
    for (int64_t day = -800000; day < 800000; day += 37) {
        int64_t at = day * 86400 + 12345;
        struct civil civil = civil_from_unix(at);
        CU_ASSERT_FATAL(unix_from_civil(&civil) == at);
        CU_ASSERT_FATAL(civil.weekday == (int)(((day + 4) % 7 + 7) % 7));
    }
}

static void test_time_texts(void)
{
    static const struct {
        const char *text, *utc;
    } rows[] = {
        {"2026-11-21T03:00:00Z", "2026-11-21T03:00:00Z"},
        {"2026-11-21T03:00:00.123456+05:45", "2026-11-20T21:15:00Z"},
        {"2024-02-29T23:59:59-03:00", "2024-03-01T02:59:59Z"},
        {"2023-02-29T00:00:00Z", NULL},
        {"2026-11-21T24:00:00Z", NULL},
        {"2026-11-21T03:00:00", NULL},
        {"2026-11-21T03:00:00.Z", NULL},
        {"2026-11-21 03:00:00Z", NULL},
        {"2026-11-21T03:00:00Zx", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        int64_t at = 0;
        char text[TIME_TEXT_SIZE];
        CU_ASSERT(time_parse(str_from(rows[i].text), &at) == (rows[i].utc != NULL));
        if (rows[i].utc)
            ASSERT_TEXT(str_from(time_format(at, 0, text)), rows[i].utc);
    }
    char text[TIME_TEXT_SIZE];
    ASSERT_TEXT(str_from(time_format(0, -(3 * 3600 + 1800), text)), "1969-12-31T20:30:00-03:30");
}

/* Expected values printed by Go's time.ParseDuration. */
static void test_durations_as_go_reads_them(void)
{
    static const struct {
        const char *text;
        int64_t nanoseconds;
        const char *error;
    } rows[] = {
        {"1h30m", 5400000000000, NULL},
        {"-1.5h", -5400000000000, NULL},
        {".5s", 500000000, NULL},
        {"1.s", 1000000000, NULL},
        {"0", 0, NULL},
        {"-0", 0, NULL},
        {"3us", 3000, NULL},
        {"3\xc2\xb5s", 3000, NULL},
        {"3\xce\xbcs", 3000, NULL},
        {"9223372036854775807ns", INT64_MAX, NULL},
        {"-9223372036854775808ns", INT64_MIN, NULL},
        {"0.3333333333333333333h", 1200000000000, NULL},
        {"9223372036854775808ns", 0, "time: invalid duration \"9223372036854775808ns\""},
        {"1d", 0, "time: unknown unit \"d\" in duration \"1d\""},
        {"10", 0, "time: missing unit in duration \"10\""},
        {"", 0, "time: invalid duration \"\""},
        {"-", 0, "time: invalid duration \"-\""},
        {".s", 0, "time: invalid duration \".s\""},
        {"1h 2m", 0, "time: unknown unit \"h \" in duration \"1h 2m\""},
        {"3000000h", 0, "time: invalid duration \"3000000h\""},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        int64_t got = 1;
        struct error error;
        bool parsed = duration_parse(str_from(rows[i].text), &got, &error);
        CU_ASSERT(parsed == (rows[i].error == NULL));
        if (parsed)
            CU_ASSERT(got == rows[i].nanoseconds);
        if (!parsed && rows[i].error)
            ASSERT_TEXT(str_from(error.message), rows[i].error);
    }
}

static void test_duration_texts(void)
{
    char text[TIME_TEXT_SIZE];
    ASSERT_TEXT(str_from(duration_format(0, text)), "0s");
    ASSERT_TEXT(str_from(duration_format(45, text)), "45s");
    ASSERT_TEXT(str_from(duration_format(5400, text)), "1h30m");
    ASSERT_TEXT(str_from(duration_format(3600, text)), "1h");
    ASSERT_TEXT(str_from(duration_format(3661, text)), "1h1m");
    ASSERT_TEXT(str_from(duration_format(273600, text)), "3d4h");
    ASSERT_TEXT(str_from(duration_format(-90, text)), "-1m30s");
}

static int destroyed;
static void count_destroy(struct shared *self)
{
    (void)self;
    destroyed++;
}

static void test_shared_slot_swaps_and_destroys_once(void)
{
    struct shared one, two;
    struct shared_slot slot;
    destroyed = 0;
    shared_init(&one, count_destroy);
    shared_init(&two, count_destroy);
    shared_slot_init(&slot);
    CU_ASSERT_PTR_NULL(shared_slot_get(&slot));
    shared_slot_set(&slot, &one);
    struct shared *held = shared_slot_get(&slot);
    shared_slot_set(&slot, &two);
    CU_ASSERT(held == &one && destroyed == 0);
    shared_release(held);
    CU_ASSERT_EQUAL(destroyed, 1);
    shared_slot_dispose(&slot);
    CU_ASSERT_EQUAL(destroyed, 2);
}

static void test_file_read_names_the_path(void)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct error error;
    struct str content;
    CU_ASSERT_FALSE(file_read(arena, "/nonexistent/x.yaml", 100, &content, &error));
    ASSERT_TEXT(str_from(error.message), "/nonexistent/x.yaml: No such file or directory");
    CU_ASSERT_FALSE(file_read(arena, "/", 100, &content, &error));
    CU_ASSERT_FALSE(file_read(arena, "/dev/zero", 100, &content, &error));
    CU_ASSERT(strstr(error.message, "larger than 100 bytes") != NULL);
    CU_ASSERT(file_read(arena, "/dev/null", 100, &content, &error));
    CU_ASSERT_EQUAL(content.len, 0);
}

/* As printf would, whether it has to be asked or not. */
static void test_formats(void)
{
    struct arena *arena = arena_new(1 << 16);
    char long_text[700];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    ASSERT_TEXT(arena_printf(arena, "plain"), "plain");
    ASSERT_TEXT(arena_printf(arena, "%s-%.*s-%s", "a", 2, "bcd", ""), "a-bc-");
    ASSERT_TEXT(arena_printf(arena, "%.*s|%s", 5, "a\0b", "c"), "a|c");
    ASSERT_TEXT(arena_printf(arena, "%s %d %.*s%%", "a", 42, 1, "bc"), "a 42 b%");
    ASSERT_TEXT(arena_printf(arena, "%5s%.2s", "a", "bcd"), "    abc");
    CU_ASSERT_EQUAL(arena_printf(arena, "%s%s", long_text, "y").len, sizeof long_text);
    arena_free(arena);
}

static void test_growing_arrays(void)
{
    ARENA_SCOPED arena = arena_new(8192);
    CU_ASSERT_FATAL(arena != NULL);
    struct {
        int *items;
        size_t len, cap;
    } heap = {NULL, 0, 0}, list = {NULL, 0, 0};
    for (int i = 0; i < 100; i++) {
        CU_ASSERT_FATAL(ARRAY_ROOM(&heap) && ARENA_ROOM(arena, &list));
        heap.items[heap.len++] = list.items[list.len++] = i;
    }
    for (int i = 0; i < 100; i++)
        CU_ASSERT(heap.items[i] == i && list.items[i] == i);
    while (ARENA_ROOM(arena, &list))
        list.items[list.len++] = -1;
    CU_ASSERT(arena_failed(arena));
    CU_ASSERT_EQUAL(list.len, list.cap);
    CU_ASSERT(list.items[0] == 0 && list.items[99] == 99);
    free(heap.items);
}

static void test_host_and_port(void)
{
    static const struct {
        const char *text, *host, *port; /* no host: refused; no port: absent */
    } rows[] = {
        {"example.org", "example.org", NULL},
        {"example.org:443", "example.org", "443"},
        {":8443", "", "8443"},
        {"127.0.0.1:", "127.0.0.1", ""},
        {"[::1]", "::1", NULL},
        {"[::1]:9443", "::1", "9443"},
        {"", "", NULL},
        {"::1", NULL, NULL},
        {"a:1:2", NULL, NULL},
        {"[::1", NULL, NULL},
        {"[::1]9443", NULL, NULL},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct str host, port;
        bool split = str_split_host_port(str_from(rows[i].text), &host, &port);
        CU_ASSERT_EQUAL(split, rows[i].host != NULL);
        if (split && rows[i].host) {
            ASSERT_TEXT(host, rows[i].host);
            CU_ASSERT_EQUAL(port.ptr != NULL, rows[i].port != NULL);
            ASSERT_TEXT(port, rows[i].port ? rows[i].port : "");
        }
    }
}

/* Each byte counts, and each length, with no memory behind an absent text. */
static void test_digests(void)
{
    static const uint64_t key[2] = {0x0123456789abcdefU, 0xfedcba9876543210U},
                          other[2] = {0xfedcba9876543210U, 0x0123456789abcdefU};
    char text[40];
    memset(text, 'a', sizeof text);
    for (size_t len = 1; len <= sizeof text; len++) {
        const struct str whole = {text, len};
        const uint64_t digest = digest_add(key, 0, whole);
        CU_ASSERT_EQUAL(digest_add(key, 0, whole), digest);
        CU_ASSERT_NOT_EQUAL(digest_add(other, 0, whole), digest);
        CU_ASSERT_NOT_EQUAL(digest_add(key, 0, (struct str){text, len - 1}), digest);
        CU_ASSERT_NOT_EQUAL(digest_add(key, digest_add(key, 0, (struct str){NULL, 0}), whole), digest);
        CU_ASSERT_NOT_EQUAL(digest_add(key, digest_add(key, 0, (struct str){text, 1}), str_slice(whole, 1, len)),
                            digest);
        for (size_t i = 0; i < len; i++) {
            text[i] = 'b';
            CU_ASSERT_NOT_EQUAL(digest_add(key, 0, whole), digest);
            text[i] = 'a';
        }
    }
}

SUITE(base, {"cutting a text", test_str_cut}, {"formats", test_formats},
      {"cutting after a trailing separator", test_str_cut_after_trailing_separator},
      {"comparing texts", test_str_compare}, {"integers at their limits", test_str_to_int64_limits},
      {"UTF-8 validity", test_utf8}, {"UTF-8 is cut between characters", test_utf8_cut}, {"did you mean", test_nearest},
      {"a buffer keeps its limit", test_buf_keeps_its_limit},
      {"defers run newest first", test_arena_defers_run_newest_first},
      {"the arena's limit is sticky and harmless", test_arena_limit_is_sticky_and_harmless},
      {"arena memory is zeroed and separate", test_arena_memory_is_zeroed_and_separate}, {"quoting", test_quote},
      {"long quotes are cut between characters", test_quote_cuts_long_texts_between_characters},
      {"lists of texts", test_strlist}, {"errors are wrapped", test_error_wrap},
      {"civil dates round-trip", test_civil_round_trip}, {"RFC 3339", test_time_texts},
      {"durations as Go reads them", test_durations_as_go_reads_them}, {"durations in words", test_duration_texts},
      {"snapshots are swapped and destroyed once", test_shared_slot_swaps_and_destroys_once},
      {"reading a file names the path", test_file_read_names_the_path},
      {"arrays grow, and stay as they were when memory ends", test_growing_arrays}, {"digests", test_digests},
      {"hosts and ports are split", test_host_and_port})
