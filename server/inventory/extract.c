/* The rows of facts.def, as struct fact_kind.
 *
 * An object becomes a record: its fact, the struct that policies read, and the texts of that, in
 * one block of memory. It is measured first and filled then, by the same extractor, so that a
 * cache of ten thousand Backups has ten thousand blocks of exactly their size. Fields that no
 * policy reads are not kept at all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/inventory.h"

#define FACT_SCOPE_NAMESPACED .resource.namespaced = true
#define FACT_SCOPE_CLUSTER_SCOPED .resource.namespaced = false
#define FACT_SCOPE_SINGLETON .resource.namespaced = false
#define RESOURCE(name_text, api_version_text, group_text, version_text, plural_text, kind_text)                        \
    .name = (name_text), .api_version = (api_version_text), .resource.group = STR_INIT(group_text),                    \
    .resource.version = STR_INIT(version_text), .resource.plural = STR_INIT(plural_text),                              \
    .resource.kind = STR_INIT(kind_text)
#define REPORTED_AS(name, group, version, plural, kind) RESOURCE(name, group "/" version, group, version, plural, kind)
#define API(group, version, plural, kind) REPORTED_AS(plural "." group, group, version, plural, kind)
#define CORE_API(version, plural, kind) RESOURCE(plural, version, "", version, plural, kind)
#define TEXTS(...)                                                                                                     \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }
#define SERVED_AS(...) .versions = TEXTS(__VA_ARGS__)
#define NAMED(...) .names = TEXTS(__VA_ARGS__)
#define RIGHTS(verbs_text, why_text) .verbs = (verbs_text), .why = (why_text)

const struct fact_kind fact_kinds[FACT_COUNT] = {
#define FACT(id, list, type, scope, ...)                                                                               \
    [FACT_##id] = {.size = sizeof(struct type), .extract = extract_##type, FACT_SCOPE_##scope, __VA_ARGS__},
#include "backstop/api.h"
#include "backstop/facts.def"
#undef FACT
};

#define FACT(id, list, type, ...) _Static_assert(offsetof(struct type, meta) == 0, "record_meta");
#include "backstop/facts.def"
#undef FACT

const struct fact_kind *fact_kind_find(struct str api_version, struct str kind, struct json_object *object)
{
    struct str group = api_version_group(api_version, NULL);
    for (size_t f = 0; f < FACT_COUNT; f++)
        if (str_eq(kind, fact_kinds[f].resource.kind) && str_eq(group, fact_kinds[f].resource.group) &&
            (!object || !fact_kinds[f].wanted || fact_kinds[f].wanted(object)))
            return &fact_kinds[f];
    return NULL;
}

enum { SCRATCH_LIMIT = 64 << 20 };

/* Labels and annotations nobody reads (kubectl's last-applied copy, tracking
 * labels of GitOps tools) would be most of the memory. */
static bool is_ours(struct str key)
{
    static const struct str domains[] = {STR_INIT(GROUP_K0RDENT), STR_INIT("kots.io"), STR_INIT("replicated.com")};
    struct str domain, rest = key;
    str_cut(&rest, '/', &domain);
    for (size_t i = 0; rest.ptr && i < LENGTH_OF(domains); i++)
        if (str_eq(domain, domains[i]) || (str_ends(domain, domains[i]) && domain.len > domains[i].len &&
                                           domain.ptr[domain.len - domains[i].len - 1] == '.'))
            return true;
    return false;
}

static bool is_kept_annotation(struct str key)
{
    return is_ours(key) || str_is(key, ANNOTATION_KUBERNETES_VERSION);
}

/* Besides k0rdent's own: those by which its management backups select objects, and Velero's. */
static bool is_kept_label(struct str key)
{
    return is_ours(key) || str_starts(key, STR("velero.io/")) || str_is(key, LABEL_CLUSTER_NAME) ||
           str_is(key, LABEL_HELM_NAME) || str_is(key, LABEL_PROVIDER);
}

uint64_t hash_name(struct str ns, struct str name)
{
    uint64_t hash = hash_text(hash_text(HASH_BASIS, ns), name);
    hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15U;
    return hash ^ (hash >> 29);
}

/* An object of a file that names no namespace is taken for one of the system namespace. */
static void extract_meta(struct store *store, struct object_meta *meta, struct json_object *metadata,
                         const struct fact_kind *kind)
{
    struct str ns = json_get_str(metadata, "namespace");
    if (kind->resource.namespaced)
        meta->ns = store_text(store, ns.len ? ns : store->default_ns);
    meta->name = store_text(store, json_get_str(metadata, "name"));
    meta->created = object_time(metadata, "creationTimestamp");
    meta->deleting = json_get_str(metadata, "deletionTimestamp").len > 0;
    meta->labels = store_map(store, json_get(metadata, "labels"), is_kept_label);
    meta->annotations = store_map(store, json_get(metadata, "annotations"), is_kept_annotation);
}

static void destroy_record(struct shared *shared)
{
    struct record *record = (struct record *)shared;
    for (size_t i = 0; i < RECORD_TREES; i++)
        if (record->trees[i])
            shared_release(&record->trees[i]->shared);
    free(record);
}

static void store_fill(struct store *store, const struct fact_kind *kind, struct json_object *object)
{
    void *fact = store_alloc(store, kind->size);
    if (!fact)
        return;
    extract_meta(store, fact, json_get(object, "metadata"), kind);
    kind->extract(store, fact, object);
}

