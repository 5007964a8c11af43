#include "commands/status/text.h"

#include <string.h>

/* A line for each source of backups: what became of the last two weeks' and what is
 * planned for the next. Each cell is the same part of a day; "now" stands between. */

enum { LABEL_WIDEST = 30, INDENT = 2, GAP = 2, UNLIMITED = 2, CELLS_MAX = 2 * STATUS_DAYS * 6, COLLISIONS_SHOWN = 3 };

/* By weight: the heaviest of what falls into one cell is shown. */
enum mark { MARK_NONE, MARK_GOING, MARK_PLANNED, MARK_CLOSE, MARK_GOOD, MARK_RUNNING, MARK_PARTIAL, MARK_FAILED };
static const struct {
    const char *unicode, *ascii, *legend;
    enum tone tone;
} marks[] = {
    [MARK_NONE] = {" ", " ", NULL, TONE_PLAIN},
    [MARK_GOING] = {"◌", "-", "being deleted", TONE_FAINT},
    [MARK_PLANNED] = {"○", "o", "planned", TONE_PLAIN},
    [MARK_CLOSE] = {"◎", "O", "planned, close to another", TONE_DOUBTFUL},
    [MARK_GOOD] = {"●", "#", "complete", TONE_GOOD},
    [MARK_RUNNING] = {"►", ">", "running", TONE_DOUBTFUL},
    [MARK_PARTIAL] = {"▲", "%", "partial", TONE_DOUBTFUL},
    [MARK_FAILED] = {"×", "x", "failed", TONE_BAD},
};

struct timeline {
    const struct status_view *view;
    const struct page *page;
    size_t label;   /* columns of the names */
    size_t per_day; /* cells */
    size_t cells;   /* of all days, without "now" */
    bool used[LENGTH_OF(marks)];
};

/* ---- time to cells -------------------------------------------------------------- */

static size_t cell_at(const struct timeline *line, int64_t when)
{
    int64_t begin = line->view->now - STATUS_WINDOW, length = 86400 / (int64_t)line->per_day;
    size_t half = line->cells / 2, cell = when <= begin ? 0 : (size_t)((when - begin) / length);
    if (when <= line->view->now) /* one that starts just now has started */
        return cell < half ? cell : half - 1;
    return cell < line->cells ? cell : line->cells - 1;
}

static bool has_midnight(const struct timeline *line, size_t cell, int64_t *day)
{
    int64_t length = 86400 / (int64_t)line->per_day;
    int64_t begin = line->view->now - STATUS_WINDOW + (int64_t)cell * length;
    *day = (begin + 86399) / 86400;
    return *day * 86400 < begin + length;
}

/* ---- labels ---------------------------------------------------------------------- */

static struct str label_of(const struct timeline *line, const struct status_source *source)
{
    struct arena *arena = line->view->arena;
    struct str name = shown(arena, source->name);
    if (source->maker == STATUS_BY_HAND)
        name = STR("(no schedule)");
    else if (source->maker == STATUS_BY_SCHEDULE)
        name = arena_printf(arena, "%.*s/%.*s", STR_ARG(shown(arena, source->ns)), STR_ARG(name));
    return arena_printable(arena, name, line->page->ascii);
}

static void timeline_measure(struct timeline *line)
{
    static const size_t choices[] = {6, 4, 3, 2, 1};
    const struct status_view *view = line->view;
    size_t width = line->page->width, around = INDENT + GAP + 1;
    for (size_t i = 0; i < view->source_count; i++) {
        size_t columns = str_columns(label_of(line, &view->sources[i]));
        line->label = columns > line->label ? columns : line->label;
    }
    line->label = line->label < LABEL_WIDEST ? line->label : LABEL_WIDEST;
    line->per_day = UNLIMITED;
    for (size_t i = 0; width && i < LENGTH_OF(choices); i++) {
        line->per_day = choices[i];
        if (around + line->label + 2 * STATUS_DAYS * line->per_day <= width)
            break;
    }
    line->cells = 2 * STATUS_DAYS * line->per_day;
    if (width && around + line->label + line->cells > width)
        line->label = width - around - line->cells;
}

static void put_label(const struct timeline *line, struct str text)
{
    page_label(line->page, INDENT, TONE_PLAIN, text, line->label);
    buf_printf(line->page->out, "%*s", GAP, "");
}

/* ---- the ruler --------------------------------------------------------------------- */

static void put_at(char *ruler, size_t size, size_t at, struct str text)
{
    size_t before = at ? at - 1 : 0;
    for (size_t i = before; i <= at + text.len && i < size; i++)
        if (ruler[i] != ' ')
            return;
    for (size_t i = 0; i < text.len && at + text.len <= size; i++)
        ruler[at + i] = text.ptr[i];
}

/* A date over its midnight, as often as there is room; of weeks, the Mondays. */
static void print_ruler(const struct timeline *line)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    enum { MONDAY = 4, ROOM = 8 };
    char ruler[CELLS_MAX + 1];
    size_t size = line->cells + 1, half = line->cells / 2;
    int64_t every = line->per_day * 2 >= ROOM ? 2 : 7, day;
    memset(ruler, ' ', sizeof ruler);
    put_at(ruler, size, half - 1, STR("now"));
    for (size_t cell = 0; cell < line->cells; cell++) {
        if (!has_midnight(line, cell, &day) || (every == 7 ? day % 7 != MONDAY : day % every != 0))
            continue;
        struct civil at = civil_from_unix(day * 86400);
        struct str month = str_from(months[at.month - 1]);
        struct str text = arena_printf(line->view->arena, "%.*s %d", STR_ARG(month), at.day);
        put_at(ruler, size, cell + (cell >= half), text);
    }
    while (size && ruler[size - 1] == ' ')
        size--;
    put_label(line, STR(""));
    page_toned(line->page, TONE_FAINT, (struct str){ruler, size});
    buf_putc(line->page->out, '\n');
}

