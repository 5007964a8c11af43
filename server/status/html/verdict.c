#include "status/html/html.h"

/* The answers that people come for, and what stands against them. */

struct answer {
    enum tone tone;
    const char *answer;
};

static const char *verdict_class(enum tone tone)
{
    static const char *const classes[] = {"none", "good", "warn", "bad", "info"};
    return classes[tone];
}

static void verdict_begin(const struct page *page, const char *id, const char *question, struct answer verdict)
{
    buf_printf(
        page->out,
        "<section class=\"verdict %s\" aria-labelledby=\"%s\"><h2 id=\"%s\">%s</h2><p class=\"answer\">%s</p><p>",
        verdict_class(verdict.tone), id, id, question, verdict.answer);
}

static void verdict_end(const struct page *page)
{
    buf_puts(page->out, "</p></section>\n");
}

/* The first blocker of this. */
static const struct status_finding *verdict_blocker(const struct status_view *view, unsigned blocks)
{
    for (size_t i = 0; i < view->finding_count; i++)
        if (view->findings[i].blocks & blocks)
            return &view->findings[i];
    return NULL;
}

static void say_blocker(const struct page *page, const struct status_finding *finding)
{
    MARKUP(page->out, "@: @", finding->object, finding->says);
}

/* ---- restore ------------------------------------------------------------------------ */

static void verdict_restore(const struct page *page)
{
    const struct status_view *view = page->view;
    const struct status_finding *against = verdict_blocker(view, STATUS_BLOCKS_RESTORE);
    const struct status_finding *unknown = status_unjudged(view, STATUS_BLOCKS_RESTORE);
    const struct backup *good = view->good;
    const struct status_location *location = good ? status_location(view, good->storage_location) : NULL;
    bool survives = !location || location->survives;
    struct answer verdict = {TONE_GOOD, "Yes"};
    if (against)
        verdict = (struct answer){TONE_BAD, good ? "Not now" : "No"};
    else if (unknown || !good)
        verdict = (struct answer){TONE_WARN, "Unknown"};
    else if (!survives)
        verdict = (struct answer){TONE_WARN, "Only while its storage survives"};
    verdict_begin(page, "restore", "Could it be restored tonight?", verdict);
    if (against || unknown)
        say_blocker(page, against ? against : unknown);
    if (good)
        MARKUP(page->out, "$from @, $",
               against   ? STR(" Otherwise ")
               : unknown ? STR(". From ")
                         : STR(""),
               good->meta.name, html_distance(page, good->status.completed));
    if (good && location)
        MARKUP(page->out, ", in storage location @ ($)", location->object->meta.name,
               survives ? STR("survives the cluster") : STR("lost with the cluster"));
    verdict_end(page);
}

/* ---- upgrade ------------------------------------------------------------------------- */

static struct answer upgrade_verdict(const struct status_view *view)
{
    static const struct answer verdicts[] = {
        [UPGRADE_ADMITTED] = {TONE_GOOD, "Yes, now"},
        [UPGRADE_WAITS] = {TONE_INFO, "Yes, after a fresh backup"},
        [UPGRADE_REFUSED] = {TONE_BAD, "No"},
        [UPGRADE_UNKNOWN] = {TONE_BAD, "Unknown"},
        [UPGRADE_UNPROTECTED] = {TONE_WARN, "Yes, but without a backup"},
        [UPGRADE_LET_THROUGH] = {TONE_WARN, "Yes, unchecked"},
        [UPGRADE_NONE] = {TONE_NONE, "Nothing to upgrade"},
    };
    if (!verdict_blocker(view, STATUS_BLOCKS_UPGRADE) && status_unjudged(view, STATUS_BLOCKS_UPGRADE))
        return (struct answer){TONE_WARN, "Unknown"};
    if (view->upgrade.outcome == UPGRADE_UNPROTECTED && view->upgrade.decision.denied)
        return verdicts[UPGRADE_REFUSED];
    if (view->upgrade.outcome == UPGRADE_WAITS && verdict_blocker(view, STATUS_BLOCKS_UPGRADE))
        return (struct answer){TONE_BAD, "Not now"};
    return verdicts[view->upgrade.outcome];
}

static void verdict_upgrade(const struct page *page)
{
    const struct upgrade_view *view = &page->view->upgrade;
    const struct status_finding *against = verdict_blocker(page->view, STATUS_BLOCKS_UPGRADE);
    if (!against)
        against = status_unjudged(page->view, STATUS_BLOCKS_UPGRADE);
    verdict_begin(page, "upgrade", "Could it be upgraded tomorrow?", upgrade_verdict(page->view));
    if (view->running.len)
        MARKUP(page->out, "@ runs. ", view->running);
    if (against)
        say_blocker(page, against);
    else
        MARKUP(page->out, "An upgrade would be: $", str_from(status_outcome(view)));
    verdict_end(page);
}

/* ---- backups -------------------------------------------------------------------------- */

