#include "backstop/status.h"

#include <stdlib.h>

#include "gate_world.h"

/* The status view and its page at their bounds: what golden cases are too small for. */

static void add_backup(struct world *world, int number, const char *schedule)
{
    world_add(world,
              "{apiVersion: k0rdent.mirantis.com/v1beta1, kind: ManagementBackup, metadata: {name: mb-%05d},"
              " spec: {schedule: '%s', storageLocation: aws-s3}}",
              number, schedule);
}

static void add_velero_backup(struct world *world, int number, int maker)
{
    world_add(world,
              "{apiVersion: velero.io/v1, kind: Backup, metadata: {name: b-%05d, namespace: kcm-system,"
              " labels: {k0rdent.mirantis.com/management-backup: mb-%05d}}, spec: {storageLocation: aws-s3},"
              " status: {phase: Completed, startTimestamp: %s, completionTimestamp: %s}}",
              number, maker, world_time(world, 60 + number), world_time(world, number));
}

/* The gate's world has its inventory after a judgement. */
static bool fill(struct world *world, struct arena *arena, struct status_view *view)
{
    if (!world->inventory)
        (void)world_judge(world);
    *view = (struct status_view){.arena = arena,
                                 .now = world->now,
                                 .from = STR("a test"),
                                 .inventory = world->inventory,
                                 .settings = &world->settings};
    return status_fill(view, STR(""));
}

static void test_too_many_runs(void)
{
    struct world world;
    struct status_view view;
    world_begin(&world);
    for (int i = 0; i < 1500; i++)
        add_backup(&world, i, "* * * * *");
    CU_ASSERT_FATAL(fill(&world, world.arena, &view));
    CU_ASSERT_EQUAL_FATAL(view.source_count, 1500);
    const struct status_source *first = &view.sources[0], *last = &view.sources[1499];
    CU_ASSERT_EQUAL(first->run_total, 14 * 24 * 60);
    CU_ASSERT(!first->counted_out && first->run_count == 0 && first->interval == 60);
    CU_ASSERT(last->counted_out && last->run_count == 0);
    CU_ASSERT_EQUAL(last->first, world.now + 60); /* when the next one is, is known all the same */
    world_end(&world);
}

static void test_every_instant(void)
{
    struct world world;
    struct status_view view;
    world_begin(&world);
    add_backup(&world, 0, "@every 1s");
    CU_ASSERT_FATAL(fill(&world, world.arena, &view));
    CU_ASSERT_EQUAL(view.sources[0].run_total, STATUS_WINDOW);
    CU_ASSERT(!view.sources[0].counted_out);
    world_end(&world);
}

/* A Velero Schedule counts as the Velero that runs reads it, a ManagementBackup as kcm does. */
static void test_schedule_dialects(void)
{
    static const struct {
        const char *version, *schedule;
        bool valid;
        const char *meaning;
    } rows[] = {
        {"1.18.3", "0 9 * * 7", true, "at 09:00 on Sundays"},
        {"1.18.2", "0 9 * * 7", false, "day-of-week 7 is out of range; for Sunday use 0 or sun"},
        {"", "0 9 * * 7", true, "at 09:00 on Sundays (as read by Velero 1.18.3 and later)"},
        {"1.18.3", "0 0 13 * 5", true, "at 00:00 on the 13th if it is a Friday"},
        {"", "0 0 13 * 5", true, "at 00:00 on the 13th or on any Friday (as read by Velero before 1.18.3)"},
        {"", "0 9 * * 0", true, "at 09:00 on Sundays"},
        {"", "0 9 * * 9", false, "day-of-week 9 is out of range; use 0 to 6, or sun to sat"},
        {"1.18.3", "@none", false, "never"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct world world;
        struct status_view view;
        world_begin(&world);
        world.settings.velero_version = str_from(rows[i].version);
        add_backup(&world, 0, "0 9 * * 7");
        world_add(&world,
                  "{apiVersion: velero.io/v1, kind: Schedule, metadata: {name: s, namespace: kcm-system},"
                  " spec: {schedule: '%s', template: {storageLocation: aws-s3}}}",
                  rows[i].schedule);
        CU_ASSERT_FATAL(fill(&world, world.arena, &view));
        CU_ASSERT_EQUAL_FATAL(view.source_count, 2);
        CU_ASSERT_FALSE(view.sources[0].valid);
        CU_ASSERT_EQUAL(view.sources[1].valid, rows[i].valid);
        ASSERT_TEXT(view.sources[1].meaning, rows[i].meaning);
        world_end(&world);
    }
}

static void test_collisions(void)
{
    struct world world;
    struct status_view view;
    world_begin(&world);
    add_backup(&world, 0, "0 3 * * *");
    add_backup(&world, 1, "4 3 * * *");
    add_backup(&world, 2, "9 3 * * *"); /* five minutes after the second: far enough */
    CU_ASSERT_FATAL(fill(&world, world.arena, &view));
    CU_ASSERT_EQUAL_FATAL(view.collision_count, 1);
    CU_ASSERT(view.collisions[0].one == &view.sources[0] && view.collisions[0].other == &view.sources[1]);
    CU_ASSERT(view.sources[0].runs[0].collides);
    CU_ASSERT(!view.sources[1].runs[0].collides && view.sources[1].runs[1].collides); /* today's is alone */
    CU_ASSERT(!view.sources[2].runs[1].collides);
    world_end(&world);
}

static void test_page_is_bounded(void)
{
    struct world world;
    struct status_view view;
    world_begin(&world);
    for (int i = 0; i < 1000; i++)
        add_backup(&world, i, i % 2 ? "0 */2 * * *" : "TZ=Europe/Madrid */30 * * * *");
    for (int i = 0; i < 10000; i++)
        add_velero_backup(&world, i, i % 40);
    CU_ASSERT_FATAL(fill(&world, world.arena, &view));
    CU_ASSERT_EQUAL(view.sources[0].past_total, 250);
    CU_ASSERT_EQUAL(view.sources[0].past_count, 200);
    CU_ASSERT(view.sources[0].past[0].started > view.sources[0].past[199].started);
    BUF_SCOPED page;
    buf_init(&page, 2u << 20);
    status_html(&view, false, &page);
    CU_ASSERT(!page.failed);
    CU_ASSERT(str_contains(buf_str(&page), STR("and 9800 more")));
    CU_ASSERT(str_contains(buf_str(&page), STR("940 more sources are not shown")));
    world_end(&world);
}

/* Every byte there is reaches the page as text. */
static void test_every_byte(void)
{
    struct world world;
    struct status_view view;
    char bytes[3 * 255];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i % 3 == 1 ? i / 3 + 1 : '<');
    world_begin(&world);
    add_backup(&world, 0, "@daily");
    CU_ASSERT_FATAL(fill(&world, world.arena, &view));
    view.from = (struct str){bytes, sizeof bytes};
    BUF_SCOPED page;
    buf_init(&page, 2u << 20);
    status_html(&view, true, &page);
    struct str text = buf_str(&page);
    CU_ASSERT(!page.failed && str_utf8_valid(text));
    CU_ASSERT(str_contains(text, STR("&lt;&lt;&lt;&lt;=&lt;&lt;&gt;&lt;")));
    CU_ASSERT(str_contains(text, STR("\\x1b")) && str_contains(text, STR("\\xff")));
    size_t controls = 0;
    for (size_t i = 0; i < text.len; i++)
        controls += text.ptr[i] != '\n' && (unsigned char)text.ptr[i] < ' ';
    CU_ASSERT_EQUAL(controls, 0);
    world_end(&world);
}

