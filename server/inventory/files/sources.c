#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inventory/files/files.h"
#include "inventory/inventory.h"

/* The files and folders that an inventory is read from. Only what changed is read again; a file that is wrong keeps its
 * last good content, so that a slip of the pen does not take facts away from the decisions. */

/* What changes when a file does. */
struct signature {
    int64_t device, inode, size, modified, modified_ns, changed, changed_ns;
    int missing; /* errno */
};

struct source {
    char *path;
    size_t root; /* which named path it came from */
    struct signature signature;
    struct loaded loaded;    /* the last good content */
    bool listed[FACT_COUNT]; /* the kinds that it says it has all of, be it none */
    bool bad, unread;        /* unread: for want of memory or descriptors, not for what it says */
};

struct root {
    char *path;
    int failure; /* errno of the last listing */
};

struct sources {
    struct root *roots;
    size_t root_count;
    struct source **items; /* in the order of the roots, then by name */
    size_t len, cap;
    size_t next; /* of those before: behind the one that was taken last */
    size_t problems;
};

static void source_free(struct source *source)
{
    loaded_clear(&source->loaded);
    free(source->path);
    free(source);
}

void sources_free(struct sources *sources)
{
    if (!sources)
        return;
    for (size_t i = 0; i < sources->root_count; i++)
        free(sources->roots[i].path);
    for (size_t i = 0; i < sources->len; i++)
        source_free(sources->items[i]);
    free(sources->roots);
    free(sources->items);
    free(sources);
}

struct sources *sources_new(const char *const *paths, size_t count)
{
    struct sources *sources = calloc(1, sizeof *sources);
    if (!sources || !(sources->roots = calloc(count + 1, sizeof *sources->roots))) {
        free(sources);
        return NULL;
    }
    for (; sources->root_count < count; sources->root_count++)
        if (!(sources->roots[sources->root_count].path = strdup(paths[sources->root_count]))) {
            sources_free(sources);
            return NULL;
        }
    return sources;
}

bool sources_check(const struct sources *sources, struct error *error)
{
    for (size_t i = 0; i < sources->root_count; i++) {
        int fd = open(sources->roots[i].path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) {
            char buffer[128];
            return error_set(error, 0, "%s: %s", sources->roots[i].path, strerror_r(errno, buffer, sizeof buffer));
        }
        close(fd);
    }
    return true;
}

static struct signature read_signature(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return (struct signature){.missing = errno};
    return (struct signature){
        .device = (int64_t)info.st_dev,
        .inode = (int64_t)info.st_ino,
        .size = info.st_size,
        .modified = info.st_mtim.tv_sec,
        .modified_ns = info.st_mtim.tv_nsec,
        .changed = info.st_ctim.tv_sec,
        .changed_ns = info.st_ctim.tv_nsec,
    };
}

static bool same_signature(const struct signature *a, const struct signature *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->modified == b->modified &&
           a->modified_ns == b->modified_ns && a->changed == b->changed && a->changed_ns == b->changed_ns &&
           a->missing == b->missing;
}

/* ---- listing -------------------------------------------------------------- */

/* Hidden files are editors' copies, and the versions behind a mounted ConfigMap. */
static int is_manifest(const struct dirent *entry)
{
    struct str name = str_from(entry->d_name);
    return entry->d_name[0] != '.' &&
           (str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml")) || str_ends(name, STR(".json")));
}

/* alphasort follows the locale; the order of files decides which duplicate wins. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool sources_append(struct sources *sources, struct source *source)
{
    if (!ARRAY_ROOM(sources)) {
        source_free(source);
        return false;
    }
    sources->items[sources->len++] = source;
    return true;
}

/* The source of this path as it was, taken out of `before`; or a new one. Takes the path. */
static bool sources_take_path(struct sources *sources, struct sources *before, size_t root, char *path)
{
    for (size_t n = 0; path && n < before->len; n++) {
        size_t i = (before->next + n) % before->len; /* mostly they come in the order that they had */
        if (before->items[i] && before->items[i]->root == root && strcmp(before->items[i]->path, path) == 0) {
            struct source *source = before->items[i];
            before->items[i] = NULL;
            before->next = i + 1;
            free(path);
            return sources_append(sources, source);
        }
    }
    struct source *fresh = path ? calloc(1, sizeof *fresh) : NULL;
    if (!fresh) {
        free(path);
        return false;
    }
    *fresh = (struct source){.path = path, .root = root, .signature = {.missing = -1}};
    return sources_append(sources, fresh);
}

static char *path_join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", folder, str_ends(str_from(folder), STR("/")) ? "" : "/", name);
    return path;
}

/* What a root holds now. A folder that cannot be listed keeps what it held. */
static int list_root(struct sources *sources, struct sources *before, size_t index)
{
    const char *path = sources->roots[index].path;
    struct stat info;
    bool was_folder = false;
    for (size_t i = 0; i < before->len; i++)
        was_folder |= before->items[i] && before->items[i]->root == index && strcmp(before->items[i]->path, path) != 0;
    bool there = stat(path, &info) == 0;
    if (there ? !S_ISDIR(info.st_mode) : !was_folder)
        return sources_take_path(sources, before, index, strdup(path)) ? 0 : ENOMEM;
    struct dirent **names = NULL;
    int count = scandir(path, &names, is_manifest, by_bytes);
    if (count < 0) {
        int failure = errno;
        for (size_t i = 0; i < before->len; i++)
            if (before->items[i] && before->items[i]->root == index) {
                struct source *source = before->items[i];
                before->items[i] = NULL;
                sources_append(sources, source);
            }
        return failure;
    }
    int failure = 0;
    for (int i = 0; i < count; i++) {
        if (!sources_take_path(sources, before, index, path_join(path, names[i]->d_name)))
            failure = ENOMEM;
        free(names[i]);
    }
    free(names);
    return failure;
}

