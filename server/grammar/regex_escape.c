#include "grammar/regex_parse.h"

#include <string.h>

bool regex_more(const struct regex *r)
{
    return !r->problem && r->at < r->text.len;
}

char regex_peek(const struct regex *r, size_t ahead)
{
    return r->at + ahead < r->text.len ? r->text.ptr[r->at + ahead] : '\0';
}

bool regex_looking_at(const struct regex *r, const char *text)
{
    return str_starts(str_slice(r->text, r->at, r->text.len), str_from(text));
}

bool regex_fail(struct regex *r, const char *problem)
{
    if (!r->problem)
        r->problem = problem;
    return false;
}

bool regex_is_word(char c)
{
    return char_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The value of a hex digit, or 16. */
static uint32_t hex_value(char c)
{
    if (char_is_digit(c))
        return (uint32_t)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (uint32_t)(c - 'a' + 10);
    return c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10) : 16;
}

/* One character, perhaps of several bytes; its code point, good enough to order ranges. */
uint32_t regex_take_rune(struct regex *r)
{
    unsigned char lead = (unsigned char)r->text.ptr[r->at++];
    unsigned follow = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    uint32_t rune = follow ? lead & (0x3fU >> follow) : lead;
    for (; follow > 0 && r->at < r->text.len; follow--)
        rune = rune << 6 | ((unsigned char)r->text.ptr[r->at++] & 0x3fU);
    return rune;
}

static bool take_hex(struct regex *r, uint32_t *rune)
{
    static const char *const bad = "a \\x escape needs two hex digits, or \\x{...} up to 10FFFF";
    bool braces = regex_peek(r, 0) == '{';
    size_t count = 0, wanted = braces ? 8 : 2;
    *rune = 0;
    r->at += braces;
    for (; count < wanted && hex_value(regex_peek(r, 0)) < 16; count++, r->at++) {
        *rune = *rune << 4 | hex_value(regex_peek(r, 0));
        if (*rune > 0x10ffff)
            return regex_fail(r, bad);
    }
    if (braces)
        return count > 0 && regex_peek(r, 0) == '}' ? (r->at++, true) : regex_fail(r, bad);
    return count == 2 || regex_fail(r, bad);
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* \0, \07 and \123: at most three digits. The first is taken; a single one other than
 * 0 would be a backreference. */
static bool take_octal(struct regex *r, char first, uint32_t *rune)
{
    if (first != '0' && !(is_octal(first) && is_octal(regex_peek(r, 0))))
        return false;
    *rune = (uint32_t)(first - '0');
    for (int i = 1; i < 3 && is_octal(regex_peek(r, 0)); i++, r->at++)
        *rune = *rune * 8 + (uint32_t)(regex_peek(r, 0) - '0');
    return true;
}

/* What follows a backslash and stands for one character. */
static bool take_escape(struct regex *r, uint32_t *rune)
{
    static const char named[] = "afnrtv", codes[] = "\a\f\n\r\t\v";
    if (!regex_more(r))
        return regex_fail(r, "it ends in a backslash");
    char c = regex_peek(r, 0);
    if ((unsigned char)c >= 0x80)
        return regex_fail(r, "a character outside ASCII cannot be escaped");
    r->at++;
    if (take_octal(r, c, rune))
        return true;
    if (char_is_digit(c))
        return regex_fail(r, "backreferences such as \\1 are not supported");
    if (c == 'x')
        return take_hex(r, rune);
    const char *name = strchr(named, c);
    if (c && name) {
        *rune = (uint32_t)codes[name - named];
        return true;
    }
    if (regex_is_word(c) && c != '_')
        return regex_fail(r, "Go does not support this escape");
    *rune = (uint32_t)c;
    return true;
}

/* \pL, \p{Greek}, \P{^L}: the braces must close; one letter must be a category. Longer
 * names are taken on trust, as the list of scripts grows with Unicode. */
static bool take_unicode_class(struct regex *r)
{
    r->at += 2;
    if (regex_peek(r, 0) != '{') {
        if (!regex_more(r) || !strchr("CLMNPSZclmnpsz", regex_peek(r, 0)))
            return regex_fail(r, "\\p needs a Unicode class such as \\pL or \\p{Greek}");
        r->at++;
        return true;
    }
    r->at++;
    size_t from = r->at + (regex_peek(r, 0) == '^');
    r->at = from;
    while (regex_more(r) && regex_is_word(regex_peek(r, 0)))
        r->at++;
    if (r->at == from || regex_peek(r, 0) != '}')
        return regex_fail(r, "\\p needs a Unicode class such as \\pL or \\p{Greek}");
    r->at++;
    return true;
}

static bool at_perl_class(const struct regex *r)
{
    return regex_peek(r, 0) == '\\' && regex_peek(r, 1) && strchr("dDsSwW", regex_peek(r, 1));
}

static bool at_unicode_class(const struct regex *r)
{
    return regex_peek(r, 0) == '\\' && (regex_peek(r, 1) == 'p' || regex_peek(r, 1) == 'P');
}

static bool take_class_rune(struct regex *r, uint32_t *rune)
{
    if (!regex_more(r))
        return regex_fail(r, "a [ is not closed");
    if (regex_peek(r, 0) != '\\') {
        *rune = regex_take_rune(r);
        return true;
    }
    r->at++;
    return take_escape(r, rune);
}

static bool take_posix_class(struct regex *r)
{
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
                                        "lower", "print", "punct", "space", "upper", "word",  "xdigit"};
    struct str rest = str_slice(r->text, r->at + 2, r->text.len);
    size_t end = 0;
    while (end + 1 < rest.len && !(rest.ptr[end] == ':' && rest.ptr[end + 1] == ']'))
        end++;
    if (end + 1 >= rest.len)
        return false; /* "[:" without ":]" is two plain characters */
    struct str name = str_slice(rest, rest.len && rest.ptr[0] == '^' ? 1 : 0, end);
    r->at += 2 + end + 2;
    for (size_t i = 0; i < LENGTH_OF(names); i++)
        if (str_is(name, names[i]))
            return true;
    regex_fail(r, "unknown character class, such as [:foo:]");
    return true;
}

