#include "status/html/html.h"

/* The answers that people come for, and what stands against them. */

/* Its sign and colour. */
static enum html_sign grade_sign(enum status_grade grade)
{
    static const enum html_sign signs[] = {[STATUS_READY] = SIGN_GOOD,
                                           [STATUS_AT_RISK] = SIGN_WARN,
                                           [STATUS_UNKNOWN] = SIGN_UNKNOWN,
                                           [STATUS_NOT_READY] = SIGN_BAD};
    return signs[grade];
}

static const char *grade_words(enum status_grade grade)
{
    static const char *const words[] = {[STATUS_READY] = "Ready",
                                        [STATUS_AT_RISK] = "At risk",
                                        [STATUS_UNKNOWN] = "Unknown",
                                        [STATUS_NOT_READY] = "Not ready"};
    return words[grade];
}

struct str html_title(const struct html_page *page)
{
    enum { TITLE = 120 };
    const struct status_verdict *verdict = &page->view->verdict;
    return html_cut(
        page, arena_printf(page->view->arena, "%s: %.*s", grade_words(verdict->grade), STR_ARG(verdict->says)), TITLE);
}

void html_headline(const struct html_page *page)
{
    const struct status_verdict *verdict = &page->view->verdict;
    buf_printf(page->out, "<div class=\"headline %s\"><h1 class=\"answer\">%s</h1><p>",
               html_card_class(grade_sign(verdict->grade)), grade_words(verdict->grade));
    MARKUP(page->out, "@</p></div>", verdict->says);
}

/* A card: the question, its answer in a word or two, and the sentence that decided it. The
 * caller closes the section. */
static void verdict_begin(const struct html_page *page, const char *id, const char *question,
                          const struct status_verdict *verdict, enum html_sign sign, const char *answer)
{
    buf_printf(page->out,
               "<section class=\"verdict %s\" aria-labelledby=\"%s\"><h2 id=\"%s\">%s</h2>"
               "<p class=\"answer\">%s</p>",
               html_card_class(sign), id, id, question, answer);
    MARKUP(page->out, "<p>@</p>", verdict->says);
}

/* ---- restore ------------------------------------------------------------------------ */

/* "Not now" where a backup is there and something stands in the way; "No" where there is none. */
static void verdict_restore(const struct html_page *page)
{
    const struct status_view *view = page->view;
    const struct status_recovery *recovery = &view->recovery;
    const struct recovery_candidate *best = recovery->point ? recovery->point : recovery->fragile;
    enum status_grade grade = view->restore.grade;
    verdict_begin(page, "restore", "Could it be restored tonight?", &view->restore, grade_sign(grade),
                  grade == STATUS_READY                ? "Yes"
                  : grade == STATUS_NOT_READY && !best ? "No"
                  : grade == STATUS_NOT_READY          ? "Not now"
                                                       : grade_words(grade));
    if (best && grade != STATUS_READY) {
        MARKUP(page->out, "<p class=\"muted\">The newest backup that could be: @, $", best->object->meta.name,
               html_distance(page, best->object->status.completed));
        if (best->location)
            MARKUP(page->out, ", in storage location @", best->location->meta.name);
        if (best->object->status.expires)
            MARKUP(page->out, ", expires $", html_distance(page, best->object->status.expires));
        buf_puts(page->out, "</p>");
    }
    if (status_rehearsal_text(view).len)
        MARKUP(page->out, "<p class=\"muted\">@</p>", status_rehearsal_text(view));
    buf_puts(page->out, "</section>\n");
}

/* ---- upgrade ------------------------------------------------------------------------- */

/* The answer follows the gate's own outcome, unless the verdict is graver: something else may
 * block an upgrade that the gate would admit. */
