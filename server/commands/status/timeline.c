/* The two pictures of the text screen: a timeline for each source of backups, and a bar for each
 * backup that runs. Both fit themselves to the width of the terminal, and have a form in ASCII. */
#include <string.h>

#include "commands/status/status.h"

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

/* `used` notes which marks were drawn, so that the legend explains no others. */
struct timeline {
    const struct status_view *view;
    const struct page *page;
    size_t label;   /* columns of the names */
    size_t per_day; /* cells */
    size_t cells;   /* of all days, without "now" */
    bool used[LENGTH_OF(marks)];
};

/* ---- time to cells -------------------------------------------------------------- */

/* What lies outside the window falls into its first or last cell. Past and future never share a
 * cell: "now" is the border between the halves. */
static size_t cell_at(const struct timeline *line, int64_t when)
{
    int64_t begin = line->view->now - STATUS_WINDOW, length = 86400 / (int64_t)line->per_day;
    size_t half = line->cells / 2, cell = when <= begin ? 0 : (size_t)((when - begin) / length);
    if (when <= line->view->now) /* one that starts just now has started */
        return cell < half ? cell : half - 1;
    return cell < line->cells ? cell : line->cells - 1;
}

/* Of UTC, the one within this cell; `day` counts from 1970. A cell is never longer than a day. */
static bool has_midnight(const struct timeline *line, size_t cell, int64_t *day)
{
    int64_t length = 86400 / (int64_t)line->per_day;
    int64_t begin = line->view->now - STATUS_WINDOW + (int64_t)cell * length;
    *day = (begin + 86399) / 86400;
    return *day * 86400 < begin + length;
}

/* ---- labels ---------------------------------------------------------------------- */

/* Backups by hand have one line for all; a Schedule of Velero's is named with its namespace,
 * since a ManagementBackup may have the same name. */
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

/* The most cells a day with which all still fits; then names are cut. Without a width (a pipe)
 * two a day. */
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

/* Left out where it would touch another text. */
static void put_at(char *ruler, size_t size, size_t at, struct str text)
{
    size_t before = at ? at - 1 : 0;
    for (size_t i = before; i <= at + text.len && i < size; i++)
        if (ruler[i] != ' ')
            return;
    for (size_t i = 0; i < text.len && at + text.len <= size; i++)
        ruler[at + i] = text.ptr[i];
}

/* ---- a line ------------------------------------------------------------------------ */

/* The heavier mark stays. */
static void set_mark(enum mark *cells, size_t at, enum mark mark)
{
    cells[at] = mark > cells[at] ? mark : cells[at];
}

/* Too many runs to list are drawn as a row from the first on. */
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

/* Blanks at the end of a line are taken off again, as the width of a line tells nothing. */
static void print_source(struct timeline *line, const struct status_source *source)
{
    enum mark cells[CELLS_MAX] = {MARK_NONE};
    const struct page *page = line->page;
    size_t half = line->cells / 2;
    const char *instead = !source->valid && source->maker != STATUS_BY_HAND ? "invalid" : NULL;
    if (source->rests)
        instead = source->rests;
    static const enum mark results[] = {[STATUS_GOOD] = MARK_GOOD,
                                        [STATUS_RUNNING] = MARK_RUNNING,
                                        [STATUS_PARTIAL] = MARK_PARTIAL,
                                        [STATUS_FAILED] = MARK_FAILED,
                                        [STATUS_GOING] = MARK_GOING};
    for (size_t i = 0; i < source->past_count; i++)
        set_mark(cells, cell_at(line, source->past[i].started), results[source->past[i].result]);
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

/* Pairs of sources that go to one storage location; a pair that meets every day is reported once,
 * with its count. */
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
    /* A date over its midnight, as often as there is room; of weeks, the Mondays. */
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    enum { MONDAY = 4, ROOM = 8 };
    char ruler[CELLS_MAX + 1];
    size_t size = line.cells + 1, half = line.cells / 2;
    int64_t every = line.per_day * 2 >= ROOM ? 2 : 7, day;
    memset(ruler, ' ', sizeof ruler);
    put_at(ruler, size, half - 1, STR("now"));
    for (size_t cell = 0; cell < line.cells; cell++) {
        if (!has_midnight(&line, cell, &day) || (every == 7 ? day % 7 != MONDAY : day % every != 0))
            continue;
        struct civil at = civil_from_unix(day * 86400);
        struct str month = str_from(months[at.month - 1]);
        struct str text = arena_printf(line.view->arena, "%.*s %d", STR_ARG(month), at.day);
        put_at(ruler, size, cell + (cell >= half), text);
    }
    while (size && ruler[size - 1] == ' ')
        size--;
    put_label(&line, STR(""));
    page_toned(line.page, TONE_FAINT, (struct str){ruler, size});
    buf_putc(line.page->out, '\n');
    for (size_t i = 0; i < view->source_count; i++)
        print_source(&line, &view->sources[i]);
    print_legend(&line);
    print_collisions(&line);
}

