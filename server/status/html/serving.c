#include "status/html/html.h"

/* What is asked for besides: completeness, the audit, and what only a server knows. */

/* A page that is served says how to ask, for the webhook's own account may not list all that is
 * needed. */
void html_completeness(const struct html_page *page)
{
    const struct status_completeness *found = page->view->completeness;
    if (!found && !page->served)
        return;
    html_section(page, "completeness", "Completeness");
    if (!found) {
        buf_puts(page->out, "<p>Would a restore miss objects that no backup selects? The webhook may not read all that "
                            "this takes, so run:</p><code class=\"run\">kubectl backstop status</code>\n");
        html_section_end(page);
        return;
    }
    buf_puts(page->out, "<p>");
    html_badge(page, found->total || found->unknown.len ? SIGN_WARN : SIGN_GOOD,
               status_completeness_words(page->view->arena, found, page->view->files));
    buf_puts(page->out, "</p>\n");
    if (found->len)
        buf_puts(page->out, "<ul class=\"findings\">\n");
    for (size_t i = 0; i < found->len && i < ROWS; i++)
        MARKUP(page->out, "<li><p><span class=\"badge tone-warn\">@</span>: @</p><code class=\"run\">$</code></li>\n",
               found->items[i].object, found->items[i].reason, found->items[i].fix);
    if (found->len)
        buf_puts(page->out, "</ul>\n");
    if (found->total > ROWS)
        buf_printf(page->out, "<p class=\"muted\">and %zu more</p>\n", found->total - ROWS);
    html_section_end(page);
}

void html_audit(const struct html_page *page)
{
    const struct status_audit *audit = page->view->audit;
    if (!audit && !page->served)
        return;
    html_section(page, "audit", "Audit");
    if (!audit) {
        buf_puts(page->out, "<p>Would the existing objects be admitted today? Reviewing all of them takes more memory "
                            "than the webhook has, so run:</p><code class=\"run\">kubectl backstop audit</code>\n");
        html_section_end(page);
        return;
    }
    buf_puts(page->out, "<p>");
    html_badge(page, audit->denied ? SIGN_BAD : SIGN_GOOD,
               audit->denied ? html_count(page, audit->denied, "existing object would be denied",
                                          "existing objects would be denied")
                             : STR("No existing object would be denied"));
    MARKUP(page->out, " <span class=\"muted\">($ reviewed, $ with warnings, ",
           html_count(page, audit->reviewed, "object", "objects"),
           arena_printf(page->view->arena, "%zu", audit->warned));
    html_when(page, audit->at);
    buf_puts(page->out, ")</span></p>\n");
    if (audit->problem.len)
        MARKUP(page->out, "<p class=\"tone-warn\">Some objects could not be read: @</p>\n", audit->problem);
    if (audit->row_count) {
        buf_puts(page->out, "<ul class=\"findings\">\n");
        for (size_t i = 0; i < audit->row_count; i++) {
            const struct status_audited *row = &audit->rows[i];
            enum html_sign sign = row->denied ? SIGN_BAD : SIGN_WARN;
            MARKUP(page->out, "<li><p><span class=\"badge $\">@</span> $</p>", str_from(html_sign_class(sign)),
                   row->object, row->denied ? STR("would be denied") : STR("would get a warning"));
            for (size_t s = 0; s < row->says.len; s++)
                MARKUP(page->out, "<p>@</p>", row->says.items[s]);
            buf_puts(page->out, "</li>\n");
        }
        buf_puts(page->out, "</ul>\n");
    }
    if (audit->row_total > audit->row_count)
        MARKUP(page->out, "<p class=\"muted\">and $: <code>backstop audit</code> lists them</p>\n",
               arena_printf(page->view->arena, "%zu more", audit->row_total - audit->row_count));
    html_section_end(page);
}

/* ---- decisions ------------------------------------------------------------------------------ */

static enum html_sign outcome_sign(struct str outcome)
{
    if (str_is(outcome, "denied") || str_is(outcome, "error"))
        return SIGN_BAD;
    if (str_is(outcome, "warned"))
        return SIGN_WARN;
    return str_is(outcome, "mutated") ? SIGN_INFO : SIGN_GOOD;
}

