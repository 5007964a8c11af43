/* rehearse: would this backup restore, here, now? */
#include "commands/rehearse/rehearse.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backstop/api.h"
#include "backstop/telemetry.h"
#include "commands/commands.h"
#include "commands/facts_open.h"

#define MEGABYTE (UINT64_C(1024) * 1024)
enum { MEMORY_LIMIT = 1024 * 1024 * 1024, OUTPUT_LIMIT = 512 * 1024 * 1024, SIZE_DEFAULT = 8192, CONCURRENCY_MAX = 64 };

enum rehearse_format { REHEARSE_TEXT, REHEARSE_JSON, REHEARSE_JUNIT, REHEARSE_HTML };

struct rehearse_options {
    struct connection connection;
    struct terminal_options terminal;
    int output; /* enum rehearse_format */
    const char *restore, *contents, *settings, *ns, *ca_file;
    bool insecure, all, suggest, plain, as_me, record, drill;
    struct option_list crds;
    int64_t concurrency, rate; /* -1: not given, the default */
    int64_t max_size;
};

#define AT(member) offsetof(struct rehearse_options, member)
static const struct option options[] = {
    {"restore", 0, OPTION_TEXT, "FILE", "the Restore to rehearse, with its ConfigMaps if they are not in the cluster",
     AT(restore)},
    {"contents", 0, OPTION_TEXT, "FILE", "the backup's contents, as velero backup download writes them", AT(contents)},
    {"output", 'o', OPTION_CHOICE, "text|json|junit|html", "output format (text)", AT(output)},
    {"all", 0, OPTION_FLAG, NULL, "text: list all objects, in the order of the restore", AT(all)},
    {"suggest", 0, OPTION_FLAG, NULL, "print the Restore that would go through instead of the report", AT(suggest)},
    {"against-crds", 0, OPTION_FLAG, NULL, "drill: restore into an API server started for it (KUBEBUILDER_ASSETS)",
     AT(drill)},
    {"crds", 0, OPTION_LIST, "PATH", "with --against-crds: CRDs that the cluster has, as a file or folder", AT(crds)},
    {"record", 0, OPTION_FLAG, NULL, "write verdict and counts on the Backup, as an annotation", AT(record)},
    {"no-mutation", 0, OPTION_FLAG, NULL, "rehearse the Restore as it is, not as backstop's webhook would complete it",
     AT(plain)},
    {"no-impersonation", 0, OPTION_FLAG, NULL, "ask with your own account, not with that of Velero", AT(as_me)},
    {"namespace", 'n', OPTION_TEXT, "NAME", "namespace of Velero (systemNamespace of the settings, else kcm-system)",
     AT(ns)},
    {"settings", 0, OPTION_TEXT, "FILE", "settings file of the webhook", AT(settings)},
    {"ca-file", 0, OPTION_TEXT, "FILE", "trusted CAs of the object store in PEM (the storage location's caCert)",
     AT(ca_file)},
    {"insecure-skip-tls-verify", 0, OPTION_FLAG, NULL, "do not verify the object store's certificate", AT(insecure)},
    {"concurrency", 0, OPTION_INTEGER, "COUNT", "requests at the same time, at most 64 (8)", AT(concurrency)},
    {"rate", 0, OPTION_INTEGER, "COUNT", "dry runs a second, with bursts of six seconds' worth (50)", AT(rate)},
    {"max-size", 0, OPTION_INTEGER, "MIB", "refuse a backup that unpacks to more than this (8192)", AT(max_size)},
    TERMINAL_OPTIONS(struct rehearse_options),
};

