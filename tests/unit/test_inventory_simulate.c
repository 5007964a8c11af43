#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backstop/facts.h"
#include "suite.h"

#define NS STR("kcm-system")
enum { NOW = 1795230000 };

static const char facts[] =
    "apiVersion: k0rdent.mirantis.com/v1beta1\nkind: Management\nmetadata: {name: kcm}\n"
    "spec: {release: kcm-1-2-0}\nstatus: {release: kcm-1-2-0, availableProviders: [infrastructure-vsphere, "
    "infrastructure-azure]}\n"
    "---\napiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {name: s3, namespace: kcm-system}\n"
    "spec: {default: true, provider: aws}\n"
    "---\napiVersion: k0rdent.mirantis.com/v1beta1\nkind: ManagementBackup\nmetadata: {name: exists}\n"
    "spec: {storageLocation: old}\n";

static char path[] = "/tmp/backstop-simulate-XXXXXX.yaml";

static struct inventory_files *open_files(int64_t simulate_seconds)
{
    snprintf(path, sizeof path, "/tmp/backstop-simulate-XXXXXX.yaml");
    int fd = mkstemps(path, 5);
    CU_ASSERT_FATAL(fd >= 0 && write(fd, facts, sizeof facts - 1) == (ssize_t)sizeof facts - 1);
    close(fd);
    const char *const paths[] = {path};
    const struct inventory_files_options options = {
        .paths = paths, .path_count = 1, .system_namespace = STR("kcm-system"), .simulate_seconds = simulate_seconds};
    struct error error = {0};
    struct inventory_files *files = inventory_files_open(&options, &error);
    CU_ASSERT_FATAL(files != NULL);
    return files;
}

static void close_files(struct inventory_files *files)
{
    inventory_files_close(files);
    unlink(path);
}

static bool create(struct inventory_files *files, const char *json, int64_t now, struct error *error)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct json_object *tree = json_build(arena, str_from(json), error);
    CU_ASSERT_FATAL(tree != NULL);
    return inventory_files_create(files, tree, now, error);
}

#define MANAGEMENT_BACKUP(name, spec)                                                                                  \
    "{\"apiVersion\":\"k0rdent.mirantis.com/v1beta1\",\"kind\":\"ManagementBackup\",\"metadata\":{\"name\":\"" name    \
    "\",\"labels\":{\"k0rdent.mirantis.com/release-backup\":\"kcm-1-2-0\"}},\"spec\":{" spec "}}"

struct seen {
    const struct inventory *inventory;
    const struct management_backup *management_backup;
    const struct backup *backup;
};

static struct seen look(struct inventory_files *files, struct str name, int64_t now)
{
    struct seen seen = {.inventory = inventory_files_get(files, now)};
    CU_ASSERT_FATAL(seen.inventory != NULL);
    seen.management_backup = inventory_management_backup(seen.inventory, name);
    seen.backup = inventory_backup(seen.inventory, NS, name);
    CU_ASSERT_FATAL(seen.management_backup != NULL);
    return seen;
}

static void release(struct seen *seen)
{
    snapshot_release(seen->inventory);
}
#define SEEN_SCOPED CLEANUP(release) struct seen

