#include "regex.h"

#include <string.h>

enum { REPEAT_MAX = 1000, DEPTH_MAX = 1000, NAMES_MAX = 64 };

/* Where the parse stands. The first problem ends it: every parser returns at once. */
struct regex {
    struct str text;
    size_t at;
    unsigned depth;
    const char *problem;
    struct str names[NAMES_MAX];
    size_t name_count;
};

static bool more(const struct regex *r)
{
    return !r->problem && r->at < r->text.len;
}

static char peek(const struct regex *r, size_t ahead)
{
    return r->at + ahead < r->text.len ? r->text.ptr[r->at + ahead] : '\0';
}

static bool looking_at(const struct regex *r, const char *text)
{
    return str_starts(str_slice(r->text, r->at, r->text.len), str_from(text));
}

static bool fail(struct regex *r, const char *problem)
{
    if (!r->problem)
        r->problem = problem;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The value of a hex digit, or 16. */
static uint32_t hex_value(char c)
{
    if (is_digit(c))
        return (uint32_t)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (uint32_t)(c - 'a' + 10);
    return c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10) : 16;
}

/* One character, perhaps of several bytes; its code point, good enough to order ranges. */
static uint32_t take_rune(struct regex *r)
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
    bool braces = peek(r, 0) == '{';
    size_t count = 0, wanted = braces ? 8 : 2;
    *rune = 0;
    r->at += braces;
    for (; count < wanted && hex_value(peek(r, 0)) < 16; count++, r->at++) {
        *rune = *rune << 4 | hex_value(peek(r, 0));
        if (*rune > 0x10ffff)
            return fail(r, bad);
    }
    if (braces)
        return count > 0 && peek(r, 0) == '}' ? (r->at++, true) : fail(r, bad);
    return count == 2 || fail(r, bad);
}

/* What follows a backslash and stands for one character. */
static bool take_escape(struct regex *r, uint32_t *rune)
{
    static const char named[] = "afnrtv", codes[] = "\a\f\n\r\t\v";
    if (!more(r))
        return fail(r, "it ends in a backslash");
    char c = peek(r, 0);
    if ((unsigned char)c >= 0x80)
        return fail(r, "a character outside ASCII cannot be escaped");
    r->at++;
    if (c == '0' || (c >= '1' && c <= '7' && peek(r, 0) >= '0' && peek(r, 0) <= '7')) {
        *rune = (uint32_t)(c - '0');
        for (int i = 1; i < 3 && peek(r, 0) >= '0' && peek(r, 0) <= '7'; i++, r->at++)
            *rune = *rune * 8 + (uint32_t)(peek(r, 0) - '0');
        return true;
    }
    if (is_digit(c))
        return fail(r, "backreferences such as \\1 are not supported");
    if (c == 'x')
        return take_hex(r, rune);
    const char *name = strchr(named, c);
    if (c && name) {
        *rune = (uint32_t)codes[name - named];
        return true;
    }
    if (is_word(c) && c != '_')
        return fail(r, "it has an escape that Go does not know");
    *rune = (uint32_t)c;
    return true;
}

/* \pL, \p{Greek}, \P{^L}: the braces must close; one letter must be a category. Longer
 * names are taken on trust, as the list of scripts grows with Unicode. */
static bool take_unicode_class(struct regex *r)
{
    r->at += 2;
    if (peek(r, 0) != '{') {
        if (!more(r) || !strchr("CLMNPSZ", peek(r, 0)))
            return fail(r, "\\p needs a Unicode class such as \\pL or \\p{Greek}");
        r->at++;
        return true;
    }
    r->at++;
    size_t from = r->at + (peek(r, 0) == '^');
    r->at = from;
    while (more(r) && is_word(peek(r, 0)))
        r->at++;
    if (r->at == from || peek(r, 0) != '}')
        return fail(r, "\\p needs a Unicode class such as \\pL or \\p{Greek}");
    r->at++;
    return true;
}

static bool at_perl_class(const struct regex *r)
{
    return peek(r, 0) == '\\' && peek(r, 1) && strchr("dDsSwW", peek(r, 1));
}

