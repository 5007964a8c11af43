/* The text screen of `status`: for the terminal of whoever is on call. Verdicts and their
 * reasons come first, so that the rest need be read only by those who want to know more; tables
 * give up columns (those whose heading begins with "?") before they wrap. All that comes from
 * the cluster goes through shown(), which makes control characters visible. */
#include <stdio.h>

#include "commands/status/status.h"

/* Text, for the terminal of whoever is on call. */

/* "in 3h", "2h56m ago" */
static struct str distance_text(const struct status_view *view, int64_t when)
{
    char distance[TIME_TEXT_SIZE];
    int64_t away = when - view->now;
    duration_format(away < 0 ? -away : away, distance);
    return arena_printf(view->arena, "%s%s%s", away >= 0 ? "in " : "", distance, away < 0 ? " ago" : "");
}

static struct str when_text(const struct status_view *view, int64_t when)
{
    struct civil at = civil_from_unix(when);
    return arena_printf(view->arena, "%04lld-%02d-%02d %02d:%02d, %.*s", (long long)at.year, at.month, at.day, at.hour,
                        at.minute, STR_ARG(distance_text(view, when)));
}

/* "just now" also for what is a little in the future: clocks differ. */
static struct str ago_text(const struct status_view *view, int64_t when)
{
    char distance[TIME_TEXT_SIZE];
    if (when == 0)
        return STR("-");
    if (when >= view->now)
        return STR("just now");
    return arena_printf(view->arena, "%s ago", duration_format(view->now - when, distance));
}

/* Phases of Velero, and the words that backstop has for states of evidence. What is neither good
 * nor bad has the colour of doubt. */
static enum tone phase_tone(struct str phase)
{
    static const struct {
        const char *phase;
        enum tone tone;
    } tones[] = {
        {"Available", TONE_GOOD},   {"Unavailable", TONE_BAD},
        {"completed", TONE_GOOD},   {"failed", TONE_BAD},
        {"stuck", TONE_BAD},        {"in the future", TONE_BAD},
        {"running", TONE_DOUBTFUL}, {"not started", TONE_DOUBTFUL},
    };
    for (size_t i = 0; i < LENGTH_OF(tones); i++)
        if (str_is(phase, tones[i].phase))
            return tones[i].tone;
    if (phase_is(phase, PHASE_COMPLETED))
        return TONE_GOOD;
    if (phase_has_failed(phase))
        return TONE_BAD;
    return phase.len ? TONE_DOUBTFUL : TONE_PLAIN;
}

/* ---- the gate ------------------------------------------------------------------------- */

static const char *step_text(const struct upgrade_source *source)
{
    switch (source->step) {
    case UPGRADE_STEP_PASS:
        return "good";
    case UPGRADE_STEP_WAIT:
        return "waits for it";
    case UPGRADE_STEP_START:
        return "starts one";
    case UPGRADE_STEP_REFUSE:
        break;
    }
    return "refuses";
}

/* What a source that refuses says stands among the blockers, so it is not repeated here. */
static void print_sources(const struct status_view *view, const struct page *page)
{
    static const char *const headings[] = {"SOURCE", "PRE-UPGRADE BACKUP", "EVIDENCE", "SINCE", "?PHASE", "THE GATE"};
    const struct upgrade_view *upgrade = &view->upgrade;
    struct arena *arena = view->arena;
    struct columns columns;
    columns_init(&columns, arena, headings, LENGTH_OF(headings));
    for (size_t i = 0; i < upgrade->count; i++) {
        const struct upgrade_source *source = &upgrade->sources[i];
        struct str state = str_from(evidence_state_name(source->evidence.state)),
                   phase = source->evidence.status ? source->evidence.status->phase : STR("");
        if (source->evidence.status && source->evidence.status->items_total > 0 && !source->evidence.status->completed)
            phase = arena_printf(arena, "%.*s %lld/%lld", STR_ARG(shown(arena, phase)),
                                 (long long)source->evidence.status->items_done,
                                 (long long)source->evidence.status->items_total);
        else
            phase = shown(arena, phase);
        const struct cell cells[] = {
            {shown(arena, source->source->meta.name), TONE_PLAIN},
            {shown(arena, upgrade_source_name(source)), TONE_PLAIN},
            {state, phase_tone(state)},
            {ago_text(view, source->evidence.when), TONE_PLAIN},
            {phase, TONE_PLAIN},
            {str_from(step_text(source)), source->step == UPGRADE_STEP_REFUSE ? TONE_BAD : TONE_PLAIN}};
        columns_row(&columns, cells);
    }
    columns_print(&columns, page);
    for (size_t i = 0; i < upgrade->count; i++)
        if (upgrade->sources[i].says.len && upgrade->sources[i].step != UPGRADE_STEP_REFUSE)
            page_paragraph(page, 2, "", upgrade->sources[i].says);
}