static void test_completes(void)
{
    struct inventory_files *files = open_files(100);
    struct error error = {0};
    struct str name = STR("kcm-backup-kcm-1-2-0");
    CU_ASSERT(create(files, MANAGEMENT_BACKUP("kcm-backup-kcm-1-2-0", ""), NOW, &error));
    SEEN_SCOPED at_once = look(files, name, NOW);
    CU_ASSERT(at_once.backup == NULL && at_once.management_backup->last_backup.phase.len == 0);
    CU_ASSERT(at_once.management_backup->meta.created == NOW);
    ASSERT_TEXT(at_once.management_backup->release, "kcm-1-2-0");

    SEEN_SCOPED half = look(files, name, NOW + 50);
    CU_ASSERT_FATAL(half.backup != NULL);
    ASSERT_TEXT(half.backup->status.phase, "InProgress");
    ASSERT_TEXT(half.management_backup->last_backup.phase, "InProgress");
    CU_ASSERT(half.backup->status.items_done * 2 == half.backup->status.items_total);
    CU_ASSERT(half.backup->status.completed == 0 && half.backup->status.started == NOW);
    ASSERT_TEXT(half.backup->storage_location, "s3");
    CU_ASSERT_FATAL(half.backup->providers.len == 2);
    ASSERT_TEXT(half.backup->providers.items[0], "infrastructure-azure");
    CU_ASSERT(half.backup->identity.kind == BACKUP_MANAGEMENT);

    SEEN_SCOPED almost = look(files, name, NOW + 99);
    ASSERT_TEXT(almost.backup->status.phase, "InProgress");
    CU_ASSERT(almost.backup->status.items_done < almost.backup->status.items_total);

    SEEN_SCOPED done = look(files, name, NOW + 100);
    ASSERT_TEXT(done.backup->status.phase, "Completed");
    ASSERT_TEXT(done.management_backup->last_backup.phase, "Completed");
    ASSERT_TEXT(done.management_backup->last_backup_name, "kcm-backup-kcm-1-2-0");
    CU_ASSERT(done.management_backup->last_backup.completed == NOW + 100);
    CU_ASSERT(done.backup->status.items_done == done.backup->status.items_total);
    CU_ASSERT(at_once.backup == NULL); /* snapshots stay what they were */

    SEEN_SCOPED later = look(files, name, NOW + 5000), again = look(files, name, NOW + 5001);
    CU_ASSERT(later.inventory == done.inventory && again.inventory == done.inventory); /* nothing moves any more */
    close_files(files);
}

static void test_never(void)
{
    struct inventory_files *files = open_files(-1);
    struct error error = {0};
    CU_ASSERT(create(files, MANAGEMENT_BACKUP("mb", "\"storageLocation\":\"s3\""), NOW, &error));
    SEEN_SCOPED seen = look(files, STR("mb"), NOW + 1000000);
    CU_ASSERT(seen.backup == NULL && seen.management_backup->last_backup.phase.len == 0);
    close_files(files);
}

static void test_at_once(void)
{
    struct inventory_files *files = open_files(0);
    struct error error = {0};
    CU_ASSERT(create(files, MANAGEMENT_BACKUP("mb", ""), NOW, &error));
    SEEN_SCOPED seen = look(files, STR("mb"), NOW);
    CU_ASSERT_FATAL(seen.backup != NULL);
    ASSERT_TEXT(seen.backup->status.phase, "Completed");
    close_files(files);
}

static void test_scheduled_waits(void)
{
    struct inventory_files *files = open_files(5);
    struct error error = {0};
    CU_ASSERT(create(files, MANAGEMENT_BACKUP("mb", "\"schedule\":\"@daily\""), NOW, &error));
    SEEN_SCOPED seen = look(files, STR("mb"), NOW + 60);
    CU_ASSERT(seen.backup == NULL);
    close_files(files);
}

static void test_taken_names(void)
{
    struct inventory_files *files = open_files(5);
    struct error error = {0};
    CU_ASSERT(create(files, MANAGEMENT_BACKUP("exists", ""), NOW, &error));
    SEEN_SCOPED seen = look(files, STR("exists"), NOW + 60);
    ASSERT_TEXT(seen.management_backup->storage_location, "old");
    CU_ASSERT(seen.backup == NULL);
    CU_ASSERT(create(files, MANAGEMENT_BACKUP("mb", ""), NOW, &error));
    CU_ASSERT(create(files, MANAGEMENT_BACKUP("mb", ""), NOW + 4, &error)); /* the gate races with itself */
    SEEN_SCOPED first = look(files, STR("mb"), NOW + 5);
    CU_ASSERT(first.management_backup->meta.created == NOW);
    ASSERT_TEXT(first.management_backup->last_backup.phase, "Completed");
    close_files(files);
}

static void test_refused(void)
{
    struct inventory_files *files = open_files(5);
    struct error error = {0};
    CU_ASSERT(!create(files, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}}", NOW, &error));
    ASSERT_TEXT(str_from(error.message), "the inventory does not hold objects of this kind");
    CU_ASSERT(!create(files, "[]", NOW, &error));
    CU_ASSERT(
        !create(files, "{\"apiVersion\":\"k0rdent.mirantis.com/v1beta1\",\"kind\":\"ManagementBackup\"}", NOW, &error));
    ASSERT_TEXT(str_from(error.message), "metadata.name: missing");
    close_files(files);
}

