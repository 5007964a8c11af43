/* The scanner: strict RFC 8259 over untrusted bytes, at most one look at each.
 * Values that nobody asked for are only skipped here, so this is where most of
 * the time of a review goes. */
#include "json.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { IS_SPACE = 1, IS_DIGIT = 2 };
static const unsigned char byte_class[256] = {
    [' '] = IS_SPACE, ['\t'] = IS_SPACE, ['\n'] = IS_SPACE, ['\r'] = IS_SPACE, ['0'] = IS_DIGIT,
    ['1'] = IS_DIGIT, ['2'] = IS_DIGIT,  ['3'] = IS_DIGIT,  ['4'] = IS_DIGIT,  ['5'] = IS_DIGIT,
    ['6'] = IS_DIGIT, ['7'] = IS_DIGIT,  ['8'] = IS_DIGIT,  ['9'] = IS_DIGIT,
};

/* One more than the json_kind of a value that starts with this byte. */
static const unsigned char value_start[256] = {
    ['n'] = 1 + JSON_NULL,   ['t'] = 1 + JSON_BOOL,   ['f'] = 1 + JSON_BOOL,   ['-'] = 1 + JSON_NUMBER,
    ['0'] = 1 + JSON_NUMBER, ['1'] = 1 + JSON_NUMBER, ['2'] = 1 + JSON_NUMBER, ['3'] = 1 + JSON_NUMBER,
    ['4'] = 1 + JSON_NUMBER, ['5'] = 1 + JSON_NUMBER, ['6'] = 1 + JSON_NUMBER, ['7'] = 1 + JSON_NUMBER,
    ['8'] = 1 + JSON_NUMBER, ['9'] = 1 + JSON_NUMBER, ['"'] = 1 + JSON_STRING, ['['] = 1 + JSON_ARRAY,
    ['{'] = 1 + JSON_OBJECT,
};

bool scan_kind(char first, enum json_kind *kind)
{
    unsigned char known = value_start[(unsigned char)first];
    *kind = known ? (enum json_kind)(known - 1) : JSON_NULL;
    return known;
}

static bool has_class(char byte, int class)
{
    return byte_class[(unsigned char)byte] & class;
}

struct scan scan_text(struct str text, struct error *error)
{
    const char *start = text.ptr ? text.ptr : "";
    return (struct scan){.start = start, .at = start, .end = start + text.len, .error = error};
}

void scan_space(struct scan *scan)
{
    while (scan->at < scan->end && has_class(*scan->at, IS_SPACE))
        scan->at++;
}

/* The first byte from `at` on that needs a closer look: a quote, a backslash, a
 * control character, a byte outside ASCII; or `end`. */
