#include "status/status.h"

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
        struct json_object *row = json_object_new_object(), *says = json_object_new_array();
        for (size_t s = 0; s < from->says.len; s++)
            status_append(says, status_text_value(from->says.items[s]));
        status_put_text(row, "object", from->object);
        status_put_bool(row, "denied", from->denied);
        status_put(row, "messages", says);
        status_append(rows, row);
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
        status_append(facts, fact);
    }
    for (size_t i = 0; i < serving->decision_count; i++)
        status_append(decisions, decision_object(&serving->decisions[i]));
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
    struct json_object *unknown = json_object_new_array();
    for (size_t i = 0; i < found->len; i++) {
        struct json_object *item = json_object_new_object();
        status_put_text(item, "object", found->items[i].object);
        status_put_text(item, "message", found->items[i].reason);
        status_put_text(item, "wayOut", found->items[i].fix);
        status_append(missing, item);
    }
    for (size_t i = 0; i < found->unknown.len; i++)
        status_append(unknown, status_text_value(found->unknown.items[i]));
    status_put_text(object, "summary", status_completeness_words(view->arena, found, view->files));
    status_put_integer(object, "checked", (int64_t)found->checked);
    status_put_integer(object, "missing", (int64_t)found->total);
    status_put(object, "objects", missing);
    status_put(object, "unknown", unknown);
    return object;
}
