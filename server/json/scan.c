/* The scanner: strict RFC 8259 over untrusted bytes, at most one look at each. */
#include "json/json.h"

#include <string.h>

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
