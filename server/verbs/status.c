#include "status_text.h"

#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "terminal.h"

enum { MEMORY_LIMIT = 256 * 1024 * 1024, OUTPUT_LIMIT = 256 * 1024 * 1024 };

struct status_options {
    struct facts_options facts;
    struct terminal_options terminal;
    const char *output, *settings, *to;
    int64_t now;
};

static const struct option options[] = {
    FACTS_OPTIONS(struct status_options),
    {"to", 0, OPTION_TEXT, "RELEASE", "judge an upgrade to this release (to any other one)",
     offsetof(struct status_options, to)},
    {"settings", 0, OPTION_TEXT, "FILE", "settings, as serve takes them", offsetof(struct status_options, settings)},
    {"output", 'o', OPTION_TEXT, "text|json|html", "how to print it (text)", offsetof(struct status_options, output)},
    TERMINAL_OPTIONS(struct status_options),
    {"now", 0, OPTION_TIME, "TIME", "the time to judge at, 2026-11-21T03:00:00Z say (the clock's)",
     offsetof(struct status_options, now)},
};

static const char details[] =
    "Says whether this cluster could be restored tonight and upgraded tomorrow: what blocks\n"
    "it and the way out, the upgrade gate's state for each ManagementBackup that protects\n"
    "upgrades (its evidence, and what is missing), every ManagementBackup with its next run and\n"
    "its last backup, the storage locations, and Velero. Of the upgrade the gate itself is\n"
    "asked, with a dry run.\n\n" FACTS_DETAILS "\n\n"
    "-o json prints one object: time, from, ready, blockers[], warnings[] (object, blocks[],\n"
    "message, wayOut), upgrade (outcome, running, requested, target, underWay, sources[]),\n"
    "managementBackups[], newestGoodBackup, storageLocations[], velero[]. docs/status.md\n"
    "describes every key; they are stable.\n\n"
    "-o html prints a page that needs nothing beside it, to look at or to send to a colleague.\n\n"
    "Colour is for terminals, and not where NO_COLOR is set.\n\n"
    "Exit status: 0 ready (there may be warnings), 1 something blocks an upgrade, a restore or\n"
    "the backups they rest on, 2 usage, or the facts cannot be read.\n\n"
    "Examples:\n"
    "  backstop status\n"
    "  backstop status --context prod --to kcm-1-3-0\n"
    "  backstop status -o html >status.html\n"
    "  backstop status -o json | jq -r '.blockers[].message'\n"
    "  kubectl get managements,managementbackups,releases -o yaml >facts.yaml\n"
    "  backstop status --inventory facts.yaml --inventory velero.yaml";

static int print(const struct verb *verb, const struct status_options *values, const struct status_view *view)
{
    BUF_SCOPED out;
    buf_init(&out, OUTPUT_LIMIT);
    if (strcmp(values->output, "json") == 0) {
        status_json(view, &out);
    } else if (strcmp(values->output, "html") == 0) {
        status_html(view, false, &out);
    } else {
        const struct page page = terminal_page(&values->terminal, &out);
        status_text(view, &page);
    }
    if (out.failed || arena_failed(view->arena) || !write_all(STDOUT_FILENO, buf_str(&out)))
        return verb_fail(verb, "out of memory, or the output cannot be written");
    return view->blocker_count ? EXIT_DENIED : EXIT_OK;
}

static int show(const struct verb *verb, const struct status_options *values)
{
    CLEANUP(verb_settings_release) struct settings *settings = verb_settings(verb, values->settings, values->facts.ns);
    if (!settings)
        return EXIT_USAGE;
    CLEANUP(facts_dispose) struct facts facts;
    if (!facts_open(&facts, verb, &values->facts, settings, values->now))
        return EXIT_USAGE;
    ARENA_SCOPED arena = arena_new(MEMORY_LIMIT);
    struct status_view view = {
        .arena = arena, .now = values->now, .from = facts.from, .inventory = facts.inventory, .settings = settings};
    struct status_audit audit;
    if (arena && strcmp(values->output, "text") != 0) {
        view.audit = &audit;
        if (!audit_rows(arena, &values->facts, &facts, settings, values->now, &audit))
            return verb_fail(verb, "out of memory");
    }
    if (!arena || !status_fill(&view, str_from(values->to)))
        return verb_fail(verb, "out of memory");
    return print(verb, values, &view);
}

static bool is_format(const char *text)
{
    static const char *const formats[] = {"text", "json", "html"};
    for (size_t i = 0; i < LENGTH_OF(formats); i++)
        if (strcmp(text, formats[i]) == 0)
            return true;
    return false;
}

static int check(const struct verb *verb, const struct status_options *values)
{
    if (!is_format(values->output))
        return verb_fail(verb, "-o %s: expected text, json or html", values->output);
    return terminal_check(verb, &values->terminal);
}

static int body(const struct verb *verb, void *context, char **operands, size_t operand_count)
{
    struct status_options *values = context;
    (void)operands, (void)operand_count;
    int code = check(verb, values);
    values->now = verb_now(values->now);
    return code == EXIT_OK ? show(verb, values) : code;
}

static int run(const struct verb *verb, int argc, char **argv)
{
    struct status_options values = {.output = "text", .now = INT64_MIN, .terminal = {.width = -1}};
    return verb_run(verb, argc, argv, &values, body);
}

const struct verb verb_status = {
    .name = "status",
    .summary = "could this cluster be restored tonight and upgraded tomorrow?",
    .details = details,
    .options = options,
    .option_count = LENGTH_OF(options),
    FACTS_CONNECTION(struct status_options),
    .run = run,
};
