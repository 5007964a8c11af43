/* What stands between a backup and its storage location, judged and worded once: for the
 * objects that name a location (check.c) and for the upgrade gate (policy/upgrade/gate_evidence.c). */
#ifndef BACKSTOP_POLICY_STORAGE_STORAGE_H
#define BACKSTOP_POLICY_STORAGE_STORAGE_H

#include "backstop/policy.h"
#include "policy/velero/velero.h"

enum storage_fault_kind {
    STORAGE_MISSING,
    STORAGE_NONE_AT_ALL,      /* none is named, and there is none to be the default */
    STORAGE_NO_DEFAULT,       /* none is named, and none of those there are is the default */
    STORAGE_SEVERAL_DEFAULTS, /* which one a backup gets is a matter of luck; the newest, if it is taken now */
    STORAGE_UNMARKED_DEFAULT, /* the one named "default": Velero takes it unless told otherwise */
    STORAGE_NOT_VALIDATED,
    STORAGE_UNAVAILABLE,
    STORAGE_READ_ONLY,
    STORAGE_DELETING
};

struct storage_fault {
    enum storage_fault_kind kind;
    struct str says; /* what is wrong and what to do, with no stop at its end */
};

/* One of which location it is (the first five kinds), one of its phase, read-only, deleting. */
enum { STORAGE_FAULTS_MAX = 4 };

struct storage_faults {
    const struct storage_location *location; /* the one that counts; NULL when there is none */
    size_t count;
    struct storage_fault items[STORAGE_FAULTS_MAX];
};

struct storage_target {
    const struct inventory *inventory; /* where locations are known */
    struct str ns, name;               /* name empty: Velero's default */
};

/* Mirrors velero pkg/controller/backup_controller.go prepareBackupRequest: a Backup ends in
 * FailedValidation when its location does not exist, is not Available, or is ReadOnly. */
struct storage_faults storage_find_faults(const struct storage_target *target, struct arena *arena);

/* `BackupStorageLocation "aws-s3"`, or `the default BackupStorageLocation "aws-s3"` where the target names none. */
struct str storage_subject(const struct storage_target *target, const struct storage_location *location,
                           struct arena *arena);

/* `Unavailable ("NoSuchBucket")`: the phase of a location that has one, with what Velero says of it. */
struct str storage_phase(struct arena *arena, const struct storage_location *location);

/* `keeps its backups on the disk of a node: if the cluster is lost, so are they`; empty for a
 * location that outlives the cluster. `means`: what it means instead, for backups of a kind
 * of their own; NULL: just that. */
struct str storage_lost(struct arena *arena, const struct storage_location *location, const char *means);

/* BackupStorageLocations. */

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
    return edit->create ? now != NULL : !json_equal(now, json_path(edit->before, path));
}
/* Where bucket is new: whether Velero takes it as the name of one. */
void location_check_bucket(const struct location_edit *edit);
/* Whether the s3Url of a location, whose host this is, names the bucket too, which the plugin adds itself. */
void location_check_url_bucket(const struct location_edit *edit, struct str url, struct str host);
/* What the provider's plugin takes. */
void location_check_provider(const struct location_edit *edit);
/* Without slashes at both ends: to Velero "/a/" is the prefix "a". */
struct str location_trim_slashes(struct str text);
/* Whether both lead to the same store, bucket and prefix, as far as their provider's keys of config tell. Velero's own
 * plugins go by two names: aws is velero.io/aws. */
bool location_same_place(const struct storage_location *a, const struct storage_location *b);
/* Whether `inner` keeps its data in a folder of `outer` that Velero's layout does not have, which makes `outer`
 * Unavailable: the name of that folder, else empty. */
struct str location_nested_folder(const struct storage_location *outer, const struct storage_location *inner);
/* The provider's i-th key of config that says where its store is; NULL after the last. */
const char *location_place_key(struct str provider, size_t i);
/* Whether the provider's store can have a bucket of this name, where bucket or provider is new; of an unknown provider
 * (without "velero.io/") nothing is known. */
void location_check_bucket_name(const struct location_edit *edit, struct str provider);
/* What each plugin refuses at Init beside unknown keys; config is a map of texts, or NULL. */
void location_check_aws(const struct location_edit *edit, struct json_object *config);
void location_check_azure(const struct location_edit *edit, struct json_object *config);
void location_check_gcp(const struct location_edit *edit, struct json_object *config);
void location_check_volume(const struct location_edit *edit, struct json_object *config, const char *provider);
bool location_is_url(struct str url); /* http or https, in any case */
/* What rests on a location that is deleted. */
void location_check_deletion(const struct request *request, const struct inventory *inventory,
                             const struct settings *settings, struct decision *decision);
/* Edits that lead to another store, make the location read-only or take the default away: what rests on it. Velero
 * forgets the Backups at the old place with its next sync. */
void location_check_move(const struct location_edit *edit);

#endif
