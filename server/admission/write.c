/* The answer as JSON: an AdmissionReview, or a metav1.Status where no review could be read. JSON Patch in base64. */
#include <string.h>

#include "admission/answer.h"

/* An array index below `end`; "-" is `end` itself where that is allowed. */
static bool array_index(struct str token, size_t end, bool dash, size_t *index)
{
    int64_t number;
    if (dash && str_is(token, "-")) {
        *index = end;
        return true;
    }
    if (!str_to_int64(token, &number) || (uint64_t)number >= (uint64_t)end + dash)
        return false;
    *index = (size_t)number;
    return true;
}

/* NULL where the path leads nowhere. */
static struct json_object *patch_child(struct json_object *parent, struct str token)
{
    size_t index;
    if (json_object_is_type(parent, json_type_array))
        return array_index(token, json_len(parent), false, &index) ? json_item(parent, index) : NULL;
    return json_get(parent, token.ptr);
}

/* "add" inserts before the index; "-" is behind the last. */
static bool step_in_array(struct json_object *array, struct str token, const struct patch_step *step)
{
    bool add = strcmp(step->op, "add") == 0;
    size_t index;
    if (!array_index(token, json_len(array), add, &index))
        return false;
    if (strcmp(step->op, "remove") == 0)
        return json_remove(array, index);
    struct json_object *value = json_copy(step->value);
    if (step->value && !value)
        return false;
    return add ? json_insert(array, index, value) : json_replace(array, index, value);
}

/* "add" replaces what is there (RFC 6902), "replace" and "remove" need it to be there. */
static bool step_in_object(struct json_object *object, struct str token, const struct patch_step *step)
{
    bool add = strcmp(step->op, "add") == 0;
    if (!add && !json_has(object, token.ptr))
        return false;
    if (strcmp(step->op, "remove") == 0) {
        json_delete(object, token.ptr);
        return true;
    }
    return step->value ? json_put(object, token.ptr, json_copy(step->value)) : json_put_null(object, token.ptr);
}

/* add, replace and remove, which is all that policies write. */
static bool apply_step(struct arena *arena, struct json_object *root, const struct patch_step *step)
{
    struct str rest = step->path, token = {NULL, 0};
    struct json_object *parent = root;
    if (rest.len == 0 || rest.ptr[0] != '/')
        return false;
    rest = str_slice(rest, 1, rest.len);
    while (str_cut(&rest, '/', &token)) {
        /* One reference token of a JSON Pointer, unescaped (RFC 6901: ~1 is /, ~0 is ~).
         * NUL-terminated, as json-c wants its keys. */
        BUF_SCOPED text;
        buf_init(&text, token.len + 1);
        for (size_t i = 0; i < token.len; i++) {
            char next = i + 1 < token.len ? token.ptr[i + 1] : '\0';
            bool escape = token.ptr[i] == '~' && (next == '0' || next == '1');
            buf_putc(&text, escape ? (next == '1' ? '/' : '~') : token.ptr[i]);
            i += escape;
        }
        token = arena_copy(arena, buf_str(&text));
        if (!token.ptr)
            return false;
        if (!rest.ptr)
            break;
        parent = patch_child(parent, token);
    }
    if (!token.ptr)
        return false;
    if (json_object_is_type(parent, json_type_array))
        return step_in_array(parent, token, step);
    return json_object_is_type(parent, json_type_object) && step_in_object(parent, token, step);
}

/* On a copy: the object of the request is what the next rule is asked about if this fails. A
 * patch that does not fit is a mistake of a policy, and found here before the API server finds
 * it. */
struct json_object *admission_apply_patch(struct arena *arena, struct json_object *object,
                                          const struct decision *decision, struct error *error)
{
    struct json_object *copy = object ? json_own(arena, json_copy(object)) : NULL;
    if (!copy)
        return error_null(error, 500, "no object to apply the patch to");
    for (size_t i = 0; i < decision->patch.len; i++) {
        const struct patch_step *step = &decision->patch.items[i];
        if (!apply_step(arena, copy, step))
            return error_null(error, 500, "patch step %zu (%s %.*s) does not fit the object", i, step->op,
                              STR_ARG(step->path));
    }
    return copy;
}

