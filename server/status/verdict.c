#include <stdlib.h>

#include "status/status.h"

/* The verdicts: of a restore, of upgrades, of the backups, and of all three. They rest on the findings and on nothing else,
 * so that no verdict contradicts one. */

/* ---- the sentence that decided ---------------------------------------------------------------- */

static struct str verdict_finding(const struct status_view *view, const struct status_finding *finding)
{
    return arena_printf(view->arena, "%.*s: %.*s", STR_ARG(finding->object), STR_ARG(finding->says));
}

/* What to restore from is the answer to the question that the verdict puts. */
static struct str verdict_restore_ready(const struct status_view *view)
{
    struct arena *arena = view->arena;
    const struct recovery_candidate *point = view->recovery.point;
    char age[TIME_TEXT_SIZE], left[TIME_TEXT_SIZE];
    if (!point)
        return STR("");
    const struct backup *backup = point->object;
    struct str expiry = STR("");
    struct str old = STR("just completed");
    if (view->recovery.age)
        old = arena_printf(arena, "%s old", duration_format(view->recovery.age, age));
    if (backup->status.expires)
        expiry = arena_printf(arena, ", expires in %s", duration_format(backup->status.expires - view->now, left));
    return arena_printf(arena, "restorable from %.*s in %.*s, %.*s%.*s", STR_ARG(shown(arena, backup->meta.name)),
                        STR_ARG(shown(arena, point->location ? point->location->meta.name : backup->storage_location)),
                        STR_ARG(old), STR_ARG(expiry));
}

static struct str verdict_backups_ready(const struct status_view *view)
{
    const struct status_backup *next = NULL;
    char left[TIME_TEXT_SIZE];
    for (size_t i = 0; i < view->backup_count; i++)
        if (view->backups[i].next && (!next || view->backups[i].next < next->next))
            next = &view->backups[i];
    if (!next)
        return view->upgrade.management ? STR("on schedule") : STR("nothing to back up: there is no Management");
    return arena_printf(view->arena, "on schedule; next %.*s in %s",
                        STR_ARG(shown(view->arena, next->object->meta.name)),
                        duration_format(next->next - view->now, left));
}

static struct str verdict_upgrade_ready(const struct status_view *view)
{
    const struct upgrade_view *upgrade = &view->upgrade;
    if (upgrade->management && upgrade->under_way && upgrade->running.len)
        return arena_printf(view->arena, "from %.*s to %.*s in progress", STR_ARG(shown(view->arena, upgrade->running)),
                            STR_ARG(shown(view->arena, upgrade->before)));
    return str_from(status_outcome(upgrade));
}

/* The worst that is known of one of the three; among equals the deepest cause. Not ready goes
 * before unknown, for what is known to block blocks whatever else there is; unknown goes before
 * a risk. */
static struct status_verdict verdict_of(const struct status_view *view, unsigned judges, struct str ready)
{
    const struct status_finding *blocks = NULL, *risks = NULL, *unknown = status_unjudged(view, judges);
    for (size_t i = 0; i < view->finding_count; i++) {
        const struct status_finding *finding = &view->findings[i];
        if (finding->blocks & judges && (!blocks || finding->cause < blocks->cause))
            blocks = finding;
        if (finding->risks & judges && (!risks || finding->cause < risks->cause))
            risks = finding;
    }
    if (blocks)
        return (struct status_verdict){STATUS_NOT_READY, verdict_finding(view, blocks), blocks};
    if (unknown)
        return (struct status_verdict){STATUS_UNKNOWN, verdict_finding(view, unknown), unknown};
    if (risks)
        return (struct status_verdict){STATUS_AT_RISK, verdict_finding(view, risks), risks};
    return (struct status_verdict){STATUS_READY, ready, NULL};
}

const char *status_grade_text(enum status_grade grade)
{
    static const char *const words[] = {[STATUS_READY] = "READY",
                                        [STATUS_AT_RISK] = "AT RISK",
                                        [STATUS_UNKNOWN] = "UNKNOWN",
                                        [STATUS_NOT_READY] = "NOT READY"};
    return words[grade];
}

/* ---- findings of one kind --------------------------------------------------------------------- */

enum { GROUPED_FROM = 3, NAMES_SHOWN = 3 };

