#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backstop/cli.h"
#include "backstop/versions.h"
#include "commands/commands.h"
#include "commands/explain/explain.h"

enum { RUNS_DEFAULT = 5, RUNS_MAX = 1000, INPUT_MAX = 64 << 20, OUTPUT_MAX = 16 << 20 };

struct explain_options {
    const char *output, *zone, *filename, *reader;
    int64_t runs, from, now;
};

static const struct option options[] = {
    {"output", 'o', OPTION_TEXT, "text|json", "output format (text); json is one object per line",
     offsetof(struct explain_options, output)},
    {"for", 0, OPTION_TEXT, "kcm|velero[@VERSION]",
     "controller that runs the schedule (both, shown apart if they differ)", offsetof(struct explain_options, reader)},
    {"runs", 'n', OPTION_INTEGER, "N", "number of next runs to show (5)", offsetof(struct explain_options, runs)},
    {"from", 0, OPTION_TIME, "TIME", "show runs after this time, RFC 3339 (now)",
     offsetof(struct explain_options, from)},
    {"now", 0, OPTION_TIME, "TIME", "the same as --from", offsetof(struct explain_options, now)},
    {"tz", 0, OPTION_TEXT, "ZONE", "time zone of that controller (UTC)", offsetof(struct explain_options, zone)},
    {"filename", 'f', OPTION_TEXT, "FILE", "read schedules from a file or - for standard input, one per line, verbatim",
     offsetof(struct explain_options, filename)},
};

/* ---- one schedule after the other --------------------------------------------------- */

struct run {
    const struct command *command;
    const struct explain_options *options;
    const struct cron_zone *zone;
    unsigned dialects; /* bits of those that were asked for */
    struct str readers[CRON_DIALECTS];
    struct buf out;
    bool json, colour, all_valid, started;
};

static bool explain_flush(struct run *run)
{
    bool written = !run->out.failed && write_all(STDOUT_FILENO, buf_str(&run->out));
    buf_clear(&run->out);
    return written;
}

static bool reading_make(struct explanation *explanation, enum cron_dialect dialect, struct str readers)
{
    struct reading *reading = &explanation->readings[explanation->count++];
    reading->readers = readers;
    reading->valid =
        cron_parse(dialect, explanation->spec, explanation->controller_zone, &reading->schedule, &reading->error);
    if (reading->valid)
        cron_pitfalls(explanation->spec, &reading->schedule, explanation->from, explanation->arena, &reading->warnings);
    return reading->valid;
}

static bool explain_explain(struct run *run, struct str spec)
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
    for (enum cron_dialect dialect = 0; dialect < CRON_DIALECTS; dialect++)
        if (run->dialects & 1u << dialect)
            run->all_valid &= reading_make(&explanation, dialect, run->readers[dialect]);
    if (run->json) {
        explain_print_json(&explanation);
    } else {
        buf_puts(&run->out, run->started ? "\n" : "");
        explain_print_text(&explanation);
    }
    run->started = true;
    return run->out.len < FLUSH_AT || explain_flush(run);
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
        if (!explain_explain(run, line))
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
        return command_fail(run->command, "%s", error.message);
    for (size_t i = 0; i < count && written; i++)
        written = explain_explain(run, str_from(operands[i]));
    if (run->options->filename && written)
        written = explain_lines(run, text);
    if (!written || !explain_flush(run))
        return command_fail(run->command, "cannot write the output");
    return run->all_valid ? EXIT_OK : EXIT_DENIED;
}

/* Whose reading it is about; `arena` keeps the names. */
static bool choose_readers(struct run *run, struct arena *arena)
{
    struct str reader = str_from(run->options->reader), name;
    str_cut(&reader, '@', &name);
    struct product_version velero = product_version_parse(PRODUCT_VELERO, reader);
    bool kcm = run->options->reader == NULL || str_is(name, "kcm");
    if (kcm ? reader.ptr != NULL : !str_is(name, "velero"))
        return command_fail(run->command, "--for %s: expected kcm, velero or velero@VERSION", run->options->reader),
               false;
    if (reader.ptr && velero.text.len == 0)
        return command_fail(run->command, "--for %s: write a version, such as velero@1.18.3", run->options->reader),
               false;
    run->dialects = product_version_cron(&velero);
    for (enum cron_dialect dialect = 0; dialect < CRON_DIALECTS; dialect++)
        run->readers[dialect] = product_version_readers(arena, &velero, dialect);
    if (!kcm)
        return true;
    if (run->options->reader)
        run->dialects = 1u << CRON_ROBFIG;
    else
        run->readers[CRON_ROBFIG] = arena_printf(arena, "kcm, and %.*s", STR_ARG(run->readers[CRON_ROBFIG]));
    return true;
}

static bool check_options(const struct command *command, struct explain_options *values, size_t count, struct run *run)
{
    struct error error = {0};
    struct str output = str_from(values->output);
    if (!str_is(output, "text") && !str_is(output, "json"))
        command_fail(command, "-o %s: expected text or json", values->output);
    else if (values->runs > RUNS_MAX)
        command_fail(command, "-n %lld: at most %d runs", (long long)values->runs, (int)RUNS_MAX);
    else if (count > 0 && values->filename)
        command_fail(command, "give schedules or -f FILE, not both");
    else if (count == 0 && !values->filename)
        command_fail(command, "give a schedule, such as \"0 */6 * * *\", or -f FILE; see: backstop explain --help");
    else if (!(run->zone = cron_zone_find(str_from(values->zone), &error)))
        command_fail(command, "--tz %s: %s", values->zone, error.message);
    else
        return true;
    return false;
}

static int explain_execute(const struct command *command, void *context, char **operands, size_t count)
{
    struct explain_options *values = context;
    ARENA_SCOPED arena = arena_new(64 * 1024);
    struct run run = {.command = command, .options = values, .all_valid = true};
    if (!arena || !check_options(command, values, count, &run) || !choose_readers(&run, arena))
        return EXIT_USAGE;
    if (values->from == INT64_MIN)
        values->from = command_now(values->now);
    run.json = str_is(str_from(values->output), "json");
    run.colour = terminal_colour(NULL);
    buf_init(&run.out, OUTPUT_MAX);
    int code = explain_all(&run, operands, count);
    buf_dispose(&run.out);
    return code;
}

static int explain_run(const struct command *command, int argc, char **argv)
{
    struct explain_options values = {
        .output = "text", .zone = "UTC", .runs = RUNS_DEFAULT, .from = INT64_MIN, .now = INT64_MIN};
    return command_run(command, argc, argv, &values, explain_execute);
}

const struct command command_explain = {
    .name = "explain",
    .summary = "what a schedule means, its next runs and its pitfalls",
    .operands = "SCHEDULE... | -f FILE",
    .details = "Schedules are read exactly as kcm and Velero read them: robfig/cron v3.0.1, and from Velero\n"
               "1.18.3 on netresearch/go-cron v0.15.0. Where these differ, both readings are shown.\n"
               "\n"
               "Examples:\n"
               "  backstop explain \"0 9 * * 1-5\"\n"
               "  backstop explain --for velero@1.18.3 \"0 0 13 * 5\"\n"
               "\n"
               "Exit status: 0 all schedules are valid for every controller, 1 some are not, 2 wrong usage.",
    .options = options,
    .option_count = LENGTH_OF(options),
    .run = explain_run,
};
