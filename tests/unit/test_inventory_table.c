/* Records by name, as events bring and remove them, beside a model that cannot be wrong. */
#include <stdio.h>
#include <stdlib.h>

#include "inventory/cluster/cluster.h"
#include "suite.h"

enum { NAMES = 200, STEPS = 20000, SCHEDULES = 7, SNAPSHOTS = 1000 };

struct model {
    bool there[NAMES];
    unsigned round[NAMES];
};

static bool give(void *context, struct record *record, struct error *error)
{
    (void)error;
    *(struct record **)context = record;
    return true;
}

static struct record *make(const struct extractor *extractor, unsigned number)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct error error;
    struct record *record = NULL;
    struct str text = arena_printf(
        arena,
        "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Backup\",\"metadata\":{\"name\":\"b-%u\","
        "\"namespace\":\"ns-%u\",\"labels\":{\"velero.io/schedule-name\":\"s-%u\"}},"
        "\"status\":{\"phase\":\"%s\",\"startTimestamp\":\"2026-11-%02uT00:00:00Z\"}}",
        number / 2, number % 2, number / 6 % SCHEDULES, number % 3 ? "Completed" : "Failed", number % 11 + 1);
    struct json_object *object = json_build(arena, text, &error);
    CU_ASSERT_FATAL(object && extract_object(extractor, object, give, &record, &error) && record);
    return record;
}

static struct str name_of(char *buffer, size_t size, unsigned number)
{
    return (struct str){buffer, (size_t)snprintf(buffer, size, "b-%u", number / 2)};
}

static bool agrees(const struct record_table *table, const struct model *model)
{
    size_t expected = 0, found = 0;
    for (unsigned n = 0; n < NAMES; n++)
        expected += model->there[n];
    for (size_t i = 0; i < table->size; i++) {
        const struct record *record = table->slots[i];
        if (!record)
            continue;
        struct str digits = str_slice(record_meta(record)->name, 2, SIZE_MAX);
        int64_t half;
        if (!str_to_int64(digits, &half))
            return false;
        size_t n = (size_t)half * 2 + str_is(record_meta(record)->ns, "ns-1");
        found += n < NAMES && model->there[n] && model->round[n] == record->round &&
                 table_find(table, record_meta(record)->ns, record_meta(record)->name) == record;
    }
    return found == expected && table->len == expected;
}

static void test_against_model(void)
{
    struct extractor extractor = {.pool = tree_pool_new()};
    struct record_table table = {.size = 0};
    struct model model = {.round = {0}};
    unsigned round = 1;
    uint64_t random = 88172645463325252U;
    CU_ASSERT_FATAL(extractor.pool != NULL);
    for (unsigned step = 0; step < STEPS; step++) {
        char buffer[32];
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        unsigned n = (unsigned)(random >> 20) % NAMES, what = (unsigned)(random >> 8) % 100;
        if (what < 50) {
            struct record *record = make(&extractor, n);
            record->round = round;
            CU_ASSERT_FATAL(table_put(&table, record));
            model.there[n] = true;
            model.round[n] = round;
        } else if (what < 98) {
            table_remove(&table, n % 2 ? STR("ns-1") : STR("ns-0"), name_of(buffer, sizeof buffer, n));
            model.there[n] = false;
        } else if (what == 98) {
            round++;
        } else {
            table_keep_round(&table, round);
            for (unsigned i = 0; i < NAMES; i++)
                model.there[i] &= model.round[i] == round;
        }
        if (step % 16 == 0)
            CU_ASSERT_FATAL(agrees(&table, &model));
    }
    struct record_table shared = {.size = 0};
    CU_ASSERT(agrees(&table, &model));
    CU_ASSERT_FATAL(table_share(&shared, &table));
    table_clear(&table);
    CU_ASSERT_EQUAL(table.len, 0);
    CU_ASSERT_PTR_NULL(table_find(&table, STR("ns-0"), STR("b-0")));
    CU_ASSERT(agrees(&shared, &model)); /* it holds the records itself */
    table_clear(&shared);
    CU_ASSERT(table_share(&shared, &table) && shared.size == 0);
    table_remove(&table, STR("ns-0"), STR("b-0"));
    table_keep_round(&table, 7);
    tree_pool_free(extractor.pool);
}

