#include "status/html/html.h"

/* ---- the gate --------------------------------------------------------------------------- */

static void put_progress(const struct page *page, const struct backup_status *status)
{
    if (!status || status->completed || status->items_total <= 0)
        return;
    struct arena *arena = page->view->arena;
    struct str done = arena_printf(arena, "%lld", (long long)status->items_done);
    struct str total = arena_printf(arena, "%lld", (long long)status->items_total);
    MARKUP(page->out, "<br><progress max=\"$\" value=\"$\" aria-label=\"$ of $ items\"></progress> $ of $ items", total,
           done, done, total, done, total);
}

static struct str step_words(const struct upgrade_source *source)
{
    static const char *const words[] = {[UPGRADE_STEP_PASS] = "allows the upgrade",
                                        [UPGRADE_STEP_WAIT] = "waiting for it",
                                        [UPGRADE_STEP_START] = "would start a backup and wait",
                                        [UPGRADE_STEP_REFUSE] = "blocks the upgrade"};
    return str_from(words[source->step]);
}

static void put_source(const struct page *page, const struct upgrade_source *source)
{
    const struct backup_status *status = source->status;
    struct str state = str_from(source->state);
    MARKUP(page->out, "<tr><th scope=\"row\">@</th><td>@$</td><td class=\"state\">", source->source->meta.name,
           source->name.len ? source->name : STR("-"),
           source->region.len ? arena_printf(page->view->arena, " (region %.*s)", STR_ARG(source->region)) : STR(""));
    html_badge(page, html_phase_tone(state), state);
    buf_puts(page->out, "</td><td>");
    if (status)
        html_badge(page, html_phase_tone(status->phase), status->phase.len ? status->phase : STR("New"));
    else
        buf_puts(page->out, "-");
    put_progress(page, status);
    MARKUP(page->out, "</td><td>$</td><td>$", html_distance(page, source->when), step_words(source));
    if (source->says.len)
        MARKUP(page->out, "<br><span class=\"muted\">@</span>", source->says);
    buf_puts(page->out, "</td></tr>\n");
}

static void put_evidence(const struct page *page, const struct upgrade_evidence *evidence)
{
    static const enum tone tones[] = {[UPGRADE_STEP_PASS] = TONE_GOOD,
                                      [UPGRADE_STEP_WAIT] = TONE_WARN,
                                      [UPGRADE_STEP_START] = TONE_WARN,
                                      [UPGRADE_STEP_REFUSE] = TONE_BAD};
    const struct evidence_object *object = evidence->object;
    MARKUP(page->out, "<tr><th scope=\"row\">@</th><td>$</td><td>@ @</td><td>", evidence->source->name,
           evidence->source->alternative ? STR("or another") : STR("yes"), evidence->source->kind,
           object ? object->name : STR("-"));
    html_badge(page, evidence->counts ? tones[evidence->step] : TONE_WARN, str_from(evidence->state));
    MARKUP(page->out, "</td><td>$</td><td>@", html_distance(page, evidence->when),
           object && object->value.len ? object->value : STR("-"));
    if (evidence->step != UPGRADE_STEP_PASS)
        MARKUP(page->out, "<br><span class=\"muted\">@</span>", evidence->says);
    buf_puts(page->out, "</td></tr>\n");
}

static void put_all_evidence(const struct page *page)
{
    static const char *const headings[] = {"Evidence of", "Needed", "Newest", "State", "Since", "Value", NULL};
    const struct upgrade_view *upgrade = &page->view->upgrade;
    if (upgrade->evidence_count == 0)
        return;
    html_table(page, "Backups of other engines", headings);
    for (size_t i = 0; i < upgrade->evidence_count; i++)
        put_evidence(page, &upgrade->evidence[i]);
    html_table_end(page, upgrade->evidence_count, upgrade->evidence_count);
}

static void put_upgrade_command(const struct page *page)
{
    const struct upgrade_view *upgrade = &page->view->upgrade;
    if (upgrade->outcome != UPGRADE_ADMITTED && upgrade->outcome != UPGRADE_WAITS)
        return;
    MARKUP(page->out,
           "<p>To upgrade:</p><code class=\"run\">kubectl patch management $ --type=merge -p "
           "'{\"spec\":{\"release\":\"$\"}}'</code>",
           status_command_name(upgrade->management->meta.name),
           upgrade->target.len ? status_command_name(upgrade->target) : STR("RELEASE"));
}

