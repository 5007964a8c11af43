/* A decision as it is filled: causes with Kubernetes' prefixes and reasons, warnings (one line
 * each, within the API server's limit), patch and effects. Where the writer is Velero itself,
 * denials become warnings here, once for all.
 *
 * Of several denials the one with the highest rank gives code and reason; causes of all are
 * kept. A policy never looks at what another check has decided: it adds what it found. */
#include "backstop/policy.h"

#include <string.h>

/* Kubernetes cuts warnings at 256 bytes when there are many: ours stay below. */
enum { WARNING_LIMIT = 255, MESSAGE_LIMIT = 64 * 1024, RANK_FOR_GOOD = 4 };

static const struct {
    const char *reason;
    int code;
    int rank; /* of several denials, the one whose code is answered */
} denials[] = {
    /* Asking again later does not help while the object itself is refused, so a
     * denial for good outranks a "not yet"; kubectl prints the whole message for
     * Forbidden but only the causes for Invalid. */
    {"TooManyRequests", 429, 1},     {"ServiceUnavailable", 503, 2}, {"InternalError", 500, 3},
    {"Invalid", 422, RANK_FOR_GOOD}, {"Forbidden", 403, 5},
};

static int rank_of(int code)
{
    for (size_t i = 0; i < LENGTH_OF(denials); i++)
        if (denials[i].code == code)
            return denials[i].rank;
    return 0;
}

static const char *reason_of(int code)
{
    for (size_t i = 0; i < LENGTH_OF(denials); i++)
        if (denials[i].code == code)
            return denials[i].reason;
    return "InternalError";
}

void decision_init(struct decision *decision, struct arena *arena)
{
    memset(decision, 0, sizeof(*decision));
    decision->arena = arena;
}

#define LIST_ADD(decision, list, ...)                                                                                  \
    do {                                                                                                               \
        if (ARENA_ROOM((decision)->arena, &(list)))                                                                    \
            (list).items[(list).len++] = (__VA_ARGS__);                                                                \
    } while (0)

/* One line, cut between characters: a newline in a Warning header is dropped
 * with all that follows it. What misleads is escaped, where nobody has quoted it before. */
