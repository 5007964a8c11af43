/* Whether Go's regexp would compile an expression (regexp/syntax, flags Perl), and if not, why
 * in a few words. Nothing is matched here: Velero compiles the resourceNameRegex of a modifier
 * only when it applies it, and a review has to say so before. regcomp and PCRE accept and refuse
 * other things (look-ahead, backreferences, nested repeat counts), so the grammar is Go's, with
 * its limits.
 *
 * The first half takes what stands for characters (escapes, classes), the second half the
 * structure. A problem is a fixed text and never quotes the expression; the caller does. */
#include <string.h>

#include "backstop/base.h"
#include "backstop/grammar.h"

enum { REGEX_NAMES_MAX = 64 };

/* Where the parse stands. The first problem ends it: every parser returns at once. */
struct regex {
    struct str text;
    size_t at;
    unsigned depth;
    const char *problem;
    struct str names[REGEX_NAMES_MAX];
    size_t name_count;
};

static bool regex_more(const struct regex *r)
{
    return !r->problem && r->at < r->text.len;
}

/* NUL past the end */
static char regex_peek(const struct regex *r, size_t ahead)
{
    return r->at + ahead < r->text.len ? r->text.ptr[r->at + ahead] : '\0';
}

static bool regex_looking_at(const struct regex *r, const char *text)
{
    return str_starts(str_slice(r->text, r->at, r->text.len), str_from(text));
}

/* always false; the first problem stays */
static bool regex_fail(struct regex *r, const char *problem)
{
    if (!r->problem)
        r->problem = problem;
    return false;
}

static bool regex_is_word(char c)
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
static uint32_t regex_take_rune(struct regex *r)
{
    unsigned char lead = (unsigned char)r->text.ptr[r->at++];
    unsigned follow = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    uint32_t rune = follow ? lead & (0x3fU >> follow) : lead;
    for (; follow > 0 && r->at < r->text.len; follow--)
        rune = rune << 6 | ((unsigned char)r->text.ptr[r->at++] & 0x3fU);
    return rune;
}

/* \x{...} takes leading zeros, but not without end: eight digits are more than any code point
 * needs. */
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

/* A "]" right after "[" or "[^" is plain text; see regex_take_class. */
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

/* True when it was one, also one that Go does not know: then there is a problem. */
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
    if (STR_IN(name, names))
        return true;
    regex_fail(r, "unknown character class, such as [:foo:]");
    return true;
}

/* [...] A "-" is plain at the end, and a range elsewhere; \d and \pL may not be the end of one,
 * but Go reads "[\d-z]" as three members, and so does this. */
static void regex_take_class(struct regex *r)
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