/* Backups that run right now: how far they are, how fast they go, when they may be done. */

enum {
    RUN_LABEL_WIDEST = 36,
    BAR_WIDEST = 30,
    BAR_FAIR = 12,
    BAR_NARROWEST = 6,
    LONGEST_ESTIMATE = 30 * 86400,
    TIGHTEST = 3
};

struct running {
    struct str name;
    const struct backup_status *status;
};
struct progress_bars {
    const struct status_view *view;
    const struct page *page;
    struct running *items;
    size_t len, cap;
    size_t label;
    int tight; /* 0 to TIGHTEST: how much of the words is left out */
};

/* With a completion time it is over, whatever phase is left in it. */
static bool is_running(const struct backup_status *status)
{
    return status && !status->completed && phase_is(status->phase, PHASE_RUNNING);
}

/* A ManagementBackup and its Velero Backup have the same name: the first one counts, and that is
 * Velero's own. */
static void progress_add_backup(struct progress_bars *progress, struct str ns, struct str name,
                                const struct backup_status *status)
{
    struct arena *arena = progress->view->arena;
    bool foreign = ns.len && !str_eq(ns, progress->view->settings->system_namespace);
    struct str label = shown(arena, name);
    if (foreign)
        label = arena_printf(arena, "%.*s/%.*s", STR_ARG(shown(arena, ns)), STR_ARG(label));
    label = arena_printable(arena, label, progress->page->ascii);
    for (size_t i = 0; i < progress->len; i++)
        if (str_eq(progress->items[i].name, label))
            return;
    if (progress->len == progress->cap)
        return;
    progress->items[progress->len++] = (struct running){label, status};
    size_t columns = str_columns(label);
    columns = columns < RUN_LABEL_WIDEST ? columns : RUN_LABEL_WIDEST;
    progress->label = columns > progress->label ? columns : progress->label;
}

/* What Velero itself says, then what only kcm's copy knows of. */
static bool progress_collect(struct progress_bars *progress)
{
    const struct status_view *view = progress->view;
    progress->cap = view->backup_count;
    for (size_t i = 0; i < view->source_count; i++)
        progress->cap += view->sources[i].past_count;
    progress->items = arena_array(view->arena, progress->cap + 1, sizeof *progress->items);
    for (size_t i = 0; progress->items && i < view->source_count; i++)
        for (size_t p = 0; p < view->sources[i].past_count; p++) {
            const struct backup *backup = view->sources[i].past[p].object;
            if (is_running(&backup->status))
                progress_add_backup(progress, backup->meta.ns, backup->meta.name, &backup->status);
        }
    for (size_t i = 0; progress->items && i < view->backup_count; i++)
        if (is_running(view->backups[i].last))
            progress_add_backup(progress, STR(""), view->backups[i].last_name, view->backups[i].last);
    return progress->len > 0;
}

/* "about 45m left"; nothing where nobody can tell. From the average so far. Above ten minutes
 * seconds would suggest a precision that it has not. */
static struct str progress_estimate(const struct progress_bars *progress, const struct backup_status *status)
{
    char left[TIME_TEXT_SIZE];
    int64_t elapsed = progress->view->now - status->started;
    if (!status->started || elapsed <= 0 || status->items_done >= status->items_total)
        return STR("");
    double rest = (double)(status->items_total - status->items_done) * (double)elapsed / (double)status->items_done;
    if (rest > LONGEST_ESTIMATE)
        return STR("");
    int64_t seconds = (int64_t)(rest + 0.999);
    if (seconds > 10 * 60)
        seconds = (seconds + 59) / 60 * 60;
    return arena_printf(progress->view->arena, "  about %s left", duration_format(seconds, left));
}

/* By the second, or by the minute where that is less than one; nothing below one a minute. */
static struct str progress_rate(const struct progress_bars *progress, const struct backup_status *status)
{
    int64_t elapsed = progress->view->now - status->started, done = status->items_done;
    if (!status->started || elapsed <= 0 || done > INT64_MAX / 60)
        return STR("");
    bool slow = done < elapsed;
    if (slow && done * 60 < elapsed)
        return STR("");
    return arena_printf(progress->view->arena, "  %lld/%s", (long long)(slow ? done * 60 / elapsed : done / elapsed),
                        slow ? "min" : "s");
}

