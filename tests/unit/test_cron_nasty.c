#include <stdio.h>
#include <stdlib.h>

#include "backstop/cron.h"
#include "suite.h"

/* Properties that hold for any bytes and any sets. */

static uint64_t seed = 1;

static uint32_t random_below(uint32_t limit)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(seed >> 33) % limit;
}

static bool one_line(struct str text, size_t limit)
{
    bool plain = text.len > 0 && text.len <= limit && str_utf8_valid(text);
    for (size_t i = 0; i < text.len; i++)
        plain = plain && (unsigned char)text.ptr[i] >= ' ' && text.ptr[i] != 0x7f;
    return plain;
}

/* Whatever the text is: a verdict, a position inside, one printable line each. */
static void judge_in(enum cron_dialect dialect, struct str spec)
{
    struct cron_schedule schedule;
    struct error error = {0}, upstream = {0};
    struct strlist warnings = {0};
    const int64_t now = 1795230840;
    ARENA_SCOPED arena = arena_new(1 << 20);
    BUF_SCOPED said;
    buf_init(&said, 1000);
    if (!cron_parse(dialect, spec, cron_zone_utc(), &schedule, &error)) {
        CU_ASSERT(cron_upstream_error(dialect, spec, &upstream));
        CU_ASSERT(one_line(str_from(error.message), 400));
        CU_ASSERT(error.position >= 0 && error.position <= (int64_t)spec.len);
        return;
    }
    CU_ASSERT_FALSE(cron_upstream_error(dialect, spec, &upstream));
    cron_say(&schedule, now, &said);
    CU_ASSERT(one_line(buf_str(&said), 200));
    cron_pitfalls(spec, &schedule, now, arena, &warnings);
    for (size_t i = 0; i < warnings.len; i++)
        CU_ASSERT(one_line(warnings.items[i], 200));
    CU_ASSERT_FALSE(arena_failed(arena));
}

static void judge(struct str spec)
{
    for (enum cron_dialect dialect = 0; dialect < CRON_DIALECTS; dialect++)
        judge_in(dialect, spec);
}

static void random_bytes(void)
{
    static const char *const parts[] = {"*",
                                        "0",
                                        " ",
                                        "\t",
                                        ",",
                                        "-",
                                        "/",
                                        "?",
                                        "7",
                                        "59",
                                        "@",
                                        "@every",
                                        "TZ=",
                                        "UTC ",
                                        "mon",
                                        "FEB",
                                        "\xc2\xa0",
                                        "\xe2\x80\x83",
                                        "\xff",
                                        "\xc4\xb0",
                                        "1h",
                                        "CRON_TZ=",
                                        "Europe/Berlin ",
                                        "@daily",
                                        "99999999999999999999",
                                        "\n",
                                        "\x7f",
                                        "\"",
                                        "\\",
                                        "#"};
    for (int round = 0; round < 20000; round++) {
        char text[256];
        size_t length = 0;
        for (uint32_t left = random_below(14); left > 0; left--) {
            struct str part = str_from(parts[random_below(LENGTH_OF(parts))]);
            memcpy(text + length, part.ptr, part.len);
            length += part.len;
            if (random_below(8) == 0)
                text[length++] = (char)random_below(256);
        }
        judge((struct str){text, length});
    }
}

static void huge(void)
{
    enum { SIZE = 1 << 20, SIZE_WITH_HEAD = 1 << 15 };
    static const char *const units[] = {"*",    " ",        "1",   ",", "-",  "/",  "@",         "a ",   "1,",   "* ",
                                        "\xff", "\xc2\xa0", "TZ=", "0", "1-", "*/", "@every 1h", "\xe2", "5,*-,"};
    static const char *const heads[] = {"", "TZ=", "TZ=UTC ", "@every ", "0 0 ", "* * * * "};
    char *text = malloc(SIZE);
    CU_ASSERT_FATAL(text != NULL);
    for (size_t head = 0; head < LENGTH_OF(heads); head++)
        for (size_t unit = 0; unit < LENGTH_OF(units); unit++) {
            size_t length = strlen(heads[head]), step = strlen(units[unit]), size = length ? SIZE_WITH_HEAD : SIZE;
            memcpy(text, heads[head], length);
            for (; length + step <= size; length += step)
                memcpy(text + length, units[unit], step);
            judge((struct str){text, length});
        }
    memset(text, 0, SIZE);
    judge((struct str){text, SIZE});
    free(text);
}