static struct str one_line(struct arena *arena, struct str text, size_t limit)
{
    char *line = arena_alloc(arena, text.len + 1);
    if (!line)
        return (struct str){NULL, 0};
    for (size_t i = 0; i < text.len; i++)
        line[i] = (unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7F ? ' ' : text.ptr[i];
    text = arena_printable(arena, (struct str){line, text.len}, false);
    if (text.len <= limit)
        return text;
    return arena_printf(arena, "%.*s...", STR_ARG(str_utf8_head(text, limit - 3)));
}

/* A warning that is there already is not repeated: several checks may find the same. */
static struct str warn_text(struct decision *decision, struct str text)
{
    struct str line = one_line(decision->arena, text, WARNING_LIMIT);
    if (line.len && !strlist_has(&decision->warnings, line))
        strlist_add(decision->arena, &decision->warnings, line);
    return line;
}

static void caution_text(struct decision *decision, struct str text)
{
    struct str line = warn_text(decision, text);
    if (line.len && !strlist_has(&decision->cautions, line))
        strlist_add(decision->arena, &decision->cautions, line);
}

/* Records that the request is denied with this code; false when the denial is
 * only to be reported, or says less than one recorded before. */
static bool decision_deny(struct decision *decision, int code, struct str field, struct str message)
{
    if (decision->lenient) {
        struct str why =
            arena_printf(decision->arena, "%.*s%s%.*s", STR_ARG(field), field.len ? ": " : "", STR_ARG(message));
        warn_text(decision, arena_printf(decision->arena, "would be denied if a user asked: %.*s", STR_ARG(why)));
        decision_audit(decision, AUDIT_WOULD_DENY, "%.*s", STR_ARG(why));
        return false;
    }
    int rank = rank_of(code), before = rank_of(decision->code);
    if (rank < RANK_FOR_GOOD && before >= rank)
        return false;
    if (rank >= RANK_FOR_GOOD && before < RANK_FOR_GOOD) {
        decision->message = (struct str){NULL, 0};
        decision->retry_after = 0;
    }
    decision->denied = true;
    decision->waits = false; /* set again by who denies only for now */
    if (rank > before) {
        decision->code = code;
        decision->reason = reason_of(code);
    }
    return true;
}

static const struct {
    const char *prefix, *reason;
} field_errors[] = {
    [FIELD_INVALID] = {"Invalid value", "FieldValueInvalid"},
    [FIELD_TYPE_INVALID] = {"Invalid value", "FieldValueTypeInvalid"},
    [FIELD_REQUIRED] = {"Required value", "FieldValueRequired"},
    [FIELD_NOT_SUPPORTED] = {"Unsupported value", "FieldValueNotSupported"},
    [FIELD_NOT_FOUND] = {"Not found", "FieldValueNotFound"},
    [FIELD_FORBIDDEN] = {"Forbidden", "FieldValueForbidden"},
    [FIELD_DUPLICATE] = {"Duplicate value", "FieldValueDuplicate"},
    [FIELD_TOO_LONG] = {"Too long", "FieldValueTooLong"},
    [FIELD_TOO_MANY] = {"Too many", "FieldValueTooMany"},
};

const char *field_error_reason(enum field_error error)
{
    return field_errors[error].reason;
}

/* `message` has its prefix. The message goes through one_line with MESSAGE_LIMIT: a cause is no
 * Warning header, so it may be long, but not without end. */
static void add_cause(struct decision *decision, enum field_error error, const char *field, struct str message)
{
    /* Keys are part of a field's path, and a user chooses some of them. */
    struct str name = arena_printable(decision->arena, arena_copy(decision->arena, str_from(field)), false);
    message = one_line(decision->arena, message, MESSAGE_LIMIT);
    if (decision_deny(decision, 422, name, message))
        LIST_ADD(decision, decision->causes, (struct cause){error, name, message});
}

void decision_field_error(struct decision *decision, enum field_error error, const char *field, const char *format, ...)
{
    ARENA_FORMAT(message, decision->arena, format);
    add_cause(decision, error, field,
              arena_printf(decision->arena, "%s: %.*s", field_errors[error].prefix, STR_ARG(message)));
}

/* A prefix that is not one of the table is a part of the text. */
void decision_field_text(struct decision *decision, const char *field, struct str text)
{
    struct str prefix, rest = text;
    str_cut(&rest, ':', &prefix);
    enum field_error error = FIELD_INVALID;
    for (size_t i = 0; i < LENGTH_OF(field_errors); i++)
        if (i != FIELD_TYPE_INVALID && str_is(prefix, field_errors[i].prefix))
            error = (enum field_error)i;
    add_cause(decision, error, field, text);
}

void decision_judge(struct decision *decision, enum verdict verdict, enum field_error error, const char *field,
                    const char *format, ...)
{
    if (verdict == VERDICT_ALLOW)
        return;
    ARENA_FORMAT(message, decision->arena, format);
    if (verdict == VERDICT_DENY)
        decision_field_error(decision, error, field, "%.*s", STR_ARG(message));
    else /* what a setting has made of a denial */
        caution_text(decision, arena_printf(decision->arena, "%s: %.*s", field, STR_ARG(message)));
}

void decision_forbid(struct decision *decision, const char *format, ...)
{
    ARENA_FORMAT(message, decision->arena, format);
    if (!decision_deny(decision, 403, (struct str){NULL, 0}, message))
        return;
    decision->message = decision->message.len
                            ? arena_printf(decision->arena, "%.*s; %.*s", STR_ARG(decision->message), STR_ARG(message))
                            : message;
}

/* The first one of a rank stays; one of a higher rank takes its place. */
void decision_wait(struct decision *decision, int code, int64_t retry_after, const char *format, ...)
{
    ARENA_FORMAT(message, decision->arena, format);
    if (!decision_deny(decision, code, (struct str){NULL, 0}, message))
        return;
    decision->message = message;
    decision->waits = code == 429;
    decision->retry_after = retry_after;
}

void decision_warn(struct decision *decision, const char *format, ...)
{
    ARENA_FORMAT(text, decision->arena, format);
    warn_text(decision, text);
}

void decision_caution(struct decision *decision, const char *format, ...)
{
    ARENA_FORMAT(text, decision->arena, format);
    caution_text(decision, text);
}

void decision_unchecked(struct decision *decision, enum fact missing, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str text = one_line(decision->arena, arena_vprintf(decision->arena, format, args), WARNING_LIMIT);
    va_end(args);
    warn_text(decision, text);
    strlist_add(decision->arena, &decision->unchecked, text);
    decision->missing[missing] = true;
}

void decision_patch(struct decision *decision, const char *op, const char *path, struct json_object *value)
{
    LIST_ADD(decision, decision->patch, (struct patch_step){op, arena_copy(decision->arena, str_from(path)), value});
}

/* A key that is set again takes the new value: an answer has a map of them. */
void decision_audit(struct decision *decision, const char *key, const char *format, ...)
{
    ARENA_FORMAT(value, decision->arena, format);
    for (size_t i = 0; i < decision->audit.len; i++)
        if (str_is(decision->audit.items[i].key, key)) {
            decision->audit.items[i].value = value;
            return;
        }
    LIST_ADD(decision, decision->audit, (struct audit_annotation){arena_copy(decision->arena, str_from(key)), value});
}

void decision_create(struct decision *decision, struct json_object *object, struct str what)
{
    LIST_ADD(decision, decision->effects, (struct effect){object, what});
}

/* "a" for one, "[a, b]" for several, each once: as utilerrors.Aggregate joins. */
struct str decision_message(const struct decision *decision)
{
    struct arena *arena = decision->arena;
    struct strlist parts = {0};
    if (decision->message.len)
        strlist_add(arena, &parts, decision->message);
    for (size_t i = 0; i < decision->causes.len; i++) {
        const struct cause *cause = &decision->causes.items[i];
        struct str part = cause->field.len
                              ? arena_printf(arena, "%.*s: %.*s", STR_ARG(cause->field), STR_ARG(cause->message))
                              : cause->message;
        if (!strlist_has(&parts, part))
            strlist_add(arena, &parts, part);
    }
    if (parts.len == 0)
        return (struct str){NULL, 0};
    BUF_SCOPED joined;
    buf_init(&joined, MESSAGE_LIMIT);
    if (parts.len > 1)
        buf_putc(&joined, '[');
    for (size_t i = 0; i < parts.len; i++) {
        if (i)
            buf_puts(&joined, ", ");
        buf_add(&joined, parts.items[i]);
    }
    if (parts.len > 1)
        buf_putc(&joined, ']');
    return one_line(arena, arena_text(arena, &joined), MESSAGE_LIMIT);
}

/* For a request that will not be stored (denied, or a dry run of the gate): "added ..." would be
 * untrue. */
void decision_forget_changes(struct decision *decision)
{
    size_t kept = 0;
    for (size_t i = 0; i < decision->warnings.len; i++)
        if (!strlist_has(&decision->told, decision->warnings.items[i]))
            decision->warnings.items[kept++] = decision->warnings.items[i];
    decision->warnings.len = kept;
    kept = 0;
    for (size_t i = 0; i < decision->audit.len; i++)
        if (!str_is(decision->audit.items[i].key, "excluded-resources"))
            decision->audit.items[kept++] = decision->audit.items[i];
    decision->audit.len = kept;
    decision->told.len = decision->patch.len = 0;
}
