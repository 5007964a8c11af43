#include "cron/advice/pitfalls.h"

void pitfall(const struct pitfalls *pitfalls, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str text = arena_vprintf(pitfalls->arena, format, args);
    va_end(args);
    if (text.len && !strlist_has(pitfalls->warnings, text))
        strlist_add(pitfalls->arena, pitfalls->warnings, text);
}

struct str pitfall_quote(const struct pitfalls *pitfalls, struct str text)
{
    enum { SHOWN = 24 };
    return spec_quote(pitfalls->arena, text, SHOWN);
}

/* What is written in a field and read as something else. */

struct item {
    struct str text, base, end, step_text;
    bool star, single;
    int64_t step; /* 1 where none is given */
};

static int64_t item_number(const struct field *field, struct str text)
{
    int named = field->names ? field_named(field, text) : -1;
    int64_t number = named;
    if (named < 0 && !str_to_int64(str_slice(text, text.len && text.ptr[0] == '+', text.len), &number))
        number = INT64_MAX;
    return number;
}

/* The field parsed, so only its shape is looked at here. */
static struct item item_of(struct str text)
{
    struct item item = {.text = text, .step = 1};
    struct str rest = text, ends;
    str_cut(&rest, '/', &ends);
    item.step_text = rest;
    str_cut(&ends, '-', &item.base);
    item.single = !ends.ptr;
    item.end = ends;
    item.star = str_is(item.base, "*") || str_is(item.base, "?");
    if (rest.len && rest.ptr[0] == '+')
        rest = str_slice(rest, 1, rest.len);
    if (rest.len && !str_to_int64(rest, &item.step))
        item.step = INT64_MAX;
    return item;
}

/* "+5" and "0005" are read as 5. */
static void warn_about_number(const struct pitfalls *pitfalls, struct str number)
{
    struct str digits = number;
    if (digits.len > 1 && digits.ptr[0] == '+')
        digits = str_slice(digits, 1, digits.len);
    bool zeros = digits.len > 2 && digits.ptr[0] == '0' && digits.ptr[1] == '0';
    while (digits.len > 1 && digits.ptr[0] == '0')
        digits = str_slice(digits, 1, digits.len);
    if (zeros || (number.len && number.ptr[0] == '+'))
        pitfall(pitfalls, "%.*s is read as %.*s", STR_ARG(pitfall_quote(pitfalls, number)),
                STR_ARG(str_slice(digits, 0, 20)));
}

static void warn_about_numbers(const struct pitfalls *pitfalls, const struct item *item)
{
    struct str rest = item->text, part, number;
    while (str_cut(&rest, '/', &part))
        while (!(item->star && part.ptr == item->text.ptr) && str_cut(&part, '-', &number))
            warn_about_number(pitfalls, number);
}

/* "*" over 60 minutes by 7: 56 is followed by 0. */
static void warn_about_step(const struct pitfalls *pitfalls, enum field_id id, const struct item *item, uint64_t bits)
{
    static const char *const restarts[FIELD_COUNT] = {"minute 0", "midnight", "the 1st of every month", "January",
                                                      "Sunday"};
    const struct field *field = &spec_fields[id];
    if (id == FIELD_DAY_OF_WEEK && (bits & 1) && item->single && !item->star && item_number(field, item->base) > 0)
        bits = (bits & ~UINT64_C(1)) | UINT64_C(1) << 7; /* go-cron counts on to Sunday as 7 */
    int first = __builtin_ctzll(bits), last = 63 - __builtin_clzll(bits), size = field->max - field->min + 1;
    bool once = item->step > 1 && first == last;
    bool uneven = (item->star || item->single) && first + size - last < item->step;
    if (!once && !uneven)
        return;
    struct str shown = pitfall_quote(pitfalls, item->text);
    if (once)
        pitfall(pitfalls, "%s %.*s: the first step already passes the end, so only %d matches", field->name,
                STR_ARG(shown), first);
    else
        pitfall(pitfalls, "%s %.*s: counting restarts at %s, so the last interval is shorter", field->name,
                STR_ARG(shown), restarts[id]);
}

