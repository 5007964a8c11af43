/* `backstop status`: the options, the exit code (0 READY, 3 AT RISK, 2 UNKNOWN, 1 NOT READY), and which face of the
 * view is drawn, once or with --watch. */
#include "commands/status/status.h"
#include "commands/commands.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backstop/cli.h"
#include "commands/audit/audit.h"
#include "commands/facts_open.h"

enum { MEMORY_LIMIT = 256 * 1024 * 1024, OUTPUT_LIMIT = 256 * 1024 * 1024, INTERVAL_MAX = 86400 };

enum status_format { STATUS_TEXT, STATUS_JSON, STATUS_HTML };

struct status_options {
    struct facts_options facts;
    struct terminal_options terminal;
    int output; /* enum status_format */
    const char *settings, *to;
    int64_t now, interval;
    bool watch;
};

static const struct option options[] = {
    FACTS_OPTIONS(struct status_options),
    {"to", 0, OPTION_TEXT, "RELEASE", "check an upgrade to this release (any other release)",
     offsetof(struct status_options, to)},
    {"settings", 0, OPTION_TEXT, "FILE", "settings file of the webhook", offsetof(struct status_options, settings)},
    {"output", 'o', OPTION_CHOICE, "text|json|html", "output format (text)", offsetof(struct status_options, output)},
    {"watch", 'w', OPTION_FLAG, NULL, "keep updating the screen, until q or control-C",
     offsetof(struct status_options, watch)},
    {"interval", 0, OPTION_DURATION, "DURATION", "--watch: time between updates (2s)",
     offsetof(struct status_options, interval)},
    TERMINAL_OPTIONS(struct status_options),
    {"now", 0, OPTION_TIME, "TIME", "current time to assume, such as 2026-11-21T03:00:00Z (now)",
     offsetof(struct status_options, now)},
};

static const char details[] =
    "Could this cluster be restored tonight, and upgraded tomorrow? The first line gives the verdict,\n"
    "with the newest backup that can be restored, its age and its expiry, or with the reason.\n"
    "Restore, backups and upgrade have a verdict each:\n\n"
    "  READY      there is a reliable backup no older than the objective, backups run, upgrades pass\n"
    "  AT RISK    still possible, but the backup is too old or unreliable, or a run was missed or failed\n"
    "  UNKNOWN    the verdict depends on objects that could not be listed\n"
    "  NOT READY  blocked\n\n"
    "The objective is status.recoveryPoint in the settings, or two missed runs. The rest lists\n"
    "the causes with their fixes, the upgrade gate (by a dry run), all ManagementBackups, storage\n"
    "locations and Velero, and the objects that a restore would miss because no backup selects them.\n\n" FACTS_DETAILS
    "\n\n"
    "-o json prints one object: verdict and verdicts (state, message, cause), recovery (point,\n"
    "ageSeconds, objectiveSeconds), blockers[], warnings[], unjudged[], upgrade, managementBackups[],\n"
    "storageLocations[], velero[]. docs/status.md describes every key; they are stable.\n\n"
    "Text has a timeline for each source of backups, two weeks back and two ahead, and a progress bar\n"
    "for each running backup. --watch keeps updating it.\n\n"
    "-o html prints a self-contained page, to read or to send to a colleague.\n\n"
    "Exit status: 0 READY (there may be warnings), 1 NOT READY, 2 UNKNOWN or wrong usage,\n"
    "3 AT RISK.\n\n"
    "Examples:\n"
    "  backstop status\n"
    "  backstop status --context prod --to kcm-1-3-0\n"
    "  backstop status --watch\n"
    "  backstop status -o html >status.html\n"
    "  backstop status -o json | jq -r '.blockers[].message'\n"
    "  kubectl get managements,managementbackups,releases -o yaml >k0rdent.yaml\n"
    "  backstop status --inventory k0rdent.yaml --inventory velero.yaml";

/* One run of the command. */
struct status_state {
    const struct status_options *values;
    struct settings *settings;
    struct facts facts;
    bool seen; /* a picture was drawn: the next one wants newer facts */
    int code;
};

/* The audit lists every object there is, and completeness the Secrets: not every two seconds. */
static bool status_fill_view(const struct status_state *run, struct status_view *view, struct status_audit *audit,
                             struct status_completeness *completeness)
{
    const struct status_options *values = run->values;
    bool audits = values->output != STATUS_TEXT && !values->watch;
    if (audits)
        view->audit = audit;
    if (!values->watch)
        view->completeness = completeness;
    return (values->watch ||
            completeness_read(view->arena, &values->facts, &run->facts, run->settings, completeness)) &&
           (!audits || audit_rows(view->arena, &values->facts, &run->facts, run->settings, view->now, audit)) &&
           status_fill(view, str_from(values->to));
}

