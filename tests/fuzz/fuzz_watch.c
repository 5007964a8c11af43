/* Any bytes as the stream of a watch, in pieces as the network might cut it: the lines
 * do not depend on the pieces, and what they hold is kept as facts or refused. */
#include "backstop/inventory.h"
#include "fuzz.h"
#include "kube/kube.h"
#include "mutate_json.h"

enum { ARENA = 64 * 1024 * 1024, STREAM_LINE_MAX = 64 * 1024, PIECES = 3 };

struct seen {
    struct inventory_builder *builder; /* NULL: only count */
    size_t lines;
    uint32_t hash;
};

static void check_line(struct seen *seen, struct arena *arena, struct str text)
{
    struct error error = {0};
    struct kube_watch_line line;
    /* Of the kind that the line itself names, so that all kinds of facts are reached. */
    struct json_object *object = json_get(json_build(arena, text, &error), "object");
    struct str group, version = json_get_str(object, "apiVersion");
    error = (struct error){0};
    if (!memchr(version.ptr ? version.ptr : "", '/', version.len) || !str_cut(&version, '/', &group))
        group = STR("");
    const struct kube_resource resource = {
        .group = group, .version = version, .plural = STR("things"), .kind = json_get_str(object, "kind")};
    if (!kube_watch_line(arena, text, &resource, text.len % 8 == 0, &line, &error)) {
        PROMISE(error.message[0] != '\0' && !line.changes, "no reason");
        return;
    }
    PROMISE(!line.version.len || line.version.ptr, "version");
    if (line.changes && json_object_is_type(line.object, json_type_object) &&
        !inventory_add(seen->builder, line.object, &error))
        PROMISE(error.message[0] != '\0', "no reason");
}

static bool take(void *context, struct str text)
{
    struct seen *seen = context;
    seen->lines++;
    for (size_t i = 0; i < text.len; i++)
        seen->hash = (seen->hash ^ (unsigned char)text.ptr[i]) * 16777619u;
    PROMISE(text.len > 0 && !memchr(text.ptr, '\n', text.len), "a line");
    ARENA_SCOPED arena = seen->builder ? arena_new(ARENA) : NULL;
    if (arena)
        check_line(seen, arena, text);
    return true;
}

/* Pieces of `step` bytes; 0: all at once. */
static void read_in(struct seen *seen, struct str text, size_t step)
{
    BUF_SCOPED rest;
    buf_init(&rest, STREAM_LINE_MAX);
    for (size_t at = 0; at < text.len; at += step ? step : text.len)
        if (!kube_lines(&rest, str_slice(text, at, step ? at + step : text.len), take, seen))
            return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[PIECES] = {0, 1, 7};
    struct seen seen[PIECES] = {{.builder = inventory_builder_new()}};
    PROMISE(seen[0].builder, "memory");
    for (size_t i = 0; i < PIECES; i++) {
        read_in(&seen[i], (struct str){(const char *)data, size}, steps[i]);
        PROMISE(seen[i].lines == seen[0].lines && seen[i].hash == seen[0].hash, "other lines in pieces of %zu",
                steps[i]);
    }
    struct inventory *inventory = inventory_finish(seen[0].builder);
    PROMISE(inventory, "memory");
    snapshot_release(inventory);
    return 0;
}
