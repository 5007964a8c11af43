/* Private to the module inventory: how facts are stored, extracted and kept. */
#ifndef BACKSTOP_INVENTORY_INVENTORY_H
#define BACKSTOP_INVENTORY_INVENTORY_H

#include <stdalign.h>

#include "backstop/facts.h"

/* ---- pool: equal maps of labels and settings are kept once ---------------- */

/* json-c trees are large and not counted atomically, so a map of strings is built
 * once, never changed, and counted here. Ten thousand Backups of one schedule
 * share a single map of labels. */
struct pooled_tree {
    struct shared shared;
    struct json_object *tree;
    uint64_t hash;
    struct pooled_tree *next;
};
struct tree_pool;
/* Equal maps of labels are kept once, whatever number of objects has them. */
struct tree_pool *tree_pool_new(void) MUST_CHECK;
void tree_pool_free(struct tree_pool *pool);  /* NULL is fine; trees in use live on */
void tree_pool_sweep(struct tree_pool *pool); /* forgets what only the pool holds */

/* ---- record: one object's facts in one block of memory -------------------- */

enum { RECORD_TREES = 3 };

/* Immutable but for a Backup's items_done, and counted, so that one snapshot shares it with the next. */
struct record {
    struct shared shared;
    enum fact fact;
    unsigned round;  /* of the list that named it last: its informer's, who sets it before anybody else has it */
    uint64_t hash;   /* of namespace and name */
    uint64_t digest; /* of the text that it was read from (cluster/repeat.c); 0: none */
    struct pooled_tree *trees[RECORD_TREES];
    alignas(max_align_t) unsigned char bytes[]; /* the fact, then its texts */
};
/* Every fact begins with its metadata. */
static inline const struct object_meta *record_meta(const struct record *record)
{
    return (const struct object_meta *)(const void *)record->bytes;
}
/* Equal names give equal hashes in every table of the process. */
uint64_t hash_name(struct str ns, struct str name);

/* ---- the records of one kind, by namespace and name ---------------- */

/* The one table from informer and files to look-up: informers keep theirs, builders and snapshots share its records. */
struct record_table {
    struct record **slots; /* held; NULL where free */
    size_t size, len;
};
bool table_put(struct record_table *table,
               struct record *record); /* takes it, in the place of its name; false: no memory */
struct record *table_find(const struct record_table *table, struct str ns, struct str name); /* NULL: none */
bool table_share(struct record_table *table, const struct record_table *from) MUST_CHECK;    /* fills an empty one */
void table_remove(struct record_table *table, struct str ns, struct str name);
void table_keep_round(struct record_table *table, unsigned round); /* drops what that list did not name */
void table_clear(struct record_table *table);

/* Where an extractor puts what it copies. It runs twice: once to measure, over
 * scratch memory, and once to fill a block of exactly that size. */
struct store {
    struct arena *scratch;
    struct tree_pool *pool;
    struct record *record; /* NULL while measuring */
    unsigned char *memory;
    size_t used;
    unsigned tree_count;
    bool failed;
    struct strlist providers; /* of a Backup: what measuring found */
    struct str default_ns;    /* for a namespaced object that names none */
    bool from_server;         /* objects are as the API server has them, managedFields and all */
};
/* In the record, aligned; while measuring, scratch memory of the same size. NULL sets `failed`. */
void *store_alloc(struct store *store, size_t size);
/* Copied into the record; words that most objects repeat cost nothing. Absent stays absent, empty stays empty. */
struct str store_text(struct store *store, struct str text);
/* The strings of an object, kept where `keep` (NULL: all) says so; NULL when none is left. */
struct json_object *store_map(struct store *store, struct json_object *map, bool (*keep)(struct str key));
/* A copy of the list and of its texts. */
struct strlist store_texts(struct store *store, const struct strlist *list);
struct strlist store_strings(struct store *store, struct json_object *array,
                             const char *member); /* member of each item, or NULL */

/* ---- extraction ----------------------------------------------------------- */

/* extract_backup, ...: fills the fact, whose metadata is filled already. */
#define FACT(id, list, type, ...) void extract_##type(struct store *store, void *fact, struct json_object *object);
#include "backstop/facts.def"
#undef FACT
/* The kind of an object: the first that wants it; `object` NULL: of those of this API kind the first. NULL when none does. */
const struct fact_kind *fact_kind_find(struct str api_version, struct str kind, struct json_object *object);
/* On a ServerStatusRequest: the image of the Deployment that is asked. */
#define ANNOTATION_OF_IMAGE "backstop.k0rdent.mirantis.com/of-image"
/* By the label that kcm looks for, too: component=velero, in any namespace. */
bool is_velero_deployment(struct json_object *object);
bool is_node_agent(struct json_object *object);
bool is_kcm_deployment(struct json_object *object);
bool is_of_provider(struct json_object *object);
bool is_kube_system(struct json_object *object);
/* Velero's and k0rdent's: a cluster has hundreds of others, with large schemas. */
bool is_our_custom_resource(struct json_object *object);
/* Of a Velero Backup, and of the copy in a ManagementBackup's status.lastBackup. Velero's names, Unix seconds; 0 for
 * absent. */
