/* One field of a schedule as a set of bits, as robfig/cron's parser.go getField and getRange
 * read it: the top bit says that it was "*" or "?", which decides how days and weekdays combine.
 *
 * Also the table of what sets the two libraries apart: everywhere else the code asks for one of
 * its members, never which library it is. */
#include "cron/spec.h"

const struct dialect spec_dialects[CRON_DIALECTS] = {
    [CRON_ROBFIG] = {.library = "robfig/cron v3.0.1"},
    [CRON_GO_CRON] = {.library = "netresearch/go-cron v0.15.0",
                      .length_max = 1024,
                      .every_least = NS_PER_SECOND,
                      .wraps = true,
                      .steps_fit = true,
                      .zone_checked = true,
                      .foreign_words = true,
                      .triggers = true,
                      .both_days = true,
                      .gap_runs_late = true,
                      .forgets_second = true},
};

const char *cron_library(enum cron_dialect dialect)
{
    return spec_dialects[dialect].library;
}

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun"};

const struct field spec_fields[FIELD_COUNT] = {
    [FIELD_MINUTE] = {"minute", "0 to 59", 0, 59, NULL},
    [FIELD_HOUR] = {"hour", "0 to 23", 0, 23, NULL},
    [FIELD_DAY_OF_MONTH] = {"day-of-month", "1 to 31", 1, 31, NULL},
    [FIELD_MONTH] = {"month", "1 to 12, or jan to dec", 1, 12, month_names},
    [FIELD_DAY_OF_WEEK] = {"day-of-week", "0 to 6, or sun to sat", 0, 6, weekday_names},
};
static const struct field weekday_to_seven = {"day-of-week", "0 to 7, or sun to sat", 0, 7, weekday_names};

const struct field *spec_field(enum cron_dialect dialect, enum field_id id)
{
    return id == FIELD_DAY_OF_WEEK && spec_dialects[dialect].wraps ? &weekday_to_seven : &spec_fields[id];
}

/* All of start, start + step, ... up to end; both are below 64. Values over 63 never come here:
 * range_check has refused what is over the field's maximum. */
static uint64_t bits_between(int64_t start, int64_t end, int64_t step)
{
    uint64_t bits = 0;
    if (step == 1)
        return ((UINT64_C(2) << end) - 1) & (UINT64_MAX << start);
    for (int64_t i = start; i <= end; i += step) {
        bits |= UINT64_C(1) << i;
        if (step > end) /* also keeps i + step from overflowing */
            break;
    }
    return bits;
}

/* go-cron's getWraparoundBits: from start over the last value on to end. A start so far
 * past the last value that no turn reaches it gives the empty set. */
static uint64_t bits_around(int64_t start, int64_t end, int64_t step, const struct field *field)
{
    uint64_t bits = 0;
    const int64_t size = field->max - field->min + 1;
    for (int64_t i = start; i <= end + size; i += step) /* the step is smaller than the range */
        bits |= UINT64_C(1) << (i > field->max ? (i - field->min) % size + field->min : i);
    return bits;
}

uint64_t field_all(enum field_id id)
{
    return bits_between(spec_fields[id].min, spec_fields[id].max, 1);
}

/* Exactly three letters, as both libraries look names up in a map; "sunday" is no name. */
int field_named(const struct field *field, struct str name)
{
    /* strings.ToLower also maps the dotted capital I of Turkish (U+0130) to "i". */
    char lower[4] = "";
    size_t length = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c == '\xc4' && i + 1 < name.len && name.ptr[i + 1] == '\xb0') {
            c = 'i';
            i++;
        }
        if (length == 3)
            return -1;
        lower[length++] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    for (int value = field->min; field->names && value <= field->max; value++)
        if (length == 3 && str_eq((struct str){lower, 3}, str_from(field->names[value - field->min])))
            return value;
    return -1;
}

static bool field_fail(struct fault *fault, enum fault_kind kind, struct str value, int64_t number)
{
    fault->kind = kind;
    fault->value = value;
    fault->number = number;
    return false;
}

/* strconv.Atoi: an optional sign and digits. Like it, a number that overflows is
 * reported as too large even when what follows is no digit. */
static bool number_parse(struct str text, int64_t *number, struct fault *fault)
{
    size_t i = text.len > 0 && (text.ptr[0] == '+' || text.ptr[0] == '-');
    bool negative = i && text.ptr[0] == '-';
    uint64_t value = 0;
    if (i == text.len)
        return field_fail(fault, FAULT_NOT_A_NUMBER, text, 0);
    for (; i < text.len; i++) {
        unsigned digit = (unsigned char)text.ptr[i] - (unsigned)'0';
        if (digit > 9)
            return field_fail(fault, FAULT_NOT_A_NUMBER, text, 0);
        if (value > (UINT64_MAX - digit) / 10)
            return field_fail(fault, FAULT_NUMBER_TOO_LARGE, text, 0);
        value = value * 10 + digit;
    }
    if (value > (uint64_t)INT64_MAX + negative)
        return field_fail(fault, FAULT_NUMBER_TOO_LARGE, text, 0);
    *number = negative ? (int64_t)(0 - value) : (int64_t)value;
    return *number >= 0 || field_fail(fault, FAULT_NEGATIVE, text, *number);
}

