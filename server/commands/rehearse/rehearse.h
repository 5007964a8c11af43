/* rehearse: what the command's files share. */
#ifndef BACKSTOP_COMMANDS_REHEARSE_H
#define BACKSTOP_COMMANDS_REHEARSE_H

#include "backstop/api.h"
#include "backstop/cli.h"
#include "backstop/grammar.h"
#include "backstop/inventory.h"
#include "backstop/rehearse.h"
#include "backstop/settings.h"

/* What is rehearsed, and what came of it. */
struct rehearsal {
    struct arena *arena;
    struct kube_client *client;   /* NULL: offline. In a drill the drill's, once the contents are there */
    struct rehearse_drill *drill; /* or NULL */
    struct kube_client *velero;   /* the same cluster, asked as Velero's account; NULL: not */
    struct str ns;                /* Velero's */
    struct str server;            /* the API server, or absent */
    struct str account;           /* of Velero's Deployment; absent where that cannot be read, or */
    struct str no_velero;         /* why */
    struct rehearse_order order;  /* of its arguments */
    struct str uid;               /* of the Backup whose contents were downloaded, or absent */
    struct json_object *tree;     /* of the Restore */
    struct json_object *maps;     /* an array of ConfigMaps that stand in for the cluster's */
    struct rehearse_restore restore;
    struct rehearse_contents *contents;
    struct rehearse_served served;
    struct rehearse_plan plan;
    struct strlist notes; /* of the backup, and of what was assumed */
};

/* ---- load.c: the Restore, what it refers to, and the backup ---------------------------- */

/* The Restore of a file (which may hold its ConfigMaps, too), or a bare one of the backup. */
bool rehearsal_load_restore(struct rehearsal *rehearsal, const char *file, struct str backup,
                            struct error *error) MUST_CHECK;
/* The backup that velero backup download has named its file after: "nightly" of .../nightly-data.tar.gz. */
struct str rehearsal_contents_name(const char *path);
/* Reads it, and the ConfigMaps that it names, from the file or the cluster. */
bool rehearsal_read_restore(struct rehearsal *rehearsal, struct error *error) MUST_CHECK;
/* Reads Velero's Deployment: its account, and the order of its restores. Notes what is assumed where it cannot. */
void rehearsal_find_velero(struct rehearsal *rehearsal);
/* Opens `velero`, so that webhooks and admission policies see the account that the restore will have. Left NULL,
 * with a note, where Velero's Deployment is not found or its account may not be impersonated. */
void rehearsal_become_velero(struct rehearsal *rehearsal, const struct kube_options *access);
/* What the webhook would make of it, its warnings as notes. False, with its reason, where it would refuse: the
 * code is REHEARSAL_DENIED then. */
enum { REHEARSAL_DENIED = -1 }; /* no HTTP status: the API server's own 403 is no verdict */
bool rehearsal_mutate(struct rehearsal *rehearsal, const struct inventory *inventory, const struct settings *settings,
                      int64_t now, struct error *error) MUST_CHECK;
/* How the object store is asked. */
struct download_options {
    const char *ca_file; /* or NULL: the storage location's caCert, or the system's */
    bool insecure;
};
/* Asks Velero for a signed URL of the backup's contents (a DownloadRequest, as `velero backup download`), and reads
 * them from there into a temporary file without a name: its descriptor, at the beginning; -1 after an error. */
int rehearsal_download(struct rehearsal *rehearsal, const struct download_options *options, uint64_t limit,
                       struct error *error);

/* ---- drill.c ------------------------------------------------------------------------------ */

/* Starts an API server for this rehearsal alone (KUBEBUILDER_ASSETS), installs the CRDs of the files or folders and those
 * of the backup that the Restore leaves out, and makes it the client. *log: what the servers logged, if they do not run. */
bool rehearsal_drill(struct rehearsal *rehearsal, const struct option_list *files, struct str *log,
                     struct error *error) MUST_CHECK;

/* ---- report.c ----------------------------------------------------------------------------- */

enum { REHEARSAL_GROUPS_MAX = 200, REHEARSAL_EXAMPLES = 3, REHEARSAL_CAUSES = 5 };
/* Refused for the same reason. */
struct rehearsal_group {
    enum rehearse_outcome outcome;
    struct str cause, webhook, cure; /* webhook: as in struct rehearse_item */
    size_t left;           /* objects that nothing refuses and that would go, too, if the cure were excluded */
    size_t count, patched; /* patched: taken with a resource modifier */
    size_t together;       /* objects of all groups that the same exclusion cures */
    const struct rehearse_item *examples[REHEARSAL_EXAMPLES];
};
struct rehearsal_summary {
    size_t total, taken, counts[REHEARSE_OUTCOMES], unmodified;
    size_t by_crd, by_stand_in;
    enum rehearsal_verdict verdict;
    struct rehearsal_group *groups; /* those that one exclusion cures stand together; most objects first */
    size_t group_count, in_more_groups;
    size_t patched;
    struct strlist cures; /* resources to exclude: nothing that can be restored goes with them */
    size_t uncured;       /* refused objects that no exclusion of a whole resource cures without a loss */
};
bool rehearsal_summarize(struct rehearsal *rehearsal, struct rehearsal_summary *summary) MUST_CHECK;
struct str rehearsal_verdict_text(struct rehearsal *rehearsal, const struct rehearsal_summary *summary);
/* Writes ANNOTATION_REHEARSED on the Backup, with the admin's own account. */
bool rehearsal_record(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, int64_t now,
                      struct error *error) MUST_CHECK;
void rehearsal_text(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, bool all,
                    const struct page *page);
/* The Restore that would go through: what is refused excluded. YAML, with the verdict as comments. */
void rehearsal_suggest(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, struct buf *out);

/* ---- formats.c ------------------------------------------------------------------------------ */

void rehearsal_json(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, struct buf *out);
void rehearsal_junit(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, struct buf *out);
void rehearsal_html(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, struct buf *out);

#endif