static bool at_unicode_class(const struct regex *r)
{
    return peek(r, 0) == '\\' && (peek(r, 1) == 'p' || peek(r, 1) == 'P');
}

static bool take_class_rune(struct regex *r, uint32_t *rune)
{
    if (!more(r))
        return fail(r, "a [ is not closed");
    if (peek(r, 0) != '\\') {
        *rune = take_rune(r);
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
    fail(r, "it names a character class that does not exist, such as [:foo:]");
    return true;
}

static void parse_class(struct regex *r)
{
    r->at++;
    if (peek(r, 0) == '^')
        r->at++;
    for (bool first = true; !r->problem && (first || peek(r, 0) != ']'); first = false) {
        uint32_t low, high;
        if (looking_at(r, "[:") && take_posix_class(r))
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
        if (peek(r, 0) != '-' || peek(r, 1) == ']' || r->at + 1 >= r->text.len)
            continue;
        r->at++;
        if (take_class_rune(r, &high) && high < low)
            fail(r, "a range in [] ends before it begins");
    }
    r->at++;
}

/* (?P<name> and (?<name>: a word, used once. */
static bool take_group_name(struct regex *r)
{
    size_t from = r->at;
    while (more(r) && is_word(peek(r, 0)))
        r->at++;
    struct str name = str_slice(r->text, from, r->at);
    if (name.len == 0 || peek(r, 0) != '>')
        return fail(r, "a group's name must be a word: (?P<name>...)");
    r->at++;
    for (size_t i = 0; i < r->name_count; i++)
        if (str_eq(r->names[i], name))
            return fail(r, "two groups have the same name");
    if (r->name_count < NAMES_MAX)
        r->names[r->name_count++] = name;
    return true;
}

/* The flags of (?i) and (?i:...). True when a group follows, false when they end it. */
static bool take_flags(struct regex *r)
{
    static const char *const bad = "it uses Perl syntax that Go does not support, such as look-ahead (?=...)";
    bool negated = false, any = false;
    for (;; r->at++) {
        char c = peek(r, 0);
        if (c && strchr("imsU", c)) {
            any = true;
        } else if (c == '-' && !negated) {
            negated = true;
            any = false;
        } else if ((c == ':' || c == ')') && (any || !negated)) {
            r->at++;
            return c == ':';
        } else {
            return fail(r, bad);
        }
    }
}

static unsigned parse_alternation(struct regex *r);

static unsigned parse_group(struct regex *r, bool *is_atom)
{
    r->at++;
    if (looking_at(r, "?P<") || (looking_at(r, "?<") && peek(r, 2) != '=' && peek(r, 2) != '!')) {
        r->at += peek(r, 1) == 'P' ? 3 : 2;
        if (!take_group_name(r))
            return 1;
    } else if (peek(r, 0) == '?') {
        r->at++;
        if (!take_flags(r)) {
            *is_atom = false;
            return 1;
        }
    }
    if (++r->depth > DEPTH_MAX) {
        fail(r, "its groups nest too deeply");
        return 1;
    }
    unsigned repeats = parse_alternation(r);
    r->depth--;
    if (!r->problem && peek(r, 0) != ')')
        fail(r, "a ( is not closed");
    r->at++;
    return repeats;
}

/* \Q...\E quotes; returns whether it held anything to repeat. */
static bool take_quoted(struct regex *r)
{
    size_t from = r->at += 2;
    while (more(r) && !looking_at(r, "\\E"))
        r->at++;
    bool any = r->at > from;
    if (more(r))
        r->at += 2;
    return any;
}

static void parse_escape(struct regex *r, bool *is_atom)
{
    uint32_t rune;
    char c = peek(r, 1);
    if (c == 'C') {
        fail(r, "\\C is not supported");
    } else if (c == 'Q') {
        *is_atom = take_quoted(r);
    } else if (at_unicode_class(r)) {
        take_unicode_class(r);
    } else if (at_perl_class(r) || (c && strchr("AbBz", c))) {
        r->at += 2;
    } else {
        r->at++;
        take_escape(r, &rune);
    }
}

/* One thing to repeat; returns the largest product of counted repeats inside it. */
static unsigned parse_atom(struct regex *r, bool *is_atom)
{
    *is_atom = true;
    switch (peek(r, 0)) {
    case '(':
        return parse_group(r, is_atom);
    case '[':
        parse_class(r);
        return 1;
    case '\\':
        parse_escape(r, is_atom);
        return 1;
    default:
        take_rune(r);
        return 1;
    }
}

static bool take_number(struct regex *r, size_t *at, int64_t *number)
{
    size_t from = *at;
    while (*at < r->text.len && is_digit(r->text.ptr[*at]))
        ++*at;
    struct str digits = str_slice(r->text, from, *at);
    if (digits.len == 0 || (digits.len > 1 && digits.ptr[0] == '0'))
        return false;
    if (digits.len >= 9 || !str_to_int64(digits, number))
        *number = REPEAT_MAX + 1;
    return true;
}

/* {n}, {n,} and {n,m}; anything else in braces is plain text. */
static bool take_count(struct regex *r, int64_t *min, int64_t *max)
{
    size_t at = r->at + 1;
    if (!take_number(r, &at, min))
        return false;
    *max = *min;
    if (at < r->text.len && r->text.ptr[at] == ',') {
        at++;
        *max = -1;
        if (at < r->text.len && r->text.ptr[at] != '}' && !take_number(r, &at, max))
            return false;
    }
    if (at >= r->text.len || r->text.ptr[at] != '}')
        return false;
    r->at = at + 1;
    return true;
}

/* A repetition operator here, if any. `repeats` grows by what it multiplies. */
static bool take_repetition(struct regex *r, unsigned *repeats)
{
    int64_t min = 0, max = 0;
    char c = peek(r, 0);
    if (c == '*' || c == '+' || c == '?') {
        r->at++;
    } else if (c == '{' && take_count(r, &min, &max)) {
        if (min > REPEAT_MAX || max > REPEAT_MAX || (max >= 0 && min > max))
            return fail(r, "a repeat count such as {1,1001} is over 1000 or ends before it begins");
        int64_t times = max < 0 ? min : max;
        *repeats *= times > 0 ? (unsigned)times : 1;
        if (*repeats > REPEAT_MAX)
            return fail(r, "nested repeat counts multiply to over 1000");
    } else {
        return false;
    }
    if (peek(r, 0) == '?')
        r->at++;
    return true;
}

/* The repetition here, if any, and never two in a row. */
static bool take_one_repetition(struct regex *r, unsigned *repeats)
{
    unsigned again = 1;
    if (!take_repetition(r, repeats))
        return false;
    if (take_repetition(r, &again))
        fail(r, "two repetitions follow each other, such as **");
    return true;
}

static unsigned parse_concatenation(struct regex *r)
{
    unsigned most = 1;
    bool repeatable = false;
    while (more(r) && peek(r, 0) != '|' && peek(r, 0) != ')') {
        unsigned repeats = 1;
        if (take_one_repetition(r, &repeats)) { /* at the start, or after (?i) */
            if (!repeatable)
                fail(r, "a repetition such as * has nothing before it to repeat");
            continue;
        }
        if (r->problem)
            break;
        bool is_atom;
        repeats = parse_atom(r, &is_atom);
        repeatable = repeatable || is_atom;
        if (is_atom && !r->problem)
            take_one_repetition(r, &repeats);
        most = repeats > most ? repeats : most;
    }
    return most;
}

static unsigned parse_alternation(struct regex *r)
{
    unsigned most = 1;
    for (;;) {
        unsigned repeats = parse_concatenation(r);
        most = repeats > most ? repeats : most;
        if (!more(r) || peek(r, 0) != '|')
            return most;
        r->at++;
    }
}

const char *regex_problem(struct str text)
{
    struct regex r = {.text = text};
    parse_alternation(&r);
    if (more(&r))
        fail(&r, "a ) has no ( before it");
    return r.problem;
}
