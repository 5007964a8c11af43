/* Manifests and recorded AdmissionReviews: from texts, files, folders, URLs and kustomizations to
 * objects, one at a time, so that memory does not grow with their number. */
#ifndef BACKSTOP_COMMANDS_MANIFEST_MANIFEST_H
#define BACKSTOP_COMMANDS_MANIFEST_MANIFEST_H

#include "backstop/admission.h"
#include "backstop/cli.h"

/* One object of the input, or one recorded AdmissionReview. */
struct manifest {
    struct arena *arena;               /* of all of it; freed after the visit, unless it is kept */
    const char *source;                /* as the user named it */
    unsigned number, line;             /* 1-based within its source */
    struct json_object *tree;          /* NULL when a recorded review is no valid JSON */
    struct str review;                 /* the text of a recorded AdmissionReview, or absent */
    const struct yaml_document *lines; /* NULL: what is asked for is read from `text` */
    const struct yaml_lines *places;   /* of `text`, once a line was asked for */
    struct str text;                   /* of its document, behind so many lines of its source; absent: see `lines` */
    unsigned lines_before;
    struct str at; /* where in the document the object stands: "" or "items[3]." */
    bool repeats;  /* the text may have a key twice in one object */
    bool stored;   /* read from a server: it has what only one gives */
};
/* The document with its lines and repeated keys; of the arena where it had to be read again. NULL when
 * there is none. */
const struct yaml_document *manifest_nodes(struct arena *arena, const struct manifest *manifest);
/* The line of a field as a cause names it, or of its nearest parent. */
unsigned manifest_line(struct arena *arena, struct manifest *manifest, struct str field);

/* Gets one manifest after the other; false stops. */
typedef bool manifest_visit_fn(void *context, struct manifest *manifest);
/* A file, a document or an item that cannot be read: line -1 when none is known. */
typedef void manifest_problem_fn(void *context, const char *source, int64_t line, const char *reason);
/* As it is reported: "source:line: reason", as far as these are known. */
enum { MANIFEST_PROBLEM_LIMIT = 64 * 1024 };
void manifest_problem_write(const char *source, int64_t line, const char *reason, struct buf *out);
struct manifest_sink {
    manifest_visit_fn *visit;
    manifest_problem_fn *problem;
    void *context;
    struct arena *keep; /* owns what is read; NULL: each manifest is freed after its visit */
};

/* What a text held. */
struct manifest_found {
    size_t objects, lists, others, problems; /* others: documents without apiVersion or kind */
    unsigned other_line;                     /* of the first of these */
};
/* All objects of a text, YAML or JSON, the items of Lists one by one. What cannot be read is
 * reported and left out. False when the visitor stopped. */
bool manifests_read_text(const struct manifest_sink *sink, const char *source, struct str text,
                         struct manifest_found *found) MUST_CHECK;

struct manifest_files {
    struct manifest_sink sink;
    bool recursive;         /* folders with all below them */
    const char *containing; /* only files that hold this text are read on; NULL: all */
    bool quiet_others;      /* documents that are no Kubernetes objects are nothing to speak of */
    size_t files, objects, lists;
    size_t others;              /* files of folders that hold no Kubernetes object */
    size_t templates;           /* files of folders that are templates: {{ ... }} */
    size_t irregular;           /* entries of folders that are no files: pipes, sockets, devices */
    struct arena *notes;        /* owns what is noted of kustomizations; NULL: they are not looked at */
    struct strlist kustomized;  /* folders of which kustomize builds other objects than their files hold */
    const char *kustomize_sets; /* the field by which it does so in the first of them; static */
};
/* A file; a folder's *.yaml, *.yml and *.json in the order of their names, as kubectl reads it;
 * standard input ("-"); or a URL (http, https). False when the visitor stopped. */
bool manifests_read(struct manifest_files *files, const char *path) MUST_CHECK;
/* What `kubectl kustomize FOLDER` prints on standard output; its complaints go to ours. The text is the arena's. */
bool manifest_fetch_kustomization(struct arena *arena, const char *folder, size_t limit, struct str *text,
                                  struct error *error) MUST_CHECK;
/* The field of the folder's kustomization.yaml by which kustomize changes, or adds to, what the folder's files hold (static);
 * NULL where it has none, or cannot be read. The names of the file are those of kustomize's RecognizedKustomizationFileNames. */
const char *kustomization_changes(const char *folder);
/* What `kubectl kustomize FOLDER` prints. False when the visitor stopped. */
bool manifests_kustomize(struct manifest_files *files, const char *folder) MUST_CHECK;

/* All of a path, kept in the arena. False when something could not be read; that was reported. */
struct manifests {
    struct manifest *items;
    size_t len, cap;
};
bool manifests_append(struct arena *arena, struct manifests *manifests, const struct manifest *manifest) MUST_CHECK;
bool manifests_load(struct arena *arena, const char *path, struct manifests *manifests, manifest_problem_fn *problem,
                    void *context) MUST_CHECK;

#endif
