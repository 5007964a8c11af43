#include "backstop/status.h"

const char *status_outcome(const struct upgrade_view *upgrade)
{
    switch (upgrade->outcome) {
    case UPGRADE_ADMITTED:
        return "admitted now: its pre-upgrade backups are fresh and complete";
    case UPGRADE_WAITS:
        return "waits for its pre-upgrade backups first; kubectl waits by itself, then it is admitted";
    case UPGRADE_REFUSED:
        return "refused until the blockers are gone";
    case UPGRADE_UNKNOWN:
        return "refused (503): the gate cannot read what it needs";
    case UPGRADE_UNPROTECTED:
        return upgrade->decision.denied ? "refused: no ManagementBackup protects upgrades"
                                        : "admitted without a backup: no ManagementBackup protects upgrades";
    case UPGRADE_LET_THROUGH:
        return "let through without a checked pre-upgrade backup";
    case UPGRADE_NONE:
        break;
    }
    return "there is no Management, so nothing to upgrade";
}
