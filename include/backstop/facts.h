/* inventory: where snapshots come from. A source is a cluster, which informers follow, or files, which are read again
 * when they change. Both answer the same questions, so serve and review run the same decisions over them: the snapshot of
 * now, a snapshot with some objects read anew, and the creation of an object. */
#ifndef BACKSTOP_FACTS_H
#define BACKSTOP_FACTS_H

#include "backstop/inventory.h"
#include "backstop/kube.h"

/* ---- from files ---------------------------------------------------------- */

/* A problem with one file: path, line (-1: none is known) and reason. The file's last good content stays in force. */
typedef void inventory_problem_fn(void *context, const char *path, int64_t line, const char *reason);

struct inventory_files_options {
    const char *const *paths; /* files and folders (*.yaml, *.yml, *.json) */
    size_t path_count;
    struct str system_namespace; /* of namespaced objects that name none: settings' systemNamespace; copied */
    bool watch;                  /* reload when something changes */
    int64_t simulate_seconds;    /* created ManagementBackups complete after this time; -1: never */
    inventory_problem_fn *problem;
    void (*reloaded)(void *context, const struct inventory *inventory); /* may be NULL */
    void *context;
};

struct inventory_files;
/* Fails only when a named path cannot be opened at all. */
struct inventory_files *inventory_files_open(const struct inventory_files_options *options,
                                             struct error *error) MUST_CHECK;
/* The snapshot as of `now`, held for the caller; release with snapshot_release. */
const struct inventory *inventory_files_get(struct inventory_files *files, int64_t now);
/* Carries out an effect: keeps the object in memory beside the files. A name that
 * exists already is success (the gate races with itself and with kcm). */
bool inventory_files_create(struct inventory_files *files, struct json_object *object, int64_t now,
                            struct error *error) MUST_CHECK;
void inventory_files_reload(struct inventory_files *files); /* reads what has changed now; safe from any thread */
size_t inventory_files_problems(const struct inventory_files *files); /* files that are bad right now */
void inventory_files_close(struct inventory_files *files);
/* ---- where facts come from ------------------------------------------------ */

/* What one review wants read for itself, because the cache may lag behind: what the
 * same `kubectl apply` created a moment ago, and the gate's evidence. */
struct facts_ref {
    enum fact fact;
    struct str ns, name; /* ns absent: the system namespace, or cluster-scoped */
};
struct facts_wanted {
    bool upgrade; /* all ManagementBackups and Managements, and the Velero Backups of pre-upgrade ones */
    bool k0rdent; /* ManagementBackups and Managements are unknown where those of `refs` cannot be read,
                     since the cache, which may lag, is no substitute */
    const struct evidence_source *evidence; /* of these, the newest objects */
    size_t evidence_count;
    bool reservations; /* the admitted deletions of Backups (RESERVATIONS) */
    struct facts_ref *refs;
    size_t len, cap;
};
/* Asks for one object by name. On failure the arena is marked failed. */
void facts_want(struct arena *arena, struct facts_wanted *wanted, enum fact fact, struct str ns, struct str name);

enum facts_sync {
    FACTS_NOT_INSTALLED, /* the API server serves no such kind */
    FACTS_UNREAD,
    FACTS_BEHIND, /* read whole once, but not followed now: who may list may not watch, or the server is away */
    FACTS_SYNCED,
    FACTS_OFF /* cannot be read, and only what is optional needs it: no problem, and no proof of a cluster */
};
/* One line of /readyz?verbose: `reason` is empty when there is nothing to say. */
typedef void facts_report_fn(void *context, const char *name, enum facts_sync sync, const char *reason);

/* A source is one of the two below; all of it is safe from any thread. Snapshots
 * are held for the caller and released with snapshot_release. */
struct snapshot_source {
    const struct snapshot_source_table *table;
};
struct snapshot_source_table {
    bool waits; /* live and create may take seconds */
    const struct inventory *(*get)(struct snapshot_source *self, int64_t now);
    const struct inventory *(*live)(struct snapshot_source *self, const struct facts_wanted *wanted, int64_t now,
                                    struct error *error);
    bool (*create)(struct snapshot_source *self, struct json_object *object, int64_t now, struct error *error);
    bool (*reserve)(struct snapshot_source *self, const struct inventory *base, struct str backup, int64_t now,
                    struct error *error);
    void (*report)(struct snapshot_source *self, facts_report_fn *report, void *context);
    bool (*ready)(struct snapshot_source *self);
    size_t (*problems)(struct snapshot_source *self);
    void (*reload)(struct snapshot_source *self); /* NULL: what it says is always fresh */
    void (*close)(struct snapshot_source *self);
};
/* The snapshot as of `now`; NULL when out of memory. */
const struct inventory *facts_get(struct snapshot_source *source, int64_t now) MUST_CHECK;
/* The same with what is wanted read anew. NULL with error->code 503 when it cannot
 * be, in at most 7 seconds; the message names what was asked and who refused. */
const struct inventory *facts_live(struct snapshot_source *source, const struct facts_wanted *wanted, int64_t now,
                                   struct error *error) MUST_CHECK;
/* Carries out an effect. A name that exists already is success. */
bool facts_create(struct snapshot_source *source, struct json_object *object, int64_t now,
                  struct error *error) MUST_CHECK;
/* The middle of the protocol in docs/deletions.md ("Two at the same moment"): read with
 * reservations wanted, decide, reserve, answer.
 * Has every replica know that the deletion of this Backup is admitted, before it is. `base`: the
 * snapshot that the decision rests on, for which reservations were wanted. False with code 409
 * when another deletion was admitted since it was read: read and decide again; 429 when there are
 * too many; 503 when it could not be written. Takes at most 3 seconds. */
bool facts_reserve(struct snapshot_source *source, const struct inventory *base, struct str backup, int64_t now,
                   struct error *error) MUST_CHECK;
void facts_report(struct snapshot_source *source, facts_report_fn *report, void *context);
/* Every list that decisions need has come once, or its CRD is not installed. */
bool facts_ready(struct snapshot_source *source);
size_t facts_problems(struct snapshot_source *source); /* files that are bad, kinds that cannot be read, right now */
void facts_reload(struct snapshot_source *source);     /* reads changed files now, without waiting for a notice */
bool facts_wait(const struct snapshot_source *source); /* live and create may take seconds */
void facts_close(struct snapshot_source *source);      /* NULL is fine */

/* Facts from files, through inventory_files_*. */
struct snapshot_source *facts_from_files(const struct inventory_files_options *options, struct error *error) MUST_CHECK;

struct facts_cluster_options {
    struct kube_options access; /* its time limit is of one list; 0: the default */
    struct str system_namespace;
    bool ask_velero; /* create a ServerStatusRequest where the image's tag does not tell Velero's version */
    void (*composed)(void *context, const struct inventory *inventory); /* a new snapshot; may be NULL */
    void *context;
};
/* Facts from the cluster: lists and watches every kind that a policy reads, kept up
 * from then on. Fails only for a configuration that cannot be read: an API server
 * that does not answer is waited for. */
struct snapshot_source *facts_from_cluster(const struct facts_cluster_options *options, struct error *error) MUST_CHECK;
const char *facts_cluster_server(const struct snapshot_source *source); /* https://10.0.0.1:443 */

#endif
