/* The table of commands: a row for each, in the order of the help. */
#ifndef BACKSTOP_COMMANDS_COMMANDS_H
#define BACKSTOP_COMMANDS_COMMANDS_H

#include "backstop/cli.h"
#include "backstop/settings.h"

extern const struct command command_serve, command_review, command_explain, command_version, command_status,
    command_audit, command_probe, command_certs, command_rollback_plan, command_rbac, command_uninstall,
    command_rehearse;
const struct command *const *commands_all(size_t *count);

/* rbac: the permissions that the webhook needs. */

/* Who issues the certificates, by the words of the chart's certificates.mode. */
enum rbac_certificates {
    RBAC_MANAGED,     /* the webhook itself: managed */
    RBAC_JOB,         /* a Job with an account of its own: job */
    RBAC_CERTIFICATES /* somebody else: cert-manager, secret */
};
/* Whose roles are wanted beside those of the webhook; each has an account of its own, of that name. */
enum {
    RBAC_REPORTS = 1, /* backstop-reports: the CronJob that writes what audit finds to reports */
    RBAC_PROBE = 2    /* backstop-probe: the Job after an install, which lets webhooks fail closed */
};
/* The roles and their bindings to this service account, as YAML documents; `jobs` adds others' roles. */
void rbac_write(const struct settings *settings, enum rbac_certificates certificates, unsigned jobs, struct str ns,
                struct str account, struct buf *out);

#endif
