#include "commands/status/text.h"

#include <stdio.h>

/* The verdicts, and what they rest on, at the top of the text. */

static enum tone grade_tone(enum status_grade grade)
{
    static const enum tone tones[] = {[STATUS_READY] = TONE_GOOD,
                                      [STATUS_AT_RISK] = TONE_DOUBTFUL,
                                      [STATUS_UNKNOWN] = TONE_DOUBTFUL,
                                      [STATUS_NOT_READY] = TONE_BAD};
    return tones[grade];
}

enum { WIDE = 80 }; /* columns: from here on verdicts are a table */

static void print_verdict(const struct status_view *view, const struct page *page)
{
    char now[TIME_TEXT_SIZE];
    struct arena *arena = view->arena;
    const struct {
        const char *name;
        const struct status_verdict *verdict;
    } rows[] = {{"restore", &view->restore}, {"backups", &view->runs}, {"upgrade", &view->upgrades}};
    page_sentence(page, grade_tone(view->verdict.grade), str_from(status_grade_text(view->verdict.grade)),
                  arena_printf(arena, ": %.*s", STR_ARG(view->verdict.says)));
    page_sentence(page, TONE_PLAIN, str_from(time_format(view->now, 0, now)),
                  arena_printf(arena, ", from %.*s", STR_ARG(shown(arena, view->from))));
    buf_putc(page->out, '\n');
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        const struct status_verdict *verdict = rows[i].verdict;
        bool same = verdict->finding && verdict->finding == view->verdict.finding;
        struct str says = same ? STR("for this reason") : verdict->says;
        const char *grade = status_grade_text(verdict->grade);
        char head[32] = "- ";
        if (page->width && page->width < WIDE)
            says = arena_printf(arena, "%s %s: %.*s", rows[i].name, grade, STR_ARG(says));
        else
            snprintf(head, sizeof head, "%s  %-9s  ", rows[i].name, grade);
        page_paragraph(page, 2, head, says);
    }
}

enum severity { SEVERITY_BLOCKER, SEVERITY_RISK, SEVERITY_WARNING };

static enum severity finding_severity(const struct status_finding *finding)
{
    return finding->blocks ? SEVERITY_BLOCKER : finding->risks ? SEVERITY_RISK : SEVERITY_WARNING;
}

static void print_findings(const struct status_view *view, const struct page *page, enum severity severity)
{
    static const char *const headings[] = {"Blockers", "At risk", "Warnings"};
    bool first = true;
    for (size_t i = 0; i < view->finding_count; i++) {
        const struct status_finding *finding = &view->findings[i];
        if (finding_severity(finding) != severity)
            continue;
        if (first)
            page_heading(page, headings[severity]);
        first = false;
        struct str text = arena_printf(view->arena, "%.*s: %.*s", STR_ARG(finding->object), STR_ARG(finding->says));
        if (severity != SEVERITY_WARNING)
            text = arena_printf(view->arena, "%.*s (%s %.*s)", STR_ARG(text), finding->blocks ? "blocks" : "risk for",
                                STR_ARG(status_blocked(view, finding->blocks | finding->risks)));
        page_paragraph(page, 2, "- ", text);
        if (finding->fix.len)
            page_paragraph(page, 4, "fix: ", finding->fix);
    }
}

static void print_unjudged(const struct status_view *view, const struct page *page)
{
    if (view->unjudged_count)
        page_heading(page, "Not judged");
    for (size_t i = 0; i < view->unjudged_count; i++) {
        const struct status_finding *finding = &view->unjudged[i];
        page_paragraph(page, 2, "- ",
                       arena_printf(view->arena, "%.*s: %.*s (not judged: %.*s)", STR_ARG(finding->object),
                                    STR_ARG(finding->says), STR_ARG(status_blocked(view, finding->blocks))));
        page_paragraph(page, 4, "fix: ", finding->fix);
    }
}

void status_print_verdicts(const struct status_view *view, const struct page *page)
{
    print_verdict(view, page);
    print_findings(view, page, SEVERITY_BLOCKER);
    print_unjudged(view, page);
    print_findings(view, page, SEVERITY_RISK);
    print_findings(view, page, SEVERITY_WARNING);
    if (status_unchecked_text(view).len) {
        page_heading(page, "As far as known");
        page_paragraph(page, 2, "", status_unchecked_text(view));
    }
}
