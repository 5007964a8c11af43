/* What the files of `backstop serve` share. */
#ifndef BACKSTOP_COMMANDS_SERVE_SERVE_H
#define BACKSTOP_COMMANDS_SERVE_SERVE_H

#include "backstop/admission.h"
#include "backstop/certificates.h"
#include "backstop/cli.h"
#include "backstop/facts.h"
#include "backstop/http.h"
#include "backstop/kube.h"
#include "backstop/sandbox.h"
#include "backstop/settings.h"
#include "backstop/status.h"
#include "backstop/telemetry.h"

/* ---- the settings file, reloaded when it changes ---- */
struct settings_source {
    const char *path; /* NULL: the defaults */
    struct shared_slot slot;
    pthread_mutex_t lock; /* one reload at a time; guards problem */
    char problem[1400];   /* why the last reload failed; empty when it did not */
    struct file_watch *watch;
};
bool settings_source_open(struct settings_source *source, const char *path, struct error *error) MUST_CHECK;
void settings_source_reload(struct settings_source *source);
struct settings *settings_source_get(struct settings_source *source); /* held for the caller */
/* Copies the problem; false when there is none. */
bool settings_source_problem(struct settings_source *source, char *out, size_t size);
void settings_source_close(struct settings_source *source);

struct service {
    struct settings_source settings;
    struct snapshot_source *facts; /* NULL: no facts */
    struct certificates *certificates;
    struct certificates_service tls_service;
    struct kube_client *certificates_kube; /* managed only */
    struct kube_client *events_client;
    struct kube_recorder *recorder; /* NULL: no Events */
    struct status_page *page;       /* NULL: none is served */
    struct calls *calls;            /* NULL: the API server is not asked whether it calls us */
    const char *from;               /* where facts come from, for people */
    char versions[600];             /* as they were logged last */
    struct sandbox sandbox;
    size_t body_limit;
    bool log_reviews;
    atomic_bool stopping;
};

/* ---- what was asked for ---- */
struct tls_options {
    const char *cert, *key, *ciphers, *client_ca, *secret, *service, *configurations;
    struct option_list client_names;
    int min_version; /* 1.3, 1.2 */
    int64_t leaf_seconds, ca_seconds;
    bool managed;
};
struct serve_options {
    const char *listen, *health_listen, *settings, *port_file;
    const char *kubeconfig, *context;
    struct tls_options tls;
    struct option_list inventory;
    int64_t simulate, body_bytes, connections, concurrent, request_timeout, idle_timeout, lame_duck, call_check;
    bool log_reviews, status_page, status_page_users;
    int log_level; /* enum log_level */
    int sandbox;   /* enum sandbox_mode */
};

/* ---- its life, from the options to the exit code; may lower the connections ---- */
int serve(const struct command *command, struct serve_options *values);

/* ---- what is served, and to whom ---- */
int serve_certificates_check(const struct command *command, const struct tls_options *options);
/* Texts of the config live as long as the options and the arena. */
bool serve_certificates_configure(struct arena *arena, const struct tls_options *options, struct http_config *config,
                                  struct error *error) MUST_CHECK;
bool serve_certificates_open(struct service *service, const struct tls_options *options, struct http_server *server,
                             const char *kubeconfig, const char *context, struct error *error) MUST_CHECK;
void serve_certificates_close(struct service *service);

/* ---- what the gate did and what was denied, as Events ---- */
void serve_events_open(struct service *service, const char *kubeconfig, const char *context);
/* Never waits. */
void serve_events_record(struct service *service, const struct rule *rule, const struct review *review);
void serve_events_close(struct service *service);

/* ---- the status page and what it remembers ---- */

/* People's names are kept only when `users`; accounts of the system always. */
bool serve_page_open(struct service *service, bool users, struct error *error) MUST_CHECK;
void serve_page_close(struct service *service);
void serve_page_answer(struct service *service, const struct http_request *request, struct http_reply *reply);

/* ---- what the two listeners answer ---- */

http_handler serve_review; /* context: struct service */
http_handler serve_health; /* context: struct service */

/* ---- whether the API server calls the webhook ---- */

bool serve_calls_open(struct service *service, const struct serve_options *values, struct error *error) MUST_CHECK;
void serve_calls_stop(struct service *service);  /* joins; what is known stays known */
void serve_calls_close(struct service *service); /* stops, too; once no listener is left */
/* `reason`: what is known, and since when; empty where it is not asked. */
enum webhook_calls serve_calls_state(struct service *service, struct buf *reason);

/* What /readyz tells of the certificate: false when none is in force that clients trust. */
bool serve_certificate_check(struct service *service, struct buf *reason);
const struct inventory *serve_inventory(struct service *service, int64_t now); /* held for the caller */
/* The same with the evidence of other engines read now: where it may wait. */
const struct inventory *serve_inventory_shown(struct service *service, const struct settings *settings, int64_t now);

/* ---- the verdicts of status as metrics ---- */
/* All metrics, after the verdicts on this snapshot (NULL: those of the last time). */
void serve_write_metrics(struct service *service, const struct inventory *inventory, struct buf *out);

/* ---- where facts come from ---- */
bool serve_in_cluster(void);                                 /* it runs as a pod */
bool serve_asks_cluster(const struct serve_options *values); /* a cluster is told of, or it is in one */
/* "Velero 1.18.2 (image of Deployment kcm-system/velero), k0rdent 1.12.0 (...)": the versions whose rules are applied. */
struct str serve_versions(struct arena *arena, const struct inventory *inventory, const struct settings *settings);
bool serve_source_open(struct service *service, const struct serve_options *values, struct error *error) MUST_CHECK;

/* ---- which facts a review rests on ---- */

/* Held for the caller. Reads anew what the rule wants; where that may not wait, NULL
 * and *needs_worker. NULL with an error when a decision could not rest on anything older. */
const struct inventory *serve_facts(struct service *service, const struct rule *rule, const struct review *review,
                                    const struct settings *settings, const struct http_request *http,
                                    bool *needs_worker, struct error *error);

/* ---- admitted deletions of Backups, made known before they are answered ---- */
enum reserve_result {
    RESERVE_DONE, /* reserved, or nothing to reserve; else the decision is a denial now, or has a warning */
    RESERVE_AGAIN /* another deletion was admitted meanwhile: read and decide again */
};

/* ---- the two listeners ---- */
enum { SERVE_HEALTH_CONNECTIONS = 64 };

/* What the status page's files share. */

/* The last decisions, in memory that does not grow. */
enum { DECISIONS = 200 };
struct kept_decision {
    int64_t at;
    const char *operation, *outcome; /* literals */
    bool dry_run;
    char user[96], kind[48], ns[64], name[128], why[384];
};
struct decisions {
    pthread_mutex_t lock;
    bool users;
    size_t count; /* ever kept */
    struct kept_decision kept[DECISIONS];
};

/* Copies of the kept ones, the newest first; NULL when out of memory. */
struct status_decision *decisions_list(struct decisions *decisions, struct arena *arena, size_t *count);

struct status_page {
    struct decisions decisions;
    pthread_mutex_t lock; /* guards body and made_ns */
    struct buf body;      /* the last page */
    int64_t made_ns;      /* 0: none yet */
    char policy[512];
    struct http_header headers[8]; /* the first is for those who want the page to reload itself */
};

#endif
