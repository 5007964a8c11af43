#include "cron/words.h"

static int next_member(uint64_t bits, int value)
{
    uint64_t above = bits >> value >> 1;
    return above ? value + 1 + __builtin_ctzll(above) : -1;
}

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

static int count_pieces(uint64_t bits)
{
    int pieces = 0;
    for (int value = next_member(bits << 1, 0) - 1; value >= 0; value = next_member(bits, run_end(bits, value)))
        pieces++;
    return pieces;
}

bool words_list(struct buf *out, const struct set *set, const struct list_style *style)
{
    int pieces = count_pieces(set->bits);
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

void words_weekday(struct buf *out, int value)
{
    static const char *const names[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    buf_puts(out, names[value]);
}

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
