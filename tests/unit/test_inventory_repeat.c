/* A Backup's text that repeats what is known: taken without a parser, it must leave the record that a parser makes. And how
 * soon a snapshot follows the last one, while such texts never end. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "inventory/cluster/cluster.h"
#include "suite.h"

/* As kube-apiserver 1.36 serves one that Velero works on. */
#define META                                                                                                           \
    "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Backup\",\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/"     \
    "last-applied-configuration\":\"{\\\"itemsBackedUp\\\":7,\\\"time\\\":\\\"2026-01-01T00:00:00Z\\\"}\","            \
    "\"velero.io/source-cluster-k8s-gitversion\":\"v1.36.3\"},\"creationTimestamp\":\"2026-11-29T21:44:03Z\","         \
    "\"generation\":42,\"labels\":{\"k0rdent.mirantis.com/management-backup\":\"daily\","                              \
    "\"velero.io/schedule-name\":\"daily\"},\"managedFields\":[{\"apiVersion\":\"velero.io/v1\",\"fieldsType\":"       \
    "\"FieldsV1\",\"fieldsV1\":{\"f:spec\":{\".\":{},\"f:ttl\":{}}},\"manager\":\"manager\",\"operation\":\"Update\"," \
    "\"time\":\"2026-11-29T21:44:03Z\"},{\"apiVersion\":\"velero.io/v1\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":"    \
    "{\"f:status\":{\"f:phase\":{},\"f:progress\":{\"f:itemsBackedUp\":{}}}},\"manager\":\"someone-else\","            \
    "\"operation\":\"Update\",\"time\":\"2026-11-29T21:44:04Z\"}],\"name\":\"b-1\",\"namespace\":\"kcm-system\","      \
    "\"resourceVersion\":\"266\",\"uid\":\"72fa11b3\"},"
#define SPEC                                                                                                           \
    "\"spec\":{\"excludedNamespaces\":[\"a\",\"b\"],\"includedNamespaces\":[\"c\"],\"orLabelSelectors\":[{"            \
    "\"matchLabels\":{\"cluster.x-k8s.io/provider\":\"infrastructure-azure\"}}],\"snapshotMoveData\":true,"            \
    "\"storageLocation\":\"offsite\"},"
#define STATUS                                                                                                         \
    "\"status\":{\"errors\":1,\"expiration\":\"2026-12-31T00:00:00Z\",\"failureReason\":\"none yet\",\"phase\":"       \
    "\"Odd\",\"progress\":{\"itemsBackedUp\":980,\"totalItems\":2000},\"startTimestamp\":\"2026-11-29T00:00:00Z\","    \
    "\"validationErrors\":[\"x\",\"yy\"],\"warnings\":2}}"
#define BACKUP META SPEC STATUS

static struct cluster *world_open(void)
{
    struct cluster *cluster = calloc(1, sizeof *cluster);
    CU_ASSERT_FATAL(cluster && (cluster->pool = tree_pool_new()) && repeat_start(cluster));
    cluster->ns = STR("kcm-system");
    cluster->feed_count = 1;
    cluster->feeds[0] = (struct feed){.cluster = cluster, .fact = FACT_BACKUPS, .known = true};
    pthread_mutex_init(&cluster->lock, NULL);
    cond_init(&cluster->wake);
    shared_slot_init(&cluster->current);
    return cluster;
}

static void world_close(struct cluster *cluster)
{
    shared_slot_dispose(&cluster->current);
    table_clear(&cluster->feeds[0].records);
    tree_pool_free(cluster->pool);
    pthread_cond_destroy(&cluster->wake);
    pthread_mutex_destroy(&cluster->lock);
    free(cluster);
}

static bool record_take(void *context, struct record *record, struct error *error)
{
    (void)error;
    *(struct record **)context = record;
    return true;
}

/* NULL for what is no object with a name. */
static struct record *world_parse(struct cluster *cluster, struct str text)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct error error = {.code = 0};
    struct record *record = NULL;
    struct json_object *object = json_build(arena, text, &error);
    return object && cluster_extract(cluster, FACT_BACKUPS, object, record_take, &record, &error) ? record : NULL;
}

