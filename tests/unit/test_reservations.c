/* Admitted deletions: the text that replicas share, who may write it, and how long it counts. */
#include "inventory/inventory.h"
#include "suite.h"

enum { NOW = 1795230000, LIMIT = 1 << 28 }; /* 2026-11-21T03:00:00Z */

static struct evidence_reading reading_of(struct arena *arena, const char *text)
{
    struct evidence_reading reading = {.len = 0};
    CU_ASSERT_FATAL(reservations_read(arena, str_from(text), NOW, &reading));
    return reading;
}

static void test_what_counts(void)
{
    static const struct {
        const char *text;
        size_t counts;
    } rows[] = {
        {"", 0},
        {"a@2026-11-21T03:00:00Z", 1},
        {"a@2026-11-21T02:58:01Z,b@2026-11-21T03:01:59Z", 2}, /* 119 s ago, and by a clock that is ahead */
        {"a@2026-11-21T02:58:00Z,b@2026-11-21T03:02:00Z", 0}, /* 2 minutes off */
        {"a,@2026-11-21T03:00:00Z,a@,a@b@c,,@,a@2026-13-41T03:00:00Z", 0},
        {"a@2026-11-21T03:00:00Z@x,b@2026-11-21T03:00:00Z", 1},
    };
    ARENA_SCOPED arena = arena_new(LIMIT);
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        CU_ASSERT_EQUAL(reading_of(arena, rows[i].text).len, rows[i].counts);
}

static void test_one_more(void)
{
    struct error error = {0};
    ARENA_SCOPED arena = arena_new(LIMIT);
    struct evidence_reading reading =
        reading_of(arena, "old@2026-11-21T02:00:00Z,a@2026-11-21T02:59:00Z,b@2026-11-21T02:59:30Z");
    ASSERT_TEXT(reservations_with(arena, &reading, STR("a"), NOW, &error),
                "b@2026-11-21T02:59:30Z,a@2026-11-21T03:00:00Z");
    ASSERT_TEXT(reservations_with(arena, &reading, STR("c"), NOW, &error),
                "a@2026-11-21T02:59:00Z,b@2026-11-21T02:59:30Z,c@2026-11-21T03:00:00Z");
    /* Long after, only the new one. */
    ASSERT_TEXT(reservations_with(arena, &reading, STR("c"), NOW + 600, &error), "c@2026-11-21T03:10:00Z");
}

static void test_too_many(void)
{
    struct error error = {0};
    ARENA_SCOPED arena = arena_new(LIMIT);
    struct evidence_reading reading = reading_of(arena, "");
    for (int i = 0; i < 1000; i++) {
        struct str name = arena_printf(arena, "backup-%d", i);
        struct str text = reservations_with(arena, &reading, name, NOW, &error);
        CU_ASSERT_FATAL(text.ptr != NULL);
        CU_ASSERT_FATAL(reservations_read(arena, text, NOW, &reading));
    }
    CU_ASSERT_EQUAL(reading.len, 1000);
    CU_ASSERT(!reservations_with(arena, &reading, STR("one-more"), NOW, &error).ptr);
    CU_ASSERT_EQUAL(error.code, 429);
    CU_ASSERT(reservations_with(arena, &reading, STR("backup-7"), NOW, &error).ptr != NULL);
}

static void test_arbitration(void)
{
    struct error error = {0};
    const struct inventory_files_options options = {.system_namespace = STR("kcm-system"), .simulate_seconds = -1};
    const struct facts_wanted wanted = {.reservations = true};
    struct snapshot_source *source = facts_from_files(&options, &error);
    CU_ASSERT_FATAL(source != NULL);
    const struct inventory *one = facts_live(source, &wanted, NOW, &error);
    const struct inventory *two = facts_live(source, &wanted, NOW, &error);
    CU_ASSERT_FATAL(one && two);
    CU_ASSERT(facts_reserve(source, one, STR("a"), NOW, &error));
    CU_ASSERT(!facts_reserve(source, two, STR("b"), NOW, &error));
    CU_ASSERT_EQUAL(error.code, 409);
    CU_ASSERT(!facts_reserve(source, inventory_unknown(), STR("b"), NOW, &error));
    CU_ASSERT_EQUAL(error.code, 503);
    const struct inventory *three = facts_live(source, &wanted, NOW, &error);
    CU_ASSERT_FATAL(three != NULL);
    const struct evidence_reading *reading = inventory_evidence(three, STR(RESERVATIONS));
    CU_ASSERT_FATAL(reading && reading->len == 1);
    ASSERT_TEXT(reading->objects[0].value, "a");
    CU_ASSERT(facts_reserve(source, three, STR("b"), NOW, &error));
    snapshot_release(one);
    snapshot_release(two);
    snapshot_release(three);
    facts_close(source);
}

SUITE(reservations, {"what counts: entries of the last two minutes", test_what_counts},
      {"one more replaces its like, and drops what is old", test_one_more},
      {"a thousand are kept, and no more", test_too_many},
      {"of two that rest on the same reading the second is refused", test_arbitration})
