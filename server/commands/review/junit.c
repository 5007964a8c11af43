#include "commands/review/review.h"

/* XML 1.0 has no way to write most control characters, U+FFFE and U+FFFF, escaped or not. */
static void write_xml(struct buf *out, struct str text)
{
    static const char *const entities[] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\n'] = "&#10;", ['\t'] = "&#9;"};
    for (size_t i = 0, step; i < text.len; i += step) {
        unsigned char c = (unsigned char)text.ptr[i];
        size_t length = str_utf8_next(str_slice(text, i, text.len));
        step = length ? length : 1;
        if (c < LENGTH_OF(entities) && entities[c])
            buf_puts(out, entities[c]);
        else
            buf_add_printable(out, str_slice(text, i, i + step), false);
    }
}

static void write_attribute(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, " %s=\"", name);
    write_xml(out, value);
    buf_putc(out, '"');
}

static void write_failure(const struct review_result *result, struct buf *out)
{
    const struct decision *decision = &result->decision;
    struct arena *arena = decision->arena;
    buf_puts(out, "    <failure");
    write_attribute(out, "type", str_from(decision->reason));
    write_attribute(out, "message", decision_message(decision));
    buf_puts(out, ">");
    for (size_t i = 0; i < decision->causes.len; i++) {
        const struct cause *cause = &decision->causes.items[i];
        write_xml(out, arena_printf(arena, "%s:%u: %.*s: %.*s\n", result->manifest->source,
                                    manifest_line(arena, result->manifest, cause->field), STR_ARG(cause->field),
                                    STR_ARG(cause->message)));
    }
    buf_puts(out, "</failure>\n");
}

/* A correct upgrade is no failure: it is applied again once its backup is complete. */
static void write_waiting(const struct decision *decision, struct buf *out)
{
    buf_puts(out, "    <skipped");
    write_attribute(out, "message", decision_message(decision));
    buf_puts(out, "/>\n");
}

void review_print_junit(struct arena *arena, const struct review_result *result, struct buf *out)
{
    const struct request *request = &result->request;
    const struct decision *decision = &result->decision;
    buf_puts(out, "  <testcase");
    write_attribute(out, "classname", str_from(result->manifest->source));
    write_attribute(out, "name",
                    arena_printf(arena, "%.*s/%.*s (document %u)", STR_ARG(request->kind), STR_ARG(request->name),
                                 result->manifest->number));
    write_attribute(out, "file", str_from(result->manifest->source));
    write_attribute(out, "line", arena_printf(arena, "%u", result->manifest->line));
    buf_puts(out, ">\n");
    if (decision->waits)
        write_waiting(decision, out);
    else if (decision->denied)
        write_failure(result, out);
    else if (!result->reviewed)
        buf_puts(out, "    <skipped message=\"not reviewed\"/>\n");
    if (decision->warnings.len) {
        buf_puts(out, "    <system-out>");
        for (size_t i = 0; i < decision->warnings.len; i++) {
            buf_puts(out, "warning: ");
            write_xml(out, decision->warnings.items[i]);
            buf_puts(out, "&#10;");
        }
        buf_puts(out, "</system-out>\n");
    }
    buf_puts(out, "  </testcase>\n");
}

void review_print_junit_problem(const char *source, const char *where, const char *reason, struct buf *out)
{
    BUF_SCOPED message;
    buf_init(&message, 65536);
    buf_printf(&message, "%s%s%s%s", source, where, *source ? ": " : "", reason);
    buf_puts(out, "  <testcase classname=\"input\"");
    write_attribute(out, "name", str_from(*source ? source : reason));
    buf_puts(out, ">\n    <error");
    write_attribute(out, "message", buf_str(&message));
    buf_puts(out, "/>\n  </testcase>\n");
}

void review_junit_document(const struct review_summary *summary, struct str cases, struct buf *out)
{
    buf_printf(out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\">\n",
               summary->suite ? summary->suite : "backstop review",
               summary->allowed + summary->denied + summary->waits + summary->passed + summary->unreadable,
               summary->denied, summary->unreadable, summary->passed + summary->waits);
    buf_add(out, cases);
    buf_puts(out, "</testsuite>\n");
}
