/* The tables of the page: the upgrade gate, ManagementBackups, storage locations, Velero. Each
 * shows ROWS rows at most and says how many more there are. */
#include "status/html/html.h"

/* ---- the gate --------------------------------------------------------------------------- */

static const char *step_words(const struct upgrade_source *source)
{
    static const char *const words[] = {[UPGRADE_STEP_PASS] = "allows the upgrade",
                                        [UPGRADE_STEP_WAIT] = "waiting for it",
                                        [UPGRADE_STEP_START] = "would start a backup and wait",
                                        [UPGRADE_STEP_REFUSE] = "blocks the upgrade"};
    return words[source->step];
}

/* The phase of a backup, and how far it is. */
static void put_phase_cell(struct html_table *table, const struct backup_status *status, const char *none)
{
    const struct html_page *page = table->page;
    html_cell(table, status || *none != '-' ? "" : "none");
    if (status)
        html_badge(page, html_phase_sign(status->phase), phase_name(status->phase));
    else
        buf_puts(page->out, none);
    if (!status || status->completed || status->items_total <= 0)
        return;
    struct arena *arena = page->view->arena;
    struct str done = arena_printf(arena, "%lld", (long long)status->items_done);
    struct str total = arena_printf(arena, "%lld", (long long)status->items_total);
    MARKUP(page->out, "<br><progress max=\"$\" value=\"$\" aria-label=\"$ of $ items\"></progress> $ of $ items", total,
           done, done, total, done, total);
}

/* As print_sources of the text screen. */
static void put_source(struct html_table *table, const struct upgrade_source *source)
{
    const struct html_page *page = table->page;
    struct str state = str_from(evidence_state_name(source->evidence.state));
    html_row(table);
    MARKUP(page->out, "@", source->source->meta.name);
    html_cell_text(table, upgrade_source_name(source));
    if (source->evidence.region.len)
        MARKUP(page->out, " (region @)", source->evidence.region);
    html_cell(table, "");
    html_badge(page, html_phase_sign(state), state);
    put_phase_cell(table, source->evidence.status, "-");
    html_cell_text(table, source->evidence.when ? html_distance(page, source->evidence.when) : STR(""));
    html_cell(table, source->says.len ? "full" : "");
    buf_puts(page->out, step_words(source));
    if (source->says.len)
        MARKUP(page->out, "<br><span class=\"muted\">@</span>", source->says);
}

static void put_evidence(struct html_table *table, const struct upgrade_evidence *evidence)
{
    const struct html_page *page = table->page;
    static const enum html_sign signs[] = {[UPGRADE_STEP_PASS] = SIGN_GOOD,
                                           [UPGRADE_STEP_WAIT] = SIGN_WARN,
                                           [UPGRADE_STEP_START] = SIGN_WARN,
                                           [UPGRADE_STEP_REFUSE] = SIGN_BAD};
    const struct evidence_object *object = evidence->object;
    html_row(table);
    MARKUP(page->out, "@", evidence->source->name);
    html_cell_text(table, evidence->source->alternative ? STR("or another") : STR("yes"));
    html_cell(table, "");
    MARKUP(page->out, "@ @", evidence->source->kind, object ? object->name : STR("-"));
    html_cell(table, "");
    html_badge(page, evidence->counts ? signs[evidence->step] : SIGN_WARN, str_from(engine_states[evidence->state]));
    html_cell_text(table, evidence->when ? html_distance(page, evidence->when) : STR(""));
    html_cell(table, "");
    MARKUP(page->out, "@", object && object->value.len ? object->value : STR("-"));
    if (evidence->step != UPGRADE_STEP_PASS)
        MARKUP(page->out, "<br><span class=\"muted\">@</span>", evidence->says);
}

static void put_all_evidence(const struct html_page *page)
{
    static const char *const headings[] = {"Evidence of", "Needed", "Newest", "State", "Since", "Value", NULL};
    const struct upgrade_view *upgrade = &page->view->upgrade;
    if (upgrade->evidence_count == 0)
        return;
    struct html_table table = html_table(page, "", "Backups of other engines", headings);
    for (size_t i = 0; i < upgrade->evidence_count; i++)
        put_evidence(&table, &upgrade->evidence[i]);
    html_table_end(&table, upgrade->evidence_count, upgrade->evidence_count);
}

