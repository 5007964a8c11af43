/* Globs as Velero matches names and namespaces, with gobwas/glob: "*", "?", classes and
 * alternatives.
 *
 * gobwas/glob compiles a pattern into matchers and reports what it cannot read; glob_problem
 * reports the same patterns as bad. Differences between the two would let a policy or a Restore
 * through that fails in the cluster, so every oddity here is gobwas's own: a class is one range
 * or one list, "]" alone is plain text, and braces nest. */
#include "backstop/grammar.h"

#include <string.h>

/* TEXT_MAX: namespaces and names have at most 253 bytes, "plural.group" and paths some more.
 * Longer texts match nothing. ALTERNATIVES_MAX bounds what nested braces can multiply to:
 * {a,b}{a,b}{a,b}... doubles with each pair. */
enum { TEXT_MAX = 512, PATTERN_MAX = 253, ALTERNATIVES_MAX = 64 };

/* The end of "[a-z]", whose "a" stands at i, or 0 with the problem. */
static size_t range_end(struct str pattern, size_t i, const char **problem)
{
    if (i + 3 >= pattern.len || pattern.ptr[i + 2] == ']')
        *problem = "a range in [] is incomplete";
    else if (pattern.ptr[i + 3] != ']')
        *problem = "[] can contain either one range or a list of characters, not both";
    else if ((unsigned char)pattern.ptr[i + 2] < (unsigned char)pattern.ptr[i])
        *problem = "a range in [] ends before it begins";
    return *problem ? 0 : i + 4;
}

/* The end of the class that opens at `at` (just after its "]"), or 0 with the
 * problem: gobwas takes one range "[a-z]" or a list "[abc]", never both. */
static size_t class_end(struct str pattern, size_t at, const char **problem)
{
    size_t i = at + 1;
    if (i < pattern.len && pattern.ptr[i] == '!')
        i++;
    if (i + 1 < pattern.len && pattern.ptr[i] != ']' && pattern.ptr[i] != '\\' && pattern.ptr[i + 1] == '-')
        return range_end(pattern, i, problem);
    size_t first = i;
    while (i < pattern.len && pattern.ptr[i] != ']')
        i += pattern.ptr[i] == '\\' ? 2 : 1;
    if (i >= pattern.len)
        *problem = "a [ is not closed";
    else if (i == first)
        *problem = "[] is empty";
    return *problem ? 0 : i + 1;
}

const char *glob_problem(struct str pattern)
{
    const char *problem = NULL;
    size_t braces = 0;
    for (size_t i = 0; i < pattern.len;) {
        char c = pattern.ptr[i];
        if (c == '[') {
            i = class_end(pattern, i, &problem);
            if (problem)
                return problem;
            continue;
        }
        if (c == '{')
            braces++;
        else if (c == '}' && braces > 0)
            braces--;
        i += c == '\\' ? 2 : 1;
    }
    return braces ? "a { is not closed" : NULL;
}

/* "{" and "\\" count: Velero treats such names as patterns, too. */
bool glob_has_wildcard(struct str pattern)
{
    static const bool wild[256] = {['*'] = true, ['?'] = true, ['['] = true, ['{'] = true, ['\\'] = true};
    for (size_t i = 0; i < pattern.len; i++)
        if (wild[(unsigned char)pattern.ptr[i]])
            return true;
    return false;
}

/* A "-" that is not in the middle of exactly three characters is an ordinary member of a list;
 * class_end has refused what gobwas refuses. */
static bool class_has(struct str class, char c)
{
    struct str inner = str_slice(class, 1, class.len - 1);
    bool negated = inner.len > 0 && inner.ptr[0] == '!', found = false;
    if (negated)
        inner = str_slice(inner, 1, inner.len);
    if (inner.len == 3 && inner.ptr[1] == '-')
        found = inner.ptr[0] <= c && c <= inner.ptr[2];
    else
        found = inner.len > 0 && memchr(inner.ptr, c, inner.len);
    return found != negated;
}

/* Follows all positions of the text that the pattern so far can have reached, so the
 * cost is pattern x text whatever the stars. */
