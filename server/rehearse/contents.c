/* The objects of a backup, from its archive: pkg/archive/extractor.go and parser.go. They come in the order of the
 * backup and are wanted in that of the restore, more than once; so they are kept in a temporary file, and what is in
 * memory is where each is. */
#include "rehearse/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backstop/rehearse.h"

enum {
    FILE_BYTES = 16 * 1024 * 1024,
    FILES = 2000000,
    NAMES_BYTES = 512 * 1024 * 1024,
    WRITTEN_AT_ONCE = 256 * 1024,
    FOLDER_BYTES = 2048
};
#define TOTAL_BYTES (UINT64_C(8) * 1024 * 1024 * 1024)

struct rehearse_contents {
    struct arena *arena;
    int fd; /* of the temporary file */
    uint64_t written;
    struct buf pending; /* not written yet */
    struct {
        struct rehearse_item *items;
        size_t len, cap;
    } found; /* in the order of the archive, then sorted */
    struct {
        struct str *items;
        size_t len, cap;
    } names; /* of resources and namespaces, once each */
    struct rehearse_resource *resources;
    size_t resource_count;
    bool has_resources;
};

/* ---- the temporary file ---------------------------------------------------------------- */

static bool spool_failed(struct error *error, const char *what, const char *folder)
{
    char buffer[128];
    return error_set(error, 500, "the temporary file for the backup's contents cannot be %s%s%s (see TMPDIR): %s", what,
                     *folder ? " in " : "", folder, strerror_r(errno, buffer, sizeof buffer));
}

/* Without a name, so that it is gone with the process whatever ends that; it may hold Secrets. */
int rehearse_temporary_file(struct error *error)
{
    const char *folder = temporary_folder();
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) { /* a file system without it */
        char path[FOLDER_BYTES];
        int length = snprintf(path, sizeof path, "%s/backstop-rehearse-XXXXXX", folder);
        fd = length > 0 && (size_t)length < sizeof path ? mkostemp(path, O_CLOEXEC) : -1;
        if (fd >= 0)
            unlink(path);
    }
    if (fd < 0)
        spool_failed(error, "made", folder);
    return fd;
}

/* Written in large pieces: a backup has tens of thousands of small files. */
static bool spool_flush(struct rehearse_contents *contents, struct error *error)
{
    if (!fd_write(contents->fd, buf_str(&contents->pending)))
        return spool_failed(error, "written", "");
    contents->written += contents->pending.len;
    buf_clear(&contents->pending);
    return true;
}

/* ---- paths ------------------------------------------------------------------------------ */

/* What a path below resources/ names. */
struct place {
    struct str resource, ns, name;
    bool of_version; /* the same object once more, for restores that choose among versions */
};

/* resources/PLURAL.GROUP[/VERSION]/cluster/NAME.json, or /namespaces/NS/NAME.json */
static bool place_read(struct str path, struct place *place)
{
    struct str scope, rest = path;
    *place = (struct place){0};
    str_cut(&rest, '/', &scope); /* resources */
    if (!str_cut(&rest, '/', &place->resource) || !str_cut(&rest, '/', &scope))
        return false;
    if (!str_is(scope, "cluster") && !str_is(scope, "namespaces")) {
        place->of_version = true;
        if (!str_cut(&rest, '/', &scope))
            return false;
    }
    if (str_is(scope, "namespaces")) {
        if (!str_cut(&rest, '/', &place->ns))
            return false;
    } else if (!str_is(scope, "cluster")) {
        return false;
    }
    place->name = rest;
    if (!rest.ptr || !str_ends(rest, STR(".json")) || str_contains(rest, STR("/")))
        return false;
    place->name = str_slice(rest, 0, rest.len - 5);
    return place->name.len > 0;
}

/* One copy of each name of a resource or namespace; the last ones first, since neighbours share them. */
static struct str contents_name(struct rehearse_contents *contents, struct str name)
{
    for (size_t i = contents->names.len; i > 0 && contents->names.len - i < 64; i--)
        if (str_eq(contents->names.items[i - 1], name))
            return contents->names.items[i - 1];
    struct str copy = arena_copy(contents->arena, name);
    if (copy.ptr && ARENA_ROOM(contents->arena, &contents->names))
        contents->names.items[contents->names.len++] = copy;
    return copy;
}

