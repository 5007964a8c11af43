/* kube: a Kubernetes API client on libcurl. Configuration (in-cluster or
 * kubeconfig), discovery, get, list, watch, create, server-side apply. Knows
 * resources and the API's conventions, nothing of backups. */
#ifndef BACKSTOP_KUBE_H
#define BACKSTOP_KUBE_H

#include "backstop/base.h"
#include "backstop/json.h"

/* ---- configuration -------------------------------------------------------- */

/* Where the API server is and who we are. In-cluster: the ServiceAccount's token
 * file is read again as it rotates, its CA bundle likewise. kubeconfig: contexts,
 * client certificates, token, tokenFile, exec plugins, as, as-uid, as-groups,
 * certificate-authority(-data), insecure-skip-tls-verify, tls-server-name,
 * proxy-url; KUBECONFIG may list several files, merged as kubectl does. */
struct kube_options {
    const char *kubeconfig; /* file; NULL: $KUBECONFIG, in-cluster, then ~/.kube/config */
    const char *context;    /* NULL: current-context */
    /* What kubectl's flags of these names put over what the context says; NULL: as it is.
     * Semantics of client-go's clientcmd overrides: `server` forgets the file's
     * tls-server-name, `insecure` and `certificate_authority` the file's trust, `token`
     * its token file. With `server` no kubeconfig need be there. */
    const char *cluster, *user; /* names in the kubeconfig */
    const char *server, *tls_server_name, *certificate_authority;
    bool insecure;
    const char *token, *client_certificate, *client_key;
    const char *as, *as_uid; /* impersonation */
    const char *const *as_groups;
    size_t as_group_count;
    const char *user_agent;   /* "backstop/VERSION" */
    unsigned timeout_seconds; /* of a plain request; 0 = 10 */
};
/* The files that a client of these options reads, now and later, each NUL-terminated in the
 * arena; *runs_program: it asks a credential plugin. */
bool kube_files(const struct kube_options *options, struct arena *arena, struct strlist *files, bool *runs_program,
                struct error *error) MUST_CHECK;
struct kube_client;
/* Reads the configuration; makes no connection yet. Errors name the file and the key. */
/* Before any function of libcurl is called; kube_open does it itself. */
bool kube_load_curl(struct error *error) MUST_CHECK;
struct kube_client *kube_open(const struct kube_options *options, struct error *error) MUST_CHECK;
/* Waits for no request: whoever has one in flight ends it first. NULL is fine. */
void kube_close(struct kube_client *client);
/* From that time on (monotonic) requests end without an answer, within a second those that
 * are under way: an API server that is silent must not hold up an end. For good. */
void kube_interrupt(struct kube_client *client, int64_t when_ns);
const char *kube_server(const struct kube_client *client); /* https://10.0.0.1:443 */
/* By how many seconds the API server's clock was ahead of this one's in its last answer (the Date header);
 * 0 when no answer told, or by a minute or less, which an answer that was long on its way could be. */
int64_t kube_clock_ahead(const struct kube_client *client);

/* The names of one of the kubeconfig's lists ("contexts", "clusters", "users"), found as
 * kube_open finds it; copied into the arena. None when it cannot be read. */
void kube_config_names(struct arena *arena, const char *kubeconfig, const char *list, struct strlist *names);

/* ---- requests ------------------------------------------------------------- */

/* A resource as the API names it. `version` absent: what discovery finds. `kind` is what
 * answers must be of; a list's is the same with "List" behind it. */
struct kube_resource {
    struct str group, version, plural, kind; /* group "" for the core group */
    bool namespaced;
};
/* Validating, then mutating: what holds a webhook's rules and caBundle. */
enum { KUBE_WEBHOOK_CONFIGURATIONS = 2 };
extern const struct kube_resource kube_webhook_configurations[KUBE_WEBHOOK_CONFIGURATIONS];

/* Everything below is safe from any thread; connections are reused. Failures:
 * error->code is the HTTP status (401, 403, 404, 409, 410, ...), 0 when no
 * answer came, 502 when a success was answered with something that was not asked
 * for (a Status, another kind, version, name or namespace, no list); the message
 * names verb, resource, name and the API server's own Status message: `create
 * managementbackups "kcm-backup-kcm-1-2-0": forbidden: User "..." cannot create
 * ...`. Trees are owned by the arena. */
