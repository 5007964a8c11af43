#include "commands/commands.h"

static const struct verb *const commands[] = {
    &verb_serve,     &verb_review,     &verb_explain, &verb_status,          &verb_audit, &verb_probe,
    &verb_certs,     &verb_version,    &verb_rules,   &verb_settings_sample, &verb_rbac,  &verb_rollback_plan,
    &verb_uninstall, &verb_completion, &verb_man,     &verb_complete};

const struct verb *const *commands_all(size_t *count)
{
    *count = LENGTH_OF(commands);
    return commands;
}