static void verdict_upgrade(const struct html_page *page)
{
    static const struct {
        enum html_sign sign;
        const char *words;
    } answers[] = {
        [UPGRADE_ADMITTED] = {SIGN_GOOD, "Yes, now"},
        [UPGRADE_WAITS] = {SIGN_GOOD, "Yes, after a fresh backup"},
        [UPGRADE_REFUSED] = {SIGN_BAD, "No"},
        [UPGRADE_UNKNOWN] = {SIGN_UNKNOWN, "Unknown"},
        [UPGRADE_UNPROTECTED] = {SIGN_WARN, "Yes, but without a backup"},
        [UPGRADE_LET_THROUGH] = {SIGN_WARN, "Yes, unchecked"},
        [UPGRADE_NONE] = {SIGN_NONE, "Nothing to upgrade"},
    };
    const struct upgrade_view *upgrade = &page->view->upgrade;
    const struct status_verdict *verdict = &page->view->upgrades;
    enum html_sign sign = answers[upgrade->outcome].sign;
    const char *words = answers[upgrade->outcome].words;
    if (verdict->grade == STATUS_READY && upgrade->under_way && upgrade->running.len) {
        sign = SIGN_INFO;
        words = "In progress";
    } else if (verdict->grade == STATUS_NOT_READY) {
        sign = SIGN_BAD;
        words = "Not now";
    } else if (verdict->grade != STATUS_READY && sign != SIGN_WARN) {
        sign = grade_sign(verdict->grade);
        words = grade_words(verdict->grade);
    }
    verdict_begin(page, "upgrade", "Could it be upgraded tomorrow?", verdict, sign, words);
    if (upgrade->running.len && !(verdict->grade == STATUS_READY && upgrade->under_way))
        MARKUP(page->out,
               upgrade->not_ready ? "<p class=\"muted\">@ is applied, and not ready</p>"
                                  : "<p class=\"muted\">@ runs</p>",
               upgrade->running);
    buf_puts(page->out, "</section>\n");
}

/* ---- backups -------------------------------------------------------------------------- */

/* Of those that are listed. */
static size_t count_results(const struct status_view *view, enum status_result one, enum status_result other)
{
    size_t count = 0;
    for (size_t i = 0; i < view->source_count; i++)
        for (size_t p = 0; p < view->sources[i].past_count; p++)
            count += view->sources[i].past[p].result == one || view->sources[i].past[p].result == other;
    return count;
}

/* What became of the last backup of each region, as kcm reports it: its Backups are in that cluster. */
static void put_regions(const struct html_page *page)
{
    enum { REGIONS_SHOWN = 6 };
    const struct status_view *view = page->view;
    size_t shown_regions = 0, total = 0;
    for (size_t i = 0; i < view->backup_count; i++) {
        const struct management_backup *object = view->backups[i].object;
        if (view->backups[i].kind != STATUS_SCHEDULED)
            continue;
        for (size_t r = 0; r < object->region_count; r++) {
            const struct region_status *region = &object->regions[r];
            struct str phase = region->error.len          ? STR("error")
                               : region->backup.phase.len ? region->backup.phase
                                                          : STR("none yet");
            if (total++ >= REGIONS_SHOWN)
                continue;
            MARKUP(page->out, shown_regions++ ? ", @ " : "<p class=\"muted\">Regions: @ ", region->region);
            html_badge(page, region->error.len ? SIGN_BAD : html_phase_sign(phase), phase);
        }
    }
    if (total > shown_regions)
        buf_printf(page->out, " and %zu more", total - shown_regions);
    buf_puts(page->out, total ? "</p>" : "");
}

static void verdict_backups(const struct html_page *page)
{
    const struct status_view *view = page->view;
    const struct status_source *next = NULL;
    for (size_t i = 0; i < view->source_count; i++)
        if (view->sources[i].first && (!next || view->sources[i].first < next->first))
            next = &view->sources[i];
    size_t good = count_results(view, STATUS_GOOD, STATUS_GOOD);
    size_t bad = count_results(view, STATUS_PARTIAL, STATUS_FAILED);
    static const char *const answers[] = {[STATUS_READY] = "Yes",
                                          [STATUS_AT_RISK] = "Not as planned",
                                          [STATUS_UNKNOWN] = "Unknown",
                                          [STATUS_NOT_READY] = "Not all"};
    enum html_sign sign = grade_sign(view->runs.grade);
    const char *answer = answers[view->runs.grade];
    if (view->runs.grade == STATUS_READY && !next) {
        sign = SIGN_NONE;
        answer = "None planned";
    }
    verdict_begin(page, "runs", "Do backups run?", &view->runs, sign, answer);
    if (next) {
        MARKUP(page->out, "<p class=\"muted\">Next: @, $, ", next->name, html_distance(page, next->first));
        markup_time(page->out, next->first, 0);
        buf_puts(page->out, " UTC</p>");
    }
    if (good || bad)
        buf_printf(page->out, "<p class=\"muted\">The last %d days: %zu good, %zu failed or in part</p>", STATUS_DAYS,
                   good, bad);
    put_regions(page);
    buf_puts(page->out, "</section>\n");
}