static const struct {
    int code;
    const char *reason;
} reasons[] = {
    {400, "BadRequest"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "NotFound"},
    {405, "MethodNotAllowed"},
    {409, "Conflict"},
    {413, "RequestEntityTooLarge"},
    {415, "UnsupportedMediaType"},
    {422, "Invalid"},
    {429, "TooManyRequests"},
    {500, "InternalError"},
    {503, "ServiceUnavailable"},
    {504, "Timeout"},
};

const char *status_reason(int code)
{
    for (size_t i = 0; i < LENGTH_OF(reasons); i++)
        if (reasons[i].code == code)
            return reasons[i].reason;
    return code >= 500 ? "InternalError" : "BadRequest";
}

/* metav1.Status, as the API server itself answers a request that is no review. */
void admission_write_status(int code, const char *message, struct buf *out)
{
    buf_puts(out, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":");
    json_write_str(out, str_from(message));
    buf_printf(out, ",\"reason\":\"%s\",\"code\":%d}\n", status_reason(code), code);
}

/* k8s.io/apiserver pkg/warning and pkg/endpoints/filters/warning.go: when all
 * warnings together are longer than the total, each is cut, and what is still
 * over the total is dropped without a word. Counted in characters. */
enum { WARNINGS_TOTAL = 4096, WARNING_CUT = 256, CAUSES_LIMIT = 100, AUDIT_KEY_LIMIT = 63 };

static bool starts_character(char byte)
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

static size_t warning_characters(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += starts_character(text.ptr[i]);
    return count;
}

/* The first `count` characters of a text. */
static struct str first_characters(struct str text, size_t count)
{
    for (size_t i = 0; i < text.len; i++)
        if (starts_character(text.ptr[i]) && count-- == 0)
            return str_slice(text, 0, i);
    return text;
}

static void write_warnings(const struct strlist *warnings, struct buf *out)
{
    size_t total = 0, written = 0;
    for (size_t i = 0; i < warnings->len; i++)
        total += warnings->items[i].len;
    if (total > WARNINGS_TOTAL) { /* in bytes: only then they need to be counted */
        total = 0;
        for (size_t i = 0; i < warnings->len; i++)
            total += warning_characters(warnings->items[i]);
    }
    buf_puts(out, ",\"warnings\":[");
    for (size_t i = 0; i < warnings->len; i++) {
        struct str text = warnings->items[i];
        if (total > WARNINGS_TOTAL) {
            text = first_characters(text, WARNING_CUT);
            written += warning_characters(text);
        }
        /* Leaves room to say how much is missing. */
        if (total > WARNINGS_TOTAL && written > WARNINGS_TOTAL - 64 && i + 1 < warnings->len) {
            buf_printf(out, "%s\"%zu more warnings omitted\"", i ? "," : "", warnings->len - i);
            break;
        }
        if (i)
            buf_putc(out, ',');
        json_write_str(out, text);
    }
    buf_putc(out, ']');
}

/* The name part of a qualified name; the API server puts the webhook's name and a slash before
 * it. What may not stand there is replaced, and never refuses the answer. */
static void write_audit_key(struct str key, struct buf *out)
{
    char safe[AUDIT_KEY_LIMIT];
    key = str_slice(key, 0, sizeof safe);
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool inside = i > 0 && i + 1 < key.len && (c == '-' || c == '.' || c == '_');
        safe[i] = alphanumeric || inside ? c : (i > 0 && i + 1 < key.len ? '-' : 'x');
    }
    buf_putc(out, '"');
    buf_add(out, (struct str){safe, key.len});
    buf_putc(out, '"');
}

static void write_member(const char *name, struct str text, bool *first, struct buf *out)
{
    if (!text.len)
        return;
    buf_printf(out, "%s\"%s\":", *first ? "" : ",", name);
    json_write_str(out, text);
    *first = false;
}

/* The status that the client of the API server gets: kubectl prints causes as a list, and waits
 * retryAfterSeconds before it tries again. */
