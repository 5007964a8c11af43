/* BackupStorageLocations. */
#ifndef BACKSTOP_POLICY_STORAGE_LOCATION_H
#define BACKSTOP_POLICY_STORAGE_LOCATION_H

#include "velero_fields.h"

struct location_edit {
    const struct request *request;
    const struct inventory *inventory;
    const struct settings *settings;
    struct decision *decision;
    struct arena *arena;
    struct json_object *spec;   /* an object */
    struct json_object *before; /* of an update; NULL: all of it is new */
    struct str ns, name;
    bool create;
};

/* True when the value at a path below spec is new or changed. */
bool location_asks(const struct location_edit *edit, const char *path);
/* storage_location_config.c: what the provider's plugin takes. */
void location_check_provider(const struct location_edit *edit);
/* storage_location_secrets.c: credential, caCert and caCertRef. */
void location_check_secrets(const struct location_edit *edit);
/* storage_location_use.c: what rests on it. */
void location_check_deletion(const struct request *request, const struct inventory *inventory,
                             const struct settings *settings, struct decision *decision);
void location_check_move(const struct location_edit *edit);

#endif