/* ---- a line ------------------------------------------------------------------------ */

static void set_mark(enum mark *cells, size_t at, enum mark mark)
{
    cells[at] = mark > cells[at] ? mark : cells[at];
}

static void mark_past(const struct timeline *line, const struct status_source *source, enum mark *cells)
{
    static const enum mark results[] = {[STATUS_GOOD] = MARK_GOOD,
                                        [STATUS_RUNNING] = MARK_RUNNING,
                                        [STATUS_PARTIAL] = MARK_PARTIAL,
                                        [STATUS_FAILED] = MARK_FAILED,
                                        [STATUS_GOING] = MARK_GOING};
    for (size_t i = 0; i < source->past_count; i++)
        set_mark(cells, cell_at(line, source->past[i].started), results[source->past[i].result]);
}

static void mark_planned(const struct timeline *line, const struct status_source *source, enum mark *cells)
{
    for (size_t i = 0; i < source->run_count; i++)
        set_mark(cells, cell_at(line, source->runs[i].at), source->runs[i].collides ? MARK_CLOSE : MARK_PLANNED);
    if (source->run_count || !source->run_total)
        return;
    for (size_t cell = cell_at(line, source->first); cell < line->cells; cell++) /* too many to list */
        set_mark(cells, cell, MARK_PLANNED);
}

static void put_cell(struct timeline *line, enum mark mark, size_t cell)
{
    const struct page *page = line->page;
    int64_t day;
    line->used[mark] = true;
    if (mark == MARK_NONE && has_midnight(line, cell, &day))
        page_mark(page, TONE_FAINT, page->ascii ? "." : "·");
    else
        page_mark(page, marks[mark].tone, page->ascii ? marks[mark].ascii : marks[mark].unicode);
}

static void print_source(struct timeline *line, const struct status_source *source)
{
    enum mark cells[CELLS_MAX] = {MARK_NONE};
    const struct page *page = line->page;
    size_t half = line->cells / 2;
    const char *instead = !source->valid && source->maker != STATUS_BY_HAND ? "invalid" : NULL;
    if (source->rests)
        instead = source->rests;
    mark_past(line, source, cells);
    mark_planned(line, source, cells);
    put_label(line, label_of(line, source));
    for (size_t cell = 0; cell < half; cell++)
        put_cell(line, cells[cell], cell);
    page_mark(page, TONE_STRONG, page->ascii ? "|" : "│");
    for (size_t cell = half; cell < line->cells && !instead; cell++)
        put_cell(line, cells[cell], cell);
    if (instead) {
        buf_putc(page->out, ' ');
        page_mark(page, source->rests ? TONE_DOUBTFUL : TONE_BAD, instead);
    }
    while (page->out->len && page->out->data[page->out->len - 1] == ' ')
        page->out->len--;
    buf_putc(page->out, '\n');
}

/* ---- below ------------------------------------------------------------------------- */

static void print_legend(const struct timeline *line)
{
    const struct page *page = line->page;
    size_t at = 0;
    for (size_t m = LENGTH_OF(marks); m-- > 0;) {
        if (!line->used[m] || !marks[m].legend)
            continue;
        size_t columns = GAP + 2 + strlen(marks[m].legend);
        if (at && page->width && at + columns > page->width) {
            buf_putc(page->out, '\n');
            at = 0;
        }
        buf_printf(page->out, "%*s", GAP, "");
        page_mark(page, marks[m].tone, page->ascii ? marks[m].ascii : marks[m].unicode);
        buf_printf(page->out, " %s", marks[m].legend);
        at += columns;
    }
    buf_puts(page->out, at ? "\n" : "");
}

static void print_collisions(const struct timeline *line)
{
    const struct status_view *view = line->view;
    struct arena *arena = view->arena;
    for (size_t i = 0; i < view->collision_count && i < COLLISIONS_SHOWN; i++) {
        const struct status_collision *each = &view->collisions[i];
        char when[TIME_TEXT_SIZE];
        page_paragraph(line->page, INDENT, "",
                       arena_printf(arena, "%.*s and %.*s start within %d minutes of each other%s, %s%s",
                                    STR_ARG(label_of(line, each->one)), STR_ARG(label_of(line, each->other)),
                                    STATUS_CLOSE / 60,
                                    each->count == 1 ? "" : arena_printf(arena, " %zu times", each->count).ptr,
                                    each->count == 1 ? "at " : "first at ", time_format(each->first, 0, when)));
    }
    if (view->collision_count > COLLISIONS_SHOWN)
        page_paragraph(line->page, INDENT, "",
                       arena_printf(arena, "and %zu more pairs", view->collision_count - COLLISIONS_SHOWN));
}

void status_timeline(const struct status_view *view, const struct page *page)
{
    struct timeline line = {.view = view, .page = page};
    if (view->source_count == 0)
        return;
    timeline_measure(&line);
    page_heading(page, "Two weeks back and two ahead (UTC)");
    print_ruler(&line);
    for (size_t i = 0; i < view->source_count; i++)
        print_source(&line, &view->sources[i]);
    print_legend(&line);
    print_collisions(&line);
}
