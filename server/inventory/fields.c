#include "inventory/inventory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t object_time(struct json_object *object, const char *dotted)
{
    int64_t seconds = 0;
    return time_parse(json_path_str(object, dotted), &seconds) ? seconds : 0;
}

int64_t object_count(struct json_object *object, const char *dotted)
{
    struct json_object *value = json_path(object, dotted);
    int64_t count = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;
    return count > 0 ? count : 0;
}

/* The condition that Kubernetes' deployment controller sets: without minimum availability it is False. */
struct deployment_state object_deployment_state(struct json_object *object)
{
    struct deployment_state state = {.ready_replicas = object_count(object, "status.readyReplicas")};
    struct json_object *replicas = json_path(object, "spec.replicas"),
                       *conditions = json_path(object, "status.conditions");
    state.scaled_down = json_object_is_type(replicas, json_type_int) && json_object_get_int64(replicas) == 0;
    for (size_t i = 0; i < json_len(conditions); i++) {
        struct json_object *condition = json_item(conditions, i);
        if (str_is(json_get_str(condition, "type"), "Available") && str_is(json_get_str(condition, "status"), "False"))
            state.unavailable_since = object_time(condition, "lastTransitionTime");
    }
    return state;
}
