/* The scanner: strict RFC 8259 over untrusted bytes, at most one look at each.
 *
 * A request body is the one input that anybody who may create an object controls, so it is read
 * without recursion and without a copy, and refused at the first byte that is not JSON, with its
 * position. Messages say what was expected and what was found, as for a person who looks at the
 * file. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

const unsigned char scan_value_start[256] = {
    ['n'] = 1 + JSON_NULL,   ['t'] = 1 + JSON_BOOL,   ['f'] = 1 + JSON_BOOL,   ['-'] = 1 + JSON_NUMBER,
    ['0'] = 1 + JSON_NUMBER, ['1'] = 1 + JSON_NUMBER, ['2'] = 1 + JSON_NUMBER, ['3'] = 1 + JSON_NUMBER,
    ['4'] = 1 + JSON_NUMBER, ['5'] = 1 + JSON_NUMBER, ['6'] = 1 + JSON_NUMBER, ['7'] = 1 + JSON_NUMBER,
    ['8'] = 1 + JSON_NUMBER, ['9'] = 1 + JSON_NUMBER, ['"'] = 1 + JSON_STRING, ['['] = 1 + JSON_ARRAY,
    ['{'] = 1 + JSON_OBJECT,
};

struct scan scan_text(struct str text, struct error *error)
{
    const char *start = text.ptr ? text.ptr : "";
    return (struct scan){.start = start, .at = start, .end = start + text.len, .error = error};
}

void scan_space(struct scan *scan)
{
    scan->at = scan_space_end(scan->at, scan->end);
}

bool scan_string_broken(struct scan *scan, const char *at)
{
    int64_t position = at - scan->start;
    if (at == scan->end)
        return error_at(scan->error, 400, position, "the text ends inside a string: expected a closing quote");
    if (*at == '\\')
        return error_at(scan->error, 400, position,
                        "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four hexadecimal digits");
    if ((unsigned char)*at < 0x20)
        return error_at(scan->error, 400, position, "byte 0x%02x must be escaped in a string: use \\u%04x", *at, *at);
    return error_at(scan->error, 400, position, "byte 0x%02x is not UTF-8: expected text encoded as UTF-8",
                    (unsigned char)*at);
}

static const char *digits_end(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* A leading 0 may stand alone only, and there is no "+", no ".5" and no "1.": JSON's grammar,
 * which is narrower than strtod's. */
bool scan_number(struct scan *scan, bool *whole)
{
    const char *at = scan->at, *end = scan->end, *from;
    *whole = true;
    if (*at == '-')
        at++;
    from = at;
    at = digits_end(at, end);
    if (at == from)
        return scan_expected(scan, at, "a digit");
    if (*from == '0' && at - from > 1)
        return scan_expected(scan, from + 1, "no digits after a leading 0");
    if (at < end && *at == '.') {
        *whole = false;
        from = ++at;
        at = digits_end(at, end);
        if (at == from)
            return scan_expected(scan, at, "a digit after the decimal point");
    }
    if (at < end && (*at | 0x20) == 'e') {
        *whole = false;
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        from = at;
        at = digits_end(at, end);
        if (at == from)
            return scan_expected(scan, at, "a digit in the exponent");
    }
    scan->at = at;
    return true;
}

bool scan_literal(struct scan *scan)
{
    const char *word = *scan->at == 't' ? "true" : *scan->at == 'f' ? "false" : "null";
    size_t length = strlen(word);
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
        return scan_expected(scan, scan->at, "true, false or null");
    scan->at += length;
    return true;
}

bool scan_next(struct scan *scan, char closing, bool *more)
{
    scan_space(scan);
    if (scan->at < scan->end && (*scan->at == ',' || *scan->at == closing)) {
        *more = *scan->at++ == ',';
        return true;
    }
    return scan_expected(scan, scan->at, closing == '}' ? "a comma or }" : "a comma or ]");
}

bool scan_member(struct scan *scan, char closing, bool opened, bool *more)
{
    if (!opened)
        return scan_next(scan, closing, more);
    scan_space(scan);
    *more = scan->at == scan->end || *scan->at != closing;
    scan->at += !*more;
    return true;
}

bool scan_finish(struct scan *scan)
{
    scan_space(scan);
    return scan->at == scan->end || scan_expected(scan, scan->at, "nothing after the value");
}

bool scan_expected(struct scan *scan, const char *at, const char *what)
{
    int64_t position = at - scan->start;
    if (at >= scan->end)
        return error_at(scan->error, 400, position, "expected %s, but the text ends here", what);
    unsigned char byte = (unsigned char)*at;
    if (byte < 0x20 || byte >= 0x7f)
        return error_at(scan->error, 400, position, "expected %s, found byte 0x%02x", what, byte);
    return error_at(scan->error, 400, position, "expected %s, found '%c'", what, byte);
}

