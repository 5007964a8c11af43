#include "backstop/base.h"

enum { BASE64_GROUPS = 64 }; /* written at once */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Up to three bytes as four digits. Inline: whole groups, which nearly all are, then ask nothing. */
static inline void base64_group(const unsigned char *in, size_t rest, char *quad)
{
    unsigned group = (unsigned)in[0] << 16;
    if (rest > 1)
        group |= (unsigned)in[1] << 8;
    if (rest > 2)
        group |= in[2];
    quad[0] = base64_digits[group >> 18];
    quad[1] = base64_digits[group >> 12 & 63];
    quad[2] = rest > 1 ? base64_digits[group >> 6 & 63] : '=';
    quad[3] = rest > 2 ? base64_digits[group & 63] : '=';
}

/* Whole groups, and what is left of a last one. */
static void base64_digits_of(const unsigned char *in, size_t length, char *quad)
{
    for (; length >= 3; in += 3, length -= 3, quad += 4)
        base64_group(in, 3, quad);
    if (length)
        base64_group(in, length, quad);
}

void base64_write(struct str bytes, struct buf *out)
{
    char quads[4 * BASE64_GROUPS];
    for (size_t i = 0; i < bytes.len; i += (size_t)3 * BASE64_GROUPS) {
        struct str block = str_slice(bytes, i, i + (size_t)3 * BASE64_GROUPS);
        base64_digits_of((const unsigned char *)block.ptr, block.len, quads);
        buf_add(out, (struct str){quads, (block.len + 2) / 3 * 4});
    }
}

struct str base64_encode(struct arena *arena, struct str bytes)
{
    size_t length = (bytes.len + 2) / 3 * 4;
    char *text = arena_alloc(arena, length + 1);
    if (!text)
        return (struct str){NULL, 0};
    base64_digits_of((const unsigned char *)bytes.ptr, bytes.len, text);
    return (struct str){text, length};
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (char_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

struct str base64_decode(struct arena *arena, struct str text)
{
    static const struct str none = {NULL, 0};
    char *bytes = arena_alloc(arena, text.len / 4 * 3 + 4);
    size_t length = 0, digits = 0, padding = 0;
    uint32_t group = 0;
    if (!bytes)
        return none;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n' || c == '\r')
            continue;
        int value = c == '=' ? 0 : base64_value(c);
        padding += c == '=';
        if (value < 0 || (padding && c != '=') || padding > 2)
            return none;
        group = group << 6 | (uint32_t)value;
        if (++digits % 4 == 0)
            for (int shift = 16; shift >= 0; shift -= 8)
                bytes[length++] = (char)(group >> shift & 0xff);
    }
    if (digits % 4 != 0)
        return none;
    bytes[length - padding] = '\0';
    return (struct str){bytes, length - padding};
}
