/* Borrowed slices of text, base64, and digests. The absent text (ptr NULL) is not the
 * empty one: a field that is missing differs from one that is "". */
#include <endian.h>
#include <string.h>

#include "backstop/base.h"

static char str_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase_same_length(struct str a, struct str b)
{
    for (size_t i = 0; i < a.len; i++)
        if (str_lower(a.ptr[i]) != str_lower(b.ptr[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str text, struct str prefix)
{
    return text.len >= prefix.len && str_eq(str_slice(text, 0, prefix.len), prefix);
}

bool str_ends(struct str text, struct str suffix)
{
    return text.len >= suffix.len && str_eq(str_slice(text, text.len - suffix.len, text.len), suffix);
}

bool str_contains(struct str text, struct str part)
{
    if (part.len == 1)
        return text.len && memchr(text.ptr, part.ptr[0], text.len);
    return part.len == 0 || (text.len >= part.len && memmem(text.ptr, text.len, part.ptr, part.len) != NULL);
}

size_t str_command_at(struct str text)
{
    static const char *const begin[] = {"kubectl ", "echo '"};
    for (size_t i = 0; i < text.len; i++)
        if (i == 0 || (i >= 2 && text.ptr[i - 1] == ' ' && text.ptr[i - 2] == ':'))
            for (size_t j = 0; j < LENGTH_OF(begin); j++)
                if (str_starts(str_slice(text, i, text.len), str_from(begin[j])))
                    return i;
    return text.len;
}

static bool str_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str text)
{
    while (text.len > 0 && str_is_space(text.ptr[0]))
        text = str_slice(text, 1, text.len);
    while (text.len > 0 && str_is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* The rest is absent, not empty, when there was no separator: a loop over "a,b," sees a last
 * empty item, and one over "a,b" does not. */
bool str_cut(struct str *text, char separator, struct str *head)
{
    if (!text->ptr) {
        *head = (struct str){NULL, 0};
        return false;
    }
    const char *found = text->len ? memchr(text->ptr, separator, text->len) : NULL;
    if (!found) {
        *head = *text;
        *text = (struct str){NULL, 0};
        return true;
    }
    size_t at = (size_t)(found - text->ptr);
    *head = (struct str){text->ptr, at};
    *text = (struct str){found + 1, text->len - at - 1};
    return true;
}

/* How many bytes the UTF-8 sequence starting here has; 0 when it is invalid. The second byte is
 * where overlong forms (e0 80, f0 80), surrogates (ed a0) and code points past U+10FFFF (f4 90)
 * show themselves, so only its range depends on the first byte. The table is that of RFC 3629,
 * section 4. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char first, last, second_min, second_max, length;
    } forms[] = {
        {0x00, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t f = 0; f < LENGTH_OF(forms); f++) {
        if (p[0] < forms[f].first || p[0] > forms[f].last)
            continue;
        if (left < forms[f].length)
            return 0;
        if (forms[f].length > 1 && (p[1] < forms[f].second_min || p[1] > forms[f].second_max))
            return 0;
        for (size_t i = 2; i < forms[f].length; i++)
            if ((p[i] & 0xc0) != 0x80)
                return 0;
        return forms[f].length;
    }
    return 0;
}

bool str_utf8_valid(struct str text)
{
    for (size_t i = 0; i < text.len;) {
        size_t length = utf8_length((const unsigned char *)text.ptr + i, text.len - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

size_t str_utf8_next(struct str text)
{
    return text.len ? utf8_length((const unsigned char *)text.ptr, text.len) : 0;
}

/* "::1" is ambiguous with "HOST:PORT" and refused; only "[::1]" names an IPv6 address. */
bool str_split_host_port(struct str text, struct str *host, struct str *port)
{
    *port = text;
    if (!str_starts(text, STR("["))) {
        (void)str_cut(port, ':', host);
        return !port->ptr || !memchr(port->ptr, ':', port->len);
    }
    *port = str_slice(text, 1, text.len);
    if (!str_cut(port, ']', host) || !port->ptr || (port->len && port->ptr[0] != ':'))
        return false;
    *port = port->len ? str_slice(*port, 1, port->len) : (struct str){NULL, 0};
    return true;
}

bool str_to_int64(struct str text, int64_t *out)
{
    int64_t value = 0;
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text.ptr[i] - '0', &value))
            return false;
    }
    *out = value;
    return true;
}

enum { NEAREST_LENGTH_MAX = 64 };

/* Levenshtein distance; both texts at most NEAREST_LENGTH_MAX long. One row of the matrix is
 * enough, with the value to the upper left kept beside it. Case does not count: commands and
 * enums are often mistyped in it alone. */
static size_t edit_distance(struct str a, struct str b)
{
    size_t row[NEAREST_LENGTH_MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t best = diagonal + (str_lower(a.ptr[i - 1]) != str_lower(b.ptr[j - 1]));
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[b.len];
}

size_t str_distance(struct str a, struct str b)
{
    return a.len > NEAREST_LENGTH_MAX || b.len > NEAREST_LENGTH_MAX ? SIZE_MAX : edit_distance(a, b);
}

/* A third of the length: "retore" is near to "restore", and a word of two letters is near to
 * nothing that shares none of them. Each better candidate lowers the limit, and of equally near
 * ones the first in the table wins, so that the answer does not depend on chance. */
struct str str_nearest(struct str wanted, const struct str *candidates, size_t count)
{
    struct str nearest = {NULL, 0};
    if (wanted.len == 0 || wanted.len > NEAREST_LENGTH_MAX)
        return nearest;
    size_t limit = wanted.len / 3 > 0 ? wanted.len / 3 : 1;
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].len == 0 || candidates[i].len > NEAREST_LENGTH_MAX)
            continue;
        size_t distance = edit_distance(wanted, candidates[i]);
        if (distance <= limit && distance < wanted.len) {
            nearest = candidates[i];
            if (distance == 0)
                break;
            limit = distance - 1;
        }
    }
    return nearest;
}