/* Draws into a buffer: with --watch it is called again for each picture, with facts refreshed
 * from the second on, and the verdict of the last picture is the exit code. */
static bool status_draw(void *context, struct buf *out)
{
    struct status_state *run = context;
    const struct page page = terminal_page(&run->values->terminal, out);
    const int64_t now = command_now(run->values->now);
    struct status_audit audit;
    struct status_completeness completeness;
    ARENA_SCOPED arena = arena_new(MEMORY_LIMIT);
    if (run->seen)
        facts_refresh(&run->facts, &run->values->facts, run->settings, now);
    struct status_view view = {.arena = arena,
                               .now = now,
                               .from = run->facts.from,
                               .files = !run->facts.cluster,
                               .inventory = run->facts.inventory,
                               .settings = run->settings};
    if (!arena || !status_fill_view(run, &view, &audit, &completeness))
        return false;
    /* Facts that are not of now say so first; an API server that is gone is one reason, not ten. */
    const struct strlist *problems = &run->facts.problems;
    if (run->seen && problems->len && run->values->output == STATUS_TEXT) {
        struct str more = problems->len == 1
                              ? STR("")
                              : arena_printf(run->facts.moment, " (and %zu more kinds or files)", problems->len - 1);
        page_sentence(&page, TONE_BAD, STR("NOT UP TO DATE"),
                      arena_printf(run->facts.moment, ": %.*s%.*s", STR_ARG(problems->items[0]), STR_ARG(more)));
    }
    if (run->values->output == STATUS_JSON)
        status_json(&view, page.out);
    else if (run->values->output == STATUS_HTML)
        status_html(&view, false, page.out);
    else
        status_text(&view, &page);
    run->seen = true;
    static const int codes[] = {[STATUS_READY] = EXIT_OK,
                                [STATUS_AT_RISK] = EXIT_AT_RISK,
                                [STATUS_UNKNOWN] = EXIT_USAGE,
                                [STATUS_NOT_READY] = EXIT_DENIED};
    run->code = codes[view.verdict.grade];
    return !out->failed && !arena_failed(arena);
}

static bool show_once(struct status_state *run)
{
    BUF_SCOPED out;
    buf_init(&out, OUTPUT_LIMIT);
    bool drawn = status_draw(run, &out);
    errno = ENOMEM; /* unless the write fails */
    return drawn && fd_write(STDOUT_FILENO, buf_str(&out));
}

/* The page is asked for ASCII and colour alone, which the hint line needs as well. */
static bool show_again(struct status_state *run)
{
    const struct page page = terminal_page(&run->values->terminal, NULL);
    const struct screen_options screen = {.seconds = run->values->interval,
                                          .lines = run->values->output == STATUS_JSON,
                                          .ascii = page.ascii,
                                          .colour = page.colour,
                                          .draw = status_draw,
                                          .context = run};
    return screen_watch(&screen);
}

static int status_show(const struct command *command, const struct status_options *values)
{
    CLEANUP(command_settings_release)
    struct settings *settings = command_settings(command, values->settings, &values->facts);
    struct status_state run = {.values = values, .settings = settings};
    if (!settings)
        return EXIT_USAGE;
    bool open = facts_open(&run.facts, command, &values->facts, settings, command_now(values->now));
    bool shown = open && (values->watch ? show_again(&run) : show_once(&run));
    facts_dispose(&run.facts);
    if (!open)
        return EXIT_USAGE;
    return shown ? run.code : command_fail_output(command);
}

static int status_check_options(const struct command *command, const struct status_options *values)
{
    if (values->watch && values->output == STATUS_HTML)
        return command_fail(command, "--watch is for text and json; serve --status-page has a page that renews itself");
    if (values->interval < 1 || values->interval > INTERVAL_MAX)
        return command_fail(command, "--interval: expected 1s to 24h");
    return terminal_check(command, &values->terminal);
}

static int status_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    struct status_options *values = context;
    (void)operands, (void)operand_count;
    int code = status_check_options(command, values);
    return code == EXIT_OK ? status_show(command, values) : code;
}

const struct command command_status = {
    .name = "status",
    .summary = "could this cluster be restored tonight and upgraded tomorrow?",
    .details = details,
    .options = options,
    .option_count = LENGTH_OF(options),
    FACTS_CONNECTION(struct status_options),
    .body = status_execute,
    COMMAND_DEFAULTS(struct status_options, .now = INT64_MIN, .interval = 2, .terminal = {.width = -1}),
};
