/* Pages for a terminal: words, paragraphs, aligned columns. */
#ifndef BACKSTOP_VERBS_COLUMNS_H
#define BACKSTOP_VERBS_COLUMNS_H

#include "backstop/base.h"

enum tone { TONE_PLAIN, TONE_GOOD, TONE_BAD, TONE_DOUBTFUL, TONE_STRONG, TONE_FAINT };

/* How to print: on what. */
struct page {
    struct buf *out;
    size_t width; /* of the terminal; 0: lines may be as long as they are */
    bool colour, ascii;
};
struct cell {
    struct str text;
    enum tone tone;
};
enum { COLUMNS_MAX = 10 };
struct columns_row;
struct columns {
    struct arena *arena;
    size_t count; /* of columns */
    bool dispensable[COLUMNS_MAX];
    struct columns_row *rows;
    size_t len, cap;
};

/* The first row is the heading: "NEXT RUN|(UTC)" is brief before the bar; a column whose
 * heading begins with ? is one that a narrow page can do without. */
void columns_init(struct columns *columns, struct arena *arena, const char *const *headings, size_t count);
void columns_row(struct columns *columns, const struct cell *cells);
/* What stands in the last row instead, where the page is narrow. */
void columns_brief(struct columns *columns, size_t column, struct str text);
/* Two spaces before each row and between columns. Where rows do not fit the page they
 * become brief, then columns are left out, then the widest are cut. */
void columns_print(struct columns *columns, const struct page *page);

/* All of these, and the columns, show what a terminal would act on as escapes: this is the
 * place where text from outside becomes text on a terminal. */
void page_text(const struct page *page, struct str text);
void page_toned(const struct page *page, enum tone tone, struct str text);
/* Our own characters, as they are. */
void page_mark(const struct page *page, enum tone tone, const char *mark);
/* A paragraph with this indent, broken between words where the page ends; one that begins
 * with "kubectl " is broken so that a shell still takes what is copied. */
void page_paragraph(const struct page *page, size_t indent, const char *first, struct str text);
/* One that begins with toned words. */
void page_sentence(const struct page *page, enum tone tone, struct str first, struct str text);
#endif
