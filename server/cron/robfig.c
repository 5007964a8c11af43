#include "spec.h"

/* strconv.Quote, near enough: what is not printable ASCII or valid UTF-8 is escaped. */
static void quote(struct buf *out, struct str text)
{
    static const char escapes[] = "\aa\bb\ff\nn\rr\tt\vv\\\\\"\"";
    buf_putc(out, '"');
    for (size_t i = 0; i < text.len && !out->failed;) {
        size_t length = str_utf8_next(str_slice(text, i, text.len));
        unsigned char c = (unsigned char)text.ptr[i];
        const char *escape = escapes;
        while (*escape && (unsigned char)*escape != c)
            escape += 2;
        if (length > 1)
            buf_add(out, str_slice(text, i, i + length));
        else if (*escape)
            buf_printf(out, "\\%c", escape[1]);
        else if (c < ' ' || c >= 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_putc(out, (char)c);
        i += length ? length : 1;
    }
    buf_putc(out, '"');
}

static void fields_list(struct buf *out, struct str body)
{
    struct str field;
    for (const char *before = "["; spec_next_field(&body, &field) && !out->failed; before = " ") {
        buf_puts(out, before);
        buf_add(out, field);
    }
}

/* A long text is cut, as the error would cut it anyway. */
static struct str head(struct str text)
{
    return str_slice(text, 0, sizeof((struct error *)NULL)->message);
}

static void say_count(struct buf *out, struct str spec, const struct fault *fault)
{
    struct spec_parts parts;
    spec_split(spec, &parts);
    buf_printf(out, "expected exactly %d fields, found %lld: ", (int)FIELD_COUNT, (long long)fault->number);
    if (fault->number == 0)
        buf_putc(out, '[');
    fields_list(out, parts.body);
    buf_putc(out, ']');
}

static void say_number(struct buf *out, const struct fault *fault)
{
    buf_puts(out, "failed to parse int from ");
    buf_add(out, head(fault->value));
    buf_puts(out, ": strconv.Atoi: parsing ");
    quote(out, head(fault->value));
    buf_puts(out, fault->kind == FAULT_NOT_A_NUMBER ? ": invalid syntax" : ": value out of range");
}

static void say_bounds(struct buf *out, const struct fault *fault)
{
    const struct field *field = &spec_fields[fault->field];
    long long start = (long long)fault->start, end = (long long)fault->end;
    if (fault->kind == FAULT_BELOW)
        buf_printf(out, "beginning of range (%lld) below minimum (%d): ", start, field->min);
    else if (fault->kind == FAULT_ABOVE)
        buf_printf(out, "end of range (%lld) above maximum (%d): ", end, field->max);
    else
        buf_printf(out, "beginning of range (%lld) beyond end of range (%lld): ", start, end);
    buf_add(out, head(fault->range));
}

/* "what VALUE: what Go says". */
static void say_inner(struct buf *out, const char *what, struct str value, const struct fault *fault)
{
    buf_puts(out, what);
    buf_add(out, head(value));
    buf_printf(out, ": %s", fault->inner.message);
}

static void say(struct buf *out, struct str spec, const struct fault *fault)
{
    struct spec_parts parts;
    switch (fault->kind) {
    case FAULT_EMPTY:
        buf_puts(out, "empty spec string");
        return;
    case FAULT_NO_SPACE_AFTER_ZONE:
        buf_puts(out, "panic: runtime error: slice bounds out of range [:-1]");
        return;
    case FAULT_ZONE:
        say_inner(out, "provided bad location ", fault->value, fault);
        return;
    case FAULT_DURATION:
        spec_split(spec, &parts);
        say_inner(out, "failed to parse duration ", parts.body, fault);
        return;
    case FAULT_DESCRIPTOR:
        buf_puts(out, "unrecognized descriptor: ");
        buf_add(out, head(fault->value));
        return;
    case FAULT_FIELD_COUNT:
        say_count(out, spec, fault);
        return;
    case FAULT_NOT_A_NUMBER:
    case FAULT_NUMBER_TOO_LARGE:
        say_number(out, fault);
        return;
    case FAULT_NEGATIVE:
        buf_printf(out, "negative number (%lld) not allowed: ", (long long)fault->number);
        buf_add(out, head(fault->value));
        return;
    case FAULT_HYPHENS:
        buf_puts(out, "too many hyphens: ");
        break;
    case FAULT_SLASHES:
        buf_puts(out, "too many slashes: ");
        break;
    case FAULT_BELOW:
    case FAULT_ABOVE:
    case FAULT_BACKWARDS:
        say_bounds(out, fault);
        return;
    case FAULT_STEP_ZERO:
        buf_puts(out, "step of range should be a positive number: ");
        break;
    }
    buf_add(out, head(fault->range));
}

bool cron_robfig_error(struct str spec, struct error *error)
{
    struct cron_schedule schedule;
    struct fault fault;
    if (spec_parse(spec, cron_zone_utc(), &schedule, &fault))
        return false;
    BUF_SCOPED text;
    buf_init(&text, 16 * sizeof error->message);
    say(&text, spec, &fault);
    error_at(error, 422, fault_position(spec, &fault), "%.*s", STR_ARG(buf_str(&text)));
    return true;
}
