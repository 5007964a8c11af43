/* Skipping values, and finding the end of strings. Most of a review is neither indexed nor built
 * into a tree, so this is where its bytes are spent.
 *
 * Three levels of the same question, "where is the next byte that matters", each for what the
 * one before could not settle: 16 bytes at once (SSE2, which every x86-64 has), 8 bytes in a
 * word elsewhere, and a byte at a time at the end of the text. All of them only ever find
 * candidates; what is accepted is decided by the plain code behind them, so that the two builds
 * cannot differ in that. */
#include "json/json.h"

#include <string.h>

/* ---- strings -------------------------------------------------------------- */

#ifdef __SSE2__
/* A bit for each of the 16 bytes that needs a closer look. */
static inline int special_of_16(const char *at)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i special = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
    special = _mm_or_si128(special, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
    /* movemask reads the top bits, which bytes outside ASCII have set already */
    return _mm_movemask_epi8(_mm_or_si128(special, bytes));
}
#endif

static const bool short_escape[256] = {
    ['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true, ['f'] = true, ['n'] = true, ['r'] = true, ['t'] = true};

static inline const char *plain_end(const char *at, const char *end)
{
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        int mask = special_of_16(at);
        if (mask)
            return at + __builtin_ctz((unsigned)mask);
    }
#else
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    for (; end - at >= 8; at += 8) {
        uint64_t bytes;
        memcpy(&bytes, at, 8);
        uint64_t quote = bytes ^ (ones * '"'), backslash = bytes ^ (ones * '\\');
        uint64_t special = (quote - ones) | (backslash - ones) | (bytes - ones * 0x20) | bytes;
        if (special & tops)
            break;
    }
#endif
    while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* Past the escape at `at`; NULL when it is none. */
static const char *escape_end(const char *at, const char *end)
{
    if (end - at < 2)
        return NULL;
    if (short_escape[(unsigned char)at[1]])
        return at + 2;
    bool code = at[1] == 'u' && end - at >= 6 && char_is_hex(at[2]) && char_is_hex(at[3]) && char_is_hex(at[4]) &&
                char_is_hex(at[5]);
    return code ? at + 6 : NULL;
}

/* As plain_end, but past short escapes too: objects kept in annotations have one at every quote.
 * The mask is cleared by two bits for each escape: the backslash and what it escapes, which may
 * be a quote. */
static inline const char *unescaped_end(const char *at, const char *end, bool *escaped)
{
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        for (unsigned mask = (unsigned)special_of_16(at); mask; mask &= ~(3U << __builtin_ctz(mask))) {
            int i = __builtin_ctz(mask);
            if (at[i] != '\\' || i == 15 || !short_escape[(unsigned char)at[i + 1]])
                return at + i;
            *escaped = true;
        }
    }
#else
    (void)escaped;
#endif
    return plain_end(at, end);
}

/* The closing quote of the string whose first byte is `at`, or where it breaks:
 * `end`, a control character, a bad escape, or a byte that is not UTF-8. */
static inline const char *find_string_end(const char *at, const char *end, bool *escaped)
{
    size_t length;
    *escaped = false;
    for (;;) {
        at = unescaped_end(at, end, escaped);
        if (at == end || *at == '"')
            return at;
        if (*at == '\\') {
            *escaped = true;
            const char *past = escape_end(at, end);
            if (!past)
                return at;
            at = past;
            continue;
        }
        if (!(*at & 0x80))
            return at;
        for (; at < end && *at & 0x80; at += length) {
            length = utf8_length(at, end);
            if (length == 0)
                return at;
        }
    }
}

const char *scan_plain_end(const char *at, const char *end)
{
    return plain_end(at, end);
}

/* The closing quote of the string whose first byte is `at`, or where it breaks:
 * `end`, a control character, a bad escape, or a byte that is not UTF-8. */
static const char *scan_string_end(const char *at, const char *end, bool *escaped)
{
    return find_string_end(at, end, escaped);
}

/* Past the closing quote of the string at `at`, or NULL. */
static inline const char *read_string(struct scan *scan, const char *at, struct str *inside, bool *escaped)
{
    const char *first = at + 1, *stop = NULL;
    *escaped = false;
#ifdef __SSE2__
    /* Keys and most values are short and plain: one look finds the closing quote. */
    if (scan->end - first >= 16) {
        int mask = special_of_16(first);
        if (mask && first[__builtin_ctz((unsigned)mask)] == '"')
            stop = first + __builtin_ctz((unsigned)mask);
    }
#endif
    if (!stop)
        stop = scan_string_end(first, scan->end, escaped);
    if (stop == scan->end || *stop != '"') {
        scan_string_broken(scan, stop);
        return NULL;
    }
    *inside = (struct str){first, (size_t)(stop - first)};
    return stop + 1;
}

bool scan_string(struct scan *scan, struct str *inside, bool *escaped)
{
    const char *past = read_string(scan, scan->at, inside, escaped);
    if (past)
        scan->at = past;
    return past;
}

bool scan_key(struct scan *scan, struct str *inside, bool *escaped)
{
    const char *at = scan_space_end(scan->at, scan->end);
    if (at == scan->end || *at != '"')
        return scan_expected(scan, at, "a key in double quotes");
    at = read_string(scan, at, inside, escaped);
    if (!at)
        return false;
    at = scan_space_end(at, scan->end);
    if (at == scan->end || *at != ':')
        return scan_expected(scan, at, "a colon after the key");
    scan->at = scan_space_end(at + 1, scan->end);
    return true;
}

/* ---- skipping ------------------------------------------------------------- */

/* The functions below carry their position as an argument and a result, so that
 * it stays in a register: NULL means that the error is filled. */

static __attribute__((noinline)) const char *skip_long_string(struct scan *scan, const char *at)
{
    bool escaped;
    at = find_string_end(at, scan->end, &escaped);
    if (at < scan->end && *at == '"')
        return at + 1;
    scan_string_broken(scan, at);
    return NULL;
}

/* Past the closing quote of the string whose first byte is `at`. */
static inline const char *skip_string(struct scan *scan, const char *at)
{
#ifdef __SSE2__
    /* Keys and most values are short and plain: one look finds the closing quote. */
    if (scan->end - at >= 16) {
        int mask = special_of_16(at);
        at += mask ? __builtin_ctz((unsigned)mask) : 16;
        if (mask && *at == '"')
            return at + 1;
    }
#endif
    return skip_long_string(scan, at);
}

/* Past this byte, and white space before it; NULL when another one stands there. */
static inline const char *skip_byte(const struct scan *scan, const char *at, char byte)
{
    if (at < scan->end && *at == byte)
        return at + 1;
    at = scan_space_end(at, scan->end);
    return at < scan->end && *at == byte ? at + 1 : NULL;
}

static const char *skip_failed(struct scan *scan, const char *at, const char *expected)
{
    scan_expected(scan, scan_space_end(at, scan->end), expected);
    return NULL;
}

static inline const char *skip_key(struct scan *scan, const char *at)
{
    const char *key = skip_byte(scan, at, '"'), *colon;
    if (!key)
        return skip_failed(scan, at, "a key in double quotes");
    at = skip_string(scan, key);
    if (!at)
        return NULL;
    colon = skip_byte(scan, at, ':');
    return colon ? colon : skip_failed(scan, at, "a colon after the key");
}

/* What is open around the value that is skipped: a bit each, set for objects. Bits instead of a
 * stack: skipping is a loop, and a body of 7 MiB of brackets costs no stack. */
struct nesting {
    uint64_t objects[JSON_DEPTH_LIMIT / 64];
    unsigned open;
    bool in_object; /* the innermost */
};

/* Past what follows a value: a comma and the next key, or brackets and then the same. Written as
 * one loop since brackets come in runs at the end of objects. */
static inline const char *skip_leave(struct scan *scan, const char *at, struct nesting *nesting)
{
    while (nesting->open > 0) {
        const char *past = skip_byte(scan, at, ',');
        if (past)
            return nesting->in_object ? skip_key(scan, past) : past;
        past = skip_byte(scan, at, nesting->in_object ? '}' : ']');
        if (!past)
            return skip_failed(scan, at, nesting->in_object ? "a comma or }" : "a comma or ]");
        at = past;
        if (--nesting->open > 0) {
            unsigned top = nesting->open - 1;
            nesting->in_object = nesting->objects[top / 64] >> (top % 64) & 1;
        }
    }
    return at;
}

/* Into the array or object at `at`, up to its first value; `empty` says that it closed at once. */
static inline const char *skip_enter(struct scan *scan, const char *at, struct nesting *nesting, bool *empty)
{
    bool object = *at == '{';
    const char *past = skip_byte(scan, ++at, object ? '}' : ']');
    *empty = past;
    if (past)
        return past;
    uint64_t bit = UINT64_C(1) << (nesting->open % 64), *word = &nesting->objects[nesting->open / 64];
    *word = object ? *word | bit : *word & ~bit;
    nesting->open++;
    nesting->in_object = object;
    return object ? skip_key(scan, at) : at;
}

/* `level` counts what is open outside of this value, so that a document cannot pass the limit by
 * being skipped in parts. */
static const char *skip_value(struct scan *scan, const char *at, unsigned level)
{
    struct nesting nesting = {.open = 0};
    do {
        enum json_kind kind;
        bool done = true;
        if (at < scan->end && *at <= ' ')
            at = scan_space_end(at, scan->end);
        if (at == scan->end || !scan_kind(*at, &kind))
            return skip_failed(scan, at, "a value");
        if (kind == JSON_STRING) {
            at = skip_string(scan, at + 1);
        } else if (kind < JSON_STRING) {
            bool whole;
            scan->at = at;
            at = (kind == JSON_NUMBER ? scan_number(scan, &whole) : scan_literal(scan)) ? scan->at : NULL;
        } else if (level + nesting.open >= JSON_DEPTH_LIMIT) {
            scan->at = at;
            scan_too_deep(scan);
            return NULL;
        } else {
            at = skip_enter(scan, at, &nesting, &done);
        }
        if (at && done)
            at = skip_leave(scan, at, &nesting);
    } while (at && nesting.open > 0);
    return at;
}

bool scan_value(struct scan *scan, unsigned level)
{
    bool is_string = scan->at < scan->end && *scan->at == '"';
    const char *past = is_string ? skip_string(scan, scan->at + 1) : skip_value(scan, scan->at, level);
    if (past)
        scan->at = past;
    return past;
}

/* For texts that come in pieces (a list from the API server): the state survives from byte to
 * byte, and depth 0 at a comma or a bracket is the end of a value. */
bool json_brackets_take(struct json_brackets *brackets, char byte)
{
    if (brackets->quoted) {
        brackets->quoted = brackets->escaped || byte != '"';
        brackets->escaped = !brackets->escaped && byte == '\\';
        return true;
    }
    if (brackets->depth == 0 && (byte == ',' || byte == ']' || byte == '}'))
        return false;
    brackets->quoted = byte == '"';
    if (byte == '{' || byte == '[')
        brackets->depth++;
    else if (byte == '}' || byte == ']')
        brackets->depth--;
    return true;
}

/* Most bytes stand in texts, where only two of them mean something. */
size_t json_brackets_skip(struct json_brackets *brackets, struct str text)
{
    size_t at = 0;
    while (at < text.len && json_brackets_take(brackets, text.ptr[at])) {
        if (text.ptr[at] == '\n' && !brackets->quoted) {
            at = (size_t)(scan_space_end(text.ptr + at, text.ptr + text.len) - text.ptr);
            continue;
        }
        for (at++; brackets->quoted && !brackets->escaped && at < text.len;) {
            if (text.ptr[at] == '"' || text.ptr[at] == '\\')
                break;
            at++;
        }
    }
    return at;
}

/* Where the object begins that a key at `at` holds; NULL when that is another value. */
static const char *omit_value(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == ':'))
        at++;
    return at < end && *at == '{' ? at : NULL;
}

/* Removes the content of every object under this key, managedFields above all, in the buffer
 * itself: what is written is never longer than what was read, so one pass with two pointers
 * does. The key alone is compared, at any depth. */
void json_omit(struct buf *text, struct str key)
{
    const char *at = text->data, *end = at + text->len, *value;
    struct json_brackets brackets = {.depth = 0};
    char *out = text->data, *quote = out; /* of what is written: behind it the source may be overwritten */
    while (at < end) {
        bool was_quoted = brackets.quoted;
        json_brackets_take(&brackets, *at);
        *out++ = *at++;
        if (!was_quoted && brackets.quoted)
            quote = out;
        bool ends = was_quoted && !brackets.quoted && (size_t)(out - quote) == key.len + 1;
        if (!ends || memcmp(quote, key.ptr, key.len) != 0 || !(value = omit_value(at, end)))
            continue;
        struct json_brackets inner = {.depth = 0};
        while (at < value)
            *out++ = *at++;
        while (at < end && json_brackets_take(&inner, *at))
            at++;
        *out++ = '{';
        if (at > value + 1)
            *out++ = '}';
    }
    text->len = (size_t)(out - text->data);
    if (text->data)
        text->data[text->len] = '\0';
}
