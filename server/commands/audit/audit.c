/* `backstop audit`: reviews what is in the cluster already as if it were created now, and
 * reports what would be denied. Writes nothing but its own reports, with --apply. */
#include "commands/audit/audit.h"
#include "commands/commands.h"
#include "commands/facts_open.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backstop/cli.h"

enum { MEMORY_LIMIT = 1024 * 1024 * 1024, OUTPUT_LIMIT = 1024 * 1024 * 1024 };

struct audit_options {
    struct facts_options facts;
    struct terminal_options terminal;
    int output; /* enum audit_format */
    const char *settings;
    bool all, apply;
    int64_t now;
};

static const struct option options[] = {
    FACTS_OPTIONS(struct audit_options),
    {"all", 0, OPTION_FLAG, NULL, "text, openreports: also list objects without problems",
     offsetof(struct audit_options, all)},
    {"apply", 0, OPTION_FLAG, NULL, "openreports: write the reports to the cluster",
     offsetof(struct audit_options, apply)},
    {"settings", 0, OPTION_TEXT, "FILE", "settings file of the webhook", offsetof(struct audit_options, settings)},
    {"output", 'o', OPTION_CHOICE, "text|json|junit|openreports", "output format (text); json is one object per line",
     offsetof(struct audit_options, output)},
    TERMINAL_OPTIONS(struct audit_options),
    {"now", 0, OPTION_TIME, "TIME", "current time to assume, such as 2026-11-21T03:00:00Z (now)",
     offsetof(struct audit_options, now)},
};

static const char details[] =
    "Reviews all existing objects as if they were created now. This finds objects that are older\n"
    "than the webhook, were admitted while it was down, or have become invalid since (a deleted\n"
    "storage location, an expired backup). Text lists the problems by object; --all lists every\n"
    "object.\n"
    "\n" FACTS_DETAILS "\n"
    "\n"
    "An object's own results do not count against it, such as the Velero Backup of an on-demand\n"
    "ManagementBackup. Objects being deleted and finished Restores are not reviewed, nor are\n"
    "kinds in files that no rule covers.\n"
    "\n"
    "It also warns of what a restore would miss: Secrets, identities, ConfigMaps, templates and\n"
    "HelmRepositories that Credentials, Regions and templates need and that no management backup\n"
    "selects, for want of the label k0rdent.mirantis.com/component=kcm.\n"
    "\n"
    "-o json has the keys of `backstop review -o json`. -o openreports is for kubectl apply, where\n"
    "the CRDs of openreports.io are installed: a ClusterReport, and a Report for each namespace.\n"
    "--apply is the exception that writes: these reports, in place of older ones. It deletes those of\n"
    "namespaces that have none any more, and exits with 0 whatever the reports say.\n"
    "\n"
    "Exit status: 0 nothing would be denied, 1 something would be denied, 2 wrong usage, or\n"
    "something could not be read or is unknown. Without Backups in the inventory, for example,\n"
    "Restores cannot be checked. An empty list of the kind (kind: BackupList, items: []) states\n"
    "that there are none.\n"
    "\n"
    "Examples:\n"
    "  backstop audit\n"
    "  backstop audit --context prod -o junit >audit.xml\n"
    "  backstop audit -o openreports | kubectl apply --server-side -f -\n"
    "  kubectl get managementbackups,restores.velero.io -A -o yaml >all.yaml\n"
    "  backstop audit --inventory all.yaml --all";

enum audit_format { FORMAT_TEXT, FORMAT_JSON, FORMAT_JUNIT, FORMAT_OPENREPORTS };

/* One run of the command. */
struct audit_run {
    const struct command *command;
    const struct audit_options *options;
    const struct settings *settings;
    enum audit_format format;
    struct page page;
    struct buf out, cases;       /* cases: JUnit's, whose head needs the totals */
    struct json_object *reports; /* by namespace, of OpenReports; else NULL */
    struct audit_world world;
    struct review_summary summary;
    size_t warned;
    bool rests_on[FACT_COUNT]; /* what the verdicts so far rest on */
    bool failed;               /* for want of memory, or nothing can be written */
    int unwritten;             /* errno of a write that failed, or 0 */
};

/* Told at once, and kept for the formats that list problems beside the results. */
static void audit_tell_problem(void *context, const char *source, int64_t line, const char *reason)
{
    struct audit_run *run = context;
    BUF_SCOPED problem;
    buf_init(&problem, MANIFEST_PROBLEM_LIMIT);
    manifest_problem_write(source, line, reason, &problem);
    command_fail(run->command, "%.*s", STR_ARG(buf_str(&problem)));
    review_print_junit_problem(source, buf_str(&problem), &run->cases);
    run->summary.unreadable++;
    if (run->reports)
        run->failed |= !audit_report_add_problem(run->reports, buf_str(&problem), run->options->now);
}

