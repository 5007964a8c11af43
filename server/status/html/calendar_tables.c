#include <stdlib.h>

#include "status/html/html.h"

/* The calendar in words: everything that its pictures show. */

enum { TIMES = 3000 }; /* listed one by one, of all sources together */

static void html_details(const struct page *page, const char *summary)
{
    buf_printf(page->out, "<details><summary>%s</summary><div>\n", summary);
}

static void end_details(const struct page *page)
{
    buf_puts(page->out, "</div></details>\n");
}

/* ---- planned runs ------------------------------------------------------------------ */

static void put_times(struct html_table *table, const struct status_source *source, size_t *left)
{
    const struct page *page = table->page;
    html_cell(table, source->run_total ? "all" : "none");
    if (source->run_count == 0 || source->run_count > *left) {
        buf_puts(page->out, source->run_total ? "too many to list" : "-");
        return;
    }
    const struct status_run *runs = source->runs;
    *left -= source->run_count;
    bool changes = runs[0].offset != runs[source->run_count - 1].offset; /* clocks do, so say which is which */
    buf_puts(page->out, "<ol class=\"times\">");
    for (size_t i = 0; i < source->run_count; i++) {
        buf_puts(page->out, "<li>");
        markup_time(page->out, runs[i].at, runs[i].offset);
        if (changes)
            buf_printf(page->out, " %+03d:%02d", runs[i].offset / 3600, abs(runs[i].offset) / 60 % 60);
        buf_puts(page->out, runs[i].collides ? " <span class=\"tone-warn\">close</span></li>" : "</li>");
    }
    buf_puts(page->out, "</ol>");
}

static void put_planned(struct html_table *table, const struct status_source *source, size_t *left)
{
    char text[TIME_TEXT_SIZE];
    const struct page *page = table->page;
    struct str meaning = source->rests
                             ? arena_printf(page->view->arena, "%.*s (%s)", STR_ARG(source->meaning), source->rests)
                             : source->meaning;
    html_row(table);
    MARKUP(page->out, "@", source->name);
    if (source->ns.len)
        MARKUP(page->out, " (Schedule in @)", source->ns);
    html_cell_text(table, meaning);
    html_cell_when(table, source->first);
    html_cell(table, "number");
    buf_printf(page->out, "%s%zu", source->counted_out ? "at least " : "", source->run_total);
    html_cell_text(table, source->interval ? str_from(duration_format(source->interval, text)) : STR(""));
    html_cell_text(table, source->location);
    html_cell_text(table, source->zone);
    put_times(table, source, left);
}

static void html_planned_runs(const struct page *page)
{
    static const char *const headings[] = {
        "Source", "Schedule", "Next run", "Runs", "At least apart", "Storage", "Zone", "All runs, in that time zone",
        NULL};
    const struct status_view *view = page->view;
    size_t put = 0, total = 0, left = TIMES;
    html_details(page, "Planned runs as a table");
    struct html_table table = html_table(page, "stack", "Planned runs of the next 14 days", headings);
    for (size_t i = 0; i < view->source_count; i++) {
        if (view->sources[i].maker == STATUS_BY_HAND || ++total > ROWS)
            continue;
        put_planned(&table, &view->sources[i], &left);
        put++;
    }
    html_table_end(&table, put, total);
    end_details(page);
}

/* ---- collisions ------------------------------------------------------------------------ */

static void html_collisions(const struct page *page)
{
    const struct status_view *view = page->view;
    if (view->collision_count == 0)
        return;
    buf_puts(page->out, "<h3>Runs that are close together</h3><p class=\"muted\">Velero runs one backup at a time, so "
                        "the second of two runs within five minutes may have to wait. Move one of them.</p><ul>\n");
    for (size_t i = 0; i < view->collision_count && i < ROWS; i++) {
        const struct status_collision *collision = &view->collisions[i];
        MARKUP(page->out, "<li>@ and @, both to storage location @: $, first ", collision->one->name,
               collision->other->name, collision->one->location, html_count(page, collision->count, "time", "times"));
        html_when(page, collision->first);
        buf_puts(page->out, "</li>\n");
    }
    buf_puts(page->out, "</ul>\n");
}

/* ---- past backups ------------------------------------------------------------------------ */

static struct str html_items(const struct page *page, const struct backup_status *status)
{
    if (status->items_total == 0 && status->items_done == 0)
        return STR("");
    if (status->completed && status->items_done == status->items_total)
        return arena_printf(page->view->arena, "%lld", (long long)status->items_total);
    return arena_printf(page->view->arena, "%lld of %lld", (long long)status->items_done,
                        (long long)status->items_total);
}

static void put_past(struct html_table *table, const struct status_source *source, const struct status_past *past)
{
    char text[TIME_TEXT_SIZE];
    const struct page *page = table->page;
    const struct backup *backup = past->object;
    struct str phase = backup->status.phase.len ? backup->status.phase : STR("New");
    html_row(table);
    MARKUP(page->out, "@", backup->meta.name);
    html_cell_text(table, source->maker == STATUS_BY_HAND ? STR("") : source->name);
    html_cell(table, "");
    html_badge(page, html_phase_tone(phase), phase);
    html_cell_when(table, past->started);
    html_cell_text(table, past->ended >= past->started && past->ended
                              ? str_from(duration_format(past->ended - past->started, text))
                              : STR(""));
    html_cell_text(table, html_items(page, &backup->status));
    html_cell_text(table, backup->storage_location);
}

/* The newest of all sources, each of which has its own newest first. */
static void past_rows(struct html_table *table, size_t *put)
{
    const struct status_view *view = table->page->view;
    size_t *next = arena_array(view->arena, view->source_count + 1, sizeof *next);
    for (; next && *put < ROWS; (*put)++) {
        const struct status_source *newest = NULL;
        for (size_t i = 0; i < view->source_count; i++) {
            const struct status_source *source = &view->sources[i];
            if (next[i] < source->past_count &&
                (!newest || source->past[next[i]].started > newest->past[next[newest - view->sources]].started))
                newest = source;
        }
        if (!newest)
            return;
        put_past(table, newest, &newest->past[next[newest - view->sources]++]);
    }
}

static void html_past_backups(const struct page *page)
{
    static const char *const headings[] = {"Backup", "Source", "Phase", "Started", "Took", "Items", "Storage", NULL};
    const struct status_view *view = page->view;
    size_t put = 0, total = 0;
    for (size_t i = 0; i < view->source_count; i++)
        total += view->sources[i].past_total;
    if (total == 0)
        return;
    html_details(page, "Backups of the last 14 days as a table");
    struct html_table table = html_table(page, "", "Backups of the last 14 days, newest first", headings);
    past_rows(&table, &put);
    html_table_end(&table, put, total);
    end_details(page);
}

void html_calendar_tables(const struct page *page)
{
    html_collisions(page);
    html_planned_runs(page);
    html_past_backups(page);
}
