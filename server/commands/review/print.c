/* XML 1.0 has no way to write most control characters, U+FFFE and U+FFFF, escaped or not. */
#include <ctype.h>
#include <string.h>

#include "commands/review/review.h"

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

static void add_integer(struct json_object *object, const char *key, int64_t value)
{
    json_put(object, key, json_object_new_int64(value));
}

static struct json_object *causes_list(const struct decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < decision->causes.len; i++) {
        struct json_object *cause = json_object_new_object();
        json_put_text(cause, "field", decision->causes.items[i].field);
        json_put_text(cause, "message", decision->causes.items[i].message);
        json_append(list, cause);
    }
    return list;
}

static struct json_object *warnings_list(const struct decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < decision->warnings.len; i++)
        json_append(list, json_new_text(decision->warnings.items[i]));
    return list;
}

static struct json_object *audit_map(const struct decision *decision)
{
    struct json_object *map = json_object_new_object();
    for (size_t i = 0; i < decision->audit.len; i++)
        json_put_text(map, decision->audit.items[i].key.ptr, decision->audit.items[i].value);
    return map;
}

static struct json_object *patch_list(const struct decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; !decision->denied && i < decision->patch.len; i++) {
        const struct patch_step *from = &decision->patch.items[i];
        struct json_object *step = json_object_new_object();
        json_put_text(step, "op", str_from(from->op));
        json_put_text(step, "path", from->path);
        if (strcmp(from->op, "remove") != 0)
            json_put_shared(step, "value", from->value);
        json_append(list, step);
    }
    return list;
}

static struct json_object *effects_list(const struct decision *decision)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < decision->effects.len; i++)
        json_append(list, json_object_get(decision->effects.items[i].object));
    return list;
}

/* Keys and order are an interface: scripts and golden cases read them. */
static struct json_object *review_json_record(struct arena *arena, const struct review_result *result)
{
    const struct manifest *manifest = result->manifest;
    const struct request *request = &result->request;
    const struct decision *decision = &result->decision;
    struct json_object *object = json_object_new_object();
    json_put_text(object, "source", str_from(manifest->source));
    add_integer(object, "document", manifest->number);
    add_integer(object, "line", manifest->line);
    json_put_text(object, "operation", str_from(operation_name(request->operation)));
    json_put_text(object, "apiVersion", request->api_version);
    json_put_text(object, "kind", request->kind);
    json_put_text(object, "namespace", request->ns);
    json_put_text(object, "name", request->name);
    json_put(object, "allowed", json_object_new_boolean(!decision->denied));
    add_integer(object, "code", decision->denied ? decision->code : 200);
    json_put_text(object, "reason",
                  decision->denied ? str_from(decision->reason) : str_from(result->reviewed ? "" : "not reviewed"));
    json_put_text(object, "message", decision->denied ? decision_message(decision) : STR(""));
    json_put(object, "causes", causes_list(decision));
    add_integer(object, "retryAfterSeconds", decision->retry_after);
    json_put(object, "warnings", warnings_list(decision));
    json_put(object, "auditAnnotations", audit_map(decision));
    json_put(object, "patch", patch_list(decision));
    json_put(object, "effects", effects_list(decision));
    json_put_shared(object, "object", result->object);
    return json_own(arena, object);
}

void review_print_json(struct arena *arena, const struct review_result *result, struct buf *out)
{
    json_write_tree(out, review_json_record(arena, result));
    buf_putc(out, '\n');
}

void review_print_yaml(struct arena *arena, const struct review_result *result, struct buf *out)
{
    buf_puts(out, "---\n");
    yaml_write(out, review_json_record(arena, result));
    if (out->len && out->data[out->len - 1] != '\n')
        buf_putc(out, '\n');
}
