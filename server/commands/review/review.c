/* `backstop review`: options, exit code and order of an offline review. What a document meets is in run.c, what is
 * known of the cluster in facts.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backstop/cli.h"
#include "commands/commands.h"
#include "commands/review/review.h"

enum {
    INPUT_LIMIT = 1024 * 1024 * 1024,
    DOCUMENT_LIMIT = 1024 * 1024 * 1024,
    OUTPUT_LIMIT = 1024 * 1024 * 1024,
};

struct review_options {
    struct facts_options facts;
    int output; /* enum review_format */
    const char *settings, *old, *user;
    int operation; /* of operations; -1: as it comes */
    const char *kustomize;
    struct option_list files;
    bool dry_run, recursive, allow_empty;
    int64_t now;
};

/* By the words of --operation. */
static const enum operation operations[] = {OPERATION_CREATE, OPERATION_UPDATE, OPERATION_DELETE};

static const struct option options[] = {
    {"filename", 'f', OPTION_LIST, "FILE|DIR|URL|-",
     "manifests or recorded AdmissionReviews, YAML or JSON (repeatable)", offsetof(struct review_options, files)},
    {"recursive", 'R', OPTION_FLAG, NULL, "read folders of -f recursively", offsetof(struct review_options, recursive)},
    {"kustomize", 'k', OPTION_TEXT, "DIR", "review the output of `kubectl kustomize DIR`",
     offsetof(struct review_options, kustomize)},
    {"allow-empty", 0, OPTION_FLAG, NULL, "exit 0 if there is nothing to review",
     offsetof(struct review_options, allow_empty)},
    {"output", 'o', OPTION_CHOICE, "text|json|yaml|junit|sarif",
     "output format (text); json is one object per line, sarif is for code scanning",
     offsetof(struct review_options, output)},
    FACTS_OPTIONS(struct review_options),
    {"settings", 0, OPTION_TEXT, "FILE", "settings file of the webhook", offsetof(struct review_options, settings)},
    {"operation", 0, OPTION_CHOICE, "CREATE|UPDATE|DELETE",
     "operation to review (UPDATE if the cluster or --old has the object, else CREATE)",
     offsetof(struct review_options, operation)},
    {"old", 0, OPTION_TEXT, "FILE", "objects as they were before an update, matched by kind, namespace and name",
     offsetof(struct review_options, old)},
    {"user", 0, OPTION_TEXT, "NAME", "user who makes the request (--as, else kubernetes-admin); not a kubeconfig user",
     offsetof(struct review_options, user)},
    {"dry-run", 0, OPTION_FLAG, NULL, "review as for kubectl apply --dry-run=server",
     offsetof(struct review_options, dry_run)},
    {"now", 0, OPTION_TIME, "TIME", "current time to assume, such as 2026-11-21T03:00:00Z (now)",
     offsetof(struct review_options, now)},
};

static const char details[] =
    "Shows what the webhook would answer if these manifests were applied with kubectl, in order.\n"
    "A document that is an AdmissionReview is answered as it is; --operation, --user and\n"
    "--dry-run apply to all others.\n"
    "\n"
    "Without further options backstop reads no cluster: checks that need one are skipped with a\n"
    "warning. --inventory reads the objects of a cluster from files, as `kubectl get -o yaml`\n"
    "prints them; --kubeconfig, --context and the like read a cluster. kubectl's plugin reads\n"
    "the current context unless --inventory is given. Nothing is ever written.\n"
    "\n"
    "An allowed document counts for those after it, as if kubectl had created it: put a storage\n"
    "location before the backup that uses it. With --dry-run it does not count.\n"
    "\n"
    "Errors of the API server itself (unknown fields, wrong types, bad names) are reported too.\n"
    "They come from the CRDs in the manifests, in the inventory or in the cluster, else from\n"
    "built-in ones.\n"
    "\n"
    "An object that the cluster already has is reviewed as an update. The new object is the\n"
    "manifest plus the live status, uid, resourceVersion, creationTimestamp and\n"
    "deletionTimestamp, without the three-way merge of kubectl apply. --old and --operation take\n"
    "precedence. If the live object cannot be read, backstop says so and skips the document.\n"
    "\n"
    "Folders are read as kubectl does: *.yaml, *.yml and *.json, with -R recursively. Files\n"
    "without a Kubernetes object (values.yaml, Chart.yaml) and templates ({{ ... }}) are only\n"
    "counted.\n"
    "\n"
    "Exit status: 0 all allowed, 1 something denied, 2 wrong usage, unreadable input or nothing\n"
    "to review, 3 nothing denied, but an upgrade would wait for its pre-upgrade backup.\n"
    "\n"
    "Examples:\n"
    "  backstop review -f kcm-backup.yaml\n"
    "  backstop review --context prod -f kcm-backup.yaml";

