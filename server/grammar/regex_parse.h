/* The two halves of the expression checker: structure, and what stands for characters. */
#ifndef BACKSTOP_GRAMMAR_REGEX_PARSE_H
#define BACKSTOP_GRAMMAR_REGEX_PARSE_H

#include "backstop/base.h"

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

bool regex_more(const struct regex *r);
char regex_peek(const struct regex *r, size_t ahead); /* NUL past the end */
bool regex_looking_at(const struct regex *r, const char *text);
bool regex_fail(struct regex *r, const char *problem); /* always false; the first problem stays */
bool regex_is_word(char c);

uint32_t regex_take_rune(struct regex *r); /* one character of the text, perhaps of several bytes */
void regex_take_class(struct regex *r);    /* [...] */
/* A backslash and what belongs to it; false when it stands for nothing to repeat. */
bool regex_take_escape(struct regex *r);

#endif