struct glob_walk {
    struct str text;
    char separator;
    bool reached[TEXT_MAX + 1];
};

static bool step_accepts(const struct glob_walk *walk, struct str token, char c)
{
    switch (token.ptr[0]) {
    case '?':
        return c != walk->separator || !walk->separator;
    case '[':
        return class_has(token, c);
    case '\\':
        return token.len == 2 && token.ptr[1] == c;
    default:
        return token.ptr[0] == c;
    }
}

static bool match_plain(struct str pattern, struct str text, char separator)
{
    struct glob_walk walk = {text, separator, {true}};
    for (size_t i = 0; i < pattern.len;) {
        const char *problem = NULL;
        size_t end = i + 1;
        if (pattern.ptr[i] == '*') {
            while (end < pattern.len && pattern.ptr[end] == '*')
                end++;
            /* From the beginning to the end: a star that takes one character may take the next. "**" crosses
             * separators, "*" does not. */
            bool crosses = end - i > 1;
            for (size_t j = 1; j <= walk.text.len; j++)
                if (walk.reached[j - 1] && (crosses || !walk.separator || walk.text.ptr[j - 1] != walk.separator))
                    walk.reached[j] = true;
        } else {
            if (pattern.ptr[i] == '[')
                end = class_end(pattern, i, &problem);
            else if (pattern.ptr[i] == '\\')
                end = i + 2 <= pattern.len ? i + 2 : pattern.len;
            if (problem)
                return false;
            /* From the end to the beginning, since position i is reached from position i - 1 of the step
             * before. */
            struct str token = str_slice(pattern, i, end);
            for (size_t k = walk.text.len; k > 0; k--)
                walk.reached[k] = walk.reached[k - 1] && step_accepts(&walk, token, walk.text.ptr[k - 1]);
            walk.reached[0] = false;
        }
        i = end;
    }
    return walk.reached[text.len];
}

/* Where the brace that opens at `at` closes, or the pattern's length. */
static size_t brace_end(struct str pattern, size_t at)
{
    size_t depth = 0;
    for (size_t i = at; i < pattern.len; i++) {
        if (pattern.ptr[i] == '\\')
            i++;
        else if (pattern.ptr[i] == '{')
            depth++;
        else if (pattern.ptr[i] == '}' && --depth == 0)
            return i;
    }
    return pattern.len;
}

static size_t brace_start(struct str pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.ptr[i] == '\\')
            i++;
        else if (pattern.ptr[i] == '{')
            return i;
    }
    return pattern.len;
}

/* The first brace is replaced by each of its alternatives in turn, and what comes out is matched
 * again: later and inner braces are expanded by that. `left` counts the alternatives of the
 * whole pattern and ends the search when too many. */
static bool match_braces(struct arena *arena, struct str pattern, struct str text, char separator, unsigned *left)
{
    size_t open = brace_start(pattern), close = brace_end(pattern, open);
    if (open == pattern.len)
        return match_plain(pattern, text, separator);
    size_t from = open + 1, depth = 0;
    for (size_t i = from; i <= close && i < pattern.len; i++) {
        char c = pattern.ptr[i];
        if (c == '\\')
            i++;
        else if (c == '{')
            depth++;
        if ((c == ',' && depth == 0) || i == close) {
            if (*left == 0)
                return false;
            --*left;
            struct str one = arena_printf(arena, "%.*s%.*s%.*s", (int)open, pattern.ptr, (int)(i - from),
                                          pattern.ptr + from, (int)(pattern.len - close - 1), pattern.ptr + close + 1);
            if (one.ptr && match_braces(arena, one, text, separator, left))
                return true;
            from = i + 1;
        } else if (c == '}') {
            depth--;
        }
    }
    return false;
}

bool glob_match(struct arena *arena, struct str pattern, struct str text, char separator)
{
    unsigned left = ALTERNATIVES_MAX;
    if (text.len > TEXT_MAX || pattern.len > PATTERN_MAX || glob_problem(pattern))
        return false;
    return match_braces(arena, pattern, text, separator, &left);
}
