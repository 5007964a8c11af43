/* rehearse: what a restore of a Velero backup would do, without doing it. The backup's contents from its archive, what
 * Velero would restore of them and in which order, and what would become of each object. Mirrors Velero 1.18.3,
 * pkg/restore/restore.go, pkg/archive and internal/resourcemodifiers, unless something else is said. */
#ifndef BACKSTOP_REHEARSE_H
#define BACKSTOP_REHEARSE_H

#include "backstop/base.h"
#include "backstop/json.h"
#include "backstop/kube.h"

/* ---- one object of the backup ------------------------------------------------------- */

enum rehearse_outcome {
    REHEARSE_PENDING, /* to be restored, and not judged yet: what an offline plan leaves */
    REHEARSE_CREATED,
    REHEARSE_UPDATED,      /* it exists and differs: patched (existingResourcePolicy: update, or a ServiceAccount) */
    REHEARSE_LEFT_SAME,    /* it exists already, and is the same */
    REHEARSE_LEFT_DIFFERS, /* it exists already, and stays as it is; Velero counts a warning */
    REHEARSE_SKIPPED,      /* Velero passes it over; the reason says why */
    REHEARSE_REFUSED,
    REHEARSE_UNKNOWN,
    REHEARSE_OUTCOMES
};
const char *rehearse_outcome_name(enum rehearse_outcome outcome); /* "created", "left (differs)" */

/* What an outcome rests on. */
enum rehearse_evidence {
    REHEARSE_BY_PLAN,     /* Velero's own rules */
    REHEARSE_BY_DRY_RUN,  /* the API server's answer */
    REHEARSE_BY_STAND_IN, /* the same, asked for in another namespace: its own comes with the restore */
    REHEARSE_BY_WRITE,    /* a drill's API server, which took or refused the write itself */
    REHEARSE_BY_CRD,      /* the CRD in the backup, which comes with the restore */
    REHEARSE_BY_WEBHOOK   /* a webhook or conversion that comes with the restore, and whose service does not run */
};
const char *rehearse_evidence_name(enum rehearse_evidence evidence);

enum rehearse_exists { REHEARSE_EXISTS_UNASKED, REHEARSE_EXISTS, REHEARSE_ABSENT };

/* A folder of the archive: all objects of one plural.group. */
struct rehearse_resource {
    struct str name, plural, group;
    struct rehearse_item *items; /* sorted by namespace and name */
    size_t count;
};
struct rehearse_item {
    const struct rehearse_resource *resource;
    struct str ns, name, target_ns; /* ns "": cluster-scoped; target_ns: after namespaceMapping */
    uint64_t offset;                /* of its JSON in the spool */
    uint32_t size;
    uint8_t outcome, evidence; /* enum rehearse_outcome, enum rehearse_evidence */
    uint8_t exists;            /* in the cluster: enum rehearse_exists */
    bool planned;              /* it is in the plan */
    bool unmodified;           /* a resource modifier fails for it: Velero restores it without, and counts an error */
    struct str reason;         /* why, in words; may be empty */
    struct str cause;          /* of a refusal: the same for all that have it in common */
    struct str webhook;        /* of the refusal of one in the backup: its name and service; or absent */
    struct str patches;        /* of a refusal: JSON, the patches of a modifier with which it is taken; or absent */
    struct str cure;           /* of a refusal: the resource to exclude; may be empty */
};

/* ---- the contents (contents.c) ------------------------------------------------------- */

/* A file of this process alone, in TMPDIR or /tmp, without a name; -1 after an error. */
int rehearse_temporary_file(struct error *error);
struct rehearse_contents;
struct rehearse_limits {
    uint64_t file_bytes, total_bytes, files; /* 0: 16 MiB, 8 GiB, 2,000,000 */
};
/* Reads an archive from a descriptor, which stays the caller's, into a temporary file without a name: memory is bounded
 * by the number of objects alone (about 100 bytes for each). What a hostile archive holds is refused: absolute paths,
 * "..", links, devices, paths that Velero does not write, what is cut off or larger than the limits (0: 16 MiB a file,
 * 8 GiB, 2,000,000 files). NULL after an error; code 501 without libarchive. */
struct rehearse_contents *rehearse_contents_read(int fd, const struct rehearse_limits *limits,
                                                 struct error *error) MUST_CHECK;
