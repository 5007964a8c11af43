#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backstop/telemetry.h"
#include "facts_open.h"

enum { TIMEOUT_DEFAULT = 30, POLL_NS = 20 * 1000 * 1000, TEXT_LIMIT = 1024 * 1024 };

struct settings *verb_settings(const struct verb *verb, const char *path)
{
    struct error error;
    struct settings *settings = path ? settings_load_file(path, &error) : settings_defaults(&error);
    if (!settings)
        verb_fail(verb, "%s", error.message);
    return settings;
}

void verb_settings_release(struct settings **settings)
{
    if (*settings)
        shared_release(&(*settings)->shared);
}

/* ---- files ------------------------------------------------------------------- */

struct reading {
    struct facts *facts;
    const struct verb *verb;
};

static void file_problem(void *context, const char *path, int64_t line, const char *reason)
{
    const struct reading *reading = context;
    struct arena *arena = reading->facts->arena;
    struct str text = line >= 0 ? arena_printf(arena, "%s:%lld: %s", path ? path : "", (long long)line, reason)
                                : arena_printf(arena, "%s%s%s", path ? path : "", path ? ": " : "", reason);
    verb_fail(reading->verb, "%.*s", STR_ARG(text));
    strlist_add(arena, &reading->facts->problems, text);
}

static struct str joined(struct arena *arena, const struct option_list *paths)
{
    BUF_SCOPED text;
    buf_init(&text, TEXT_LIMIT);
    for (size_t i = 0; i < paths->len; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", paths->items[i]);
    return arena_copy(arena, buf_str(&text));
}

/* A file that is bad is left out: what a verb then says of the rest could be wrong. */
static bool open_files(struct facts *facts, const struct verb *verb, const struct facts_options *options)
{
    struct error error;
    struct reading reading = {facts, verb};
    const struct inventory_files_options wanted = {.paths = (const char *const *)options->inventories.items,
                                                   .path_count = options->inventories.len,
                                                   .simulate_seconds = -1,
                                                   .problem = file_problem,
                                                   .context = &reading};
    facts->from = joined(facts->arena, &options->inventories);
    facts->source = facts_from_files(&wanted, &error);
    if (!facts->source)
        verb_fail(verb, "%s", error.message);
    return facts->source && facts->problems.len == 0;
}

/* ---- a cluster --------------------------------------------------------------- */

struct progress {
    struct facts *facts;
    bool settled; /* each list has come, or says why it does not */
    bool collect;
};

static void look(void *context, const char *name, bool synced, const char *reason)
{
    struct progress *progress = context;
    struct arena *arena = progress->facts->arena;
    progress->settled = progress->settled && (synced || (reason && *reason));
    if (progress->collect && !synced)
        strlist_add(arena, &progress->facts->problems,
                    arena_printf(arena, "%s: %s", name, reason && *reason ? reason : "no answer yet"));
}

static bool wait_for_lists(struct facts *facts, int64_t seconds)
{
    int64_t until = time_monotonic_ns() + seconds * 1000000000;
    struct progress progress = {.facts = facts};
    while (time_monotonic_ns() < until) {
        progress.settled = true;
        facts_report(facts->source, look, &progress);
        if (progress.settled && facts_ready(facts->source))
            return true;
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    return facts_ready(facts->source);
}

static bool open_cluster(struct facts *facts, const struct verb *verb, const struct facts_options *options,
                         const struct settings *settings)
{
    struct error error;
    const struct facts_cluster_options wanted = {.kubeconfig = options->kubeconfig,
                                                 .context = options->context,
                                                 .user_agent = "backstop/" BACKSTOP_VERSION,
                                                 .system_namespace = settings->system_namespace};
    log_set_level(LOG_ERROR); /* the reasons are told below, once */
    facts->cluster = true;
    facts->source = facts_from_cluster(&wanted, &error);
    if (!facts->source) {
        verb_fail(verb, "%s", error.message);
        return false;
    }
    facts->from = arena_copy(facts->arena, str_from(facts_cluster_server(facts->source)));
    bool ready = wait_for_lists(facts, options->timeout > 0 ? options->timeout : TIMEOUT_DEFAULT);
    struct progress progress = {.facts = facts, .collect = true};
    facts_report(facts->source, look, &progress);
    for (size_t i = 0; i < facts->problems.len; i++)
        verb_fail(verb, "%.*s: %.*s", STR_ARG(facts->from), STR_ARG(facts->problems.items[i]));
    if (!ready)
        verb_fail(verb, "%.*s could not be read; is it running, and may you list these?", STR_ARG(facts->from));
    return ready;
}

bool facts_open(struct facts *facts, const struct verb *verb, const struct facts_options *options,
                const struct settings *settings, int64_t now)
{
    *facts = (struct facts){.arena = arena_new(64 * TEXT_LIMIT)};
    if (!facts->arena) {
        verb_fail(verb, "out of memory");
        return false;
    }
    if (options->inventories.len && (options->kubeconfig || options->context)) {
        verb_fail(verb, "--inventory and --kubeconfig or --context: give one of them");
        return false;
    }
    bool open =
        options->inventories.len ? open_files(facts, verb, options) : open_cluster(facts, verb, options, settings);
    if (!open)
        return false;
    facts->inventory = facts_get(facts->source, now);
    if (!facts->inventory)
        verb_fail(verb, "out of memory");
    return facts->inventory != NULL;
}

void facts_dispose(struct facts *facts)
{
    if (facts->inventory)
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): the door hands snapshots out as const */
        shared_release((struct shared *)(uintptr_t)&facts->inventory->shared);
    facts_close(facts->source);
    arena_free(facts->arena);
    *facts = (struct facts){0};
}
