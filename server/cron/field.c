#include "spec.h"

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

const struct field spec_fields[FIELD_COUNT] = {
    [FIELD_MINUTE] = {"minute", "0 to 59", 0, 59, NULL},
    [FIELD_HOUR] = {"hour", "0 to 23", 0, 23, NULL},
    [FIELD_DAY_OF_MONTH] = {"day-of-month", "1 to 31", 1, 31, NULL},
    [FIELD_MONTH] = {"month", "1 to 12, or jan to dec", 1, 12, month_names},
    [FIELD_DAY_OF_WEEK] = {"day-of-week", "0 to 6, or sun to sat", 0, 6, weekday_names},
};

/* All of start, start + step, ... up to end; both are below 64. */
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

uint64_t field_all(enum field_id id)
{
    return bits_between(spec_fields[id].min, spec_fields[id].max, 1);
}

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

static bool fail(struct fault *fault, enum fault_kind kind, struct str value, int64_t number)
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
        return fail(fault, FAULT_NOT_A_NUMBER, text, 0);
    for (; i < text.len; i++) {
        unsigned digit = (unsigned char)text.ptr[i] - (unsigned)'0';
        if (digit > 9)
            return fail(fault, FAULT_NOT_A_NUMBER, text, 0);
        if (value > (UINT64_MAX - digit) / 10)
            return fail(fault, FAULT_NUMBER_TOO_LARGE, text, 0);
        value = value * 10 + digit;
    }
    if (value > (uint64_t)INT64_MAX + negative)
        return fail(fault, FAULT_NUMBER_TOO_LARGE, text, 0);
    *number = negative ? (int64_t)(0 - value) : (int64_t)value;
    return *number >= 0 || fail(fault, FAULT_NEGATIVE, text, *number);
}

static bool value_parse(struct str text, const struct field *field, int64_t *number, struct fault *fault)
{
    int named = field->names ? field_named(field, text) : -1;
    *number = named;
    return named >= 0 || number_parse(text, number, fault);
}

struct range {
    int64_t start, end, step;
    bool star, single;
    struct str start_text, end_text, step_text;
};

/* "5", "1-5", "*", "?": whatever follows "*-" is never looked at. */
static bool ends_parse(struct str text, const struct field *field, struct range *range, struct fault *fault)
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
        return fail(fault, FAULT_HYPHENS, text, 0);
    return value_parse(range->end_text, field, &range->end, fault);
}

static bool range_parse(struct str text, const struct field *field, struct range *range, struct fault *fault)
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
            return fail(fault, FAULT_SLASHES, text, 0);
        range->step_text = step;
        fault->step = true;
        if (!number_parse(step, &range->step, fault))
            return false;
        if (range->single)
            range->end = field->max; /* "5/15" means "5-59/15" */
    }
    fault->start = range->start;
    fault->end = range->end;
    if (range->start < field->min)
        return fail(fault, FAULT_BELOW, range->start_text, range->start);
    if (range->end > field->max)
        return fail(fault, FAULT_ABOVE, range->end_text, range->end);
    if (range->start > range->end)
        return fail(fault, FAULT_BACKWARDS, range->start_text, range->start);
    return range->step > 0 || fail(fault, FAULT_STEP_ZERO, range->step_text, 0);
}

bool field_parse(struct str text, enum field_id id, uint64_t *bits, struct fault *fault)
{
    struct str rest = text, item;
    fault->field = id;
    *bits = 0;
    while (str_cut(&rest, ',', &item)) {
        struct range range;
        if (item.len == 0)
            continue;
        if (!range_parse(item, &spec_fields[id], &range, fault))
            return false;
        *bits |= bits_between(range.start, range.end, range.step);
        if (range.star && range.step == 1)
            *bits |= CRON_STAR;
    }
    return true;
}
