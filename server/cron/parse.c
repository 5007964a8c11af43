/* From a schedule's text to struct cron_schedule: the time zone at its front, the "@" names, the
 * five fields, in the order in which each library looks at them. What goes wrong is a struct
 * fault, plain data, from which both the library's own text (upstream.c) and the advice for
 * people (advice/) are made. Nothing here allocates. */
#include <string.h>

#include "cron/spec.h"

/* ---- splitting --------------------------------------------------------------- */

static bool is_wide_space(unsigned rune)
{
    static const unsigned others[] = {0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000};
    for (size_t i = 0; i < LENGTH_OF(others); i++)
        if (rune == others[i])
            return true;
    return rune >= 0x2000 && rune <= 0x200a;
}

/* unicode.IsSpace: in ASCII, and the few characters beyond it. A lead byte never
 * stands inside another character, so that a bytewise scan finds what decoding
 * would find. */
size_t spec_space(struct str text)
{
    if (text.len == 0)
        return 0;
    const unsigned char *c = (const unsigned char *)text.ptr;
    if (c[0] < 0x80)
        return c[0] == ' ' || (c[0] >= '\t' && c[0] <= '\r');
    if (c[0] == 0xc2)
        return text.len >= 2 && (c[1] == 0x85 || c[1] == 0xa0) ? 2 : 0; /* U+0085, U+00A0 */
    if (c[0] < 0xe1 || c[0] > 0xe3 || text.len < 3 || c[1] >> 6 != 2 || c[2] >> 6 != 2)
        return 0;
    return is_wide_space((c[0] & 0x0fU) << 12 | (c[1] & 0x3fU) << 6 | (c[2] & 0x3fU)) ? 3 : 0;
}

static struct str trim_start(struct str text)
{
    size_t length;
    while ((length = spec_space(text)) > 0)
        text = str_slice(text, length, text.len);
    return text;
}

/* strings.Fields: any Unicode white space divides, so a no-break space from a web page does,
 * too. */
bool spec_next_field(struct str *text, struct str *field)
{
    struct str rest = trim_start(*text);
    size_t length = 0;
    while (length < rest.len && spec_space((struct str){rest.ptr + length, rest.len - length}) == 0)
        length++;
    *field = str_slice(rest, 0, length);
    *text = str_slice(rest, length, rest.len);
    return length > 0;
}

/* "Europe/Berlin" out of its quotes, where both are there and alike. */
static struct str zone_unquoted(struct str zone)
{
    if (zone.len < 2 || (zone.ptr[0] != '"' && zone.ptr[0] != '\'') || zone.ptr[zone.len - 1] != zone.ptr[0])
        return zone;
    return str_slice(zone, 1, zone.len - 1);
}

/* The prefix counts only at byte 0, with capitals. robfig/cron looks for the first space after
 * it and slices up to there; without a space its index is -1, and it panics. Only the zone's
 * rest is trimmed, by strings.TrimSpace; a schedule without a zone keeps its white space, which
 * is why "@daily " is an unknown descriptor. */
bool spec_split(enum cron_dialect dialect, struct str spec, struct spec_parts *parts)
{
    struct str zone = {NULL, 0}, body = spec, prefix = {NULL, 0};
    if (str_starts(spec, STR("TZ=")))
        prefix = STR("TZ=");
    else if (str_starts(spec, STR("CRON_TZ=")))
        prefix = STR("CRON_TZ=");
    parts->has_zone = prefix.len > 0;
    parts->field_count = 0;
    if (parts->has_zone) {
        body = str_slice(spec, prefix.len, spec.len);
        str_cut(&body, ' ', &zone); /* only U+0020 ends the zone */
        if (!body.ptr)
            return false;
        struct str text = trim_start(body);
        for (bool trimmed = true; trimmed;) {
            trimmed = false;
            for (size_t length = 1; length <= 3 && length <= text.len; length++) {
                struct str tail = str_slice(text, text.len - length, text.len);
                if (spec_space(tail) == length) {
                    text.len -= length;
                    trimmed = true;
                    break;
                }
            }
        }
        body = text;
    }
    parts->zone = spec_dialects[dialect].zone_checked ? zone_unquoted(zone) : zone;
    parts->body = body;
    if (body.len && body.ptr[0] == '@')
        return true;
    for (struct str field; spec_next_field(&body, &field); parts->field_count++)
        if (parts->field_count < FIELD_COUNT)
            parts->fields[parts->field_count] = field;
    return true;
}

