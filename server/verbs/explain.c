#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backstop/cron.h"
#include "backstop/json.h"
#include "terminal.h"

enum { RUNS_DEFAULT = 5, RUNS_MAX = 1000, INPUT_MAX = 64 << 20, OUTPUT_MAX = 16 << 20, CARET_MAX = 100 };

struct explain_options {
    const char *output, *zone, *filename;
    int64_t runs, from, now;
};

static const struct option options[] = {
    {"output", 'o', OPTION_TEXT, "text|json", "how to print it (text); json is one object per line",
     offsetof(struct explain_options, output)},
    {"runs", 'n', OPTION_INTEGER, "N", "how many of the next runs to show (5)", offsetof(struct explain_options, runs)},
    {"from", 0, OPTION_TIME, "TIME", "show the runs after this time, RFC 3339 (now)",
     offsetof(struct explain_options, from)},
    {"now", 0, OPTION_TIME, "TIME", "the same as --from", offsetof(struct explain_options, now)},
    {"tz", 0, OPTION_TEXT, "ZONE", "the time zone of the controller that runs the schedule (UTC)",
     offsetof(struct explain_options, zone)},
    {"filename", 'f', OPTION_TEXT, "FILE", "read schedules from a file or - for standard input, one per line, verbatim",
     offsetof(struct explain_options, filename)},
};

struct explanation {
    struct str spec;
    const struct cron_zone *controller_zone;
    int64_t from, runs;
    struct cron_schedule schedule;
    struct error error;
    bool valid;
    struct arena *arena;
    struct strlist warnings;
    struct buf *out;
    bool colour;
};

/* ---- JSON: what other programs build on ---------------------------------------- */

static void json_runs(struct explanation *explanation)
{
    const struct cron_schedule *schedule = &explanation->schedule;
    char text[TIME_TEXT_SIZE];
    int64_t at = explanation->from;
    for (int64_t i = 0; i < explanation->runs && cron_next(schedule, at, &at); i++)
        buf_printf(explanation->out, "%s\"%s\"", i ? "," : "",
                   time_format(at, cron_zone_offset(schedule->zone, at), text));
}

static void json_valid(struct explanation *explanation)
{
    struct buf *out = explanation->out;
    BUF_SCOPED meaning;
    buf_init(&meaning, 4096);
    cron_describe(&explanation->schedule, &meaning);
    buf_puts(out, ",\"valid\":true,\"zone\":");
    json_write_str(out, cron_zone_name(explanation->schedule.zone));
    buf_puts(out, ",\"meaning\":");
    json_write_str(out, buf_str(&meaning));
    buf_printf(out, ",\"neverFires\":%s,\"next\":[", cron_never_fires(&explanation->schedule) ? "true" : "false");
    json_runs(explanation);
    buf_puts(out, "],\"warnings\":[");
    for (size_t i = 0; i < explanation->warnings.len; i++) {
        buf_puts(out, i ? "," : "");
        json_write_str(out, explanation->warnings.items[i]);
    }
    buf_puts(out, "]}\n");
}

static void print_json(struct explanation *explanation)
{
    struct buf *out = explanation->out;
    buf_puts(out, "{\"schedule\":");
    json_write_str(out, explanation->spec);
    if (explanation->valid) {
        json_valid(explanation);
        return;
    }
    buf_puts(out, ",\"valid\":false,\"error\":");
    json_write_str(out, str_from(explanation->error.message));
    buf_printf(out, ",\"position\":%lld}\n", (long long)explanation->error.position);
}

/* ---- text: what people read ------------------------------------------------------- */

static void coloured(struct explanation *explanation, const char *colour, struct str text)
{
    buf_puts(explanation->out, explanation->colour ? colour : "");
    buf_add(explanation->out, text);
    buf_puts(explanation->out, explanation->colour ? "\033[0m" : "");
}

static void label(struct explanation *explanation, const char *name)
{
    buf_printf(explanation->out, "  %-9s", name);
}

static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return text.len > 0 && text.len <= CARET_MAX;
}

static void text_invalid(struct explanation *explanation)
{
    bool plain = is_plain(explanation->spec);
    if (plain)
        buf_printf(explanation->out, "%*s^\n", (int)explanation->error.position, "");
    label(explanation, "error");
    coloured(explanation, "\033[31m", str_from(explanation->error.message));
    buf_puts(explanation->out, "\n");
    if (!plain) {
        label(explanation, "position");
        buf_printf(explanation->out, "%lld\n", (long long)explanation->error.position);
    }
}

/* "Sat 2026-11-21 06:00:00 +00:00  in 2h46m" */
static void text_runs(struct explanation *explanation)
{
    static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    const struct cron_schedule *schedule = &explanation->schedule;
    int64_t at = explanation->from;
    for (int64_t i = 0; i < explanation->runs && cron_next(schedule, at, &at); i++) {
        int offset = cron_zone_offset(schedule->zone, at), minutes = abs(offset) / 60;
        struct civil c = civil_from_unix(at + offset);
        char distance[TIME_TEXT_SIZE];
        label(explanation, i ? "" : "next");
        buf_printf(explanation->out, "%s %04lld-%02d-%02d %02d:%02d", weekdays[c.weekday], (long long)c.year, c.month,
                   c.day, c.hour, c.minute);
        if (c.second)
            buf_printf(explanation->out, ":%02d", c.second);
        buf_printf(explanation->out, " %c%02d:%02d   in %s\n", offset < 0 ? '-' : '+', minutes / 60, minutes % 60,
                   duration_format(at - explanation->from, distance));
    }
}

