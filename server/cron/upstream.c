/* The error that the library itself would log for a schedule, word by word: an admin who searches for it finds it. Held
 * against the real libraries by `make cron-diff`. */
#include "cron/spec.h"

/* What the libraries themselves say. robfig/cron shows a text as it is (%s), go-cron in quotes (%q). */
struct upstream {
    enum cron_dialect dialect;
    struct str spec;
    const struct fault *fault;
    struct buf *out;
};

/* A character that Go's Quote writes as it is. Of what lies beyond ASCII only white space and
 * controls are known here. */
static bool go_shows_character(struct str character)
{
    const unsigned char *c = (const unsigned char *)character.ptr;
    if (character.len == 1)
        return c[0] >= ' ' && c[0] < 0x7f;
    return !spec_space(character) && !(c[0] == 0xc2 && (c[1] < 0xa0 || c[1] == 0xad)) && !str_misleads(character);
}

static void quote_character(struct buf *out, struct str character, char mark)
{
    static const char escapes[] = "\aa\bb\ff\nn\rr\tt\vv\\\\";
    const char *escape = escapes;
    while (*escape && *escape != character.ptr[0])
        escape += 2;
    if (*escape)
        buf_printf(out, "\\%c", escape[1]);
    else if (character.ptr[0] == mark)
        buf_printf(out, "\\%c", mark);
    else if (go_shows_character(character))
        buf_add(out, character);
    else if (character.len == 1)
        buf_printf(out, "\\x%02x", (unsigned char)character.ptr[0]);
    else
        buf_printf(out, character.len < 4 ? "\\u%04x" : "\\U%08x", str_code_point(character));
}

/* strconv.Quote. */
static void upstream_quote(struct buf *out, struct str text)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < text.len && !out->failed;) {
        struct str rest = str_slice(text, i, text.len);
        size_t length = str_utf8_next(rest);
        if (length)
            quote_character(out, str_slice(rest, 0, length), '"');
        else
            buf_printf(out, "\\x%02x", (unsigned char)text.ptr[i]);
        i += length ? length : 1;
    }
    buf_putc(out, '"');
}

/* A long text is cut, as the error would cut it anyway. */
static struct str upstream_cut(struct str text)
{
    return str_slice(text, 0, sizeof((struct error *)NULL)->message);
}

/* The text as the library shows one. */
static void upstream_show(const struct upstream *upstream, struct str text)
{
    if (upstream->dialect == CRON_ROBFIG)
        buf_add(upstream->out, upstream_cut(text));
    else
        upstream_quote(upstream->out, upstream_cut(text));
}

/* "what: TEXT". */
static void upstream_say(const struct upstream *upstream, const char *what, struct str text)
{
    buf_puts(upstream->out, what);
    upstream_show(upstream, text);
}

/* "what TEXT: what Go says". */
static void upstream_wrap(const struct upstream *upstream, const char *what, struct str text)
{
    upstream_say(upstream, what, text);
    buf_printf(upstream->out, ": %s", upstream->fault->inner.message);
}

static void upstream_count(const struct upstream *upstream)
{
    struct spec_parts parts;
    struct str field;
    spec_split(upstream->dialect, upstream->spec, &parts);
    buf_printf(upstream->out, "expected exactly %d fields, found %lld: [", (int)FIELD_COUNT,
               (long long)upstream->fault->number);
    for (const char *before = ""; spec_next_field(&parts.body, &field) && !upstream->out->failed; before = " ") {
        buf_puts(upstream->out, before);
        buf_add(upstream->out, field);
    }
    buf_putc(upstream->out, ']');
}

/* strconv.Atoi's *NumError inside the library's own error. */
static void upstream_number(const struct upstream *upstream)
{
    upstream_say(upstream, "failed to parse int from ", upstream->fault->value);
    buf_puts(upstream->out, ": strconv.Atoi: parsing ");
    upstream_quote(upstream->out, upstream_cut(upstream->fault->value));
    buf_puts(upstream->out, upstream->fault->kind == FAULT_NOT_A_NUMBER ? ": invalid syntax" : ": value out of range");
}

static void upstream_bounds(const struct upstream *upstream)
{
    const struct fault *fault = upstream->fault;
    const struct field *field = spec_field(upstream->dialect, fault->field);
    long long start = (long long)fault->start, end = (long long)fault->end;
    if (fault->kind == FAULT_BELOW)
        buf_printf(upstream->out, "beginning of range (%lld) below minimum (%d): ", start, field->min);
    else if (fault->kind == FAULT_ABOVE)
        buf_printf(upstream->out, "end of range (%lld) above maximum (%d): ", end, field->max);
    else
        buf_printf(upstream->out, "beginning of range (%lld) beyond end of range (%lld): ", start, end);
    upstream_show(upstream, fault->range);
}

/* go-cron names the range without its step. */
static void upstream_hyphens(const struct upstream *upstream)
{
    struct str range = upstream->fault->range, ends = range;
    if (upstream->dialect != CRON_ROBFIG)
        str_cut(&range, '/', &ends);
    upstream_say(upstream, "too many hyphens: ", ends);
}

static void upstream_step(const struct upstream *upstream)
{
    const struct fault *fault = upstream->fault;
    if (fault->kind == FAULT_STEP_TOO_LARGE)
        buf_printf(upstream->out, "step (%lld) must be less than range size (%llu): ", (long long)fault->number,
                   (unsigned long long)fault->size);
    else
        buf_puts(upstream->out, upstream->dialect == CRON_ROBFIG ? "step of range should be a positive number: "
                                                                 : "step of range must be a positive number: ");
    upstream_show(upstream, fault->range);
}

