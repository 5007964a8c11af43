/* Files behind the interface that serve holds: what they say is always fresh. */
#include <stdio.h>
#include <stdlib.h>

#include "inventory/inventory.h"

struct file_source {
    struct facts_source source;
    struct inventory_files *files;
};

static struct inventory_files *files_of(struct facts_source *self)
{
    return ((struct file_source *)self)->files;
}

static const struct inventory *file_source_get(struct facts_source *self, int64_t now)
{
    return inventory_files_get(files_of(self), now);
}

static const struct inventory *file_source_live(struct facts_source *self, const struct facts_wanted *wanted,
                                                int64_t now, struct error *error)
{
    return inventory_files_live(files_of(self), wanted, now, error);
}

static bool file_source_create(struct facts_source *self, struct json_object *object, int64_t now, struct error *error)
{
    return inventory_files_create(files_of(self), object, now, error);
}

static size_t file_source_problems(struct facts_source *self)
{
    return inventory_files_problems(files_of(self));
}

static bool file_source_reserve(struct facts_source *self, const struct inventory *base, struct str backup, int64_t now,
                                struct error *error)
{
    return inventory_files_reserve(files_of(self), base, backup, now, error);
}

static void file_source_report(struct facts_source *self, facts_report_fn *say, void *context)
{
    char reason[128] = "";
    size_t bad = file_source_problems(self);
    if (bad)
        snprintf(reason, sizeof reason, "%zu file%s cannot be read: the last good content is still in use; see the log",
                 bad, bad == 1 ? "" : "s");
    say(context, "files", FACTS_IN_STEP, reason);
}

/* What has a last good state is told, not failed: a typo in a file must not stop the
 * webhook that guards the cluster. */
static bool file_source_ready(struct facts_source *self)
{
    (void)self;
    return true;
}

static void file_source_reload(struct facts_source *self)
{
    inventory_files_reload(files_of(self));
}

static void close_files(struct facts_source *self)
{
    inventory_files_close(files_of(self));
    free(self);
}

static const struct facts_source_table table = {
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

struct facts_source *facts_from_files(const struct inventory_files_options *options, struct error *error)
{
    struct file_source *source = calloc(1, sizeof *source);
    if (!source) {
        error_set(error, 500, "out of memory");
        return NULL;
    }
    source->source.table = &table;
    source->files = inventory_files_open(options, error);
    if (source->files)
        return &source->source;
    free(source);
    return NULL;
}