static const struct status_source *next_source(const struct status_view *view)
{
    const struct status_source *next = NULL;
    for (size_t i = 0; i < view->source_count; i++)
        if (view->sources[i].first && (!next || view->sources[i].first < next->first))
            next = &view->sources[i];
    return next;
}

static size_t count_results(const struct status_view *view, enum status_result one, enum status_result other)
{
    size_t count = 0;
    for (size_t i = 0; i < view->source_count; i++)
        for (size_t p = 0; p < view->sources[i].past_count; p++)
            count += view->sources[i].past[p].result == one || view->sources[i].past[p].result == other;
    return count;
}

static void verdict_backups(const struct page *page)
{
    const struct status_view *view = page->view;
    const struct status_finding *against = verdict_blocker(view, STATUS_BLOCKS_BACKUP);
    const struct status_source *next = next_source(view);
    size_t good = count_results(view, STATUS_GOOD, STATUS_GOOD);
    size_t bad = count_results(view, STATUS_PARTIAL, STATUS_FAILED);
    const struct status_finding *unknown = status_unjudged(view, STATUS_BLOCKS_BACKUP);
    struct answer verdict = {TONE_GOOD, "Yes"};
    if (against)
        verdict = (struct answer){TONE_BAD, "Not all"};
    else if (unknown)
        verdict = (struct answer){TONE_WARN, "Unknown"};
    else if (!next)
        verdict = (struct answer){TONE_WARN, "None planned"};
    else if (bad)
        verdict = (struct answer){TONE_WARN, "Some failed"};
    verdict_begin(page, "runs", "Do backups run?", verdict);
    if (!against)
        against = unknown;
    if (against)
        say_blocker(page, against);
    if (next) {
        MARKUP(page->out, "$next: @, $, ", against ? STR(". The ") : STR("The "), next->name,
               html_distance(page, next->first));
        markup_time(page->out, next->first, 0);
        buf_puts(page->out, " UTC");
    }
    if (good || bad)
        buf_printf(page->out, "%s%d days: %zu good, %zu failed or in part",
                   next || against ? ". The last " : "The last ", STATUS_DAYS, good, bad);
    verdict_end(page);
}

void html_verdict(const struct page *page)
{
    buf_puts(page->out, "<div class=\"verdicts\">\n");
    verdict_restore(page);
    verdict_upgrade(page);
    verdict_backups(page);
    buf_puts(page->out, "</div>\n");
}

/* ---- findings --------------------------------------------------------------------------- */

static bool html_is_command(struct str text)
{
    return str_starts(text, STR("kubectl "));
}

void html_unjudged(const struct page *page)
{
    const struct status_view *view = page->view;
    if (view->unjudged_count == 0)
        return;
    html_section(page, "unjudged", "What could not be judged");
    buf_puts(page->out, "<ul class=\"findings\">\n");
    for (size_t i = 0; i < view->unjudged_count; i++) {
        const struct status_finding *finding = &view->unjudged[i];
        MARKUP(page->out, "<li><p><span class=\"badge $\">@</span>: @ <span class=\"muted\">(not judged: $)</span></p>",
               str_from(html_tone(TONE_WARN)), finding->object, finding->says, status_blocked(view, finding->blocks));
        MARKUP(page->out, "<code class=\"run\">$</code></li>\n", finding->fix);
    }
    buf_puts(page->out, "</ul>\n");
    html_section_end(page);
}

void html_findings(const struct page *page, bool blockers)
{
    const struct status_view *view = page->view;
    size_t shown_rows = 0, total = blockers ? view->blocker_count : view->finding_count - view->blocker_count;
    if (total == 0)
        return;
    html_section(page, blockers ? "blockers" : "warnings", blockers ? "Problems" : "Notes");
    buf_puts(page->out, "<ul class=\"findings\">\n");
    for (size_t i = 0; i < view->finding_count && shown_rows < ROWS; i++) {
        const struct status_finding *finding = &view->findings[i];
        if ((finding->blocks != 0) != blockers)
            continue;
        shown_rows++;
        MARKUP(page->out, "<li><p><span class=\"badge $\">@</span>: @",
               str_from(html_tone(blockers ? TONE_BAD : TONE_WARN)), finding->object, finding->says);
        if (blockers)
            MARKUP(page->out, " <span class=\"muted\">(blocks $)</span>", status_blocked(view, finding->blocks));
        buf_puts(page->out, "</p>");
        if (html_is_command(finding->fix))
            MARKUP(page->out, "<code class=\"run\">$</code>", finding->fix);
        else if (finding->fix.len)
            MARKUP(page->out, "<p>Fix: @</p>", finding->fix);
        buf_puts(page->out, "</li>\n");
    }
    buf_puts(page->out, "</ul>\n");
    if (total > shown_rows)
        buf_printf(page->out, "<p class=\"muted\">and %zu more</p>", total - shown_rows);
    html_section_end(page);
}