void regex_take_class(struct regex *r)
{
    r->at++;
    if (regex_peek(r, 0) == '^')
        r->at++;
    for (bool first = true; !r->problem && (first || regex_peek(r, 0) != ']'); first = false) {
        uint32_t low, high;
        if (regex_looking_at(r, "[:") && take_posix_class(r))
            continue;
        if (at_unicode_class(r)) {
            take_unicode_class(r);
            continue;
        }
        if (at_perl_class(r)) {
            r->at += 2;
            continue;
        }
        if (!take_class_rune(r, &low))
            return;
        if (regex_peek(r, 0) != '-' || regex_peek(r, 1) == ']' || r->at + 1 >= r->text.len)
            continue;
        r->at++;
        if (take_class_rune(r, &high) && high < low)
            regex_fail(r, "a range in [] ends before it begins");
    }
    r->at++;
}

/* \Q...\E quotes; returns whether it held anything to repeat. */
static bool take_quoted(struct regex *r)
{
    size_t from = r->at += 2;
    while (regex_more(r) && !regex_looking_at(r, "\\E"))
        r->at++;
    bool any = r->at > from;
    if (regex_more(r))
        r->at += 2;
    return any;
}

bool regex_take_escape(struct regex *r)
{
    uint32_t rune;
    bool is_atom = true;
    char c = regex_peek(r, 1);
    if (c == 'C') {
        regex_fail(r, "\\C is not supported");
    } else if (c == 'Q') {
        is_atom = take_quoted(r);
    } else if (at_unicode_class(r)) {
        take_unicode_class(r);
    } else if (at_perl_class(r) || (c && strchr("AbBz", c))) {
        r->at += 2;
    } else {
        r->at++;
        take_escape(r, &rune);
    }
    return is_atom;
}
