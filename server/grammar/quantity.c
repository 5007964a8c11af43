#include "backstop/grammar.h"

/* apimachinery resource/quantity.go: sign, digits with at most one point, suffix. */
static const struct {
    const char *suffix;
    double factor;
} suffixes[] = {
    {"", 1},        {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},    {"k", 1e3},     {"M", 1e6},
    {"G", 1e9},     {"T", 1e12},    {"P", 1e15},    {"E", 1e18},    {"Ki", 0x1p10}, {"Mi", 0x1p20},
    {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60},
};

/* "e3", "E-2" after the digits. */
static bool quantity_exponent(struct str text, double *factor)
{
    int64_t power = 0;
    if (text.len < 2 || (text.ptr[0] != 'e' && text.ptr[0] != 'E'))
        return false;
    bool negative = text.ptr[1] == '-', sign = negative || text.ptr[1] == '+';
    if (!str_to_int64(str_slice(text, sign ? 2 : 1, text.len), &power) || power > 300)
        return false;
    *factor = 1;
    for (int64_t i = 0; i < power; i++)
        *factor *= negative ? 0.1 : 10;
    return true;
}

bool quantity_parse(struct str text, double *value)
{
    bool negative = text.len && text.ptr[0] == '-';
    size_t at = text.len && (negative || text.ptr[0] == '+') ? 1 : 0, digits = 0;
    double number = 0, place = 0;
    for (; at < text.len && (char_is_digit(text.ptr[at]) || (text.ptr[at] == '.' && !(place > 0))); at++) {
        if (text.ptr[at] == '.') {
            place = 1;
            continue;
        }
        digits++;
        number = number * 10 + (text.ptr[at] - '0');
        place *= 10;
    }
    if (digits == 0)
        return false;
    if (place > 0)
        number /= place;
    struct str suffix = str_slice(text, at, text.len);
    double factor = 0;
    for (size_t i = 0; i < LENGTH_OF(suffixes); i++)
        if (str_is(suffix, suffixes[i].suffix))
            factor = suffixes[i].factor;
    if (!(factor > 0) && !quantity_exponent(suffix, &factor))
        return false;
    *value = (negative ? -number : number) * factor;
    return true;
}
