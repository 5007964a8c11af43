/* One line of a watch: what the API server sends as a WatchEvent (apimachinery meta/v1). */
#include "kube/kube.h"

/* An ERROR carries a Status; 410 in it means: list again. */
static bool watch_refused(struct json_object *status, struct str plural, struct error *error)
{
    if (!str_is(json_get_str(status, "kind"), "Status"))
        return error_set(error, 400, "watch %.*s: an ERROR event without a Status", STR_ARG(plural));
    struct json_object *code = json_get(status, "code");
    return error_set(error, json_object_is_type(code, json_type_int) ? json_object_get_int(code) : 400,
                     "watch %.*s: %.*s", STR_ARG(plural), STR_ARG(json_get_str(status, "message")));
}

bool kube_watch_line(struct arena *arena, struct str text, const struct kube_resource *resource, bool metadata_only,
                     struct kube_watch_line *line, struct error *error)
{
    static const struct {
        const char *type;
        enum kube_event event;
    } types[] = {{"ADDED", KUBE_ADDED}, {"MODIFIED", KUBE_MODIFIED}, {"DELETED", KUBE_DELETED}};
    struct str plural = resource->plural;
    struct error reason = {.code = 400, .message = "null is not an event"};
    struct json_object *event = json_build(arena, text, &reason);
    *line = (struct kube_watch_line){.changes = false};
    if (!event) {
        *error = reason;
        return error_wrap(error, "watch %.*s: invalid event", STR_ARG(plural));
    }
    struct str type = json_get_str(event, "type");
    line->object = json_get(event, "object");
    if (str_is(type, "ERROR"))
        return watch_refused(line->object, plural, error);
    for (size_t i = 0; i < LENGTH_OF(types); i++) {
        if (str_is(type, types[i].type)) {
            line->changes = true;
            line->event = types[i].event;
        }
    }
    bool bookmark = str_is(type, "BOOKMARK");
    if (!line->changes && !bookmark)
        return error_set(error, 400, "watch %.*s: an event of an unknown type", STR_ARG(plural));
    if (!kube_answer_event(line->object, resource, metadata_only, bookmark, error)) {
        *line = (struct kube_watch_line){.changes = false};
        error->code = 400; /* the same version would bring the same again: list */
        return error_wrap(error, "watch %.*s", STR_ARG(plural));
    }
    line->version = json_path_str(line->object, "metadata.resourceVersion");
    return true;
}