/* The command is shown only where the gate would let it pass, or start a backup and wait. */
void html_upgrade(const struct html_page *page)
{
    static const char *const headings[] = {
        "ManagementBackup", "Pre-upgrade backup", "Evidence", "Phase", "Since", "The gate", NULL};
    const struct upgrade_view *upgrade = &page->view->upgrade;
    html_section(page, "gate", "Upgrade gate");
    buf_puts(page->out, "<p>");
    if (upgrade->running.len)
        MARKUP(page->out, upgrade->not_ready ? "@ is applied, and not ready. " : "@ runs. ", upgrade->running);
    if (upgrade->under_way)
        MARKUP(page->out, "An upgrade to @ is in progress. ", upgrade->before);
    MARKUP(page->out, "$: $.</p>\n",
           upgrade->target.len ? arena_printf(page->view->arena, "An upgrade to %.*s", STR_ARG(upgrade->target))
                               : STR("An upgrade"),
           str_from(status_outcome(upgrade)));
    if (upgrade->count) {
        size_t rows = upgrade->count < ROWS ? upgrade->count : ROWS;
        struct html_table table =
            html_table(page, "", "Pre-upgrade backup of each ManagementBackup that protects upgrades", headings);
        for (size_t i = 0; i < rows; i++)
            put_source(&table, &upgrade->sources[i]);
        html_table_end(&table, rows, upgrade->count);
    }
    put_all_evidence(page);
    if (upgrade->outcome == UPGRADE_ADMITTED || upgrade->outcome == UPGRADE_WAITS)
        MARKUP(page->out,
               "<p>To upgrade:</p><code class=\"run\">kubectl patch management $ --type=merge -p "
               "'{\"spec\":{\"release\":\"$\"}}'</code>",
               status_command_name(upgrade->management->meta.name),
               upgrade->target.len ? status_command_name(upgrade->target) : STR("RELEASE"));
    html_section_end(page);
}

/* ---- management backups ------------------------------------------------------------------ */

static struct str schedule_words(const struct html_page *page, const struct status_backup *backup)
{
    struct arena *arena = page->view->arena;
    if (backup->kind == STATUS_PRE_UPGRADE)
        return arena_printf(arena, "once, before leaving %.*s", STR_ARG(backup->object->release));
    if (!backup->valid)
        return STR("invalid");
    if (backup->zone.len && !str_is(backup->zone, "UTC"))
        return arena_printf(arena, "%.*s (%.*s)", STR_ARG(backup->meaning), STR_ARG(backup->zone));
    return backup->meaning;
}

/* The part of a regional cluster: its own Velero Backup, under the same schedule. */
static void put_region(struct html_table *table, const struct management_backup *object,
                       const struct region_status *region)
{
    const struct backup_status *status = &region->backup;
    bool any = status->phase.len || region->backup_name.len;
    html_row(table);
    MARKUP(table->page->out, "@ <span class=\"muted\">region</span> @", object->meta.name, region->region);
    html_cell_text(table, STR(""));
    html_cell_text(table, STR(""));
    put_phase_cell(table, any ? status : NULL, "none yet");
    if (region->error.len)
        MARKUP(table->page->out, "<br><span class=\"muted\">@</span>", html_cut(table->page, region->error, 300));
    int64_t when = status->completed ? status->completed : status->started;
    html_cell_text(table, when ? html_distance(table->page, when) : STR(""));
    html_cell_text(table, STR(""));
    html_cell_text(table, STR(""));
}

static void put_backup(struct html_table *table, const struct status_backup *backup)
{
    const struct html_page *page = table->page;
    const struct management_backup *object = backup->object;
    const struct status_location *location = backup->goes_to;
    bool protects = object->on_upgrade && object->schedule.len && !object->meta.deleting;
    html_row(table);
    MARKUP(page->out, "@", object->meta.name);
    html_cell(table, "");
    html_badge(page, backup->valid ? SIGN_NONE : SIGN_BAD, schedule_words(page, backup));
    html_cell_when(table, backup->next);
    put_phase_cell(table, backup->last, "none yet");
    html_cell_text(table, backup->last_when ? html_distance(page, backup->last_when) : STR(""));
    html_cell_text(table, protects ? STR("yes") : STR("no"));
    html_cell(table, "");
    if (location)
        html_badge(page,
                   !location->usable    ? SIGN_BAD
                   : location->survives ? SIGN_NONE
                                        : SIGN_WARN,
                   location->object->meta.name);
    else
        html_badge(page, SIGN_BAD, object->storage_location.len ? object->storage_location : STR("none"));
    for (size_t i = 0; i < object->region_count && i < REGIONS; i++)
        put_region(table, object, &object->regions[i]);
}

/* Expired ones that stay. */
static void html_kept(const struct html_page *page)
{
    static const char *const headings[] = {"Kept after expiry", "Expired", "Age", "Objects", "Why", NULL};
    const struct status_view *view = page->view;
    size_t rows = view->kept_count < ROWS ? view->kept_count : ROWS;
    char age[TIME_TEXT_SIZE];
    if (rows == 0)
        return;
    struct html_table table = html_table(page, "", "Velero Backups that are kept after they have expired", headings);
    for (size_t i = 0; i < rows; i++) {
        const struct status_kept *kept = &view->kept[i];
        const struct backup_status *status = &kept->object->status;
        html_row(&table);
        MARKUP(page->out, "@", kept->object->meta.name);
        html_cell_when(&table, status->expires);
        html_cell_text(&table, kept->age ? str_from(duration_format(kept->age, age)) : STR("unknown"));
        html_cell_text(&table, status->counted ? arena_printf(view->arena, "%lld", (long long)status->items_total)
                                               : STR("unknown"));
        html_cell(&table, "full");
        MARKUP(page->out, "@", kept->kept.why);
    }
    html_table_end(&table, rows, view->kept_count);
}

