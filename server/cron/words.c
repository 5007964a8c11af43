/* Sets of minutes, hours, days and months in English: ranges, steps and exceptions where they are shorter than a
 * list. */
#include "cron/spec.h"

static int next_member(uint64_t bits, int value)
{
    uint64_t above = bits >> value >> 1;
    return above ? value + 1 + __builtin_ctzll(above) : -1;
}

/* `cyclic`: the distance from the last value over the end to the first is the same step, so
 * "every 15 minutes" is true all day. Minutes 0, 7, ..., 56 are not cyclic: after 56 comes 0,
 * four minutes later. */
static void find_step(struct set *set)
{
    for (int value = set->first, next; (next = next_member(set->bits, value)) >= 0; value = next) {
        if (set->step && next - value != set->step) {
            set->step = 0;
            return;
        }
        set->step = next - value;
    }
    int size = set->max - set->min + 1;
    set->cyclic = set->step > 0 && set->first + size - set->last == set->step;
}

/* One run of neighbours has one start: a member whose predecessor, going round, is none. */
static void find_run(struct set *set)
{
    int size = set->max - set->min + 1;
    uint64_t all = (UINT64_C(1) << size) - 1, bits = set->bits >> set->min;
    uint64_t before = (bits << 1 | bits >> (size - 1)) & all, after = (bits >> 1 | bits << (size - 1)) & all;
    uint64_t starts = bits & ~before, ends = bits & ~after;
    set->one_run = __builtin_popcountll(starts) == 1;
    if (!set->one_run)
        return;
    set->run_first = set->min + __builtin_ctzll(starts);
    set->run_last = set->min + __builtin_ctzll(ends);
}

struct set words_set(uint64_t bits, enum field_id id)
{
    bits &= ~CRON_STAR;
    struct set set = {
        .bits = bits, .min = spec_fields[id].min, .max = spec_fields[id].max, .full = bits == field_all(id)};
    if (bits == 0)
        return set;
    set.count = __builtin_popcountll(bits);
    set.first = __builtin_ctzll(bits);
    set.last = 63 - __builtin_clzll(bits);
    find_step(&set);
    find_run(&set);
    return set;
}

/* The end of the run that starts at `first`; two neighbours are no run. */
static int run_end(uint64_t bits, int first)
{
    int last = first;
    while (bits >> (last + 1) & 1)
        last++;
    return last - first >= 2 ? last : first;
}

/* Three or more neighbours are a range, two are written out ("1 and 2"). With more pieces than
 * the style allows nothing is written, and the caller counts them instead. */
bool words_list(struct buf *out, const struct set *set, const struct list_style *style)
{
    uint64_t bits = set->bits;
    int pieces = 0;
    for (int value = next_member(bits << 1, 0) - 1; value >= 0; value = next_member(bits, run_end(bits, value)))
        pieces++;
    if (pieces > 1 && set->count > 2 && set->one_run && set->run_first > set->run_last) { /* "Friday to Monday" */
        style->write(out, set->run_first);
        buf_puts(out, style->range);
        style->write(out, set->run_last);
        return true;
    }
    if (pieces > style->pieces_max)
        return false;
    for (int value = set->first, written = 0; value >= 0; written++) {
        int last = run_end(set->bits, value);
        if (written)
            buf_puts(out, written + 1 == pieces ? style->last : ", ");
        style->write(out, value);
        if (last > value) {
            buf_puts(out, style->range);
            style->write(out, last);
        }
        value = next_member(set->bits, last);
    }
    return true;
}

static void write_two(char *out, int value)
{
    out[0] = (char)('0' + value / 10 % 10);
    out[1] = (char)('0' + value % 10);
}

/* Written by hand, because every review says times and printf takes longer than finding them. */
void words_clock(struct buf *out, int hour, int minute)
{
    char text[5] = "00:00";
    write_two(text, hour);
    write_two(text + 3, minute);
    buf_add(out, (struct str){text, sizeof text});
}

void words_date(struct buf *out, const struct civil *civil)
{
    char text[10] = "0000-00-00";
    int year = (int)civil->year;
    if (civil->year < 0 || civil->year > 9999) {
        buf_printf(out, "%lld-%02d-%02d", (long long)civil->year, civil->month, civil->day);
        return;
    }
    write_two(text, year / 100);
    write_two(text + 2, year % 100);
    write_two(text + 5, civil->month);
    write_two(text + 8, civil->day);
    buf_add(out, (struct str){text, sizeof text});
}

void words_number(struct buf *out, int value)
{
    char text[2];
    write_two(text, value);
    buf_add(out, (struct str){value < 10 ? text + 1 : text, value < 10 ? 1 : 2});
}

void words_ordinal(struct buf *out, int value)
{
    static const char *const endings[] = {"th", "st", "nd", "rd"};
    bool teen = value / 10 == 1;
    words_number(out, value);
    buf_puts(out, !teen && value % 10 <= 3 ? endings[value % 10] : endings[0]);
}

void words_month(struct buf *out, int value)
{
    static const char *const names[] = {"January", "February", "March",     "April",   "May",      "June",
                                        "July",    "August",   "September", "October", "November", "December"};
    buf_puts(out, names[value - 1]);
}