struct str str_suggest(struct arena *arena, struct str wanted, const struct str *candidates, size_t count,
                       const char *before, const char *otherwise)
{
    struct str near = str_nearest(wanted, candidates, count);
    return near.len ? arena_printf(arena, "%sdid you mean %.*s?", before, STR_ARG(near)) : str_from(otherwise);
}

enum { BASE64_GROUPS = 64 }; /* written at once */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* All pairs of digits, so that 12 bits take one look: AA, AB, ..., //. */
#define PAIRS_4(a, w, x, y, z) a w a x a y a z
#define PAIRS(a)                                                                                                       \
    PAIRS_4(a, "A", "B", "C", "D")                                                                                     \
    PAIRS_4(a, "E", "F", "G", "H")                                                                                     \
    PAIRS_4(a, "I", "J", "K", "L")                                                                                     \
    PAIRS_4(a, "M", "N", "O", "P")                                                                                     \
    PAIRS_4(a, "Q", "R", "S", "T")                                                                                     \
    PAIRS_4(a, "U", "V", "W", "X")                                                                                     \
    PAIRS_4(a, "Y", "Z", "a", "b")                                                                                     \
    PAIRS_4(a, "c", "d", "e", "f")                                                                                     \
    PAIRS_4(a, "g", "h", "i", "j")                                                                                     \
    PAIRS_4(a, "k", "l", "m", "n")                                                                                     \
    PAIRS_4(a, "o", "p", "q", "r")                                                                                     \
    PAIRS_4(a, "s", "t", "u", "v")                                                                                     \
    PAIRS_4(a, "w", "x", "y", "z")                                                                                     \
    PAIRS_4(a, "0", "1", "2", "3")                                                                                     \
    PAIRS_4(a, "4", "5", "6", "7")                                                                                     \
    PAIRS_4(a, "8", "9", "+", "/")