/* "managementbackup" of "managementbackup/kcm-backup". */
static struct str finding_kind(const struct status_finding *finding)
{
    struct str kind, rest = finding->object;
    str_cut(&rest, '/', &kind);
    return rest.ptr ? kind : STR("");
}

/* What is to be done, without the object that the command is for: "kubectl scale deployment", or the words before the
 * command. A failed backup's storage location is another object, and has to be named. */
static struct str finding_cure(const struct status_finding *finding)
{
    const struct str fix = finding->fix;
    struct str rest = fix, word;
    if (str_starts(fix, STR("kubectl "))) {
        for (int i = 0; i < 3; i++) /* kubectl VERB KIND */
            str_cut(&rest, ' ', &word);
        return str_slice(fix, 0, fix.len - rest.len);
    }
    for (size_t i = 0; finding->cause != CAUSE_BACKUP_FAILED && i < fix.len; i++)
        if (str_starts(str_slice(fix, i, fix.len), STR(": kubectl ")))
            return str_slice(fix, 0, i);
    return fix;
}

/* One cause, one effect, one kind of object, one fix: from three on they are reported as one. The fix that is shown would be
 * wrong for the others. */
static bool is_same_group(const struct status_finding *a, const struct status_finding *b)
{
    struct str kind = finding_kind(a);
    return a->cause == b->cause && a->blocks == b->blocks && a->risks == b->risks && kind.len &&
           str_eq(kind, finding_kind(b)) && str_eq(finding_cure(a), finding_cure(b));
}

static struct str group_names(const struct status_view *view, const struct status_finding *group, struct str kind)
{
    struct str names = STR("");
    for (size_t i = 0; i < group->object_count && i < NAMES_SHOWN; i++)
        names = arena_printf(view->arena, "%.*s%s%.*s", STR_ARG(names), i ? ", " : "",
                             STR_ARG(str_slice(group->objects[i], kind.len + 1, group->objects[i].len)));
    if (group->object_count > NAMES_SHOWN)
        names = arena_printf(view->arena, "%.*s and %zu more", STR_ARG(names), group->object_count - NAMES_SHOWN);
    return names;
}

static const char *group_kind(struct str kind)
{
    static const struct {
        const char *kind, *plural;
    } rows[] = {{"managementbackup", "ManagementBackups"},
                {"backupstoragelocation", "BackupStorageLocations"},
                {"schedule", "Schedules"},
                {"deployment", "Deployments"},
                {"backup", "Backups"}};
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        if (str_is(kind, rows[i].kind))
            return rows[i].plural;
    return "objects";
}

/* `first` becomes the whole group: what it says is an example. */
static void group_merge(struct status_view *view, struct status_finding *first)
{
    struct arena *arena = view->arena;
    struct str kind = finding_kind(first), title = str_from(status_causes[first->cause].title);
    struct str names = group_names(view, first, kind);
    struct str example = str_slice(first->object, kind.len + 1, first->object.len);
    if (first->cause == CAUSE_RUN_MISSED) {
        /* "have not run for 204d": as long as every one of them. */
        char text[TIME_TEXT_SIZE];
        int64_t least = INT64_MAX;
        for (size_t i = 0; i < first->object_count; i++) {
            const struct status_backup *backup =
                status_backup_named(view, str_slice(first->objects[i], kind.len + 1, first->objects[i].len));
            int64_t since = backup && backup->due ? view->now - backup->due : 0;
            least = since < least ? since : least;
        }
        first->says = arena_printf(view->arena, "have not run for %s: %.*s", duration_format(least, text),
                                   STR_ARG(group_names(view, first, kind)));
    } else
        first->says = arena_printf(arena, "%.*s (%.*s). %.*s: %.*s", STR_ARG(title), STR_ARG(names), STR_ARG(example),
                                   STR_ARG(first->says));
    first->object = arena_printf(arena, "%zu %s", first->object_count, group_kind(kind));
}

