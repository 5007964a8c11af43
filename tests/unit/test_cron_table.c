#include <stdio.h>
#include <stdlib.h>

#include "backstop/cron.h"
#include "suite.h"

/* The answers of the real libraries, from hack/cron/run.sh. Another table of the same
 * form (hack/cron/run.sh random) is read instead when BACKSTOP_CRON_TABLE names it. */
enum { TABLE_MAX = 256 << 20, FAILURES_SHOWN = 20 };

static unsigned failures;
static enum cron_dialect dialect; /* whose answers they are: the table's first line says so */

static void complain(struct str line, const char *what, const char *got)
{
    if (failures++ < FAILURES_SHOWN)
        fprintf(stderr, "\n    %.*s\n      %s: %s\n", STR_ARG(line), what, got);
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = strchr(digits, c);
    return at && c ? (int)(at - digits) : -1;
}

/* "\xNN" back to bytes. */
static struct str unescape(struct arena *arena, struct str text)
{
    char *to = arena_alloc(arena, text.len + 1);
    CU_ASSERT_FATAL(to != NULL);
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool escaped = text.len - i >= 4 && text.ptr[i] == '\\' && text.ptr[i + 1] == 'x';
        to[length++] = escaped ? (char)(hex_digit(text.ptr[i + 2]) * 16 + hex_digit(text.ptr[i + 3])) : text.ptr[i];
        i += escaped ? 3 : 0;
    }
    return (struct str){to, length};
}

/* Our text is a C string of limited length: compared as far as it goes. */
static bool same_text(const char *ours, struct str theirs)
{
    const char *nul = memchr(theirs.ptr, '\0', theirs.len);
    size_t length = strlen(ours), expected = nul ? (size_t)(nul - theirs.ptr) : theirs.len;
    if (length >= sizeof((struct error *)NULL)->message - 1 || nul)
        return length <= theirs.len && memcmp(ours, theirs.ptr, length < expected ? length : expected) == 0;
    return length == expected && memcmp(ours, theirs.ptr, length) == 0;
}

static void check_error(struct arena *arena, struct str line, struct str spec, struct str text)
{
    struct cron_schedule schedule;
    struct error error = {0}, ours = {0};
    if (cron_parse(dialect, spec, cron_zone_utc(), &schedule, &error))
        complain(line, "accepted", "");
    else if (!cron_upstream_error(dialect, spec, &ours))
        complain(line, "no upstream error", "");
    else if (!same_text(ours.message, unescape(arena, text)))
        complain(line, "upstream error", ours.message);
    if (error.code != 422 || error.message[0] == '\0' || error.position < 0 || error.position > (int64_t)spec.len)
        complain(line, "our error", error.message);
}

static void check_runs(struct str line, const struct cron_schedule *schedule, int64_t from, struct str expected)
{
    struct str word;
    char got[200];
    for (int64_t next; str_cut(&expected, ' ', &word); from = next) {
        int64_t delta;
        bool fires = cron_next(schedule, from, &next);
        if (!fires && str_is(word, "-"))
            return;
        snprintf(got, sizeof got, "%lld instead of %.*s", fires ? (long long)(next - from) : -1, STR_ARG(word));
        bool back = word.len && word.ptr[0] == '-'; /* where an hour comes twice, the libraries go back */
        if (!fires || !str_to_int64(str_slice(word, back, word.len), &delta) ||
            next != from + (back ? -delta : delta)) {
            complain(line, "next", got);
            return;
        }
    }
}

static void check_next(struct str line, struct str spec, struct str rest)
{
    struct cron_schedule schedule;
    struct error error = {0};
    struct str zone_name, start;
    int64_t from;
    str_cut(&rest, '\t', &zone_name);
    str_cut(&rest, '\t', &start);
    const struct cron_zone *zone = cron_zone_find(zone_name, &error);
    if (!zone || !time_parse(start, &from))
        complain(line, "row", error.message);
    else if (!cron_parse(dialect, spec, zone, &schedule, &error))
        complain(line, "refused", error.message);
    else
        check_runs(line, &schedule, from, rest);
}

static void check_table(const char *path, enum cron_dialect expected)
{
    ARENA_SCOPED arena = arena_new(8 * (size_t)TABLE_MAX);
    struct str text, line, kind, spec;
    struct error error = {0};
    size_t rows = 0;
    if (!file_read(arena, path, TABLE_MAX, &text, &error)) {
        CU_FAIL("the table cannot be read");
        fprintf(stderr, "\n    %s\n", error.message);
        return;
    }
    failures = 0;
    str_cut(&text, '\n', &line);
    dialect = str_contains(line, str_from(cron_library(CRON_GO_CRON))) ? CRON_GO_CRON : CRON_ROBFIG;
    CU_ASSERT(str_contains(line, str_from(cron_library(dialect))));
    CU_ASSERT(expected == CRON_DIALECTS || dialect == expected);
    while (str_cut(&text, '\n', &line)) {
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        struct str rest = line;
        str_cut(&rest, '\t', &kind);
        str_cut(&rest, '\t', &spec);
        spec = unescape(arena, spec);
        rows++;
        if (str_is(kind, "error"))
            check_error(arena, line, spec, rest);
        else
            check_next(line, spec, rest);
    }
    CU_ASSERT(failures == 0);
    CU_ASSERT(rows >= 1000);
}

static void robfig_table(void)
{
    const char *path = getenv("BACKSTOP_CRON_TABLE");
    check_table(path ? path : "tests/unit/cron_table_robfig.tsv", path ? CRON_DIALECTS : CRON_ROBFIG);
}

static void go_cron_table(void)
{
    check_table("tests/unit/cron_table_go_cron.tsv", CRON_GO_CRON);
}

SUITE(cron_table, {"robfig/cron's own answers", robfig_table}, {"go-cron's own answers", go_cron_table})
