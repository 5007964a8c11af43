/* A picture that is drawn again and again: on the terminal's other screen, or one after the
 * other into a pipe. */
#ifndef BACKSTOP_COMMANDS_STATUS_SCREEN_H
#define BACKSTOP_COMMANDS_STATUS_SCREEN_H

#include "backstop/base.h"

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