/* The names of all stay in `objects`; the first stands for the group. */
static bool group_findings(struct status_view *view)
{
    size_t kept = 0;
    bool *gone = arena_array(view->arena, view->finding_count + 1, sizeof *gone);
    for (size_t i = 0; gone && i < view->finding_count; i++) {
        struct status_finding *first = &view->findings[i];
        size_t same = 0;
        for (size_t j = i; !gone[i] && j < view->finding_count; j++)
            same += is_same_group(first, &view->findings[j]);
        if (gone[i])
            continue;
        first->object_count = 0;
        first->objects = arena_array(view->arena, same + 1, sizeof *first->objects);
        if (!first->objects)
            return false;
        for (size_t j = i; same >= GROUPED_FROM && j < view->finding_count; j++) {
            if (!is_same_group(first, &view->findings[j]))
                continue;
            first->objects[first->object_count++] = view->findings[j].object;
            gone[j] = j != i;
        }
        if (same >= GROUPED_FROM)
            group_merge(view, first);
        else
            first->objects[first->object_count++] = first->object;
    }
    view->blocker_count = view->risk_count = 0;
    for (size_t i = 0; gone && i < view->finding_count; i++) {
        if (gone[i])
            continue;
        view->findings[kept] = view->findings[i];
        view->blocker_count += view->findings[kept].blocks != 0;
        view->risk_count += view->findings[kept].blocks == 0 && view->findings[kept].risks != 0;
        kept++;
    }
    view->finding_count = gone ? kept : view->finding_count;
    return gone != NULL;
}

/* Grouping comes first, so that a verdict's sentence is one that stands in the list of findings. */
bool status_judge(struct status_view *view)
{
    for (size_t i = 0; i < view->finding_count; i++) {
        struct status_finding *finding = &view->findings[i];
        finding->risks = finding->blocks ? 0 : finding->risks | status_causes[finding->cause].risks;
    }
    if (!group_findings(view))
        return false;
    struct str restorable = verdict_restore_ready(view);
    view->restore = verdict_of(view, STATUS_BLOCKS_RESTORE, restorable);
    if (view->restore.grade == STATUS_UNKNOWN && restorable.len)
        view->restore.says =
            arena_printf(view->arena, "%.*s. As far as known: %.*s", STR_ARG(view->restore.says), STR_ARG(restorable));
    view->runs = verdict_of(view, STATUS_BLOCKS_BACKUP, verdict_backups_ready(view));
    view->upgrades = verdict_of(view, STATUS_BLOCKS_UPGRADE, verdict_upgrade_ready(view));
    /* The worst of the three; of equals the restore, then the backups. */
    const struct status_verdict *verdicts[] = {&view->restore, &view->runs, &view->upgrades};
    const struct status_verdict *worst = verdicts[0];
    for (size_t i = 1; i < LENGTH_OF(verdicts); i++)
        if (verdicts[i]->grade > worst->grade)
            worst = verdicts[i];
    view->verdict = *worst;
    if (worst->grade == STATUS_READY) {
        bool under_way = view->upgrade.management && view->upgrade.under_way && view->upgrade.running.len;
        struct str upgrade =
            under_way ? arena_printf(view->arena, "; upgrade %.*s", STR_ARG(view->upgrades.says)) : STR("");
        struct str runs = view->backup_count ? STR("; backups on schedule") : STR("");
        view->verdict.says =
            arena_printf(view->arena, "%.*s%.*s%.*s", STR_ARG(view->restore.says), STR_ARG(runs), STR_ARG(upgrade));
    }
    return !arena_failed(view->arena);
}

/* What could not be judged because nobody knows the facts it rests on. That is no blocker, and no "ready". */

/* Which verdicts cannot be given without a kind, and what it would have told. */
struct needed {
    enum fact fact;
    unsigned judges;
    const char *question;
};

static const struct needed needed_facts[] = {
    {FACT_MANAGEMENTS, STATUS_BLOCKS_UPGRADE, "which release runs"},
    {FACT_RELEASES, STATUS_BLOCKS_UPGRADE, "whether that release is ready"},
    {FACT_MANAGEMENT_BACKUPS, STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_BACKUP, "what makes backups"},
    {FACT_STORAGE_LOCATIONS, STATUS_BLOCKS_RESTORE | STATUS_BLOCKS_BACKUP,
     "where backups go and whether they can be read"},
    {FACT_BACKUPS, STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_RESTORE, "what could be restored"},
    {FACT_VELERO, STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_RESTORE | STATUS_BLOCKS_BACKUP, "whether Velero runs"},
};

