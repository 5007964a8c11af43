/* The inventory from files: what `kubectl get -o yaml` prints, read again when it changes.
 *
 * For review and tests, and for serve without a cluster. A file that cannot be read keeps its
 * last good content in force: a typo must not make the inventory forget what it knew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/files/files.h"
#include "inventory/inventory.h"

enum { POLL_SECONDS = 30, EVIDENCE_LIMIT = 64 << 20 };

struct inventory_files {
    struct snapshot_source source; /* first: it is what facts_from_files hands out */
    pthread_mutex_t lock;          /* everything below but `current`, which has its own */
    struct shared_slot current;
    struct sources *sources;
    struct simulation simulation;
    struct tree_pool *pool;
    inventory_problem_fn *problem;
    void (*reloaded)(void *context, const struct inventory *inventory);
    void *context;
    struct file_watch *watch;
    atomic_size_t problems, created; /* created: objects in the simulation */
    char *system_namespace;          /* of namespaced objects that name none */
    char *reserved;                  /* as reservations_with writes them; NULL: none yet */
    uint64_t reserved_version;
};

static struct extractor files_extractor(const struct inventory_files *files)
{
    return (struct extractor){.pool = files->pool, .default_ns = str_from(files->system_namespace)};
}

/* Files seldom hold everything: of a kind that they do not mention nothing is known, unless they say
 * that there is none (a BackupList without items, say). */
static void set_known(struct inventory *snapshot)
{
    for (size_t f = 0; f < FACT_COUNT; f++)
        snapshot->known[f] = (snapshot->known[f] || snapshot->count[f] > 0) && !fact_kinds[f].never_all_in_files;
}

/* A fresh snapshot of the files and what was created; the lock is held. */
static bool files_compose(struct inventory_files *files)
{
    struct inventory_builder *builder = inventory_builder_new();
    struct inventory *fresh = NULL;
    const struct inventory *before = snapshot_current(&files->current);
    if (builder)
        builder_follow(builder, before); /* only what changed is sorted anew */
    snapshot_release(before);
    if (builder && sources_put(files->sources, builder) && simulation_put(&files->simulation, builder))
        fresh = inventory_finish(builder);
    else
        inventory_builder_free(builder);
    if (!fresh)
        return false; /* out of memory: the last snapshot stays */
    set_known(fresh);
    shared_slot_set(&files->current, fresh->counted);
    tree_pool_sweep(files->pool);
    return true;
}

/* Runs in the watch's thread, and once while opening. */
static bool files_reload_sources(struct inventory_files *files)
{
    struct extractor extractor = files_extractor(files);
    pthread_mutex_lock(&files->lock);
    bool changed = sources_reload(files->sources, &extractor, files->problem, files->context);
    atomic_store(&files->problems, sources_problems(files->sources));
    if (sources_unread(files->sources))
        file_watch_again(files->watch);
    if (changed)
        changed = files_compose(files);
    memory_trim(); /* the trees of a large file are gone: give their memory back */
    pthread_mutex_unlock(&files->lock);
    return changed;
}

void inventory_files_reload(struct inventory_files *files)
{
    if (!files_reload_sources(files) || !files->reloaded)
        return;
    const struct inventory *held = snapshot_current(&files->current);
    files->reloaded(files->context, held);
    snapshot_release(held);
}

static void on_change(void *context)
{
    inventory_files_reload(context);
}

/* After the watch is in place everything is looked at once more: what changed in between would
 * otherwise show at the next poll. */
static bool files_start(struct inventory_files *files, const struct inventory_files_options *options,
                        struct error *error)
{
    files->pool = tree_pool_new();
    files->sources = sources_new(options->paths, options->path_count);
    files->system_namespace =
        strndup(options->system_namespace.len ? options->system_namespace.ptr : "", options->system_namespace.len);
    if (!files->pool || !files->sources || !files->system_namespace)
        return error_set(error, 500, "out of memory");
    if (!sources_check(files->sources, error))
        return false;
    files_reload_sources(files);
    pthread_mutex_lock(&files->lock);
    bool composed = files->current.current || files_compose(files); /* nothing to load is an inventory too */
    pthread_mutex_unlock(&files->lock);
    if (!composed)
        return error_set(error, 500, "out of memory");
    if (!options->watch)
        return true;
    pthread_mutex_lock(&files->lock); /* which on_change takes, too: it finds the watch in its place */
    files->watch = file_watch_start(options->paths, options->path_count, POLL_SECONDS, on_change, files, error);
    pthread_mutex_unlock(&files->lock);
    if (files->watch)
        on_change(files); /* what changed between the first look and the watch */
    return files->watch;
}

