/* Private to the module kube: the configuration in force, and one HTTP exchange. */
#ifndef BACKSTOP_KUBE_KUBE_H
#define BACKSTOP_KUBE_KUBE_H

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/types.h>

#include "backstop/kube.h"

/* How to get credentials from a program (client.authentication.k8s.io). */
struct kube_exec {
    struct str command, api_version;
    struct strlist args, env; /* env as NAME=VALUE */
    struct str hint;          /* installHint, in one line; or absent */
};

/* What a kubeconfig's context or the pod's files say. Texts live in the client's
 * arena; *_data are decoded PEM, *_file are paths that may change under us. */
struct kube_config {
    struct str server, tls_server_name, proxy;
    struct str ca_file, ca_data;
    bool insecure;
    struct str client_cert_file, client_cert_data, client_key_file, client_key_data;
    struct str token, token_file, username, password;
    struct kube_exec *exec; /* or NULL */
    struct str as, as_uid;  /* impersonation */
    struct strlist as_groups;
    struct str ns;
};

/* They say which file and key is wrong. `paths` is what $KUBECONFIG may hold; context and
 * the overrides come from the options. */
bool kube_config_from_kubeconfig(struct arena *arena, const char *paths, const struct kube_options *options,
                                 struct kube_config *config, struct error *error) MUST_CHECK;
bool kube_config_load(struct arena *arena, const struct kube_options *options, struct kube_config *config,
                      struct error *error) MUST_CHECK;

/* Credentials as of now; texts are copied into the caller's arena. */
struct kube_credentials {
    struct str token, client_cert, client_key; /* PEM */
    int64_t expires;                           /* of an exec plugin's answer; 0 = until refused */
};
/* How long a plugin may take; given_up, which is asked every while, may be NULL. */
struct kube_exec_wait {
    unsigned seconds;
    bool (*given_up)(void *context);
    void *context;
};
/* Whether the plugin's program is there, as execvpe would find it: one that is not does not come by trying again. False
 * with the kubeconfig's installHint, as kubectl prints it. */
bool kube_exec_installed(const struct kube_exec *exec, struct error *error) MUST_CHECK;
/* Runs the plugin. One that takes too long, prints too much or is not waited for any more is killed with
 * all that it has started. */
bool kube_exec_run(struct arena *arena, const struct kube_exec *exec, const struct kube_exec_wait *wait,
                   struct kube_credentials *credentials, struct error *error) MUST_CHECK;

/* False: no more. */
typedef bool kube_stream_fn(void *context, struct str bytes);

/* One exchange. `stream`, when given, gets the body as it arrives instead of
 * `answer`; false from it ends the exchange without an error. */
struct kube_call {
    const char *verb;          /* of the error message: get, list, create */
    const char *method, *path; /* path with query, from the root */
    const char *content_type;  /* of the body, or NULL */
    const char *accept;        /* NULL: application/json */
    struct str body;
    unsigned timeout_seconds; /* of the whole exchange; 0 = none */
    kube_stream_fn *stream;
    void (*opened)(void *context); /* a stream's headers have come; may be NULL */
    const atomic_bool *cancelled;  /* may be NULL */
    void *context;
};
/* False with code 0 when no answer came. The HTTP status goes to *status; the
 * body (bounded) to `answer`. */
bool kube_exchange(struct kube_client *client, const struct kube_call *call, long *status, struct buf *answer,
                   struct error *error) MUST_CHECK;
/* ---- a response that keeps coming: stream.c ---- */

/* Where in a chunked body one is; all zero: before it. */
struct kube_chunks {
    enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_ENDED } state;
    unsigned digits; /* of the size, so far */
    uint64_t left;   /* of the chunk at hand */
};
enum kube_chunks_end { KUBE_CHUNKS_MORE, KUBE_CHUNKS_END, KUBE_CHUNKS_STOPPED, KUBE_CHUNKS_BROKEN };
/* Gives what the chunks hold to take(): KUBE_CHUNKS_STOPPED when that says no more. */
enum kube_chunks_end kube_chunks_take(struct kube_chunks *chunks, struct str bytes, kube_stream_fn *take,
                                      void *context);