/* As the informer: by the digest where it can, else parsed. */
static bool world_follow(struct cluster *cluster, struct str text)
{
    struct feed *feed = &cluster->feeds[0];
    struct str version;
    if (repeat_object(feed, text, &version))
        return true;
    struct record *record = world_parse(cluster, text);
    if (record) {
        record->digest = feed->digest;
        CU_ASSERT_FATAL(table_put(&feed->records, record));
    }
    return false;
}

static bool list_same(const struct strlist *a, const struct strlist *b)
{
    bool same = a->len == b->len;
    for (size_t i = 0; same && i < a->len; i++)
        same = str_eq(a->items[i], b->items[i]);
    return same;
}

/* Everything that struct backup has: whoever adds a field adds it here. */
static bool backup_same(const struct backup *a, const struct backup *b)
{
    const struct backup_status *s = &a->status, *t = &b->status;
    return str_eq(a->meta.ns, b->meta.ns) && str_eq(a->meta.name, b->meta.name) && a->meta.created == b->meta.created &&
           a->meta.deleting == b->meta.deleting && a->meta.labels == b->meta.labels &&
           a->meta.annotations == b->meta.annotations && str_eq(a->storage_location, b->storage_location) &&
           str_eq(a->schedule, b->schedule) && str_eq(a->region, b->region) && a->identity.kind == b->identity.kind &&
           a->identity.marks == b->identity.marks && list_same(&a->included_namespaces, &b->included_namespaces) &&
           list_same(&a->excluded_namespaces, &b->excluded_namespaces) && list_same(&a->providers, &b->providers) &&
           a->node_agent == b->node_agent && str_eq(s->phase, t->phase) &&
           str_eq(s->failure_reason, t->failure_reason) && list_same(&s->validation_errors, &t->validation_errors) &&
           s->started == t->started && s->completed == t->completed && s->expires == t->expires &&
           s->items_done == t->items_done && s->items_total == t->items_total && s->errors == t->errors &&
           s->warnings == t->warnings && s->counted == t->counted &&
           str_eq(str_from(a->status_managers), str_from(b->status_managers));
}

/* After `text` the record is what a parser makes of it. True when the digest was enough. */
static bool follows(struct cluster *cluster, struct str text)
{
    bool repeated = world_follow(cluster, text);
    struct record *right = world_parse(cluster, text);
    const struct record *kept =
        right ? table_find(&cluster->feeds[0].records, record_meta(right)->ns, record_meta(right)->name) : NULL;
    bool same = kept ? backup_same((const void *)kept->bytes, (const void *)right->bytes) : !right && !repeated;
    if (!same)
        fprintf(stderr, "\n    %s otherwise than parsed: %.*s\n", repeated ? "repeated" : "kept", STR_ARG(text));
    CU_ASSERT(same);
    if (right)
        shared_release(&right->shared);
    return repeated;
}

static struct str replaced(struct arena *arena, struct str text, const char *what, const char *by)
{
    const char *at = memmem(text.ptr, text.len, what, strlen(what));
    CU_ASSERT_FATAL(at != NULL);
    size_t head = (size_t)(at - text.ptr);
    return arena_printf(arena, "%.*s%s%.*s", (int)head, text.ptr, by,
                        STR_ARG(str_slice(text, head + strlen(what), text.len)));
}

