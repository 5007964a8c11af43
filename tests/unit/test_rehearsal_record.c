#include "backstop/policy.h"
#include "suite.h"

#define AT INT64_C(1795229880) /* 2026-11-21T02:58:00Z */

static void test_round(void)
{
    char text[REHEARSAL_RECORD_SIZE];
    struct rehearsal_record record;
    for (int verdict = REHEARSAL_RESTORABLE; verdict <= REHEARSAL_UNKNOWN; verdict++) {
        bool good = verdict == REHEARSAL_RESTORABLE;
        const struct rehearsal_record written = {AT,          (enum rehearsal_verdict)verdict, 420, 28, good ? 0 : 6,
                                                 good ? 0 : 1};
        CU_ASSERT(rehearsal_record_read(str_from(rehearsal_record_write(&written, text)), &record));
        CU_ASSERT(record.at == AT && record.verdict == written.verdict && record.objects == 420);
        CU_ASSERT(record.skipped == 28 && record.refused == written.refused && record.unknown == written.unknown);
    }
    const struct rehearsal_record largest = {AT, REHEARSAL_INCOMPLETE, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    CU_ASSERT(rehearsal_record_read(str_from(rehearsal_record_write(&largest, text)), &record));
    CU_ASSERT(record.unknown == INT64_MAX);
}

static void test_format(void)
{
    char text[REHEARSAL_RECORD_SIZE];
    const struct rehearsal_record record = {AT, REHEARSAL_RESTORABLE, 420, 28, 0, 0};
    CU_ASSERT_STRING_EQUAL(rehearsal_record_write(&record, text),
                           "2026-11-21T02:58:00Z restorable objects=420 skipped=28 refused=0 unknown=0");
}

#define COUNTS " objects=420 skipped=28 refused=0 unknown=0"

static void test_refused(void)
{
    static const char *const rows[] = {
        "",
        " ",
        "yes",
        "2026-11-21T02:58:00Z",
        "2026-11-21T02:58:00Z restorable",
        "yesterday restorable" COUNTS,
        "2026-11-21 restorable" COUNTS,
        "2026-11-21T02:58:00Z Restorable" COUNTS,
        "2026-11-21T02:58:00Z good" COUNTS,
        "restorable 2026-11-21T02:58:00Z" COUNTS,
        "2026-11-21T02:58:00Z  restorable" COUNTS,
        "2026-11-21T02:58:00Z restorable" COUNTS " ",
        "2026-11-21T02:58:00Z restorable" COUNTS " more",
        "2026-11-21T02:58:00Z restorable" COUNTS " refused=0",
        "2026-11-21T02:58:00Z restorable" COUNTS " later=x",
        "2026-11-21T02:58:00Z restorable objects=420 skipped=28 refused=0",
        "2026-11-21T02:58:00Z restorable objects=420 skipped=28 refused=-1 unknown=0",
        "2026-11-21T02:58:00Z restorable objects=420 skipped=28 refused= unknown=0",
        "2026-11-21T02:58:00Z restorable objects=99999999999999999999 skipped=0 refused=0 unknown=0",
        "2026-11-21T02:58:00Z restorable objects=420 skipped=28 refused=1 unknown=0",
        "2026-11-21T02:58:00Z restorable objects=420 skipped=28 refused=0 unknown=1",
        "2026-11-21T02:58:00Z restorable objects=4 skipped=28 refused=0 unknown=0",
        "2026-11-21T02:58:00Z incomplete objects=4 skipped=0 refused=5 unknown=0",
    };
    struct rehearsal_record record;
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        if (rehearsal_record_read(str_from(rows[i]), &record))
            CU_FAIL("a record that nothing wrote was read");
    CU_ASSERT(rehearsal_record_read(STR("2026-11-21T02:58:00Z restorable" COUNTS " later=3"), &record));
    CU_ASSERT(rehearsal_record_read(STR("2026-11-21T03:58:00+01:00 restorable" COUNTS), &record) && record.at == AT);
    CU_ASSERT_FALSE(rehearsal_record_read((struct str){NULL, 0}, &record));
}

/* `moved`: the rehearsal, against the completion; `later`: now, against the rehearsal. */
static bool judged_good(const char *verdict, const char *counts, int64_t moved, int64_t later)
{
    char at[TIME_TEXT_SIZE];
    ARENA_SCOPED arena = arena_new(1 << 16);
    struct json_object *annotations = json_own(arena, json_object_new_object());
    struct str value = arena_printf(arena, "%s %s%s", time_format(AT + moved, 0, at), verdict, counts);
    CU_ASSERT_FATAL(json_put_text(annotations, ANNOTATION_REHEARSED, value));
    const struct backup backup = {.meta = {.annotations = annotations}, .status = {.completed = AT}};
    const struct backup_rehearsal rehearsal = policy_backup_rehearsal(arena, &backup, AT + moved + later);
    CU_ASSERT(rehearsal.annotated && rehearsal.read && rehearsal.says.len > 0);
    return rehearsal.good;
}

static void test_judged(void)
{
    CU_ASSERT(judged_good("restorable", COUNTS, 60, 60));
    CU_ASSERT(judged_good("restorable", COUNTS, -299, 600)); /* clocks */
    CU_ASSERT(judged_good("restorable", COUNTS, 600, -299));
    CU_ASSERT_FALSE(judged_good("restorable", COUNTS, -301, 600));
    CU_ASSERT_FALSE(judged_good("restorable", COUNTS, 600, -301));
    CU_ASSERT_FALSE(judged_good("incomplete", COUNTS, 60, 60));
    CU_ASSERT_FALSE(judged_good("unknown", COUNTS, 60, 60));
    CU_ASSERT_FALSE(judged_good("restorable", " objects=5 skipped=5 refused=0 unknown=0", 60, 60));
    CU_ASSERT_FALSE(judged_good("restorable", " objects=0 skipped=0 refused=0 unknown=0", 60, 60));
}

static void test_absent(void)
{
    ARENA_SCOPED arena = arena_new(1 << 16);
    const struct backup backup = {.status = {.completed = AT}};
    const struct backup_rehearsal rehearsal = policy_backup_rehearsal(arena, &backup, AT);
    CU_ASSERT(!rehearsal.annotated && !rehearsal.read && !rehearsal.good);
    ASSERT_TEXT(rehearsal.says, "has not been rehearsed");
}

SUITE(rehearsal_record, {"what is written is read", test_round}, {"the format", test_format},
      {"what nothing wrote", test_refused}, {"which rehearsals count", test_judged}, {"no annotation", test_absent})