static const char *plain_end(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i special = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
        special = _mm_or_si128(special, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        /* movemask reads the top bits, which bytes outside ASCII have set already */
        int mask = _mm_movemask_epi8(_mm_or_si128(special, bytes));
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

static bool is_hex(char c)
{
    return has_class(c, IS_DIGIT) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Past the escape at `at`; NULL when it is none. */
static const char *escape_end(const char *at, const char *end)
{
    if (end - at < 2)
        return NULL;
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 2;
    case 'u':
        return end - at >= 6 && is_hex(at[2]) && is_hex(at[3]) && is_hex(at[4]) && is_hex(at[5]) ? at + 6 : NULL;
    default:
        return NULL;
    }
}

/* The closing quote of the string whose first byte is `at`, or where it breaks:
 * `end`, a control character, a bad escape, or a byte that is not UTF-8. */
static const char *string_end(const char *at, const char *end, bool *escaped)
{
    *escaped = false;
    for (;;) {
        at = plain_end(at, end);
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
        size_t length = utf8_length(at, end);
        if ((unsigned char)*at < 0x80 || length == 0)
            return at;
        at += length;
    }
}

static bool string_broken(struct scan *scan, const char *at)
{
    int64_t position = at - scan->start;
    if (at == scan->end)
        return error_at(scan->error, 400, position, "the text ends within a string: expected a closing quote");
    if (*at == '\\')
        return error_at(scan->error, 400, position,
                        "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four hexadecimal digits");
    if ((unsigned char)*at < 0x20)
        return error_at(scan->error, 400, position,
                        "byte 0x%02x may not stand in a string: expected it escaped as \\u%04x", *at, *at);
    return error_at(scan->error, 400, position, "byte 0x%02x is not UTF-8: expected text encoded as UTF-8",
                    (unsigned char)*at);
}

bool scan_string(struct scan *scan, struct str *inside, bool *escaped)
{
    const char *first = scan->at + 1, *stop = string_end(first, scan->end, escaped);
    if (stop == scan->end || *stop != '"')
        return string_broken(scan, stop);
    *inside = (struct str){first, (size_t)(stop - first)};
    scan->at = stop + 1;
    return true;
}

static const char *digits_end(const char *at, const char *end)
{
    while (at < end && has_class(*at, IS_DIGIT))
        at++;
    return at;
}

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
        return scan_expected(scan, from + 1, "no digit after a leading 0");
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

bool scan_key(struct scan *scan, struct str *inside, bool *escaped)
{
    scan_space(scan);
    if (scan->at == scan->end || *scan->at != '"')
        return scan_expected(scan, scan->at, "a key in double quotes");
    if (!scan_string(scan, inside, escaped))
        return false;
    scan_space(scan);
    if (scan->at == scan->end || *scan->at != ':')
        return scan_expected(scan, scan->at, "a colon after the key");
    scan->at++;
    scan_space(scan);
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

static bool scan_scalar(struct scan *scan, enum json_kind kind)
{
    struct str inside;
    bool flag;
    switch (kind) {
    case JSON_STRING:
        return scan_string(scan, &inside, &flag);
    case JSON_NUMBER:
        return scan_number(scan, &flag);
    default:
        return scan_literal(scan);
    }
}

/* Past the comma or brackets that follow a value, up to the next value or to
 * the end of the outermost container. */
static bool leave(struct scan *scan, const uint64_t *objects, unsigned *open)
{
    struct str key;
    bool escaped, more;
    while (*open > 0) {
        unsigned top = *open - 1;
        bool object = objects[top / 64] >> (top % 64) & 1;
        if (!scan_next(scan, object ? '}' : ']', &more))
            return false;
        if (more)
            return !object || scan_key(scan, &key, &escaped);
        --*open;
    }
    return true;
}

/* Into the array or object at scan->at. `empty` says that it closed at once. */
static bool enter(struct scan *scan, uint64_t *objects, unsigned *open, bool *empty)
{
    bool object = *scan->at == '{', escaped;
    struct str key;
    uint64_t bit = UINT64_C(1) << (*open % 64), *word = &objects[*open / 64];
    *word = object ? *word | bit : *word & ~bit;
    scan->at++;
    scan_space(scan);
    *empty = scan->at < scan->end && *scan->at == (object ? '}' : ']');
    if (*empty) {
        scan->at++;
        return true;
    }
    ++*open;
    return !object || scan_key(scan, &key, &escaped);
}

bool scan_value(struct scan *outer, unsigned level)
{
    struct scan scan = *outer; /* a copy the compiler may keep in registers */
    uint64_t objects[JSON_DEPTH_LIMIT / 64] = {0};
    unsigned open = 0;
    do {
        enum json_kind kind;
        scan_space(&scan);
        if (scan.at == scan.end || !scan_kind(*scan.at, &kind))
            return scan_expected(&scan, scan.at, "a value");
        bool done = true;
        if (kind < JSON_ARRAY) {
            if (!scan_scalar(&scan, kind))
                return false;
        } else {
            if (level + open >= JSON_DEPTH_LIMIT)
                return scan_too_deep(&scan);
            if (!enter(&scan, objects, &open, &done))
                return false;
        }
        if (done && !leave(&scan, objects, &open))
            return false;
    } while (open > 0);
    outer->at = scan.at;
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