static const char details[] =
    "Reads what a Velero backup contains, and tells for every object what a restore would do with it:\n\n"
    "  created         it does not exist, and the API server would take it\n"
    "  updated         it exists and would be patched (existingResourcePolicy: update)\n"
    "  left (same)     it exists and is the same\n"
    "  left (differs)  it exists, differs and stays as it is; Velero counts a warning\n"
    "  skipped         Velero passes it over, or the Restore leaves it out\n"
    "  refused         by the API server, a webhook, a missing kind or version, or the CRD in the backup\n"
    "  unknown         it could not be checked\n\n"
    "The order, filters and changes are Velero's. The API server is asked with dryRun=All, and stores\n"
    "nothing; the one object that is written is a DownloadRequest, by which Velero hands out the\n"
    "contents, and with --record an annotation. A Restore of a management backup is rehearsed as the webhook would "
    "complete it\n"
    "(exclusions, existingResourcePolicy); --no-mutation leaves it as it is. Objects whose CRD comes\n"
    "with the restore are held against that CRD. Webhooks and conversions that come with the restore\n"
    "count as down unless their Service has endpoints.\n\n"
    "Asks the cluster that kubectl would use: --context names the one to restore into. It asks as\n"
    "Velero's account, since webhooks and policies go by who asks, which needs the right to\n"
    "impersonate it; without that, or with --no-impersonation or --as, it asks with yours, which then\n"
    "needs the rights to list, get and create what is restored. With --contents no cluster is asked,\n"
    "unless one is named by --context or --kubeconfig.\n\n"
    "--against-crds is a drill: etcd and kube-apiserver of the folder KUBEBUILDER_ASSETS are started in a\n"
    "temporary folder with the backup's CRDs and those of --crds, the restore is written there in\n"
    "Velero's order, reported as any other, and thrown away with them. The cluster only hands out the\n"
    "contents, and --contents needs no cluster.\n\n"
    "--suggest prints the Restore that would go through: with a resource modifier for what a second dry\n"
    "run takes so, and with all other resources excluded that would be refused. --record writes\n"
    "time, verdict and counts on the Backup, as the annotation\n" ANNOTATION_REHEARSED
    ", which needs the right to patch it:\n"
    "status shows it, and the upgrade gate can ask for it (settings upgrade.rehearsal).\n\n"
    "Exit status: 0 nothing would be refused, 1 something would be, 2 it cannot tell (objects could not\n"
    "be checked, no cluster was asked), or wrong usage.\n\n"
    "Examples:\n"
    "  backstop rehearse nightly-20261121030000\n"
    "  backstop rehearse --context new-cluster --restore restore.yaml\n"
    "  backstop rehearse --contents nightly-data.tar.gz --all\n"
    "  backstop rehearse --against-crds --contents nightly-data.tar.gz --crds k0rdent-crds/\n"
    "  backstop rehearse nightly-20261121030000 --suggest >restore.yaml";

/* ---- progress ------------------------------------------------------------------------------- */

enum { BAR = 30 };

/* A line drawn over itself, on stderr and only at a terminal; once for each percent. */
static void progress_tell(void *context, size_t done, size_t total)
{
    size_t *shown_percent = context, percent = total ? done * 100 / total : 100;
    BUF_SCOPED line;
    if (percent == *shown_percent)
        return;
    *shown_percent = percent;
    buf_init(&line, 256);
    buf_puts(&line, "\r[");
    for (size_t i = 0; i < BAR; i++)
        buf_putc(&line, i * 100 < percent * BAR ? '#' : '-');
    buf_printf(&line, "] %zu of %zu objects%s", done, total, done == total ? "\r\033[K" : "");
    (void)!write(STDERR_FILENO, line.data, line.len);
}

/* ---- the parts --------------------------------------------------------------------------------- */

/* What asks a real cluster, or spares it, has no place in a drill. */
static int rehearse_check_drill(const struct command *command, const struct rehearse_options *values)
{
    if (values->record)
        return command_fail(command,
                            "--record keeps the answers of a real cluster; it cannot be used with --against-crds");
    if (values->concurrency >= 0 || values->rate >= 0)
        return command_fail(command, "--rate and --concurrency spare a real cluster; they cannot be used with "
                                     "--against-crds, which writes one object after another, as Velero does");
    if (values->as_me)
        return command_fail(command, "--no-impersonation cannot be used with --against-crds, which asks as Velero");
    return EXIT_OK;
}