static bool value_parse(struct str text, const struct field *field, int64_t *number, struct fault *fault)
{
    int named = field->names ? field_named(field, text) : -1;
    *number = named;
    return named >= 0 || number_parse(text, number, fault);
}

struct field_range {
    int64_t start, end, step;
    bool star, single;
    struct str start_text, end_text, step_text;
};

/* "5", "1-5", "*", "?": whatever follows "*-" is never looked at. robfig/cron looks at the text
 * before the hyphen first and returns for a star. So "*-abc" is accepted and means "*";
 * pitfalls.c warns of it. */
static bool ends_parse(struct str text, const struct field *field, struct field_range *range, struct fault *fault)
{
    struct str rest = text;
    str_cut(&rest, '-', &range->start_text);
    range->single = !rest.ptr;
    range->end_text = range->start_text;
    range->star = str_is(range->start_text, "*") || str_is(range->start_text, "?");
    if (range->star) {
        range->start = field->min;
        range->end = field->max;
        return true;
    }
    if (!value_parse(range->start_text, field, &range->start, fault))
        return false;
    range->end = range->start;
    if (range->single)
        return true;
    str_cut(&rest, '-', &range->end_text);
    if (rest.ptr)
        return field_fail(fault, FAULT_HYPHENS, text, 0);
    return value_parse(range->end_text, field, &range->end, fault);
}

/* go-cron's count of a range's values, in its unsigned arithmetic, which a start far past
 * the last value takes round. */
static uint64_t range_size(const struct field_range *range, const struct field *field)
{
    const uint64_t start = (uint64_t)range->start, end = (uint64_t)range->end;
    if (range->start <= range->end)
        return end - start + 1;
    return ((uint64_t)field->max - start + 1) + (end - (uint64_t)field->min + 1);
}

static bool range_parse(const struct dialect *dialect, struct str text, const struct field *field,
                        struct field_range *range, struct fault *fault)
{
    struct str rest = text, ends;
    fault->range = text;
    fault->step = false;
    str_cut(&rest, '/', &ends);
    if (!ends_parse(ends, field, range, fault))
        return false;
    range->step = 1;
    range->step_text = rest;
    if (rest.ptr) {
        struct str step;
        str_cut(&rest, '/', &step);
        if (rest.ptr)
            return field_fail(fault, FAULT_SLASHES, text, 0);
        range->step_text = step;
        fault->step = true;
        if (!number_parse(step, &range->step, fault))
            return false;
        if (range->single)
            range->end = field->max; /* "5/15" means "5-59/15" */
    }
    /* The order is getRange's. It decides which of several mistakes is reported, and make cron-diff
     * compares the texts. */
    fault->start = range->start;
    fault->end = range->end;
    if (range->start < field->min)
        return field_fail(fault, FAULT_BELOW, range->start_text, range->start);
    if (range->end > field->max)
        return field_fail(fault, FAULT_ABOVE, range->end_text, range->end);
    if (range->start > range->end && !dialect->wraps)
        return field_fail(fault, FAULT_BACKWARDS, range->start_text, range->start);
    if (range->step == 0)
        return field_fail(fault, FAULT_STEP_ZERO, range->step_text, 0);
    fault->size = range_size(range, field);
    if (dialect->steps_fit && range->step > 1 && (uint64_t)range->step >= fault->size)
        return field_fail(fault, FAULT_STEP_TOO_LARGE, range->step_text, range->step);
    return true;
}

/* Empty items are passed over, as strings.FieldsFunc does it: "1,,2" is "1,2", and "," is the empty
 * set, which never fires. A star with step 1 keeps the star bit, any other step drops it: a day field
 * with every second day takes part in the OR of robfig/cron's day rule. */
bool field_parse(enum cron_dialect dialect, struct str text, enum field_id id, uint64_t *bits, struct fault *fault)
{
    const uint64_t seven = UINT64_C(1) << 7;
    const struct field *field = spec_field(dialect, id);
    struct str rest = text, item;
    fault->field = id;
    *bits = 0;
    while (str_cut(&rest, ',', &item)) {
        struct field_range range;
        if (item.len == 0)
            continue;
        if (!range_parse(&spec_dialects[dialect], item, field, &range, fault))
            return false;
        *bits |= range.start > range.end ? bits_around(range.start, range.end, range.step, field)
                                         : bits_between(range.start, range.end, range.step);
        if (range.star && range.step == 1)
            *bits |= CRON_STAR;
    }
    if (id == FIELD_DAY_OF_WEEK && (*bits & seven))
        *bits = (*bits & ~seven) | 1;
    return true;
}