void html_upgrade(const struct page *page)
{
    static const char *const headings[] = {
        "ManagementBackup", "Pre-upgrade backup", "Evidence", "Phase", "Since", "The gate", NULL};
    const struct upgrade_view *upgrade = &page->view->upgrade;
    html_section(page, "gate", "Upgrade gate");
    buf_puts(page->out, "<p>");
    if (upgrade->running.len)
        MARKUP(page->out, "@ runs. ", upgrade->running);
    if (upgrade->under_way)
        MARKUP(page->out, "An upgrade to @ is in progress. ", upgrade->before);
    MARKUP(page->out, "$: $.</p>\n",
           upgrade->target.len ? arena_printf(page->view->arena, "An upgrade to %.*s", STR_ARG(upgrade->target))
                               : STR("An upgrade"),
           str_from(status_outcome(upgrade)));
    if (upgrade->count) {
        size_t rows = upgrade->count < ROWS ? upgrade->count : ROWS;
        html_table(page, "Pre-upgrade backup of each ManagementBackup that protects upgrades", headings);
        for (size_t i = 0; i < rows; i++)
            put_source(page, &upgrade->sources[i]);
        html_table_end(page, rows, upgrade->count);
    }
    put_all_evidence(page);
    put_upgrade_command(page);
    html_section_end(page);
}

/* ---- management backups ------------------------------------------------------------------ */

static struct str schedule_words(const struct page *page, const struct status_backup *backup)
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

static void put_backup(const struct page *page, const struct status_backup *backup)
{
    const struct management_backup *object = backup->object;
    const struct status_location *location = backup->goes_to;
    bool protects = object->on_upgrade && object->schedule.len && !object->meta.deleting;
    MARKUP(page->out, "<tr><th scope=\"row\">@</th><td>", object->meta.name);
    html_badge(page, backup->valid ? TONE_NONE : TONE_BAD, schedule_words(page, backup));
    buf_puts(page->out, "</td><td>");
    html_when(page, backup->next);
    buf_puts(page->out, "</td><td>");
    if (backup->last)
        html_badge(page, html_phase_tone(backup->last->phase),
                   backup->last->phase.len ? backup->last->phase : STR("New"));
    else
        buf_puts(page->out, "none yet");
    put_progress(page, backup->last);
    MARKUP(page->out, "</td><td>$</td><td>$</td><td>", html_distance(page, backup->last_when),
           protects ? STR("yes") : STR("no"));
    if (location)
        html_badge(page,
                   !location->usable    ? TONE_BAD
                   : location->survives ? TONE_NONE
                                        : TONE_WARN,
                   location->object->meta.name);
    else
        html_badge(page, TONE_BAD, object->storage_location.len ? object->storage_location : STR("none"));
    buf_puts(page->out, "</td></tr>\n");
}

void html_backups(const struct page *page)
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
        html_table(page, "All ManagementBackups", headings);
        for (size_t i = 0; i < rows; i++)
            put_backup(page, &view->backups[i]);
        html_table_end(page, rows, view->backup_count);
    }
    html_section_end(page);
}

/* ---- storage, Velero ------------------------------------------------------------------------ */

static void put_location(const struct page *page, const struct status_location *location)
{
    const struct storage_location *object = location->object;
    MARKUP(page->out, "<tr><th scope=\"row\">@$</th><td>", object->meta.name,
           location->is_default ? STR(" (default)") : STR(""));
    html_badge(page, html_phase_tone(object->phase.len ? object->phase : STR("not validated")),
               object->phase.len ? object->phase : STR("not validated"));
    if (object->message.len)
        MARKUP(page->out, "<br><span class=\"muted\">@</span>", html_cut(page, object->message, 300));
    buf_puts(page->out, "</td><td>");
    html_badge(page, location->survives ? TONE_GOOD : TONE_WARN,
               location->survives ? arena_printf(page->view->arena, "survives the cluster (%s)", location->class)
                                  : arena_printf(page->view->arena, "lost with the cluster (%s)", location->class));
    MARKUP(page->out, "</td><td>@</td><td>@$@</td><td>@</td><td>", object->provider.len ? object->provider : STR("-"),
           object->bucket.len ? object->bucket : STR("-"), object->prefix.len ? STR("/") : STR(""), object->prefix,
           object->access_mode.len ? object->access_mode : STR("ReadWrite"));
    html_when(page, object->last_validated);
    buf_puts(page->out, "</td></tr>\n");
}

void html_locations(const struct page *page)
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
        html_table(page, "BackupStorageLocations of the system namespace", headings);
        for (size_t i = 0; i < rows; i++)
            put_location(page, &view->locations[i]);
        html_table_end(page, rows, view->location_count);
    }
    html_section_end(page);
}

void html_velero(const struct page *page)
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
        html_table(page, "Deployments labelled component=velero", headings);
        for (size_t i = 0; i < rows; i++) {
            const struct status_velero *velero = &view->veleros[i];
            MARKUP(page->out, "<tr><th scope=\"row\">@</th><td>@</td><td>", velero->object->meta.name,
                   velero->object->meta.ns);
            html_badge(page, velero->ready ? TONE_GOOD : TONE_BAD, velero->ready ? STR("yes") : STR("no"));
            MARKUP(page->out, "</td><td>@</td><td>", velero->account);
            html_badge(page, velero->known_account ? TONE_GOOD : TONE_BAD,
                       velero->known_account ? STR("yes") : STR("no"));
            buf_puts(page->out, "</td></tr>\n");
        }
        html_table_end(page, rows, view->velero_count);
    }
    html_section_end(page);
}