bool kube_chunks_between(const struct kube_chunks *chunks); /* at the first byte of a chunk's size */

/* What of libssl is used by that: of the one that libcurl uses (curl.c). */
struct kube_tls {
    __typeof__(&SSL_read) read;
    __typeof__(&SSL_get_error) get_error;
    __typeof__(&SSL_get_rbio) get_rbio;
    __typeof__(&SSL_get_wbio) get_wbio;
    __typeof__(&SSL_set0_rbio) set0_rbio;
    __typeof__(&SSL_set0_wbio) set0_wbio;
    __typeof__(&SSL_set_read_ahead) set_read_ahead;
    __typeof__(&SSL_set_default_read_buffer_len) set_read_buffer;
    __typeof__(&BIO_new_socket) new_socket;
    __typeof__(&BIO_up_ref) up_ref;
    __typeof__(&ERR_clear_error) clear_error;
};
const struct kube_tls *kube_tls(void); /* NULL: libcurl uses another library */

/* A connection that libcurl has lent, within its callback. */
struct kube_source {
    int fd;
    const struct kube_tls *tls; /* this and what follows: NULL in plain HTTP */
    SSL *ssl;
    BIO *reads, *writes; /* libcurl's, until it gets the connection back */
};
/* That the exchange may use: of the handle's connection before, and those that it makes. */
struct kube_sockets {
    curl_socket_t items[4];
    unsigned len;
};
enum { KUBE_STREAM_BLOCK = 64 * 1024 };
/* False when it is not known, or cannot be read but by libcurl: everything is as it was. */
bool kube_source_open(struct kube_source *source, CURL *connection, const struct kube_sockets *sockets) MUST_CHECK;
void kube_source_close(struct kube_source *source);
/* The body's next bytes; 0: none are there; -1: the connection has ended, or failed. Never waits. */
ssize_t kube_source_read(struct kube_source *source, char *bytes, size_t size);

/* Fills error from an answer that is no success: the API server's Status message. */
bool kube_refused(long status, struct str answer, const char *verb, struct str what, struct error *error);
/* "/apis/GROUP/VERSION[/namespaces/NS]/PLURAL[/NAME]" appended to buf, escaped. */
void kube_path(struct buf *path, const struct kube_resource *resource, struct str ns, struct str name);
/* The same with a list's query. */
void kube_list_path(struct buf *path, const struct kube_resource *resource, const struct kube_list_options *options);
void kube_escape(struct buf *out, struct str text); /* percent-encoding of a query value or path segment */
/* Cuts a stream into lines, however it arrives: take() gets each whole one that is not
 * empty, `rest` keeps what is not whole yet. False when take() says so, or when a line
 * is over rest's limit (rest->failed). */
bool kube_lines(struct buf *rest, struct str bytes, bool (*take)(void *context, struct str line), void *context);
/* The tree of an answer's body; NULL with code 502 when it is no JSON, or null. */
struct json_object *kube_answer_build(struct arena *arena, struct str body, struct error *error) MUST_CHECK;
/* Whether an answer with a status of success is what was asked for (request.c). False with
 * code 502 and a message that says what it is instead. */
bool kube_answer_list(struct json_object *list, const struct kube_resource *resource, bool metadata_only,
                      struct error *error) MUST_CHECK;
bool kube_answer_item(struct json_object *item, size_t index, const struct kube_resource *resource, bool metadata_only,
                      struct str ns, struct error *error) MUST_CHECK; /* of a list in `ns`; absent: of any */
bool kube_answer_event(struct json_object *object, const struct kube_resource *resource, bool metadata_only,
                       bool bookmark, struct error *error) MUST_CHECK;
bool kube_answer_discovery(struct json_object *list, struct str group, struct str version,
                           struct error *error) MUST_CHECK;
/* What one line of a watch says. `object` is what changed, or of a BOOKMARK a shell that
 * carries the version only. */
