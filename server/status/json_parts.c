/* The parts of the JSON answer that several objects have, then verdicts, calendar and what only a server knows. Keys
 * are an interface, documented in docs/status.md: they may be added to, never renamed. */
#include "status/status.h"

/* NULL is written as null: a key is always there. */
void status_put(struct json_object *object, const char *key, struct json_object *value)
{
    if (value)
        json_put(object, key, value);
    else
        json_put_null(object, key);
}

void status_put_texts(struct json_object *object, const char *key, const struct strlist *texts)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < texts->len; i++)
        json_append(list, json_new_text(texts->items[i]));
    status_put(object, key, list);
}

void status_put_text(struct json_object *object, const char *key, struct str text)
{
    status_put(object, key, json_new_text(text));
}

void status_put_words(struct json_object *object, const char *key, const char *words)
{
    status_put(object, key, json_object_new_string(words));
}

void status_put_bool(struct json_object *object, const char *key, bool value)
{
    status_put(object, key, json_object_new_boolean(value));
}

void status_put_integer(struct json_object *object, const char *key, int64_t value)
{
    status_put(object, key, json_object_new_int64(value));
}

/* RFC 3339 in UTC; 0 is null. */
void status_put_time(struct json_object *object, const char *key, int64_t when)
{
    char text[TIME_TEXT_SIZE];
    status_put(object, key, when ? json_object_new_string(time_format(when, 0, text)) : NULL);
}

struct json_object *status_backup_object(const struct backup_status *status, struct str name, int64_t when)
{
    struct json_object *object = json_object_new_object();
    status_put_text(object, "name", name);
    status_put_text(object, "phase", status->phase);
    status_put_time(object, "since", when);
    status_put_time(object, "startTimestamp", status->started);
    status_put_time(object, "completionTimestamp", status->completed);
    status_put_time(object, "expiration", status->expires);
    status_put_integer(object, "itemsBackedUp", status->items_done);
    status_put_integer(object, "totalItems", status->items_total);
    status_put_integer(object, "errors", status->errors);
    status_put_integer(object, "warnings", status->warnings);
    status_put_text(object, "failureReason", status->failure_reason);
    return object;
}

/* Verdicts and recovery points as JSON. */

/* null without the annotation. */
static struct json_object *rehearsal_object(const struct backup_rehearsal *rehearsal)
{
    if (!rehearsal->annotated)
        return NULL;
    struct json_object *object = json_object_new_object();
    status_put_bool(object, "good", rehearsal->good);
    status_put_text(object, "message", rehearsal->says);
    status_put_time(object, "time", rehearsal->record.at);
    status_put(object, "verdict",
               rehearsal->read ? json_object_new_string(rehearsal_verdict_name(rehearsal->record.verdict)) : NULL);
    status_put_integer(object, "objects", rehearsal->record.objects);
    status_put_integer(object, "skipped", rehearsal->record.skipped);
    status_put_integer(object, "refused", rehearsal->record.refused);
    status_put_integer(object, "unknown", rehearsal->record.unknown);
    return object;
}

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
    status_put(object, "rehearsal", rehearsal_object(&candidate->rehearsal));
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

/* `cause` is null for a verdict without a finding. */
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
        json_append(list, candidate_object(candidate));
        count++;
    }
    return list;
}

static const char *const makers[] = {
    [STATUS_BY_MANAGEMENT_BACKUP] = "ManagementBackup", [STATUS_BY_SCHEDULE] = "Schedule", [STATUS_BY_HAND] = "none"};
static const char *const results[] = {[STATUS_GOOD] = "good",
                                      [STATUS_RUNNING] = "running",
                                      [STATUS_PARTIAL] = "partial",
                                      [STATUS_FAILED] = "failed",
                                      [STATUS_GOING] = "deleting"};

/* `times` only where all are listed: count says how many there are. */
static struct json_object *runs_object(const struct status_source *source)
{
    struct json_object *object = json_object_new_object(), *times = json_object_new_array();
    char text[TIME_TEXT_SIZE];
    status_put_integer(object, "count", (int64_t)source->run_total);
    status_put_bool(object, "countComplete", !source->counted_out);
    status_put_time(object, "first", source->first);
    status_put_integer(object, "shortestIntervalSeconds", source->interval);
    for (size_t i = 0; i < source->run_count; i++)
        json_append(times, json_object_new_string(time_format(source->runs[i].at, source->runs[i].offset, text)));
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
        json_append(items, item);
    }
    status_put_integer(object, "count", (int64_t)source->past_total);
    status_put(object, "items", items);
    return object;
}