static uint64_t random_set(int low, int high)
{
    uint64_t bits = 0;
    for (uint32_t left = 1 + random_below(random_below(3) ? 4 : 40); left > 0; left--)
        bits |= UINT64_C(1) << (low + (int)random_below((uint32_t)(high - low + 1)));
    return bits;
}

static int64_t shortest_by_walking(const struct cron_schedule *schedule, int64_t from, int64_t end)
{
    int64_t shortest = INT64_MAX, before, run;
    if (!cron_next(schedule, from, &before))
        return 0;
    for (; before < end && cron_next(schedule, before, &run); before = run)
        shortest = run - before < shortest ? run - before : shortest;
    if (shortest < 60)
        return 60; /* go-cron went back in a repeated hour */
    return shortest == INT64_MAX ? 0 : shortest;
}

static void shortest_interval(void)
{
    static const char *const zones[] = {"UTC", "Europe/Berlin", "Africa/Cairo", "Australia/Lord_Howe",
                                        "America/Santiago"};
    for (int round = 0; round < 150; round++) {
        struct error error;
        struct cron_schedule schedule = {
            .dialect = random_below(CRON_DIALECTS),
            .minute = random_set(0, 59),
            .hour = random_set(0, 23),
            .day_of_month = random_below(2) ? random_set(1, 31) : (0xfffffffeU | CRON_STAR),
            .month = 0x1ffe | CRON_STAR,
            .day_of_week = random_below(2) ? random_set(0, 6) : (0x7f | CRON_STAR),
            .zone = cron_zone_find(str_from(zones[random_below(LENGTH_OF(zones))]), &error),
        };
        CU_ASSERT_FATAL(schedule.zone != NULL);
        int64_t from = 1735689600 + (int64_t)random_below(2 * 365 * 86400), day = 86400;
        int64_t shortest = cron_shortest_interval(&schedule, from);
        int64_t near = shortest_by_walking(&schedule, from, from + 56 * day); /* 0: a Friday the 13th is rarer */
        CU_ASSERT(near == 0 || shortest <= near);
        CU_ASSERT(shortest >= shortest_by_walking(&schedule, from, from + 400 * day));
        if (schedule.day_of_month & CRON_STAR) /* many days: all of them within the eight weeks */
            CU_ASSERT(shortest >= shortest_by_walking(&schedule, from, from + 57 * day));
    }
}

/* Sets of any shape are said in one short line, and never fires or has a next run. */
static void any_sets(void)
{
    for (int round = 0; round < 20000; round++) {
        struct cron_schedule schedule = {
            .dialect = random_below(CRON_DIALECTS),
            .minute = random_set(0, 59),
            .hour = random_set(0, 23),
            .day_of_month = random_set(1, 31) | (random_below(2) ? CRON_STAR | 0xfffffffeU : 0),
            .month = random_set(1, 12),
            .day_of_week = random_set(0, 6) | (random_below(2) ? CRON_STAR | 0x7f : 0),
            .zone = cron_zone_utc(),
        };
        BUF_SCOPED text;
        buf_init(&text, 1000);
        int64_t next;
        cron_describe(&schedule, &text);
        CU_ASSERT(one_line(buf_str(&text), 120));
        buf_clear(&text);
        cron_say(&schedule, 1795230840, &text);
        CU_ASSERT(one_line(buf_str(&text), 200));
        /* A date that must be a certain weekday can be further away than go-cron looks. */
        bool fires = cron_next(&schedule, 1795230840, &next), never = cron_never_fires(&schedule);
        CU_ASSERT_EQUAL(cron_storms(&schedule, 1795230840), !fires);
        CU_ASSERT(schedule.dialect == CRON_GO_CRON ? !(fires && never) : fires != never);
    }
}

SUITE(cron_nasty, {"any bytes", random_bytes}, {"a megabyte of anything", huge},
      {"any sets are said in one line", any_sets}, {"the shortest interval, by walking", shortest_interval})