void rehearse_contents_free(struct rehearse_contents *contents); /* NULL is fine */
struct rehearse_resource *rehearse_contents_resources(struct rehearse_contents *contents, size_t *count);
struct rehearse_resource *rehearse_contents_resource(struct rehearse_contents *contents, struct str name); /* or NULL */
struct rehearse_item *rehearse_resource_item(const struct rehearse_resource *resource, struct str ns, struct str name);
size_t rehearse_contents_count(const struct rehearse_contents *contents); /* objects */
/* The object's tree, owned by the arena. Safe from any thread. */
struct json_object *rehearse_item_read(const struct rehearse_contents *contents, const struct rehearse_item *item,
                                       struct arena *arena, struct error *error) MUST_CHECK;

/* ---- what is served (served.c) -------------------------------------------------------- */

struct rehearse_kind {
    struct str group, plural, singular, kind;
    struct str version;      /* the preferred one */
    struct strlist versions; /* all */
    struct strlist shorts;
    bool namespaced;
    const struct rehearse_item *crd; /* of the backup, where it comes with the restore; NULL: served already */
};
struct rehearse_served {
    struct arena *arena;
    struct rehearse_kind *items;
    size_t len, cap;
};
bool rehearse_served_by_cluster(struct rehearse_served *served, struct kube_client *client,
                                struct error *error) MUST_CHECK;
/* The same from the beginning, until these CRDs (PLURAL.GROUP) are served, too; for a drill, after it wrote them.
 * `problems` has one text for each afterwards: empty, or why the API server will never serve it. */
bool rehearse_wait_served(struct rehearse_served *served, struct kube_client *client, const struct strlist *crds,
                          struct strlist *problems, struct error *error) MUST_CHECK;
void rehearse_served_by_kubernetes(struct rehearse_served *served); /* its own kinds: a cluster without any CRD */
void rehearse_served_add_crd(struct rehearse_served *served, struct json_object *crd, const struct rehearse_item *item);
/* What Velero's discovery makes of a name in a list: plural, singular, Kind or short name, with its group, a prefix of
 * it or none. NULL where it finds nothing. */
const struct rehearse_kind *rehearse_served_find(const struct rehearse_served *served, struct str name);
const struct rehearse_kind *rehearse_served_exactly(const struct rehearse_served *served, struct str group,
                                                    struct str plural);

/* ---- the Restore (restore.c) ---------------------------------------------------------- */

/* The order of resources (order.c): the high ones first, the low ones last, all others between them by their names. */
struct rehearse_order {
    bool read, given; /* read: it is known, and not to be assumed; given: by a flag of the server */
    struct strlist high, low;
};
void rehearse_order_default(struct rehearse_order *order, struct arena *arena);
/* Puts --restore-resource-priorities of a container's arguments, an array, over the order. 422 for a value that Velero's
 * server does not start with. */
bool rehearse_order_read(struct rehearse_order *order, struct arena *arena, struct json_object *arguments,
                         struct error *error) MUST_CHECK;

enum rehearse_existing { REHEARSE_EXISTING_UNSET, REHEARSE_EXISTING_NONE, REHEARSE_EXISTING_UPDATE };
struct rehearse_restore {
    struct str name, backup;
    struct strlist included_namespaces, excluded_namespaces, included_resources, excluded_resources;
    struct json_object *selector, *or_selectors, *mapping, *spec;
    enum rehearse_existing existing;
    int include_cluster; /* -1: not set */
    bool preserve_node_ports;
    struct rehearse_order order;  /* of Velero's server; not read: the default */
    struct json_object *modifier; /* what its ConfigMap holds, or NULL */
    struct json_object *policy;   /* likewise */
};
/* Reads a Restore's tree; texts and trees are borrowed from it. False, with what Velero refuses, after an error. */
bool rehearse_restore_read(struct rehearse_restore *restore, struct arena *arena, struct json_object *tree,
                           struct error *error) MUST_CHECK;
struct str rehearse_restore_target(const struct rehearse_restore *restore, struct str ns); /* after namespaceMapping */

/* ---- the plan (plan.c) ----------------------------------------------------------------- */

struct rehearse_plan {
    struct rehearse_item **items; /* in Velero's order; each of the rest is skipped, and says why */
    size_t count, crds;           /* the first `crds` are CRDs, restored before anything else is looked at */
    struct strlist notes;         /* of the Restore as a whole */
};
/* Decides for every object of the contents whether the Restore takes it, and in which order. CRDs that come with it are
 * added to `served` after they have decided what the lists mean, as Velero does. */
bool rehearse_plan_make(struct rehearse_plan *plan, struct rehearse_contents *contents,
                        const struct rehearse_restore *restore, struct rehearse_served *served, struct arena *arena,
                        struct error *error) MUST_CHECK;

