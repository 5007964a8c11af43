/* Prints how a schedule is read. */
#include <stdlib.h>
#include <string.h>

#include "backstop/json.h"
#include "commands/explain/explain.h"

enum { CARET_MAX = 100 };

/* ---- where readings differ --------------------------------------------------------- */

static bool runs_differ(const struct explanation *explanation, const struct reading *a, const struct reading *b)
{
    int64_t at_a = explanation->from, at_b = at_a;
    for (int64_t i = 0; i < explanation->runs; i++) {
        bool more_a = cron_next(&a->schedule, at_a, &at_a), more_b = cron_next(&b->schedule, at_b, &at_b);
        if (more_a != more_b || (more_a && at_a != at_b))
            return true;
        if (!more_a)
            break;
    }
    return false;
}

/* In more than what there is to note. Two refusals are one: what mends it for the first reader does for the other. */
static bool readings_differ(const struct explanation *explanation, const struct reading *a, const struct reading *b)
{
    if (!a->valid || !b->valid)
        return a->valid || b->valid;
    return !cron_agree(&a->schedule, &b->schedule) || runs_differ(explanation, a, b);
}

static bool words_differ(const struct reading *a, const struct reading *b)
{
    const struct strlist *one = &a->warnings, *other = &b->warnings;
    for (size_t i = 0; i < one->len && one->len == other->len; i++)
        if (!str_eq(one->items[i], other->items[i]))
            return true;
    return one->len != other->len || a->error.position != b->error.position ||
           strcmp(a->error.message, b->error.message) != 0;
}

/* ---- JSON: what other programs build on ---------------------------------------- */

static void json_runs(const struct explanation *explanation, const struct cron_schedule *schedule)
{
    char text[TIME_TEXT_SIZE];
    int64_t at = explanation->from;
    for (int64_t i = 0; i < explanation->runs && cron_next(schedule, at, &at); i++)
        buf_printf(explanation->out, "%s\"%s\"", i ? "," : "",
                   time_format(at, cron_zone_offset(schedule->zone, at), text));
}

static void json_valid(const struct explanation *explanation, const struct reading *reading)
{
    struct buf *out = explanation->out;
    BUF_SCOPED meaning;
    buf_init(&meaning, 4096);
    cron_describe(&reading->schedule, &meaning);
    buf_puts(out, "\"valid\":true,\"zone\":");
    json_write_str(out, cron_zone_name(reading->schedule.zone));
    buf_puts(out, ",\"meaning\":");
    json_write_str(out, buf_str(&meaning));
    buf_printf(out, ",\"neverFires\":%s,\"next\":[", cron_never_fires(&reading->schedule) ? "true" : "false");
    json_runs(explanation, &reading->schedule);
    buf_puts(out, "],\"warnings\":[");
    for (size_t i = 0; i < reading->warnings.len; i++) {
        buf_puts(out, i ? "," : "");
        json_write_str(out, reading->warnings.items[i]);
    }
    buf_puts(out, "]");
}

static void json_reading(const struct explanation *explanation, const struct reading *reading)
{
    struct buf *out = explanation->out;
    struct error upstream;
    if (reading->valid) {
        json_valid(explanation, reading);
        return;
    }
    buf_puts(out, "\"valid\":false,\"error\":");
    json_write_str(out, str_from(reading->error.message));
    buf_printf(out, ",\"position\":%lld", (long long)reading->error.position);
    if (cron_upstream_error(reading->schedule.dialect, explanation->spec, &upstream)) {
        buf_puts(out, ",\"upstream\":");
        json_write_str(out, str_from(upstream.message));
    }
}

static void json_for(const struct explanation *explanation, const struct reading *reading)
{
    buf_puts(explanation->out, "\"for\":");
    json_write_str(explanation->out, reading->readers);
    buf_putc(explanation->out, ',');
}

void explain_print_json(const struct explanation *explanation)
{
    struct buf *out = explanation->out;
    const struct reading *first = explanation->readings, *other = first + 1;
    bool differ = explanation->count > 1 && (readings_differ(explanation, first, other) || words_differ(first, other));
    buf_puts(out, "{\"schedule\":");
    json_write_str(out, explanation->spec);
    buf_putc(out, ',');
    if (differ)
        json_for(explanation, first);
    json_reading(explanation, first);
    if (differ) {
        buf_puts(out, ",\"otherwise\":{");
        json_for(explanation, other);
        json_reading(explanation, other);
        buf_putc(out, '}');
    }
    buf_puts(out, "}\n");
}

/* ---- text: what people read ------------------------------------------------------- */

static void explain_print_coloured(const struct explanation *explanation, const char *colour, struct str text)
{
    buf_puts(explanation->out, explanation->colour ? colour : "");
    buf_add(explanation->out, text);
    buf_puts(explanation->out, explanation->colour ? "\033[0m" : "");
}