static void put_decision(struct html_table *table, const struct status_decision *decision)
{
    const struct html_page *page = table->page;
    html_row(table);
    html_when(page, decision->at);
    html_cell_text(table, decision->user);
    html_cell(table, "full");
    MARKUP(page->out, "$ $$ @", decision->operation, decision->kind, decision->dry_run ? STR(" (dry run)") : STR(""),
           decision->name.len ? decision->name : STR("without a name"));
    if (decision->ns.len)
        MARKUP(page->out, " in @", decision->ns);
    html_cell(table, "");
    html_badge(page, outcome_sign(decision->outcome), decision->outcome);
    html_cell(table, "full");
    MARKUP(page->out, "@", decision->why);
}

/* Rows of the list from `from` up to `to`. */
static void put_decisions(const struct html_page *page, const char *name, size_t from, size_t to)
{
    static const char *const headings[] = {"When", "Who", "What", "Decision", "Why", NULL};
    struct html_table table = html_table(page, "", name, headings);
    for (size_t i = from; i < to; i++)
        put_decision(&table, &page->view->serving->decisions[i]);
    html_table_end(&table, to - from, to - from);
}

void html_decisions(const struct html_page *page)
{
    enum { OPEN = 20 }; /* the others are a click away */
    const struct status_serving *serving = page->view->serving;
    if (!serving)
        return;
    html_section(page, "decisions", "Recent decisions");
    if (serving->decision_count == 0) {
        buf_puts(page->out, "<p>This replica has not denied, warned about or changed anything since it started.</p>\n");
    } else {
        size_t count = serving->decision_count, open = count < OPEN ? count : OPEN;
        put_decisions(page,
                      "What this replica denied, warned about, changed or let through the upgrade gate, newest first",
                      0, open);
        if (count > open) {
            MARKUP(page->out, "<details><summary>$ earlier</summary><div>\n",
                   html_count(page, count - open, "decision", "decisions"));
            put_decisions(page, "Earlier decisions", open, count);
            buf_puts(page->out, "</div></details>\n");
        }
    }
    html_section_end(page);
}

/* ---- certificate, settings, facts -------------------------------------------------------------- */

/* `words` are the reason, empty for what is fine. */
static void put_check(struct html_table *table, struct str name, enum html_sign sign, const char *state,
                      struct str words)
{
    html_row(table);
    MARKUP(table->page->out, "@", name);
    html_cell(table, "");
    html_badge(table->page, sign, str_from(state));
    html_cell_text(table, words);
}

void html_serving(const struct html_page *page)
{
    static const char *const headings[] = {"What", "State", "Why", NULL};
    const struct status_serving *serving = page->view->serving;
    if (!serving)
        return;
    html_section(page, "serving", "This webhook");
    struct html_table table = html_table(page, "", "Certificate, settings and cache of this replica", headings);
    bool warned = serving->certificate.len > 0;
    if (serving->certificate_good)
        put_check(&table, STR("Certificate"), warned ? SIGN_WARN : SIGN_GOOD, warned ? "warning" : "good",
                  serving->certificate);
    else
        put_check(&table, STR("Certificate"), SIGN_BAD, "problem", serving->certificate);
    if (serving->calls.len)
        put_check(&table, STR("Calls by the API server"),
                  serving->called       ? SIGN_GOOD
                  : serving->not_called ? SIGN_BAD
                                        : SIGN_INFO,
                  serving->called       ? "good"
                  : serving->not_called ? "problem"
                                        : "unknown",
                  serving->calls);
    put_check(&table, STR("Settings"), serving->settings.len ? SIGN_WARN : SIGN_GOOD,
              serving->settings.len ? "warning" : "good", serving->settings);
    for (size_t i = 0; i < serving->fact_count; i++) {
        const struct status_sync *fact = &serving->facts[i];
        enum html_sign sign = !fact->synced ? SIGN_BAD : fact->reason.len ? SIGN_WARN : SIGN_GOOD;
        put_check(&table, fact->name, sign, fact->synced ? "synced" : "not read", fact->reason);
    }
    html_table_end(&table, serving->fact_count, serving->fact_count);
    html_section_end(page);
}
