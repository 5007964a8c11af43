#include "commands/commands.h"

static const struct command *const commands[] = {
    &command_serve,     &command_review,          &command_explain, &command_status,
    &command_audit,     &command_probe,           &command_certs,   &command_version,
    &command_rules,     &command_settings_sample, &command_rbac,    &command_rollback_plan,
    &command_uninstall, &command_completion,      &command_man,     &command_complete};

const struct command *const *commands_all(size_t *count)
{
    *count = LENGTH_OF(commands);
    return commands;
}