void extract_backup_status(struct store *store, struct backup_status *status, struct json_object *object);

/* RFC 3339 at this path as Unix seconds; 0 when it is absent or cannot be read. */
int64_t object_time(struct json_object *object, const char *dotted);
/* Replicas and the condition Available, as kubectl rollout status reads them. */
struct deployment_state object_deployment_state(struct json_object *object);
int64_t object_count(struct json_object *object, const char *dotted); /* 0 for what is no number or negative */
/* What a BackupSpec's label selectors name: CAPI providers, sorted, and whether
 * they (or the labels) name anything of k0rdent. */
void selectors_providers(struct arena *scratch, struct json_object *backup_spec, struct strlist *providers);

/* ---- evidence of other engines: evidence.c --------------------------------- */

/* Gathers the newest objects of one entry of upgrade.evidence; zeroed but for the first two. */
struct evidence_search {
    const struct evidence_source *source;
    struct arena *arena;
    struct evidence_reading reading;
    size_t seen; /* objects looked at */
};
/* False, with the reason set, when there are too many objects to look at. */
bool evidence_look(struct evidence_search *search, struct json_object *object, struct error *error) MUST_CHECK;
/* Whether the object is one that the entry asks for: files hold others, and a list does not. */
bool evidence_wanted(const struct evidence_source *source, struct str group, struct str kind,
                     struct json_object *object);
/* ---- admitted deletions, as one line of text ---------------- */
/* Those that still count; what is no entry is passed over. False when out of memory. */
bool reservations_read(struct arena *arena, struct str text, int64_t now, struct evidence_reading *reading) MUST_CHECK;
/* The text with this one more; absent with code 429 when there are too many. */
struct str reservations_with(struct arena *arena, const struct evidence_reading *reading, struct str backup,
                             int64_t now, struct error *error);

struct evidence_searches {
    struct evidence_search *items;
    size_t count;
};

struct extractor {
    struct tree_pool *pool;
    struct str default_ns;
    bool named;                         /* the user named the file: what it cannot mean is an error */
    bool from_server;                   /* not from a file, where managedFields are often left out */
    struct evidence_searches *evidence; /* when set, objects are looked at for it and nothing is extracted */
    bool *listed; /* [FACT_COUNT], or NULL: set for the kinds of lists that name theirs (BackupList), empty ones too */
};
typedef bool record_sink(void *context, struct record *record, struct error *error); /* takes the record */
/* Hands each fact of one object, or of a List's items, to the sink. */
bool extract_object(const struct extractor *extractor, struct json_object *object, record_sink *sink, void *context,
                    struct error *error) MUST_CHECK;

/* ---- snapshots ------------------------------------------------------------ */

/* The snapshot will mostly be like this one (NULL: like none), whose order is then kept; held until it is finished. */
void builder_follow(struct inventory_builder *builder, const struct inventory *before);
/* They hold what they put, in the place of what has the same name; false when out of memory. */
bool builder_share(struct inventory_builder *builder, struct record *record) MUST_CHECK;
bool builder_share_table(struct inventory_builder *builder, enum fact fact,
                         const struct record_table *records) MUST_CHECK;
void builder_remove(struct inventory_builder *builder, enum fact fact, struct str ns, struct str name);
/* Whether there is a record of the same kind and name. */
bool builder_has(const struct inventory_builder *builder, const struct record *record);
/* The snapshot in a slot, held for the caller; NULL while there is none. */
const struct inventory *snapshot_current(struct shared_slot *slot);
/* Gives a snapshot that nobody else holds yet its own copy of what was read. */
bool snapshot_evidence(struct inventory *inventory, const struct evidence_reading *readings, size_t count) MUST_CHECK;
/* A snapshot of the same facts, held for the caller; NULL when out of memory. */
struct inventory *inventory_copy(const struct inventory *inventory) MUST_CHECK;

/* ---- order of a snapshot's arrays: order.c --------------------------------- */

int order_by_name(const struct object_meta *a, const struct object_meta *b); /* by namespace, then name */
/* Where it stands in a sorted array of facts, or would stand. */
size_t order_find(const void *const *facts, size_t count, const struct object_meta *meta);
/* The facts of a table, sorted, in the arena. Costs little where `before` (NULL: none) has most of the same records.
 * NULL when out of memory. */
const void **order_facts(struct arena *arena, const struct record_table *table, const struct inventory *before,
                         enum fact fact) MUST_CHECK;

struct inventory_index;
/* Of the sorted array of each kind. The records are taken over, and `records` left empty; NULL when out of memory. */
struct inventory_index *index_build(struct arena *arena, const struct inventory *inventory,
                                    struct record_table records[FACT_COUNT]) MUST_CHECK;
void index_clear(struct inventory_index *index); /* lets go of the records; NULL is fine */
const struct record_table *index_records(const struct inventory *inventory, enum fact fact); /* NULL: no index */
/* Counts one record more, whose fact stands in its array already, in the place of `gone` (NULL: of none). Takes it. */
bool index_put(struct arena *arena, const struct inventory *inventory, struct record *record,
               const void *gone) MUST_CHECK;

#endif