void html_backups(const struct html_page *page)
{
    static const char *const headings[] = {"Name",  "Schedule",          "Next run", "Last",
                                           "Since", "Protects upgrades", "Storage",  NULL};
    const struct status_view *view = page->view;
    size_t rows = view->backup_count < ROWS ? view->backup_count : ROWS;
    html_section(page, "backups", "Management backups");
    if (rows == 0) {
        buf_puts(page->out, view->inventory->known[FACT_MANAGEMENT_BACKUPS]
                                ? "<p>None: k0rdent is not backed up.</p>\n"
                                : "<p>Unknown: they could not be read.</p>\n");
    } else {
        struct html_table table = html_table(page, "", "All ManagementBackups", headings);
        for (size_t i = 0; i < rows; i++)
            put_backup(&table, &view->backups[i]);
        html_table_end(&table, rows, view->backup_count);
    }
    html_kept(page);
    html_section_end(page);
}

/* ---- storage, Velero ------------------------------------------------------------------------ */

/* Health is told by Velero's phase, and whether the location outlives the cluster apart from it. */
static void put_location(struct html_table *table, const struct status_location *location)
{
    const struct html_page *page = table->page;
    const struct storage_location *object = location->object;
    html_row(table);
    MARKUP(page->out, "@$", object->meta.name, location->is_default ? STR(" (default)") : STR(""));
    html_cell(table, "");
    html_badge(page, html_phase_sign(object->phase.len ? object->phase : STR("not validated")),
               object->phase.len ? object->phase : STR("not validated"));
    if (object->message.len)
        MARKUP(page->out, "<br><span class=\"muted\">@</span>", html_cut(page, object->message, 300));
    html_cell(table, "");
    html_badge(page, location->survives ? SIGN_GOOD : SIGN_WARN,
               location->survives ? arena_printf(page->view->arena, "survives the cluster (%s)", location->class)
                                  : arena_printf(page->view->arena, "lost with the cluster (%s)", location->class));
    html_cell_text(table, object->provider);
    html_cell_text(table, object->bucket);
    if (object->prefix.len)
        MARKUP(page->out, "/@", object->prefix);
    html_cell_text(table, object->access_mode.len ? object->access_mode : STR("ReadWrite"));
    html_cell_when(table, object->last_validated);
}

void html_locations(const struct html_page *page)
{
    static const char *const headings[] = {"Name",   "Health", "Class",          "Provider",
                                           "Bucket", "Access", "Last validated", NULL};
    const struct status_view *view = page->view;
    size_t rows = view->location_count < ROWS ? view->location_count : ROWS;
    html_section(page, "storage", "Storage locations");
    if (rows == 0) {
        buf_puts(page->out, view->inventory->known[FACT_STORAGE_LOCATIONS]
                                ? "<p>None: backups cannot be stored.</p>\n"
                                : "<p>Unknown: they could not be read.</p>\n");
    } else {
        struct html_table table = html_table(page, "", "BackupStorageLocations of the system namespace", headings);
        for (size_t i = 0; i < rows; i++)
            put_location(&table, &view->locations[i]);
        html_table_end(&table, rows, view->location_count);
    }
    html_section_end(page);
}

void html_velero(const struct html_page *page)
{
    static const char *const headings[] = {"Deployment",      "Namespace",         "Ready",
                                           "Service account", "Known to backstop", NULL};
    const struct status_view *view = page->view;
    size_t rows = view->velero_count < ROWS ? view->velero_count : ROWS;
    html_section(page, "velero", "Velero");
    MARKUP(page->out, "<p>Objects are checked against @ and @.</p>\n",
           version_fact_line(view->arena, &view->velero_version), version_fact_line(view->arena, &view->kcm_version));
    if (rows == 0) {
        buf_puts(page->out, view->inventory->known[FACT_VELERO]
                                ? "<p>Not installed: no Deployment has the label component=velero.</p>\n"
                                : "<p>Unknown: its Deployment could not be read.</p>\n");
    } else {
        struct html_table table = html_table(page, "", "Deployments labelled component=velero", headings);
        for (size_t i = 0; i < rows; i++) {
            const struct status_velero *velero = &view->veleros[i];
            html_row(&table);
            MARKUP(page->out, "@", velero->object->meta.name);
            html_cell_text(&table, velero->object->meta.ns);
            html_cell(&table, "");
            html_badge(page, velero->ready ? SIGN_GOOD : SIGN_BAD, velero->ready ? STR("yes") : STR("no"));
            html_cell_text(&table, velero->account);
            html_cell(&table, "");
            html_badge(page, velero->known_account ? SIGN_GOOD : SIGN_BAD,
                       velero->known_account ? STR("yes") : STR("no"));
        }
        html_table_end(&table, rows, view->velero_count);
    }
    html_section_end(page);
}
