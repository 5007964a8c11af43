/* The snapshot that a command judges: of files, or of the cluster, read once by the informers that serve has. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backstop/grammar.h"
#include "backstop/telemetry.h"
#include "commands/facts_open.h"
#include "commands/manifest/manifest.h"

#define PATIENCE_NS (3 * NS_PER_SECOND)
enum { TIMEOUT_DEFAULT = 30, POLL_MS = 20, TEXT_LIMIT = 1024 * 1024 };

/* They are ours alone yet. */
static bool settings_override(struct settings *settings, const struct facts_options *options, struct error *error)
{
    if (options && options->ns && !name_is_dns_label(str_from(options->ns))) /* -n "$UNSET", too */
        return error_set(error, 422, "--namespace \"%s\": not the name of a namespace", options->ns);
    if (options && options->ns)
        settings->system_namespace = str_from(options->ns);
    if (!options || !options->velero_version)
        return true;
    settings->velero_version = str_from(options->velero_version);
    return product_version_parse(PRODUCT_VELERO, settings->velero_version).text.len ||
           error_set(error, 422, "--velero-version %s: write a version, such as 1.18.3", options->velero_version);
}

/* NULL with the reason told. What an option says goes before the file. */
struct settings *command_settings(const struct command *command, const char *path, const struct facts_options *options)
{
    struct error error;
    struct settings *settings = path ? settings_load_file(path, &error) : settings_defaults(&error);
    if (settings && !settings_override(settings, options, &error)) {
        command_settings_release(&settings);
        settings = NULL;
    }
    if (!settings)
        command_fail(command, "%s", error.message);
    return settings;
}

void command_settings_release(struct settings **settings)
{
    if (*settings)
        shared_release(&(*settings)->shared);
}

static void facts_release_inventory(const struct inventory **inventory)
{
    snapshot_release(*inventory);
    *inventory = NULL;
}

/* ---- files ------------------------------------------------------------------- */

struct file_reading {
    struct facts *facts;
    const struct command *command; /* NULL: nobody is told */
};

static void file_problem(void *context, const char *path, int64_t line, const char *reason)
{
    const struct file_reading *reading = context;
    struct arena *arena = reading->facts->moment;
    BUF_SCOPED problem;
    buf_init(&problem, MANIFEST_PROBLEM_LIMIT);
    manifest_problem_write(path, line, reason, &problem);
    if (reading->command)
        command_fail(reading->command, "%.*s", STR_ARG(buf_str(&problem)));
    strlist_add(arena, &reading->facts->problems, arena_copy(arena, buf_str(&problem)));
}

/* A file that is bad is left out: what a command then says of the rest could be wrong. */
static const struct inventory *read_files(struct facts *facts, const struct command *command,
                                          const struct facts_options *options, const struct settings *settings,
                                          int64_t now)
{
    struct error error;
    struct file_reading reading = {facts, command};
    const struct inventory_files_options wanted = {.paths = (const char *const *)options->inventories.items,
                                                   .path_count = options->inventories.len,
                                                   .system_namespace = settings->system_namespace,
                                                   .simulate_seconds = -1,
                                                   .problem = file_problem,
                                                   .context = &reading};
    facts_close(facts->source);
    facts->source = facts_from_files(&wanted, &error);
    if (!facts->source)
        file_problem(&reading, NULL, -1, error.message);
    return facts->source && !facts->problems.len ? facts_get(facts->source, now) : NULL;
}

/* False when a file is bad, which has been reported by then: to judge by the others would be to
 * judge another cluster. */
