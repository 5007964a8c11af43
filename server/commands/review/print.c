/* The results of a review in its five formats: JUnit, SARIF, JSON and YAML for programs, text
 * for people. Every text of a document comes from outside: it is escaped by the rules of the
 * format, and in text whatever a terminal would obey is made visible. */
#include <ctype.h>
#include <string.h>

#include "commands/review/review.h"

/* XML 1.0 has no way to write most control characters, U+FFFE and U+FFFF, escaped or not. */

/* They are shown as buf_add_printable shows them on a terminal. */
void xml_write_text(struct buf *out, struct str text)
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

void xml_write_attribute(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, " %s=\"", name);
    xml_write_text(out, value);
    buf_putc(out, '"');
}

/* Message and type for the overview of a CI system, one line for each cause within, as
 * "file:line: field: message", which editors can follow. */
static void write_failure(const struct review_result *result, struct buf *out)
{
    const struct decision *decision = &result->decision;
    struct arena *arena = decision->arena;
    buf_puts(out, "    <failure");
    xml_write_attribute(out, "type", str_from(decision->reason));
    xml_write_attribute(out, "message", decision_message(decision));
    buf_puts(out, ">");
    for (size_t i = 0; i < decision->causes.len; i++) {
        const struct cause *cause = &decision->causes.items[i];
        xml_write_text(out, arena_printf(arena, "%s:%u: %.*s: %.*s\n", result->manifest->source,
                                         manifest_line(arena, result->manifest, cause->field), STR_ARG(cause->field),
                                         STR_ARG(cause->message)));
    }
    buf_puts(out, "</failure>\n");
}

void review_print_junit(struct arena *arena, const struct review_result *result, struct buf *out)
{
    const struct request *request = &result->request;
    const struct decision *decision = &result->decision;
    buf_puts(out, "  <testcase");
    xml_write_attribute(out, "classname", str_from(result->manifest->source));
    xml_write_attribute(out, "name",
                        arena_printf(arena, "%.*s/%.*s (document %u)", STR_ARG(request->kind), STR_ARG(request->name),
                                     result->manifest->number));
    xml_write_attribute(out, "file", str_from(result->manifest->source));
    xml_write_attribute(out, "line", arena_printf(arena, "%u", result->manifest->line));
    buf_puts(out, ">\n");
    if (decision->waits) {
        /* A correct upgrade is no failure: it is applied again once its backup is complete. */
        buf_puts(out, "    <skipped");
        xml_write_attribute(out, "message", decision_message(decision));
        buf_puts(out, "/>\n");
    } else if (decision->denied)
        write_failure(result, out);
    else if (!result->reviewed)
        buf_puts(out, "    <skipped message=\"not reviewed\"/>\n");
    if (decision->warnings.len) {
        buf_puts(out, "    <system-out>");
        for (size_t i = 0; i < decision->warnings.len; i++) {
            buf_puts(out, "warning: ");
            xml_write_text(out, decision->warnings.items[i]);
            buf_puts(out, "&#10;");
        }
        buf_puts(out, "</system-out>\n");
    }
    buf_puts(out, "  </testcase>\n");
}

void review_print_junit_problem(const char *source, struct str problem, struct buf *out)
{
    buf_puts(out, "  <testcase classname=\"input\"");
    xml_write_attribute(out, "name", source ? str_from(source) : problem);
    buf_puts(out, ">\n    <error");
    xml_write_attribute(out, "message", problem);
    buf_puts(out, "/>\n  </testcase>\n");
}

/* Its head needs the totals, so the cases are written into a buffer before it. */
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
        /* A relative path is a relative URI reference once what is no URI character is escaped. */
        struct str path = str_from(strcmp(source, "-") == 0 ? "stdin" : source);
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
        buf_puts(out, "}");
        if (line > 0)
            buf_printf(out, ",\"region\":{\"startLine\":%lld}", (long long)line);
        buf_puts(out, "}}]");
    }
    buf_putc(out, '}');
}

/* The field that a warning begins with, "spec.schedule: ..."; else it is about the whole object. */
static unsigned sarif_warning_line(struct arena *arena, struct manifest *manifest, struct str warning)
{
    struct str rest = warning, field;
    str_cut(&rest, ':', &field);
    bool names_field = rest.ptr && (str_starts(field, STR("spec.")) || str_starts(field, STR("metadata.")));
    for (size_t i = 0; i < field.len; i++)
        names_field = names_field && field.ptr[i] != ' ';
    return names_field ? manifest_line(arena, manifest, field) : manifest->line;
}

/* Code scanning shows the message alone, far from the file, so it names the object. */
static struct str sarif_title(struct arena *arena, const struct request *request, struct str message)
{
    return arena_printf(arena, "%.*s/%.*s: %.*s", STR_ARG(request->kind), STR_ARG(request->name), STR_ARG(message));
}

/* One result for each cause, so that each is shown on its own line of a pull request. */
void review_print_sarif(struct arena *arena, const struct review_result *result, struct buf *out)
{
    struct manifest *manifest = result->manifest;
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

/* Empty when denied: nothing would be patched then. */
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
    struct json_object *map = json_object_new_object();
    for (size_t i = 0; i < decision->audit.len; i++)
        json_put_text(map, decision->audit.items[i].key.ptr, decision->audit.items[i].value);
    json_put(object, "auditAnnotations", map);
    json_put(object, "patch", patch_list(decision));
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < decision->effects.len; i++)
        json_append(list, json_object_get(decision->effects.items[i].object));
    json_put(object, "effects", list);
    json_put_shared(object, "object", result->object);
    return json_own(arena, object);
}

void review_print_json(struct arena *arena, const struct review_result *result, struct buf *out)
{
    json_write_tree(out, review_json_record(arena, result));
    buf_putc(out, '\n');
}

/* The same keys as in JSON, a document for each result. */
void review_print_yaml(struct arena *arena, const struct review_result *result, struct buf *out)
{
    buf_puts(out, "---\n");
    yaml_write(out, review_json_record(arena, result));
    if (out->len && out->data[out->len - 1] != '\n')
        buf_putc(out, '\n');
}

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

/* As kubectl names objects, kind/name. A name that the server would generate has a star. */
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

/* Offline, warnings that only say what was not checked are left out here and gathered into one
 * line at the end. */
void review_print_text(struct arena *arena, const struct review_result *result, bool colour, struct buf *out)
{
    const struct decision *decision = &result->decision;
    write_heading(arena, result, colour, out);
    if (decision->denied) {
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
    if (decision->patch.len && !decision->denied && result->before && result->object) {
        BUF_SCOPED before, after;
        buf_init(&before, DIFF_LIMIT);
        buf_init(&after, DIFF_LIMIT);
        yaml_write(&before, result->before);
        yaml_write(&after, result->object);
        buf_puts(out, "  changes:\n");
        review_diff(buf_str(&before), buf_str(&after), "    ", colour, out);
    }
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

void review_print_kustomized(struct arena *arena, const struct review_summary *summary, struct buf *out)
{
    const struct strlist *folders = &summary->kustomized;
    if (folders->len == 0)
        return;
    struct str first = shown(arena, folders->items[0]), more = STR("");
    if (folders->len > 1)
        more = arena_printf(arena, " and %zu more folder%s", folders->len - 1, plural_s(folders->len - 1));
    struct str text =
        arena_printf(arena,
                     "not as kustomize builds it: %.*s%.*s (its kustomization sets %s). To review what is "
                     "built: backstop review -k %.*s\n",
                     STR_ARG(first), STR_ARG(more), summary->kustomize_sets, STR_ARG(first));
    program_say(out, text);
}
