/* The table of commands: a row for each, in the order of the help. */
#ifndef BACKSTOP_COMMANDS_COMMANDS_H
#define BACKSTOP_COMMANDS_COMMANDS_H

#include "backstop/cli.h"

extern const struct verb verb_serve, verb_review, verb_explain, verb_version, verb_status, verb_audit, verb_probe,
    verb_certs, verb_rollback_plan, verb_rules, verb_settings_sample, verb_rbac, verb_uninstall;
const struct verb *const *commands_all(size_t *count);

#endif
