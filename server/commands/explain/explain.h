/* What the files of the explain command share. */
#ifndef BACKSTOP_COMMANDS_EXPLAIN_EXPLAIN_H
#define BACKSTOP_COMMANDS_EXPLAIN_EXPLAIN_H

#include "backstop/cron.h"

/* How one of the dialects reads a schedule. */
struct reading {
    struct str readers; /* "kcm, and Velero before 1.18.3" */
    struct cron_schedule schedule;
    struct error error;
    bool valid;
    struct strlist warnings;
};

struct explanation {
    struct str spec;
    const struct cron_zone *controller_zone;
    int64_t from, runs;
    struct reading readings[CRON_DIALECTS]; /* where they all agree, only the first is printed */
    size_t count;
    struct arena *arena;
    struct buf *out;
    bool colour;
};

/* One line: the first reading, and what is otherwise in the second. */
void explain_print_json(const struct explanation *explanation);
/* For people; what the readings differ in is printed reading by reading. */
void explain_print_text(const struct explanation *explanation);

#endif
