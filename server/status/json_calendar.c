#include "status/status.h"

static const char *const makers[] = {
    [STATUS_BY_MANAGEMENT_BACKUP] = "ManagementBackup", [STATUS_BY_SCHEDULE] = "Schedule", [STATUS_BY_HAND] = "none"};
static const char *const results[] = {[STATUS_GOOD] = "good",
                                      [STATUS_RUNNING] = "running",
                                      [STATUS_PARTIAL] = "partial",
                                      [STATUS_FAILED] = "failed",
                                      [STATUS_GOING] = "deleting"};

static struct json_object *runs_object(const struct status_source *source)
{
    struct json_object *object = json_object_new_object(), *times = json_object_new_array();
    char text[TIME_TEXT_SIZE];
    status_put_integer(object, "count", (int64_t)source->run_total);
    status_put_bool(object, "countComplete", !source->counted_out);
    status_put_time(object, "first", source->first);
    status_put_integer(object, "shortestIntervalSeconds", source->interval);
    for (size_t i = 0; i < source->run_count; i++)
        status_append(times, json_object_new_string(time_format(source->runs[i].at, source->runs[i].offset, text)));
    status_put(object, "times", times);
    return object;
}

static struct json_object *past_object(const struct status_source *source)
{
    struct json_object *object = json_object_new_object(), *items = json_object_new_array();
    for (size_t i = 0; i < source->past_count; i++) {
        const struct status_past *past = &source->past[i];
        const struct backup *backup = past->object;
        struct json_object *item =
            status_backup_object(&backup->status, backup->meta.name, past->ended ? past->ended : past->started);
        status_put_text(item, "namespace", backup->meta.ns);
        status_put_text(item, "storageLocation", backup->storage_location);
        status_put_words(item, "result", results[past->result]);
        status_append(items, item);
    }
    status_put_integer(object, "count", (int64_t)source->past_total);
    status_put(object, "items", items);
    return object;
}

static struct json_object *json_calendar_source(const struct status_source *source)
{
    struct json_object *object = json_object_new_object();
    status_put_words(object, "kind", makers[source->maker]);
    status_put_text(object, "namespace", source->ns);
    status_put_text(object, "name", source->name);
    status_put_text(object, "schedule", source->spec);
    status_put_bool(object, "scheduleValid", source->valid);
    status_put_text(object, "meaning", source->meaning);
    status_put_text(object, "zone", source->zone);
    status_put_bool(object, "paused", source->rests != NULL);
    status_put_text(object, "storageLocation", source->location);
    status_put(object, "plannedRuns", runs_object(source));
    status_put(object, "recentBackups", past_object(source));
    status_put(object, "recovery",
               source->maker == STATUS_BY_SCHEDULE ? status_recovery_object(&source->recovery) : NULL);
    return object;
}

static struct json_object *json_collider(const struct status_source *source)
{
    struct json_object *object = json_object_new_object();
    status_put_words(object, "kind", makers[source->maker]);
    status_put_text(object, "namespace", source->ns);
    status_put_text(object, "name", source->name);
    return object;
}

struct json_object *status_calendar_object(const struct status_view *view)
{
    struct json_object *object = json_object_new_object(), *sources = json_object_new_array();
    struct json_object *collisions = json_object_new_array();
    for (size_t i = 0; i < view->source_count; i++)
        status_append(sources, json_calendar_source(&view->sources[i]));
    for (size_t i = 0; i < view->collision_count; i++) {
        const struct status_collision *from = &view->collisions[i];
        struct json_object *collision = json_object_new_object(), *between = json_object_new_array();
        status_append(between, json_collider(from->one));
        status_append(between, json_collider(from->other));
        status_put(collision, "between", between);
        status_put_text(collision, "storageLocation", from->one->location);
        status_put_time(collision, "first", from->first);
        status_put_integer(collision, "count", (int64_t)from->count);
        status_append(collisions, collision);
    }
    status_put_integer(object, "days", STATUS_DAYS);
    status_put(object, "sources", sources);
    status_put(object, "collisions", collisions);
    return object;
}
