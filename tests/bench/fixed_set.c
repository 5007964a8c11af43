/* fixed_set BODIES: the measured reviews, read, decided and answered in this process at
 * a fixed time, for callgrind to count. Each kind of work has a function of its own, so
 * that its inclusive cost can be told. Prints those functions and how often each ran. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstop/admission.h"
#include "backstop/telemetry.h"
#include "inventory/cluster/cluster.h"

enum { TIMES = 100, MEMORY = 64 << 20, PATH_SIZE = 512 };
#define NOW INT64_C(1795168800) /* 2026-11-20T10:00:00Z */
#define ON_ITS_OWN __attribute__((noinline, noclone))

struct world {
    const struct inventory *inventory, *few, *many; /* the one that is looked at: 10 Backups, or 2,000 */
    struct settings *settings;
    struct str backup, restore, management, bad_schedule, watched;
    struct cluster *cluster; /* of which only the informer of Backups is used */
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "fixed_set: %s: %s\n", what, why);
    exit(1);
}

static void review(const struct world *world, struct str body, const char *path, bool allowed)
{
    BUF_SCOPED answer;
    struct review review;
    struct error error = {0};
    ARENA_SCOPED arena = arena_new(MEMORY);
    buf_init(&answer, MEMORY);
    const struct rule *rule = admission_rule_for_path(str_from(path));
    if (!arena || !rule || !admission_read(arena, body, NOW, &review, &error))
        fail(path, error.message);
    admission_decide(&review, rule, world->inventory, world->settings);
    admission_write(&review, &answer);
    if (answer.failed || review.decision.denied == allowed)
        fail(path, answer.data);
}

#define BACKUP "/validate-k0rdent-mirantis-com-v1beta1-managementbackup"

ON_ITS_OWN static void work_backup(const struct world *world)
{
    review(world, world->backup, BACKUP, true);
}

ON_ITS_OWN static void work_backup_denied(const struct world *world)
{
    review(world, world->bad_schedule, BACKUP, false);
}

ON_ITS_OWN static void work_restore(const struct world *world)
{
    review(world, world->restore, "/mutate-velero-io-v1-restore", true);
}

ON_ITS_OWN static void work_management(const struct world *world)
{
    review(world, world->management, "/validate-k0rdent-mirantis-com-v1beta1-management", true);
}

/* The same reviews where two thousand Backups are known: none may look at them all. */
ON_ITS_OWN static void work_backup_of_many(const struct world *world)
{
    review(world, world->backup, BACKUP, true);
}

ON_ITS_OWN static void work_restore_of_many(const struct world *world)
{
    review(world, world->restore, "/mutate-velero-io-v1-restore", true);
}

static bool hide_first(void *hidden, enum fact fact, const struct object_meta *meta)
{
    (void)meta;
    bool hide = fact == FACT_BACKUPS && !*(bool *)hidden;
    *(bool *)hidden |= hide;
    return hide;
}

/* What one change in the cache costs: a snapshot that differs from the one before in a single Backup. */
ON_ITS_OWN static void work_snapshot_of_many(const struct world *world)
{
    bool hidden = false;
    const struct inventory *next = inventory_without(world->inventory, hide_first, &hidden);
    if (!next || next->count[FACT_BACKUPS] != world->inventory->count[FACT_BACKUPS] - 1)
        fail("snapshot", "not one Backup less");
    snapshot_release(next);
}

static bool watch_keep(void *feed, struct record *record, struct error *error)
{
    record->digest = ((struct feed *)feed)->digest;
    return table_put(&((struct feed *)feed)->records, record) || error_set(error, 500, "out of memory");
}

/* A Backup that a watch or a list brings for the first time, without TLS and HTTP. */
ON_ITS_OWN static void work_watched(const struct world *world)
{
    struct feed *feed = &world->cluster->feeds[0];
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct str version;
    struct error error = {0};
    table_clear(&feed->records);
    bool repeated = repeat_object(feed, world->watched, &version);
    struct json_object *object = arena ? json_build(arena, world->watched, &error) : NULL;
    if (repeated || !cluster_extract(world->cluster, FACT_BACKUPS, object, watch_keep, feed, &error))
        fail("watched", error.message);
}

/* The same once more, whose items Velero has counted up. */
ON_ITS_OWN static void work_watched_again(const struct world *world)
{
    struct str version;
    const char *mark = "\"itemsBackedUp\":", *at = memmem(world->watched.ptr, world->watched.len, mark, strlen(mark));
    char *digit = at ? (char *)text_for_reader(at) + strlen(mark) : NULL;
    if (digit)
        *digit = *digit == '9' ? '1' : (char)(*digit + 1);
    if (!digit || !repeat_object(&world->cluster->feeds[0], world->watched, &version))
        fail("watched again", "not a repeat");
}