enum review_format { FORMAT_TEXT, FORMAT_JSON, FORMAT_YAML, FORMAT_JUNIT, FORMAT_SARIF };

/* One run of the command. */
struct review_state {
    const struct command *command;
    struct review_context context;
    struct review_facts *facts;
    bool failed; /* it cannot go on; that was reported */
    const struct review_options *options;
    enum review_format format;
    bool colour;
    struct kube_client *client; /* of the cluster, or NULL */
    struct buf cases;           /* JUnit's, whose head needs the totals, or SARIF's results */
    struct review_summary summary;
    struct review_schemas schemas;
    struct review_managements managements;
};

/* kubectl's plugin is about the cluster unless told otherwise; backstop by itself is offline. */
static bool asks_cluster(const struct review_options *values)
{
    return connection_given(&values->facts.connection) || (program_is_plugin() && !values->facts.inventories.len);
}

/* Each counts as unreadable, which decides the exit code; JUnit and SARIF list them beside the
 * results. */
static void review_report_problem(void *context, const char *source, int64_t line, const char *reason)
{
    struct review_state *run = context;
    BUF_SCOPED problem;
    buf_init(&problem, MANIFEST_PROBLEM_LIMIT);
    manifest_problem_write(source, line, reason, &problem);
    command_fail(run->command, "%.*s", STR_ARG(buf_str(&problem)));
    if (run->format == FORMAT_SARIF)
        review_print_sarif_problem(source ? source : "", line, reason, &run->cases);
    else
        review_print_junit_problem(source, buf_str(&problem), &run->cases);
    run->summary.unreadable++;
}

/* JUnit and SARIF are one document each, so their parts are gathered; the others go out at once. */
static bool print_result(struct review_state *run, struct arena *arena, const struct review_result *result)
{
    BUF_SCOPED out;
    buf_init(&out, OUTPUT_LIMIT);
    switch (run->format) {
    case FORMAT_JSON:
        review_print_json(arena, result, &out);
        break;
    case FORMAT_YAML:
        review_print_yaml(arena, result, &out);
        break;
    case FORMAT_JUNIT:
        review_print_junit(arena, result, &run->cases);
        break;
    case FORMAT_SARIF:
        review_print_sarif(arena, result, &run->cases);
        break;
    default:
        review_print_text(arena, result, run->colour, &out);
    }
    return !out.failed && fd_write(STDOUT_FILENO, buf_str(&out));
}

/* What was skipped goes to stderr, lest it stand in the way of a program that reads stdout. */
static bool print_end(struct review_state *run)
{
    BUF_SCOPED out;
    buf_init(&out, OUTPUT_LIMIT);
    if (run->format == FORMAT_TEXT)
        review_print_summary(&run->summary, &out);
    else if (run->format == FORMAT_JUNIT)
        review_junit_document(&run->summary, buf_str(&run->cases), &out);
    else if (run->format == FORMAT_SARIF)
        review_sarif_document(buf_str(&run->cases), &out);
    BUF_SCOPED passed_over;
    buf_init(&passed_over, OUTPUT_LIMIT);
    review_print_passed_over(&run->summary, &passed_over);
    review_print_kustomized(run->managements.arena, &run->summary, &passed_over);
    (void)fd_write(STDERR_FILENO, buf_str(&passed_over));
    return !out.failed && fd_write(STDOUT_FILENO, buf_str(&out));
}

/* What people read says "would be started", since nothing is: the words of a dry run. JSON and
 * YAML keep what the webhook itself would answer. The review is run a second time for its words
 * alone; the effects shown are those of the first. */
static bool reword_waiting(const struct review_state *run, struct arena *arena, struct manifest *manifest,
                           const struct review_result *result, struct review_result *shown)
{
    struct review_context context = run->context;
    *shown = *result;
    shown->offline = review_facts_none(run->facts);
    if (!result->decision.waits || manifest->review.ptr || run->format == FORMAT_JSON || run->format == FORMAT_YAML)
        return true;
    context.dry_run = true;
    if (!review_run(&context, arena, manifest, shown))
        return false;
    shown->offline = review_facts_none(run->facts);
    shown->decision.effects.items = result->decision.effects.items;
    shown->decision.effects.len = result->decision.effects.len;
    return true;
}

/* False, and told, when nobody can say what would be asked for. Offline only the Management of
 * the inventory is looked for: of the other kinds an update is judged like a creation. */
