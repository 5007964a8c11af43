/* Any bytes as a schedule, in each dialect: parse, next, describe and say keep their promises. */
#include <string.h>

#include "backstop/cron.h"
#include "fuzz.h"

enum { ARENA = 1024 * 1024, RUNS = 5 };

static const int64_t starts[] = {0,           FUZZ_NOW,           INT64_C(1709164799), INT64_C(4102444800),
                                 INT64_C(-1), INT64_C(1741503600)};

static void check_runs(const struct cron_schedule *schedule, int64_t from)
{
    bool never = cron_never_fires(schedule);
    int64_t first;
    PROMISE(cron_storms(schedule, from) == !cron_next(schedule, from, &first), "storms");
    for (int i = 0; i < RUNS; i++) {
        int64_t next;
        if (!cron_next(schedule, from, &next))
            return;
        PROMISE(!never, "fires, though it never does");
        PROMISE(next > from, "%lld is not after %lld", (long long)next, (long long)from);
        from = next;
    }
}

static void check_words(struct str spec, const struct cron_schedule *schedule, struct arena *arena)
{
    BUF_SCOPED words;
    struct strlist pitfalls = {0};
    buf_init(&words, 1 << 16);
    cron_describe(schedule, &words);
    PROMISE(!words.failed && words.len > 0 && str_utf8_valid(buf_str(&words)), "description");
    buf_clear(&words);
    cron_say(schedule, FUZZ_NOW, &words);
    PROMISE(!words.failed && words.len > 0 && words.len < 256, "said back: %s", words.data);
    PROMISE(str_utf8_valid(buf_str(&words)) && !strchr(words.data, '\n'), "said back: %s", words.data);
    cron_pitfalls(spec, schedule, FUZZ_NOW, arena, &pitfalls);
    for (size_t i = 0; i < pitfalls.len; i++) {
        PROMISE(pitfalls.items[i].len > 0 && pitfalls.items[i].len < 256, "%.*s", STR_ARG(pitfalls.items[i]));
        PROMISE(str_utf8_valid(pitfalls.items[i]), "pitfall %zu", i);
        for (size_t k = 0; k < i; k++)
            PROMISE(!str_eq(pitfalls.items[i], pitfalls.items[k]), "twice: %.*s", STR_ARG(pitfalls.items[i]));
    }
}

static void check_dialect(enum cron_dialect dialect, struct str spec)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct cron_schedule schedule;
    struct error error = {0}, upstream = {0};
    bool good = cron_parse(dialect, spec, cron_zone_utc(), &schedule, &error);
    PROMISE(good != cron_upstream_error(dialect, spec, &upstream), "%s disagrees: %s", cron_library(dialect),
            upstream.message);
    if (!good) {
        PROMISE(error.message[0] != '\0' && !strchr(error.message, '\n'), "message");
        PROMISE(str_utf8_valid(str_from(error.message)), "message is not UTF-8");
        PROMISE(error.position >= 0 && error.position <= (int64_t)spec.len, "position %lld", (long long)error.position);
        return;
    }
    for (size_t i = 0; i < LENGTH_OF(starts); i++)
        check_runs(&schedule, starts[i]);
    PROMISE(cron_shortest_interval(&schedule, FUZZ_NOW) >= 0, "interval");
    check_words(spec, &schedule, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (enum cron_dialect dialect = 0; dialect < CRON_DIALECTS; dialect++)
        check_dialect(dialect, (struct str){(const char *)data, size});
    return 0;
}
