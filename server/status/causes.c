#include "status/status.h"

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

/* Most rows stop nothing and are explained by nothing: the fields that a row leaves out are 0. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
const struct status_cause_row status_causes[CAUSE_COUNT] = {
#include "backstop/causes.def"
};
#pragma GCC diagnostic pop

/* What the findings that stop this explain, at most. */
static unsigned causes_explained(const struct status_view *view, unsigned stop)
{
    unsigned blocks = 0;
    for (size_t i = 0; i < view->finding_count; i++)
        if (view->findings[i].blocks && status_causes[view->findings[i].cause].stops & stop)
            blocks |= view->findings[i].blocks;
    return blocks;
}

static bool causes_is_explained(const struct status_finding *finding, const unsigned explained[3])
{
    const struct status_cause_row *row = &status_causes[finding->cause];
    unsigned touches = finding->blocks ? finding->blocks : finding->risks | row->risks;
    for (unsigned i = 0; i < 3; i++)
        if (row->explained_by & 1U << i && explained[i] && !(touches & ~explained[i]))
            return true;
    return false;
}

bool status_rank(struct status_view *view)
{
    const unsigned explained[3] = {causes_explained(view, VELERO), causes_explained(view, BACKUPS),
                                   causes_explained(view, STARTS)};
    struct status_finding *ranked = arena_array(view->arena, view->finding_count + 1, sizeof *ranked);
    view->consequences = arena_array(view->arena, view->finding_count + 1, sizeof *ranked);
    if (!ranked || !view->consequences)
        return false;
    size_t count = 0;
    for (unsigned cause = 0; cause < CAUSE_COUNT; cause++)
        for (size_t i = 0; i < view->finding_count; i++) {
            const struct status_finding *finding = &view->findings[i];
            if (finding->cause != cause)
                continue;
            if (causes_is_explained(finding, explained)) {
                view->consequences[view->consequence_count++] = *finding;
                continue;
            }
            ranked[count++] = *finding;
        }
    view->findings = ranked;
    view->finding_count = view->finding_cap = count;
    return true;
}