/* ---- descriptors --------------------------------------------------------------- */

#define ALL(bits) (((UINT64_C(1) << (bits)) - 1) | CRON_STAR)
#define ALL_HOURS ALL(24)
#define ALL_DAYS (ALL(32) & ~UINT64_C(1))
#define ALL_MONTHS (ALL(13) & ~UINT64_C(1))
#define ALL_WEEKDAYS ALL(7)

static const struct {
    struct str name;
    uint64_t hour, day_of_month, month, day_of_week;
} descriptors[] = {
    {STR_INIT("@yearly"), 1, 2, 2, ALL_WEEKDAYS},
    {STR_INIT("@annually"), 1, 2, 2, ALL_WEEKDAYS},
    {STR_INIT("@monthly"), 1, 2, ALL_MONTHS, ALL_WEEKDAYS},
    {STR_INIT("@weekly"), 1, ALL_DAYS, ALL_MONTHS, 1},
    {STR_INIT("@daily"), 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    {STR_INIT("@midnight"), 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
    {STR_INIT("@hourly"), ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS},
};

static bool spec_fail(struct fault *fault, enum fault_kind kind, struct str value)
{
    fault->kind = kind;
    fault->value = value;
    return false;
}

/* cron.Every: fractions of a second are dropped; robfig/cron makes at least a second of it. */
static bool every_parse(struct str text, struct cron_schedule *schedule, struct fault *fault)
{
    int64_t nanoseconds;
    if (!duration_parse(text, &nanoseconds, &fault->inner))
        return spec_fail(fault, FAULT_DURATION, text);
    const int64_t least = spec_dialects[schedule->dialect].every_least;
    if (least && nanoseconds < least)
        return spec_fail(fault, FAULT_EVERY_TOO_SHORT, text);
    int64_t seconds = nanoseconds / NS_PER_SECOND;
    schedule->every_seconds = seconds < 1 ? 1 : seconds;
    return true;
}

static bool is_trigger(struct str text)
{
    return str_is(text, "@triggered") || str_is(text, "@manual") || str_is(text, "@none");
}

/* Exact and in lower case. The bits are those of the equivalent five fields, with the star bit
 * where those have "*". */
static bool descriptor_parse(struct str text, struct cron_schedule *schedule, struct fault *fault)
{
    for (size_t i = 0; i < LENGTH_OF(descriptors); i++) {
        if (!str_eq(text, descriptors[i].name))
            continue;
        schedule->minute = 1;
        schedule->hour = descriptors[i].hour;
        schedule->day_of_month = descriptors[i].day_of_month;
        schedule->month = descriptors[i].month;
        schedule->day_of_week = descriptors[i].day_of_week;
        return true;
    }
    if (spec_dialects[schedule->dialect].triggers && is_trigger(text)) {
        schedule->triggered = true;
        return true;
    }
    if (str_starts(text, STR("@every ")))
        return every_parse(str_slice(text, sizeof "@every " - 1, text.len), schedule, fault);
    return spec_fail(fault, FAULT_DESCRIPTOR, text);
}

/* ---- the whole ------------------------------------------------------------------ */

static bool is_zone_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
           c == '-' || c == '+' || c == ':';
}

/* go-cron's validateTimezone. It looks at the characters before anybody looks for the zone: a
 * mistake there is another error. */
static bool zone_check(struct str zone, struct fault *fault)
{
    enum { ZONE_MAX = 64 };
    size_t good = 0;
    while (good < zone.len && is_zone_character(zone.ptr[good]))
        good++;
    fault->number = zone.len > ZONE_MAX ? ZONE_MAX : (int64_t)good;
    return (zone.len > 0 && zone.len <= ZONE_MAX && good == zone.len) || spec_fail(fault, FAULT_ZONE_TEXT, zone);
}

static bool zone_parse(const struct spec_parts *parts, struct cron_schedule *schedule, struct fault *fault)
{
    bool checked = parts->has_zone && spec_dialects[schedule->dialect].zone_checked;
    if (checked && !zone_check(parts->zone, fault))
        return false;
    /* The libraries take TZ=Local as no zone at all: the one of the times it is given. */
    if (parts->has_zone && !str_is(parts->zone, "Local"))
        schedule->zone = cron_zone_find(parts->zone, &fault->inner);
    if (!schedule->zone)
        return spec_fail(fault, FAULT_ZONE, parts->zone);
    return !checked || parts->body.len > 0 || spec_fail(fault, FAULT_NOTHING_AFTER_ZONE, parts->body);
}

static bool foreign_fail(struct fault *fault, enum field_id id, struct str item, char foreign)
{
    fault->field = id;
    fault->range = item;
    fault->step = false;
    fault->foreign = foreign;
    return spec_fail(fault, FAULT_FOREIGN, item);
}

/* An item of a field that begins with, or holds, one of the characters. */
static bool foreign_find(struct str text, const char *characters, bool first_only, struct str *item)
{
    while (str_cut(&text, ',', item))
        for (size_t i = 0; i < item->len && !(first_only && i > 0); i++)
            if (item->ptr[i] && strchr(characters, item->ptr[i]))
                return true;
    return false;
}

/* One field, in go-cron not before a look for what its other parsers would read there. */
static bool one_field_parse(enum cron_dialect dialect, const struct spec_parts *parts, enum field_id id, uint64_t *bits,
                            struct fault *fault)
{
    struct str item;
    if (spec_dialects[dialect].foreign_words) {
        if (id == FIELD_DAY_OF_MONTH && foreign_find(parts->fields[id], "LlWw", false, &item))
            return foreign_fail(fault, id, item, 'L');
        if (id == FIELD_DAY_OF_WEEK && foreign_find(parts->fields[id], "#", false, &item))
            return foreign_fail(fault, id, item, '#');
    }
    return field_parse(dialect, parts->fields[id], id, bits, fault);
}

bool spec_parse(enum cron_dialect dialect, struct str spec, const struct cron_zone *controller_zone,
                struct cron_schedule *schedule, struct fault *fault)
{
    struct spec_parts parts;
    const size_t longest = spec_dialects[dialect].length_max;
    *schedule = (struct cron_schedule){.dialect = dialect, .zone = controller_zone};
    fault->range = (struct str){NULL, 0};
    if (spec.len == 0)
        return spec_fail(fault, FAULT_EMPTY, spec);
    if (longest && spec.len > longest) {
        fault->number = (int64_t)spec.len;
        return spec_fail(fault, FAULT_TOO_LONG, str_slice(spec, longest, spec.len));
    }
    if (!spec_split(dialect, spec, &parts))
        return spec_fail(fault, FAULT_NO_SPACE_AFTER_ZONE, str_slice(spec, spec.len, spec.len));
    schedule->zone_given = parts.has_zone;
    if (!zone_parse(&parts, schedule, fault))
        return false;
    if (parts.body.len && parts.body.ptr[0] == '@')
        return descriptor_parse(parts.body, schedule, fault);
    /* go-cron could read H, L, W and # if options were set; ParseStandard sets none, so they are
     * refused with a text that names the option. H is looked for in all fields first, since it is
     * expanded before the fields are parsed. */
    /* go-cron reads the months before the days. */
    static const enum field_id orders[2][FIELD_COUNT] = {
        {FIELD_MINUTE, FIELD_HOUR, FIELD_DAY_OF_MONTH, FIELD_MONTH, FIELD_DAY_OF_WEEK},
        {FIELD_MINUTE, FIELD_HOUR, FIELD_MONTH, FIELD_DAY_OF_MONTH, FIELD_DAY_OF_WEEK}};
    bool foreign = spec_dialects[schedule->dialect].foreign_words;
    uint64_t *const sets[FIELD_COUNT] = {&schedule->minute, &schedule->hour, &schedule->day_of_month, &schedule->month,
                                         &schedule->day_of_week};
    if (parts.field_count != FIELD_COUNT) {
        fault->number = (int64_t)parts.field_count;
        struct str body = parts.body, last;
        for (size_t i = 0; i < FIELD_COUNT && spec_next_field(&body, &last); i++)
            continue;
        spec_next_field(&body, &last);
        return spec_fail(fault, FAULT_FIELD_COUNT, last); /* the first one too many, or the end */
    }
    struct str item;
    for (enum field_id id = 0; foreign && id < FIELD_COUNT; id++)
        if (foreign_find(parts.fields[id], "H", true, &item))
            return foreign_fail(fault, id, item, 'H');
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (!one_field_parse(schedule->dialect, &parts, orders[foreign][i], sets[orders[foreign][i]], fault))
            return false;
    return true;
}

/* All texts in a fault are slices of the schedule, so the pointers' difference is the place. */
int64_t fault_position(struct str spec, const struct fault *fault)
{
    return fault->value.ptr && spec.ptr ? fault->value.ptr - spec.ptr : 0;
}
