/* json: documents in and out. A validating scanner that indexes only the top of
 * a text and skips the rest, json-c trees for the parts that are read, YAML as
 * kubectl reads it, and writing. Knows nothing of Kubernetes. */
#ifndef BACKSTOP_JSON_H
#define BACKSTOP_JSON_H

#include <json-c/json.h>

#include "backstop/base.h"

/* ---- index: one pass over untrusted bytes -------------------------------- */

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* A value and where it stands in the text. Members of an object are linked
 * through `first` and `next` down to the depth asked for; deeper values (and
 * all array items) are checked for syntax but only kept as `raw`. */
struct json_node {
    struct str key; /* decoded */
    struct str raw; /* the value's own bytes, borrowed from the text */
    enum json_kind kind;
    const struct json_node *first, *next;
};

enum { JSON_DEPTH_LIMIT = 512 }; /* nesting; kube-apiserver itself stops near 10,000 */

/* Scans the whole text once: strict RFC 8259, valid UTF-8, no NUL, no duplicate
 * keys in indexed objects, nesting at most JSON_DEPTH_LIMIT. Members are indexed
 * down to `depth` levels (1 = the top object's members). On failure error->code
 * is 400 and error->position the byte offset. */
const struct json_node *json_index(struct arena *arena, struct str text, unsigned depth,
                                   struct error *error) MUST_CHECK;
/* A member of an object that was only checked, not indexed, found without keeping the others; of
 * two with that key the last, as in Go. False, and *member as it was, when there is none. */
bool json_find(struct arena *arena, const struct json_node *object, struct str key,
               struct json_node *member) MUST_CHECK;
/* NULL when node is NULL, no object, not indexed, or has no such member. */
const struct json_node *json_member(const struct json_node *node, struct str key);
/* The decoded text of a string node; absent for NULL and every other type.
 * Borrows from the source when nothing is escaped, else from the arena. */
struct str json_text(struct arena *arena, const struct json_node *node);
/* The literal true and nothing else: "true" is a text. */
bool json_is_true(const struct json_node *node);
/* The items of an array that was checked, one by one: `rest` is at first the array's raw text
 * behind its opening bracket. False at the end. */
bool json_next_item(struct str *rest, struct str *item);

/* Where a text that was not checked may be cut: one byte after the other, brackets within texts passed over. */
struct json_brackets {
    size_t depth;
    bool quoted, escaped;
};
/* False at a comma or a closing bracket that belongs to what the text stands in. */
bool json_brackets_take(struct json_brackets *brackets, char byte);
/* How many bytes of the text it takes, one after the other. */
size_t json_brackets_skip(struct json_brackets *brackets, struct str text);
/* Empties every object under this key, wherever it is, without looking into it: what is large and of which nothing
 * is read needs no tree. The text is as unchecked after it as before. */
void json_omit(struct buf *text, struct str key);

/* ---- trees: json-c for the parts that are read --------------------------- */

/* Builds the tree of one JSON value; it is freed with the arena. NULL and an
 * error (code 400, 413 or 500) when the text is not strict JSON; the value null is NULL
 * too and leaves the error as it was. Without memory the arena is marked failed. Of a repeated key the last value counts, as in
 * Go. Integers outside int64 and all other numbers are doubles that keep their text. */
struct json_object *json_build(struct arena *arena, struct str raw, struct error *error) MUST_CHECK;
/* The same tree, of which an array or object is read only when somebody asks for something in it: what nobody looks at
 * costs a scan of its text. For one thread. The text must outlive the arena's trees, and no part of this one may be held
 * beyond the arena. Where there is no memory to read more, it is empty and the arena is marked failed. */
struct json_object *json_open(struct arena *arena, struct str raw, struct error *error) MUST_CHECK;
/* Below this size a tree that is built takes less time than one that is opened, and little memory. */
enum { JSON_WORTH_OPENING = 16 * 1024 };
/* A copy that lives as long as another arena, opened: it takes little more than its text. NULL without memory, which marks
 * the arena failed. */
struct json_object *json_keep(struct arena *arena, struct json_object *tree) MUST_CHECK;
/* Whether a text that json_build accepts has a key twice in one object; true as well where that cannot be told without
 * reading it (a key with escapes, no memory). */
bool json_repeats_keys(struct str raw);
/* Lets the arena own a tree that was built by hand. Returns it; NULL, which stands for no
 * memory to build it, marks the arena failed. */