static const char base64_pairs[64][128] = {
    PAIRS("A"), PAIRS("B"), PAIRS("C"), PAIRS("D"), PAIRS("E"), PAIRS("F"), PAIRS("G"), PAIRS("H"),
    PAIRS("I"), PAIRS("J"), PAIRS("K"), PAIRS("L"), PAIRS("M"), PAIRS("N"), PAIRS("O"), PAIRS("P"),
    PAIRS("Q"), PAIRS("R"), PAIRS("S"), PAIRS("T"), PAIRS("U"), PAIRS("V"), PAIRS("W"), PAIRS("X"),
    PAIRS("Y"), PAIRS("Z"), PAIRS("a"), PAIRS("b"), PAIRS("c"), PAIRS("d"), PAIRS("e"), PAIRS("f"),
    PAIRS("g"), PAIRS("h"), PAIRS("i"), PAIRS("j"), PAIRS("k"), PAIRS("l"), PAIRS("m"), PAIRS("n"),
    PAIRS("o"), PAIRS("p"), PAIRS("q"), PAIRS("r"), PAIRS("s"), PAIRS("t"), PAIRS("u"), PAIRS("v"),
    PAIRS("w"), PAIRS("x"), PAIRS("y"), PAIRS("z"), PAIRS("0"), PAIRS("1"), PAIRS("2"), PAIRS("3"),
    PAIRS("4"), PAIRS("5"), PAIRS("6"), PAIRS("7"), PAIRS("8"), PAIRS("9"), PAIRS("+"), PAIRS("/"),
};

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

/* Whole groups, and what is left of a last one. The JSON Patch of an answer goes through here, and
 * may be as large as the object: eight bytes are loaded at once, and the upper 48 bits of them
 * are written as four pairs. Two bytes past the group are read, never past `length`. */
static void base64_digits_of(const unsigned char *in, size_t length, char *quad)
{
    for (; length >= 8; in += 6, length -= 6, quad += 8) { /* six bytes of the eight that are read */
        uint64_t bytes;
        memcpy(&bytes, in, sizeof bytes);
        bytes = be64toh(bytes);
        for (unsigned i = 0; i < 4; i++)
            memcpy(quad + (size_t)2 * i, (const char *)base64_pairs + 2 * (bytes >> (52 - 12 * i) & 0xfff), 2);
    }
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

/* Only line breaks are passed over, as Go's StdEncoding does; other white space makes it invalid
 * there, too. Padding is counted: "=" may stand at the end only, at most twice. */
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

static bool str_is_within_character(struct str text, size_t at)
{
    return at < text.len && ((unsigned char)text.ptr[at] & 0xC0) == 0x80;
}

struct str str_utf8_head(struct str text, size_t limit)
{
    size_t end = text.len < limit ? text.len : limit;
    while (end > 0 && str_is_within_character(text, end))
        end--;
    return str_slice(text, 0, end);
}

/* Moves forward, as str_utf8_head moves back: both give fewer bytes rather than half a
 * character. */
struct str str_utf8_tail(struct str text, size_t limit)
{
    size_t from = text.len > limit ? text.len - limit : 0;
    while (from > 0 && str_is_within_character(text, from))
        from++;
    return str_slice(text, from, text.len);
}

uint64_t hash_text(uint64_t hash, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3U;
    return (hash ^ 0xff) * 0x100000001b3U;
}

/* ---- digests ---------------------------------------------------------------- */

__extension__ typedef unsigned __int128 wide;

static uint64_t digest_mix(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t digest_word(const char *at, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, at, len);
    return word;
}

/* Sixteen bytes a step, each multiplied in with the key, as wyhash does. */
uint64_t digest_add(const uint64_t key[2], uint64_t digest, struct str text)
{
    const char *at = text.len ? text.ptr : "";
    size_t len = text.len;
    digest = digest_mix(digest ^ key[0], len ^ key[1]); /* pieces cut elsewhere differ */
    for (; len >= 16; at += 16, len -= 16)
        digest = digest_mix(digest_word(at, 8) ^ key[0], digest_word(at + 8, 8) ^ digest ^ key[1]);
    size_t head = len < 8 ? len : 8;
    return digest_mix(digest_word(at, head) ^ key[0], digest_word(at + head, len - head) ^ digest ^ key[1]);
}
