/* Putting sets of minutes, hours, days and months into words. */
#ifndef BACKSTOP_CRON_WORDS_H
#define BACKSTOP_CRON_WORDS_H

#include "cron/spec.h"

/* A field's set and its shape. */
struct set {
    uint64_t bits; /* without the star */
    int min, max, count, first, last;
    int step;     /* between all neighbours, 0 when they differ or there is only one */
    bool full;    /* every value of the field */
    bool cyclic;  /* the step goes on evenly over the end: 5, 20, 35, 50 */
    bool one_run; /* neighbours all along, perhaps over the end: 22, 23, 0, 1 */
    int run_first, run_last;
};
struct set words_set(uint64_t bits, enum field_id id);

/* How a list of values is written. */
struct list_style {
    const char *range, *last; /* "-" in 1-3, " and " before the last piece */
    void (*write)(struct buf *out, int value);
    int pieces_max; /* with more of them, words_list writes nothing and returns false */
};
bool words_list(struct buf *out, const struct set *set, const struct list_style *style);

void words_clock(struct buf *out, int hour, int minute);     /* "09:00" */
void words_date(struct buf *out, const struct civil *civil); /* "2026-11-21" */
void words_number(struct buf *out, int value);
void words_ordinal(struct buf *out, int value);       /* "13th" */
void words_month(struct buf *out, int value);         /* "March" */
void words_seconds(struct buf *out, int64_t seconds); /* "1 hour 30 minutes", "hour" for a single one */

/* "on the 13th or on any Friday in March": the days and months of a schedule. */
void words_days(struct buf *out, const struct cron_schedule *schedule, bool say_every_day, int pieces_max);

#endif