/* The list itself says what it lists, even when that is nothing. */
static struct str unjudged_fix(const struct status_view *view, const struct fact_kind *kind)
{
    if (!view->files)
        return arena_printf(view->arena, "kubectl get %s -A", kind->name); /* which says why not */
    return arena_printf(view->arena, "kubectl get --raw /apis/%s/%s >%s.json", kind->api_version,
                        kind->resource.plural.ptr, kind->resource.plural.ptr);
}

/* Releases are asked for only when the upgrade is to another one. */
bool status_find_unjudged(struct status_view *view, struct str target)
{
    view->unjudged = arena_array(view->arena, LENGTH_OF(needed_facts), sizeof *view->unjudged);
    for (size_t i = 0; view->unjudged && i < LENGTH_OF(needed_facts); i++) {
        const struct needed *needed = &needed_facts[i];
        bool asked = needed->fact != FACT_RELEASES || (target.len && !str_eq(target, view->upgrade.running));
        if (!asked || view->inventory->known[needed->fact])
            continue;
        view->unjudged[view->unjudged_count++] = (struct status_finding){
            .cause = CAUSE_UNKNOWN,
            .blocks = needed->judges,
            .object = str_from(fact_kinds[needed->fact].name),
            .says = arena_printf(view->arena, "%s, so it is unknown %s",
                                 view->files ? "no --inventory file lists them" : "the cluster does not list them",
                                 needed->question),
            .fix = unjudged_fix(view, &fact_kinds[needed->fact])};
    }
    return view->unjudged != NULL;
}

const struct status_finding *status_unjudged(const struct status_view *view, unsigned judges)
{
    for (size_t i = 0; i < view->unjudged_count; i++)
        if (view->unjudged[i].blocks & judges)
            return &view->unjudged[i];
    return NULL;
}

/* The CRDs of a file are never all; what matters is whether this one is there. */
static bool unchecked_fact(const struct inventory *inventory, enum fact fact)
{
    if (fact == FACT_CUSTOM_RESOURCES && inventory_custom_resource(inventory, STR("backups.velero.io")))
        return false;
    if (fact == FACT_CREDENTIALS && inventory->known[FACT_CLUSTER_DEPLOYMENTS] &&
        inventory->count[FACT_CLUSTER_DEPLOYMENTS] == 0)
        return false;                     /* kcm looks up none */
    bool regional = fact != FACT_REGIONS; /* k0rdent before 1.2 has no such kind */
    for (size_t i = 0; i < inventory->count[FACT_CREDENTIALS] && !regional; i++)
        regional = inventory->credentials[i]->region.len > 0;
    return regional && !inventory->known[fact];
}

void status_find_unchecked(struct status_view *view)
{
    static const enum fact facts[] = {FACT_CUSTOM_RESOURCES, FACT_KCM,     FACT_CLUSTER_DEPLOYMENTS,
                                      FACT_CREDENTIALS,      FACT_REGIONS, FACT_SCHEDULES};
    for (size_t i = 0; i < LENGTH_OF(facts); i++)
        if (unchecked_fact(view->inventory, facts[i]))
            strlist_add(view->arena, &view->unchecked, str_from(fact_kinds[facts[i]].name));
}

/* A deeper cause could explain one of these. */
static bool unchecked_matters(const struct status_view *view)
{
    for (size_t i = 0; i < view->finding_count; i++)
        if (status_causes[view->findings[i].cause].explained_by)
            return true;
    return false;
}

struct str status_unchecked_text(const struct status_view *view)
{
    struct str names = STR("");
    for (size_t i = 0; i < view->unchecked.len && unchecked_matters(view); i++) {
        struct str rest = view->unchecked.items[i], name;
        str_cut(&rest, '.', &name);
        names = arena_printf(view->arena, "%.*s%s%.*s%s", STR_ARG(names), i ? ", " : "", STR_ARG(name),
                             str_ends(view->unchecked.items[i], STR(" of kcm")) ? " of kcm" : "");
    }
    return names.len
               ? arena_printf(view->arena, "a deeper cause may be hidden, since nothing lists %.*s", STR_ARG(names))
               : names;
}
