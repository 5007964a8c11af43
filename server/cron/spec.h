/* Inside of a schedule's text: its parts, and what is wrong with it. */
#ifndef BACKSTOP_CRON_SPEC_H
#define BACKSTOP_CRON_SPEC_H

#include "cron/zone/zone.h"

enum field_id { FIELD_MINUTE, FIELD_HOUR, FIELD_DAY_OF_MONTH, FIELD_MONTH, FIELD_DAY_OF_WEEK, FIELD_COUNT };

struct field {
    const char *name, *allowed;
    int min, max;
    const char *const *names; /* names[0] is the name of `min`; NULL: numbers only */
};
/* The fields as schedules hold them: Sunday is 0. */
extern const struct field spec_fields[FIELD_COUNT];

/* In what the libraries differ. What follows `library` is go-cron's; robfig/cron has none of it. */
struct dialect {
    const char *library;
    size_t length_max;   /* longer schedules are refused; 0: none is */
    int64_t every_least; /* nanoseconds; a shorter "@every" is refused. 0: it becomes a second */
    /* "fri-mon" goes on over the end of the week, and 7 is Sunday as 0 is. A start past the
     * last value counts on from the first: "60/5" is "0/5". */
    bool wraps;
    bool steps_fit;      /* a step has to be smaller than its range: 70 among the minutes is refused */
    bool zone_checked;   /* quotes around a zone are dropped, its characters checked; without a schedule: no panic */
    bool foreign_words;  /* H, L, W and # are refused before the fields are read */
    bool triggers;       /* "@triggered", "@manual" and "@none" */
    bool both_days;      /* day-of-month and day-of-week must both match, whether or not one is "*" */
    bool gap_runs_late;  /* what a clock change skips by an hour runs in the hour after it */
    bool forgets_second; /* that the search moved the second on does not count as having moved (see next.c) */
};
extern const struct dialect spec_dialects[CRON_DIALECTS];
/* A field as the dialect's parser bounds it: in go-cron days of the week go up to 7. */
const struct field *spec_field(enum cron_dialect dialect, enum field_id id);

uint64_t field_all(enum field_id id); /* every value of the field, without CRON_STAR */
/* The value a three-letter name stands for in a field, or -1. */
int field_named(const struct field *field, struct str name);

enum fault_kind {
    FAULT_EMPTY,
    FAULT_TOO_LONG,
    FAULT_NO_SPACE_AFTER_ZONE, /* robfig/cron panics */
    FAULT_NOTHING_AFTER_ZONE,  /* but white space */
    FAULT_ZONE_TEXT,           /* go-cron never looks for such a zone */
    FAULT_ZONE,
    FAULT_DURATION,
    FAULT_EVERY_TOO_SHORT,
    FAULT_DESCRIPTOR,
    FAULT_FIELD_COUNT,
    FAULT_NOT_A_NUMBER,
    FAULT_NUMBER_TOO_LARGE,
    FAULT_NEGATIVE,
    FAULT_HYPHENS,
    FAULT_SLASHES,
    FAULT_BELOW,
    FAULT_ABOVE,
    FAULT_BACKWARDS,
    FAULT_STEP_ZERO,
    FAULT_STEP_TOO_LARGE,
    FAULT_FOREIGN, /* H, L, W or #, which go-cron can and ParseStandard does not let */
};

/* All slices lie in the schedule's text; value.ptr is where the mistake stands. */
struct fault {
    enum fault_kind kind;
    enum field_id field;
    struct str value; /* the number, zone, duration or descriptor */
    struct str range; /* the list item the value stands in: "1-5/2" */
    int64_t number;   /* the value as read; how many fields or bytes there are; a position in a zone */
    int64_t start, end;
    uint64_t size;      /* how many values the range has, which the step must not reach */
    bool step;          /* the value is a step */
    char foreign;       /* of FAULT_FOREIGN: 'H', 'L' for L and W, '#' */
    struct error inner; /* what Go says about a zone or a duration */
};

/* The text without its time zone, and its first fields. */
struct spec_parts {
    struct str zone, body;
    bool has_zone;
    struct str fields[FIELD_COUNT];
    size_t field_count; /* may be more than FIELD_COUNT */
};

/* False where a zone has no space after it. Splits as strings.Fields does. */
bool spec_split(enum cron_dialect dialect, struct str spec, struct spec_parts *parts);
/* The length of the Unicode white space at the start of a text; 0 when there is none. */
size_t spec_space(struct str text);
/* Cuts the next field off a text; false at its end. */
bool spec_next_field(struct str *text, struct str *field);

/* "*", "1,5-10/2" and so on, as getField reads it. */
bool field_parse(enum cron_dialect dialect, struct str text, enum field_id id, uint64_t *bits, struct fault *fault);

bool spec_parse(enum cron_dialect dialect, struct str spec, const struct cron_zone *controller_zone,
                struct cron_schedule *schedule, struct fault *fault);
/* As arena_quote, cut after `limit` bytes so that a message stays one line. */
struct str spec_quote(struct arena *arena, struct str text, size_t limit);
int64_t fault_position(struct str spec, const struct fault *fault);

/* A moment as the wall clock of a zone shows it. */

struct moment {
    const struct cron_zone *zone;
    int64_t unix_seconds;
    struct civil civil;
    int64_t midnight, next_midnight; /* of its date; Unix seconds of that wall time as if it were UTC */
    struct zone_span span;           /* the zone's, at that moment */
};
void moment_set(struct moment *moment, int64_t unix_seconds);

/* SpecSchedule's day rule: both day sets must match (in robfig/cron only when either is "*"), else one is enough. */
bool schedule_day_matches(const struct cron_schedule *schedule, int day, int weekday);
/* Which of the day fields decide. */
struct day_rule {
    bool every_day, by_date, by_weekday;
    bool both; /* by_date and by_weekday: a day must match both, not either */
};
struct day_rule schedule_day_rule(const struct cron_schedule *schedule);
int moment_days_in_month(int64_t year, int month);

/* Putting sets of minutes, hours, days and months into words. */

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

/* What the advice on a refused schedule is made from. */

struct advice {
    enum cron_dialect dialect;
    struct arena *arena;
    struct str spec;
    const struct fault *fault;
    struct str value, range; /* the fault's, quoted for people */
};

struct str advise_on_duration(const struct advice *advice);
struct str advise_on_descriptor(const struct advice *advice);

struct str advice_quote(struct arena *arena, struct str text);
struct str advice_lower(struct arena *arena, struct str text); /* ASCII */
bool advice_is_descriptor(struct str text);                    /* one that comes due by itself */
/* A duration that Go reads for one that people write, "24h" for "1 day"; empty where it is none. */
struct str advice_duration(struct arena *arena, struct str text);
size_t advice_digits(struct str text); /* how many the text starts with */

#endif
