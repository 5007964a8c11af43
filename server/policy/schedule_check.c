#include "checks.h"

#include <inttypes.h>

enum { WORDS_LIMIT = 1024 };

static const struct cron_zone *controller_zone(const struct settings *settings)
{
    struct error ignored;
    const struct cron_zone *zone = cron_zone_find(settings->schedules_controller_zone, &ignored);
    return zone ? zone : cron_zone_utc();
}

static void judge_interval(const struct schedule_check *check, const struct cron_schedule *schedule,
                           const struct request *request, const struct settings *settings, struct decision *decision)
{
    int64_t shortest = cron_shortest_interval(schedule, request->now);
    if (shortest == 0 || shortest >= settings->schedules_minimum_interval)
        return;
    char interval[TIME_TEXT_SIZE], minimum[TIME_TEXT_SIZE];
    judge_value(decision, settings->schedules_too_frequent, check->field, check->spec,
                "a whole backup every %s is more often than the minimum of %s (settings: schedules.minimumInterval)",
                duration_format(shortest, interval), duration_format(settings->schedules_minimum_interval, minimum));
}

/* kcm and Velero count from the last run, so that a new schedule can be late at once. */
static void warn_if_due(const struct schedule_check *check, const struct cron_schedule *schedule,
                        const struct request *request, struct decision *decision)
{
    int64_t due;
    if (check->last_run == 0 || !cron_next(schedule, check->last_run, &due) || due >= request->now)
        return;
    decision_warn(decision, "%s: a run was due since the last one (%.*s), so a backup starts at once", check->field,
                  STR_ARG(ago(decision->arena, request->now, check->last_run)));
}

static void say_meaning(const struct schedule_check *check, const struct cron_schedule *schedule,
                        const struct request *request, struct decision *decision)
{
    BUF_SCOPED words;
    buf_init(&words, WORDS_LIMIT);
    cron_say(schedule, request->now, &words);
    decision_warn(decision, "%s: %.*s %.*s", check->field, STR_ARG(arena_quote(decision->arena, check->spec)),
                  STR_ARG(buf_str(&words)));
    buf_clear(&words);
    cron_describe(schedule, &words);
    decision_audit(decision, "schedule", "%.*s", STR_ARG(buf_str(&words)));
}

bool check_schedule(const struct schedule_check *check, const struct request *request, const struct settings *settings,
                    struct decision *decision)
{
    struct arena *arena = decision->arena;
    struct cron_schedule schedule;
    struct error error;
    if (!cron_parse(check->spec, controller_zone(settings), &schedule, &error)) {
        struct str where = error.position >= 0 ? arena_printf(arena, "at position %" PRId64 ": ", error.position)
                                               : (struct str){NULL, 0};
        judge_value(decision, VERDICT_DENY, check->field, check->spec, "%.*s%s", STR_ARG(where), error.message);
        return false;
    }
    if (cron_never_fires(&schedule)) {
        judge_value(decision, VERDICT_DENY, check->field, check->spec,
                    "never fires: no date has all of these values; %s would take it as always due and start one "
                    "backup after the other. Check the day-of-month and month",
                    check->runner);
        return false;
    }
    judge_interval(check, &schedule, request, settings, decision);
    say_meaning(check, &schedule, request, decision);
    struct strlist pitfalls = {0};
    cron_pitfalls(check->spec, &schedule, request->now, arena, &pitfalls);
    for (size_t i = 0; i < pitfalls.len; i++)
        decision_warn(decision, "%s: %.*s", check->field, STR_ARG(pitfalls.items[i]));
    warn_if_due(check, &schedule, request, decision);
    return true;
}