/* ---- loading -------------------------------------------------------------- */

static bool source_refresh(struct source *source, bool named, const struct extractor *extractor,
                           inventory_problem_fn *problem, void *context)
{
    struct signature now = read_signature(source->path);
    bool same = same_signature(&now, &source->signature);
    if (same && !source->unread)
        return false;
    source->signature = now;
    struct loaded fresh = {.records = {0}};
    struct error error = {.position = -1};
    bool listed[FACT_COUNT] = {false};
    struct extractor noting = *extractor;
    noting.listed = listed;
    noting.named = named;
    source->bad = !load_file(&noting, source->path, &source->loaded, &fresh, &error);
    source->unread = source->bad && !now.missing && (error.code == 0 || error.code >= 500);
    if (!source->bad) {
        loaded_clear(&source->loaded);
        source->loaded = fresh;
        memcpy(source->listed, listed, sizeof listed);
        return true;
    }
    /* file_read's messages begin with the path, which the callback gets by itself. */
    struct str message = str_from(error.message), path = str_from(source->path);
    if (str_starts(message, path) && str_starts(str_slice(message, path.len, message.len), STR(": ")))
        message = str_slice(message, path.len + 2, message.len);
    if (problem && !same)
        problem(context, source->path, error.position > 0 ? error.position : -1, message.ptr);
    return false;
}

bool sources_reload(struct sources *sources, const struct extractor *extractor, inventory_problem_fn *problem,
                    void *context)
{
    struct sources before = {.items = sources->items, .len = sources->len};
    sources->items = NULL;
    sources->len = sources->cap = 0;
    for (size_t i = 0; i < sources->root_count; i++) {
        struct root *root = &sources->roots[i];
        int failure = list_root(sources, &before, i);
        char buffer[128];
        if (failure && failure != root->failure && problem)
            problem(context, root->path, -1, strerror_r(failure, buffer, sizeof buffer));
        root->failure = failure;
    }
    bool changed = false;
    for (size_t i = 0; i < before.len; i++)
        if (before.items[i]) {
            changed = true;
            source_free(before.items[i]);
        }
    free(before.items);
    sources->problems = 0;
    for (size_t i = 0; i < sources->root_count; i++)
        sources->problems += sources->roots[i].failure != 0;
    for (size_t i = 0; i < sources->len; i++) {
        struct source *source = sources->items[i];
        bool named = strcmp(source->path, sources->roots[source->root].path) == 0;
        changed |= source_refresh(source, named, extractor, problem, context);
        sources->problems += source->bad;
    }
    return changed;
}

bool sources_put(const struct sources *sources, struct inventory_builder *builder)
{
    for (size_t i = 0; i < sources->len; i++) {
        for (size_t f = 0; f < FACT_COUNT; f++)
            if (sources->items[i]->listed[f])
                inventory_set_known(builder, (enum fact)f, true);
        const struct record_list *records = &sources->items[i]->loaded.records;
        for (size_t r = 0; r < records->len; r++)
            if (!builder_share(builder, records->items[r]))
                return false;
    }
    return true;
}

bool sources_look(const struct sources *sources, const struct extractor *extractor, struct error *error)
{
    for (size_t i = 0; i < sources->len; i++) {
        struct loaded none = {.records = {0}};
        error->position = -1;
        bool good = load_file(extractor, sources->items[i]->path, NULL, &none, error);
        loaded_clear(&none);
        if (!good)
            return error_wrap(error, "%s", sources->items[i]->path);
    }
    return true;
}

bool sources_unread(const struct sources *sources)
{
    bool unread = false;
    for (size_t i = 0; i < sources->root_count; i++)
        unread |= sources->roots[i].failure != 0;
    for (size_t i = 0; i < sources->len; i++)
        unread |= sources->items[i]->unread;
    return unread;
}

size_t sources_problems(const struct sources *sources)
{
    return sources->problems;
}

void facts_want(struct arena *arena, struct facts_wanted *wanted, enum fact fact, struct str ns, struct str name)
{
    if (arena_room(arena, &wanted->refs, wanted->len, &wanted->cap, sizeof *wanted->refs))
        wanted->refs[wanted->len++] = (struct facts_ref){fact, ns, name};
}

const struct inventory *facts_get(struct snapshot_source *source, int64_t now)
{
    return source->table->get(source, now);
}

const struct inventory *facts_live(struct snapshot_source *source, const struct facts_wanted *wanted, int64_t now,
                                   struct error *error)
{
    return source->table->live(source, wanted, now, error);
}

bool facts_create(struct snapshot_source *source, struct json_object *object, int64_t now, struct error *error)
{
    return source->table->create(source, object, now, error);
}

bool facts_reserve(struct snapshot_source *source, const struct inventory *base, struct str backup, int64_t now,
                   struct error *error)
{
    return source->table->reserve(source, base, backup, now, error);
}

void facts_report(struct snapshot_source *source, facts_report_fn *report, void *context)
{
    source->table->report(source, report, context);
}

bool facts_ready(struct snapshot_source *source)
{
    return source->table->ready(source);
}

size_t facts_problems(struct snapshot_source *source)
{
    return source->table->problems(source);
}

void facts_reload(struct snapshot_source *source)
{
    if (source->table->reload)
        source->table->reload(source);
}

bool facts_wait(const struct snapshot_source *source)
{
    return source->table->waits;
}

void facts_close(struct snapshot_source *source)
{
    if (source)
        source->table->close(source);
}