static void print_evidence(const struct status_view *view, const struct page *page)
{
    static const char *const headings[] = {"EVIDENCE OF", "NEEDED", "NEWEST", "STATE", "SINCE", "VALUE"};
    struct arena *arena = view->arena;
    struct columns columns;
    columns_init(&columns, arena, headings, LENGTH_OF(headings));
    for (size_t i = 0; i < view->upgrade.evidence_count; i++) {
        const struct upgrade_evidence *evidence = &view->upgrade.evidence[i];
        bool good = evidence->step == UPGRADE_STEP_PASS, bad = evidence->step == UPGRADE_STEP_REFUSE;
        const struct cell cells[] = {{evidence->source->name, TONE_PLAIN},
                                     {evidence->source->alternative ? STR("or another") : STR("yes"), TONE_PLAIN},
                                     {evidence->object ? shown(arena, evidence->object->name) : STR("-"), TONE_PLAIN},
                                     {str_from(engine_states[evidence->state]), good ? TONE_GOOD
                                                                                : bad && evidence->counts
                                                                                    ? TONE_BAD
                                                                                    : TONE_DOUBTFUL},
                                     {ago_text(view, evidence->when), TONE_PLAIN},
                                     {evidence->object ? shown(arena, evidence->object->value) : STR("-"), TONE_PLAIN}};
        columns_row(&columns, cells);
    }
    columns_print(&columns, page);
    for (size_t i = 0; i < view->upgrade.evidence_count; i++) {
        const struct upgrade_evidence *evidence = &view->upgrade.evidence[i];
        bool blocks = evidence->counts && evidence->step == UPGRADE_STEP_REFUSE;
        if (evidence->step != UPGRADE_STEP_PASS && !blocks) /* what blocks is reported above */
            page_paragraph(page, 2, "", evidence->says);
    }
}

/* The command to upgrade is printed only where it would be admitted, or would start the backup
 * and wait. */
static void print_upgrade(const struct status_view *view, const struct page *page)
{
    const struct upgrade_view *upgrade = &view->upgrade;
    struct arena *arena = view->arena;
    page_heading(page, "Upgrade");
    if (upgrade->running.len)
        page_paragraph(page, 2, "",
                       arena_printf(arena, "%s: %.*s", upgrade->not_ready ? "applied, not ready" : "running",
                                    STR_ARG(shown(arena, upgrade->running))));
    if (upgrade->under_way && upgrade->running.len)
        page_paragraph(page, 2, "",
                       arena_printf(arena, "in progress: to %.*s", STR_ARG(shown(arena, upgrade->before))));
    bool goes_on = upgrade->under_way && upgrade->running.len && view->upgrades.grade != STATUS_NOT_READY;
    if (!goes_on)
        page_paragraph(page, 2, "",
                       arena_printf(arena, "%s%.*s: %s", upgrade->target.len ? "an upgrade to " : "an upgrade",
                                    STR_ARG(upgrade->target.len ? shown(arena, upgrade->target) : upgrade->target),
                                    status_outcome(upgrade)));
    if (upgrade->count)
        print_sources(view, page);
    if (upgrade->evidence_count)
        print_evidence(view, page);
    bool asked_for = upgrade->outcome == UPGRADE_ADMITTED || upgrade->outcome == UPGRADE_WAITS;
    if (asked_for && !upgrade->under_way && view->upgrades.grade != STATUS_NOT_READY)
        page_paragraph(page, 2, "",
                       arena_printf(arena,
                                    "kubectl patch management %.*s --type=merge -p '{\"spec\":{\"release\":\"%.*s\"}}'",
                                    STR_ARG(shown(arena, upgrade->management->meta.name)),
                                    STR_ARG(upgrade->target.len ? shown(arena, upgrade->target) : STR("RELEASE"))));
}