static void test_repeats(void)
{
    static const struct {
        const char *what, *by;
        bool repeated;
    } cases[] = {
        {"\"resourceVersion\":\"266\"", "\"resourceVersion\":\"1234567\"", true},
        {"\"generation\":42", "\"generation\":43", true},
        {"21:44:04Z", "22:00:00Z", true},
        {"\"itemsBackedUp\":980", "\"itemsBackedUp\":1981", true},
        {"\"itemsBackedUp\":980", "\"itemsBackedUp\":0", true},
        {"\"itemsBackedUp\":980", "\"itemsBackedUp\":-1", false},
        {"\"itemsBackedUp\":980", "\"itemsBackedUp\":98.5", false},
        {"\"itemsBackedUp\":980", "\"itemsBackedUp\":098", false},
        {"\"itemsBackedUp\":980", "\"itemsBackedUp\":9999999999999999999999", false},
        {"\"itemsBackedUp\":980,", "", false},
        {"\"totalItems\":2000", "\"totalItems\":2001", false},
        {"2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", false}, /* an annotation's */
        {"{\\\"itemsBackedUp\\\":7", "{\\\"itemsBackedUp\\\":8", false},
        {"\"manager\":\"someone-else\"", "\"manager\":\"velero-server\"", false},
        {"21:44:03Z\",\"gen", "21:44:05Z\",\"gen", false}, /* creationTimestamp */
        {"\"creationTimestamp\"", "\"deletionTimestamp\":\"2026-11-30T00:00:00Z\",\"creationTimestamp\"", false},
        {"\"phase\":\"Odd\"", "\"phase\":\"Completed\"", false},
        {"\"storageLocation\":\"offsite\"", "\"storageLocation\":\"offside\"", false},
        {"\"uid\":\"72fa11b3\"", "\"uid\":\"72fa11b4\"", false},
        {"\"warnings\":2}}", "\"warnings\":2}", false},
        {"\"warnings\":2}}", "\"warnings\":2}}}", false},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        ARENA_SCOPED arena = arena_new(1 << 20);
        struct cluster *cluster = world_open();
        CU_ASSERT_FALSE(follows(cluster, STR(BACKUP)));
        CU_ASSERT_TRUE(follows(cluster, STR(BACKUP)));
        struct str changed = replaced(arena, STR(BACKUP), cases[i].what, cases[i].by);
        if (follows(cluster, changed) != cases[i].repeated) {
            fprintf(stderr, "\n    %s, then %s\n", cases[i].what, cases[i].by);
            CU_FAIL("repeated or not");
        }
        follows(cluster, STR(BACKUP)); /* and back */
        world_close(cluster);
    }
}

/* Snapshots go on counting: they have the record. Any other change is a record of its own. */
static void test_record_counts_on(void)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct cluster *cluster = world_open();
    struct feed *feed = &cluster->feeds[0];
    follows(cluster, STR(BACKUP));
    struct record_table before = {.size = 0};
    CU_ASSERT_FATAL(table_share(&before, &feed->records));
    const struct backup *old = (const void *)table_find(&before, STR("kcm-system"), STR("b-1"))->bytes;
    CU_ASSERT(follows(cluster, replaced(arena, STR(BACKUP), "Up\":980", "Up\":981")));
    CU_ASSERT_EQUAL(old->status.items_done, 981);
    CU_ASSERT_FALSE(follows(cluster, replaced(arena, STR(BACKUP), "\"warnings\":2", "\"warnings\":3")));
    CU_ASSERT_FALSE(follows(cluster, replaced(arena, STR(BACKUP), "Up\":980", "Up\":982")));
    CU_ASSERT_EQUAL(old->status.items_done, 981);
    CU_ASSERT_EQUAL(old->status.warnings, 2);
    table_remove(&feed->records, STR("kcm-system"), STR("b-1")); /* deleted: the next one is new */
    CU_ASSERT_FALSE(follows(cluster, STR(BACKUP)));
    CU_ASSERT(follows(cluster, replaced(arena, STR(BACKUP), "\":42", "\":43")));
    feed->round++; /* a list names it again, unchanged */
    feed->listing = true;
    CU_ASSERT(follows(cluster, STR(BACKUP)));
    table_keep_round(&feed->records, feed->round);
    CU_ASSERT_EQUAL(feed->records.len, 1);
    table_clear(&before);
    world_close(cluster);
}