/* What serve does beside the review. */
ON_ITS_OWN static void work_report(const struct world *world)
{
    metric_add(METRIC_REVIEWS, 1, "managementbackups", "CREATE", "warned");
    metric_observe(METRIC_REVIEW_SECONDS, 0.00003, "managementbackups");
    metric_add(METRIC_HTTP_RESPONSES, 1, "200");
    log_line(LOG_INFO, "review", LOG_TEXT("uid", STR("96c6250b-a907-4f03-916b-5fecd7717ef5")),
             LOG_TEXT("user", STR("system:serviceaccount:kcm-system:kustomize-controller")),
             LOG_TEXT("resource", STR("managementbackups")), LOG_TEXT("operation", STR("CREATE")),
             LOG_TEXT("name", STR("kcm-backup")), LOG_TEXT("decision", STR("warned")), LOG_INTEGER("code", 200),
             LOG_INTEGER("warnings", 1), LOG_BOOLEAN("dry_run", false),
             LOG_INTEGER("bytes", (int64_t)world->backup.len), LOG_INTEGER("duration_us", 30));
}

static const struct work {
    const char *name;
    void (*run)(const struct world *world);
    bool many;
} works[] = {{"work_backup", work_backup, false},
             {"work_backup_denied", work_backup_denied, false},
             {"work_restore", work_restore, false},
             {"work_management", work_management, false},
             {"work_backup_of_many", work_backup_of_many, true},
             {"work_restore_of_many", work_restore_of_many, true},
             {"work_snapshot_of_many", work_snapshot_of_many, true},
             {"work_watched", work_watched, false},
             {"work_watched_again", work_watched_again, false},
             {"work_report", work_report, false}};

static struct str body(struct arena *arena, const char *folder, const char *name)
{
    char path[PATH_SIZE];
    struct str text;
    struct error error = {0};
    snprintf(path, sizeof path, "%s/%s.json", folder, name);
    if (!file_read(arena, path, MEMORY, &text, &error))
        fail(path, error.message);
    return text;
}

static const struct inventory *open_facts(const char *folder, const char *name)
{
    char path[PATH_SIZE];
    struct error error = {0};
    snprintf(path, sizeof path, "%s/%s.json", folder, name);
    const char *const paths[] = {path};
    struct inventory_files_options options = {
        .paths = paths, .path_count = 1, .system_namespace = STR("kcm-system"), .simulate_seconds = -1};
    struct inventory_files *files = inventory_files_open(&options, &error);
    const struct inventory *inventory = files ? inventory_files_get(files, NOW) : NULL;
    if (!inventory)
        fail(path, error.message);
    inventory_files_close(files);
    return inventory;
}

static void open_world(struct arena *arena, const char *folder, struct world *world)
{
    struct error error = {0};
    world->few = open_facts(folder, "facts");
    world->many = open_facts(folder, "facts-many");
    world->settings = settings_defaults(&error);
    if (!world->settings)
        fail("settings", error.message);
    world->backup = body(arena, folder, "backup");
    world->restore = body(arena, folder, "restore");
    world->management = body(arena, folder, "management");
    world->bad_schedule = body(arena, folder, "backup-denied");
    world->watched = body(arena, folder, "watched");
    world->cluster = arena_alloc(arena, sizeof *world->cluster);
    if (!world->cluster || !(world->cluster->pool = tree_pool_new()) || !repeat_start(world->cluster))
        fail("cluster", "out of memory");
    world->cluster->feeds[0] = (struct feed){.cluster = world->cluster, .fact = FACT_BACKUPS, .known = true};
    pthread_mutex_init(&world->cluster->lock, NULL);
}

int main(int argc, char **argv)
{
    struct world world;
    ARENA_SCOPED arena = arena_new(MEMORY);
    if (argc != 2 || !arena) {
        fprintf(stderr, "usage: fixed_set BODIES\n");
        return 2;
    }
    open_world(arena, argv[1], &world);
    /* Log lines are written, but nobody needs to read them. */
    if (!freopen("/dev/null", "w", stderr))
        return 1;
    for (size_t i = 0; i < LENGTH_OF(works); i++) {
        world.inventory = works[i].many ? world.many : world.few;
        for (int n = 0; n < TIMES; n++)
            works[i].run(&world);
    }
    for (size_t i = 0; i < LENGTH_OF(works); i++)
        printf("%s %d\n", works[i].name, TIMES);
    return 0;
}