struct json_object *json_own(struct arena *arena, struct json_object *tree);
/* A copy that shares nothing; the caller's. NULL for NULL, and without memory. */
struct json_object *json_copy(struct json_object *tree) MUST_CHECK;
/* Changing a tree. json-c aborts the process when a container is of another type, which data from
 * outside decides; these give false, as for what could not be made (a NULL value): call no other
 * (hack/json-calls.sh). They take the value also then. */
bool json_put(struct json_object *object, const char *key, struct json_object *value);
/* Overwrites a text with zeros where it lies: json-c frees its memory without clearing it. */
void json_wipe_text(struct json_object *value);
/* Copies. False when out of memory; the object is as it was then. */
bool json_put_text(struct json_object *object, const char *key, struct str text);
/* A key whose value is null, which is not the same as no key to kubectl and jq. */
bool json_put_null(struct json_object *object, const char *key);
/* Another reference to a value that is held elsewhere, too; NULL stands for null. */
bool json_put_shared(struct json_object *object, const char *key, struct json_object *value);
bool json_put_map(struct json_object *object, const char *key, struct json_object **map); /* *map is borrowed */
void json_delete(struct json_object *object, const char *key);
/* Takes the value, also where it fails. False when out of memory. */
bool json_append(struct json_object *array, struct json_object *value);
bool json_append_null(struct json_object *array);
/* Before item i, or at the end when i is the length; NULL stands for null in these two. */
bool json_insert(struct json_object *array, size_t i, struct json_object *value);
bool json_replace(struct json_object *array, size_t i, struct json_object *value);
bool json_remove(struct json_object *array, size_t i);
/* A copy with its NULs; NULL when out of memory. */
struct json_object *json_new_text(struct str text);
/* Readers never fail: a missing member or another type gives NULL, absent or 0. */
struct json_object *json_get(struct json_object *object, const char *key);
bool json_has(struct json_object *object, const char *key); /* be it null, which json_get does not tell from nothing */
struct json_object *json_path(struct json_object *object, const char *dotted); /* "spec.objectStorage.bucket" */
struct str json_str(struct json_object *value);                                /* borrowed from the tree */
struct str json_get_str(struct json_object *object, const char *key);
/* The text at "spec.objectStorage.bucket", borrowed; absent when something else is there, as for every reader
 * below. */
