/* `backstop explain`: how a schedule is read by each dialect, when it runs next, and what about
 * it may surprise.
 *
 * kcm and Velero read schedules with libraries that are not quite alike (backstop/cron.h). Where
 * they agree, which is the rule, one answer is printed; where they do not, each gets its own,
 * named after those who read it so. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backstop/cli.h"
#include "backstop/cron.h"
#include "backstop/json.h"
#include "backstop/versions.h"
#include "commands/commands.h"

/* How one of the dialects reads a schedule. */
struct explain_reading {
    struct str readers; /* "kcm, and Velero before 1.18.3" */
    struct cron_schedule schedule;
    struct error error;
    bool valid;
    struct strlist warnings;
};

struct explanation {
    struct str spec;
    const struct cron_zone *controller_zone;
    int64_t from, runs;
    struct explain_reading readings[CRON_DIALECTS]; /* where they all agree, only the first is printed */
    size_t count;
    struct arena *arena;
    struct buf *out;
    bool colour;
};

/* Prints how a schedule is read. */

enum { CARET_MAX = 100 };

/* ---- where readings differ --------------------------------------------------------- */

/* Compared over as many runs as are shown. */
static bool runs_differ(const struct explanation *explanation, const struct explain_reading *a,
                        const struct explain_reading *b)
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
static bool readings_differ(const struct explanation *explanation, const struct explain_reading *a,
                            const struct explain_reading *b)
{
    if (!a->valid || !b->valid)
        return a->valid || b->valid;
    return !cron_agree(&a->schedule, &b->schedule) || runs_differ(explanation, a, b);
}

/* In the notes or the words of the refusal: nothing for the text, where notes are attributed one
 * by one, but JSON would lose it. */
static bool words_differ(const struct explain_reading *a, const struct explain_reading *b)
{
    const struct strlist *one = &a->warnings, *other = &b->warnings;
    for (size_t i = 0; i < one->len && one->len == other->len; i++)
        if (!str_eq(one->items[i], other->items[i]))
            return true;
    return one->len != other->len || a->error.position != b->error.position ||
           strcmp(a->error.message, b->error.message) != 0;
}

/* ---- JSON: what other programs build on ---------------------------------------- */

/* Times have the offset of the schedule's zone at that moment. */
static void json_valid(const struct explanation *explanation, const struct explain_reading *reading)
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
    char text[TIME_TEXT_SIZE];
    int64_t at = explanation->from;
    for (int64_t i = 0; i < explanation->runs && cron_next(&reading->schedule, at, &at); i++)
        buf_printf(explanation->out, "%s\"%s\"", i ? "," : "",
                   time_format(at, cron_zone_offset(reading->schedule.zone, at), text));
    buf_puts(out, "],\"warnings\":[");
    for (size_t i = 0; i < reading->warnings.len; i++) {
        buf_puts(out, i ? "," : "");
        json_write_str(out, reading->warnings.items[i]);
    }
    buf_puts(out, "]");
}

/* "upstream" is the very message of the Go library, for those who compare with what kcm or
 * Velero logged. */
static void json_reading(const struct explanation *explanation, const struct explain_reading *reading)
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