static void explain_print_label(const struct explanation *explanation, const char *name)
{
    buf_printf(explanation->out, "  %-9s", name);
}

static bool explain_print_is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return text.len > 0 && text.len <= CARET_MAX;
}

/* `marked`: the place of the mistake is marked below the schedule. */
static void text_invalid(const struct explanation *explanation, const struct reading *reading, bool marked)
{
    explain_print_label(explanation, "error");
    explain_print_coloured(explanation, "\033[31m", str_from(reading->error.message));
    buf_puts(explanation->out, "\n");
    if (!marked) {
        explain_print_label(explanation, "position");
        buf_printf(explanation->out, "%lld\n", (long long)reading->error.position);
    }
}

/* "Sat 2026-11-21 06:00:00 +00:00  in 2h46m" */
static void text_runs(const struct explanation *explanation, const struct cron_schedule *schedule)
{
    static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    int64_t at = explanation->from;
    for (int64_t i = 0; i < explanation->runs && cron_next(schedule, at, &at); i++) {
        int offset = cron_zone_offset(schedule->zone, at), minutes = abs(offset) / 60;
        struct civil c = civil_from_unix(at + offset);
        char distance[TIME_TEXT_SIZE];
        explain_print_label(explanation, i ? "" : "next");
        buf_printf(explanation->out, "%s %04lld-%02d-%02d %02d:%02d", weekdays[c.weekday], (long long)c.year, c.month,
                   c.day, c.hour, c.minute);
        if (c.second)
            buf_printf(explanation->out, ":%02d", c.second);
        buf_printf(explanation->out, " %c%02d:%02d   in %s\n", offset < 0 ? '-' : '+', minutes / 60, minutes % 60,
                   duration_format(at - explanation->from, distance));
    }
}

static void text_valid(const struct explanation *explanation, const struct reading *reading)
{
    struct buf *out = explanation->out;
    const struct cron_schedule *schedule = &reading->schedule;
    explain_print_label(explanation, "meaning");
    cron_describe(schedule, out);
    buf_puts(out, "\n");
    explain_print_label(explanation, "zone");
    buf_add(out, cron_zone_name(schedule->zone));
    buf_puts(out, schedule->zone_given && schedule->zone != explanation->controller_zone ? ", given in the schedule\n"
                                                                                         : ", the controller's\n");
    text_runs(explanation, schedule);
}

/* The notes of a reading that another has not (`common`: that it has, too), named after their reader. */
static void text_notes(const struct explanation *explanation, const struct reading *reading,
                       const struct reading *other, bool common, bool *noted)
{
    for (size_t i = 0; i < reading->warnings.len; i++) {
        struct str note = reading->warnings.items[i];
        if (other && strlist_has(&other->warnings, note) != common)
            continue;
        if (other && !common)
            note = arena_printf(explanation->arena, "%.*s: %.*s", STR_ARG(reading->readers), STR_ARG(note));
        explain_print_label(explanation, *noted ? "" : "note");
        explain_print_coloured(explanation, "\033[33m", note);
        buf_puts(explanation->out, "\n");
        *noted = true;
    }
}

static void text_reading(const struct explanation *explanation, const struct reading *reading, bool marked)
{
    if (reading->valid)
        text_valid(explanation, reading);
    else
        text_invalid(explanation, reading, marked);
}

/* What the readings differ in is printed reading by reading. */
static void text_readings(const struct explanation *explanation, int64_t marked)
{
    for (size_t i = 0; i < explanation->count; i++) {
        const struct reading *reading = &explanation->readings[i];
        bool noted = false;
        buf_puts(explanation->out, i ? "\n" : "");
        explain_print_label(explanation, "for");
        explain_print_coloured(explanation, "\033[1m", reading->readers);
        buf_puts(explanation->out, "\n");
        text_reading(explanation, reading, reading->error.position == marked);
        text_notes(explanation, reading, NULL, true, &noted);
    }
}

void explain_print_text(const struct explanation *explanation)
{
    const struct reading *first = explanation->readings, *other = explanation->count > 1 ? first + 1 : NULL;
    const struct reading *wrong = first->valid && other ? other : first;
    bool plain = explain_print_is_plain(explanation->spec), noted = false;
    explain_print_coloured(explanation, "\033[1m",
                           plain ? explanation->spec : arena_quote(explanation->arena, explanation->spec));
    buf_puts(explanation->out, "\n");
    if (plain && !wrong->valid)
        buf_printf(explanation->out, "%*s^\n", (int)wrong->error.position, "");
    if (other && readings_differ(explanation, first, other)) {
        text_readings(explanation, plain && !wrong->valid ? wrong->error.position : -1);
        return;
    }
    text_reading(explanation, first, plain);
    text_notes(explanation, first, other, true, &noted);
    if (other) {
        text_notes(explanation, first, other, false, &noted);
        text_notes(explanation, other, first, false, &noted);
    }
}
