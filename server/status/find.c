#include "backstop/cron.h"
#include "status/status.h"

/* The inventory's order is by name. */
const struct status_location *status_location(const struct status_view *view, struct str name)
{
    size_t low = 0, high = view->location_count;
    while (name.len && low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(name, view->locations[middle].object->meta.name);
        if (order == 0)
            return &view->locations[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    for (size_t i = 0; name.len == 0 && i < view->location_count; i++)
        if (view->locations[i].is_default)
            return &view->locations[i];
    return NULL;
}

struct status_backup *status_backup_named(struct status_view *view, struct str name)
{
    size_t low = 0, high = view->backup_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(name, view->backups[middle].object->meta.name);
        if (order == 0)
            return &view->backups[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Schedules follow the ManagementBackups, in the inventory's order. */
struct status_source *status_schedule_named(struct status_view *view, struct str ns, struct str name)
{
    size_t low = 0, high = view->source_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct status_source *source = &view->sources[middle];
        int order = source->maker == STATUS_BY_MANAGEMENT_BACKUP ? 1 : str_cmp(ns, source->ns);
        order = order ? order : str_cmp(name, source->name);
        if (order == 0)
            return source;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