static bool find_live(struct review_state *run, struct review_context *context, struct arena *arena,
                      const struct manifest *manifest)
{
    struct error error;
    context->live = NULL;
    if (!run->client && manifest->tree && !manifest->review.ptr && context->operation != OPERATION_CREATE &&
        context->operation != OPERATION_DELETE && str_is(json_get_str(manifest->tree, "kind"), "Management") &&
        !review_old(context, manifest->tree))
        context->live = review_inventory_management(&run->managements, manifest->tree);
    if (context->live)
        review_keep_live(manifest->tree, context->live);
    if (!run->client || manifest->review.ptr || context->operation == OPERATION_CREATE ||
        review_old(context, manifest->tree))
        return true;
    if (!review_live(run->client, arena, manifest->tree, &context->live, &error)) {
        review_report_problem(run, manifest->source, manifest->line, error.message);
        return false;
    }
    if (!context->live && context->operation == OPERATION_UPDATE) {
        review_report_problem(run, manifest->source, manifest->line,
                              "--operation UPDATE, and this object is neither in the cluster nor in --old");
        return false;
    }
    review_keep_live(manifest->tree, context->live);
    return true;
}

/* The order matters: a CRD in the document counts for the document itself, and its facts are
 * added only once it has been judged. */
static bool review_one(void *context, struct manifest *manifest)
{
    struct review_state *run = context;
    ARENA_SCOPED arena = arena_new(DOCUMENT_LIMIT);
    struct review_result result, shown;
    if (arena && !find_live(run, &run->context, arena, manifest))
        return true;
    (void)schema_set_add(&run->schemas.set, manifest->tree);
    run->context.inventory = review_facts_get(run->facts, run->context.now);
    bool good = arena && run->context.inventory && review_run(&run->context, arena, manifest, &result) &&
                reword_waiting(run, arena, manifest, &result, &shown) && review_facts_add(run->facts, &result);
    if (!good)
        command_fail(run->command, "%s:%u: out of memory", manifest->source, manifest->line);
    else if ((good = print_result(run, arena, &shown))) {
        struct review_summary *summary = &run->summary;
        for (size_t f = 0; f < FACT_COUNT; f++)
            summary->missing[f] |= review_facts_none(run->facts) && result.decision.missing[f];
        const struct decision *decision = &result.decision;
        summary->waits += decision->denied && decision->waits;
        summary->denied += decision->denied && !decision->waits;
        summary->passed += !decision->denied && !result.reviewed;
        summary->allowed += !decision->denied && result.reviewed;
    } else
        command_fail_output(run->command);
    run->failed = !good;
    return good;
}

/* -k first, then -f, then operands, whatever their order on the command line. */
static bool read_inputs(struct review_state *run, char **operands, size_t operand_count)
{
    const struct review_options *values = run->options;
    struct manifest_files files = {.sink = {review_one, review_report_problem, run, NULL},
                                   .recursive = values->recursive,
                                   .quiet_others = values->allow_empty,
                                   .notes = run->managements.arena};
    bool more = !values->kustomize || manifests_kustomize(&files, values->kustomize);
    for (size_t i = 0; more && i < values->files.len; i++)
        more = manifests_read(&files, values->files.items[i]);
    for (size_t i = 0; more && i < operand_count; i++)
        more = manifests_read(&files, operands[i]);
    run->summary.others = files.others;
    run->summary.templates = files.templates;
    run->summary.irregular = files.irregular;
    run->summary.kustomized = files.kustomized;
    run->summary.kustomize_sets = files.kustomize_sets;
    return !run->failed;
}

/* 2 before 1: what could not be judged may be worse than what was denied. */
static int exit_code(const struct review_state *run)
{
    const struct review_summary *summary = &run->summary;
    size_t all = summary->allowed + summary->denied + summary->waits + summary->passed;
    if (summary->unreadable)
        return EXIT_USAGE;
    if (all == 0 && !run->options->allow_empty)
        return command_fail(run->command, "nothing to review: no Kubernetes object was found%s",
                            run->options->recursive ? "" : " (folders below are read with -R)");
    return summary->denied ? EXIT_DENIED : summary->waits ? EXIT_WAIT : EXIT_OK;
}

/* An object of --old that no document took up is reported: most likely its name or namespace
 * differs. */
