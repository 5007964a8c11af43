/* The settings in force: a slot that a reload swaps. A file that is wrong leaves the last good settings in effect. */
#include <stdio.h>
#include <string.h>

#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

enum { POLL_SECONDS = 30 };

static struct settings *settings_source_load(const char *path, struct error *error)
{
    return path ? settings_load_file(path, error) : settings_defaults(error);
}

static void settings_source_changed(void *context)
{
    settings_source_reload(context);
}

bool settings_source_open(struct settings_source *source, const char *path, struct error *error)
{
    source->path = path;
    shared_slot_init(&source->slot);
    pthread_mutex_init(&source->lock, NULL);
    /* Watched first, so that a file that is exchanged while it is read is read again. */
    pthread_mutex_lock(&source->lock);
    if (path)
        source->watch = file_watch_start(&source->path, 1, POLL_SECONDS, settings_source_changed, source, error);
    struct settings *settings = path && !source->watch ? NULL : settings_source_load(path, error);
    if (settings)
        shared_slot_set(&source->slot, &settings->shared);
    else
        error_wrap(error, "settings file");
    pthread_mutex_unlock(&source->lock);
    return settings != NULL;
}

void settings_source_reload(struct settings_source *source)
{
    struct error error;
    if (!source->path)
        return;
    pthread_mutex_lock(&source->lock);
    struct settings *settings = settings_source_load(source->path, &error);
    metric_add(METRIC_SETTINGS_RELOADS, 1, settings ? "ok" : "failed");
    if (settings) {
        shared_slot_set(&source->slot, &settings->shared);
        source->problem[0] = '\0';
        log_line(LOG_INFO, "settings reloaded", LOG_TEXT("file", str_from(source->path)));
    } else {
        bool unread = error.code == 0 || error.code >= 500; /* rather than wrong: read again, and told once */
        if (!unread || strcmp(source->problem, error.message) != 0)
            log_line(LOG_ERROR, "settings not reloaded; the last good ones stay in use",
                     LOG_TEXT("file", str_from(source->path)), LOG_TEXT("reason", str_from(error.message)));
        snprintf(source->problem, sizeof source->problem, "%s", error.message);
        if (unread)
            file_watch_again(source->watch);
    }
    pthread_mutex_unlock(&source->lock);
}

struct settings *settings_source_get(struct settings_source *source)
{
    return (struct settings *)(void *)shared_slot_get(&source->slot);
}

bool settings_source_problem(struct settings_source *source, char *out, size_t size)
{
    pthread_mutex_lock(&source->lock);
    snprintf(out, size, "%s", source->problem);
    pthread_mutex_unlock(&source->lock);
    return out[0] != '\0';
}

void settings_source_close(struct settings_source *source)
{
    file_watch_stop(source->watch);
    shared_slot_dispose(&source->slot);
    pthread_mutex_destroy(&source->lock);
}