/* ---- an object as it is sent (object.c, modify.c) ---------------------------------------- */

/* What Velero does to an object between the archive and the API server: metadata and status that go, what its own
 * plugins change, resource modifiers, the namespace, labels. *skip says why it is not restored after all, or is absent;
 * *problem what a modifier could not do (Velero then restores the object as it was and counts an error). */
struct json_object *rehearse_object_prepare(struct arena *arena, struct json_object *object,
                                            const struct rehearse_item *item, const struct rehearse_restore *restore,
                                            struct str *skip, struct str *problem);
/* The object of the cluster as Velero compares it. */
void rehearse_object_strip(struct json_object *object);
/* RFC 7386: what makes `to` of `from`; a new tree, empty where nothing differs. */
struct json_object *rehearse_merge_diff(struct json_object *from, struct json_object *to) MUST_CHECK;
/* A ServiceAccount of the cluster takes what it lacks of the backup's (mergeServiceAccounts). */
bool rehearse_service_account_merge(struct json_object *cluster, struct json_object *backup);
/* Whether there is something at this JSON pointer, and what (a null is NULL). */
bool rehearse_at(struct arena *arena, struct json_object *root, struct str pointer, struct json_object **value);
/* Adds a rule to a modifier's resourceModifierRules: these patches for items of this resource and namespace whose names
 * match `names`, patterns with "|" between them. */
bool rehearse_modifier_add(struct arena *arena, struct json_object *rules, const struct rehearse_item *item,
                           struct str names, struct json_object *patches) MUST_CHECK;
struct str rehearse_name_pattern(struct arena *arena, struct str name); /* matches this name alone */
/* Applies a modifier's rules to an object, which they change. The absent text, or what went wrong. */
struct str rehearse_modify(struct arena *arena, struct json_object **object, struct str group_resource,
                           struct json_object *modifier);

/* ---- the rehearsal (outcome.c, webhooks.c) ------------------------------------------------ */

struct rehearse_progress {
    void (*tell)(void *context, size_t done, size_t total); /* from any thread, one at a time; NULL: nobody asks */
    void *context;
};
struct rehearse_cluster {
    struct kube_client *client; /* NULL: no cluster; what cannot be known then stays REHEARSE_PENDING */
    bool as_velero;             /* what its account may not do, the restore may not either */
    bool stores;                /* a drill: what is asked is written. Never for a cluster that somebody uses */
    unsigned concurrency;       /* requests at once; 0 = 8 */
    unsigned rate;              /* dry runs a second, with bursts of six seconds' worth; 0 = 50, as kubectl */
};
/* Judges each object of the plan. Only reads, and writes with dryRun=All. False when the cluster could not be asked at
 * all; an object that could not be asked about becomes REHEARSE_UNKNOWN. */
bool rehearse_run(struct rehearse_plan *plan, struct rehearse_contents *contents,
                  const struct rehearse_restore *restore, struct rehearse_served *served,
                  const struct rehearse_cluster *cluster, const struct rehearse_progress *progress, struct arena *arena,
                  struct error *error) MUST_CHECK;

/* ---- a drill (drill.c) ---------------------------------------------------------------------- */

/* An API server of this process alone: etcd and kube-apiserver in a temporary folder (TMPDIR or /tmp, mode 0700). etcd
 * listens on a socket in it, kube-apiserver on a port of 127.0.0.1 for one token, and it reaches no webhook. Both end, and
 * the folder goes, with rehearse_drill_end and with this process, however that ends. No controller runs. */
struct rehearse_drill;
struct rehearse_drill *rehearse_drill_new(void); /* NULL: out of memory */
/* Runs the programs of the folder `assets` (KUBEBUILDER_ASSETS) until they are ready. `ns` is Velero's namespace, a DNS
 * label: the token is that of its account velero-server. Call it from the process's first thread: with the thread that
 * has started them the kernel ends them, too. */
bool rehearse_drill_start(struct rehearse_drill *drill, const char *assets, struct str ns,
                          struct error *error) MUST_CHECK;
bool rehearse_drill_lives(struct rehearse_drill *drill, struct error *error) MUST_CHECK; /* false: a server has ended */
/* The last lines of what the servers have logged, for whoever must find out why they do not run. */
struct str rehearse_drill_log(struct rehearse_drill *drill, struct arena *arena);
struct kube_client *rehearse_drill_client(const struct rehearse_drill *drill); /* the drill's; NULL before it started */
void rehearse_drill_end(struct rehearse_drill *drill);                         /* NULL is fine */

#endif
