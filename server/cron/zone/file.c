/* Time zone files (TZif, RFC 9636) and the POSIX rule at their end, decoded with the checks of
 * Go's time package and no more: a zone that Go reads must be read here, and one that it refuses
 * must be refused, since the controllers will do the same.
 *
 * ---- reading "CET-1CEST,M3.5.0,M10.5.0/3" (Go: tzset and its helpers) ---- */
#include <stdlib.h>
#include <string.h>

#include "cron/zone/zone.h"

static void rule_advance(struct str *text, size_t count)
{
    *text = str_slice(*text, count, text->len);
}

static bool rule_take(struct str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    rule_advance(text, 1);
    return true;
}

/* The limit is checked at each digit, so that no number overflows. */
static bool rule_take_number(struct str *text, int low, int high, int *out)
{
    size_t digits = 0;
    for (*out = 0; digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9'; digits++) {
        *out = *out * 10 + (text->ptr[digits] - '0');
        if (*out > high)
            return false;
    }
    rule_advance(text, digits);
    return digits > 0 && *out >= low;
}

static bool ends_name(char c)
{
    return (c >= '0' && c <= '9') || c == ',' || c == '-' || c == '+';
}

static bool take_name(struct str *text, struct str *name)
{
    size_t length = 0;
    if (rule_take(text, '<')) {
        while (length < text->len && text->ptr[length] != '>')
            length++;
        *name = str_slice(*text, 0, length);
        rule_advance(text, length);
        return rule_take(text, '>');
    }
    while (length < text->len && !ends_name(text->ptr[length]))
        length++;
    *name = str_slice(*text, 0, length);
    rule_advance(text, length);
    return length >= 3;
}

/* [+-]hours[:minutes[:seconds]]; up to a week, as tzdata uses and POSIX does not. */
static bool rule_take_offset(struct str *text, int *seconds)
{
    int hours, minutes = 0, rest = 0, sign = 1;
    if (rule_take(text, '-'))
        sign = -1;
    else
        rule_take(text, '+');
    if (!rule_take_number(text, 0, 24 * 7, &hours))
        return false;
    if (rule_take(text, ':')) {
        if (!rule_take_number(text, 0, 59, &minutes))
            return false;
        if (rule_take(text, ':') && !rule_take_number(text, 0, 59, &rest))
            return false;
    }
    *seconds = sign * (hours * SECONDS_PER_HOUR + minutes * SECONDS_PER_MINUTE + rest);
    return true;
}

static bool take_change(struct str *text, struct zone_change *change)
{
    *change = (struct zone_change){.time = 2 * SECONDS_PER_HOUR};
    bool read;
    if (rule_take(text, 'J')) {
        change->kind = CHANGE_JULIAN;
        read = rule_take_number(text, 1, 365, &change->day);
    } else if (rule_take(text, 'M')) {
        change->kind = CHANGE_MONTH_WEEK_DAY;
        read = rule_take_number(text, 1, 12, &change->month) && rule_take(text, '.') &&
               rule_take_number(text, 1, 5, &change->week) && rule_take(text, '.') &&
               rule_take_number(text, 0, 6, &change->day);
    } else {
        change->kind = CHANGE_DAY_OF_YEAR;
        read = rule_take_number(text, 0, 365, &change->day);
    }
    if (read && rule_take(text, '/'))
        read = rule_take_offset(text, &change->time);
    return read;
}

/* POSIX counts west of Greenwich as positive, everyone else as negative. */
static bool take_type(struct str *text, struct zone_type *type)
{
    if (!take_name(text, &type->abbreviation) || !rule_take_offset(text, &type->offset))
        return false;
    type->offset = -type->offset;
    return true;
}

/* Without a rule of its own it is the American one, as in Go and in tzcode; ";" for "," is
 * accepted there, too. */
static bool take_daylight(struct str *text, struct zone_rule *rule)
{
    rule->daylight.dst = true;
    if (!take_name(text, &rule->daylight.abbreviation))
        return false;
    if (text->len == 0 || text->ptr[0] == ',') {
        rule->daylight.offset = rule->standard.offset + SECONDS_PER_HOUR;
    } else {
        if (!rule_take_offset(text, &rule->daylight.offset))
            return false;
        rule->daylight.offset = -rule->daylight.offset;
    }
    if (text->len == 0)
        *text = STR(",M3.2.0,M11.1.0"); /* tzcode's default */
    return (rule_take(text, ',') || rule_take(text, ';')) && take_change(text, &rule->start) && rule_take(text, ',') &&
           take_change(text, &rule->end) && text->len == 0;
}

