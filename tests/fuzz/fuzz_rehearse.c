/* A backup's archive: whatever comes from an object store. What can be read is planned, and each object prepared. */
#include <sys/mman.h>
#include <unistd.h>

#include "backstop/rehearse.h"
#include "fuzz.h"

enum { MEMORY = 64 * 1024 * 1024 };

static void fuzz_items(struct rehearse_contents *contents, const struct rehearse_plan *plan,
                       const struct rehearse_restore *restore)
{
    for (size_t i = 0; i < plan->count && i < 50; i++) {
        struct str skip, problem;
        struct error error;
        ARENA_SCOPED arena = arena_new(MEMORY);
        struct json_object *object = arena ? rehearse_item_read(contents, plan->items[i], arena, &error) : NULL;
        if (object)
            (void)!rehearse_object_prepare(arena, object, plan->items[i], restore, &skip, &problem);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error;
    struct rehearse_plan plan;
    const struct rehearse_limits limits = {.file_bytes = 1 << 20, .total_bytes = 1 << 22, .files = 1000};
    const struct rehearse_restore restore = {.name = STR("r"), .backup = STR("b"), .include_cluster = -1};
    const struct rehearse_cluster cluster = {.concurrency = 1};
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct rehearse_contents *contents = NULL;
    if (fd >= 0 && arena && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0)
        contents = rehearse_contents_read(fd, &limits, &error);
    struct rehearse_served served = {.arena = arena};
    if (contents) {
        rehearse_served_by_kubernetes(&served);
        if (rehearse_plan_make(&plan, contents, &restore, &served, arena, &error)) {
            fuzz_items(contents, &plan, &restore);
            (void)!rehearse_run(&plan, contents, &restore, &served, &cluster, NULL, arena, &error);
        }
    }
    rehearse_contents_free(contents);
    if (fd >= 0)
        close(fd);
    return 0;
}
