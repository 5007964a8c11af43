#include <stdio.h>

#include "backstop/cron.h"
#include "suite.h"

static const int64_t now = 1795230840; /* Saturday 2026-11-21T03:14:00Z */

static bool parse(const char *spec, struct cron_schedule *schedule)
{
    struct error error;
    return cron_parse(CRON_ROBFIG, str_from(spec), cron_zone_utc(), schedule, &error);
}

static void meanings(void)
{
    static const char *const rows[][2] = {
        {"* * * * *", "every minute"},
        {"*/5 * * * *", "every 5 minutes"},
        {"30 * * * *", "every hour at minute 30"},
        {"3,13,40 * * * *", "at minutes 3, 13 and 40 of every hour"},
        {"0 */6 * * *", "every 6 hours"},
        {"15 */2 * * *", "every 2 hours from 00:15"},
        {"0 6,18 * * *", "at 06:00 and 18:00 every day"},
        {"0 9-17 * * mon-fri", "every hour from 09:00 to 17:00 on weekdays"},
        {"*/15 8-17 * * 1-5", "every 15 minutes from 08:00 to 17:59 on weekdays"},
        {"*/15 22,23,0-5 * * *", "every 15 minutes from 22:00 to 05:59 every day"},
        {"* */2 * * *", "every minute of every 2nd hour"},
        {"0 0 1 * *", "at 00:00 on the 1st of every month"},
        {"0 0 */2 * *", "at 00:00 on every 2nd day from the 1st to the 31st of every month"},
        {"0 0 1 */3 *", "at 00:00 on the 1st of January, April, July and October"},
        {"0 9 13 * 5", "at 09:00 on the 13th or on any Friday"},
        {"0 0 13 3 5", "at 00:00 on the 13th or on any Friday in March"},
        {"0 0 * * 6,0", "at 00:00 on Saturdays and Sundays"},
        {"0 0 * 6-8 *", "at 00:00 every day from June to August"},
        {"0 0 1-31 * 5", "at 00:00 every day"},
        {"0 0 *,13 * 5", "at 00:00 on Fridays"},
        {"@weekly", "at 00:00 on Sundays"},
        {"@every 90m", "every 1 hour 30 minutes after the last run"},
        {"@every 1ns", "every second after the last run"},
        {"0 0 30 2 *", "never"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct cron_schedule schedule;
        BUF_SCOPED out;
        buf_init(&out, 1000);
        CU_ASSERT_FATAL(parse(rows[i][0], &schedule));
        cron_describe(&schedule, &out);
        ASSERT_TEXT(buf_str(&out), rows[i][1]);
    }
}

/* How Velero reads it from 1.18.3 on: what it means, or why it is refused; what will surprise. */
static void go_cron(void)
{
    static const struct {
        const char *spec, *meaning, *pitfall;
    } rows[] = {
        {"0 */6 * * *", "every 6 hours", NULL},
        {"0 9 * * 7", "at 09:00 on Sundays", NULL},
        {"0 9 * * 0-7", "at 09:00 every day", NULL},
        {"0 9 * * fri-mon", "at 09:00 on Fridays to Mondays", NULL},
        {"0 22-2 * * *", "every hour from 22:00 to 02:00 every day", NULL},
        {"0 0 1 nov-feb *", "at 00:00 on the 1st from November to February", NULL},
        {"0 0 1-31 * 5", "at 00:00 on Fridays", NULL},
        {"0 0 13 * 5", "at 00:00 on the 13th if it is a Friday",
         "day-of-month and day-of-week are both set: it runs only when both match (other crons need only one)"},
        {"0 9 1-7 3 mon-fri", "at 09:00 on the 1st to 7th if it is a weekday in March",
         "day-of-month and day-of-week are both set: it runs only when both match (other crons need only one)"},
        {"0 0 13 2 5", "at 00:00 on the 13th if it is a Friday in February",
         "no run within the next five years; kcm and Velero treat it as always due and start backups back to back"},
        {"60/5 * * * *", "every 5 minutes", "minute \"60/5\": \"60\" does not exist, so the steps count from 0"},
        {"0 9 * * fri-mon/2", "at 09:00 on Mondays, Fridays and Sundays",
         "day-of-week \"fri-mon/2\": Sunday counts twice there, as 7 and as 0"},
        {"0 9 * * 1/2", "at 09:00 on Mondays, Wednesdays, Fridays and Sundays",
         "day-of-week \"1/2\": counting restarts at Sunday, so the last interval is shorter"},
        {"TZ=\"UTC\" 0 6 * * *", "at 06:00 every day", NULL},
        {"TZ=\"Local\" @daily", "at 00:00 every day",
         "\"Local\" is the time zone of the controller's container, usually UTC; name the zone you mean"},
        {"@triggered", "never", "never runs; kcm and Velero treat it as always due and start backups back to back"},
        {"200/5 * * * *", "never", "never runs; kcm and Velero treat it as always due and start backups back to back"},
        {"TZ=Europe/Berlin 15 2 * * *", "at 02:15 every day",
         "02:15 on 2027-03-28 in Europe/Berlin: runs at 03:15 instead, because clocks skip that time"},
        {"TZ=Europe/Berlin 15 1,2 * * *", "at 01:15 and 02:15 every day",
         "02:15 on 2027-03-28 in Europe/Berlin: no run, because clocks skip that time"},
        {"*/70 * * * *",
         "minute step in \"*/70\" must be less than 60, the size of its range; for the first value alone use \"0\"",
         NULL},
        {"0 0 1-31/40 * *",
         "day-of-month step in \"1-31/40\" must be less than 31, the size of its range; for the first value alone use "
         "\"1\"",
         NULL},
        {"0 9 * * 8", "day-of-week 8 is out of range; use 0 to 7, or sun to sat", NULL},
        {"@every 500ms", "\"@every\" needs at least one second, and \"500ms\" is less; use, for example, \"@every 6h\"",
         NULL},
        {"TZ=UTC",
         "\"TZ=UTC\" has no space and no schedule after the time zone; use, for example, \"TZ=UTC 0 6 * * *\"", NULL},
        {"TZ=\"UTC\" ", "no schedule follows the time zone; use, for example, \"TZ=UTC 0 6 * * *\"", NULL},
        {"TZ= 0 6 * * *", "the time zone is empty; name one, as in \"TZ=UTC 0 6 * * *\"", NULL},
        {"0 0 L * *", "day-of-month \"L\" is not valid: \"L\" (the last) is not supported; use 1 to 31", NULL},
        {"H 3 * * *", "minute \"H\" is not valid: \"H\" (a value chosen by hash) is not supported; use 0 to 59", NULL},
        {"0 0 * * fri#3",
         "day-of-week \"fri#3\" is not valid: \"#\" (the nth weekday of a month) is not supported; use 0 to 7, or sun "
         "to sat",
         NULL},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct cron_schedule schedule;
        struct error error = {0};
        struct strlist warnings = {0};
        ARENA_SCOPED arena = arena_new(1 << 20);
        BUF_SCOPED out;
        buf_init(&out, 1000);
        struct str spec = str_from(rows[i].spec);
        if (cron_parse(CRON_GO_CRON, spec, cron_zone_utc(), &schedule, &error)) {
            cron_describe(&schedule, &out);
            cron_pitfalls(spec, &schedule, now, arena, &warnings);
        } else {
            buf_puts(&out, error.message);
        }
        ASSERT_TEXT(buf_str(&out), rows[i].meaning);
        if (warnings.len && rows[i].pitfall)
            ASSERT_TEXT(warnings.items[0], rows[i].pitfall);
        CU_ASSERT_EQUAL(warnings.len > 0, rows[i].pitfall != NULL);
    }
}

static void said_back(void)
{
    static const char *const rows[][2] = {
        {"0 */6 * * *", "runs every 6 hours; next 06:00, 12:00, 18:00 UTC"},
        {"0 0 1 * *", "runs at 00:00 on the 1st of every month; next Tue 2026-12-01 00:00, Fri 2027-01-01 00:00, "
                      "Mon 2027-02-01 00:00 UTC"},
        {"TZ=Europe/Berlin 30 4 * * *", "runs at 04:30 every day; next Sat 2026-11-21 04:30, Sun 2026-11-22 04:30, "
                                        "Mon 2026-11-23 04:30 Europe/Berlin"},
        {"@every 6h", "runs every 6 hours after the last run"},
        {"0 0 31 4 *", "never runs"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct cron_schedule schedule;
        BUF_SCOPED out;
        buf_init(&out, 1000);
        CU_ASSERT_FATAL(parse(rows[i][0], &schedule));
        cron_say(&schedule, now, &out);
        ASSERT_TEXT(buf_str(&out), rows[i][1]);
    }
}

/* The whole warning stays one short line. */
static void said_back_whole(void)
{
    static const char *const rows[][2] = {
        {"0 */6 * * *", "spec.schedule: \"0 */6 * * *\" runs every 6 hours; next 06:00, 12:00, 18:00 UTC"},
        {"CRON_TZ=Asia/Kolkata 0,30 */2 1-15/3 jan-jun mon-fri",
         "spec.schedule: \"CRON_TZ=Asia/Kolkata 0,30 */2 1-15/3 jan-jun mon...\" runs every 30 minutes of every 2nd "
         "hour on the 1st, 4th, 7th, 10th and 13th or on any weekday from January to June"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct cron_schedule schedule;
        ARENA_SCOPED arena = arena_new(1 << 16);
        BUF_SCOPED out;
        buf_init(&out, 1000);
        CU_ASSERT_FATAL(parse(rows[i][0], &schedule));
        cron_say_back("spec.schedule", str_from(rows[i][0]), &schedule, now, arena, &out);
        ASSERT_TEXT(buf_str(&out), rows[i][1]);
        CU_ASSERT(out.len < 200);
    }
}

static void advice(void)
{
    static const struct {
        const char *spec, *message;
        int64_t position;
    } rows[] = {
        {"", "the schedule is empty; use five fields such as \"0 */6 * * *\", or a name such as \"@daily\"", 0},
        {"0 9 * * 7", "day-of-week 7 is out of range; for Sunday use 0 or sun", 8},
        {"0 9 * * 5-7", "day-of-week 7 is out of range; Sunday is 0 or sun, so use \"5-6,0\"", 10},
        {"0 0 9 * * *",
         "expected 5 fields (minute hour day-of-month month day-of-week), found 6; seconds are not supported, so "
         "remove "
         "the first field",
         10},
        {"@Hourly", "\"@Hourly\" must be lower case: \"@hourly\"", 0},
        {"@daily ", "remove the white space after \"@daily\"", 0},
        {"@every 1d", "\"1d\" is not a duration (units are h, m and s); use \"@every 24h\"", 7},
        {"* * L * *", "day-of-month \"L\" is not valid: \"L\" (the last) is not supported; use 1 to 31", 4},
        {"* * * * 5#2",
         "day-of-week \"5#2\" is not valid: \"#\" (the nth weekday of a month) is not supported; use 0 to 6, or sun to "
         "sat",
         8},
        {"0 22-6 * * *", "hour range \"22-6\" is backwards; use \"22-23,0-6\"", 2},
        {"0 0 * * fri-mon", "day-of-week range \"fri-mon\" is backwards; use \"fri-sat,sun-mon\"", 8},
        {"0 24 * * *", "hour 24 is out of range; use 0 to 23; midnight is 0", 2},
        {"*/0 * * * *", "minute step in \"*/0\" must be 1 or more", 2},
        {"0 0 * january *", "month \"january\" is not valid; names have three letters, so use \"jan\"", 6},
        {"TZ=UTC",
         "\"TZ=UTC\" has no space and no schedule after the time zone, and the parser panics on it; use, for example, "
         "\"TZ=UTC 0 6 * * *\"",
         6},
        {"TZ=Nowhere/Else @daily",
         "unknown time zone \"Nowhere/Else\"; use a name such as \"Europe/Berlin\", or \"UTC\"", 3},
        {"0 9 * * * 2026",
         "expected 5 fields (minute hour day-of-month month day-of-week), found 6; remove everything after the fifth",
         10},
        {"0 6 * * * velero backup create",
         "expected 5 fields (minute hour day-of-month month day-of-week), found 8; remove everything after the fifth",
         10},
        {"0 0 9 * * 7",
         "expected 5 fields (minute hour day-of-month month day-of-week), found 6; seconds are not supported", 10},
        {"*/ 15 * * * *",
         "expected 5 fields (minute hour day-of-month month day-of-week), found 6; a step must not contain white "
         "space: use \"*/6\"",
         12},
        {"0 9 * * 1 -5",
         "expected 5 fields (minute hour day-of-month month day-of-week), found 6; a range must not contain white "
         "space: use \"1-5\"",
         10},
        {"UTC 0 9 * * *",
         "expected 5 fields (minute hour day-of-month month day-of-week), found 6; the time zone goes at the very "
         "start, as in \"TZ=UTC 0 6 * * *\"",
         12},
        {"every 6 hours", "\"every 6 hours\" is not a schedule; use \"@every 6h\"", 13},
        {"@day", "unknown schedule name \"@day\"; use \"@every 24h\"", 0},
        {"@every 999999w",
         "\"999999w\" is not a duration; use, for example, \"@every 6h\" or \"@every 1h30m\" (units are h, m and s; "
         "maximum 2562047h)",
         7},
        {"@every 3600", "the duration \"3600\" has no unit; use \"@every 3600m\" or \"@every 3600s\"", 7},
        {"0 9 * * mon;wed", "day-of-week \"mon;wed\" is not valid: use commas for a list, as in \"1,15\"", 8},
        {"0 9 * * -fri", "day-of-week \"-fri\" is not valid: a number is missing", 8},
        {"TZ=IST 0 9 * * *", "unknown time zone \"IST\"; use a name such as \"Europe/Berlin\", or \"UTC\"", 3},
        {"TZ=India 0 9 * * *", "unknown time zone \"India\"; use a name such as \"Europe/Berlin\", or \"UTC\"", 3},
        {"TZ=Etc/UTC+2 0 9 * * *", "unknown time zone \"Etc/UTC+2\"; use a name such as \"Europe/Berlin\", or \"UTC\"",
         3},
        {"\x01 * * * *", "minute \"\\x01\" is not a number; use 0 to 59", 0},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct cron_schedule schedule;
        struct error error = {0};
        CU_ASSERT_FALSE(cron_parse(CRON_ROBFIG, str_from(rows[i].spec), cron_zone_utc(), &schedule, &error));
        ASSERT_TEXT(str_from(error.message), rows[i].message);
        CU_ASSERT(error.position == rows[i].position && error.code == 422);
    }
}

static void pitfalls(void)
{
    static const char *const rows[][2] = {
        {"0 */6 * * *", NULL},
        {"0 0 13 * 5",
         "day-of-month and day-of-week are both set: it runs when either matches, not only when both match"},
        {"0 0 1-31 * 5", "runs every day: day-of-month \"1-31\" covers every day without being \"*\", and a match of "
                         "either day field is enough"},
        {"*-abc * * * *", "minute \"*-abc\": what follows \"*-\" is ignored"},
        {"*/70 * * * *", "minute \"*/70\": the first step already passes the end, so only 0 matches"},
        {"1,,2 * * * *", "minute \"1,,2\": an empty list item is ignored"},
        {"+5 * * * *", "\"+5\" is read as 5"},
        {"0 0 *,13 * 5",
         "day-of-month \"*,13\": \"*\" already means every value, so the rest of the list has no effect"},
        {"*/7 * * * *", "minute \"*/7\": counting restarts at minute 0, so the last interval is shorter"},
        {"0 0 31 * *", "skips February, April, June, September and November: that day does not exist there"},
        {"0 0 29 2 *", "29 February exists in leap years only"},
        {"0 0 30 2 *", "never runs; kcm and Velero treat it as always due and start backups back to back"},
        {"TZ=Local @daily",
         "\"Local\" is the time zone of the controller's container, usually UTC; name the zone you mean"},
        {"TZ=Europe/Berlin 15 2 1-30 3 *",
         "02:15 on 2027-03-28 in Europe/Berlin: no run, because clocks skip that time"},
        {"TZ=America/New_York 30 1 * * *",
         "01:30 on 2027-11-07 in America/New_York: runs twice, because clocks go back and that time occurs twice"},
        {"0\xc2\xa0"
         "0 * * *",
         "it contains white space other than plain spaces (such as a no-break space)"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct cron_schedule schedule;
        struct strlist warnings = {0};
        ARENA_SCOPED arena = arena_new(1 << 20);
        CU_ASSERT_FATAL(parse(rows[i][0], &schedule));
        cron_pitfalls(str_from(rows[i][0]), &schedule, now, arena, &warnings);
        CU_ASSERT_EQUAL(warnings.len, rows[i][1] != NULL);
        if (warnings.len && rows[i][1])
            ASSERT_TEXT(warnings.items[0], rows[i][1]);
    }
}

/* 2100 is no leap year: the library gives up between 2096 and 2104, but the schedule is not one that never fires. */
static void leap_day_horizon(void)
{
    struct cron_schedule schedule;
    struct strlist warnings = {0};
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct str spec = STR("0 0 29 2 *");
    int64_t in_2094 = 0, in_2097 = 0, next;
    CU_ASSERT_FATAL(parse(spec.ptr, &schedule));
    CU_ASSERT_FATAL(time_parse(STR("2094-01-01T00:00:00Z"), &in_2094) &&
                    time_parse(STR("2097-01-01T00:00:00Z"), &in_2097));
    CU_ASSERT_FALSE(cron_next(&schedule, in_2097, &next));
    CU_ASSERT_FALSE(cron_never_fires(&schedule));
    cron_pitfalls(spec, &schedule, in_2094, arena, &warnings);
    CU_ASSERT_FATAL(warnings.len == 2);
    ASSERT_TEXT(warnings.items[0], "no run for over five years after 2096-02-29; then kcm and Velero treat it as "
                                   "always due and start backups back to back");
}

/* The library would search for ever: Apia had no 30 December in 2011. */
static void endless_search(void)
{
    struct cron_schedule schedule;
    struct error error;
    int64_t from = 0, next;
    const struct cron_zone *apia = cron_zone_find(STR("Pacific/Apia"), &error);
    CU_ASSERT_FATAL(apia != NULL && time_parse(STR("2011-12-28T00:00:00Z"), &from));
    CU_ASSERT_FATAL(cron_parse(CRON_ROBFIG, STR("0 0 30 12 *"), apia, &schedule, &error));
    CU_ASSERT_FALSE(cron_next(&schedule, from, &next));
}

static void extreme_times(void)
{
    static const int64_t starts[] = {INT64_MIN, INT64_MIN + 1, -62135596801,     -1,
                                     0,         253402300799,  INT64_C(1) << 50, INT64_MAX};
    struct cron_schedule schedule;
    int64_t next;
    for (size_t i = 0; i < LENGTH_OF(starts); i++) {
        CU_ASSERT_FATAL(parse("TZ=Europe/Berlin 7 7 7 7 *", &schedule));
        CU_ASSERT(!cron_next(&schedule, starts[i], &next) || next > starts[i]);
        CU_ASSERT_FATAL(parse("@every 2562047h", &schedule));
        CU_ASSERT(!cron_next(&schedule, starts[i], &next) || next - starts[i] == INT64_C(2562047) * 3600);
    }
}

SUITE(cron, {"meanings", meanings}, {"as go-cron reads it", go_cron}, {"said back in one line", said_back},
      {"said back as a warning", said_back_whole}, {"advice", advice}, {"pitfalls", pitfalls},
      {"29 February around 2100", leap_day_horizon}, {"a search without an end", endless_search},
      {"times at the ends of the range", extreme_times})
