#include <ctype.h>
#include <string.h>

#include "commands/review/review.h"

/* SARIF 2.1.0, which code scanning services show on the lines of a pull request. */

enum sarif_rule { SARIF_DENIED, SARIF_WAITS, SARIF_WARNING, SARIF_UNREADABLE };
static const struct {
    const char *id, *level, *text;
} sarif_rules[] = {
    [SARIF_DENIED] = {"denied", "error", "The object would be denied"},
    [SARIF_WAITS] = {"waits", "note", "The upgrade would first wait for its pre-upgrade backup"},
    [SARIF_WARNING] = {"warning", "warning", "The object would be admitted with a warning"},
    [SARIF_UNREADABLE] = {"unreadable", "error", "The input cannot be read"},
};

/* A relative path is a relative URI reference once what is no URI character is escaped. */
static void sarif_write_uri(struct buf *out, struct str path)
{
    BUF_SCOPED uri;
    buf_init(&uri, 64 * 1024);
    if (str_starts(path, STR("/")))
        buf_puts(&uri, "file://");
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (isalnum(c) || (c && strchr("/-._~:@", c)))
            buf_putc(&uri, (char)c);
        else
            buf_printf(&uri, "%%%02X", c);
    }
    json_write_str(out, buf_str(&uri));
}

static void sarif_write_result(struct buf *out, enum sarif_rule rule, const char *source, int64_t line,
                               struct str message)
{
    buf_printf(out,
               "%s{\"ruleId\":\"%s\",\"ruleIndex\":%d,\"level\":\"%s\",\"message\":{\"text\":", out->len ? ",\n" : "",
               sarif_rules[rule].id, rule, sarif_rules[rule].level);
    json_write_str(out, message);
    buf_putc(out, '}');
    if (*source) {
        buf_puts(out, ",\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":");
        sarif_write_uri(out, str_from(strcmp(source, "-") == 0 ? "stdin" : source));
        buf_puts(out, "}");
        if (line > 0)
            buf_printf(out, ",\"region\":{\"startLine\":%lld}", (long long)line);
        buf_puts(out, "}}]");
    }
    buf_putc(out, '}');
}

/* The field that a warning begins with, "spec.schedule: ..."; else it is about the whole object. */
static unsigned sarif_warning_line(struct arena *arena, const struct manifest *manifest, struct str warning)
{
    struct str rest = warning, field;
    str_cut(&rest, ':', &field);
    bool names_field = rest.ptr && (str_starts(field, STR("spec.")) || str_starts(field, STR("metadata.")));
    for (size_t i = 0; i < field.len; i++)
        names_field = names_field && field.ptr[i] != ' ';
    return names_field ? manifest_line(arena, manifest, field) : manifest->line;
}

static struct str sarif_title(struct arena *arena, const struct request *request, struct str message)
{
    return arena_printf(arena, "%.*s/%.*s: %.*s", STR_ARG(request->kind), STR_ARG(request->name), STR_ARG(message));
}

void review_print_sarif(struct arena *arena, const struct review_result *result, struct buf *out)
{
    const struct manifest *manifest = result->manifest;
    const struct request *request = &result->request;
    const struct decision *decision = &result->decision;
    enum sarif_rule rule = decision->waits ? SARIF_WAITS : SARIF_DENIED;
    if (decision->denied && decision->message.len)
        sarif_write_result(out, rule, manifest->source, result->line, sarif_title(arena, request, decision->message));
    for (size_t i = 0; decision->denied && i < decision->causes.len; i++) {
        const struct cause *cause = &decision->causes.items[i];
        struct str text = arena_printf(arena, "%.*s: %.*s", STR_ARG(cause->field), STR_ARG(cause->message));
        sarif_write_result(out, rule, manifest->source, manifest_line(arena, manifest, cause->field),
                           sarif_title(arena, request, cause->field.len ? text : cause->message));
    }
    for (size_t i = 0; i < decision->warnings.len; i++)
        sarif_write_result(out, SARIF_WARNING, manifest->source,
                           sarif_warning_line(arena, manifest, decision->warnings.items[i]),
                           sarif_title(arena, request, decision->warnings.items[i]));
}

void review_print_sarif_problem(const char *source, int64_t line, const char *reason, struct buf *out)
{
    sarif_write_result(out, SARIF_UNREADABLE, source, line, str_from(reason));
}

void review_sarif_document(struct str results, struct buf *out)
{
    buf_puts(out, "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{"
                  "\"tool\":{\"driver\":{\"name\":\"backstop\",\"version\":\"" BACKSTOP_VERSION "\",\"rules\":[");
    for (size_t i = 0; i < LENGTH_OF(sarif_rules); i++)
        buf_printf(
            out, "%s{\"id\":\"%s\",\"shortDescription\":{\"text\":\"%s\"},\"defaultConfiguration\":{\"level\":\"%s\"}}",
            i ? "," : "", sarif_rules[i].id, sarif_rules[i].text, sarif_rules[i].level);
    buf_puts(out, "]}},\"results\":[\n");
    buf_add(out, results);
    buf_puts(out, "\n]}]}\n");
}