struct kube_watch_line {
    bool changes;
    enum kube_event event; /* when something changes */
    struct json_object *object;
    struct str version; /* where to take the watch up again; may be absent */
};
/* False with the code of the API server's Status (410: too old), or 400, 413 and 500 for
 * what cannot be read. */
bool kube_watch_line(struct arena *arena, struct str text, const struct kube_resource *resource, bool metadata_only,
                     struct kube_watch_line *line, struct error *error) MUST_CHECK;
unsigned kube_timeout(const struct kube_client *client);
double kube_random(struct kube_client *client); /* 0 <= x < 1, for jitter */

/* What the client is made of; for client.c and exchange.c. */

struct kube_client {
    struct arena *arena; /* holds the client itself and its configuration */
    struct kube_config config;
    struct str user_agent;
    unsigned timeout;
    _Atomic int64_t interrupt_ns; /* 0: never */
    _Atomic int64_t clock_ahead;
    pthread_mutex_t lock; /* guards all below */
    CURL *idle[8];        /* handles keep their connection open for the next request */
    size_t idle_count;
    struct kube_credentials credentials; /* of a token file or an exec plugin */
    struct arena *credentials_arena;
    int64_t refused_ns; /* when a plugin failed last, and why */
    struct error refusal;
    uint64_t random;
};

/* Whether nobody waits for this call any more; `call` may be NULL. */
bool kube_call_given_up(const struct kube_client *client, const struct kube_call *call);
CURL *kube_connection_take(struct kube_client *client);
void kube_connection_give(struct kube_client *client, CURL *connection);
/* The credentials to use now, refreshed when they are due; `call`, for which they are, may be NULL. */
bool kube_credentials_now(struct kube_client *client, const struct kube_call *call, struct arena *arena,
                          struct kube_credentials *credentials, struct error *error) MUST_CHECK;
void kube_credentials_forget(struct kube_client *client); /* after a 401: ask again */

/* What the recorder queues, and how an Event is written. */

enum { EVENT_QUEUE = 64, EVENT_SERIES = 32 };
enum { EVENT_WEIGHTS = KUBE_VITAL + 1 }; /* each has all of its own */

/* A note that outlives its review. */
struct event_note {
    char api_version[128], kind[64], ns[64], name[254], uid[64], plural[64], reason[64], action[64], text[1025];
    bool warning;
    enum kube_weight weight;
    int64_t times;  /* how often it came while it waited */
    unsigned tries; /* that have failed */
    int64_t others; /* notes about other objects that are told of here alone, for want of room */
};
/* One Event in the cluster, and how often it has happened. */
struct event_series {
    char api_version[128], kind[64], about_ns[64], name[254], reason[64];
    char ns[64], event[254]; /* the Event's own namespace and name */
    int64_t count, seen_ns, written_ns;
};

struct event_queue {
    struct event_note notes[EVENT_QUEUE];
    unsigned first, count;
};
/* A note that waits already takes the newer one's words, so that however often one thing happens it
 * takes one place. False when there is no room. */
bool event_queue_put(struct event_queue *queue, const struct event_note *note);
/* As the oldest: one that could not be written. */
bool event_queue_return(struct event_queue *queue, const struct event_note *note);
/* Makes room: the oldest note that has a younger one with the same reason is counted in that one, and given to
 * the caller. False when all reasons are different. */
bool event_queue_fold(struct event_queue *queue, struct event_note *folded);

/* False when it is about nothing that has a name. */
bool event_note_copy(struct event_note *copy, const struct kube_note *note);
bool event_same(const struct event_note *a, const struct event_note *b); /* one Event tells of both */
bool event_is_of(const struct event_series *series, const struct event_note *note);
void event_series_begin(struct event_series *series, const struct event_note *note, int64_t now_ns);
void event_write(struct buf *out, const struct event_note *note, const struct event_series *series,
                 const char *controller, const char *instance);
void event_write_series(struct buf *out, const struct event_series *series); /* as a JSON Patch */

#endif
