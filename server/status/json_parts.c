#include "status/status.h"

struct json_object *status_text_value(struct str text)
{
    return json_new_text(text);
}

void status_put(struct json_object *object, const char *key, struct json_object *value)
{
    if (value)
        json_put(object, key, value);
    else
        json_put_null(object, key);
}

void status_append(struct json_object *array, struct json_object *value)
{
    json_append(array, value);
}

void status_put_text(struct json_object *object, const char *key, struct str text)
{
    status_put(object, key, status_text_value(text));
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