static bool facts_open_from_files(struct facts *facts, const struct command *command,
                                  const struct facts_options *options, const struct settings *settings, int64_t now)
{
    BUF_SCOPED text;
    buf_init(&text, TEXT_LIMIT);
    for (size_t i = 0; i < options->inventories.len; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", options->inventories.items[i]);
    facts->from = arena_copy(facts->arena, buf_str(&text));
    facts->inventory = read_files(facts, command, options, settings, now);
    return facts->inventory != NULL || facts->problems.len == 0;
}

/* ---- a cluster --------------------------------------------------------------- */

/* What one look at the informers found. `under_way` tells a list that is being fetched from one
 * that fails and is tried again. */
struct facts_progress {
    struct facts *facts;
    enum facts_sync enough; /* whatever is below that is a problem */
    size_t read, under_way;
    size_t k0rdent, k0rdent_absent, velero, velero_absent; /* kinds of these groups */
};

/* The words of the reason are those of inventory/cluster, by which alone "connecting" and
 * "listing" are told from a failure. */
static void facts_report_kind(void *context, const char *name, enum facts_sync sync, const char *reason)
{
    struct facts_progress *progress = context;
    struct arena *arena = progress->facts->moment;
    struct str words = str_from(reason);
    bool asked =
        str_starts(str_from(name), STR("serverstatusrequests.")); /* Velero's answer, where it was asked: no list */
    if (sync == FACTS_OFF || asked)
        return;
    bool read = sync > FACTS_UNREAD, absent = sync == FACTS_NOT_INSTALLED;
    bool k0rdent = str_ends(str_from(name), STR(".k0rdent.mirantis.com"));
    bool velero = str_ends(str_from(name), STR(".velero.io"));
    progress->k0rdent += k0rdent;
    progress->k0rdent_absent += k0rdent && absent;
    progress->velero += velero;
    progress->velero_absent += velero && absent;
    progress->read += read;
    progress->under_way += !read && (str_starts(words, STR("connecting")) || str_starts(words, STR("listing")));
    if (sync < progress->enough)
        strlist_add(arena, &progress->facts->problems, arena_printf(arena, "%s: %.*s", name, STR_ARG(words)));
}

/* Every kind of k0rdent's is answered with 404: most likely not the cluster that was meant. Where Velero runs
 * without k0rdent, its objects can be reviewed all the same. */
static bool is_wrong_cluster(const struct facts_progress *progress, const struct facts_options *options)
{
    bool velero = progress->velero_absent < progress->velero;
    return progress->k0rdent_absent == progress->k0rdent && !(velero && options->velero_suffices);
}

/* What fails is retried for ever; nobody at a terminal waits that long. A list that makes
 * progress may take all of the timeout; when all that is left unread has failed for some seconds
 * the wait ends, since nothing more is to be expected. */
static bool wait_for_lists(struct facts *facts, int64_t seconds)
{
    int64_t now = time_monotonic_ns(), until = now + seconds * NS_PER_SECOND, failing_since = INT64_MAX;
    while (!facts_ready(facts->source)) {
        struct facts_progress progress = {.facts = facts};
        facts_report(facts->source, facts_report_kind, &progress);
        now = time_monotonic_ns();
        failing_since = progress.under_way ? INT64_MAX : failing_since < now ? failing_since : now;
        if (now > until || now - failing_since > PATIENCE_NS)
            return false;
        time_sleep_ms(POLL_MS);
    }
    return true;
}

static size_t known_facts(const struct inventory *inventory)
{
    size_t known = 0;
    for (size_t f = 0; f < FACT_COUNT; f++)
        known += inventory->known[f];
    return known;
}

/* Two different questions: whether enough could be read to answer at all (`ready`), and what
 * could not, which is reported on stderr and marks the answer as incomplete. */
static bool facts_open_from_cluster(struct facts *facts, const struct command *command,
                                    const struct facts_options *options, const struct settings *settings, int64_t now)
{
    struct error error;
    const struct facts_cluster_options wanted = {.access = connection_access(&options->connection),
                                                 .system_namespace = settings->system_namespace};
    log_set_level(LOG_ERROR); /* the reasons are reported below, once */
    facts->cluster = true;
    facts->source = facts_from_cluster(&wanted, &error);
    if (!facts->source) {
        command_fail(command, "%s", error.message);
        return false;
    }
    facts->from = arena_copy(facts->arena, str_from(facts_cluster_server(facts->source)));
    bool ready = wait_for_lists(facts, options->timeout > 0 ? options->timeout : TIMEOUT_DEFAULT);
    /* What was read whole answers a question asked once, even where the asker may not watch. */
    struct facts_progress progress = {.facts = facts, .enough = FACTS_BEHIND};
    facts_report(facts->source, facts_report_kind, &progress);
    if (ready && is_wrong_cluster(&progress, options)) {
        command_fail(command, NO_K0RDENT, STR_ARG(facts->from));
        return false;
    }
    /* When nothing at all could be read there is one reason, not nine. */
    size_t told = progress.read ? facts->problems.len : 1;
    for (size_t i = 0; i < facts->problems.len && i < told; i++)
        command_fail(command, "%.*s", STR_ARG(facts->problems.items[i]));
    if (!ready)
        command_fail(command, "%s of the cluster at %.*s could be read", progress.read ? "not enough" : "nothing",
                     STR_ARG(facts->from));
    if (ready) {
        /* Snapshots are composed a moment after the lists came: the one that has all of them. */
        int64_t until = time_monotonic_ns() + PATIENCE_NS;
        const struct inventory *inventory = facts_get(facts->source, now);
        while (inventory && known_facts(inventory) < progress.read && time_monotonic_ns() < until) {
            facts_release_inventory(&inventory);
            time_sleep_ms(POLL_MS);
            inventory = facts_get(facts->source, now);
        }
        facts->inventory = inventory;
    }
    return ready;
}

/* Who shows or judges upgrades needs the evidence of other engines, which no snapshot holds by
 * itself. It replaces the snapshot by one with the evidence in it. Where reading it fails, the
 * inventory is NULL and the command ends. */
static void add_evidence(struct facts *facts, const struct settings *settings, int64_t now)
{
    struct error error;
    const struct facts_wanted wanted = {.evidence = settings->evidence, .evidence_count = settings->evidence_count};
    if (!facts->inventory || settings->evidence_count == 0)
        return;
    facts_release_inventory(&facts->inventory);
    facts->inventory = facts_live(facts->source, &wanted, now, &error);
}

bool facts_open(struct facts *facts, const struct command *command, const struct facts_options *options,
                const struct settings *settings, int64_t now)
{
    *facts = (struct facts){.arena = arena_new(64 * TEXT_LIMIT), .moment = arena_new(64 * TEXT_LIMIT)};
    if (!facts->arena || !facts->moment) {
        command_fail(command, "out of memory");
        return false;
    }
    if (options->inventories.len && connection_given(&options->connection)) {
        command_fail(command, "--inventory and a cluster (--kubeconfig, --context, ...): give one of them");
        return false;
    }
    bool open = options->inventories.len ? facts_open_from_files(facts, command, options, settings, now)
                                         : facts_open_from_cluster(facts, command, options, settings, now);
    if (!open)
        return false;
    add_evidence(facts, settings, now);
    if (!facts->inventory)
        command_fail(command, "out of memory");
    return facts->inventory != NULL;
}

/* For commands that watch (`status --watch`): whatever fails now, the last snapshot stays, with
 * the problems beside it. */
void facts_refresh(struct facts *facts, const struct facts_options *options, const struct settings *settings,
                   int64_t now)
{
    const struct inventory *before = facts->inventory;
    struct facts_progress progress = {.facts = facts, .enough = FACTS_SYNCED};
    struct arena *fresh = arena_new(64 * TEXT_LIMIT);
    if (!fresh)
        return;
    arena_free(facts->moment);
    facts->moment = fresh;
    facts->problems = (struct strlist){0};
    if (facts->cluster)
        facts_report(facts->source, facts_report_kind, &progress);
    facts->inventory = facts->cluster ? facts_get(facts->source, now) : read_files(facts, NULL, options, settings, now);
    if (facts->source)
        add_evidence(facts, settings, now);
    if (facts->inventory)
        facts_release_inventory(&before);
    else
        facts->inventory = before;
}

void facts_dispose(struct facts *facts)
{
    facts_release_inventory(&facts->inventory);
    facts_close(facts->source);
    arena_free(facts->moment);
    arena_free(facts->arena);
    *facts = (struct facts){0};
}