/* Every byte changed to others, left out, and every end. */
static void test_every_byte(void)
{
    static const char others[] = {'"', '}', ',', '0', '9', 'x', '\\', '\n'};
    char text[sizeof BACKUP];
    const size_t length = sizeof BACKUP - 1;
    struct cluster *cluster = world_open();
    for (size_t i = 0; i < length; i++) {
        for (size_t n = 0; n < LENGTH_OF(others); n++) {
            memcpy(text, BACKUP, length);
            text[i] = others[n];
            follows(cluster, STR(BACKUP));
            follows(cluster, (struct str){text, length});
        }
        memmove(text + i, &BACKUP[i + 1], length - i - 1);
        follows(cluster, STR(BACKUP));
        follows(cluster, (struct str){text, length - 1});
        follows(cluster, (struct str){BACKUP, i});
    }
    world_close(cluster);
}

/* What looks like a member that the digest leaves out stands elsewhere, too: then there is no digest. */
static void test_misleading(void)
{
    static const char *const texts[][2] = {
        {"\"namespace\":\"kcm-system\",\"res", "\"namespace\":\"kcm-system\",\"x\":{\"resourceVersion\":\"1\"},\"res"},
        {"\"status\":{\"errors\":1", "\"status\":{\"a\":{\"itemsBackedUp\":1},\"errors\":1"},
        {"\"spec\":{", "\"spec\":{\"itemsBackedUp\":1,"},
        {"\"labels\":{", "\"labels\":{\"x\":[],\"name\":\"other\",\"namespace\":\"other\","},
        {"\"generation\":42,", "\"generation\":42,\"a\":[{\"b\":[],\"name\":\"b-1\",\"namespace\":\"kcm-system\"}],"},
    };
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        ARENA_SCOPED arena = arena_new(1 << 20);
        struct cluster *cluster = world_open();
        struct str text = replaced(arena, STR(BACKUP), texts[i][0], texts[i][1]);
        for (int n = 0; n < 3; n++) {
            follows(cluster, text);
            follows(cluster, replaced(arena, text, "Up\":980", n % 2 ? "Up\":981" : "Up\":982"));
        }
        world_close(cluster);
    }
}

static void compose_waits(void *context, const struct inventory *inventory)
{
    enum { WAITED_MS = 200 };
    (void)inventory;
    atomic_fetch_add((atomic_uint *)context, 1);
    time_sleep_ms(WAITED_MS);
}

/* On a busy machine a snapshot takes long, and costs no more than otherwise: all that changes until the next one is kept
 * twice. If a pause were some multiple of the time that passed, the fourth would come after 16 s. */
static void test_waiting_costs_nothing(void)
{
    enum { WANTED = 4, LIMIT_SECONDS = 12 };
    struct cluster *cluster = world_open();
    atomic_uint composed = 0;
    struct error error;
    cluster->composed = compose_waits;
    cluster->context = &composed;
    CU_ASSERT_FATAL(compose_start(cluster, &error));
    const int64_t until = time_monotonic_ns() + LIMIT_SECONDS * NS_PER_SECOND;
    while (atomic_load(&composed) < WANTED && time_monotonic_ns() < until) {
        pthread_mutex_lock(&cluster->lock);
        compose_soon(cluster);
        pthread_mutex_unlock(&cluster->lock);
        time_sleep_ms(10);
    }
    CU_ASSERT(atomic_load(&composed) >= WANTED);
    compose_stop(cluster);
    world_close(cluster);
}

SUITE(inventory_repeat, {"numbers that change by themselves need no parser, all else does", test_repeats},
      {"a snapshot's record counts on, and changes in nothing else", test_record_counts_on},
      {"every byte of a Backup changed or left out", test_every_byte},
      {"members of the same name elsewhere", test_misleading},
      {"a snapshot that waits for a CPU does not put off the next", test_waiting_costs_nothing})
