#include <stdlib.h>
#include <string.h>

#include "cron/zone/zone.h"

/* A TZif file (RFC 9636), read in the order and with the checks of Go's
 * LoadLocationFromTZData. The sizes come from the file, so every slice is
 * checked against what is really there. */

enum { HEADER_COUNTS = 6, TYPE_SIZE = 6 };
enum count { COUNT_UTC, COUNT_STANDARD, COUNT_LEAP, COUNT_TIME, COUNT_TYPE, COUNT_CHAR };

struct reader {
    struct str rest;
    bool failed;
};

static struct str reader_take(struct reader *reader, uint64_t size)
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

static void take_counts(struct reader *reader, uint64_t counts[HEADER_COUNTS])
{
    for (size_t i = 0; i < HEADER_COUNTS; i++)
        counts[i] = big_endian(reader_take(reader, 4));
}

struct tables {
    struct str times, indices, types, abbreviations, footer;
    size_t time_size;
};

static void take_tables(struct reader *reader, const uint64_t counts[HEADER_COUNTS], size_t time_size,
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
    struct reader reader = {data, false};
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
