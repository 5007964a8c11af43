/* rollback-plan: from a pre-upgrade backup to the Restore that leads back. */
#ifndef BACKSTOP_COMMANDS_ROLLBACK_PLAN_H
#define BACKSTOP_COMMANDS_ROLLBACK_PLAN_H

#include "backstop/cli.h"
#include "backstop/policy.h"

struct rollback {
    struct arena *arena;
    const struct inventory *inventory;
    const struct settings *settings;
    int64_t now;
    struct rollback_candidate *candidates;
    size_t count;
};
/* The plan as YAML with comments. EXIT_DENIED, with the reason told, when the webhook
 * would not admit it. */
int rollback_print(const struct command *command, struct rollback *rollback, const struct rollback_candidate *candidate,
                   struct buf *out);

#endif