struct str json_path_str(struct json_object *object, const char *dotted);
/* The literal true. False for "true" and 1, which the CRD's schema does not let pass either. */
bool json_get_bool(struct json_object *object, const char *key);
size_t json_len(struct json_object *array); /* 0 for what is no array */
struct json_object *json_item(struct json_object *array, size_t i);
/* Whether the list has this text; false for what is no list. */
bool json_list_has(struct json_object *list, struct str text);
size_t json_member_count(struct json_object *object); /* 0 for what is no object */
/* Each member in its order; none for what is no object. The one at hand may be deleted meanwhile. */
#define json_foreach(object, key, value)                                                                               \
    const char *key = NULL;                                                                                            \
    struct json_object *value = NULL; /* NOLINT(bugprone-macro-parentheses): a name that is declared */                \
    for (struct lh_entry *next_##key = json_first_member(object); json_next_member(&next_##key, &(key), &(value));)
struct lh_entry *json_first_member(struct json_object *object);
bool json_next_member(struct lh_entry **next, const char **key, struct json_object **value);
/* Each member, or each item (the key is NULL then), of what was opened, without keeping it read: a value is gone when the
 * next one comes. None for other values. */
struct json_members {
    struct json_object *container;
    struct lh_entry *entry;
    size_t index;
    struct json_walk *walk; /* NULL: it was read already */
};
#define json_walk_each(container, key, value)                                                                          \
    const char *key = NULL;                                                                                            \
    struct json_object *value = NULL; /* NOLINT(bugprone-macro-parentheses): a name that is declared */                \
    for (CLEANUP(json_walk_end) struct json_members members_##key = json_walk(container);                              \
         json_walk_next(&members_##key, &(key), &(value));)
struct json_members json_walk(struct json_object *container);
bool json_walk_next(struct json_members *members, const char **key, struct json_object **value);
void json_walk_end(struct json_members *members);
/* Whether two values are the same: numbers by their value, members in any order. */
bool json_equal(struct json_object *a, struct json_object *b);
/* A member whose name may hold dots or NULs, as labels do. */
struct json_object *json_get_named(struct json_object *object, struct str name);
/* A value by a path that users write: names joined by ".", where [NAME] may stand for
 * a name that holds dots, and [KEY=VALUE] picks the list's first item whose member KEY
 * has that value: status.conditions[type=Complete].status. NULL for what is not there. */
struct json_object *json_select(struct json_object *object, struct str path);
/* Whether json_select understands this path; asked of settings, so that no review finds out. */
bool json_select_valid(struct str path);
/* A text, number or boolean as text; absent for everything else. Borrowed from the tree. */
struct str json_scalar(struct json_object *value);

/* ---- writing ------------------------------------------------------------- */

void json_write_str(struct buf *buf, struct str text);           /* quoted and escaped; invalid UTF-8 becomes U+FFFD */
void json_write_tree(struct buf *buf, struct json_object *tree); /* compact, keys in their own order */
void yaml_write(struct buf *buf, struct json_object *tree);      /* block style, as kubectl -o yaml prints */

/* ---- YAML ---------------------------------------------------------------- */

/* One document, as sigs.k8s.io/yaml turns YAML (or JSON, which is YAML) into
 * JSON: YAML 1.1 booleans (yes, on, ...), all scalar styles, anchors, merge keys.
 * Lines are 1-based. */
struct yaml_document {
    struct json_object *tree; /* owned by the arena; NULL for an empty document */
    unsigned line;            /* where the document's first content stands */
    struct yaml_node *lines;  /* for yaml_line */
    const struct yaml_repeat *repeats;
    struct yaml_document *next;
};
/* A key that a mapping has twice, of which the last counts. */
struct yaml_repeat {
    struct str field; /* "spec.schedule" */
    unsigned line, first_line;
    const struct yaml_repeat *next;
};
struct yaml_options {
    bool reject_duplicates; /* else the last one wins */
    size_t node_limit;      /* nodes after alias expansion; 0 = 1,000,000 */
    unsigned lines_before;  /* the text's first line is this one's next: lines count from the file's top */
    unsigned depth_limit;   /* 0 = 100 */
};
/* All documents of a text, in order. On failure error->position is the line.
 * A failing document fails the whole text. */
bool yaml_load(struct arena *arena, struct str text, const struct yaml_options *options,
               struct yaml_document **documents, struct error *error) MUST_CHECK;
/* Where a document that was written as JSON stands. */
struct yaml_outline {
    unsigned line, first_line; /* of its first content, and of what the root holds first; from 1 */
};
/* Appends one document as JSON, as yaml_load's tree would be written, but for keys that are there twice: both are written.
 * False, with something or nothing appended, for whatever is no single plain document (a mapping or a list without aliases,
 * merge keys, mistakes): yaml_load has the answer then. */
bool yaml_write_as_json(struct buf *json, struct str text, const struct yaml_options *options,
                        struct yaml_outline *outline) MUST_CHECK;
/* Cuts a text into its documents without reading them: a line of "---" begins one, and comments and
 * directives above it are part of it. `rest` is the whole text at first, `line` 1. A byte order mark
 * after the "---", which libyaml refuses, is left out, and so is then that line. False at the end. */
struct yaml_split {
    struct str rest;
    unsigned line; /* of rest's first line */
};
/* False after the last. `line` is where it begins, from 1; `document` is borrowed from the text. */
bool yaml_next_document(struct yaml_split *split, struct str *document, unsigned *line);
struct str yaml_text_line(struct str text, size_t from); /* the line from there, with its newline */
bool yaml_is_marker(struct str line);                    /* "---" */
bool yaml_is_prologue(struct str line);                  /* what may stand before a document's "---" */
/* The line of the value at a field path ("spec.schedule", "spec.hooks.resources[0].name",
 * "metadata.labels[a.b/c]"), or of its nearest parent that the document has. A list or
 * a mapping has its key's line. */
unsigned yaml_line(const struct yaml_document *document, struct str field);
/* The same for a text of one document, JSON or YAML, that was not read into nodes: some 16 bytes of the arena for each
 * value. NULL for what is not plain (see yaml_write_as_json). */
struct yaml_lines;
const struct yaml_lines *yaml_read_lines(struct arena *arena, struct str text, unsigned lines_before);
unsigned yaml_lines_find(const struct yaml_lines *lines, struct str field);

#endif
