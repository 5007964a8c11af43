/* What the files of the module status share. */
#ifndef BACKSTOP_STATUS_STATUS_H
#define BACKSTOP_STATUS_STATUS_H

#include "backstop/status.h"

struct cron_schedule;

/* What is planned, after the backups and locations are filled. */
bool status_plan(struct status_view *view) MUST_CHECK;
/* What became of the last runs, after the plan. */
bool status_remember(struct status_view *view) MUST_CHECK;
/* What could be restored, after the plan. */
bool status_recover(struct status_view *view) MUST_CHECK;
/* What is wrong with that, after the other findings. */
void status_find_recovery(struct status_view *view);
/* Adds it to the view, where there is memory. */
void status_finding_add(struct status_view *view, struct status_finding finding);
/* The last: risks, groups, verdicts. */
bool status_judge(struct status_view *view) MUST_CHECK;
/* Its Schedule by name; NULL when there is none. */
struct status_source *status_schedule_named(struct status_view *view, struct str ns, struct str name);
/* "3h ago", "just now", "at an unknown time" (0). */
struct str status_ago(const struct status_view *view, int64_t when);
/* Its ManagementBackup by name; NULL when there is none. */
struct status_backup *status_backup_named(struct status_view *view, struct str name);
/* Parses a schedule as its controller does. False: *meaning says what is wrong. Of a
 * Velero whose version is not known the reading is taken that works, or robfig/cron's where
 * both do, and *meaning says whose it is where they differ. */
bool status_schedule(const struct status_view *view, struct str spec, enum status_maker maker,
                     struct cron_schedule *schedule, struct str *meaning);

bool status_find_unjudged(struct status_view *view, struct str target) MUST_CHECK;

/* What JSON is made of. */
/* Takes the value; without memory for the container it is dropped, where json-c would
 * end the process. NULL is written as null. */
void status_put(struct json_object *object, const char *key, struct json_object *value);
void status_put_texts(struct json_object *object, const char *key, const struct strlist *texts); /* a list of them */
void status_put_text(struct json_object *object, const char *key, struct str text);
void status_put_words(struct json_object *object, const char *key, const char *words);
void status_put_bool(struct json_object *object, const char *key, bool value);
void status_put_integer(struct json_object *object, const char *key, int64_t value);
void status_put_time(struct json_object *object, const char *key, int64_t when); /* 0: null */
struct json_object *status_backup_object(const struct backup_status *status, struct str name, int64_t when);
struct json_object *status_recovery_object(const struct status_recovery *recovery);
/* {"state", "message", "cause"}: the keys are documented in docs/status.md, and never renamed. */
struct json_object *status_verdict_object(const struct status_verdict *verdict);
struct json_object *status_verdicts_object(const struct status_view *view);
/* The newest of those that are no recovery point, each with the reason; at most 100. */
struct json_object *status_unsound_list(const struct status_view *view);
struct json_object *status_calendar_object(const struct status_view *view);
/* NULL where nobody has looked: "not checked" is not "nothing missing". */
struct json_object *status_completeness_object(const struct status_view *view);
struct json_object *status_audit_object(const struct status_audit *audit);
struct json_object *status_serving_object(const struct status_serving *serving);

/* A name in a command to copy, or NAME: what is no Kubernetes name could be a
 * command for the shell. */
struct str status_command_name(struct str name);
/* A finding for what a restore would miss. */
void status_find_incomplete(struct status_view *view);
/* "deployment/velero", as a name that may be shown. */
struct str status_object_name(const struct status_view *view, const char *kind, struct str name);
/* status_finding_add of one object. */
void status_report(struct status_view *view, enum status_cause cause, unsigned blocks, struct str object,
                   struct str says, struct str fix);
/* Of a Deployment without a ready replica: what is wrong with it, since when; and what helps. */
struct str status_deployment_down(const struct status_view *view, const struct deployment_state *state);
struct str status_deployment_fix(const struct status_view *view, const struct object_meta *meta,
                                 const struct deployment_state *state);
/* What storage needs by what a store, its plugin or Velero reports of it; absent where that is not known. */
struct str status_storage_fix(struct str reason);
/* What a location that is not Available needs, by what Velero reports of it. */
struct str status_location_fix(const struct storage_location *location);
/* What helps after a Backup that failed: in its storage location where the store is what failed, else the command that
 * shows more. */
struct str status_backup_fix(const struct status_view *view, const struct backup_status *status, struct str backup,
                             struct str location);
/* Causes in Velero beside that it does not run. True when the upgrade gate refuses for one of them. */
bool status_find_in_velero(struct status_view *view);
void status_find_in_kcm(struct status_view *view);    /* And in schedules and clocks */
void status_find_unchecked(struct status_view *view); /* Fills view->unchecked */
/* Deepest first, without those that a deeper one explains, which become view->consequences. */
bool status_rank(struct status_view *view) MUST_CHECK;
void status_find(struct status_view *view); /* opinions of a view that is filled otherwise */

#endif
