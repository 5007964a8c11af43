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
