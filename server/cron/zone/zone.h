/* Inside of a time zone. Everything here follows Go's time package, because the
 * controllers' schedules are computed by it: transitions from the TZif file,
 * after the last of them the file's footer rule. */
#ifndef BACKSTOP_CRON_ZONE_ZONE_H
#define BACKSTOP_CRON_ZONE_ZONE_H

#include "backstop/cron.h"

enum { SECONDS_PER_MINUTE = 60, SECONDS_PER_HOUR = 3600, SECONDS_PER_DAY = 86400 };

struct zone_type {
    int offset; /* seconds east of UTC */
    bool dst;
    struct str abbreviation;
};

/* When daylight saving time starts or ends in every year, as POSIX TZ writes it. */
struct zone_change {
    enum { CHANGE_JULIAN, CHANGE_DAY_OF_YEAR, CHANGE_MONTH_WEEK_DAY } kind;
    int day, week, month;
    int time; /* seconds after midnight, -167 h to 167 h */
};
struct zone_rule {
    bool present, saves; /* saves: there is daylight saving time */
    struct zone_type standard, daylight;
    struct zone_change start, end;
};

struct zone_transition {
    int64_t when;
    uint8_t type;
};

struct cron_zone {
    struct str name;
    size_t type_count; /* 0: UTC without a file */
    struct zone_type *types;
    size_t transition_count;
    struct zone_transition *transitions;
    struct zone_rule rule;
    char *text; /* the name, abbreviations and footer, which the slices above borrow */
};

/* What Go's Location.lookup says about a moment. `start` and `end` are reported
 * as Go does, which is inexact at the turn of a year; every second from `from`
 * to before `until` has this same answer. */
struct zone_span {
    int64_t start, end, from, until;
    struct zone_type type;
};
void zone_lookup(const struct cron_zone *zone, int64_t second, struct zone_span *span);

/* Reads a TZif file, versions 1 to 3, refusing what Go refuses. */
struct cron_zone *zone_decode(struct str name, struct str data) MUST_CHECK;
void zone_free(struct cron_zone *zone); /* NULL is fine */
/* The file's last line, "CET-1CEST,M3.5.0,M10.5.0/3"; a malformed one counts as absent, as in Go. */
void zone_rule_parse(struct str footer, struct zone_rule *rule);
void zone_rule_lookup(const struct zone_rule *rule, int64_t last_transition, int64_t second, struct zone_span *span);

/* The zone name that a misspelt one probably means; absent when none is near. */
struct str zone_suggest(struct str wrong);

#endif
