#include <stdlib.h>

#include "backstop/cron.h"
#include "status/html/html.h"

/* Two pictures, each of fourteen days: what became of the last runs and what is planned.
 * Places are percentages, so that text keeps its size on every screen. */

#define EDGE 1.5 /* percent left free on both sides, for half of a sign */
enum { TOP = 22, ROW = 44, NAME_AT = 14, MARK_AT = 29, SOURCES = 60, MARKS = 3000, NAME_LENGTH = 40, NOTE_LENGTH = 46 };
enum { STRIP = 5 }; /* rows of one drawing: paper breaks between two of them, and the days stand above each */

/* One picture: the days from `from` on. `rows` are those of the whole picture, over all its
 * strips; `marks` counts what was drawn, so that a page cannot grow without a bound. */
struct picture {
    const struct html_page *page;
    int64_t from;
    size_t rows, marks;
};

/* In percent of the width. */
static double picture_place(const struct picture *picture, int64_t when)
{
    return EDGE + (100 - 2 * EDGE) * (double)(when - picture->from) / STATUS_WINDOW;
}

static size_t row_top(size_t row)
{
    return TOP + row % STRIP * ROW;
}

/* The caller closes the element, after its title. */
static void picture_mark(struct picture *picture, const char *symbol, int64_t when, size_t row)
{
    picture->marks++;
    buf_printf(picture->page->out, "<use href=\"#%s\" x=\"%.4f%%\" y=\"%zu\">", symbol, picture_place(picture, when),
               row_top(row) + MARK_AT);
}

/* ---- the grid ------------------------------------------------------------------------ */

/* Clipped to the picture. */
static void draw_weekend(const struct picture *picture, int64_t midnight, int64_t next, size_t height)
{
    int64_t end = picture->from + STATUS_WINDOW;
    int64_t from = midnight > picture->from ? midnight : picture->from, to = next < end ? next : end;
    if (to > from)
        buf_printf(picture->page->out, "<rect class=\"weekend\" x=\"%.3f%%\" y=\"0\" width=\"%.3f%%\" height=\"%zu\"/>",
                   picture_place(picture, from), picture_place(picture, to) - picture_place(picture, from), height);
}

/* Midnights come from a schedule, which knows of clock changes. */
static void draw_days(const struct picture *picture, size_t height)
{
    static const char *const weekdays[] = {"Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"};
    struct buf *out = picture->page->out;
    struct cron_schedule daily;
    struct error error;
    const struct cron_zone *zone = cron_zone_find(picture->page->view->settings->schedules_controller_zone, &error);
    int64_t at = picture->from - 86400, next;
    if (!cron_parse(CRON_ROBFIG, STR("0 0 * * *"), zone ? zone : cron_zone_utc(), &daily, &error))
        return;
    while (cron_next(&daily, at, &next) && next <= picture->from + STATUS_WINDOW) {
        int64_t after;
        at = next;
        struct civil day = civil_from_unix(at + cron_zone_offset(daily.zone, at));
        if (!cron_next(&daily, at, &after))
            break;
        if (day.weekday == 0 || day.weekday == 6)
            draw_weekend(picture, at, after, height);
        if (at < picture->from)
            continue;
        buf_printf(out, "<line class=\"grid\" x1=\"%.3f%%\" x2=\"%.3f%%\" y1=\"0\" y2=\"%zu\"/>",
                   picture_place(picture, at), picture_place(picture, at), height);
        if (picture_place(picture, at) < 96)
            buf_printf(out,
                       "<text class=\"day\" x=\"%.3f%%\" dx=\"3\" y=\"12\"><tspan class=\"wide\">%s </tspan>%d</text>",
                       picture_place(picture, at), weekdays[day.weekday], day.day);
    }
}

/* With four pixels below the last row. */
static size_t strip_height(const struct picture *picture, size_t row)
{
    size_t left = picture->rows - row;
    return TOP + (left < STRIP ? left : STRIP) * ROW + 4;
}

/* The first strip of a picture has its name and description. They tell readers of screens what
 * the picture shows; the further strips are hidden from them, and the tables below have every
 * value. */
static void picture_begin(const struct picture *picture, const char *id, const char *title, struct str description)
{
    struct buf *out = picture->page->out;
    buf_printf(out,
               "<figure><figcaption>%s</figcaption><svg role=\"img\" aria-labelledby=\"%s-title %s-about\" "
               "height=\"%zu\"><title id=\"%s-title\">%s</title>",
               title, id, id, strip_height(picture, 0), id, title);
    MARKUP(out, "<desc id=\"$-about\">$</desc>\n", str_from(id), description);
    draw_days(picture, strip_height(picture, 0));
}

