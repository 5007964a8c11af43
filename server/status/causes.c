#include "backstop/status.h"

/* Every cause, deepest first, from causes.def. */

enum {
    NOTHING = 0,
    UPGRADE = STATUS_BLOCKS_UPGRADE,
    RESTORE = STATUS_BLOCKS_RESTORE,
    BACKUP = STATUS_BLOCKS_BACKUP,
    ALL = UPGRADE | RESTORE | BACKUP
};
enum { VELERO = STATUS_STOPS_VELERO, BACKUPS = STATUS_STOPS_BACKUPS, STARTS = STATUS_STOPS_STARTS };

#define STOPS(what) .stops = (what)
#define EXPLAINED_BY(what) .explained_by = (what)
#define RISKS(what) .risks = (what)
#define CAUSE(id, ...) [CAUSE_##id] = {__VA_ARGS__},

const struct status_cause_row status_causes[CAUSE_COUNT] = {
#include "backstop/causes.def"
};
