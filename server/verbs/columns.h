/* Aligned columns for a terminal. */
#ifndef BACKSTOP_VERBS_COLUMNS_H
#define BACKSTOP_VERBS_COLUMNS_H

#include "backstop/base.h"

enum tone { TONE_PLAIN, TONE_GOOD, TONE_BAD, TONE_DOUBTFUL, TONE_STRONG };

/* How to print: on what. */
struct page {
    struct buf *out;
    size_t width; /* of the terminal; 0: lines may be as long as they are */
    bool colour;
};
struct cell {
    struct str text;
    enum tone tone;
};
enum { COLUMNS_MAX = 10 };
struct columns {
    struct arena *arena;
    size_t count; /* of columns */
    struct cell (*rows)[COLUMNS_MAX];
    size_t len, cap;
};

/* The first row is the heading. */
void columns_init(struct columns *columns, struct arena *arena, const char *const *headings, size_t count);
void columns_row(struct columns *columns, const struct cell *cells);
/* Two spaces before each row and between columns; the widest columns are cut until a
 * row fits the page. */
void columns_print(const struct columns *columns, const struct page *page);

void page_toned(const struct page *page, enum tone tone, struct str text);
/* A paragraph with this indent, broken between words where the page ends. */
void page_paragraph(const struct page *page, size_t indent, const char *first, struct str text);
/* The columns of the terminal at this descriptor; 0 when it is none. */
size_t terminal_width(int fd);
/* Colour is for terminals, and not for those who set NO_COLOR (no-color.org). */
bool wants_colour(int fd);

#endif
