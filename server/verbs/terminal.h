/* What the terminal at the other end can show. */
#ifndef BACKSTOP_VERBS_TERMINAL_H
#define BACKSTOP_VERBS_TERMINAL_H

#include "columns.h"
#include "verbs.h"

/* Part of a verb's options, as the member `terminal`; TERMINAL_OPTIONS are its rows. */
struct terminal_options {
    const char *color; /* NULL: auto */
    bool ascii;
    int64_t width; /* -1: the terminal's */
};
#define TERMINAL_OPTIONS(type)                                                                                         \
    {"color",                                                                                                          \
     0,                                                                                                                \
     OPTION_TEXT,                                                                                                      \
     "auto|always|never",                                                                                              \
     "colour for terminals, unless NO_COLOR is set (auto)",                                                            \
     offsetof(type, terminal.color)},                                                                                  \
        {"ascii",                                                                                                      \
         0,                                                                                                            \
         OPTION_FLAG,                                                                                                  \
         NULL,                                                                                                         \
         "no other characters than ASCII (where the locale is not UTF-8)",                                             \
         offsetof(type, terminal.ascii)},                                                                              \
    {                                                                                                                  \
        "width", 0, OPTION_INTEGER, "COLUMNS", "fit text into this many columns (the terminal's; 0: no limit)",        \
            offsetof(type, terminal.width)                                                                             \
    }

/* Says what is wrong with the options; EXIT_OK when nothing is. */
int terminal_check(const struct verb *verb, const struct terminal_options *options);
/* How to print into `out` what goes to standard output. */
struct page terminal_page(const struct terminal_options *options, struct buf *out);
/* A terminal that does what escape sequences say, as far as TERM tells. */
bool terminal_obeys(int fd);
/* Whether standard output gets colour: auto (or NULL) heeds no-color.org. */
bool terminal_colour(const char *color);
/* Rows of the terminal at this descriptor; 0 when it is none, or does not say. */
size_t terminal_rows(int fd);
/* Its columns, likewise, however few. */
size_t terminal_columns(int fd);

#endif
