#include "status/status.h"

const char *status_outcome(const struct upgrade_view *upgrade)
{
    if (upgrade->management && upgrade->target.len && str_eq(upgrade->target, upgrade->running) && !upgrade->under_way)
        return upgrade->not_ready ? "nothing to do: this release is already applied, and not ready yet"
                                  : "nothing to do: this release is already running";
    switch (upgrade->outcome) {
    case UPGRADE_ADMITTED:
        return "admitted now: the pre-upgrade backups are fresh and complete";
    case UPGRADE_WAITS:
        return "admitted once the pre-upgrade backups complete; kubectl keeps retrying until then";
    case UPGRADE_REFUSED:
        return "blocked until the problems are fixed";
    case UPGRADE_UNKNOWN:
        return "unknown: the gate answers 503 while it cannot read what it needs";
    case UPGRADE_UNPROTECTED:
        return upgrade->decision.denied ? "blocked: no ManagementBackup protects upgrades"
                                        : "admitted without a backup: no ManagementBackup protects upgrades";
    case UPGRADE_LET_THROUGH:
        return "admitted without checking the pre-upgrade backup";
    case UPGRADE_NONE:
        break;
    }
    return "nothing to upgrade: there is no Management";
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

struct str status_ago(const struct status_view *view, int64_t when)
{
    char text[TIME_TEXT_SIZE];
    if (when == 0)
        return STR("at an unknown time");
    return when >= view->now ? STR("just now")
                             : arena_printf(view->arena, "%s ago", duration_format(view->now - when, text));
}

struct str status_command_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (i == 0 || (c != '-' && c != '.')))
            return STR("NAME");
    }
    return name.len ? name : STR("NAME");
}

void status_finding_add(struct status_view *view, struct status_finding finding)
{
    if (!arena_room(view->arena, &view->findings, view->finding_count, &view->finding_cap, sizeof *view->findings))
        return;
    view->findings[view->finding_count++] = finding;
    view->blocker_count += finding.blocks != 0;
}

void status_report(struct status_view *view, enum status_cause cause, unsigned blocks, struct str object,
                   struct str says, struct str fix)
{
    status_finding_add(
        view, (struct status_finding){.cause = cause, .blocks = blocks, .object = object, .says = says, .fix = fix});
}

struct str status_object_name(const struct status_view *view, const char *kind, struct str name)
{
    return arena_printf(view->arena, "%s/%.*s", kind, STR_ARG(shown(view->arena, name)));
}

struct str status_deployment_fix(const struct status_view *view, const struct object_meta *meta,
                                 const struct deployment_state *state)
{
    struct str ns = status_command_name(meta->ns), name = status_command_name(meta->name);
    return state->scaled_down
               ? arena_printf(view->arena, "kubectl scale deployment -n %.*s %.*s --replicas=1", STR_ARG(ns),
                              STR_ARG(name))
               : arena_printf(view->arena, "kubectl describe deployment -n %.*s %.*s", STR_ARG(ns), STR_ARG(name));
}

struct str status_deployment_down(const struct status_view *view, const struct deployment_state *state)
{
    struct str since = state->unavailable_since ? arena_printf(view->arena, ", unavailable since %.*s",
                                                               STR_ARG(status_ago(view, state->unavailable_since)))
                                                : STR("");
    return arena_printf(view->arena, "%s%.*s",
                        state->scaled_down ? "is scaled down (spec.replicas: 0)"
                                           : "has no ready replica (status.readyReplicas)",
                        STR_ARG(since));
}
