/* What an audit prints of one object, and of all. A review's warnings that only say a schedule back are left out:
 * they are news to the person who writes one, not to the reader of an audit. */
#include "commands/audit/audit.h"

#include <ctype.h>
#include <string.h>

#include "backstop/cron.h"

enum { WORDS_LIMIT = 4096 };

/* ---- what nobody needs to be told ------------------------------------------------ */

/* The very words with which a review says a schedule back that is read in this dialect, or nothing. */
static struct str echo_of(struct arena *arena, const struct review_result *result, const struct settings *settings,
                          enum cron_dialect dialect, int64_t now)
{
    struct error ignored;
    struct cron_schedule schedule;
    struct str spec = json_path_str(result->object, "spec.schedule");
    const struct cron_zone *zone = cron_zone_find(settings->schedules_controller_zone, &ignored);
    if (!spec.len || !cron_parse(dialect, spec, zone ? zone : cron_zone_utc(), &schedule, &ignored))
        return (struct str){NULL, 0};
    BUF_SCOPED words;
    buf_init(&words, WORDS_LIMIT);
    cron_say_back("spec.schedule", spec, &schedule, now, arena, &words);
    return arena_copy(arena, buf_str(&words));
}

/* In each dialect, as the review has chosen one by what it knows of Velero's version. */
void audit_forget_echo(struct review_result *result, const struct settings *settings, int64_t now)
{
    struct strlist *warnings = &result->decision.warnings;
    for (enum cron_dialect dialect = 0; dialect < CRON_DIALECTS; dialect++) {
        struct str echo = echo_of(result->decision.arena, result, settings, dialect, now);
        size_t kept = 0;
        for (size_t i = 0; i < warnings->len; i++)
            if (!echo.len || !str_eq(warnings->items[i], echo))
                warnings->items[kept++] = warnings->items[i];
        warnings->len = kept;
    }
}

/* ---- text ------------------------------------------------------------------------- */

/* As the other commands name objects: managementbackup/name, restore/namespace/name. */
struct str audit_title(struct arena *arena, const struct manifest *manifest)
{
    char kind[64];
    struct str name = json_path_str(manifest->tree, "metadata.name");
    struct str ns = json_path_str(manifest->tree, "metadata.namespace");
    struct str given = str_slice(json_get_str(manifest->tree, "kind"), 0, sizeof kind);
    for (size_t i = 0; i < given.len; i++)
        kind[i] = (char)tolower((unsigned char)given.ptr[i]);
    struct str lower = shown(arena, (struct str){kind, given.len}), at = shown(arena, name);
    if (ns.len)
        return arena_printf(arena, "%.*s/%.*s/%.*s", STR_ARG(lower), STR_ARG(shown(arena, ns)), STR_ARG(at));
    return arena_printf(arena, "%.*s/%.*s", STR_ARG(lower), STR_ARG(at));
}

/* "cluster.yaml:15: " for what came from a file. */
static struct str audit_place(struct arena *arena, const struct review_result *result, struct str field)
{
    struct manifest *manifest = result->manifest;
    if (manifest->line == 0)
        return STR("");
    const char *source = strcmp(manifest->source, "-") == 0 ? "standard input" : manifest->source;
    return arena_printf(arena, "%s:%u: ", source, field.len ? manifest_line(arena, manifest, field) : result->line);
}

static void print_denial(struct arena *arena, const struct review_result *result, const struct page *page)
{
    const struct decision *decision = &result->decision;
    if (decision->message.len)
        page_paragraph(
            page, 2, "",
            arena_printf(arena, "%.*s%.*s", STR_ARG(audit_place(arena, result, STR(""))), STR_ARG(decision->message)));
    for (size_t i = 0; i < decision->causes.len; i++) {
        const struct cause *cause = &decision->causes.items[i];
        page_paragraph(page, 2, "",
                       arena_printf(arena, "%.*s%.*s%s%.*s", STR_ARG(audit_place(arena, result, cause->field)),
                                    STR_ARG(cause->field), cause->field.len ? ": " : "", STR_ARG(cause->message)));
    }
}

void audit_print_text(struct arena *arena, const struct review_result *result, const char *passed_over,
                      const struct page *page)
{
    const struct decision *decision = &result->decision;
    page_toned(page, TONE_STRONG, audit_title(arena, result->manifest));
    buf_puts(page->out, "  ");
    if (passed_over)
        buf_printf(page->out, "not reviewed: %s", passed_over);
    else if (decision->denied)
        page_toned(page, TONE_BAD, arena_printf(arena, "would be denied (%d)", decision->code));
    else
        page_toned(page, TONE_GOOD, decision->patch.len ? STR("would be allowed, with changes") : STR("fine"));
    buf_putc(page->out, '\n');
    if (decision->denied)
        print_denial(arena, result, page);
    for (size_t i = 0; i < decision->warnings.len; i++)
        page_paragraph(page, 2, "warning: ", decision->warnings.items[i]);
}

/* Objects with warnings are allowed; they are counted once more for those who want none. */
void audit_print_summary(const struct review_summary *summary, size_t warned, const struct page *page)
{
    size_t all = summary->allowed + summary->denied;
    buf_printf(page->out, "%zu object%s reviewed: ", all, all == 1 ? "" : "s");
    if (summary->denied)
        page_toned(page, TONE_BAD, STR("some would be denied"));
    else
        page_toned(page, TONE_GOOD, STR("none would be denied"));
    buf_printf(page->out, " (%zu denied, %zu allowed, %zu with warnings)", summary->denied, summary->allowed, warned);
    if (summary->passed)
        buf_printf(page->out, "; %zu not reviewed", summary->passed);
    if (summary->unreadable)
        buf_printf(page->out, "; %zu could not be read", summary->unreadable);
    buf_putc(page->out, '\n');
}