void zone_rule_parse(struct str footer, struct zone_rule *rule)
{
    *rule = (struct zone_rule){0};
    if (!take_type(&footer, &rule->standard))
        return;
    rule->saves = footer.len > 0 && footer.ptr[0] != ',';
    rule->present = !rule->saves || take_daylight(&footer, rule);
}

/* ---- applying it ---------------------------------------------------------- */

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Seconds from the start of the year, in UTC, to the change (Go: tzruleTime). */
static int64_t change_second(int64_t year, const struct zone_change *change, int offset)
{
    int64_t year_start = days_from_civil(year, 1, 1), day = change->day;
    if (change->kind == CHANGE_JULIAN) {
        day += is_leap(year) && change->day >= 60 ? 0 : -1;
    } else if (change->kind == CHANGE_MONTH_WEEK_DAY) {
        int64_t first = days_from_civil(year, change->month, 1);
        int64_t next =
            change->month == 12 ? days_from_civil(year + 1, 1, 1) : days_from_civil(year, change->month + 1, 1);
        int weekday = civil_from_unix(first * SECONDS_PER_DAY).weekday;
        day = first + (change->day - weekday + 7) % 7;
        for (int week = 1; week < change->week && day + 7 < next; week++)
            day += 7;
        day -= year_start;
    }
    return day * SECONDS_PER_DAY + change->time - offset;
}

static int64_t rule_later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t rule_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Go's tzset. `start` and `end` are Go's, including its year of 365 days at the end, since
 * time.Date compares with them; `from` and `until` are the true bounds within which the offset
 * is constant, and the ones that searches may jump across. */
void zone_rule_lookup(const struct zone_rule *rule, int64_t last_transition, int64_t second, struct zone_span *span)
{
    if (!rule->saves) {
        *span = (struct zone_span){last_transition, INT64_MAX, last_transition, INT64_MAX, rule->standard};
        return;
    }
    int64_t year = civil_from_unix(second).year;
    int64_t year_start = days_from_civil(year, 1, 1) * SECONDS_PER_DAY;
    int64_t year_end = days_from_civil(year + 1, 1, 1) * SECONDS_PER_DAY;
    int64_t start = year_start + change_second(year, &rule->start, rule->standard.offset);
    int64_t end = year_start + change_second(year, &rule->end, rule->daylight.offset);
    struct zone_type outer = rule->standard, inner = rule->daylight;
    if (end < start) { /* the southern hemisphere: daylight saving time over the new year */
        int64_t swap = start;
        start = end;
        end = swap;
        outer = rule->daylight;
        inner = rule->standard;
    }
    if (second < start)
        *span = (struct zone_span){.start = year_start, .end = start, .type = outer};
    else if (second >= end)
        *span = (struct zone_span){.start = end, .end = year_start + 365 * SECONDS_PER_DAY, .type = outer};
    else
        *span = (struct zone_span){.start = start, .end = end, .type = inner};
    span->from = rule_later(rule_later(span->start, year_start), last_transition);
    span->until = second >= end ? year_end : rule_earlier(span->end, year_end);
}

/* A TZif file (RFC 9636), read in the order and with the checks of Go's
 * LoadLocationFromTZData. The sizes come from the file, so every slice is
 * checked against what is really there. */

enum { HEADER_COUNTS = 6, TYPE_SIZE = 6 };
enum count { COUNT_UTC, COUNT_STANDARD, COUNT_LEAP, COUNT_TIME, COUNT_TYPE, COUNT_CHAR };

struct zone_reader {
    struct str rest;
    bool failed;
};

static struct str reader_take(struct zone_reader *reader, uint64_t size)
{
    if (reader->failed || size > reader->rest.len) {
        reader->failed = true;
        return (struct str){NULL, 0};
    }
    struct str part = str_slice(reader->rest, 0, size);
    reader->rest = str_slice(reader->rest, size, reader->rest.len);
    return part;
}

static uint64_t big_endian(struct str bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | (unsigned char)bytes.ptr[i];
    return value;
}

static void take_counts(struct zone_reader *reader, uint64_t counts[HEADER_COUNTS])
{
    for (size_t i = 0; i < HEADER_COUNTS; i++)
        counts[i] = big_endian(reader_take(reader, 4));
}

struct tables {
    struct str times, indices, types, abbreviations, footer;
    size_t time_size;
};