/* ---- management backups ------------------------------------------------------------------ */

static struct str schedule_text(const struct status_view *view, const struct status_backup *backup)
{
    if (backup->kind == STATUS_PRE_UPGRADE)
        return arena_printf(view->arena, "once, before leaving %.*s",
                            STR_ARG(shown(view->arena, backup->object->release)));
    if (!backup->valid)
        return STR("invalid");
    if (backup->zone.len && !str_is(backup->zone, "UTC"))
        return arena_printf(view->arena, "%.*s (%.*s)", STR_ARG(backup->meaning),
                            STR_ARG(shown(view->arena, backup->zone)));
    return backup->meaning;
}

/* As it is written, where there is no room for its meaning. */
static struct str brief_schedule(const struct status_backup *backup)
{
    if (backup->kind != STATUS_SCHEDULED)
        return STR("once");
    return backup->valid ? backup->object->schedule : STR("invalid");
}

/* Its last backup where that says Completed and is nothing to rely on; else NULL. */
static const struct recovery_candidate *last_unsound(const struct status_backup *backup)
{
    const struct status_recovery *recovery = &backup->recovery;
    const struct recovery_candidate *newest = recovery->unusable ? recovery->unusable : recovery->fragile;
    bool last = newest && str_eq(newest->object->meta.name, backup->last_name);
    return last && phase_is(newest->object->status.phase, PHASE_COMPLETED) ? newest : NULL;
}

static struct cell last_cell(const struct status_view *view, const struct status_backup *backup)
{
    struct arena *arena = view->arena;
    const struct backup_status *last = backup->last;
    const struct recovery_candidate *unsound = last_unsound(backup);
    if (!last)
        return (struct cell){STR("none yet"), TONE_DOUBTFUL};
    struct str phase = shown(arena, phase_name(last->phase));
    if (unsound) /* "Completed" alone would reassure */
        return (struct cell){arena_printf(arena, "%.*s, %s", STR_ARG(phase), recovery_flaws[unsound->flaw]),
                             recovery_is_fragile(unsound) ? TONE_DOUBTFUL : TONE_BAD};
    if (last->items_total > 0 && !last->completed)
        phase = arena_printf(arena, "%.*s %lld/%lld", STR_ARG(phase), (long long)last->items_done,
                             (long long)last->items_total);
    return (struct cell){phase, phase_tone(last->phase)};
}

static struct cell storage_cell(const struct status_view *view, const struct status_backup *backup)
{
    struct arena *arena = view->arena;
    const struct status_location *location = backup->goes_to;
    struct str name = backup->object->storage_location;
    if (!location)
        return (struct cell){arena_printf(arena, "%.*s (%s)", STR_ARG(shown(arena, name)),
                                          view->inventory->known[FACT_STORAGE_LOCATIONS] ? "missing" : "unknown"),
                             TONE_BAD};
    struct str phase = location->object->phase.len ? shown(arena, location->object->phase) : STR("not validated");
    if (location->readable && !location->usable)
        phase = STR("ReadOnly");
    return (struct cell){arena_printf(arena, "%.*s (%.*s%s)", STR_ARG(shown(arena, location->object->meta.name)),
                                      STR_ARG(phase), location->survives ? "" : ", in the cluster"),
                         !location->usable     ? TONE_BAD
                         : !location->survives ? TONE_DOUBTFUL
                                               : TONE_GOOD};
}

/* The part of a regional cluster, below its ManagementBackup. */
static void add_region_row(const struct status_view *view, struct columns *columns, const struct region_status *region)
{
    struct arena *arena = view->arena;
    const struct backup_status *status = &region->backup;
    struct str none = STR("-"), last = status->phase.len ? shown(arena, status->phase) : STR("none yet");
    const struct cell cells[] = {
        {arena_printf(arena, "  region %.*s", STR_ARG(shown(arena, region->region))), TONE_PLAIN},
        {none, TONE_PLAIN},
        {none, TONE_PLAIN},
        {region->error.len ? STR("error") : last, region->error.len ? TONE_BAD : phase_tone(status->phase)},
        {ago_text(view, status->completed ? status->completed : status->started), TONE_PLAIN},
        {none, TONE_PLAIN},
        {none, TONE_PLAIN}};
    columns_row(columns, cells);
}

