/* Where a command's facts come from: files, or a cluster read once. */
#ifndef BACKSTOP_COMMANDS_FACTS_OPEN_H
#define BACKSTOP_COMMANDS_FACTS_OPEN_H

#include "backstop/cli.h"
#include "backstop/facts.h"
#include "backstop/settings.h"
#include "backstop/status.h"

/* Part of a command's options, as the member `facts`; FACTS_OPTIONS are its rows. */
struct facts_options {
    struct option_list inventories;
    struct connection connection;
    const char *ns;             /* the system namespace, or NULL: the settings' */
    const char *velero_version; /* or NULL: the settings', or as it is found */
    int64_t timeout;            /* seconds to wait for a cluster's lists; 0 = 30 */
    bool velero_suffices; /* set by the command: it has something to say of a cluster with Velero but no k0rdent */
};
/* Says so of a cluster, whose address is its argument. */
#define NO_K0RDENT "no k0rdent here (%.*s serves no k0rdent.mirantis.com): is --context right?"
#define FACTS_OPTIONS(type)                                                                                            \
    {"inventory",                                                                                                      \
     0,                                                                                                                \
     OPTION_LIST,                                                                                                      \
     "FILE|DIR",                                                                                                       \
     "objects of the cluster, as kubectl get -o yaml prints them (repeatable)",                                        \
     offsetof(type, facts.inventories)},                                                                               \
        {"namespace",                                                                                                  \
         'n',                                                                                                          \
         OPTION_TEXT,                                                                                                  \
         "NAME",                                                                                                       \
         "namespace of k0rdent and Velero (systemNamespace of the settings, else kcm-system)",                         \
         offsetof(type, facts.ns)},                                                                                    \
        {"velero-version",                                                                                             \
         0,                                                                                                            \
         OPTION_TEXT,                                                                                                  \
         "VERSION",                                                                                                    \
         "apply the rules of this Velero release, such as 1.18.3 (read from its Deployment)",                          \
         offsetof(type, facts.velero_version)},                                                                        \
    {                                                                                                                  \
        "timeout", 0, OPTION_DURATION, "DURATION", "how long to wait for the cluster (30s)",                           \
            offsetof(type, facts.timeout)                                                                              \
    }
/* For the command's row: it takes the connection's options, too. */
#define FACTS_CONNECTION(type) .asks_cluster = true, .connection = offsetof(type, facts.connection)
#define FACTS_DETAILS                                                                                                  \
    "Reads the cluster that kubectl would use, or the files of --inventory, which hold what\n"                         \
    "`kubectl get -o yaml` prints. Never writes to the cluster."

/* The facts of one moment. */
struct facts {
    struct snapshot_source *source;
    const struct inventory *inventory; /* held */
    bool cluster;
    struct str from;              /* "https://10.0.0.1:443", or the paths of files */
    struct strlist problems;      /* what could not be read, a line each; told by facts_open on standard error */
    struct arena *arena, *moment; /* moment: of the problems */
};

/* Waits for a cluster's lists. False, with the reason told, when decisions could not
 * rest on what was read. Whatever it returns, facts_dispose it. */
bool facts_open(struct facts *facts, const struct command *command, const struct facts_options *options,
                const struct settings *settings, int64_t now);
/* The facts as of now: what the cluster's watches have brought, or the files read again.
 * Where nothing newer can be had the older stay, and `problems` say why; nobody is told. */
void facts_refresh(struct facts *facts, const struct facts_options *options, const struct settings *settings,
                   int64_t now);
void facts_dispose(struct facts *facts);
/* The settings of --settings FILE, or the defaults, with the namespace of -n and the
 * version of --velero-version (`options` may be NULL); NULL, with the reason told. */
struct settings *command_settings(const struct command *command, const char *path, const struct facts_options *options);
void command_settings_release(struct settings **settings);

/* What a restore would miss, read by a command with the rights of whoever runs it. */

/* Reads what status_complete needs, of the files or the cluster that `facts` are of: of Secrets and ConfigMaps only the
 * metadata, and of each kind a bounded number. What cannot be read is unknown, with the reason. Everything lives in the
 * arena. False when out of memory. */
bool completeness_read(struct arena *arena, const struct facts_options *options, const struct facts *facts,
                       const struct settings *settings, struct status_completeness *found) MUST_CHECK;

#endif