static int review_all(struct review_state *run, struct arena *arena, const struct manifests *old,
                      const struct settings *settings, char **operands, size_t operand_count)
{
    const struct review_options *values = run->options;
    struct review_context *context = &run->context;
    *context = (struct review_context){.settings = settings,
                                       .read = review_facts_read,
                                       .reader = run->facts,
                                       .schemas = &run->schemas,
                                       .user = values->user,
                                       .dry_run = values->dry_run,
                                       .now = values->now};
    if (!review_old_open(context, arena, old))
        return command_fail(run->command, "out of memory");
    if (values->operation >= 0)
        context->operation = operations[values->operation];
    if (!read_inputs(run, operands, operand_count))
        return EXIT_USAGE;
    for (size_t i = 0; context->old && i < context->old->len; i++)
        if (!context->old_used[i])
            command_fail(run->command,
                         "%s:%u: no document has this object's kind, namespace and name; --old has no effect",
                         context->old->items[i].source, context->old->items[i].line);
    return print_end(run) ? exit_code(run) : command_fail_output(run->command);
}

/* Facts and, when they are a cluster's, a client to look for objects with. */
static struct review_facts *open_facts(struct review_state *run, const struct settings *settings)
{
    struct error error;
    const struct review_options *values = run->options;
    if (!asks_cluster(values))
        return review_facts_files(&values->facts.inventories, settings->system_namespace, review_report_problem, run);
    struct review_facts *facts = review_facts_cluster(run->command, &values->facts, settings, values->now);
    const struct kube_options access = connection_access(&values->facts.connection);
    if (facts && !(run->client = kube_open(&access, &error))) {
        command_fail(run->command, "%s", error.message);
        review_facts_close(&facts);
    }
    return facts;
}

/* CRDs are looked for in all the inputs before the first review, since a manifest may stand
 * before the CRD of its kind. */
static int run_review(struct review_state *run, char **operands, size_t operand_count)
{
    const struct review_options *values = run->options;
    ARENA_SCOPED arena = arena_new(INPUT_LIMIT);
    if (!arena)
        return command_fail(run->command, "out of memory");
    CLEANUP(command_settings_release)
    struct settings *settings = command_settings(run->command, values->settings, &values->facts);
    if (!settings)
        return EXIT_USAGE;
    struct manifests old = {0};
    run->managements = (struct review_managements){.arena = arena, .paths = &values->facts.inventories};
    if (values->old && !manifests_load(arena, values->old, &old, review_report_problem, run))
        return EXIT_USAGE;
    CLEANUP(review_facts_close) struct review_facts *facts = open_facts(run, settings);
    run->schemas = (struct review_schemas){.set.arena = arena, .client = run->client};
    review_schemas_scan(&run->schemas, &values->facts.inventories);
    review_schemas_scan(&run->schemas, &values->files);
    review_schemas_scan(&run->schemas, &(struct option_list){.items = operands, .len = operand_count});
    run->facts = facts;
    int code = facts ? review_all(run, arena, &old, settings, operands, operand_count) : EXIT_USAGE;
    kube_close(run->client);
    return code;
}

static int review_check_options(const struct command *command, const struct review_options *values,
                                size_t operand_count)
{
    if (values->operation >= 0 && operations[values->operation] == OPERATION_UPDATE && !values->old &&
        !asks_cluster(values))
        return command_fail(command, "--operation UPDATE needs the object before the change: --old FILE, or a cluster");
    if (values->files.len + operand_count == 0 && !values->kustomize)
        return command_fail(command, "nothing to review: give -f FILE, a folder, a URL, or - for standard input");
    if (values->kustomize && values->files.len + operand_count)
        return command_fail(command, "-k and -f: give one of them");
    return EXIT_OK;
}

static int review_command_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    struct review_options *values = context;
    int code = review_check_options(command, values, operand_count);
    if (code != EXIT_OK)
        return code;
    struct review_state state = {.command = command, .options = values, .format = (enum review_format)values->output};
    state.colour = terminal_colour(COLOUR_AUTO);
    values->now = command_now(values->now);
    if (!values->user)
        values->user = values->facts.connection.as ? values->facts.connection.as : "kubernetes-admin";
    buf_init(&state.cases, OUTPUT_LIMIT);
    code = run_review(&state, operands, operand_count);
    buf_dispose(&state.cases);
    return code;
}

const struct command command_review = {
    .name = "review",
    .summary = "review manifests or recorded reviews offline, as the webhook would",
    .operands = "-f FILE|DIR|URL|-...",
    .details = details,
    .options = options,
    .option_count = LENGTH_OF(options),
    FACTS_CONNECTION(struct review_options),
    .body = review_command_execute,
    COMMAND_DEFAULTS(struct review_options, .facts.velero_suffices = true, .operation = -1, .now = INT64_MIN),
};