/* Names of causes are an interface: kebab-case, each once. */
static void test_causes(void)
{
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        const struct status_cause_row *row = &status_causes[i];
        CU_ASSERT_FATAL(row->name && row->title[0] && row->proof[0] && row->fix[0]);
        CU_ASSERT(strspn(row->name, "abcdefghijklmnopqrstuvwxyz-") == strlen(row->name));
        CU_ASSERT(row->name[0] != '-' && row->name[strlen(row->name) - 1] != '-' && !strstr(row->name, "--"));
        for (size_t j = 0; j < i; j++)
            CU_ASSERT(strcmp(row->name, status_causes[j].name) != 0);
    }
}

/* Memory that runs out is told, never half a view. */
static void test_memory(void)
{
    struct world world;
    struct status_view view;
    size_t whole = 0, limit = 1000;
    world_begin(&world);
    for (int i = 0; i < 5; i++)
        add_backup(&world, i, "0 3 * * *");
    add_velero_backup(&world, 1, 1);
    for (; limit < 2000000 && whole < 3; limit += limit / 16) {
        ARENA_SCOPED arena = arena_new(limit);
        CU_ASSERT_FATAL(arena != NULL);
        if (!fill(&world, arena, &view))
            continue;
        BUF_SCOPED page;
        buf_init(&page, 2u << 20);
        status_html(&view, false, &page);
        whole += !arena_failed(arena);
        CU_ASSERT(arena_failed(arena) || str_ends(buf_str(&page), STR("</html>\n")));
    }
    CU_ASSERT_EQUAL(whole, 3);
    world_end(&world);
}

/* "The backups select all 0 objects" reads like evidence, and is none. */
static void test_nothing_to_select(void)
{
    struct arena *arena = arena_new(1u << 16);
    struct status_completeness found = {.checked = 0};
    CU_ASSERT(str_is(status_completeness_words(arena, &found, false),
                     "nothing to miss: no Credential, Region or template needs other objects"));
    found.checked = 1;
    CU_ASSERT(
        str_is(status_completeness_words(arena, &found, false),
               "nothing is missing: the backups select the 1 object that Credentials, Regions and templates need"));
    strlist_add(arena, &found.unknown, STR("Region"));
    found.checked = 0;
    CU_ASSERT(str_is(status_completeness_words(arena, &found, false),
                     "unknown whether a restore would miss objects (not known: Region)"));
    arena_free(arena);
}

SUITE(status, {"schedules as their controllers read them", test_schedule_dialects},
      {"too many runs are counted, to a limit", test_too_many_runs}, {"@every second", test_every_instant},
      {"collisions", test_collisions}, {"the page is bounded", test_page_is_bounded},
      {"every byte is text", test_every_byte}, {"causes", test_causes}, {"nothing to select", test_nothing_to_select},
      {"memory", test_memory})