static void take_tables(struct zone_reader *reader, const uint64_t counts[HEADER_COUNTS], size_t time_size,
                        struct tables *tables)
{
    tables->time_size = time_size;
    tables->times = reader_take(reader, counts[COUNT_TIME] * time_size);
    tables->indices = reader_take(reader, counts[COUNT_TIME]);
    tables->types = reader_take(reader, counts[COUNT_TYPE] * TYPE_SIZE);
    tables->abbreviations = reader_take(reader, counts[COUNT_CHAR]);
    reader_take(reader, counts[COUNT_LEAP] * (time_size + 4));
    reader_take(reader, counts[COUNT_STANDARD]);
    reader_take(reader, counts[COUNT_UTC]);
}

static bool read_tables(struct str data, struct tables *tables)
{
    struct zone_reader reader = {data, false};
    if (!str_eq(reader_take(&reader, 4), STR("TZif")))
        return false;
    struct str preamble = reader_take(&reader, 16);
    if (reader.failed || (preamble.ptr[0] != 0 && preamble.ptr[0] != '2' && preamble.ptr[0] != '3'))
        return false;
    uint64_t counts[HEADER_COUNTS];
    take_counts(&reader, counts);
    if (preamble.ptr[0] == 0) {
        take_tables(&reader, counts, 4, tables);
    } else { /* the same again with 64-bit times: skip the 32-bit part */
        take_tables(&reader, counts, 4, tables);
        reader_take(&reader, 4 + 16);
        take_counts(&reader, counts);
        take_tables(&reader, counts, 8, tables);
    }
    struct str rest = reader.rest;
    bool has_footer = rest.len > 2 && rest.ptr[0] == '\n' && rest.ptr[rest.len - 1] == '\n';
    tables->footer = has_footer ? str_slice(rest, 1, rest.len - 1) : STR("");
    return !reader.failed && tables->types.len > 0;
}

/* The offset is read as a signed 32-bit number by going through the unsigned one: big_endian
 * knows no sign. */
static bool fill_types(struct cron_zone *zone, const struct tables *tables, struct str abbreviations)
{
    for (size_t i = 0; i < zone->type_count; i++) {
        struct str row = str_slice(tables->types, i * TYPE_SIZE, (i + 1) * TYPE_SIZE);
        size_t at = (unsigned char)row.ptr[5];
        if (at >= abbreviations.len)
            return false;
        const char *name = abbreviations.ptr + at;
        zone->types[i] = (struct zone_type){
            .offset = (int)(int32_t)(uint32_t)big_endian(str_slice(row, 0, 4)),
            .dst = row.ptr[4] != 0,
            .abbreviation = {name, strnlen(name, abbreviations.len - at)},
        };
    }
    return true;
}

static bool fill_transitions(struct cron_zone *zone, const struct tables *tables)
{
    size_t size = tables->time_size;
    for (size_t i = 0; i < tables->indices.len; i++) {
        uint64_t when = big_endian(str_slice(tables->times, i * size, (i + 1) * size));
        uint8_t type = (uint8_t)tables->indices.ptr[i];
        if (type >= zone->type_count)
            return false;
        zone->transitions[i] = (struct zone_transition){
            .when = size == 4 ? (int64_t)(int32_t)(uint32_t)when : (int64_t)when,
            .type = type,
        };
    }
    return true;
}

/* Copies a text to *at and moves past it. */
static struct str zone_keep_text(char **at, struct str text)
{
    struct str kept = {*at, text.len};
    if (text.len)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return kept;
}

/* All texts are copied into one block of the zone: the file's bytes are gone when this returns. */
struct cron_zone *zone_decode(struct str name, struct str data)
{
    struct tables tables;
    if (!read_tables(data, &tables))
        return NULL;
    struct cron_zone *zone = calloc(1, sizeof *zone);
    if (!zone)
        return NULL;
    zone->type_count = tables.types.len / TYPE_SIZE;
    zone->transition_count = tables.indices.len ? tables.indices.len : 1;
    zone->types = calloc(zone->type_count, sizeof *zone->types);
    zone->transitions = calloc(zone->transition_count, sizeof *zone->transitions);
    zone->text = malloc(name.len + tables.abbreviations.len + tables.footer.len + 1);
    if (!zone->types || !zone->transitions || !zone->text) {
        zone_free(zone);
        return NULL;
    }
    char *at = zone->text;
    zone->name = zone_keep_text(&at, name);
    zone->transitions[0].when = INT64_MIN; /* stays when the file has none: one type for all time */
    if (!fill_types(zone, &tables, zone_keep_text(&at, tables.abbreviations)) || !fill_transitions(zone, &tables)) {
        zone_free(zone);
        return NULL;
    }
    zone_rule_parse(zone_keep_text(&at, tables.footer), &zone->rule);
    return zone;
}

void zone_free(struct cron_zone *zone)
{
    if (!zone)
        return;
    free(zone->types);
    free(zone->transitions);
    free(zone->text);
    free(zone);
}