static bool contents_take(struct rehearse_contents *contents, struct archive_reader *reader, const struct place *place,
                          struct error *error)
{
    const struct rehearse_item item = {.ns = contents_name(contents, place->ns),
                                       .name = arena_copy(contents->arena, place->name),
                                       .offset = contents->written + contents->pending.len};
    struct str resource = contents_name(contents, place->resource);
    if (!ARENA_ROOM(contents->arena, &contents->found) || arena_failed(contents->arena))
        return error_set(error, 500, "out of memory");
    struct rehearse_item *kept = &contents->found.items[contents->found.len++];
    *kept = item;
    kept->reason = resource; /* until the resources are known */
    if (!archive_reader_content(reader, &contents->pending, error))
        return false;
    kept->size = (uint32_t)(contents->written + contents->pending.len - kept->offset);
    return contents->pending.len < WRITTEN_AT_ONCE || spool_flush(contents, error);
}

/* What is not below resources/ is of no interest. A path there that names no object ends the
 * reading: nobody could say what it holds. */
static bool contents_entry(struct rehearse_contents *contents, struct archive_reader *reader, struct str path,
                           struct error *error)
{
    struct place place;
    if (!str_starts(path, STR("resources/")))
        return true; /* metadata/version */
    contents->has_resources = true;
    /* The path is libarchive's, and reading the content may take it away: place_read's parts are copied before. */
    if (!place_read(path, &place))
        return error_set(error, 422, "not a backup: nothing of Velero's has the path \"%.*s\"",
                         (int)(path.len < 200 ? path.len : 200), path.ptr);
    return place.of_version || contents_take(contents, reader, &place, error);
}

/* ---- sorted ------------------------------------------------------------------------------ */

static int item_order(const void *a, const void *b)
{
    const struct rehearse_item *one = a, *other = b;
    int order = str_cmp(one->reason, other->reason);
    if (order == 0)
        order = str_cmp(one->ns, other->ns);
    if (order == 0)
        order = str_cmp(one->name, other->name);
    return order ? order : one->offset < other->offset ? -1 : one->offset > other->offset;
}

/* Of a path that comes twice the last content counts, as when files are extracted one over the other. */
static void contents_drop_doubles(struct rehearse_contents *contents)
{
    size_t kept = 0;
    for (size_t i = 0; i < contents->found.len; i++) {
        struct rehearse_item *item = &contents->found.items[i], *last = kept ? &contents->found.items[kept - 1] : NULL;
        bool again =
            last && str_eq(last->reason, item->reason) && str_eq(last->ns, item->ns) && str_eq(last->name, item->name);
        contents->found.items[again ? kept - 1 : kept] = *item;
        kept += !again;
    }
    contents->found.len = kept;
}

