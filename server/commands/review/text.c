#include <ctype.h>
#include <string.h>

#include "commands/review/review.h"

enum { DIFF_LIMIT = 64 * 1024 * 1024 };

static const char *source_name(const struct manifest *manifest)
{
    return strcmp(manifest->source, "-") == 0 ? "standard input" : manifest->source;
}

/* Names, keys and paths come from outside and go to a terminal. */
static void review_text_add_plain(struct buf *out, struct str text)
{
    buf_add_printable(out, text, false);
}

static void write_kind(struct arena *arena, struct buf *out, struct str kind)
{
    char *lower = arena_alloc(arena, kind.len + 1);
    for (size_t i = 0; lower && i < kind.len; i++)
        lower[i] = (char)tolower((unsigned char)kind.ptr[i]);
    review_text_add_plain(out, (struct str){lower, lower ? kind.len : 0});
}

static void write_place(struct buf *out, const char *source, unsigned line)
{
    buf_puts(out, "  ");
    review_text_add_plain(out, str_from(source));
    buf_printf(out, ":%u  ", line);
}

static void write_heading(struct arena *arena, const struct review_result *result, bool colour, struct buf *out)
{
    const struct request *request = &result->request;
    const struct decision *decision = &result->decision;
    struct str generated = object_text(request, request->object, "metadata.generateName");
    struct str name = request->name.len ? request->name : generated;
    write_kind(arena, out, request->kind.len ? request->kind : STR("review"));
    if (name.len)
        buf_putc(out, '/');
    review_text_add_plain(out, name);
    if (name.len && !request->name.len)
        buf_putc(out, '*');
    if (request->operation == OPERATION_UPDATE || request->operation == OPERATION_DELETE)
        buf_puts(out, request->operation == OPERATION_UPDATE ? " (update)" : " (delete)");
    const char *on = decision->waits ? "\033[33m" : decision->denied ? "\033[31m" : "\033[32m";
    struct str verdict = decision->waits       ? STR("would wait")
                         : decision->denied    ? arena_printf(arena, "denied (%d)", decision->code)
                         : !result->reviewed   ? STR("not reviewed")
                         : decision->patch.len ? STR("allowed, with changes")
                                               : STR("allowed");
    buf_printf(out, "  %s%.*s%s\n", colour ? on : "", STR_ARG(verdict), colour ? "\033[0m" : "");
}

static void write_denial(struct arena *arena, const struct review_result *result, struct buf *out)
{
    const struct decision *decision = &result->decision;
    const char *source = source_name(result->manifest);
    if (decision->message.len) {
        write_place(out, source, result->line);
        review_text_add_plain(out, decision->message);
        buf_putc(out, '\n');
    }
    for (size_t i = 0; i < decision->causes.len; i++) {
        const struct cause *cause = &decision->causes.items[i];
        write_place(out, source, manifest_line(arena, result->manifest, cause->field));
        review_text_add_plain(out, cause->field);
        buf_puts(out, cause->field.len ? ": " : "");
        review_text_add_plain(out, cause->message);
        buf_putc(out, '\n');
    }
    if (decision->retry_after > 0)
        buf_printf(out, "  kubectl asks again after %lld seconds\n", (long long)decision->retry_after);
}

static void write_changes(const struct review_result *result, bool colour, struct buf *out)
{
    BUF_SCOPED before, after;
    buf_init(&before, DIFF_LIMIT);
    buf_init(&after, DIFF_LIMIT);
    yaml_write(&before, result->before);
    yaml_write(&after, result->object);
    buf_puts(out, "  changes:\n");
    review_diff(buf_str(&before), buf_str(&after), "    ", colour, out);
}

void review_print_text(struct arena *arena, const struct review_result *result, bool colour, struct buf *out)
{
    const struct decision *decision = &result->decision;
    write_heading(arena, result, colour, out);
    if (decision->denied)
        write_denial(arena, result, out);
    for (size_t i = 0; i < decision->warnings.len; i++) {
        if (result->offline && strlist_has(&decision->unchecked, decision->warnings.items[i]))
            continue;
        buf_printf(out, "  %swarning:%s ", colour ? "\033[33m" : "", colour ? "\033[0m" : "");
        review_text_add_plain(out, decision->warnings.items[i]);
        buf_putc(out, '\n');
    }
    for (size_t i = 0; i < decision->effects.len; i++) {
        buf_puts(out, "  would create ");
        review_text_add_plain(out, decision->effects.items[i].what);
        buf_putc(out, '\n');
    }
    if (decision->patch.len && !decision->denied && result->before && result->object)
        write_changes(result, colour, out);
}

static void write_count(struct buf *out, size_t count, const char *what)
{
    if (count)
        buf_printf(out, "%s%zu %s", out->data[out->len - 1] == ' ' ? "" : ", ", count, what);
}

/* Once for all documents, where there is neither an inventory nor a cluster. */
static void write_missing(const struct review_summary *summary, struct buf *out)
{
    const char *before = "not checked, since nothing is known of them: ";
    for (size_t f = 0; f < FACT_COUNT; f++)
        if (summary->missing[f]) {
            buf_printf(out, "%s%ss", before, fact_kinds[f].resource.kind.ptr);
            before = ", ";
        }
    if (before[0] == ',')
        buf_puts(out, "; pass --inventory or --context\n");
}

void review_print_summary(const struct review_summary *summary, struct buf *out)
{
    size_t all = summary->allowed + summary->denied + summary->waits + summary->passed;
    buf_printf(out, "%zu document%s: ", all, all == 1 ? "" : "s");
    write_count(out, summary->allowed, "allowed");
    write_count(out, summary->denied, "denied");
    write_count(out, summary->waits, "would wait");
    write_count(out, summary->passed, "not reviewed");
    write_count(out, summary->unreadable, "unreadable");
    buf_puts(out, all || summary->unreadable ? "\n" : "nothing to review\n");
    write_missing(summary, out);
}

void review_print_passed_over(const struct review_summary *summary, struct buf *out)
{
    static const char *const what[][2] = {{"file without a Kubernetes object", "files without a Kubernetes object"},
                                          {"template (not rendered)", "templates (not rendered)"},
                                          {"entry that is not a regular file", "entries that are not regular files"}};
    const size_t counts[] = {summary->others, summary->templates, summary->irregular};
    for (size_t i = 0; i < LENGTH_OF(counts); i++)
        if (counts[i])
            buf_printf(out, "skipped: %zu %s\n", counts[i], what[i][counts[i] > 1]);
}