/* After each object: a big cluster's output goes out as it comes, and memory stays small. */
static bool audit_flush(struct audit_run *run)
{
    errno = ENOMEM; /* unless the write fails */
    bool written = !run->out.failed && !run->cases.failed && fd_write(STDOUT_FILENO, buf_str(&run->out));
    buf_clear(&run->out);
    run->unwritten = written ? run->unwritten : errno;
    return written;
}

/* Objects that were passed over are of interest to --all alone. */
static bool audit_print_result(struct audit_run *run, struct arena *arena, const struct review_result *result,
                               const char *passed_over)
{
    bool problem = result->decision.denied || result->decision.warnings.len;
    if (run->format == FORMAT_JSON && !passed_over)
        review_print_json(arena, result, &run->out);
    else if (run->format == FORMAT_JUNIT && !passed_over)
        review_print_junit(arena, result, &run->cases);
    else if (run->format == FORMAT_OPENREPORTS && !passed_over && !audit_report_add(run->reports, result))
        return false;
    else if (run->format == FORMAT_TEXT && (problem || run->options->all))
        audit_print_text(arena, result, passed_over, &run->page);
    return audit_flush(run);
}

/* Of what the verdicts on each kind rest on. */
static const struct {
    const char *kind;
    enum fact fact;
} rests_on[] = {{"ManagementBackup", FACT_STORAGE_LOCATIONS},
                {"Schedule", FACT_STORAGE_LOCATIONS},
                {"Backup", FACT_STORAGE_LOCATIONS},
                {"Restore", FACT_STORAGE_LOCATIONS},
                {"Restore", FACT_BACKUPS},
                {"DeleteBackupRequest", FACT_BACKUPS}};

static bool audit_one(void *context, struct manifest *manifest)
{
    struct audit_run *run = context;
    ARENA_SCOPED arena = arena_new(MEMORY_LIMIT);
    const char *passed_over = NULL;
    struct review_result result;
    if (!audit_concerns(manifest))
        return true;
    run->failed = !arena || !audit_review(&run->world, run->options->now, arena, manifest, &result, &passed_over);
    if (run->failed)
        return false;
    for (size_t i = 0; i < LENGTH_OF(rests_on); i++)
        run->rests_on[rests_on[i].fact] |= str_is(result.request.kind, rests_on[i].kind);
    run->summary.passed += passed_over != NULL;
    run->summary.denied += result.decision.denied;
    run->summary.allowed += !passed_over && !result.decision.denied;
    run->warned += result.decision.warnings.len > 0;
    run->failed = !audit_print_result(run, arena, &result, passed_over);
    return !run->failed;
}

/* Verdicts that rest on what is not known are not the whole of it. Where there was nothing to
 * review, anything may be missing. */
static bool tell_unknown(struct audit_run *run, const struct facts *facts)
{
    bool nothing = run->summary.allowed + run->summary.denied + run->summary.passed == 0, any = false;
    run->rests_on[FACT_MANAGEMENT_BACKUPS] = nothing;
    for (size_t f = 0; f < FACT_COUNT; f++) {
        bool wanted = run->rests_on[f] || (nothing && (f == FACT_STORAGE_LOCATIONS || f == FACT_BACKUPS));
        if (!wanted || facts->inventory->known[f])
            continue;
        any = true;
        command_fail(run->command, "%ss are not known (%s), so what depends on them was not judged",
                     fact_kinds[f].resource.kind.ptr,
                     facts->cluster ? "the cluster does not list them" : "none in the inventory");
    }
    return any;
}

/* The line for text, which says also what is unknown, is empty in other formats. */
static bool audit_completeness(struct audit_run *run, const struct facts *facts, struct arena *arena, struct str *line)
{
    struct status_completeness found;
    if (!completeness_read(arena, &run->options->facts, facts, run->settings, &found))
        return false;
    for (size_t i = 0; i < found.len; i++) {
        /* An object that no management backup selects, as a review that warns of it. */
        const struct status_omission *omission = &found.items[i];
        struct manifest manifest = {.arena = arena, .source = facts->from.ptr, .tree = omission->tree, .stored = true};
        struct review_result result = {.manifest = &manifest, .reviewed = true}; /* its content is not shown */
        decision_init(&result.decision, arena);
        result.request.arena = arena;
        result.request.now = run->options->now;
        result.request.operation = OPERATION_CREATE;
        result.request.api_version = json_get_str(omission->tree, "apiVersion");
        result.request.kind = json_get_str(omission->tree, "kind");
        result.request.name = json_path_str(omission->tree, "metadata.name");
        result.request.ns = json_path_str(omission->tree, "metadata.namespace");
        decision_warn(&result.decision, "in no management backup: %.*s. Label it: %.*s", STR_ARG(omission->reason),
                      STR_ARG(omission->fix));
        run->summary.allowed++;
        run->warned++;
        if (!audit_print_result(run, arena, &result, NULL))
            return false;
    }
    if (run->format == FORMAT_TEXT)
        *line = status_completeness_words(arena, &found, !facts->cluster);
    return !arena_failed(arena);
}

