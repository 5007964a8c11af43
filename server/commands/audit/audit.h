/* What the files of the audit command share. */
#ifndef BACKSTOP_COMMANDS_AUDIT_AUDIT_H
#define BACKSTOP_COMMANDS_AUDIT_AUDIT_H

#include "backstop/cli.h"
#include "backstop/status.h"
#include "commands/facts_open.h"
#include "commands/review/review.h"

/* Visits every live object of the kinds in the rule table. Kinds that are not served
 * are passed over; what cannot be listed is reported and left out. */
void audit_list(const struct facts_options *options, struct str from, const struct manifest_sink *sink);
/* Visits all that is to be audited, of the files or of the cluster that the facts are of. */
void audit_read(const struct facts_options *options, const struct facts *facts, const struct manifest_sink *sink);

/* The facts as each object must see them: without what it made itself. */
struct audit_world {
    const struct inventory *inventory, *without_own; /* the second is held */
    const struct settings *settings;
    struct review_schemas schemas; /* CRDs of the files or the cluster; what they lack is built in */
};
/* For the objects that `facts` are of. False when out of memory; close it either way. */
bool audit_world_open(struct audit_world *world, const struct facts_options *options, const struct facts *facts,
                      const struct settings *settings);
void audit_world_close(struct audit_world *world);
/* Whether a rule names its kind. Files hold facts besides, and the Management, which only
 * an update can put wrong. */
bool audit_concerns(const struct manifest *manifest);
/* Reviews an object as if it were created now; *passed_over says why it was not, else NULL.
 * False when out of memory. */
bool audit_review(struct audit_world *world, int64_t now, struct arena *arena, struct manifest *manifest,
                  struct review_result *result, const char **passed_over) MUST_CHECK;

/* The audit as the status view has it: everything lives in the arena. False when out of memory. */
bool audit_rows(struct arena *arena, const struct facts_options *options, const struct facts *facts,
                const struct settings *settings, int64_t now, struct status_audit *audit) MUST_CHECK;

/* Drops what a review only says back to whoever writes an object ("runs every 6
 * hours; next ..."): nobody is writing it now. */
void audit_forget_echo(struct review_result *result, const struct settings *settings, int64_t now);
struct str audit_title(struct arena *arena, const struct manifest *manifest); /* "restore/kcm-system/dr" */
void audit_print_text(struct arena *arena, const struct review_result *result, const char *passed_over,
                      const struct page *page);
/* `reports` is a map from namespaces ("" for the cluster) to results, empty at first. False when out of memory. */
bool audit_report_add(struct json_object *reports, const struct review_result *result) MUST_CHECK;
bool audit_report_add_problem(struct json_object *reports, struct str problem, int64_t now) MUST_CHECK;
/* Writes them to the cluster, each whole, and deletes those of namespaces that have none any more. */
bool audit_report_apply(struct kube_client *kube, struct arena *arena, struct json_object *reports, bool all,
                        size_t *written, size_t *deleted, struct error *error) MUST_CHECK;
void audit_report_print(struct arena *arena, struct json_object *reports, bool all, struct buf *out);
void audit_print_summary(const struct review_summary *summary, size_t warned, const struct page *page);

#endif