/* "Friday" */
static void words_weekday(struct buf *out, int value)
{
    static const char *const names[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    buf_puts(out, names[value]);
}

/* "hour" alone without "1", as it follows "every". */
void words_seconds(struct buf *out, int64_t seconds)
{
    const struct {
        int64_t count;
        const char *unit;
    } parts[] = {{seconds / SECONDS_PER_HOUR, "hour"}, {seconds / 60 % 60, "minute"}, {seconds % 60, "second"}};
    int kinds = 0;
    for (size_t i = 0; i < LENGTH_OF(parts); i++)
        kinds += parts[i].count > 0;
    const char *before = "";
    for (size_t i = 0; i < LENGTH_OF(parts); i++) {
        if (parts[i].count == 0)
            continue;
        if (kinds == 1 && parts[i].count == 1)
            buf_puts(out, parts[i].unit);
        else
            buf_printf(out, "%s%lld %s%s", before, (long long)parts[i].count, parts[i].unit,
                       parts[i].count > 1 ? "s" : "");
        before = " ";
    }
}

/* Plural: "on Fridays" for a rule of its own, "on any Friday" beside dates. */
static void write_weekdays(struct buf *out, int value)
{
    words_weekday(out, value);
    buf_putc(out, 's');
}

static void write_any(struct buf *out, int value)
{
    words_weekday(out, value % 7);
}

static void write_all(struct buf *out, int value)
{
    write_weekdays(out, value % 7);
}

enum { WORKING_DAYS = 0x3e };

/* What stands before days of the week: alone, as the one side of an "or", or as what a date has to be. */
enum weekday_place { WEEKDAYS_ALONE, WEEKDAYS_OR, WEEKDAYS_IF };

static enum weekday_place weekday_place(const struct day_rule *rule)
{
    if (!rule->by_date)
        return WEEKDAYS_ALONE;
    return rule->both ? WEEKDAYS_IF : WEEKDAYS_OR;
}

/* "on weekdays", "on Mondays and Fridays"; "on any Monday or Friday"; "(if it is) a Monday or Friday". */
static void say_weekdays(struct buf *out, const struct set *weekdays, enum weekday_place place, int pieces_max)
{
    static const char *const before[] = {" on ", " on any ", " a "};
    static const char *const counted[] = {" on any of", " on any of", " one of"};
    const bool plural = place == WEEKDAYS_ALONE;
    struct list_style style = {" to ", plural ? " and " : " or ", plural ? write_all : write_any, pieces_max};
    /* Monday first, as people say it: Sunday counts as the eighth day. */
    struct set set = *weekdays;
    set.bits = (weekdays->bits & ~UINT64_C(1)) | (weekdays->bits & 1) << 7;
    set.first = set.bits ? __builtin_ctzll(set.bits) : 0;
    const size_t start = out->len;
    buf_puts(out, before[place]);
    if (weekdays->bits == WORKING_DAYS) {
        buf_puts(out, plural ? "weekdays" : "weekday");
    } else if (!words_list(out, &set, &style)) {
        out->len = start;
        buf_printf(out, "%s %d days of the week", counted[place], weekdays->count);
    }
}

/* "on the 1st and 15th". */
static void say_dates(struct buf *out, const struct set *days, int pieces_max)
{
    struct list_style style = {" to ", " and ", words_ordinal, pieces_max};
    size_t start = out->len;
    buf_puts(out, " on the ");
    if (days->count <= 7 || !days->step || days->step == 1) {
        if (words_list(out, days, &style))
            return;
        out->len = start;
        buf_printf(out, " on %d days", days->count);
        return;
    }
    out->len = start;
    buf_puts(out, " on every ");
    words_ordinal(out, days->step);
    buf_puts(out, " day from the ");
    words_ordinal(out, days->first);
    buf_puts(out, " to the ");
    words_ordinal(out, days->last);
}

/* An OR, an AND and a single rule must not read alike: "on the 13th or on any Friday", "on the
 * 13th if it is a Friday", "on Fridays". */
void words_days(struct buf *out, const struct cron_schedule *schedule, bool say_every_day, int pieces_max)
{
    struct set dates = words_set(schedule->day_of_month, FIELD_DAY_OF_MONTH),
               months = words_set(schedule->month, FIELD_MONTH),
               weekdays = words_set(schedule->day_of_week, FIELD_DAY_OF_WEEK);
    struct day_rule rule = schedule_day_rule(schedule);
    bool dates_only = rule.by_date && !rule.by_weekday;
    if (rule.every_day && say_every_day)
        buf_puts(out, " every day");
    if (rule.by_date)
        say_dates(out, &dates, pieces_max);
    if (rule.by_date && rule.by_weekday)
        buf_puts(out, rule.both ? " if it is" : " or");
    if (rule.by_weekday)
        say_weekdays(out, &weekdays, weekday_place(&rule), pieces_max);
    if (!months.full) {
        const char *before = dates_only ? " of " : " in ";
        struct list_style style = {" to ", " and ", words_month, pieces_max};
        bool run = (months.step == 1 || months.one_run) && months.count > 2;
        size_t start = out->len;
        buf_puts(out, run ? " from " : before);
        if (!words_list(out, &months, &style)) {
            out->len = start;
            buf_printf(out, "%s%d months of the year", before, months.count);
        }
    } else if (dates_only)
        buf_puts(out, " of every month");
}