static void picture_end(const struct picture *picture)
{
    buf_puts(picture->page->out, "</svg></figure>\n");
}

static struct str picture_source_name(const struct status_source *source)
{
    return source->maker == STATUS_BY_HAND ? STR("without a schedule") : source->name;
}

/* A new strip begins after every STRIP rows. */
static void draw_row(const struct picture *picture, const struct status_source *source, struct str note, size_t row)
{
    const struct html_page *page = picture->page;
    size_t top = row_top(row);
    if (row && row % STRIP == 0) {
        size_t height = strip_height(picture, row);
        buf_printf(page->out, "</svg><svg aria-hidden=\"true\" height=\"%zu\">\n", height);
        draw_days(picture, height);
    }
    buf_printf(page->out, "<line class=\"track\" x1=\"0\" x2=\"100%%\" y1=\"%zu\" y2=\"%zu\"/>", top + MARK_AT,
               top + MARK_AT);
    buf_printf(page->out, "<text x=\"0\" dx=\"6\" y=\"%zu\">", top + NAME_AT);
    MARKUP(page->out, "<tspan class=\"row-name\">$</tspan> <tspan class=\"row-note\">$</tspan></text>\n",
           html_cut(page, picture_source_name(source), NAME_LENGTH), html_cut(page, note, NOTE_LENGTH));
}

/* ---- what was ---------------------------------------------------------------------------- */

static struct str duration_of(const struct html_page *page, const struct status_past *past)
{
    char text[TIME_TEXT_SIZE];
    if (past->ended < past->started)
        return STR("");
    return arena_printf(page->view->arena, ", took %s", duration_format(past->ended - past->started, text));
}

/* A long backup gets a bar behind its sign, from start to end. */
static void draw_past_mark(struct picture *picture, const struct status_past *past, size_t row)
{
    static const char *const symbols[] = {[STATUS_GOOD] = "good",
                                          [STATUS_RUNNING] = "run",
                                          [STATUS_PARTIAL] = "part",
                                          [STATUS_FAILED] = "bad",
                                          [STATUS_GOING] = "gone"};
    enum { VISIBLE = 40 * 60 }; /* seconds that are wider than a mark on a wide screen */
    const struct html_page *page = picture->page;
    if (past->ended - past->started > VISIBLE)
        buf_printf(page->out, "<rect class=\"span\" x=\"%.3f%%\" y=\"%zu\" width=\"%.3f%%\" height=\"6\"/>",
                   picture_place(picture, past->started), row_top(row) + MARK_AT - 3,
                   picture_place(picture, past->ended) - picture_place(picture, past->started));
    picture_mark(picture, symbols[past->result], past->started, row);
    buf_puts(page->out, "<title>");
    markup_text(page->out, past->object->meta.name);
    MARKUP(page->out, ": $, started ", phase_name(past->object->status.phase));
    char text[TIME_TEXT_SIZE];
    MARKUP(page->out, "$$</title></use>\n", str_from(time_format(past->started, 0, text)), duration_of(page, past));
}

static struct str past_note(const struct html_page *page, const struct status_source *source)
{
    size_t counts[STATUS_GOING + 1] = {0};
    for (size_t i = 0; i < source->past_count; i++)
        counts[source->past[i].result]++;
    size_t failed = counts[STATUS_FAILED] + counts[STATUS_PARTIAL];
    if (source->past_total == 0)
        return STR("none");
    return arena_printf(page->view->arena, "%zu good%s", counts[STATUS_GOOD],
                        failed ? arena_printf(page->view->arena, ", %zu not", failed).ptr : "");
}

/* The newest last, so that it lies on top. A source with too many to draw keeps its row and its
 * counts. */