/* A row for each ManagementBackup, and one for its part on each regional cluster below it.
 * columns_brief gives a cell's shorter form for narrow terminals. */
static void print_backups(const struct status_view *view, const struct page *page)
{
    static const char *const headings[] = {"NAME",   "SCHEDULE",  "NEXT RUN|(UTC)", "LAST",
                                           "?SINCE", "?UPGRADES", "STORAGE"};
    struct arena *arena = view->arena;
    struct columns columns;
    page_heading(page, "Management backups");
    if (view->backup_count == 0) {
        page_paragraph(page, 2, "", view->inventory->known[FACT_MANAGEMENT_BACKUPS] ? STR("none") : STR("unknown"));
        return;
    }
    columns_init(&columns, arena, headings, LENGTH_OF(headings));
    for (size_t i = 0; i < view->backup_count; i++) {
        const struct status_backup *backup = &view->backups[i];
        const struct management_backup *object = backup->object;
        bool protects = object->on_upgrade && object->schedule.len && !object->meta.deleting;
        const struct cell cells[] = {{shown(arena, object->meta.name), TONE_PLAIN},
                                     {schedule_text(view, backup), backup->valid ? TONE_PLAIN : TONE_BAD},
                                     {backup->next ? when_text(view, backup->next) : STR("-"), TONE_PLAIN},
                                     last_cell(view, backup),
                                     {ago_text(view, backup->last_when), TONE_PLAIN},
                                     {protects ? STR("yes") : STR("-"), TONE_PLAIN},
                                     storage_cell(view, backup)};
        columns_row(&columns, cells);
        columns_brief(&columns, 1, brief_schedule(backup));
        columns_brief(&columns, 2, backup->next ? distance_text(view, backup->next) : STR("-"));
        if (backup->goes_to && backup->goes_to->usable)
            columns_brief(&columns, 6, shown(arena, backup->goes_to->object->meta.name));
        for (size_t r = 0; r < object->region_count; r++)
            add_region_row(view, &columns, &object->regions[r]);
    }
    columns_print(&columns, page);
    if (status_rehearsal_text(view).len)
        page_paragraph(page, 2, "", status_rehearsal_text(view));
}

/* What they cost is known as far as Velero reports it: the number of objects, no bytes. */
static void print_kept(const struct status_view *view, const struct page *page)
{
    enum { LISTED = 20 };
    struct arena *arena = view->arena;
    char age[TIME_TEXT_SIZE];
    if (view->kept_count)
        page_heading(page, "Kept after expiry");
    for (size_t i = 0; i < view->kept_count && i < LISTED; i++) {
        const struct status_kept *kept = &view->kept[i];
        const struct backup_status *status = &kept->object->status;
        struct str items = status->counted ? arena_printf(arena, ", %lld object%s", (long long)status->items_total,
                                                          plural_s((uint64_t)status->items_total))
                                           : STR("");
        page_paragraph(page, 2, "- ",
                       arena_printf(arena, "%.*s expired %.*s and %.*s (%s old%.*s)",
                                    STR_ARG(shown(arena, kept->object->meta.name)),
                                    STR_ARG(ago_text(view, status->expires)), STR_ARG(kept->kept.why),
                                    kept->age ? duration_format(kept->age, age) : "unknown how", STR_ARG(items)));
    }
    if (view->kept_count > LISTED)
        page_paragraph(page, 2, "", arena_printf(arena, "and %zu more", view->kept_count - LISTED));
}

/* ---- storage, Velero ------------------------------------------------------------------------ */

