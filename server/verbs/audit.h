/* What the files of the audit verb share. */
#ifndef BACKSTOP_VERBS_AUDIT_H
#define BACKSTOP_VERBS_AUDIT_H

#include "columns.h"
#include "facts_open.h"
#include "review.h"

/* ---- audit_cluster.c --------------------------------------------------------- */

/* Lists every live object of the kinds in the rule table. Kinds that are not served
 * are passed over; what cannot be listed is told and left out. False when there was
 * any such problem. */
bool audit_list(struct arena *arena, const struct facts_options *options, struct str from, struct manifests *manifests,
                manifest_problem_fn *problem, void *context);

/* ---- audit_world.c ----------------------------------------------------------- */

/* The facts as each object must see them: without what it made itself. */
struct audit_world {
    const struct inventory *inventory, *without_own; /* the second is held */
};
bool audit_world_open(struct audit_world *world, const struct inventory *inventory, const struct settings *settings);
void audit_world_close(struct audit_world *world);
const struct inventory *audit_facts(const struct audit_world *world, const struct manifest *manifest);
/* Why an object is not reviewed though a rule names its kind; NULL when it is. */
const char *audit_passes_over(const struct manifest *manifest);

/* ---- audit_print.c ----------------------------------------------------------- */

/* Drops what a review only says back to whoever writes an object ("runs every 6
 * hours; next ..."): nobody is writing it now. */
void audit_forget_echo(struct review_result *result, const struct settings *settings, int64_t now);
void audit_print_text(struct arena *arena, const struct review_result *result, const char *passed_over,
                      const struct page *page);
void audit_print_summary(const struct review_summary *summary, size_t warned, const struct page *page);

#endif