static void draw_past(const struct html_page *page, size_t rows)
{
    struct picture picture = {.page = page, .from = page->view->now - STATUS_WINDOW, .rows = rows};
    size_t all = 0;
    for (size_t i = 0; i < page->view->source_count; i++)
        all += page->view->sources[i].past_total;
    picture_begin(&picture, "past", "The last 14 days",
                  arena_printf(page->view->arena, "%s of %s; the table below lists all of them",
                               html_count(page, all, "backup", "backups").ptr,
                               html_count(page, rows, "source", "sources").ptr));
    for (size_t i = 0; i < rows; i++) {
        const struct status_source *source = &page->view->sources[i];
        bool drawn = picture.marks + source->past_count <= MARKS;
        struct str note = past_note(page, source);
        draw_row(&picture, source, drawn ? note : arena_printf(page->view->arena, "%.*s, not drawn", STR_ARG(note)), i);
        for (size_t p = drawn ? source->past_count : 0; p > 0; p--)
            draw_past_mark(&picture, &source->past[p - 1], i);
    }
    picture_end(&picture);
}

/* ---- what will be ------------------------------------------------------------------------- */

/* Too many to tell apart. */
static void draw_band(const struct picture *picture, const struct status_source *source, size_t row)
{
    char text[TIME_TEXT_SIZE];
    buf_printf(picture->page->out, "<rect class=\"band\" x=\"%.3f%%\" y=\"%zu\" width=\"%.3f%%\" height=\"12\">",
               picture_place(picture, source->first), row_top(row) + MARK_AT - 6,
               100 - EDGE - picture_place(picture, source->first));
    MARKUP(picture->page->out, "<title>$: $ runs, $ apart</title></rect>\n", source->name,
           arena_printf(picture->page->view->arena, "%zu", source->run_total),
           str_from(duration_format(source->interval, text)));
}

static struct str plan_note(const struct html_page *page, const struct status_source *source)
{
    struct arena *arena = page->view->arena;
    if (source->maker == STATUS_BY_HAND)
        return STR("");
    if (!source->valid)
        return STR("invalid schedule: never runs");
    if (source->rests)
        return arena_printf(arena, "%.*s, %s", STR_ARG(source->meaning), source->rests);
    if (source->zone.len && !str_is(source->zone, "UTC"))
        return arena_printf(arena, "%.*s, %.*s", STR_ARG(source->meaning), STR_ARG(source->zone));
    return source->meaning;
}

static void draw_plan(const struct html_page *page, size_t rows)
{
    struct picture picture = {.page = page, .from = page->view->now, .rows = rows};
    size_t all = 0, clashes = 0;
    for (size_t i = 0; i < page->view->source_count; i++)
        all += page->view->sources[i].run_total;
    for (size_t i = 0; i < page->view->collision_count; i++)
        clashes += page->view->collisions[i].count;
    picture_begin(&picture, "plan", "The next 14 days",
                  arena_printf(page->view->arena,
                               "%s of %s, %zu of them within five minutes of another to the same storage location; the "
                               "table below lists all of them",
                               html_count(page, all, "planned run", "planned runs").ptr,
                               html_count(page, rows, "source", "sources").ptr, clashes));
    for (size_t i = 0; i < rows; i++) {
        const struct status_source *source = &page->view->sources[i];
        draw_row(&picture, source, plan_note(page, source), i);
        bool apart = source->run_total == source->run_count && picture.marks + source->run_count <= MARKS;
        if (!apart && source->run_total)
            draw_band(&picture, source, i);
        for (size_t r = 0; apart && r < source->run_count; r++) {
            const struct status_run *run = &source->runs[r];
            char text[TIME_TEXT_SIZE];
            picture_mark(&picture, run->collides ? "clash" : "plan", run->at, i);
            MARKUP(picture.page->out, "<title>$: $$</title></use>\n", source->name,
                   str_from(time_format(run->at, run->offset, text)),
                   run->collides ? STR(", within 5 minutes of another to this storage location") : STR(""));
        }
    }
    picture_end(&picture);
}

/* ---- both ------------------------------------------------------------------------------------ */

/* Each result has a shape of its own besides its colour. */
static const char symbols[] =
    "<svg class=\"symbols\" aria-hidden=\"true\" focusable=\"false\"><defs>"
    "<g id=\"good\"><rect class=\"m-good\" x=\"-2.5\" y=\"-8\" width=\"5\" height=\"16\" rx=\"2\"/></g>"
    "<g id=\"part\"><path class=\"m-part\" d=\"M0-8 7 6H-7z\"/></g>"
    "<g id=\"bad\"><path class=\"m-bad\" d=\"M-5-5 5 5M5-5-5 5\"/></g>"
    "<g id=\"run\"><circle class=\"m-run\" r=\"6\"/></g>"
    "<g id=\"gone\"><rect class=\"m-gone\" x=\"-1\" y=\"-8\" width=\"2\" height=\"16\"/></g>"
    "<g id=\"plan\"><circle class=\"m-plan\" r=\"3.5\"/></g>"
    "<g id=\"clash\"><path class=\"m-clash\" d=\"M0-7 7 0 0 7-7 0z\"/></g>"
    "</defs></svg>\n";