static int rehearse_check_options(const struct command *command, const struct rehearse_options *values)
{
    if (values->concurrency == 0 || values->concurrency > CONCURRENCY_MAX)
        return command_fail(command, "--concurrency must be from 1 to %d", CONCURRENCY_MAX);
    if (values->rate == 0 || values->rate > 100000 || values->max_size < 1 || values->max_size > 1024 * 1024)
        return command_fail(command, "--rate must be from 1 to 100000, and --max-size from 1 to 1048576");
    const char *const files[] = {values->contents, values->restore, values->ns};
    static const char *const names[] = {"--contents", "--restore", "--namespace"};
    for (size_t i = 0; i < LENGTH_OF(files); i++)
        if (files[i] && !*files[i])
            return command_fail(command, "%s is empty; leave it out, or give it a value", names[i]);
    for (size_t i = 0; i < values->crds.len; i++)
        if (!*values->crds.items[i])
            return command_fail(command, "--crds is empty; leave it out, or name a file or folder");
    if (values->record && values->contents)
        return command_fail(command, "--record needs a backup of the cluster; it cannot be used with --contents");
    if (values->crds.len && !values->drill)
        return command_fail(command, "--crds is for a drill; add --against-crds");
    int code = values->drill ? rehearse_check_drill(command, values) : EXIT_OK;
    return code == EXIT_OK ? terminal_check(command, &values->terminal) : code;
}

/* From the file, or from the object store into one. */
static bool rehearse_get_contents(struct rehearsal *rehearsal, const struct rehearse_options *values,
                                  struct error *error)
{
    char buffer[128];
    const struct rehearse_limits limits = {.total_bytes = (uint64_t)values->max_size * MEGABYTE};
    const struct download_options download = {.ca_file = values->ca_file, .insecure = values->insecure};
    FD_SCOPED fd = values->contents ? open(values->contents, O_RDONLY | O_CLOEXEC)
                                    : rehearsal_download(rehearsal, &download, limits.total_bytes, error);
    if (fd < 0 && values->contents)
        error_set(error, 0, "%s: %s", values->contents, strerror_r(errno, buffer, sizeof buffer));
    struct stat status;
    if (fd < 0)
        return false;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
        return error_set(error, 0, "%s is a folder; it must be the file that velero backup download writes",
                         values->contents);
    rehearsal->contents = rehearse_contents_read(fd, &limits, error);
    if (!rehearsal->contents && values->contents)
        error_wrap(error, "%s", values->contents);
    return rehearsal->contents != NULL;
}

/* A drill stores what it is asked, a cluster only answers: `stores` is the difference. */
static bool rehearse_judge(struct rehearsal *rehearsal, const struct rehearse_options *values, struct error *error)
{
    size_t percent = SIZE_MAX;
    struct kube_client *client = rehearsal->velero ? rehearsal->velero : rehearsal->client;
    bool shows = terminal_obeys(STDERR_FILENO) && client;
    const struct rehearse_progress progress = {shows ? progress_tell : NULL, &percent};
    const struct rehearse_cluster cluster = {.client = client,
                                             .as_velero = rehearsal->velero || rehearsal->drill,
                                             .stores = rehearsal->drill != NULL,
                                             .concurrency = values->concurrency < 0 ? 0 : (unsigned)values->concurrency,
                                             .rate = values->rate < 0 ? 0 : (unsigned)values->rate};
    return rehearse_plan_make(&rehearsal->plan, rehearsal->contents, &rehearsal->restore, &rehearsal->served,
                              rehearsal->arena, error) &&
           rehearse_run(&rehearsal->plan, rehearsal->contents, &rehearsal->restore, &rehearsal->served, &cluster,
                        &progress, rehearsal->arena, error);
}

