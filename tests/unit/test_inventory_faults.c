/* Files that the system does not let be read for a while. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backstop/facts.h"
#include "suite.h"

static void count_problem(void *context, const char *path, int64_t line, const char *reason)
{
    (void)path, (void)line, (void)reason;
    (*(unsigned *)context)++;
}

static void put(const char *path, const char *name)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_FATAL(file != NULL);
    fprintf(file, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n", name);
    fclose(file);
}

static bool has(struct inventory_files *files, const char *name)
{
    const struct inventory *inventory = inventory_files_get(files, 0);
    bool found = inventory_config_map(inventory, STR("kcm-system"), str_from(name)) != NULL;
    snapshot_release(inventory);
    return found;
}

/* Descriptors run out and come back: the file is the same, but its content was never read. */
static void test_descriptors_run_out(void)
{
    char folder[] = "/tmp/backstop-faults-XXXXXX", path[64];
    struct rlimit before, none;
    struct error error = {.code = 0};
    unsigned problems = 0;
    CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/a.yaml", folder);
    put(path, "first");
    const char *const paths[] = {path};
    const struct inventory_files_options options = {.paths = paths,
                                                    .path_count = 1,
                                                    .system_namespace = STR("kcm-system"),
                                                    .simulate_seconds = -1,
                                                    .problem = count_problem,
                                                    .context = &problems};
    struct inventory_files *files = inventory_files_open(&options, &error);
    CU_ASSERT_FATAL(files != NULL);
    CU_ASSERT(has(files, "first"));
    put(path, "the second");
    CU_ASSERT_FATAL(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = 0;
    CU_ASSERT_FATAL(setrlimit(RLIMIT_NOFILE, &none) == 0);
    inventory_files_reload(files);
    inventory_files_reload(files);
    CU_ASSERT_FATAL(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CU_ASSERT_EQUAL(problems, 1); /* told once */
    CU_ASSERT_EQUAL(inventory_files_problems(files), 1);
    CU_ASSERT(has(files, "first"));
    inventory_files_reload(files);
    CU_ASSERT(has(files, "the second") && !has(files, "first"));
    CU_ASSERT_EQUAL(inventory_files_problems(files), 0);
    inventory_files_close(files);
    unlink(path);
    rmdir(folder);
}

SUITE(inventory_faults, {"what could not be read for want of descriptors is read later", test_descriptors_run_out})
