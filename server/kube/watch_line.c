/* One line of a watch: what the API server sends as a WatchEvent (apimachinery meta/v1). */
#include "kube.h"

/* An ERROR carries a Status; 410 in it means: list again. */
static bool refused(struct json_object *status, struct str plural, struct error *error)
{
    struct json_object *code = json_get(status, "code");
    return error_set(error, code ? json_object_get_int(code) : 500, "watch %.*s: %.*s", STR_ARG(plural),
                     STR_ARG(json_get_str(status, "message")));
}

bool kube_watch_line(struct arena *arena, struct str text, struct str plural, struct kube_watch_line *line,
                     struct error *error)
{
    static const struct {
        const char *type;
        enum kube_event event;
    } types[] = {{"ADDED", KUBE_ADDED}, {"MODIFIED", KUBE_MODIFIED}, {"DELETED", KUBE_DELETED}};
    struct error reason = {.code = 400, .message = "null is no event"};
    struct json_object *event = json_build(arena, text, &reason);
    *line = (struct kube_watch_line){.changes = false};
    if (!event) {
        *error = reason;
        return error_wrap(error, "watch %.*s: an event", STR_ARG(plural));
    }
    struct str type = json_get_str(event, "type");
    line->object = json_get(event, "object");
    if (str_is(type, "ERROR"))
        return refused(line->object, plural, error);
    for (size_t i = 0; i < LENGTH_OF(types); i++) {
        if (str_is(type, types[i].type)) {
            line->changes = true;
            line->event = types[i].event;
        }
    }
    line->version = json_path_str(line->object, "metadata.resourceVersion");
    return true;
}
