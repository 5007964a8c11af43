#include "backstop/grammar.h"
#include "grammar/regex_parse.h"

#include <string.h>

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

/* A repetition operator here, if any. `repeats` grows by what it multiplies. */
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