/* 404 also, unasked, for what can be no name: "..", "a/b", more than 253 bytes. */
bool kube_get(struct kube_client *client, struct arena *arena, const struct kube_resource *resource, struct str ns,
              struct str name, struct json_object **object, struct error *error) MUST_CHECK;
/* What the API server says it is: "v1.36.3"; in the arena. */
bool kube_version(struct kube_client *client, struct arena *arena, struct str *version, struct error *error) MUST_CHECK;
/* Whether all of the API server's start-up is over (/readyz). */
bool kube_ready(struct kube_client *client, struct error *error) MUST_CHECK;
/* 409: an object of that name exists already; another conflict than that is 502. */
bool kube_create(struct kube_client *client, struct arena *arena, const struct kube_resource *resource, struct str ns,
                 struct json_object *object, struct json_object **created, struct error *error) MUST_CHECK;
/* The same with dryRun=All: admission runs, and nothing is stored. True: it would have been. */
bool kube_create_dry_run(struct kube_client *client, struct arena *arena, const struct kube_resource *resource,
                         struct str ns, struct json_object *object, struct error *error) MUST_CHECK;
/* JSON Patch (RFC 6902) by `manager`; 422 when a "test" in it does not hold. */
bool kube_patch(struct kube_client *client, struct arena *arena, const struct kube_resource *resource, struct str ns,
                struct str name, struct json_object *patch, struct str manager, struct json_object **patched,
                struct error *error) MUST_CHECK;
/* A JSON merge patch (RFC 7386) by `manager`. With a metadata.uid in it: 409 where another object has the name by now. */
bool kube_merge_patch(struct kube_client *client, struct arena *arena, const struct kube_resource *resource,
                      struct str ns, struct str name, struct json_object *patch, struct str manager,
                      struct error *error) MUST_CHECK;
/* PUT with the object's resourceVersion: 409 when somebody was faster. */
bool kube_update(struct kube_client *client, struct arena *arena, const struct kube_resource *resource, struct str ns,
                 struct str name, struct json_object *object, struct json_object **updated,
                 struct error *error) MUST_CHECK;
/* Deletes; 404 when there is no such object. */
bool kube_delete(struct kube_client *client, struct arena *arena, const struct kube_resource *resource, struct str ns,
                 struct str name, struct error *error) MUST_CHECK;

/* What a write would be answered: dryRun=All goes with each that does not say `stores`, so that nothing is stored, by the
 * field manager `manager`. With a name: a JSON merge patch of that object; without: `object` is created, 409 as for
 * kube_create. */
struct kube_trial {
    const struct kube_resource *resource;
    struct str ns, name, manager;
    struct json_object *object;
    bool stores;                  /* it is a write */
    bool strict;                  /* fields that are not known are refused, too */
    struct json_object **refusal; /* or NULL: gets the API server's Status where that refuses; else NULL */
};
bool kube_try(struct kube_client *client, struct arena *arena, const struct kube_trial *trial,
              struct json_object **answer, struct error *error) MUST_CHECK;

struct kube_list_options {
    struct str ns; /* absent: all namespaces, or cluster-scoped */
    struct str label_selector, field_selector;
    bool metadata_only;       /* PartialObjectMetadata: existence without content (Secrets) */
    struct str omit;          /* objects under this key are emptied before anything is parsed; absent: none are */
    unsigned page;            /* items a page; 0 = 500 */
    unsigned timeout_seconds; /* 0 = the client's */
    /* Gets the text of each object first, in lists and in events: true where that is enough, with the object's version,
     * borrowed from the text. Else the object is parsed, and handed out. May be NULL. */
    bool (*repeat)(void *context, struct str object, struct str *version);
    void *repeat_context;
};
/* Calls item(context, object) for every object, page by page; false from item
 * ends the list with an error the callback has set. `resource_version` gets the list's. */
typedef bool kube_item_fn(void *context, struct json_object *object, struct error *error);
/* Page by page, an object at a time. `item` stops it by returning false with an error of its own. `resource_version`
 * is the list's, to watch from. */
bool kube_list(struct kube_client *client, struct arena *arena, const struct kube_resource *resource,
               const struct kube_list_options *options, kube_item_fn *item, void *context, struct str *resource_version,
               struct error *error) MUST_CHECK;

/* ---- discovery ------------------------------------------------------------ */