static void text_valid(struct explanation *explanation)
{
    struct buf *out = explanation->out;
    const struct cron_schedule *schedule = &explanation->schedule;
    label(explanation, "meaning");
    cron_describe(schedule, out);
    buf_puts(out, "\n");
    label(explanation, "zone");
    buf_add(out, cron_zone_name(schedule->zone));
    buf_puts(out, schedule->zone_given && schedule->zone != explanation->controller_zone ? ", given in the schedule\n"
                                                                                         : ", the controller's\n");
    text_runs(explanation);
    for (size_t i = 0; i < explanation->warnings.len; i++) {
        label(explanation, i ? "" : "note");
        coloured(explanation, "\033[33m", explanation->warnings.items[i]);
        buf_puts(out, "\n");
    }
}

static void print_text(struct explanation *explanation)
{
    bool plain = is_plain(explanation->spec);
    coloured(explanation, "\033[1m", plain ? explanation->spec : arena_quote(explanation->arena, explanation->spec));
    buf_puts(explanation->out, "\n");
    if (explanation->valid)
        text_valid(explanation);
    else
        text_invalid(explanation);
}

/* ---- one schedule after the other --------------------------------------------------- */

struct run {
    const struct verb *verb;
    const struct explain_options *options;
    const struct cron_zone *zone;
    struct buf out;
    bool json, colour, all_valid, started;
};

static bool flush(struct run *run)
{
    bool written = !run->out.failed && write_all(STDOUT_FILENO, buf_str(&run->out));
    buf_clear(&run->out);
    return written;
}

static bool explain(struct run *run, struct str spec)
{
    enum { FLUSH_AT = 64 * 1024 };
    ARENA_SCOPED arena = arena_new(1 << 20);
    if (!arena)
        return false;
    struct explanation explanation = {.spec = spec,
                                      .controller_zone = run->zone,
                                      .from = run->options->from,
                                      .runs = run->options->runs,
                                      .arena = arena,
                                      .out = &run->out,
                                      .colour = run->colour};
    explanation.valid = cron_parse(CRON_ROBFIG, spec, run->zone, &explanation.schedule, &explanation.error);
    run->all_valid &= explanation.valid;
    if (explanation.valid)
        cron_pitfalls(spec, &explanation.schedule, explanation.from, arena, &explanation.warnings);
    if (run->json) {
        print_json(&explanation);
    } else {
        buf_puts(&run->out, run->started ? "\n" : "");
        print_text(&explanation);
    }
    run->started = true;
    return run->out.len < FLUSH_AT || flush(run);
}

/* Only the newline is cut: white space counts, and an empty line is an empty schedule. */
static bool explain_lines(struct run *run, struct str text)
{
    struct str line;
    if (str_ends(text, STR("\n")))
        text.len--;
    else if (text.len == 0)
        return true;
    while (str_cut(&text, '\n', &line))
        if (!explain(run, line))
            return false;
    return true;
}

static int explain_all(struct run *run, char **operands, size_t count)
{
    ARENA_SCOPED arena = arena_new(3 * (size_t)INPUT_MAX);
    struct str text = {NULL, 0};
    struct error error = {0};
    bool written = true;
    if (run->options->filename && !file_read(arena, run->options->filename, INPUT_MAX, &text, &error))
        return verb_fail(run->verb, "%s", error.message);
    for (size_t i = 0; i < count && written; i++)
        written = explain(run, str_from(operands[i]));
    if (run->options->filename && written)
        written = explain_lines(run, text);
    if (!written || !flush(run))
        return verb_fail(run->verb, "cannot write the answer");
    return run->all_valid ? EXIT_OK : EXIT_DENIED;
}

static bool check_options(const struct verb *verb, struct explain_options *values, size_t count, struct run *run)
{
    struct error error = {0};
    struct str output = str_from(values->output);
    if (!str_is(output, "text") && !str_is(output, "json"))
        verb_fail(verb, "-o %s: expected text or json", values->output);
    else if (values->runs > RUNS_MAX)
        verb_fail(verb, "-n %lld: at most %d runs", (long long)values->runs, (int)RUNS_MAX);
    else if (count > 0 && values->filename)
        verb_fail(verb, "give schedules or -f FILE, not both");
    else if (count == 0 && !values->filename)
        verb_fail(verb, "give a schedule, such as \"0 */6 * * *\", or -f FILE; see: backstop explain --help");
    else if (!(run->zone = cron_zone_find(str_from(values->zone), &error)))
        verb_fail(verb, "--tz %s: %s", values->zone, error.message);
    else
        return true;
    return false;
}

static int body(const struct verb *verb, void *context, char **operands, size_t count)
{
    struct explain_options *values = context;
    struct run run = {.verb = verb, .options = values, .all_valid = true};
    if (!check_options(verb, values, count, &run))
        return EXIT_USAGE;
    if (values->from == INT64_MIN)
        values->from = verb_now(values->now);
    run.json = str_is(str_from(values->output), "json");
    run.colour = terminal_colour(NULL);
    buf_init(&run.out, OUTPUT_MAX);
    int code = explain_all(&run, operands, count);
    buf_dispose(&run.out);
    return code;
}

static int run(const struct verb *verb, int argc, char **argv)
{
    struct explain_options values = {
        .output = "text", .zone = "UTC", .runs = RUNS_DEFAULT, .from = INT64_MIN, .now = INT64_MIN};
    return verb_run(verb, argc, argv, &values, body);
}

const struct verb verb_explain = {
    .name = "explain",
    .summary = "what a schedule means, its next runs and its pitfalls",
    .operands = "SCHEDULE... | -f FILE",
    .details = "Schedules are read exactly as kcm and Velero read them (robfig/cron v3.0.1).\n"
               "\n"
               "Exit status: 0 all schedules are valid, 1 some are not, 2 wrong usage.",
    .options = options,
    .option_count = LENGTH_OF(options),
    .run = run,
};
