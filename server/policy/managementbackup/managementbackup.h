/* ManagementBackup's own header. */
#ifndef BACKSTOP_POLICY_MANAGEMENTBACKUP_MANAGEMENTBACKUP_H
#define BACKSTOP_POLICY_MANAGEMENTBACKUP_MANAGEMENTBACKUP_H

#include "backstop/policy.h"

/* DELETE: what the cluster loses with this ManagementBackup. */
void judge_deletion(const struct request *request, const struct inventory *inventory, const struct settings *settings,
                    struct decision *decision);
/* True when no ManagementBackup but the one named would back up before an upgrade.
 * False where that is not known. */
bool last_upgrade_backup(const struct inventory *inventory, struct str name);
/* The object's own name, also where the API server has not told it apart. */
struct str subject_name(const struct request *request);

#endif
