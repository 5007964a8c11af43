#include "commands/status/text.h"

/* Backups that run right now: how far they are, how fast they go, when they may be done. */

enum {
    INDENT = 2,
    GAP = 2,
    LABEL_WIDEST = 36,
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
struct progress {
    const struct status_view *view;
    const struct page *page;
    struct running *items;
    size_t len, cap;
    size_t label;
    int tight; /* 0 to TIGHTEST: how much of the words is left out */
};

static bool is_running(const struct backup_status *status)
{
    return status && !status->completed && phase_is(status->phase, PHASE_RUNNING);
}

static void progress_add_backup(struct progress *progress, struct str ns, struct str name,
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
    columns = columns < LABEL_WIDEST ? columns : LABEL_WIDEST;
    progress->label = columns > progress->label ? columns : progress->label;
}

/* What Velero itself says, then what only kcm's copy knows of. */
static bool progress_collect(struct progress *progress)
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

/* "about 45m left"; nothing where nobody can tell. */
static struct str progress_estimate(const struct progress *progress, const struct backup_status *status)
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

static struct str progress_rate(const struct progress *progress, const struct backup_status *status)
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

/* "392/980 items  40%  12/s  about 49s left"; the tighter, the less of it. */
static struct str progress_text(const struct progress *progress, const struct backup_status *status)
{
    struct arena *arena = progress->view->arena;
    int64_t done = status->items_done, total = status->items_total;
    if (!str_is(status->phase, "InProgress"))
        return arena_printf(arena, "%lld items, %.*s", (long long)done, STR_ARG(shown(arena, status->phase)));
    if (total <= 0 || done <= 0 || done > total)
        return arena_printf(arena, "%lld items, counting", (long long)(done > 0 ? done : 0));
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
static void put_bar(const struct progress *progress, const struct backup_status *status, size_t width)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const struct page *page = progress->page;
    int64_t total = status->items_total, done = status->items_done;
    bool over = !str_is(status->phase, "InProgress");
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

static void print_running(const struct progress *progress, const struct running *running, size_t bar)
{
    const struct page *page = progress->page;
    page_label(page, INDENT, TONE_PLAIN, running->name, progress->label);
    buf_putc(page->out, ' ');
    put_bar(progress, running->status, bar);
    page_paragraph(page, 1, "", progress_text(progress, running->status));
}

/* All columns but the label's and the bar's. */
static size_t progress_columns_around(const struct progress *progress)
{
    size_t widest = 0;
    for (size_t i = 0; i < progress->len; i++) {
        size_t columns = str_columns(progress_text(progress, progress->items[i].status));
        widest = columns > widest ? columns : widest;
    }
    return INDENT + 1 + 2 + 1 + widest;
}

/* The width of the bar: words go first, then the bar shrinks, then names stand above it. */
static size_t progress_fit(struct progress *progress)
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
    struct progress progress = {.view = view, .page = page};
    if (!progress_collect(&progress))
        return;
    size_t bar = progress_fit(&progress);
    page_heading(page, "Running now");
    for (size_t i = 0; i < progress.len; i++)
        print_running(&progress, &progress.items[i], bar);
}