/* The first pass runs without a record: store_alloc gives scratch memory and adds up sizes. The
 * second must ask for the same sizes in the same order. */
static struct record *make_record(const struct extractor *extractor, const struct fact_kind *kind,
                                  struct json_object *object)
{
    ARENA_SCOPED scratch = arena_new(SCRATCH_LIMIT);
    if (!scratch)
        return NULL;
    struct store store = {.scratch = scratch,
                          .pool = extractor->pool,
                          .default_ns = extractor->default_ns,
                          .from_server = extractor->from_server};
    store_fill(&store, kind, object);
    struct record *record = arena_failed(scratch) ? NULL : calloc(1, sizeof *record + store.used);
    if (!record)
        return NULL;
    shared_init(&record->shared, destroy_record);
    record->fact = (enum fact)(kind - fact_kinds);
    store.record = record;
    store.memory = record->bytes;
    store.used = 0;
    store_fill(&store, kind, object);
    if (store.failed || arena_failed(scratch)) {
        shared_release(&record->shared);
        return NULL;
    }
    const struct object_meta *meta = record_meta(record);
    record->hash = hash_name(meta->ns, meta->name);
    return record;
}

struct origin { /* what the object says, or the List it stands in */
    struct str api_version, kind, field;
};

static bool fail_at(struct error *error, const struct origin *origin, const char *member, const char *reason)
{
    error_set(error, 422, "%.*s%s%s: %s", STR_ARG(origin->field), origin->field.len ? "." : "", member, reason);
    struct buf field;
    buf_init(&field, sizeof error->field - 1);
    buf_printf(&field, "%.*s%s%s", STR_ARG(origin->field), origin->field.len ? "." : "", member);
    if (!field.failed) {
        for (size_t i = 0; i <= field.len; i++)
            error->field[i] = field.data[i];
    }
    buf_dispose(&field);
    return false;
}

/* client-go's Config has apiVersion and kind as an object has, so it would pass as one of a kind that is not kept. */
static bool is_kubeconfig(struct str api_version, struct str kind, struct json_object *object)
{
    return str_is(kind, "Config") && str_is(api_version, "v1") && json_get(object, "clusters") &&
           json_get(object, "contexts") && !json_get(object, "metadata");
}

static bool extract_one(const struct extractor *extractor, struct json_object *object, const struct origin *origin,
                        record_sink *sink, void *context, struct error *error)
{
    struct str own_version = json_get_str(object, "apiVersion"), own_kind = json_get_str(object, "kind");
    struct str api_version = own_version.len ? own_version : origin->api_version;
    struct str name = own_kind.len ? own_kind : origin->kind;
    if (!json_object_is_type(object, json_type_object) || !api_version.len || !name.len)
        return fail_at(error, origin, own_version.len || origin->api_version.len ? "kind" : "apiVersion",
                       "missing; a Kubernetes object has apiVersion, kind and metadata");
    if (extractor->named && is_kubeconfig(api_version, name, object))
        return fail_at(error, origin, "kind", "this is a kubeconfig, not objects: pass it with --kubeconfig");
    if (extractor->evidence) {
        struct evidence_searches *searches = extractor->evidence;
        for (size_t i = 0; i < searches->count; i++)
            if (evidence_wanted(searches->items[i].source, api_version_group(api_version, NULL), name, object) &&
                !evidence_look(&searches->items[i], object, error))
                return false;
        return true;
    }
    const struct fact_kind *kind = fact_kind_find(api_version, name, object);
    if (!kind)
        return true;
    if (!json_path_str(object, "metadata.name").len)
        return fail_at(error, origin, "metadata.name", "missing");
    struct record *record = make_record(extractor, kind, object);
    if (!record)
        return error_set(error, 500, "out of memory");
    return sink(context, record, error);
}

bool extract_object(const struct extractor *extractor, struct json_object *object, record_sink *sink, void *context,
                    struct error *error)
{
    struct origin origin = {0};
    struct str kind = json_get_str(object, "kind");
    struct json_object *items = json_get(object, "items");
    if (!str_ends(kind, STR("List")) || !json_object_is_type(items, json_type_array))
        return extract_one(extractor, object, &origin, sink, context, error);
    /* Items of "kind: List" say what they are; those of a ConfigMapList may not. */
    if (kind.len > strlen("List")) {
        origin.kind = str_slice(kind, 0, kind.len - strlen("List"));
        origin.api_version = json_get_str(object, "apiVersion");
        /* A list that says of what it is holds all of it: also where a fact takes only some of that kind, be it none. */
        struct str group = api_version_group(origin.api_version, NULL);
        for (size_t f = 0; f < FACT_COUNT && extractor->listed; f++)
            if (str_eq(origin.kind, fact_kinds[f].resource.kind) && str_eq(group, fact_kinds[f].resource.group))
                extractor->listed[f] = true;
    }
    size_t count = json_len(items);
    for (size_t i = 0; i < count; i++) {
        char field[32];
        origin.field = (struct str){field, (size_t)snprintf(field, sizeof field, "items[%zu]", i)};
        if (!extract_one(extractor, json_item(items, i), &origin, sink, context, error))
            return false;
    }
    return true;
}
