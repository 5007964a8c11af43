/* What the files of the HTML page share. */
#ifndef BACKSTOP_STATUS_HTML_HTML_H
#define BACKSTOP_STATUS_HTML_HTML_H

#include "backstop/base.h"
#include "status/status.h"

enum { ROWS = 200 /* of one table; how many more there are is said */, REGIONS = 50 /* of one ManagementBackup */ };

enum html_sign { SIGN_NONE, SIGN_GOOD, SIGN_WARN, SIGN_BAD, SIGN_INFO, SIGN_UNKNOWN };

struct html_page {
    const struct status_view *view;
    struct buf *out;
    bool served; /* by `serve --status-page`, not a file */
};

/* ---- what sections are made of ----------------------------------- */

/* A section with a heading; its id is what links and the region's name use. */
void html_section(const struct html_page *page, const char *id, const char *heading);
void html_section_end(const struct html_page *page);

/* A table, which a narrow screen shows as one block a row: each cell carries its heading, as data-label. */
struct html_table {
    const struct html_page *page;
    const char *const *headings; /* end with NULL */
    size_t column;               /* cells of the open row; 0: no row is open */
};
/* `class` is of the table, or "". */
struct html_table html_table(const struct html_page *page, const char *class, const char *name,
                             const char *const *headings);
/* Closes what is open, and opens a row whose first cell, its heading, follows. */
void html_row(struct html_table *table);
/* Closes the cell before, and opens the next. `class` is of the cell, or "". */
void html_cell(struct html_table *table, const char *class);
/* A cell with this text in it: "-", of which narrow screens show nothing, when it is empty. */
void html_cell_text(struct html_table *table, struct str text);
/* A cell with html_when in it. */
void html_cell_when(struct html_table *table, int64_t when);
void html_table_end(struct html_table *table, size_t shown, size_t total);
/* Words with a state, told by a sign and a colour: <span class="badge ...">. */
void html_badge(const struct html_page *page, enum html_sign sign, struct str words);
const char *html_sign_class(enum html_sign sign); /* its class of words: "tone-good" */
const char *html_card_class(enum html_sign sign); /* its class of cards: "good" */
enum html_sign html_phase_sign(struct str phase);
/* "3h ago", "in 2h": "-" for 0, "just now". */
struct str html_distance(const struct html_page *page, int64_t when);
void html_when(const struct html_page *page, int64_t when); /* a <time> in UTC and its distance */
struct str html_count(const struct html_page *page, size_t count, const char *one, const char *many);
struct str html_cut(const struct html_page *page, struct str text, size_t characters); /* with an ellipsis */

/* ---- the sections, a file or two ----------------------------------------------- */

struct str html_title(const struct html_page *page);
void html_headline(const struct html_page *page);
void html_verdict(const struct html_page *page);
void html_unjudged(const struct html_page *page);
enum html_findings { HTML_PROBLEMS, HTML_RISKS, HTML_NOTES };
void html_findings(const struct html_page *page, enum html_findings sort);
void html_calendar(const struct html_page *page); /* the pictures */
void html_upgrade(const struct html_page *page);
void html_backups(const struct html_page *page);
void html_locations(const struct html_page *page);
void html_velero(const struct html_page *page);
void html_completeness(const struct html_page *page);
void html_audit(const struct html_page *page);
void html_decisions(const struct html_page *page);
void html_serving(const struct html_page *page);

/* Writing HTML: the one way in which text reaches the page. */

/* Text as it stands in elements and in attributes with double quotes alike: HTML's own
 * characters escaped, and control characters, invalid UTF-8 and what reorders text shown
 * as escapes such as \x1b. */
void markup_text(struct buf *out, struct str text);
/* Writes the template: each $ becomes the next text, each @ the next text in a <bdi>, which
 * keeps a name that is written from right to left from moving what stands around it, and
 * may be broken anywhere where it has long words. Texts
 * too few or too many make the buffer fail. */
void markup_fill(struct buf *out, const char *template, const struct str *texts, size_t count);
#define MARKUP(out, template, ...)                                                                                     \
    markup_fill((out), (template), (const struct str[]){__VA_ARGS__},                                                  \
                sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str))
/* <time datetime="2026-11-22T03:30:00+01:00">Sun 22 Nov 03:30</time> of the given offset. */
void markup_time(struct buf *out, int64_t when, int offset);

#endif