static void draw_legend(const struct html_page *page)
{
    static const struct {
        const char *symbol, *words;
    } rows[] = {
        {"good", "good"},
        {"part", "partly failed"},
        {"bad", "failed"},
        {"run", "running"},
        {"gone", "being deleted"},
        {"plan", "planned"},
        {"clash", "planned, within 5 minutes of another to the same storage location"},
    };
    buf_puts(page->out, "<ul class=\"legend\" aria-label=\"Signs in the calendar\">");
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        buf_printf(page->out, "<li><svg aria-hidden=\"true\"><use href=\"#%s\" x=\"8\" y=\"9\"/></svg>%s</li>",
                   rows[i].symbol, rows[i].words);
    buf_puts(page->out, "</ul>\n");
}

static void html_calendar_tables(const struct html_page *page);

void html_calendar(const struct html_page *page)
{
    const struct status_view *view = page->view;
    size_t rows = view->source_count < SOURCES ? view->source_count : SOURCES;
    html_section(page, "calendar", "Calendar");
    if (rows == 0) {
        buf_puts(page->out, "<p>No backup is planned, and none ran in the last 14 days.</p>\n");
        html_section_end(page);
        return;
    }
    buf_puts(page->out, symbols);
    buf_puts(page->out, "<div class=\"halves\">\n");
    draw_past(page, rows);
    draw_plan(page, rows);
    buf_puts(page->out, "</div>\n");
    draw_legend(page);
    MARKUP(page->out, "<p class=\"muted small\">Days start at midnight in @, the time zone of the controllers.$</p>\n",
           view->settings->schedules_controller_zone,
           view->source_count > rows
               ? arena_printf(view->arena, " %zu more sources are not shown.", view->source_count - rows)
               : STR(""));
    html_calendar_tables(page);
    html_section_end(page);
}

/* The calendar in words: everything that its pictures show. */

enum { TIMES = 3000 }; /* listed one by one, of all sources together */

static void html_details(const struct html_page *page, const char *summary)
{
    buf_printf(page->out, "<details><summary>%s</summary><div>\n", summary);
}

/* ---- planned runs ------------------------------------------------------------------ */

/* `left`: times that may still be listed, over all sources. */
static void put_planned(struct html_table *table, const struct status_source *source, size_t *left)
{
    char text[TIME_TEXT_SIZE];
    const struct html_page *page = table->page;
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

/* Sources without a plan are not in this table. */
static void html_planned_runs(const struct html_page *page)
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
    buf_puts(page->out, "</div></details>\n");
}

/* ---- collisions ------------------------------------------------------------------------ */

static void html_collisions(const struct html_page *page)
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

static struct str html_items(const struct html_page *page, const struct backup_status *status)
{
    if (status->items_total == 0 && status->items_done == 0)
        return STR("");
    if (status->completed && status->items_done == status->items_total)
        return arena_printf(page->view->arena, "%lld", (long long)status->items_total);
    return arena_printf(page->view->arena, "%lld of %lld", (long long)status->items_done,
                        (long long)status->items_total);
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
        const struct status_past *past = &newest->past[next[newest - view->sources]++];
        char text[TIME_TEXT_SIZE];
        const struct html_page *page = table->page;
        const struct backup *backup = past->object;
        struct str phase = phase_name(backup->status.phase);
        html_row(table);
        MARKUP(page->out, "@", backup->meta.name);
        html_cell_text(table, newest->maker == STATUS_BY_HAND ? STR("") : newest->name);
        html_cell(table, "");
        html_badge(page, html_phase_sign(phase), phase);
        html_cell_when(table, past->started);
        html_cell_text(table, past->ended >= past->started && past->ended
                                  ? str_from(duration_format(past->ended - past->started, text))
                                  : STR(""));
        html_cell_text(table, html_items(page, &backup->status));
        html_cell_text(table, backup->storage_location);
    }
}

static void html_calendar_tables(const struct html_page *page)
{
    html_collisions(page);
    html_planned_runs(page);
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
    buf_puts(page->out, "</div></details>\n");
}