static bool contents_group(struct rehearse_contents *contents, struct error *error)
{
    struct rehearse_item *items = contents->found.items;
    size_t count = 0;
    if (contents->found.len)
        qsort(items, contents->found.len, sizeof *items, item_order);
    contents_drop_doubles(contents);
    for (size_t i = 0; i < contents->found.len; i++)
        count += i == 0 || !str_eq(items[i].reason, items[i - 1].reason);
    contents->resources = arena_array(contents->arena, count ? count : 1, sizeof *contents->resources);
    if (!contents->resources)
        return error_set(error, 500, "out of memory");
    for (size_t i = 0; i < contents->found.len; i++) {
        if (i == 0 || !str_eq(items[i].reason, contents->resources[contents->resource_count - 1].name)) {
            struct rehearse_resource *resource = &contents->resources[contents->resource_count++];
            struct str rest = items[i].reason;
            *resource = (struct rehearse_resource){.name = items[i].reason, .items = &items[i]};
            str_cut(&rest, '.', &resource->plural);
            resource->group = rest.ptr ? rest : STR("");
        }
        contents->resources[contents->resource_count - 1].count++;
        items[i].resource = &contents->resources[contents->resource_count - 1];
    }
    for (size_t i = 0; i < contents->found.len; i++)
        items[i].reason = (struct str){NULL, 0};
    return true;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static bool contents_read(struct rehearse_contents *contents, int fd, const struct archive_limits *limits,
                          struct error *error)
{
    struct str path;
    uint64_t size;
    enum archive_step step;
    struct archive_reader *reader = archive_reader_open(fd, limits, error);
    bool good = reader != NULL;
    while (good && (step = archive_reader_next(reader, &path, &size, error)) != ARCHIVE_ENDS)
        good = step == ARCHIVE_ENTRY && contents_entry(contents, reader, path, error);
    archive_reader_close(reader);
    if (good && !contents->has_resources && contents->found.len == 0)
        good = error_set(error, 422, "not a backup: there is no folder \"resources\" in the archive, or it is empty");
    return good && spool_flush(contents, error) && contents_group(contents, error);
}

struct rehearse_contents *rehearse_contents_read(int fd, const struct rehearse_limits *limits, struct error *error)
{
    struct rehearse_contents *contents = calloc(1, sizeof *contents);
    const struct archive_limits bounds = {.file_bytes = limits && limits->file_bytes ? limits->file_bytes : FILE_BYTES,
                                          .total_bytes =
                                              limits && limits->total_bytes ? limits->total_bytes : TOTAL_BYTES,
                                          .files = limits && limits->files ? limits->files : FILES};
    if (!contents)
        return error_null(error, 500, "out of memory");
    contents->fd = -1;
    contents->arena = arena_new(NAMES_BYTES);
    buf_init(&contents->pending, WRITTEN_AT_ONCE + bounds.file_bytes + 1);
    bool good = contents->arena || error_set(error, 500, "out of memory");
    good = good && (contents->fd = rehearse_temporary_file(error)) >= 0 && contents_read(contents, fd, &bounds, error);
    buf_dispose(&contents->pending);
    if (good)
        return contents;
    rehearse_contents_free(contents);
    return NULL;
}

void rehearse_contents_free(struct rehearse_contents *contents)
{
    if (!contents)
        return;
    buf_dispose(&contents->pending);
    fd_close(&contents->fd);
    arena_free(contents->arena);
    free(contents);
}

struct rehearse_resource *rehearse_contents_resources(struct rehearse_contents *contents, size_t *count)
{
    *count = contents->resource_count;
    return contents->resources;
}

size_t rehearse_contents_count(const struct rehearse_contents *contents)
{
    return contents->found.len;
}

struct rehearse_resource *rehearse_contents_resource(struct rehearse_contents *contents, struct str name)
{
    for (size_t i = 0; i < contents->resource_count; i++)
        if (str_eq(contents->resources[i].name, name))
            return &contents->resources[i];
    return NULL;
}

/* Items of a resource are sorted by namespace and name. */
struct rehearse_item *rehearse_resource_item(const struct rehearse_resource *resource, struct str ns, struct str name)
{
    size_t from = 0, to = resource ? resource->count : 0;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        struct rehearse_item *item = &resource->items[middle];
        int order = str_cmp(item->ns, ns);
        order = order ? order : str_cmp(item->name, name);
        if (order == 0)
            return item;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

/* pread, so that several threads may read at a time. */
struct json_object *rehearse_item_read(const struct rehearse_contents *contents, const struct rehearse_item *item,
                                       struct arena *arena, struct error *error)
{
    struct error reason = {.code = 422, .message = "it is null"};
    char *bytes = arena_alloc(arena, item->size + (size_t)1);
    size_t got = 0;
    if (!bytes)
        return error_null(error, 500, "out of memory");
    while (got < item->size) {
        ssize_t more = pread(contents->fd, bytes + got, item->size - got, (off_t)(item->offset + got));
        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0) {
            spool_failed(error, "read", "");
            return NULL;
        }
        got += (size_t)more;
    }
    struct json_object *tree = json_build(arena, (struct str){bytes, got}, &reason);
    if (!tree || !json_object_is_type(json_get(tree, "metadata"), json_type_object))
        return error_null(error, reason.code, "it is not an object of Kubernetes: %s",
                          tree ? "no metadata" : reason.message);
    return tree;
}
