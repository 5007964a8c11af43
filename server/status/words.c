#include "backstop/status.h"

const char *status_outcome(const struct upgrade_view *upgrade)
{
    if (upgrade->management && upgrade->target.len && str_eq(upgrade->target, upgrade->running) && !upgrade->under_way)
        return "nothing to do: this release runs already";
    switch (upgrade->outcome) {
    case UPGRADE_ADMITTED:
        return "admitted now: its pre-upgrade backups are fresh and complete";
    case UPGRADE_WAITS:
        return "waits for its pre-upgrade backups first; kubectl waits by itself, then it is admitted";
    case UPGRADE_REFUSED:
        return "refused until the blockers are gone";
    case UPGRADE_UNKNOWN:
        return "unknown: the gate refuses (503) while it cannot read what it needs";
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

struct str status_blocked(const struct status_view *view, unsigned blocks)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {
        {STATUS_BLOCKS_UPGRADE, "upgrades"}, {STATUS_BLOCKS_RESTORE, "restores"}, {STATUS_BLOCKS_BACKUP, "backups"}};
    struct str text = STR("");
    for (size_t i = 0; i < LENGTH_OF(names); i++)
        if (blocks & names[i].flag)
            text = arena_printf(view->arena, "%.*s%s%s", STR_ARG(text), text.len ? ", " : "", names[i].name);
    return text;
}