static int audit_apply_reports(struct audit_run *run, struct arena *arena)
{
    struct error error;
    const struct kube_options wanted = connection_access(&run->options->facts.connection);
    struct kube_client *kube = kube_open(&wanted, &error);
    size_t written = 0, deleted = 0;
    bool fine = kube && audit_report_apply(kube, arena, run->reports, run->options->all, &written, &deleted, &error);
    kube_close(kube);
    if (!fine)
        return command_fail(run->command,
                            "the reports cannot be written: %s. Are the CRDs of openreports.io installed?",
                            error.message);
    printf("%zu reports written, %zu of namespaces that have none any more deleted\n", written, deleted);
    return fflush(stdout) == 0 ? EXIT_OK : command_fail_output(run->command);
}

/* What could not be read at all goes before a denial in the exit code; what is merely unknown
 * does not, since a denial stays one whatever else comes to light. */
static int audit_all(struct audit_run *run, const struct facts *facts)
{
    ARENA_SCOPED arena = arena_new(MEMORY_LIMIT);
    struct str completeness = STR("");
    const struct manifest_sink sink = {audit_one, audit_tell_problem, run, NULL};
    if (!audit_world_open(&run->world, &run->options->facts, facts, run->settings))
        return command_fail(run->command, "out of memory");
    if (run->format == FORMAT_OPENREPORTS && arena)
        run->reports = json_own(arena, json_object_new_object());
    audit_read(&run->options->facts, facts, &sink);
    bool unknown = tell_unknown(run, facts);
    run->failed = run->failed || !arena || !audit_completeness(run, facts, arena, &completeness);
    errno = run->unwritten ? run->unwritten : ENOMEM;
    if (run->failed)
        return command_fail_output(run->command);
    if (run->format == FORMAT_TEXT)
        audit_print_summary(&run->summary, run->warned, &run->page);
    if (completeness.len)
        page_sentence(&run->page, TONE_PLAIN, STR("Completeness"),
                      arena_printf(arena, ": %.*s", STR_ARG(completeness)));
    run->summary.passed = 0; /* no testcase was written of these */
    if (run->format == FORMAT_JUNIT)
        review_junit_document(&run->summary, buf_str(&run->cases), &run->out);
    if (run->options->apply) {
        int code = audit_apply_reports(run, arena);
        return code == EXIT_OK && (run->summary.unreadable || unknown) ? EXIT_USAGE : code;
    }
    if (run->format == FORMAT_OPENREPORTS)
        audit_report_print(arena, run->reports, run->options->all, &run->out);
    if (!audit_flush(run))
        return command_fail_output(run->command);
    if (run->summary.unreadable)
        return EXIT_USAGE;
    return run->summary.denied ? EXIT_DENIED : unknown ? EXIT_USAGE : EXIT_OK;
}

static int audit_inventory(const struct command *command, const struct audit_options *values)
{
    CLEANUP(command_settings_release)
    struct settings *settings = command_settings(command, values->settings, &values->facts);
    CLEANUP(facts_dispose) struct facts facts = {0};
    if (!settings || !facts_open(&facts, command, &values->facts, settings, values->now))
        return EXIT_USAGE;
    struct audit_run run = {
        .command = command, .options = values, .settings = settings, .format = (enum audit_format)values->output};
    buf_init(&run.out, OUTPUT_LIMIT);
    buf_init(&run.cases, OUTPUT_LIMIT);
    run.summary.suite = "backstop audit";
    run.page = terminal_page(&values->terminal, &run.out);
    int code = audit_all(&run, &facts);
    audit_world_close(&run.world);
    buf_dispose(&run.out);
    buf_dispose(&run.cases);
    return code;
}

static int audit_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    struct audit_options *values = context;
    (void)operands, (void)operand_count;
    if (values->apply && (values->output != FORMAT_OPENREPORTS || values->facts.inventories.len))
        return command_fail(command, "--apply needs -o openreports, and a cluster instead of --inventory");
    int code = terminal_check(command, &values->terminal);
    values->now = command_now(values->now);
    return code == EXIT_OK ? audit_inventory(command, values) : code;
}

const struct command command_audit = {
    .name = "audit",
    .summary = "review everything that exists already",
    .details = details,
    .options = options,
    .option_count = LENGTH_OF(options),
    FACTS_CONNECTION(struct audit_options),
    .body = audit_execute,
    COMMAND_DEFAULTS(struct audit_options, .facts.velero_suffices = true, .now = INT64_MIN, .terminal = {.width = -1}),
};