static void answer_write_failure(const struct review *review, struct buf *out)
{
    const struct decision *decision = &review->decision;
    struct str message = decision_message(decision);
    const char *reason = decision->reason ? decision->reason : status_reason(decision->code);
    int code = decision->code;
    if (arena_failed(decision->arena)) { /* what was put together may lack a part */
        code = code >= 500 ? code : 500;
        reason = status_reason(code);
        message = decision->code >= 500 && decision->message.len
                      ? decision->message
                      : STR("denied; out of memory while writing the reason: retry");
    }
    buf_puts(out, ",\"status\":{\"metadata\":{},\"status\":\"Failure\",\"message\":");
    json_write_str(out, message);
    buf_printf(out, ",\"reason\":\"%s\"", reason);
    const struct request *request = &review->request;
    bool first = true;
    buf_puts(out, ",\"details\":{");
    /* For Invalid with a name or kind kubectl prints the causes and drops the message (pkg/cmd/util checkErr). */
    if (decision->code != 422 || decision->causes.len) {
        write_member("name", request->name, &first, out);
        write_member("group", api_version_group(request->api_version, NULL), &first, out);
        write_member("kind", request->kind, &first, out);
    }
    for (size_t i = 0; i < decision->causes.len && i < CAUSES_LIMIT; i++) {
        bool first_member = true;
        buf_puts(out, i ? ",{" : (first ? "\"causes\":[{" : ",\"causes\":[{"));
        write_member("reason", str_from(field_error_reason(decision->causes.items[i].error)), &first_member, out);
        write_member("message", decision->causes.items[i].message, &first_member, out);
        write_member("field", decision->causes.items[i].field, &first_member, out);
        buf_putc(out, '}');
    }
    if (decision->causes.len)
        buf_putc(out, ']');
    if (decision->retry_after > 0)
        buf_printf(out, "%s\"retryAfterSeconds\":%lld", first && !decision->causes.len ? "" : ",",
                   (long long)decision->retry_after);
    buf_putc(out, '}');
    buf_printf(out, ",\"code\":%d}", code);
}

static void write_patch(const struct decision *decision, struct buf *out)
{
    BUF_SCOPED patch;
    buf_init(&patch, out->limit);
    /* The patch as the JSON text of RFC 6902. */
    buf_putc(&patch, '[');
    for (size_t i = 0; i < decision->patch.len; i++) {
        const struct patch_step *step = &decision->patch.items[i];
        buf_puts(&patch, i ? ",{\"op\":\"" : "{\"op\":\"");
        buf_puts(&patch, step->op);
        buf_puts(&patch, "\",\"path\":");
        json_write_str(&patch, step->path);
        if (strcmp(step->op, "remove") != 0) {
            buf_puts(&patch, ",\"value\":");
            json_write_tree(&patch, step->value);
        }
        buf_putc(&patch, '}');
    }
    buf_putc(&patch, ']');
    if (patch.failed)
        out->failed = true;
    buf_puts(out, ",\"patch\":\"");
    base64_write(buf_str(&patch), out);
    buf_puts(out, "\",\"patchType\":\"JSONPatch\"");
}

/* Keys in the order of the API's own types. A patch goes with an allowed answer only, warnings
 * and annotations with either. */
void admission_write(const struct review *review, struct buf *out)
{
    const struct decision *decision = &review->decision;
    buf_puts(out, "{\"kind\":\"AdmissionReview\",\"apiVersion\":");
    json_write_str(out, review->api_version);
    buf_puts(out, ",\"response\":{\"uid\":");
    json_write_str(out, review->request.uid);
    buf_puts(out, decision->denied ? ",\"allowed\":false" : ",\"allowed\":true");
    if (decision->denied)
        answer_write_failure(review, out);
    else if (decision->patch.len)
        write_patch(decision, out);
    if (decision->audit.len) {
        bool first = true;
        buf_puts(out, ",\"auditAnnotations\":{");
        for (size_t i = 0; i < decision->audit.len; i++) {
            const struct audit_annotation *annotation = &decision->audit.items[i];
            if (!annotation->key.len)
                continue;
            if (!first)
                buf_putc(out, ',');
            first = false;
            write_audit_key(annotation->key, out);
            buf_putc(out, ':');
            json_write_str(out, annotation->value);
        }
        buf_putc(out, '}');
    }
    if (decision->warnings.len)
        write_warnings(&decision->warnings, out);
    buf_puts(out, "}}\n");
}