/* With --record the annotation is written last, after the report is out. */
static int rehearse_print(const struct command *command, struct rehearsal *rehearsal,
                          const struct rehearse_options *values)
{
    struct rehearsal_summary summary;
    struct error error = {0};
    BUF_SCOPED out;
    buf_init(&out, OUTPUT_LIMIT);
    if (!rehearsal_summarize(rehearsal, &summary))
        return command_fail(command, "out of memory");
    const struct page page = terminal_page(&values->terminal, &out);
    if (values->suggest)
        rehearsal_suggest(rehearsal, &summary, &out);
    else if (values->output == REHEARSE_JSON)
        rehearsal_json(rehearsal, &summary, &out);
    else if (values->output == REHEARSE_JUNIT)
        rehearsal_junit(rehearsal, &summary, &out);
    else if (values->output == REHEARSE_HTML)
        rehearsal_html(rehearsal, &summary, &out);
    else
        rehearsal_text(rehearsal, &summary, values->all, &page);
    if (out.failed || arena_failed(rehearsal->arena))
        return command_fail(command, "out of memory");
    if (!fd_write(STDOUT_FILENO, buf_str(&out)))
        return command_fail_output(command);
    if (values->record && !rehearsal_record(rehearsal, &summary, command_now(INT64_MIN), &error))
        return command_fail(command, "%s", error.message);
    return summary.verdict == REHEARSAL_RESTORABLE   ? EXIT_OK
           : summary.verdict == REHEARSAL_INCOMPLETE ? EXIT_DENIED
                                                     : EXIT_USAGE;
}

/* The webhook's own view of the cluster. Where it cannot be had, the Restore stays as it is, and the report says so. */
static bool rehearse_discover(struct rehearsal *rehearsal, struct error *error)
{
    struct kube_client *client = rehearsal->velero ? rehearsal->velero : rehearsal->client;
    rehearsal->served.arena = rehearsal->arena;
    if (client)
        return rehearse_served_by_cluster(&rehearsal->served, client, error);
    rehearse_served_by_kubernetes(&rehearsal->served);
    return true;
}

static bool rehearse_mutate(const struct command *command, struct rehearsal *rehearsal,
                            const struct rehearse_options *values, const struct settings *settings, struct error *error)
{
    const struct facts_options wanted = {.connection = values->connection, .velero_suffices = true};
    CLEANUP(facts_dispose) struct facts facts = {0};
    /* Of a file of contents the Backup need not be known here, and without k0rdent there is nothing to complete. */
    if (values->plain || !rehearsal->client || values->contents ||
        !rehearse_served_exactly(&rehearsal->served, STR(GROUP_K0RDENT), STR("managements")))
        return true;
    if (!facts_open(&facts, command, &wanted, settings, command_now(INT64_MIN))) {
        strlist_add(rehearsal->arena, &rehearsal->notes,
                    STR("the Restore was rehearsed as it is: what backstop's webhook would add is not known"));
        return true;
    }
    return rehearsal_mutate(rehearsal, facts.inventory, settings, command_now(INT64_MIN), error);
}

/* A drill's servers end before the process does, whatever came of it. */
static int rehearse_judge_and_print(const struct command *command, struct rehearsal *rehearsal,
                                    const struct rehearse_options *values)
{
    struct error error = {0};
    struct str log = {NULL, 0};
    struct kube_client *source = rehearsal->client;
    bool good = (!values->drill || rehearsal_drill(rehearsal, &values->crds, &log, &error)) &&
                rehearse_judge(rehearsal, values, &error);
    if (rehearsal->drill && !log.len && !rehearse_drill_lives(rehearsal->drill, &error)) {
        good = false;
        log = rehearse_drill_log(rehearsal->drill, rehearsal->arena);
    }
    rehearse_drill_end(rehearsal->drill);
    rehearsal->drill = NULL;
    rehearsal->client = source;
    if (good)
        return rehearse_print(command, rehearsal, values);
    command_fail(command, "%s", error.message);
    BUF_SCOPED lines;
    buf_init(&lines, OUTPUT_LIMIT);
    for (struct str line; str_cut(&log, '\n', &line);) {
        buf_add_printable(&lines, line, false);
        buf_puts(&lines, line.len ? "\n" : "");
    }
    fd_write(STDERR_FILENO, buf_str(&lines));
    return EXIT_USAGE;
}

