#include "status/status.h"

/* Verdicts and recovery points as JSON. */

static struct json_object *candidate_object(const struct recovery_candidate *candidate)
{
    if (!candidate)
        return NULL;
    struct json_object *object = json_object_new_object();
    status_put_text(object, "name", candidate->object->meta.name);
    status_put_time(object, "completionTimestamp", candidate->object->status.completed);
    status_put_time(object, "expiration", candidate->object->status.expires);
    status_put_text(object, "storageLocation",
                    candidate->location ? candidate->location->meta.name : candidate->object->storage_location);
    status_put_words(object, "flaw", recovery_flaws[candidate->flaw]);
    status_put_text(object, "why", candidate->why);
    return object;
}

struct json_object *status_recovery_object(const struct status_recovery *recovery)
{
    static const char *const from[] = {[STATUS_OBJECTIVE_NONE] = "none",
                                       [STATUS_OBJECTIVE_SCHEDULE] = "schedule",
                                       [STATUS_OBJECTIVE_SETTINGS] = "settings",
                                       [STATUS_OBJECTIVE_ANNOTATION] = "annotation"};
    struct json_object *object = json_object_new_object();
    status_put(object, "point", candidate_object(recovery->point));
    status_put(object, "ageSeconds", recovery->point ? json_object_new_int64(recovery->age) : NULL);
    status_put(object, "objectiveSeconds", recovery->objective ? json_object_new_int64(recovery->objective) : NULL);
    status_put_words(object, "objectiveFrom", from[recovery->objective_from]);
    status_put_bool(object, "late", recovery->late);
    status_put(object, "fragile", candidate_object(recovery->fragile));
    status_put(object, "unusable", candidate_object(recovery->unusable));
    status_put_integer(object, "unusableCount", (int64_t)recovery->unusable_count);
    return object;
}

struct json_object *status_verdict_object(const struct status_verdict *verdict)
{
    static const char *const states[] = {[STATUS_READY] = "ready",
                                         [STATUS_AT_RISK] = "atRisk",
                                         [STATUS_UNKNOWN] = "unknown",
                                         [STATUS_NOT_READY] = "notReady"};
    struct json_object *object = json_object_new_object();
    status_put_words(object, "state", states[verdict->grade]);
    status_put_text(object, "message", verdict->says);
    status_put_text(object, "cause",
                    verdict->finding ? str_from(status_causes[verdict->finding->cause].name) : STR(""));
    return object;
}

struct json_object *status_verdicts_object(const struct status_view *view)
{
    struct json_object *object = json_object_new_object();
    status_put(object, "restore", status_verdict_object(&view->restore));
    status_put(object, "backups", status_verdict_object(&view->runs));
    status_put(object, "upgrade", status_verdict_object(&view->upgrades));
    return object;
}

/* The newest of those that are not sound, each with the reason. */
struct json_object *status_unsound_list(const struct status_view *view)
{
    enum { LISTED = 100 };
    struct json_object *list = json_object_new_array();
    size_t count = 0;
    for (size_t i = 0; i < view->candidate_count && count < LISTED; i++) {
        const struct recovery_candidate *candidate = &view->candidates[i];
        if (candidate->owner || candidate->flaw == RECOVERY_SOUND)
            continue;
        status_append(list, candidate_object(candidate));
        count++;
    }
    return list;
}