struct inventory_files *inventory_files_open(const struct inventory_files_options *options, struct error *error)
{
    struct inventory_files *files = calloc(1, sizeof *files);
    if (!files)
        return error_null(error, 500, "out of memory");
    pthread_mutex_init(&files->lock, NULL);
    shared_slot_init(&files->current);
    files->simulation.seconds = options->simulate_seconds;
    files->problem = options->problem;
    files->reloaded = options->reloaded;
    files->context = options->context;
    if (files_start(files, options, error))
        return files;
    inventory_files_close(files);
    return NULL;
}

void inventory_files_close(struct inventory_files *files)
{
    if (!files)
        return;
    file_watch_stop(files->watch);
    simulation_clear(&files->simulation);
    free(files->reserved);
    free(files->system_namespace);
    sources_free(files->sources);
    tree_pool_free(files->pool);
    shared_slot_dispose(&files->current);
    pthread_mutex_destroy(&files->lock);
    free(files);
}

/* Simulated backups progress when somebody looks, not by a timer: `now` is the caller's, which
 * in tests is a fixed one. */
const struct inventory *inventory_files_get(struct inventory_files *files, int64_t now)
{
    if (atomic_load(&files->created) > 0) {
        struct extractor extractor = files_extractor(files);
        pthread_mutex_lock(&files->lock);
        const struct inventory *current = snapshot_current(&files->current);
        if (simulation_advance(&files->simulation, &extractor, current, now))
            files_compose(files);
        snapshot_release(current);
        pthread_mutex_unlock(&files->lock);
    }
    return snapshot_current(&files->current);
}

/* ---- evidence of other engines --------------------------------------------- */

/* Nearly nobody asks for it, so the files are read again by who does. */
static bool files_look_for_evidence(struct inventory_files *files, struct evidence_searches *searches,
                                    struct error *error)
{
    struct extractor extractor = files_extractor(files);
    extractor.evidence = searches;
    pthread_mutex_lock(&files->lock);
    bool good = sources_look(files->sources, &extractor, error);
    pthread_mutex_unlock(&files->lock);
    return good;
}

static bool search_all(struct inventory_files *files, struct arena *arena, const struct facts_wanted *wanted,
                       struct evidence_searches *searches)
{
    struct error error;
    searches->items = arena ? arena_array(arena, wanted->evidence_count + 1, sizeof *searches->items) : NULL;
    if (!searches->items)
        return false;
    for (; searches->count < wanted->evidence_count; searches->count++) {
        struct evidence_search *search = &searches->items[searches->count];
        search->arena = arena;
        search->source = &wanted->evidence[searches->count];
        search->reading.source = search->source->name;
    }
    bool good = searches->count == 0 || files_look_for_evidence(files, searches, &error);
    for (size_t i = 0; !good && i < searches->count; i++)
        searches->items[i].reading = (struct evidence_reading){.source = searches->items[i].source->name,
                                                               .access = EVIDENCE_UNREADABLE,
                                                               .problem = arena_copy(arena, str_from(error.message))};
    return !arena_failed(arena);
}

static bool read_reserved(struct inventory_files *files, struct arena *arena, int64_t now,
                          struct evidence_reading *reading)
{
    pthread_mutex_lock(&files->lock);
    bool good = reservations_read(arena, str_from(files->reserved ? files->reserved : ""), now, reading);
    reading->version = arena_printf(arena, "%llu", (unsigned long long)files->reserved_version);
    pthread_mutex_unlock(&files->lock);
    return good && reading->version.ptr;
}

static struct inventory *with_evidence(const struct inventory *current, struct arena *arena,
                                       const struct evidence_searches *searches,
                                       const struct evidence_reading *reserved)
{
    struct inventory *fresh = inventory_copy(current);
    struct evidence_reading *readings = arena_array(arena, searches->count + 1, sizeof *readings);
    size_t count = 0;
    for (; readings && count < searches->count; count++)
        readings[count] = searches->items[count].reading;
    if (readings && reserved)
        readings[count++] = *reserved;
    if (fresh && readings && snapshot_evidence(fresh, readings, count))
        return fresh;
    snapshot_release(fresh);
    return NULL;
}

/* The lock is held. */
static bool files_reserve(struct inventory_files *files, struct arena *arena, const struct evidence_reading *reading,
                          struct str backup, int64_t now, struct error *error)
{
    struct str version = arena_printf(arena, "%llu", (unsigned long long)files->reserved_version);
    if (!str_eq(version, reading->version))
        return error_set(error, 409, "another deletion was admitted in the meantime");
    struct str text = reservations_with(arena, reading, backup, now, error);
    char *copy = text.ptr ? strndup(text.ptr, text.len) : NULL;
    if (!copy)
        return text.ptr ? error_set(error, 503, "out of memory") : false;
    free(files->reserved);
    files->reserved = copy;
    files->reserved_version++;
    return true;
}

