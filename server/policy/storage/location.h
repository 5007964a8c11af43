/* BackupStorageLocations. */
#ifndef BACKSTOP_POLICY_STORAGE_LOCATION_H
#define BACKSTOP_POLICY_STORAGE_LOCATION_H

#include "policy/velero/fields.h"

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
static inline bool location_asks(const struct location_edit *edit, const char *path)
{
    struct json_object *now = json_path(edit->spec, path);
    return edit->create ? now != NULL : !json_object_equal(now, json_path(edit->before, path));
}
/* storage_location_config.c: what the provider's plugin takes. */
void location_check_provider(const struct location_edit *edit);
/* Velero's own plugins go by two names: aws is velero.io/aws. */
bool location_same_provider(struct str a, struct str b);
/* Whether two configs of one provider lead to the same store, bucket and prefix apart. */
bool location_same_config_place(struct str provider, struct json_object *a, struct json_object *b);
/* The provider's i-th key of config that says where its store is; NULL after the last. */
const char *location_place_key(struct str provider, size_t i);
/* storage_location_plugins.c: what each plugin refuses; config is a map of texts, or NULL. */
void location_check_aws(const struct location_edit *edit, struct json_object *config);
void location_check_azure(const struct location_edit *edit, struct json_object *config);
void location_check_gcp(const struct location_edit *edit, struct json_object *config);
void location_check_volume(const struct location_edit *edit, struct json_object *config, const char *provider);
bool location_is_url(struct str url); /* http or https, in any case */
/* storage_location_secrets.c: credential, caCert and caCertRef. */
void location_check_secrets(const struct location_edit *edit);
/* storage_location_use.c: what rests on it. */
void location_check_deletion(const struct request *request, const struct inventory *inventory,
                             const struct settings *settings, struct decision *decision);
void location_check_move(const struct location_edit *edit);

#endif
