#include <stdio.h>

#include "backstop/base.h"

static const struct {
    struct str name;
    uint64_t nanoseconds;
} units[] = {
    {STR_INIT("ns"), 1},
    {STR_INIT("us"), 1000},
    {STR_INIT("\xc2\xb5s"), 1000}, /* U+00B5 micro sign */
    {STR_INIT("\xce\xbcs"), 1000}, /* U+03BC Greek mu */
    {STR_INIT("ms"), 1000000},
    {STR_INIT("s"), 1000000000},
    {STR_INIT("m"), UINT64_C(60) * 1000000000},
    {STR_INIT("h"), UINT64_C(3600) * 1000000000},
};

static const uint64_t OVERFLOWED = UINT64_C(1) << 63;

static bool is_digit(struct str text)
{
    return text.len && text.ptr[0] >= '0' && text.ptr[0] <= '9';
}

/* Go's leadingInt: false when the whole part passes 2^63. */
static bool take_whole(struct str *text, uint64_t *value)
{
    for (*value = 0; is_digit(*text); *text = str_slice(*text, 1, text->len)) {
        if (*value > OVERFLOWED / 10)
            return false;
        *value = *value * 10 + (uint64_t)(text->ptr[0] - '0');
        if (*value > OVERFLOWED)
            return false;
    }
    return true;
}

/* Go's leadingFraction: digits that no longer fit are read and dropped. */
static void take_fraction(struct str *text, uint64_t *value, double *scale)
{
    bool full = false;
    for (*value = 0, *scale = 1; is_digit(*text); *text = str_slice(*text, 1, text->len)) {
        if (full)
            continue;
        uint64_t next = *value * 10 + (uint64_t)(text->ptr[0] - '0');
        if (*value > (OVERFLOWED - 1) / 10 || next > OVERFLOWED) {
            full = true;
            continue;
        }
        *value = next;
        *scale *= 10;
    }
}

static struct str take_unit(struct str *text)
{
    size_t length = 0;
    while (length < text->len && text->ptr[length] != '.' && !is_digit(str_slice(*text, length, text->len)))
        length++;
    struct str unit = str_slice(*text, 0, length);
    *text = str_slice(*text, length, text->len);
    return unit;
}

/* Go's quote(): enough of it for one line of text. */
static void duration_quote(char *out, size_t size, struct str text)
{
    size_t used = 0;
    out[used++] = '"';
    for (size_t i = 0; i < text.len && used + 8 < size; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\')
            used += (size_t)snprintf(out + used, size - used, "\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            used += (size_t)snprintf(out + used, size - used, "\\x%02x", c);
        else
            out[used++] = (char)c;
    }
    snprintf(out + used, size - used, "\"");
}

static bool duration_invalid(struct error *error, const char *what, struct str whole)
{
    char quoted[400];
    duration_quote(quoted, sizeof quoted, whole);
    return error_set(error, 422, "time: %s %s", what, quoted);
}

/* One number with its unit, added to *sum. */
static bool take_component(struct str *text, struct str whole, uint64_t *sum, struct error *error)
{
    uint64_t value, fraction = 0;
    double scale = 1;
    if (text->ptr[0] != '.' && !is_digit(*text))
        return duration_invalid(error, "invalid duration", whole);
    bool before = is_digit(*text), after = false;
    if (!take_whole(text, &value))
        return duration_invalid(error, "invalid duration", whole);
    if (text->len && text->ptr[0] == '.') {
        *text = str_slice(*text, 1, text->len);
        after = is_digit(*text);
        take_fraction(text, &fraction, &scale);
    }
    if (!before && !after)
        return duration_invalid(error, "invalid duration", whole);
    struct str unit = take_unit(text);
    if (unit.len == 0)
        return duration_invalid(error, "missing unit in duration", whole);
    for (size_t i = 0; i < LENGTH_OF(units); i++) {
        if (!str_eq(unit, units[i].name))
            continue;
        if (value > OVERFLOWED / units[i].nanoseconds)
            return duration_invalid(error, "invalid duration", whole);
        value *= units[i].nanoseconds;
        if (fraction > 0)
            value += (uint64_t)((double)fraction * ((double)units[i].nanoseconds / scale));
        if (value > OVERFLOWED || (*sum += value) > OVERFLOWED)
            return duration_invalid(error, "invalid duration", whole);
        return true;
    }
    char quoted[200], whole_quoted[400];
    duration_quote(quoted, sizeof quoted, unit);
    duration_quote(whole_quoted, sizeof whole_quoted, whole);
    return error_set(error, 422, "time: unknown unit %s in duration %s", quoted, whole_quoted);
}

bool duration_parse(struct str text, int64_t *nanoseconds, struct error *error)
{
    struct str whole = text;
    bool negative = text.len && text.ptr[0] == '-';
    if (text.len && (text.ptr[0] == '-' || text.ptr[0] == '+'))
        text = str_slice(text, 1, text.len);
    *nanoseconds = 0;
    if (str_is(text, "0"))
        return true;
    if (text.len == 0)
        return duration_invalid(error, "invalid duration", whole);
    uint64_t sum = 0;
    while (text.len)
        if (!take_component(&text, whole, &sum, error))
            return false;
    if (negative) {
        *nanoseconds = sum == OVERFLOWED ? INT64_MIN : -(int64_t)sum;
        return true;
    }
    if (sum > OVERFLOWED - 1)
        return duration_invalid(error, "invalid duration", whole);
    *nanoseconds = (int64_t)sum;
    return true;
}

const char *duration_format(int64_t seconds, char out[TIME_TEXT_SIZE])
{
    static const struct {
        int64_t seconds;
        char name;
    } parts[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    uint64_t left = seconds < 0 ? 0 - (uint64_t)seconds : (uint64_t)seconds;
    int used = seconds < 0 ? snprintf(out, TIME_TEXT_SIZE, "-") : 0;
    int printed = 0;
    for (size_t i = 0; i < LENGTH_OF(parts) && printed < 2; i++) {
        uint64_t count = left / (uint64_t)parts[i].seconds;
        left %= (uint64_t)parts[i].seconds;
        if (count > 0)
            used += snprintf(out + used, (size_t)(TIME_TEXT_SIZE - used), "%llu%c", (unsigned long long)count,
                             parts[i].name);
        printed += count > 0 || printed > 0;
    }
    if (printed == 0)
        snprintf(out, TIME_TEXT_SIZE, "0s");
    return out;
}
