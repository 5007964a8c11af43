/* UTF-8 and the escapes of JSON strings. */
#include "json/json.h"

#include <string.h>

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

size_t utf8_encode(uint32_t code, char out[4])
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

/* The code point of the \u escape at *at, which moves past it and past the second
 * half of a pair. */
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
