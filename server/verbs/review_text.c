#include <ctype.h>
#include <string.h>

#include "review.h"

enum { DIFF_LIMIT = 64 * 1024 * 1024 };

static const char *source_name(const struct manifest *manifest)
{
    return strcmp(manifest->source, "-") == 0 ? "standard input" : manifest->source;
}

/* Names come from the input and go to a terminal. */
static void write_plain(struct buf *out, struct str text, bool lower)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        buf_putc(out, c < ' ' || c == 0x7F ? '?' : (lower ? (char)tolower(c) : text.ptr[i]));
    }
}

static void write_heading(struct arena *arena, const struct review_result *result, bool colour, struct buf *out)
{
    const struct request *request = &result->request;
    const struct decision *decision = &result->decision;
    struct str generated = object_text(request, request->object, "metadata.generateName");
    struct str name = request->name.len ? request->name : generated;
    write_plain(out, request->kind.len ? request->kind : STR("review"), true);
    if (name.len)
        buf_putc(out, '/');
    write_plain(out, name, false);
    if (name.len && !request->name.len)
        buf_putc(out, '*');
    if (request->operation == OPERATION_UPDATE || request->operation == OPERATION_DELETE)
        buf_puts(out, request->operation == OPERATION_UPDATE ? " (update)" : " (delete)");
    const char *on = decision->denied ? "\033[31m" : "\033[32m";
    struct str verdict = decision->denied      ? arena_printf(arena, "denied (%d)", decision->code)
                         : !result->reviewed   ? STR("not reviewed")
                         : decision->patch.len ? STR("allowed, with changes")
                                               : STR("allowed");
    buf_printf(out, "  %s%.*s%s\n", colour ? on : "", STR_ARG(verdict), colour ? "\033[0m" : "");
}

static void write_denial(struct arena *arena, const struct review_result *result, struct buf *out)
{
    const struct decision *decision = &result->decision;
    const char *source = source_name(result->manifest);
    if (decision->message.len)
        buf_printf(out, "  %s:%u  %.*s\n", source, result->line, STR_ARG(decision->message));
    for (size_t i = 0; i < decision->causes.len; i++) {
        const struct cause *cause = &decision->causes.items[i];
        buf_printf(out, "  %s:%u  %.*s%s%.*s\n", source, manifest_line(arena, result->manifest, cause->field),
                   STR_ARG(cause->field), cause->field.len ? ": " : "", STR_ARG(cause->message));
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
    for (size_t i = 0; i < decision->warnings.len; i++)
        buf_printf(out, "  %swarning:%s %.*s\n", colour ? "\033[33m" : "", colour ? "\033[0m" : "",
                   STR_ARG(decision->warnings.items[i]));
    for (size_t i = 0; i < decision->effects.len; i++)
        buf_printf(out, "  would create %.*s\n", STR_ARG(decision->effects.items[i].what));
    if (decision->patch.len && !decision->denied && result->before && result->object)
        write_changes(result, colour, out);
}

static void write_count(struct buf *out, size_t count, const char *what)
{
    if (count)
        buf_printf(out, "%s%zu %s", out->data[out->len - 1] == ' ' ? "" : ", ", count, what);
}

void review_print_summary(const struct review_summary *summary, struct buf *out)
{
    size_t all = summary->allowed + summary->denied + summary->passed;
    buf_printf(out, "%zu document%s: ", all, all == 1 ? "" : "s");
    write_count(out, summary->allowed, "allowed");
    write_count(out, summary->denied, "denied");
    write_count(out, summary->passed, "not reviewed");
    write_count(out, summary->unreadable, "unreadable");
    buf_puts(out, all || summary->unreadable ? "\n" : "nothing to review\n");
}