/* Which of the versions (in order of preference, NULL-terminated) the API server
 * serves for this group and plural. False with code 404 when the resource is not
 * served at all (the CRD is missing), another code when it could not be asked. */
bool kube_served_version(struct kube_client *client, struct str group, struct str plural, const char *const *versions,
                         const char **version, struct error *error) MUST_CHECK;

/* One resource that the API server serves, subresources left out. Texts are the callback's for its call. */
struct kube_served {
    struct kube_resource resource; /* of the version at hand */
    struct str singular;           /* may be empty: the Kind in any case stands for it, too */
    struct json_object *shorts;    /* an array of texts, or NULL */
    bool preferred;                /* the first version of its group that has this resource */
    bool storable;                 /* it can be listed, read, created and deleted */
};
/* Calls each(context, served) for all that is served, in discovery's order. Asks for aggregated discovery
 * (Kubernetes 1.27 and later); 406 from an older API server. */
bool kube_discover(struct kube_client *client, void (*each)(void *context, const struct kube_served *served),
                   void *context, struct error *error) MUST_CHECK;

/* ---- watch ---------------------------------------------------------------- */

enum kube_event { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED };
enum kube_sync { /* how a reflector stands */
                 KUBE_CONNECTING,
                 KUBE_MISSING, /* the CRD is not installed; asked again every few seconds */
                 KUBE_LISTING,
                 KUBE_SYNCED,
                 KUBE_BROKEN /* the last attempt failed; retried with back-off and jitter; the reason says why */
};

/* A reflector lists, then watches one resource for ever on a thread of its own:
 * pages, resourceVersion resume, bookmarks, 410 relist, stall detection, back-off
 * with jitter. Callbacks come from that thread, in order. */
struct kube_reflector_options {
    struct kube_resource resource;
    const char *const *versions; /* preference; NULL: resource.version as it is */
    struct kube_list_options list;
    /* A list begins: forget what is not listed again until replace_end. */
    void (*replace_begin)(void *context);
    void (*object)(void *context, enum kube_event event, struct json_object *object);
    void (*replace_end)(void *context);
    void (*state)(void *context, enum kube_sync state, const char *reason);
    void *context;
};
struct kube_reflector;
/* Lists, then watches, for ever, on a thread of its own; lists again after a 410, with back-off after any other
 * failure. NULL with the reason when it could not begin. */
struct kube_reflector *kube_reflect(struct kube_client *client, const struct kube_reflector_options *options,
                                    struct error *error) MUST_CHECK;
void kube_reflector_cancel(struct kube_reflector *reflector); /* begins to stop; NULL is fine */
void kube_reflector_stop(struct kube_reflector *reflector);   /* joins; NULL is fine */

/* ---- Events ---------------------------------------------------------------- */

/* Writes Events (events.k8s.io/v1) from a thread of its own: what is noted never waits
 * for the API server. Repeats within ten minutes become a series; a full queue and a
 * spent rate (25 at once, then one a second) drop what is common. What weighs more has a queue,
 * series and a rate of its own for each weight, is written first, and waits for its rate. It is
 * never dropped without a word: when its queue is full, the oldest goes into the log and is counted
 * in an Event with the same reason. */
struct kube_recorder;
enum kube_weight {
    KUBE_COMMON,    /* a denial */
    KUBE_IMPORTANT, /* the gate refuses, or asks to wait */
    KUBE_VITAL      /* something was started, or admitted past a guard */
};
struct kube_note {
    struct str api_version, kind, ns, name, uid; /* what it is about; ns absent: cluster-scoped */
    struct str plural;                           /* with it an absent uid is looked up, as kubectl describe needs it */
    bool warning;                                /* else Normal */
    enum kube_weight weight;                     /* a flood of lighter ones must not push it out */
    const char *reason;                          /* UpgradeWaits */
    const char *action;                          /* what was done about it: AdmitUpgrade */
    struct str text;                             /* cut at 1024 bytes */
};
/* The client must outlive the recorder. `controller` is a qualified name, "backstop.k0rdent.mirantis.com/webhook". */
struct kube_recorder *kube_recorder_start(struct kube_client *client, const char *controller,
                                          struct error *error) MUST_CHECK;
void kube_record(struct kube_recorder *recorder, const struct kube_note *note); /* NULL is fine */
/* Writes what is queued, for up to 2 s; then interrupts the client. NULL is fine. */
void kube_recorder_stop(struct kube_recorder *recorder);

#endif
