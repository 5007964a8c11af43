/* Floating point numbers as Go writes them: the shortest digits that read back
 * as the same value. */
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* d.ddd times ten to the exponent. */
struct decimal {
    bool negative;
    char digits[20];
    int count, exponent;
};

static bool reads_back(const char *text, double value, bool single)
{
    return single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

static struct decimal shortest(double value, bool single)
{
    struct decimal decimal = {.negative = signbit(value) != 0};
    char text[40];
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, fabs(value));
        if (reads_back(text, fabs(value), single))
            break;
    }
    const char *at = text;
    for (; *at != 'e'; at++)
        if (*at != '.')
            decimal.digits[decimal.count++] = *at;
    int64_t exponent = 0;
    if (str_to_int64(str_from(at + 2), &exponent))
        decimal.exponent = (int)(at[1] == '-' ? -exponent : exponent);
    return decimal;
}

static void write_positional(struct buf *buf, const struct decimal *decimal)
{
    if (decimal->exponent < 0) {
        buf_puts(buf, "0.");
        for (int i = -1; i > decimal->exponent; i--)
            buf_putc(buf, '0');
    }
    for (int i = 0; i < decimal->count || i <= decimal->exponent; i++) {
        if (decimal->exponent >= 0 && i == decimal->exponent + 1)
            buf_putc(buf, '.');
        buf_putc(buf, i < decimal->count ? decimal->digits[i] : '0');
    }
}

static void write_scientific(struct buf *buf, const struct decimal *decimal, int exponent_digits)
{
    buf_putc(buf, decimal->digits[0]);
    if (decimal->count > 1)
        buf_printf(buf, ".%.*s", decimal->count - 1, decimal->digits + 1);
    buf_printf(buf, "e%c%0*d", decimal->exponent < 0 ? '-' : '+', exponent_digits, abs(decimal->exponent));
}

void number_write_json(struct buf *buf, double value)
{
    if (!isfinite(value)) {
        buf_puts(buf, "null");
        return;
    }
    struct decimal decimal = shortest(value, false);
    if (decimal.negative)
        buf_putc(buf, '-');
    if (value == 0 || (fabs(value) >= 1e-6 && fabs(value) < 1e21))
        write_positional(buf, &decimal);
    else
        write_scientific(buf, &decimal, 1);
}

void number_write_key(struct buf *buf, double value)
{
    if (fabs(value) > 0 && isinf((float)value))
        value = value < 0 ? -INFINITY : INFINITY;
    if (isnan(value) || isinf(value)) {
        buf_puts(buf, isnan(value) ? ".nan" : value < 0 ? "-.inf" : ".inf");
        return;
    }
    struct decimal decimal = shortest((double)(float)value, true);
    if (decimal.negative)
        buf_putc(buf, '-');
    if (decimal.exponent < -4 || decimal.exponent >= 6)
        write_scientific(buf, &decimal, 2);
    else
        write_positional(buf, &decimal);
}
