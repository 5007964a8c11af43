/* The table of commands: a row for each, in the order of the help. */
#ifndef BACKSTOP_COMMANDS_COMMANDS_H
#define BACKSTOP_COMMANDS_COMMANDS_H

#include "backstop/cli.h"

extern const struct command command_serve, command_review, command_explain, command_version, command_status,
    command_audit, command_probe, command_certs, command_rollback_plan, command_rules, command_settings_sample,
    command_rbac, command_uninstall, command_rehearse;
const struct command *const *commands_all(size_t *count);

#endif
