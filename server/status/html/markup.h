/* Writing HTML: the one way in which text reaches the page. */
#ifndef BACKSTOP_STATUS_HTML_MARKUP_H
#define BACKSTOP_STATUS_HTML_MARKUP_H

#include "backstop/base.h"

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
