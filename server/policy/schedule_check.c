#include "checks.h"

#include <inttypes.h>

enum { WORDS_LIMIT = 1024 };

static const struct cron_zone *controller_zone(const struct settings *settings, struct arena *arena)
{
    struct error error = {.code = 0};
    const struct cron_zone *zone = cron_zone_find(settings->schedules_controller_zone, &error);
    if (error.code >= 500)
        arena_fail(arena);
    return zone ? zone : cron_zone_utc();
}

static bool has_empty_field(const struct cron_schedule *schedule)
{
    const uint64_t fields[] = {schedule->minute, schedule->hour, schedule->day_of_month, schedule->month,
                               schedule->day_of_week};
    for (size_t i = 0; i < LENGTH_OF(fields); i++)
        if ((fields[i] & ~CRON_STAR) == 0)
            return true;
    return false;
}

static void judge_interval(const struct schedule_check *check, const struct cron_schedule *schedule,
                           const struct request *request, const struct settings *settings, struct decision *decision)
{
    int64_t shortest = cron_shortest_interval(schedule, request->now);
    if (shortest == 0 || shortest >= settings->schedules_minimum_interval)
        return;
    char interval[TIME_TEXT_SIZE], minimum[TIME_TEXT_SIZE];
    judge_value(decision, settings->schedules_too_frequent, check->field, check->spec,
                "runs are as little as %s apart, and each is a whole backup; the minimum is %s (settings: "
                "schedules.minimumInterval)",
                duration_format(shortest, interval), duration_format(settings->schedules_minimum_interval, minimum));
}

/* kcm and Velero count from the last run, so that a new schedule can be late at once. */
static void warn_if_due(const struct schedule_check *check, const struct cron_schedule *schedule,
                        const struct request *request, struct decision *decision)
{
    int64_t from = check->last_run ? check->last_run : check->created, due;
    if (from == 0 || !cron_next(schedule, from, &due) || due >= request->now)
        return;
    decision_warn(decision, "%s: counted from %s, %.*s, a run is due already: a backup starts at once", check->field,
                  check->last_run ? "the last one" : "its creation", STR_ARG(ago(decision->arena, request->now, from)));
}

static void say_meaning(const struct schedule_check *check, const struct cron_schedule *schedule,
                        const struct request *request, struct decision *decision)
{
    BUF_SCOPED words;
    buf_init(&words, WORDS_LIMIT);
    struct str description = cron_say_back(check->field, check->spec, schedule, request->now, decision->arena, &words);
    decision_warn(decision, "%.*s", STR_ARG(arena_text(decision->arena, &words)));
    decision_audit(decision, "schedule", "%.*s", STR_ARG(description));
}

bool check_schedule(const struct schedule_check *check, const struct request *request, const struct settings *settings,
                    struct decision *decision)
{
    struct arena *arena = decision->arena;
    struct cron_schedule schedule;
    struct error error;
    if (!cron_parse(CRON_ROBFIG, check->spec, controller_zone(settings, arena), &schedule, &error)) {
        if (error.code >= 500)
            arena_fail(arena); /* it could not be read, which says nothing of it */
        struct str where = error.position >= 0 ? arena_printf(arena, "at position %" PRId64 ": ", error.position)
                                               : (struct str){NULL, 0};
        judge_value(decision, VERDICT_DENY, check->field, check->spec, "%.*s%s", STR_ARG(where), error.message);
        return false;
    }
    if (cron_never_fires(&schedule)) {
        judge_value(decision, VERDICT_DENY, check->field, check->spec,
                    "never fires: %s. %s would take it as always due and start one backup after the other",
                    has_empty_field(&schedule) ? "one of its fields holds no value, so give it one"
                                               : "its months do not have such a day, so choose another",
                    check->runner);
        return false;
    }
    say_meaning(check, &schedule, request, decision);
    judge_interval(check, &schedule, request, settings, decision);
    struct strlist pitfalls = {0};
    cron_pitfalls(check->spec, &schedule, request->now, arena, &pitfalls);
    for (size_t i = 0; i < pitfalls.len; i++)
        decision_warn(decision, "%s: %.*s", check->field, STR_ARG(pitfalls.items[i]));
    warn_if_due(check, &schedule, request, decision);
    return true;
}