/* The newest of each schedule as a look at every Backup finds it. */
static bool schedules_agree(const struct inventory *inventory)
{
    for (unsigned s = 0; s < 2 * SCHEDULES; s++) {
        char text[16];
        struct str schedule = {text, (size_t)snprintf(text, sizeof text, "s-%u", s / 2)};
        struct str ns = s % 2 ? STR("ns-1") : STR("ns-0");
        const struct backup *newest = NULL, *completed = NULL, *found_newest = NULL;
        for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
            const struct backup *backup = inventory->backups[i];
            if (!str_eq(backup->schedule, schedule) || !str_eq(backup->meta.ns, ns))
                continue; /* the order is by name: the last of equal ones wins */
            if (!newest || backup->status.started >= newest->status.started)
                newest = backup;
            if (str_is(backup->status.phase, "Completed") &&
                (!completed || backup->status.started >= completed->status.started))
                completed = backup;
        }
        if (inventory_newest_completed(inventory, ns, schedule, &found_newest) != completed || found_newest != newest)
            return false;
    }
    return true;
}

static bool in_full_order(const struct inventory *inventory, const struct record_table *table)
{
    bool good = inventory->count[FACT_BACKUPS] == table->len;
    for (size_t i = 0; good && i < table->len; i++) {
        const struct object_meta *meta = inventory->facts[FACT_BACKUPS][i];
        const struct record *record = table_find(table, meta->ns, meta->name);
        good = record && record_meta(record) == meta &&
               (i == 0 || order_by_name(inventory->facts[FACT_BACKUPS][i - 1], meta) < 0);
    }
    return good;
}

/* A few changes, many, none, all gone, all anew: each snapshot follows the one before. */
static void test_order(void)
{
    static const unsigned changes[] = {1, 0, 3, 1, 20, 2, 400, 1, 5, 40};
    struct extractor extractor = {.pool = tree_pool_new()};
    struct record_table table = {.size = 0};
    const struct inventory *before = NULL;
    uint64_t random = 2463534242U;
    CU_ASSERT_FATAL(extractor.pool != NULL);
    for (unsigned step = 0; step < SNAPSHOTS; step++) {
        for (unsigned i = 0; i < changes[step % LENGTH_OF(changes)]; i++) {
            char buffer[32];
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            unsigned n = (unsigned)(random >> 20) % NAMES;
            bool put = (unsigned)(random >> 8) % 100 < 65;
            CU_ASSERT_FATAL(!put || table_put(&table, make(&extractor, n)));
            if (!put)
                table_remove(&table, n % 2 ? STR("ns-1") : STR("ns-0"), name_of(buffer, sizeof buffer, n));
        }
        if (step % 50 == 49)
            table_clear(&table);
        struct inventory_builder *builder = inventory_builder_new();
        CU_ASSERT_FATAL(builder != NULL);
        builder_follow(builder, before);
        CU_ASSERT_FATAL(builder_share_table(builder, FACT_BACKUPS, &table));
        const struct inventory *fresh = inventory_finish(builder);
        CU_ASSERT_FATAL(fresh != NULL && in_full_order(fresh, &table) && schedules_agree(fresh));
        snapshot_release(before);
        before = fresh;
    }
    snapshot_release(before);
    table_clear(&table);
    tree_pool_free(extractor.pool);
}

static void test_kinds(void)
{
    static const struct {
        const char *api_version, *kind;
        int fact; /* -1: none of ours */
    } cases[] = {{"k0rdent.mirantis.com/v1alpha1", "ManagementBackup", FACT_MANAGEMENT_BACKUPS},
                 {"v1", "ConfigMap", FACT_CONFIG_MAPS},
                 {"example.com/v1", "ConfigMap", -1},
                 {"velero.io/v1", "Restore", -1},
                 {"", "", -1}};
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        const struct fact_kind *kind = fact_kind_find(str_from(cases[i].api_version), str_from(cases[i].kind), NULL);
        CU_ASSERT_EQUAL(kind ? (int)(kind - fact_kinds) : -1, cases[i].fact);
    }
}

SUITE(inventory_table, {"puts, removals and rounds agree with a model", test_against_model},
      {"snapshots that follow each other are in full order", test_order}, {"kinds that may be created", test_kinds})