/* Whether the object's name is taken; false with an error when it is no fact at all. */
static bool is_taken(struct inventory_files *files, struct json_object *object, bool *taken, struct error *error)
{
    struct extractor extractor = files_extractor(files);
    struct record_list records = {0};
    bool good = extract_object(&extractor, object, record_list_sink, &records, error);
    if (good && records.len != 1)
        good = error_set(error, 422, "the inventory does not hold objects of this kind");
    if (good) {
        const struct object_meta *meta = record_meta(records.items[0]);
        const struct inventory *current = snapshot_current(&files->current);
        *taken = inventory_find(current, records.items[0]->fact, meta->ns, meta->name) != NULL;
        snapshot_release(current);
    }
    record_list_clear(&records);
    return good;
}

bool inventory_files_create(struct inventory_files *files, struct json_object *object, int64_t now, struct error *error)
{
    bool taken = false;
    pthread_mutex_lock(&files->lock);
    bool good = is_taken(files, object, &taken, error);
    if (good && !taken && (good = simulation_add(&files->simulation, object, now, error))) {
        struct extractor extractor = files_extractor(files);
        const struct inventory *current = snapshot_current(&files->current);
        atomic_store(&files->created, files->simulation.count);
        if (simulation_advance(&files->simulation, &extractor, current, now) && !files_compose(files))
            good = error_set(error, 500, "out of memory");
        snapshot_release(current);
    }
    pthread_mutex_unlock(&files->lock);
    return good;
}

size_t inventory_files_problems(const struct inventory_files *files)
{
    return atomic_load(&files->problems);
}

/* Files behind the interface that serve holds: what they say is always fresh. */

static struct inventory_files *files_of(struct snapshot_source *self)
{
    return (struct inventory_files *)self;
}

static const struct inventory *file_source_get(struct snapshot_source *self, int64_t now)
{
    return inventory_files_get(files_of(self), now);
}

static const struct inventory *file_source_live(struct snapshot_source *self, const struct facts_wanted *wanted,
                                                int64_t now, struct error *error)
{
    struct inventory_files *files = files_of(self);
    const struct inventory *current = inventory_files_get(files, now), *fresh = NULL;
    struct evidence_reading reserved = {.len = 0};
    if (current && wanted->evidence_count == 0 && !wanted->reservations)
        return current;
    ARENA_SCOPED arena = arena_new(EVIDENCE_LIMIT);
    struct evidence_searches searches = {.count = 0};
    if (current && search_all(files, arena, wanted, &searches) &&
        (!wanted->reservations || read_reserved(files, arena, now, &reserved)))
        fresh = with_evidence(current, arena, &searches, wanted->reservations ? &reserved : NULL);
    snapshot_release(current);
    if (!fresh)
        error_set(error, 503, "out of memory");
    return fresh;
}

static bool file_source_create(struct snapshot_source *self, struct json_object *object, int64_t now,
                               struct error *error)
{
    return inventory_files_create(files_of(self), object, now, error);
}

static size_t file_source_problems(struct snapshot_source *self)
{
    return inventory_files_problems(files_of(self));
}

static bool file_source_reserve(struct snapshot_source *self, const struct inventory *base, struct str backup,
                                int64_t now, struct error *error)
{
    struct inventory_files *files = files_of(self);
    const struct evidence_reading *reading = inventory_evidence(base, STR(RESERVATIONS));
    ARENA_SCOPED arena = arena_new(EVIDENCE_LIMIT);
    if (!arena || !reading)
        return error_set(error, 503, arena ? "admitted deletions are unknown: they were not read" : "out of memory");
    pthread_mutex_lock(&files->lock);
    bool reserved = files_reserve(files, arena, reading, backup, now, error);
    pthread_mutex_unlock(&files->lock);
    return reserved;
}

static void file_source_report(struct snapshot_source *self, facts_report_fn *say, void *context)
{
    char reason[128] = "";
    size_t bad = file_source_problems(self);
    if (bad)
        snprintf(reason, sizeof reason, "%zu file%s cannot be read: the last good content is still in use; see the log",
                 bad, bad == 1 ? "" : "s");
    say(context, "files", FACTS_SYNCED, reason);
}

/* What has a last good state is reported, not failed: a typo in a file must not stop the
 * webhook that guards the cluster. */
static bool file_source_ready(struct snapshot_source *self)
{
    (void)self;
    return true;
}

static void file_source_reload(struct snapshot_source *self)
{
    inventory_files_reload(files_of(self));
}

static void close_files(struct snapshot_source *self)
{
    inventory_files_close(files_of(self));
}

static const struct snapshot_source_table table = {
    .get = file_source_get,
    .live = file_source_live,
    .create = file_source_create,
    .reserve = file_source_reserve,
    .report = file_source_report,
    .ready = file_source_ready,
    .problems = file_source_problems,
    .reload = file_source_reload,
    .close = close_files,
};

struct snapshot_source *facts_from_files(const struct inventory_files_options *options, struct error *error)
{
    struct inventory_files *files = inventory_files_open(options, error);
    if (!files)
        return NULL;
    files->source.table = &table;
    return &files->source;
}