/* Which source: what a collision names of each, and the beginning of its row. */
static struct json_object *json_calendar_maker(const struct status_source *source)
{
    struct json_object *object = json_object_new_object();
    status_put_words(object, "kind", makers[source->maker]);
    status_put_text(object, "namespace", source->ns);
    status_put_text(object, "name", source->name);
    return object;
}

static struct json_object *json_calendar_source(const struct status_source *source)
{
    struct json_object *object = json_calendar_maker(source);
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

struct json_object *status_calendar_object(const struct status_view *view)
{
    struct json_object *object = json_object_new_object(), *sources = json_object_new_array();
    struct json_object *collisions = json_object_new_array();
    for (size_t i = 0; i < view->source_count; i++)
        json_append(sources, json_calendar_source(&view->sources[i]));
    for (size_t i = 0; i < view->collision_count; i++) {
        const struct status_collision *from = &view->collisions[i];
        struct json_object *collision = json_object_new_object(), *between = json_object_new_array();
        json_append(between, json_calendar_maker(from->one));
        json_append(between, json_calendar_maker(from->other));
        status_put(collision, "between", between);
        status_put_text(collision, "storageLocation", from->one->location);
        status_put_time(collision, "first", from->first);
        status_put_integer(collision, "count", (int64_t)from->count);
        json_append(collisions, collision);
    }
    status_put_integer(object, "days", STATUS_DAYS);
    status_put(object, "sources", sources);
    status_put(object, "collisions", collisions);
    return object;
}

/* null where no audit was asked for. */
struct json_object *status_audit_object(const struct status_audit *audit)
{
    if (!audit)
        return NULL;
    struct json_object *object = json_object_new_object(), *rows = json_object_new_array();
    status_put_time(object, "time", audit->at);
    status_put_text(object, "problem", audit->problem);
    status_put_integer(object, "reviewed", (int64_t)audit->reviewed);
    status_put_integer(object, "denied", (int64_t)audit->denied);
    status_put_integer(object, "warned", (int64_t)audit->warned);
    for (size_t i = 0; i < audit->row_count; i++) {
        const struct status_audited *from = &audit->rows[i];
        struct json_object *row = json_object_new_object();
        status_put_text(row, "object", from->object);
        status_put_bool(row, "denied", from->denied);
        status_put_texts(row, "messages", &from->says);
        json_append(rows, row);
    }
    status_put(object, "objects", rows);
    return object;
}

static struct json_object *decision_object(const struct status_decision *decision)
{
    struct json_object *object = json_object_new_object();
    status_put_time(object, "time", decision->at);
    status_put_text(object, "user", decision->user);
    status_put_text(object, "operation", decision->operation);
    status_put_text(object, "kind", decision->kind);
    status_put_text(object, "namespace", decision->ns);
    status_put_text(object, "name", decision->name);
    status_put_text(object, "outcome", decision->outcome);
    status_put_text(object, "why", decision->why);
    status_put_bool(object, "dryRun", decision->dry_run);
    return object;
}

struct json_object *status_serving_object(const struct status_serving *serving)
{
    if (!serving)
        return NULL;
    struct json_object *object = json_object_new_object(), *facts = json_object_new_array();
    struct json_object *decisions = json_object_new_array();
    for (size_t i = 0; i < serving->fact_count; i++) {
        struct json_object *fact = json_object_new_object();
        status_put_text(fact, "name", serving->facts[i].name);
        status_put_bool(fact, "synced", serving->facts[i].synced);
        status_put_text(fact, "reason", serving->facts[i].reason);
        json_append(facts, fact);
    }
    for (size_t i = 0; i < serving->decision_count; i++)
        json_append(decisions, decision_object(&serving->decisions[i]));
    status_put_bool(object, "certificateGood", serving->certificate_good);
    status_put_text(object, "certificate", serving->certificate);
    status_put_text(object, "settings", serving->settings);
    status_put(object, "facts", facts);
    status_put(object, "decisions", decisions);
    return object;
}

struct json_object *status_completeness_object(const struct status_view *view)
{
    const struct status_completeness *found = view->completeness;
    if (!found)
        return NULL;
    struct json_object *object = json_object_new_object(), *missing = json_object_new_array();
    for (size_t i = 0; i < found->len; i++) {
        struct json_object *item = json_object_new_object();
        status_put_text(item, "object", found->items[i].object);
        status_put_text(item, "message", found->items[i].reason);
        status_put_text(item, "wayOut", found->items[i].fix);
        json_append(missing, item);
    }
    status_put_text(object, "summary", status_completeness_words(view->arena, found, view->files));
    status_put_integer(object, "checked", (int64_t)found->checked);
    status_put_integer(object, "missing", (int64_t)found->total);
    status_put(object, "objects", missing);
    status_put_texts(object, "unknown", &found->unknown);
    return object;
}