/* A backslash and what belongs to it; false when it stands for nothing to repeat. */
static bool regex_take_escape(struct regex *r)
{
    uint32_t rune;
    bool is_atom = true;
    char c = regex_peek(r, 1);
    if (c == 'C') {
        regex_fail(r, "\\C is not supported");
    } else if (c == 'Q') {
        /* \Q...\E quotes; only what holds anything can be repeated. */
        size_t from = r->at += 2;
        while (regex_more(r) && !regex_looking_at(r, "\\E"))
            r->at++;
        bool any = r->at > from;
        if (regex_more(r))
            r->at += 2;
        is_atom = any;
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

enum { REPEAT_MAX = 1000, DEPTH_MAX = 1000 };

/* (?P<name> and (?<name>: a word, used once. */
static bool take_group_name(struct regex *r)
{
    size_t from = r->at;
    while (regex_more(r) && regex_is_word(regex_peek(r, 0)))
        r->at++;
    struct str name = str_slice(r->text, from, r->at);
    if (name.len == 0 || regex_peek(r, 0) != '>')
        return regex_fail(r, "a group's name must be a word: (?P<name>...)");
    r->at++;
    for (size_t i = 0; i < r->name_count; i++)
        if (str_eq(r->names[i], name))
            return regex_fail(r, "two groups have the same name");
    if (r->name_count < REGEX_NAMES_MAX)
        r->names[r->name_count++] = name;
    return true;
}

/* The flags of (?i) and (?i:...). True when a group follows, false when they end it. */
static bool take_flags(struct regex *r)
{
    static const char *const bad = "Go does not support this Perl syntax, such as look-ahead (?=...)";
    bool negated = false, any = false;
    for (;; r->at++) {
        char c = regex_peek(r, 0);
        if (c && strchr("imsU", c)) {
            any = true;
        } else if (c == '-' && !negated) {
            negated = true;
            any = false;
        } else if ((c == ':' || c == ')') && (any || !negated)) {
            r->at++;
            return c == ':';
        } else {
            return regex_fail(r, bad);
        }
    }
}

static unsigned parse_alternation(struct regex *r);

/* Called at "(". Flags alone, as in (?i), are nothing that a repetition could repeat. */
static unsigned parse_group(struct regex *r, bool *is_atom)
{
    r->at++;
    if (regex_looking_at(r, "?P<") ||
        (regex_looking_at(r, "?<") && regex_peek(r, 2) != '=' && regex_peek(r, 2) != '!')) {
        r->at += regex_peek(r, 1) == 'P' ? 3 : 2;
        if (!take_group_name(r))
            return 1;
    } else if (regex_peek(r, 0) == '?') {
        r->at++;
        if (!take_flags(r)) {
            *is_atom = false;
            return 1;
        }
    }
    if (++r->depth > DEPTH_MAX) {
        regex_fail(r, "its groups nest too deeply");
        return 1;
    }
    unsigned repeats = parse_alternation(r);
    r->depth--;
    if (!r->problem && regex_peek(r, 0) != ')')
        regex_fail(r, "a ( is not closed");
    r->at++;
    return repeats;
}

/* One thing to repeat; returns the largest product of counted repeats inside it. */
static unsigned parse_atom(struct regex *r, bool *is_atom)
{
    *is_atom = true;
    switch (regex_peek(r, 0)) {
    case '(':
        return parse_group(r, is_atom);
    case '[':
        regex_take_class(r);
        return 1;
    case '\\':
        *is_atom = regex_take_escape(r);
        return 1;
    default:
        regex_take_rune(r);
        return 1;
    }
}

/* Go refuses leading zeros: {007} is plain text. What is too long for a number counts as too
 * large. */
static bool regex_take_number(struct regex *r, size_t *at, int64_t *number)
{
    size_t from = *at;
    while (*at < r->text.len && r->text.ptr[*at] >= '0' && r->text.ptr[*at] <= '9')
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
    if (!regex_take_number(r, &at, min))
        return false;
    *max = *min;
    if (at < r->text.len && r->text.ptr[at] == ',') {
        at++;
        *max = -1;
        if (at < r->text.len && r->text.ptr[at] != '}' && !regex_take_number(r, &at, max))
            return false;
    }
    if (at >= r->text.len || r->text.ptr[at] != '}')
        return false;
    r->at = at + 1;
    return true;
}

/* A repetition operator here, if any. `repeats` grows by what it multiplies. The limit of 1000
 * holds for the product of nested counts: (a{100}){100} is refused by Go since it would compile
 * to 10,000 copies. */
static bool take_repetition(struct regex *r, unsigned *repeats)
{
    int64_t min = 0, max = 0;
    char c = regex_peek(r, 0);
    if (c == '*' || c == '+' || c == '?') {
        r->at++;
    } else if (c == '{' && take_count(r, &min, &max)) {
        if (min > REPEAT_MAX || max > REPEAT_MAX || (max >= 0 && min > max))
            return regex_fail(r, "a repeat count such as {1,1001} is over 1000 or ends before it begins");
        int64_t times = max < 0 ? min : max;
        *repeats *= times > 0 ? (unsigned)times : 1;
        if (*repeats > REPEAT_MAX)
            return regex_fail(r, "nested repeat counts multiply to over 1000");
    } else {
        return false;
    }
    if (regex_peek(r, 0) == '?')
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
        regex_fail(r, "two repetitions follow each other, such as **");
    return true;
}

/* `repeatable` once true stays so: Go's parser looks at what is on its stack, where an empty
 * flag group leaves nothing, and so "a(?i)*" compiles. */
static unsigned parse_concatenation(struct regex *r)
{
    unsigned most = 1;
    bool repeatable = false;
    while (regex_more(r) && regex_peek(r, 0) != '|' && regex_peek(r, 0) != ')') {
        unsigned repeats = 1;
        if (take_one_repetition(r, &repeats)) { /* at the start, or after (?i) */
            if (!repeatable)
                regex_fail(r, "a repetition such as * has nothing before it to repeat");
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
        if (!regex_more(r) || regex_peek(r, 0) != '|')
            return most;
        r->at++;
    }
}

const char *regex_problem(struct str text)
{
    struct regex r = {.text = text};
    parse_alternation(&r);
    if (regex_more(&r))
        regex_fail(&r, "a ) has no ( before it");
    return r.problem;
}