bool scan_too_deep(struct scan *scan)
{
    return error_at(scan->error, 400, scan->at - scan->start, "arrays and objects are nested deeper than %d levels",
                    JSON_DEPTH_LIMIT);
}

bool scan_memory(struct scan *scan)
{
    return error_at(scan->error, 500, scan->at - scan->start, "not enough memory for this text");
}

/* UTF-8 and the escapes of JSON strings. */

/* Unicode Standard, table 3-7: what may follow the first byte, so that there are
 * no surrogates, no overlong forms and nothing above U+10FFFF. */
static bool second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xe0:
        return second >= 0xa0 && second <= 0xbf;
    case 0xed:
        return second >= 0x80 && second <= 0x9f;
    case 0xf0:
        return second >= 0x90 && second <= 0xbf;
    case 0xf4:
        return second >= 0x80 && second <= 0x8f;
    default:
        return second >= 0x80 && second <= 0xbf;
    }
}

size_t utf8_length(const char *at, const char *end)
{
    size_t left = (size_t)(end - at);
    unsigned char first = left > 0 ? (unsigned char)*at : 0xff;
    if (first < 0x80)
        return 1;
    size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first < 0xc2 || first > 0xf4 || left < length || !second_fits(first, (unsigned char)at[1]))
        return 0;
    for (size_t i = 2; i < length; i++)
        if (((unsigned char)at[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

static size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[length] | code);
    return length;
}

/* As Go's encoding/json and the API server do it, one U+FFFD for each bad byte: no byte becomes
 * more than three. */
struct str utf8_clean(struct arena *arena, struct str text)
{
    if (text.len == 0 || str_utf8_valid(text))
        return text;
    char *out = arena_array(arena, text.len, 3);
    if (!out)
        return (struct str){NULL, 0};
    size_t used = 0;
    for (size_t i = 0; i < text.len;) {
        size_t length = utf8_length(text.ptr + i, text.ptr + text.len);
        memcpy(out + used, length ? text.ptr + i : "\xef\xbf\xbd", length ? length : 3);
        used += length ? length : 3;
        i += length ? length : 1;
    }
    return (struct str){out, used};
}

static uint32_t hex_digit(char c)
{
    return (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static uint32_t hex_unit(const char *four)
{
    return hex_digit(four[0]) << 12 | hex_digit(four[1]) << 8 | hex_digit(four[2]) << 4 | hex_digit(four[3]);
}

/* The code point of the \u escape at *at, which moves past it and past the second half of a
 * pair. A half that has no partner is U+FFFD, and what follows it is read on its own. */
static uint32_t unicode_escape(const char **at, const char *end)
{
    uint32_t unit = hex_unit(*at + 2);
    *at += 6;
    if (unit < 0xd800 || unit > 0xdfff)
        return unit;
    if (unit < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        uint32_t low = hex_unit(*at + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *at += 6;
            return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return 0xfffd;
}

/* The scanner has checked the escapes already, so nothing can run past the end here. */
struct str json_unescape(struct arena *arena, struct str inside)
{
    static const char simple[256] = {['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    char *out = arena_alloc(arena, inside.len + 1); /* an escape is never shorter than what it stands for */
    if (!out)
        return (struct str){NULL, 0};
    const char *at = inside.ptr, *end = inside.ptr + inside.len;
    size_t used = 0;
    while (at < end) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((backslash ? backslash : end) - at);
        memcpy(out + used, at, plain);
        used += plain;
        at += plain;
        if (!backslash)
            break;
        if (at[1] == 'u') {
            used += utf8_encode(unicode_escape(&at, end), out + used);
            continue;
        }
        char stands_for = simple[(unsigned char)at[1]];
        out[used++] = stands_for ? stands_for : at[1];
        at += 2;
    }
    return (struct str){out, used};
}

/* Floating point numbers as Go writes them: the shortest digits that read back
 * as the same value. */

/* d.ddd times ten to the exponent. `digits` without leading zeros, the point after the first. */
struct decimal {
    bool negative;
    char digits[20];
    int count, exponent;
};

static bool reads_back(const char *text, double value, bool single)
{
    return single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* With 17 digits every double reads back. Trying from one digit on costs little: the numbers in
 * manifests have few. */
static struct decimal decimal_shortest(double value, bool single)
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

/* encoding/json's floatEncoder: 'f' between 1e-6 and 1e21, else 'e', with a two-digit exponent
 * made one-digit. */
void number_write_json(struct buf *buf, double value)
{
    if (!isfinite(value)) {
        buf_puts(buf, "null");
        return;
    }
    struct decimal decimal = decimal_shortest(value, false);
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
    struct decimal decimal = decimal_shortest((double)(float)value, true);
    if (decimal.negative)
        buf_putc(buf, '-');
    if (decimal.exponent < -4 || decimal.exponent >= 6)
        write_scientific(buf, &decimal, 2);
    else
        write_positional(buf, &decimal);
}