/* go-cron: a range that goes on over the end of its field. */
static void warn_about_wrap(const struct pitfalls *pitfalls, enum field_id id, const struct item *item)
{
    const enum cron_dialect dialect = pitfalls->schedule->dialect;
    const struct field *field = spec_field(dialect, id);
    struct fault ignored;
    uint64_t bits;
    if (!spec_dialects[dialect].wraps || item->star || !field_parse(dialect, item->text, id, &bits, &ignored) || !bits)
        return;
    int64_t start = item_number(field, item->base);
    struct str shown = pitfall_quote(pitfalls, item->text);
    if (start > field->max)
        pitfall(pitfalls, "%s %.*s: %.*s does not exist, so the steps count from %d", field->name, STR_ARG(shown),
                STR_ARG(pitfall_quote(pitfalls, item->base)), field->min);
    else if (id == FIELD_DAY_OF_WEEK && item->step > 1 && !item->single && start > item_number(field, item->end))
        pitfall(pitfalls, "%s %.*s: Sunday counts twice there, as 7 and as 0", field->name, STR_ARG(shown));
}

static void warn_about_item(const struct pitfalls *pitfalls, enum field_id id, const struct item *item)
{
    const char *name = spec_fields[id].name;
    struct fault ignored;
    uint64_t bits;
    if (item->star && !item->single)
        pitfall(pitfalls, "%s %.*s: what follows \"%.*s-\" is ignored", name,
                STR_ARG(pitfall_quote(pitfalls, item->text)), STR_ARG(item->base));
    if (str_is(item->base, "?") && id != FIELD_DAY_OF_MONTH && id != FIELD_DAY_OF_WEEK)
        pitfall(pitfalls, "%s \"?\" is read as \"*\"", name);
    warn_about_numbers(pitfalls, item);
    warn_about_wrap(pitfalls, id, item);
    if (item->step > 1 && field_parse(pitfalls->schedule->dialect, item->text, id, &bits, &ignored) &&
        (bits & ~CRON_STAR))
        warn_about_step(pitfalls, id, item, bits & ~CRON_STAR);
}

static void warn_about_field(const struct pitfalls *pitfalls, enum field_id id, uint64_t bits)
{
    enum { ITEMS_READ = 100 };
    struct str text = pitfalls->parts.fields[id], rest = text, part;
    int items = 0;
    bool empty = false;
    while (items < ITEMS_READ && str_cut(&rest, ',', &part)) {
        empty |= part.len == 0;
        if (part.len == 0)
            continue;
        struct item item = item_of(part);
        warn_about_item(pitfalls, id, &item);
        items++;
    }
    bool redundant = items > 1 && (bits & CRON_STAR);
    if (items > 0 && !empty && !redundant)
        return;
    struct str shown = pitfall_quote(pitfalls, text);
    if (items == 0)
        pitfall(pitfalls, "%s %.*s is an empty list, so it matches nothing", spec_fields[id].name, STR_ARG(shown));
    else if (empty)
        pitfall(pitfalls, "%s %.*s: an empty list item is ignored", spec_fields[id].name, STR_ARG(shown));
    if (redundant)
        pitfall(pitfalls, "%s %.*s: \"*\" already means every value, so the rest of the list has no effect",
                spec_fields[id].name, STR_ARG(shown));
}

void pitfalls_of_fields(const struct pitfalls *pitfalls)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    const uint64_t sets[FIELD_COUNT] = {schedule->minute, schedule->hour, schedule->day_of_month, schedule->month,
                                        schedule->day_of_week};
    for (enum field_id id = 0; id < FIELD_COUNT; id++)
        warn_about_field(pitfalls, id, sets[id]);
}