/* "392/980 items  40%  12/s  about 49s left"; the tighter, the less of it. 99 % until the last
 * item is done: rounded up it would say done too early. */
static struct str progress_text(const struct progress_bars *progress, const struct backup_status *status)
{
    struct arena *arena = progress->view->arena;
    int64_t done = status->items_done, total = status->items_total;
    if (!phase_is_in_progress(status->phase))
        return arena_printf(arena, "%lld item%s, %.*s", (long long)done, plural_s((uint64_t)done),
                            STR_ARG(shown(arena, status->phase)));
    if (total <= 0 || done <= 0 || done > total)
        return arena_printf(arena, "%lld item%s, counting", (long long)(done > 0 ? done : 0),
                            plural_s((uint64_t)(done > 0 ? done : 0)));
    double percent = (double)done * 100 / (double)total;
    if (percent > 99 && done < total)
        percent = 99;
    struct str part = arena_printf(arena, "%2lld%%", (long long)percent);
    struct str counted =
        arena_printf(arena, "%lld/%lld%s", (long long)done, (long long)total, progress->tight > 0 ? "" : " items");
    struct str text =
        arena_printf(arena, "%.*s  %.*s%.*s%.*s", STR_ARG(progress->tight > 2 ? STR("") : counted), STR_ARG(part),
                     STR_ARG(progress->tight > 1 ? STR("") : progress_rate(progress, status)),
                     STR_ARG(progress_estimate(progress, status)));
    return str_trim(text);
}

/* Eighths of a column in Unicode. */
static void put_bar(const struct progress_bars *progress, const struct backup_status *status, size_t width)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const struct page *page = progress->page;
    int64_t total = status->items_total, done = status->items_done;
    bool over = !phase_is_in_progress(status->phase);
    bool counting = total <= 0 || done < 0; /* Velero counts while it backs up already */
    double part = over ? 1 : counting ? 0 : done > total ? 1 : (double)done / (double)total;
    size_t filled = (size_t)(part * (double)width * 8);
    BUF_SCOPED bar;
    buf_init(&bar, 16 * width + 16);
    for (size_t i = 0; i < filled / 8; i++)
        buf_puts(&bar, page->ascii ? "#" : "█");
    size_t used = filled / 8;
    if (!page->ascii && filled % 8) {
        buf_puts(&bar, eighths[filled % 8]);
        used++;
    }
    buf_putc(page->out, page->ascii ? '[' : ' ');
    page_mark(page, TONE_GOOD, bar.data ? bar.data : "");
    for (size_t i = used; i < width; i++)
        page_mark(page, TONE_FAINT, page->ascii ? "-" : "░");
    buf_putc(page->out, page->ascii ? ']' : ' ');
}

static void print_running(const struct progress_bars *progress, const struct running *running, size_t bar)
{
    const struct page *page = progress->page;
    page_label(page, INDENT, TONE_PLAIN, running->name, progress->label);
    buf_putc(page->out, ' ');
    put_bar(progress, running->status, bar);
    page_paragraph(page, 1, "", progress_text(progress, running->status));
}

/* All columns but the label's and the bar's. */
static size_t progress_columns_around(const struct progress_bars *progress)
{
    size_t widest = 0;
    for (size_t i = 0; i < progress->len; i++) {
        size_t columns = str_columns(progress_text(progress, progress->items[i].status));
        widest = columns > widest ? columns : widest;
    }
    return INDENT + 1 + 2 + 1 + widest;
}

/* The width of the bar: words go first, then the bar shrinks, then names stand above it. */
static size_t progress_fit(struct progress_bars *progress)
{
    size_t width = progress->page->width;
    if (!width)
        return BAR_WIDEST;
    while (progress->tight < TIGHTEST && progress_columns_around(progress) + progress->label + BAR_FAIR > width)
        progress->tight++;
    size_t taken = progress_columns_around(progress),
           room = width > taken + 2 * BAR_NARROWEST ? width - taken : 2 * BAR_NARROWEST;
    if (progress->label > room - BAR_NARROWEST)
        progress->label = room - BAR_NARROWEST;
    return room - progress->label < BAR_WIDEST ? room - progress->label : BAR_WIDEST;
}

void status_progress(const struct status_view *view, const struct page *page)
{
    struct progress_bars progress = {.view = view, .page = page};
    if (!progress_collect(&progress))
        return;
    size_t bar = progress_fit(&progress);
    page_heading(page, "Running now");
    for (size_t i = 0; i < progress.len; i++)
        print_running(&progress, &progress.items[i], bar);
}
