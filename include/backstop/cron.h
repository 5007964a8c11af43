/* cron: the schedule languages of k0rdent and Velero, each to the letter of the Go
 * library that reads it: the same verdict, the same next times. What a parser
 * accepts and then surprises with comes as pitfalls. */
#ifndef BACKSTOP_CRON_H
#define BACKSTOP_CRON_H

#include "backstop/base.h"

/* The libraries, whose ParseStandard is mirrored. */
enum cron_dialect {
    CRON_ROBFIG,  /* github.com/robfig/cron v3.0.1: kcm, and Velero up to 1.18.2 */
    CRON_GO_CRON, /* github.com/netresearch/go-cron v0.15.0: Velero from 1.18.3 on */
    CRON_DIALECTS
};
/* "robfig/cron v3.0.1". */
const char *cron_library(enum cron_dialect dialect);

/* A time zone from the system's TZif files; immutable, cached for the life of
 * the process, safe to share between threads. */
struct cron_zone;

/* Finds a zone as Go's time.LoadLocation does: "" and "UTC", "Local" (TZ or
 * /etc/localtime), or an IANA name, case-sensitive. The error text is Go's. */
const struct cron_zone *cron_zone_find(struct str name, struct error *error) MUST_CHECK;
/* Always there, also where the image has no tzdata. */
const struct cron_zone *cron_zone_utc(void);
/* As it was asked for, for messages; borrowed from the zone. */
struct str cron_zone_name(const struct cron_zone *zone);
int cron_zone_offset(const struct cron_zone *zone, int64_t unix_seconds); /* seconds east of UTC */

/* A parsed schedule: plain data, copied freely, owns nothing. */
struct cron_schedule {
    enum cron_dialect dialect;
    uint64_t minute, hour, day_of_month, month, day_of_week; /* bit sets; CRON_STAR marks "*" */
    int64_t every_seconds;                                   /* > 0: "@every", the fields are unused */
    const struct cron_zone *zone;
    bool zone_given; /* by TZ= or CRON_TZ= */
    bool triggered;  /* "@triggered" and its kind, which never come due by themselves; the fields are empty */
};
#define CRON_STAR (UINT64_C(1) << 63)

/* Parses `spec` as the dialect's ParseStandard does; without a TZ= prefix the zone
 * is `controller_zone` (the zone of the process that will run it; k0rdent's
 * image: UTC). On failure error->position is the byte offset in spec, and the
 * message says in one line what is wrong and what is allowed; the parser's own
 * text is cron_upstream_error's. A spec that makes robfig/cron panic is
 * refused too. TZ=Local is the controller's zone, as in both libraries. */
bool cron_parse(enum cron_dialect dialect, struct str spec, const struct cron_zone *controller_zone,
                struct cron_schedule *schedule, struct error *error) MUST_CHECK;
/* The library's own error text for a spec (or "panic: ..."). False when it parses. */
bool cron_upstream_error(enum cron_dialect dialect, struct str spec, struct error *error);

/* Whether two readings, each in its dialect, come to the same runs: zone, interval, fields and
 * the rule for days. How clock changes are met is not looked at. */
bool cron_agree(const struct cron_schedule *one, const struct cron_schedule *other);

/* The first run strictly after `after`, as SpecSchedule.Next and
 * ConstantDelaySchedule.Next compute it, DST rules included. False where the library
 * returns the zero time, which kcm and Velero read as a run that is due: nothing up to
 * the end of the fifth year on (which happens to 29 February around 2100, and to
 * go-cron's 29 February that must be a Monday, although both fire again). In an hour that
 * comes twice the libraries can answer with a time before `after`, and so does this. */
bool cron_next(const struct cron_schedule *schedule, int64_t after, int64_t *next);
/* True when no run can ever come, decided from the calendar, not by searching. */
bool cron_never_fires(const struct cron_schedule *schedule);
/* True when the library finds no run after `now`: the schedule never fires, or only years from
 * then. kcm and Velero start one backup after another then. */
bool cron_storms(const struct cron_schedule *schedule, int64_t now);
/* The shortest time between two runs, in seconds, exact over the eight weeks after
 * `from` (clock changes included) or, for a rarer schedule, over its next few
 * runs; 0 when it never fires twice. */
int64_t cron_shortest_interval(const struct cron_schedule *schedule, int64_t from);

/* "every 6 hours", "at 09:00 on the 13th or on any Friday", without the zone; at most 120 bytes. */
void cron_describe(const struct cron_schedule *schedule, struct buf *out);
/* One line that says a schedule back to the person who wrote it, for admission
 * warnings and explain: "runs every 6 hours; next 06:00, 12:00, 18:00 UTC". Under
 * 200 bytes: long descriptions name fewer runs. Returns the part of `out` that is
 * what cron_describe says, valid until `out` changes. */
struct str cron_say(const struct cron_schedule *schedule, int64_t now, struct buf *out);
/* The same as a whole warning, `spec.schedule: "0 6 * * *" runs at ...`, under 200 bytes with
 * a field of up to 20 and no escapes: a long schedule is cut, a long description names fewer runs or none. */
struct str cron_say_back(const char *field, struct str spec, const struct cron_schedule *schedule, int64_t now,
                         struct arena *arena, struct buf *out);
/* What is accepted but will surprise (ignored suffix, step over range, day OR,
 * DST gaps, @every under a second, Local, ...): one short line each, each once. */
void cron_pitfalls(struct str spec, const struct cron_schedule *schedule, int64_t now, struct arena *arena,
                   struct strlist *warnings);

#endif
