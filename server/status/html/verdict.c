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

static void say_blocker(const struct page *page, const struct status_finding *finding)
{
    MARKUP(page->out, "@: @", finding->object, finding->says);
}

/* ---- restore ------------------------------------------------------------------------ */

static void verdict_restore(const struct page *page)
{
    static const struct answer answers[] = {[STATUS_READY] = {TONE_GOOD, "Yes"},
                                            [STATUS_AT_RISK] = {TONE_WARN, "At risk"},
                                            [STATUS_UNKNOWN] = {TONE_WARN, "Unknown"},
                                            [STATUS_NOT_READY] = {TONE_BAD, "No"}};
    const struct status_view *view = page->view;
    const struct status_recovery *recovery = &view->recovery;
    const struct status_candidate *best = recovery->point ? recovery->point : recovery->fragile;
    const struct status_finding *against = view->restore.finding;
    struct answer verdict = answers[view->restore.grade];
    if (best && view->restore.grade == STATUS_NOT_READY)
        verdict.answer = "Not now";
    verdict_begin(page, "restore", "Could it be restored tonight?", verdict);
    if (against)
        say_blocker(page, against);
    if (best)
        MARKUP(page->out, "$ @, $", against ? STR(". The newest backup that could be: ") : STR("From"),
               best->object->meta.name, html_distance(page, best->object->status.completed));
    if (best && best->location)
        MARKUP(page->out, ", in storage location @", best->location->meta.name);
    if (best && best->object->status.expires)
        MARKUP(page->out, ", expires $", html_distance(page, best->object->status.expires));
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
    bool waits = view->upgrade.outcome == UPGRADE_WAITS || view->upgrade.outcome == UPGRADE_ADMITTED;
    if (view->upgrades.grade == STATUS_UNKNOWN)
        return (struct answer){TONE_WARN, "Unknown"};
    if (view->upgrades.grade == STATUS_NOT_READY)
        return waits ? (struct answer){TONE_BAD, "Not now"} : verdicts[UPGRADE_REFUSED];
    if (view->upgrade.management && view->upgrade.under_way && view->upgrade.running.len)
        return (struct answer){TONE_INFO, "Under way"};
    if (view->upgrades.grade == STATUS_AT_RISK && waits)
        return (struct answer){TONE_WARN, "Not as things are"};
    return verdicts[view->upgrade.outcome];
}

static void verdict_upgrade(const struct page *page)
{
    const struct upgrade_view *view = &page->view->upgrade;
    const struct status_finding *against = page->view->upgrades.finding;
    verdict_begin(page, "upgrade", "Could it be upgraded tomorrow?", upgrade_verdict(page->view));
    if (view->running.len)
        MARKUP(page->out, view->not_ready ? "@ is applied, and not ready. " : "@ runs. ", view->running);
    if (against)
        say_blocker(page, against);
    else
        MARKUP(page->out, view->under_way ? "$" : "An upgrade would be: $", page->view->upgrades.says);
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
    const struct status_finding *against = view->runs.finding;
    const struct status_source *next = next_source(view);
    size_t good = count_results(view, STATUS_GOOD, STATUS_GOOD);
    size_t bad = count_results(view, STATUS_PARTIAL, STATUS_FAILED);
    struct answer verdict = {TONE_GOOD, "Yes"};
    if (view->runs.grade == STATUS_NOT_READY)
        verdict = (struct answer){TONE_BAD, "Not all"};
    else if (view->runs.grade == STATUS_UNKNOWN)
        verdict = (struct answer){TONE_WARN, "Unknown"};
    else if (view->runs.grade == STATUS_AT_RISK)
        verdict = (struct answer){TONE_WARN, "Not as planned"};
    else if (!next)
        verdict = (struct answer){TONE_WARN, "None planned"};
    else if (bad)
        verdict = (struct answer){TONE_WARN, "Some failed"};
    verdict_begin(page, "runs", "Do backups run?", verdict);
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
        else if (finding->risks)
            MARKUP(page->out, " <span class=\"muted\">(risk for $)</span>", status_blocked(view, finding->risks));
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