/* The order is that of a restore: who asks, the Restore as the webhook leaves it, its
 * ConfigMaps, then the contents, which are large and therefore fetched when nothing else can go
 * wrong. */
static int rehearse_with(const struct command *command, struct rehearsal *rehearsal,
                         const struct rehearse_options *values, const struct settings *settings, struct str backup)
{
    struct error error = {0};
    bool asks = !values->contents || connection_given(&values->connection);
    log_set_level(LOG_ERROR);
    if (asks) {
        const struct kube_options access = connection_access(&values->connection);
        rehearsal->client = kube_open(&access, &error);
        if (!rehearsal->client)
            return command_fail(command, "%s", error.message);
        rehearsal->server = str_from(kube_server(rehearsal->client));
        rehearsal_find_velero(rehearsal);
        if (!values->as_me && !access.as && !values->drill)
            rehearsal_become_velero(rehearsal, &access);
    }
    if (!rehearsal_load_restore(rehearsal, values->restore, backup, &error) || !rehearse_discover(rehearsal, &error) ||
        !rehearse_mutate(command, rehearsal, values, settings, &error) || !rehearsal_read_restore(rehearsal, &error) ||
        !rehearse_get_contents(rehearsal, values, &error))
        return command_fail(command, "%s", error.message), error.code == REHEARSAL_DENIED ? EXIT_DENIED : EXIT_USAGE;
    return rehearse_judge_and_print(command, rehearsal, values);
}

static int rehearse_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    struct rehearse_options *values = context;
    int code = rehearse_check_options(command, values);
    if (code != EXIT_OK)
        return code;
    if (operand_count > 1)
        return command_fail(command, "takes one backup; see: backstop rehearse --help");
    if (operand_count == 1 && !*operands[0])
        return command_fail(command, "BACKUP is empty; give its name, or leave it out with --restore or --contents");
    if (operand_count == 0 && !values->restore && !values->contents)
        return command_fail(command, "which backup? Give its name, --restore FILE or --contents FILE");
    CLEANUP(command_settings_release)
    struct settings *settings = command_settings(command, values->settings, NULL);
    if (!settings)
        return EXIT_USAGE;
    struct rehearsal rehearsal = {.arena = arena_new(MEMORY_LIMIT),
                                  .ns = values->ns ? str_from(values->ns) : settings->system_namespace};
    struct str backup = operand_count ? str_from(operands[0]) : STR("");
    if (operand_count == 0 && !values->restore)
        backup = rehearsal_contents_name(values->contents);
    code = rehearsal.arena ? rehearse_with(command, &rehearsal, values, settings, backup)
                           : command_fail(command, "out of memory");
    rehearse_contents_free(rehearsal.contents);
    kube_close(rehearsal.velero);
    kube_close(rehearsal.client);
    arena_free(rehearsal.arena);
    return code;
}

const struct command command_rehearse = {
    .name = "rehearse",
    .summary = "what a restore of a backup would create, change, leave and be refused, without writing",
    .operands = "[BACKUP]",
    .details = details,
    .options = options,
    .option_count = LENGTH_OF(options),
    .asks_cluster = true,
    .connection = offsetof(struct rehearse_options, connection),
    .body = rehearse_execute,
    COMMAND_DEFAULTS(struct rehearse_options, .concurrency = -1, .rate = -1, .max_size = SIZE_DEFAULT,
                     .terminal.width = -1),
};
