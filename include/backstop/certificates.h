/* certificates: what the webhook serves, kept good without a thought. From files,
 * reloaded as they change, or managed: issued here, kept in a Secret that all replicas
 * share, renewed in time, and announced in the webhook configurations' caBundle. */
#ifndef BACKSTOP_CERTIFICATES_H
#define BACKSTOP_CERTIFICATES_H

#include "backstop/base.h"
#include "backstop/kube.h"

struct certificates_options {
    /* Takes a verified pair into use (PEM); false keeps the old one in force. Called from
     * the module's own thread, or from the open call. */
    bool (*use)(void *context, struct str certificate, struct str key, struct error *error);
    void *context;
    const char *const *names; /* DNS names the certificate is for; NULL-terminated; may be NULL for files */

    /* files */
    const char *certificate_file, *key_file;

    /* managed */
    struct kube_client *kube;   /* for this alone: certificates_stop interrupts it */
    const char *ns, *secret;    /* where the Secret is */
    const char *service;        /* webhooks that call this Service of that namespace get the caBundle */
    const char *configurations; /* the name of both webhook configurations */
    int64_t leaf_seconds;       /* 0 = 90 days */
    int64_t ca_seconds;         /* 0 = 10 years; at least three times leaf_seconds */
};
struct certificates;

/* Files: fails when the pair cannot be read or does not belong together, for that is a
 * mistake to be reported at once. A pair whose time is over or has not come yet is not
 * served and not fatal either: the next one is waited for. */
struct certificates *certificates_from_files(const struct certificates_options *options,
                                             struct error *error) MUST_CHECK;
/* Managed: returns at once; the work is done on a thread of its own and goes on for ever. */
struct certificates *certificates_managed(const struct certificates_options *options, struct error *error) MUST_CHECK;
/* Managed, once, without a thread: issues what is due and writes caBundle; `use` is not called. For a Job whose
 * account may do that while the webhook's own may not. */
struct certificates_renewal {
    bool changed, ca, serving; /* the Secret; what in it was issued */
    bool announced;            /* caBundle was written */
    size_t webhooks;           /* that call the Service, all of which trust the CA now */
    int64_t until;             /* when the serving certificate expires */
};
/* Managed mode, once: issues or rotates what is due, writes caBundle, and returns. For a Job whose account may write
 * what the serving pods may not. `done` says what was done. The error's code is the API server's. */
bool certificates_renew(const struct certificates_options *options, struct certificates_renewal *done,
                        struct error *error) MUST_CHECK;

/* Webhooks are installed with failurePolicy Ignore and, in ANNOTATION_FAIL_CLOSED, the names of those that are to
 * refuse when nobody answers: a failed or half-done install then blocks nothing. */
struct enforcement {
    size_t open;   /* of those named, how many had Ignore */
    size_t closed; /* how many of these have Fail now */
    bool absent;   /* k0rdent is not installed here, so there is nothing to prove it with */
};
/* Makes the named webhooks of both configurations fail closed, once the API server has been seen to call one: a
 * ManagementBackup with an invalid schedule, created as a dry run, must be denied by backstop's own webhook. That proves
 * what no call to the Service can: the network from the API server, its trust in caBundle, and the path. False: not
 * proven, or a configuration cannot be read or written; what was open stays open. */
bool webhooks_enforce(struct kube_client *kube, const char *configurations, struct enforcement *done,
                      struct error *error) MUST_CHECK;

/* What the ManagementBackup of that proof is called; it is never stored. */
#define WEBHOOK_PROOF_NAME "backstop-probe"
enum webhook_calls { WEBHOOK_UNKNOWN, WEBHOOK_CALLED, WEBHOOK_NOT_CALLED };
/* The same proof alone: whether the API server calls the webhook now. NOT_CALLED: it admitted the invalid schedule, or says
 * itself that it could not call the webhook. UNKNOWN: it did not answer, k0rdent is not installed, somebody else refused. The
 * error says why, unless it is CALLED. May take as long as the webhook's own timeout. */
enum webhook_calls webhooks_called(struct kube_client *kube, struct error *error);

/* Joins the threads: `use` is not called any more. certificates_ready may be, until the close. */
void certificates_stop(struct certificates *certificates);  /* NULL is fine */
void certificates_close(struct certificates *certificates); /* stops, too; NULL is fine */
/* Looks at the files, or at the Secret, now. */
void certificates_reload(struct certificates *certificates);
/* Whether a valid certificate is in force that clients were told to trust. `reason` gets
 * why not, or what is worth knowing although it is; empty when all is well. */
bool certificates_ready(struct certificates *certificates, char *reason, size_t size);

/* "NAME.NAMESPACE", or with the cluster's domain "NAME.NAMESPACE.svc.DOMAIN" (default
 * cluster.local): name, namespace and the four DNS names of that Service. */
struct certificates_service {
    char name[64], ns[64];
    char full[4][320];
    const char *names[5]; /* NULL-terminated */
};
/* "NAME.NAMESPACE", also with ".svc" or ".svc.DOMAIN" behind it. Gives all names of its certificate, of which the API
 * server verifies NAME.NAMESPACE.svc. */
bool certificates_service_parse(struct str text, struct certificates_service *service, struct error *error) MUST_CHECK;

#endif
