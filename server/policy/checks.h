/* Checks that several objects share: a schedule, a storage location, and a value
 * judged by a settings verdict. */
#ifndef BACKSTOP_POLICY_CHECKS_H
#define BACKSTOP_POLICY_CHECKS_H

#include "backstop/cron.h"
#include "backstop/policy.h"
#include "backstop/versions.h"

/* Denies `Invalid value: "...": message`, or warns with the message alone. */
void judge_value(struct decision *decision, enum verdict verdict, const char *field, struct str value,
                 const char *format, ...) PRINTF_LIKE(5, 6);

struct schedule_check {
    const char *field;                    /* spec.schedule */
    const char *runner;                   /* who will run it: "kcm", "Velero" */
    struct str spec;                      /* not empty */
    int64_t last_run, created;            /* of an object that changes; 0: that did not happen, or is not known */
    const struct product_version *velero; /* the Velero that will read it; NULL: kcm will */
};
/* Denies what the runner cannot use, warns of what will surprise, and says back
 * what the schedule means. Where it is not known which Velero runs, only what none
 * takes is denied. False when it was found invalid. `read`, unless NULL, is how the first library reads it. */
bool check_schedule(const struct schedule_check *check, const struct request *request, const struct settings *settings,
                    struct decision *decision, struct cron_schedule *read);

/* The longest time between two runs in the coming year, in seconds, when it is longer than
 * `least`, in each of the dialects (bits 1u << dialect) that can read the schedule; else 0. */
int64_t schedule_longest_gap(struct str spec, unsigned dialects, const struct settings *settings, int64_t now,
                             int64_t least);
int64_t schedule_gap_over(const struct cron_schedule *schedule, int64_t now, int64_t least); /* the same of one */
/* "up to 31d apart", "more than a year apart". */
struct str schedule_gap_words(struct arena *arena, int64_t gap);

struct storage_check {
    const char *field;        /* spec.storageLocation */
    struct str name;          /* empty: Velero's default */
    struct str ns;            /* absent: the system namespace */
    bool only_here;           /* the backup is of this cluster, not of its regional ones too */
    bool management;          /* it is kcm's, of the management cluster: no other cluster's may lie beside it */
    enum verdict unusable;    /* what a location deserves that cannot take a backup */
    const char *inside_means; /* what storage in the cluster means for this backup; NULL: it is lost with it */
};
void check_storage(const struct storage_check *check, const struct request *request, const struct inventory *inventory,
                   const struct settings *settings, struct decision *decision);

/* A name as it may stand in a command: as it is, or quoted where it is no Kubernetes name. */
struct str words_name(struct arena *arena, struct str name);
/* "3h ago", "at 2026-11-21T06:00:00Z" for what is to come, "at an unknown time" for 0. */
struct str ago(struct arena *arena, int64_t now, int64_t when);

/* Annotations that a mutating review writes on the object under review. */

struct annotation {
    const char *key;
    struct str value;
};
/* Patches the object so that it has these annotations, beside those it has already; one of the
 * same key is replaced. Values that are empty are left out. Steps are added only for what differs,
 * so calling it again for the patched object adds none. */
void annotations_patch(const struct request *request, struct decision *decision, const struct annotation *items,
                       size_t count);

#endif