static void upstream_foreign(const struct upstream *upstream)
{
    switch (upstream->fault->foreign) {
    case 'H':
        buf_puts(upstream->out, "h expressions require hash option to be enabled");
        return;
    case '#':
        buf_puts(upstream->out, "#n/#L syntax requires DowNth or DowLast option to be enabled");
        return;
    default:
        buf_puts(upstream->out, "extended day-of-month syntax requires DomL option (for L, L-n) or DomW option (for "
                                "nW, LW) to be enabled");
    }
}

static void upstream_zone_text(const struct upstream *upstream)
{
    enum { ZONE_MAX = 64 };
    const struct fault *fault = upstream->fault;
    struct buf *out = upstream->out;
    upstream_say(upstream, "invalid timezone ", fault->value);
    if (fault->value.len == 0) {
        buf_puts(out, ": empty timezone string");
        return;
    }
    if (fault->value.len > ZONE_MAX) {
        buf_printf(out, ": timezone string too long (max %d chars)", (int)ZONE_MAX);
        return;
    }
    struct str rest = str_slice(fault->value, (size_t)fault->number, fault->value.len);
    size_t length = str_utf8_next(rest);
    buf_puts(out, ": invalid character '");
    quote_character(out, length ? str_slice(rest, 0, length) : STR("\xef\xbf\xbd"), '\'');
    buf_printf(out, "' at position %lld in timezone", (long long)fault->number);
}

static void upstream_zone(const struct upstream *upstream)
{
    const struct fault *fault = upstream->fault;
    struct spec_parts parts;
    bool robfig = upstream->dialect == CRON_ROBFIG, split = spec_split(upstream->dialect, upstream->spec, &parts);
    if (fault->kind == FAULT_ZONE_TEXT)
        upstream_zone_text(upstream);
    else if (fault->kind == FAULT_ZONE)
        upstream_wrap(upstream, robfig ? "provided bad location " : "unknown time zone ", fault->value);
    else if (robfig)
        buf_puts(upstream->out, "panic: runtime error: slice bounds out of range [:-1]");
    else if (split)
        upstream_say(upstream, "missing fields after timezone ", parts.zone);
    else
        upstream_say(upstream, "missing fields after timezone in spec ", upstream->spec);
}

/* go-cron names the whole descriptor, robfig/cron too where the duration does not parse. */
static void upstream_every(const struct upstream *upstream)
{
    struct spec_parts parts;
    spec_split(upstream->dialect, upstream->spec, &parts);
    if (upstream->fault->kind == FAULT_DURATION)
        upstream_wrap(upstream, "failed to parse duration ", parts.body);
    else
        upstream_say(upstream, "@every duration must be at least 1s: ", parts.body);
}

/* One case for each kind of fault, without a default: a new kind fails to compile here until it
 * has its text. */
static void upstream_write(const struct upstream *upstream)
{
    const struct fault *fault = upstream->fault;
    switch (fault->kind) {
    case FAULT_EMPTY:
        buf_puts(upstream->out, "empty spec string");
        return;
    case FAULT_TOO_LONG:
        buf_printf(upstream->out, "spec too long: %lld > %zu", (long long)fault->number,
                   spec_dialects[upstream->dialect].length_max);
        return;
    case FAULT_NO_SPACE_AFTER_ZONE:
    case FAULT_NOTHING_AFTER_ZONE:
    case FAULT_ZONE_TEXT:
    case FAULT_ZONE:
        upstream_zone(upstream);
        return;
    case FAULT_DURATION:
    case FAULT_EVERY_TOO_SHORT:
        upstream_every(upstream);
        return;
    case FAULT_DESCRIPTOR:
        upstream_say(upstream, "unrecognized descriptor: ", fault->value);
        return;
    case FAULT_FIELD_COUNT:
        upstream_count(upstream);
        return;
    case FAULT_NOT_A_NUMBER:
    case FAULT_NUMBER_TOO_LARGE:
        upstream_number(upstream);
        return;
    case FAULT_NEGATIVE:
        buf_printf(upstream->out, "negative number (%lld) not allowed: ", (long long)fault->number);
        upstream_show(upstream, fault->value);
        return;
    case FAULT_HYPHENS:
        upstream_hyphens(upstream);
        return;
    case FAULT_SLASHES:
        upstream_say(upstream, "too many slashes: ", fault->range);
        return;
    case FAULT_BELOW:
    case FAULT_ABOVE:
    case FAULT_BACKWARDS:
        upstream_bounds(upstream);
        return;
    case FAULT_STEP_ZERO:
    case FAULT_STEP_TOO_LARGE:
        upstream_step(upstream);
        return;
    case FAULT_FOREIGN:
        upstream_foreign(upstream);
        return;
    }
}

bool cron_upstream_error(enum cron_dialect dialect, struct str spec, struct error *error)
{
    struct cron_schedule schedule;
    struct fault fault;
    if (spec_parse(dialect, spec, cron_zone_utc(), &schedule, &fault))
        return false;
    BUF_SCOPED text;
    buf_init(&text, 16 * sizeof error->message);
    upstream_write(&(struct upstream){dialect, spec, &fault, &text});
    error_at(error, 422, fault_position(spec, &fault), "%.*s", STR_ARG(buf_str(&text)));
    return true;
}