static void json_for(const struct explanation *explanation, const struct explain_reading *reading)
{
    buf_puts(explanation->out, "\"for\":");
    json_write_str(explanation->out, reading->readers);
    buf_putc(explanation->out, ',');
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

/* Only then can a caret be put below the place: one column for each byte, and not too long for a
 * line. */
static bool explain_print_is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return text.len > 0 && text.len <= CARET_MAX;
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

/* The notes of a reading that another has not (`common`: that it has, too), named after their reader. */
static void text_notes(const struct explanation *explanation, const struct explain_reading *reading,
                       const struct explain_reading *other, bool common, bool *noted)
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

static void text_reading(const struct explanation *explanation, const struct explain_reading *reading, bool marked)
{
    if (reading->valid) {
        struct buf *out = explanation->out;
        const struct cron_schedule *schedule = &reading->schedule;
        explain_print_label(explanation, "meaning");
        cron_describe(schedule, out);
        buf_puts(out, "\n");
        explain_print_label(explanation, "zone");
        buf_add(out, cron_zone_name(schedule->zone));
        buf_puts(out, schedule->zone_given && schedule->zone != explanation->controller_zone
                          ? ", given in the schedule\n"
                          : ", the controller's\n");
        text_runs(explanation, schedule);
    } else {
        /* `marked`: the place of the mistake is marked below the schedule. */
        explain_print_label(explanation, "error");
        explain_print_coloured(explanation, "\033[31m", str_from(reading->error.message));
        buf_puts(explanation->out, "\n");
        if (!marked) {
            explain_print_label(explanation, "position");
            buf_printf(explanation->out, "%lld\n", (long long)reading->error.position);
        }
    }
}

/* What the readings differ in is printed reading by reading. */
static void text_readings(const struct explanation *explanation, int64_t marked)
{
    for (size_t i = 0; i < explanation->count; i++) {
        const struct explain_reading *reading = &explanation->readings[i];
        bool noted = false;
        buf_puts(explanation->out, i ? "\n" : "");
        explain_print_label(explanation, "for");
        explain_print_coloured(explanation, "\033[1m", reading->readers);
        buf_puts(explanation->out, "\n");
        text_reading(explanation, reading, reading->error.position == marked);
        text_notes(explanation, reading, NULL, true, &noted);
    }
}

/* For people; what the readings differ in is printed reading by reading. */
static void explain_print_text(const struct explanation *explanation)
{
    const struct explain_reading *first = explanation->readings, *other = explanation->count > 1 ? first + 1 : NULL;
    const struct explain_reading *wrong = first->valid && other ? other : first;
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

enum { RUNS_DEFAULT = 5, RUNS_MAX = 1000, INPUT_MAX = 64 << 20, OUTPUT_MAX = 16 << 20 };

struct explain_options {
    const char *zone, *filename, *reader;
    int output; /* text, json */
    int64_t runs, from, now;
};

static const struct option options[] = {
    {"output", 'o', OPTION_CHOICE, "text|json", "output format (text); json is one object per line",
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

struct explain_run {
    const struct command *command;
    const struct explain_options *options;
    const struct cron_zone *zone;
    unsigned dialects; /* bits of those that were asked for */
    struct str readers[CRON_DIALECTS];
    struct buf out;
    bool json, colour, all_valid, started;
};

/* Output of many schedules goes out in pieces, so that memory stays small and a reader sees the
 * first at once. */
static bool explain_flush(struct explain_run *run)
{
    errno = ENOMEM; /* unless the write fails */
    bool written = !run->out.failed && fd_write(STDOUT_FILENO, buf_str(&run->out));
    buf_clear(&run->out);
    return written;
}

/* The zone is the controller's, unless the schedule gives one of its own. */
static bool reading_make(struct explanation *explanation, enum cron_dialect dialect, struct str readers)
{
    struct explain_reading *reading = &explanation->readings[explanation->count++];
    reading->readers = readers;
    reading->valid =
        cron_parse(dialect, explanation->spec, explanation->controller_zone, &reading->schedule, &reading->error);
    if (reading->valid)
        cron_pitfalls(explanation->spec, &reading->schedule, explanation->from, explanation->arena, &reading->warnings);
    return reading->valid && !cron_never_fires(&reading->schedule); /* which admission refuses, too */
}

/* False only when nothing more can be written; an invalid schedule is an answer. */
static bool explain_explain(struct explain_run *run, struct str spec)
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
        struct buf *out = explanation.out; /* one line: the first reading, and what is otherwise in the second */
        const struct explain_reading *first = explanation.readings, *other = first + 1;
        bool differ =
            explanation.count > 1 && (readings_differ(&explanation, first, other) || words_differ(first, other));
        buf_puts(out, "{\"schedule\":");
        json_write_str(out, explanation.spec);
        buf_putc(out, ',');
        if (differ)
            json_for(&explanation, first);
        json_reading(&explanation, first);
        if (differ) {
            buf_puts(out, ",\"otherwise\":{");
            json_for(&explanation, other);
            json_reading(&explanation, other);
            buf_putc(out, '}');
        }
        buf_puts(out, "}\n");
    } else {
        buf_puts(&run->out, run->started ? "\n" : "");
        explain_print_text(&explanation);
    }
    run->started = true;
    return run->out.len < FLUSH_AT || explain_flush(run);
}

/* Only the newline is cut: white space counts, and an empty line is an empty schedule. */
static bool explain_lines(struct explain_run *run, struct str text)
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

/* YAML or JSON that describes objects; no schedule begins with any of these. */
static bool is_manifest(struct str text)
{
    struct str line;
    while (str_cut(&text, '\n', &line))
        if (str_starts(line, STR("apiVersion:")) || str_starts(line, STR("kind:")) || str_starts(line, STR("{")))
            return true;
    return false;
}

static int explain_all(struct explain_run *run, char **operands, size_t count)
{
    ARENA_SCOPED arena = arena_new(3 * (size_t)INPUT_MAX);
    struct str text = {NULL, 0};
    struct error error = {0};
    bool written = true;
    if (run->options->filename && !file_read(arena, run->options->filename, INPUT_MAX, &text, &error))
        return command_fail(run->command, "%s", error.message);
    if (run->options->filename && text.len == 0)
        return command_fail(run->command, "%s: no schedule in it", run->options->filename);
    if (is_manifest(text))
        return command_fail(run->command,
                            "%s: not a list of schedules, one a line. To review a manifest: backstop review -f %s",
                            run->options->filename, run->options->filename);
    for (size_t i = 0; i < count && written; i++)
        written = explain_explain(run, str_from(operands[i]));
    if (run->options->filename && written)
        written = explain_lines(run, text);
    if (!written || !explain_flush(run))
        return command_fail_output(run->command);
    return run->all_valid ? EXIT_OK : EXIT_DENIED;
}

/* Whose reading it is about; `arena` keeps the names. */
static bool choose_readers(struct explain_run *run, struct arena *arena)
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

/* One schedule that the shell has cut into words, and whose "*" it may have replaced by the names of files: words without
 * white space of which not each is a name such as @daily. */
static bool is_unquoted(char **operands, size_t count)
{
    bool names = true;
    for (size_t i = 0; i < count; i++) {
        if (strpbrk(operands[i], " \t"))
            return false;
        names &= operands[i][0] == '@';
    }
    return !names;
}

static bool check_options(const struct command *command, struct explain_options *values, char **operands, size_t count,
                          struct explain_run *run)
{
    struct error error = {0};
    if (count > 1 && is_unquoted(operands, count))
        return command_fail(command,
                            "a schedule is one argument; put it in quotes, as in: backstop explain \"0 3 * * *\""),
               false;
    if (values->runs > RUNS_MAX)
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
    struct explain_run run = {.command = command, .options = values, .all_valid = true};
    if (count == 1 && strcmp(operands[0], "-") == 0 && !values->filename) {
        values->filename = "-";
        count = 0;
    }
    if (!arena || !check_options(command, values, operands, count, &run) || !choose_readers(&run, arena))
        return EXIT_USAGE;
    if (values->from == INT64_MIN)
        values->from = command_now(values->now);
    run.json = values->output != 0;
    run.colour = terminal_colour(COLOUR_AUTO);
    buf_init(&run.out, OUTPUT_MAX);
    int code = explain_all(&run, operands, count);
    buf_dispose(&run.out);
    return code;
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
               "Exit status: 0 all schedules are valid for every controller, 1 some are not or never run, 2 wrong\n"
               "usage.",
    .options = options,
    .option_count = LENGTH_OF(options),
    .body = explain_execute,
    COMMAND_DEFAULTS(struct explain_options, .zone = "UTC", .runs = RUNS_DEFAULT, .from = INT64_MIN, .now = INT64_MIN),
};
