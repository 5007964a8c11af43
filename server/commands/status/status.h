/* The terminal's face of status. */
#ifndef BACKSTOP_COMMANDS_STATUS_STATUS_H
#define BACKSTOP_COMMANDS_STATUS_STATUS_H

#include "backstop/base.h"
#include "backstop/cli.h"
#include "backstop/status.h"

void status_text(const struct status_view *view, const struct page *page);

void status_timeline(const struct status_view *view, const struct page *page); /* nothing without sources */
void status_progress(const struct status_view *view, const struct page *page); /* nothing when nothing runs */

/* A picture that is drawn again and again: on the terminal's other screen, or one after the
 * other into a pipe. */

struct screen_options {
    int64_t seconds; /* between two pictures */
    bool lines;      /* each picture is a line: nothing stands between them in a pipe */
    bool ascii, colour;
    /* The picture as of now; false ends the watch. */
    bool (*draw)(void *context, struct buf *out);
    void *context;
};
/* Until q, SIGINT, SIGTERM or SIGHUP, until draw ends it, or until nobody reads. The
 * terminal is as it was afterwards, and while stopped (SIGTSTP). False when it could not
 * be watched, or a picture could not be written. */
bool screen_watch(const struct screen_options *options);

#endif