static void print_locations(const struct status_view *view, const struct page *page)
{
    static const char *const headings[] = {"NAME",  "DEFAULT",    "?PROVIDER", "?BUCKET",
                                           "PHASE", "?VALIDATED", "?ACCESS",   "SURVIVES|THE CLUSTER"};
    struct arena *arena = view->arena;
    struct columns columns;
    page_heading(page, "Storage locations");
    if (view->location_count == 0) {
        page_paragraph(page, 2, "", view->inventory->known[FACT_STORAGE_LOCATIONS] ? STR("none") : STR("unknown"));
        return;
    }
    columns_init(&columns, arena, headings, LENGTH_OF(headings));
    for (size_t i = 0; i < view->location_count; i++) {
        const struct status_location *location = &view->locations[i];
        const struct storage_location *object = location->object;
        struct str survives = location->survives ? STR("yes") : arena_printf(arena, "no (%s)", location->class);
        const struct cell cells[] = {
            {shown(arena, object->meta.name), TONE_PLAIN},
            {location->is_default ? STR("yes") : STR("-"), TONE_PLAIN},
            {shown(arena, object->provider), TONE_PLAIN},
            {shown(arena, object->bucket), TONE_PLAIN},
            {object->phase.len ? shown(arena, object->phase) : STR("not validated"),
             location->readable ? TONE_GOOD : TONE_BAD},
            {ago_text(view, object->last_validated), TONE_PLAIN},
            {object->access_mode.len ? shown(arena, object->access_mode) : STR("ReadWrite"), TONE_PLAIN},
            {survives, location->survives ? TONE_GOOD : TONE_DOUBTFUL}};
        columns_row(&columns, cells);
    }
    columns_print(&columns, page);
}

static void print_velero(const struct status_view *view, const struct page *page)
{
    static const char *const headings[] = {"DEPLOYMENT", "?NAMESPACE", "READY", "SERVICE ACCOUNT", "KNOWN|TO BACKSTOP"};
    struct arena *arena = view->arena;
    struct columns columns;
    page_heading(page, "Velero");
    if (view->velero_count == 0) {
        page_paragraph(page, 2, "", view->inventory->known[FACT_VELERO] ? STR("none") : STR("unknown"));
        return;
    }
    columns_init(&columns, arena, headings, LENGTH_OF(headings));
    for (size_t i = 0; i < view->velero_count; i++) {
        const struct status_velero *velero = &view->veleros[i];
        const struct cell cells[] = {
            {shown(arena, velero->object->meta.name), velero->bad_name ? TONE_BAD : TONE_PLAIN},
            {shown(arena, velero->object->meta.ns), TONE_PLAIN},
            {velero->ready ? STR("yes") : STR("no"), velero->ready ? TONE_GOOD : TONE_BAD},
            {shown(arena, velero->account), TONE_PLAIN},
            {velero->known_account ? STR("yes") : STR("no"), velero->known_account ? TONE_GOOD : TONE_BAD}};
        columns_row(&columns, cells);
    }
    columns_print(&columns, page);
}

static void status_print_verdicts(const struct status_view *view, const struct page *page);

void status_text(const struct status_view *view, const struct page *page)
{
    status_print_verdicts(view, page);
    print_upgrade(view, page);
    status_progress(view, page);
    status_timeline(view, page);
    print_backups(view, page);
    print_kept(view, page);
    print_locations(view, page);
    /* Absent with --watch, for which Secrets are not listed every few seconds. */
    const struct status_completeness *found = view->completeness;
    if (found) {
        page_heading(page, "Completeness");
        page_paragraph(page, 2, "", status_completeness_words(view->arena, found, view->files));
        for (size_t i = 0; i < found->len; i++) {
            page_paragraph(page, 2, "- ",
                           arena_printf(view->arena, "%.*s: %.*s", STR_ARG(found->items[i].object),
                                        STR_ARG(found->items[i].reason)));
            page_paragraph(page, 4, "fix: ", found->items[i].fix);
        }
        if (found->total > found->len)
            page_paragraph(page, 2, "", arena_printf(view->arena, "and %zu more", found->total - found->len));
    }
    print_velero(view, page);
    page_heading(page, "Versions");
    page_paragraph(page, 2, "", version_fact_line(view->arena, &view->velero_version));
    page_paragraph(page, 2, "", version_fact_line(view->arena, &view->kcm_version));
}

/* The verdicts, and what they rest on, at the top of the text. */

static enum tone text_grade_tone(enum status_grade grade)
{
    static const enum tone tones[] = {[STATUS_READY] = TONE_GOOD,
                                      [STATUS_AT_RISK] = TONE_DOUBTFUL,
                                      [STATUS_UNKNOWN] = TONE_DOUBTFUL,
                                      [STATUS_NOT_READY] = TONE_BAD};
    return tones[grade];
}