/* ---- many readers, a file that changes, and backups that run --------------- */

struct traffic {
    struct inventory_files *files;
    atomic_bool stop;
    atomic_uint reads;
};

static void *read_facts(void *argument)
{
    struct traffic *traffic = argument;
    for (int64_t now = NOW; !atomic_load(&traffic->stop); now++) {
        const struct inventory *inventory = inventory_files_get(traffic->files, now);
        const struct management *management = inventory_management(inventory);
        if (management && management->release.len == 9 && inventory_default_location(inventory, NS, NULL))
            atomic_fetch_add(&traffic->reads, 1);
        snapshot_release(inventory);
    }
    return NULL;
}

static void *create_backups(void *argument)
{
    struct traffic *traffic = argument;
    for (int i = 0; i < 20; i++) {
        char json[400];
        snprintf(
            json, sizeof json,
            "{\"apiVersion\":\"k0rdent.mirantis.com/v1beta1\",\"kind\":\"ManagementBackup\",\"metadata\":{\"name\":"
            "\"mb-%d\"}}",
            i);
        struct error error = {0};
        if (!create(traffic->files, json, NOW, &error))
            return traffic;
    }
    return NULL;
}

/* A busy machine lets the watch wait. */
static bool comes_to_know(struct inventory_files *files, struct str name)
{
    bool known = false;
    for (int i = 0; i < 500 && !known; i++) {
        const struct inventory *inventory = inventory_files_get(files, NOW);
        known = inventory_config_map(inventory, NS, name) != NULL;
        snapshot_release(inventory);
        if (!known)
            usleep(20000);
    }
    return known;
}

static void test_threads(void)
{
    char fresh[80];
    struct inventory_files *files = open_files(40);
    inventory_files_close(files);
    const char *const paths[] = {path};
    const struct inventory_files_options options = {
        .paths = paths, .path_count = 1, .watch = true, .system_namespace = STR("kcm-system"), .simulate_seconds = 40};
    struct error error = {0};
    struct traffic traffic = {.files = inventory_files_open(&options, &error)};
    CU_ASSERT_FATAL(traffic.files != NULL);
    pthread_t readers[3], writer;
    for (size_t i = 0; i < LENGTH_OF(readers); i++)
        CU_ASSERT_FATAL(pthread_create(&readers[i], NULL, read_facts, &traffic) == 0);
    CU_ASSERT_FATAL(pthread_create(&writer, NULL, create_backups, &traffic) == 0);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    for (int i = 0; i < 5; i++) {
        FILE *file = fopen(fresh, "w");
        CU_ASSERT_FATAL(file != NULL);
        fprintf(file, "%s---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\n", facts, i);
        fclose(file);
        CU_ASSERT(rename(fresh, path) == 0);
        usleep(150000);
    }
    void *failed = NULL;
    pthread_join(writer, &failed);
    CU_ASSERT(failed == NULL);
    CU_ASSERT(comes_to_know(traffic.files, STR("c4")));
    atomic_store(&traffic.stop, true);
    for (size_t i = 0; i < LENGTH_OF(readers); i++)
        pthread_join(readers[i], NULL);
    CU_ASSERT(atomic_load(&traffic.reads) > 10);
    const struct inventory *inventory = inventory_files_get(traffic.files, NOW + 40);
    CU_ASSERT(inventory->count[FACT_MANAGEMENT_BACKUPS] == 21 && inventory->count[FACT_BACKUPS] == 20);
    snapshot_release(inventory);
    close_files(traffic.files);
}

SUITE(inventory_simulate, {"a created backup runs and completes", test_completes}, {"or never starts", test_never},
      {"or is there at once", test_at_once}, {"a schedule does not run by itself", test_scheduled_waits},
      {"a name that is taken", test_taken_names}, {"what is not kept", test_refused},
      {"readers, reloads and running backups at once", test_threads})