/* The worst first. */
void html_verdict(const struct html_page *page)
{
    const struct status_view *view = page->view;
    const struct {
        enum status_grade grade;
        void (*put)(const struct html_page *page);
    } cards[] = {{view->restore.grade, verdict_restore},
                 {view->runs.grade, verdict_backups},
                 {view->upgrades.grade, verdict_upgrade}};
    buf_puts(page->out, "<div class=\"verdicts\">\n");
    for (int grade = STATUS_NOT_READY; grade >= STATUS_READY; grade--)
        for (size_t i = 0; i < LENGTH_OF(cards); i++)
            if ((int)cards[i].grade == grade)
                cards[i].put(page);
    buf_puts(page->out, "</div>\n");
}

/* ---- findings --------------------------------------------------------------------------- */

void html_unjudged(const struct html_page *page)
{
    const struct status_view *view = page->view;
    if (view->unjudged_count == 0)
        return;
    html_section(page, "unjudged", "What could not be judged");
    buf_puts(page->out, "<ul class=\"findings\">\n");
    for (size_t i = 0; i < view->unjudged_count; i++) {
        const struct status_finding *finding = &view->unjudged[i];
        MARKUP(page->out, "<li><p><span class=\"badge $\">@</span>: @ <span class=\"muted\">(not judged: $)</span></p>",
               str_from(html_sign_class(SIGN_UNKNOWN)), finding->object, finding->says,
               status_blocked(view, finding->blocks));
        MARKUP(page->out, "<code class=\"run\">$</code></li>\n", finding->fix);
    }
    buf_puts(page->out, "</ul>\n");
    html_section_end(page);
}

static enum html_findings finding_sort(const struct status_finding *finding)
{
    return finding->blocks ? HTML_PROBLEMS : finding->risks ? HTML_RISKS : HTML_NOTES;
}

/* A sentence, and the command to copy that ends it: either may be all there is. */
static void put_fix(const struct html_page *page, struct str fix)
{
    size_t command = str_command_at(fix);
    if (command > 0)
        MARKUP(page->out, "<p>Fix: @</p>", str_trim(str_slice(fix, 0, command)));
    if (command < fix.len)
        MARKUP(page->out, "<code class=\"run\">$</code>", str_slice(fix, command, fix.len));
}

static void put_finding(const struct html_page *page, const struct status_finding *finding, enum html_sign sign)
{
    const struct status_view *view = page->view;
    MARKUP(page->out, "<li><p><span class=\"badge $\">@</span>: @", str_from(html_sign_class(sign)), finding->object,
           finding->says);
    if (finding->blocks)
        MARKUP(page->out, " <span class=\"muted\">(blocks $)</span>", status_blocked(view, finding->blocks));
    else if (finding->risks)
        MARKUP(page->out, " <span class=\"muted\">(risk for $)</span>", status_blocked(view, finding->risks));
    buf_puts(page->out, "</p>");
    put_fix(page, finding->fix);
    buf_puts(page->out, "</li>\n");
}

/* What could not be checked is said once, below the gravest findings that there are. */
void html_findings(const struct html_page *page, enum html_findings sort)
{
    static const struct {
        const char *id, *heading;
        enum html_sign sign;
    } sorts[] = {[HTML_PROBLEMS] = {"blockers", "Problems", SIGN_BAD},
                 [HTML_RISKS] = {"risks", "At risk", SIGN_WARN},
                 [HTML_NOTES] = {"warnings", "Notes", SIGN_INFO}};
    const struct status_view *view = page->view;
    size_t total = 0;
    for (size_t i = 0; i < view->finding_count; i++)
        total += finding_sort(&view->findings[i]) == sort;
    if (total == 0)
        return;
    html_section(page, sorts[sort].id, sorts[sort].heading);
    buf_puts(page->out, "<ul class=\"findings\">\n");
    for (size_t i = 0, put = 0; i < view->finding_count && put < ROWS; i++)
        if (finding_sort(&view->findings[i]) == sort) {
            put_finding(page, &view->findings[i], sorts[sort].sign);
            put++;
        }
    buf_puts(page->out, "</ul>\n");
    if (total > ROWS)
        buf_printf(page->out, "<p class=\"muted\">and %zu more</p>", total - ROWS);
    struct str unchecked = status_unchecked_text(view);
    if (unchecked.len && sort == (view->blocker_count ? HTML_PROBLEMS : view->risk_count ? HTML_RISKS : HTML_NOTES))
        MARKUP(page->out, "<p class=\"muted\">As far as known: @.</p>", unchecked);
    html_section_end(page);
}