enum { WIDE = 80 }; /* columns: from here on verdicts are a table */

enum severity { SEVERITY_BLOCKER, SEVERITY_RISK, SEVERITY_WARNING };

/* A finding may block one thing and be a risk for another: the graver counts, and it is printed once. */
static enum severity finding_severity(const struct status_finding *finding)
{
    return finding->blocks ? SEVERITY_BLOCKER : finding->risks ? SEVERITY_RISK : SEVERITY_WARNING;
}

static void print_findings(const struct status_view *view, const struct page *page, enum severity severity)
{
    static const char *const headings[] = {"Blockers", "At risk", "Warnings"};
    bool first = true;
    for (size_t i = 0; i < view->finding_count; i++) {
        const struct status_finding *finding = &view->findings[i];
        if (finding_severity(finding) != severity)
            continue;
        if (first)
            page_heading(page, headings[severity]);
        first = false;
        struct str text = arena_printf(view->arena, "%.*s: %.*s", STR_ARG(finding->object), STR_ARG(finding->says));
        if (severity != SEVERITY_WARNING)
            text = arena_printf(view->arena, "%.*s (%s %.*s)", STR_ARG(text), finding->blocks ? "blocks" : "risk for",
                                STR_ARG(status_blocked(view, finding->blocks | finding->risks)));
        page_paragraph(page, 2, "- ", text);
        if (finding->fix.len)
            page_paragraph(page, 4, "fix: ", finding->fix);
    }
}

/* What would be a finding if the objects that it rests on were known. */
static void print_unjudged(const struct status_view *view, const struct page *page)
{
    if (view->unjudged_count)
        page_heading(page, "Not judged");
    for (size_t i = 0; i < view->unjudged_count; i++) {
        const struct status_finding *finding = &view->unjudged[i];
        page_paragraph(page, 2, "- ",
                       arena_printf(view->arena, "%.*s: %.*s (not judged: %.*s)", STR_ARG(finding->object),
                                    STR_ARG(finding->says), STR_ARG(status_blocked(view, finding->blocks))));
        page_paragraph(page, 4, "fix: ", finding->fix);
    }
}

/* The verdicts, and the findings below them. */
static void status_print_verdicts(const struct status_view *view, const struct page *page)
{
    /* A verdict whose reason is that of the whole only refers to it, so that the same sentence is
     * not read twice. In a narrow terminal grade and sentence go into one paragraph. */
    char now[TIME_TEXT_SIZE];
    struct arena *arena = view->arena;
    const struct {
        const char *name;
        const struct status_verdict *verdict;
    } rows[] = {{"restore", &view->restore}, {"backups", &view->runs}, {"upgrade", &view->upgrades}};
    page_sentence(page, text_grade_tone(view->verdict.grade), str_from(status_grade_text(view->verdict.grade)),
                  arena_printf(arena, ": %.*s", STR_ARG(view->verdict.says)));
    page_sentence(page, TONE_PLAIN, str_from(time_format(view->now, 0, now)),
                  arena_printf(arena, ", from %.*s", STR_ARG(shown(arena, view->from))));
    buf_putc(page->out, '\n');
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        const struct status_verdict *verdict = rows[i].verdict;
        bool same = verdict->finding && verdict->finding == view->verdict.finding;
        struct str says = same ? STR("for this reason") : verdict->says;
        const char *grade = status_grade_text(verdict->grade);
        char head[32] = "- ";
        if (page->width && page->width < WIDE)
            says = arena_printf(arena, "%s %s: %.*s", rows[i].name, grade, STR_ARG(says));
        else
            snprintf(head, sizeof head, "%s  %-9s  ", rows[i].name, grade);
        page_paragraph(page, 2, head, says);
    }
    print_findings(view, page, SEVERITY_BLOCKER);
    print_unjudged(view, page);
    print_findings(view, page, SEVERITY_RISK);
    print_findings(view, page, SEVERITY_WARNING);
    if (status_unchecked_text(view).len) {
        page_heading(page, "As far as known");
        page_paragraph(page, 2, "", status_unchecked_text(view));
    }
}
