/* What the files of the review command share. */
#ifndef BACKSTOP_COMMANDS_REVIEW_REVIEW_H
#define BACKSTOP_COMMANDS_REVIEW_REVIEW_H

#include "backstop/admission.h"
#include "backstop/schema.h"
#include "commands/facts_open.h"
#include "commands/manifest/manifest.h"

/* ---- what comes of it --------------------------------------- */

struct review_context {
    const struct inventory *inventory;
    const struct settings *settings;
    const struct manifests *old; /* the objects before an update, or NULL; set by review_old_open */
    const struct review_old_row *old_rows;
    bool *old_used;           /* which of them found their document */
    struct json_object *live; /* the document's object in the cluster, where `old` has none; or NULL */
    /* What a rule asks to have read anew, as the webhook does; NULL: `inventory` is fresh
     * enough. The snapshot is borrowed until the next call; NULL denies with the error. */
    const struct inventory *(*read)(void *reader, const struct facts_wanted *wanted, struct error *error);
    void *reader;
    struct review_schemas *schemas; /* what manifests are held against; NULL: their form is not checked */
    const char *user;
    enum operation operation; /* of documents without an old object; 0 = CREATE */
    bool dry_run;
    int64_t now;
};
struct review_result {
    struct manifest *manifest;
    struct request request;
    struct decision decision;            /* of all rules together */
    unsigned line;                       /* what a denial without causes points at */
    bool offline;                        /* nothing is known of any object: said once, at the end */
    size_t bytes;                        /* of the object as the API server gets it; 0 for a recorded review */
    bool reviewed;                       /* some rule names the kind and operation */
    struct json_object *before, *object; /* as sent, and after the patch; NULL on DELETE */
};
/* Sends a manifest past all its rules, mutating first, each seeing what the one
 * before it made; the first denial ends it. False when out of memory. */
bool review_run(const struct review_context *context, struct arena *arena, struct manifest *manifest,
                struct review_result *result);

/* ---- what a document is reviewed against ------------------------- */

/* Takes the objects before an update, which must outlive the context; its settings are set.
 * False when out of memory. */
bool review_old_open(struct review_context *context, struct arena *arena, const struct manifests *old);
/* The document's object in `old`, which counts as used; NULL: there is none. The document
 * gets its namespace first. */
struct json_object *review_old(const struct review_context *context, struct json_object *tree);
/* The first rule for objects of this kind, whatever is asked; or NULL. */
const struct rule *review_rule(struct str group, struct str kind);
bool review_is_namespaced(struct str group, struct str kind); /* of the kinds that rules name, and their like */

/* ---- what the API server says before any webhook ------------ */

struct review_schemas {
    struct schema_set set;
    struct kube_client *client; /* asked for the CRD of each kind, once; NULL: no cluster */
    struct strlist asked;
};
/* CRDs in these files and folders, which are read for them. */
void review_schemas_scan(struct review_schemas *schemas, const struct option_list *paths);
/* Adds to the result what the API server or kubectl would refuse the manifest for. A denial of
 * the policies that says the same field better stands alone. */
void review_schema_judge(const struct review_context *context, struct arena *arena, struct review_result *result);

/* ---- the object that is there already -------------------- */

/* The object of this document as the cluster has it, in the arena; *live is NULL when there
 * is none, no rule names its kind, or it has no name yet. False when it cannot be read. */
bool review_live(struct kube_client *client, struct arena *arena, struct json_object *tree, struct json_object **live,
                 struct error *error) MUST_CHECK;
/* Gives the document what only the server sets, where it says nothing of it itself: the
 * status and metadata such as uid and creationTimestamp. `live` may be NULL. */
void review_keep_live(struct json_object *tree, struct json_object *live);

/* The Managements of the inventory's files, whole, read once one is asked for: an upgrade in a
 * repository is an update of these. */
struct review_managements {
    struct arena *arena; /* keeps them */
    const struct option_list *paths;
    struct manifests kept;
    bool read;
};
/* The one with this document's name, borrowed; NULL when the inventory has none. */
struct json_object *review_inventory_management(struct review_managements *managements, struct json_object *tree);

/* ---- what is known, growing as documents are allowed ------- */

struct review_facts;
/* Objects that name no namespace are in system_namespace. Without paths nothing is known. NULL when a path cannot be read; that was reported. */
struct review_facts *review_facts_files(const struct option_list *paths, struct str system_namespace,
                                        manifest_problem_fn *problem, void *context);
/* What a cluster holds; only ever read. NULL, with the reason told, when it cannot be. */
struct review_facts *review_facts_cluster(const struct command *command, const struct facts_options *options,
                                          const struct settings *settings, int64_t now);
bool review_facts_none(const struct review_facts *facts); /* there are neither files nor a cluster */
/* Borrowed until the next call; NULL when out of memory. */
const struct inventory *review_facts_get(struct review_facts *facts, int64_t now);
const struct inventory *review_facts_read(void *facts, const struct facts_wanted *wanted,
                                          struct error *error); /* of review_context */
/* Counts an allowed object as being there from now on, and what the webhook
 * creates for it even when it denies: a "not yet" starts the backup it waits for.
 * False when out of memory. */
bool review_facts_add(struct review_facts *facts, const struct review_result *result) MUST_CHECK;
void review_facts_close(struct review_facts **facts);

/* ---- printing ------------------------------------------------------------- */

struct review_summary {
    const char *suite;                                 /* JUnit's name for it; NULL: backstop review */
    size_t allowed, denied, waits, passed, unreadable; /* waits: denied for now; passed: no rule names them */
    bool missing[FACT_COUNT];                          /* facts that checks lacked */
    size_t others, templates, irregular;               /* files of folders that hold no manifests */
    struct strlist kustomized;                         /* see struct manifest_files */
    const char *kustomize_sets;
};
void review_print_json(struct arena *arena, const struct review_result *result, struct buf *out);
void review_print_yaml(struct arena *arena, const struct review_result *result, struct buf *out);
void review_print_text(struct arena *arena, const struct review_result *result, bool colour, struct buf *out);
void review_print_summary(const struct review_summary *summary, struct buf *out);
/* What folders held besides manifests, a line each. */
void review_print_passed_over(const struct review_summary *summary, struct buf *out);
/* The folders that were not reviewed as kustomize builds them, in one line; nothing where there are none. */
void review_print_kustomized(struct arena *arena, const struct review_summary *summary, struct buf *out);
/* Text and an attribute in XML and HTML: what they cannot hold is shown as an escape. */
void xml_write_text(struct buf *out, struct str text);
void xml_write_attribute(struct buf *out, const char *name, struct str value);
/* One <testcase> each; review_junit_document wraps them all. */
void review_print_junit(struct arena *arena, const struct review_result *result, struct buf *out);
/* `source`: NULL where the problem is of no file. */
void review_print_junit_problem(const char *source, struct str problem, struct buf *out);
/* Results as they come; review_sarif_document wraps them all. */
void review_print_sarif(struct arena *arena, const struct review_result *result, struct buf *out);
void review_print_sarif_problem(const char *source, int64_t line, const char *reason, struct buf *out);
void review_sarif_document(struct str results, struct buf *out);
void review_junit_document(const struct review_summary *summary, struct str cases, struct buf *out);
/* The lines that differ, with three lines around them; nothing when none does. */
void review_diff(struct str before, struct str after, const char *indent, bool colour, struct buf *out);

#endif
