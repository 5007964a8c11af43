#include "gate_world.h"

/* What status shows of the gate is the gate's own judgement: the view and a dry run of the
 * same upgrade agree in every circumstance. */

static struct upgrade_view look(struct world *world, const char *target)
{
    struct upgrade_view view;
    CU_ASSERT_FATAL(
        policy_upgrade_view(world->arena, world->inventory, &world->settings, world->now, str_from(target), &view));
    return view;
}

static void add_management(struct world *world, const char *release, const char *running, const char *annotations)
{
    world_add(world,
              "{apiVersion: k0rdent.mirantis.com/v1beta1, kind: Management, metadata: {name: kcm, annotations: %s},"
              " spec: {release: %s}, status: {release: %s}}",
              annotations, release, running);
}

static void check_agrees(struct world *world, enum upgrade_outcome outcome)
{
    world->dry_run = true;
    const struct decision *asked = world_judge(world);
    struct upgrade_view view = look(world, world->target);
    CU_ASSERT_EQUAL(view.outcome, outcome);
    CU_ASSERT_EQUAL(view.decision.denied, asked->denied);
    CU_ASSERT_EQUAL(view.decision.code, asked->code);
    CU_ASSERT(str_eq(decision_message(&view.decision), decision_message(asked)));
    CU_ASSERT_EQUAL(view.decision.warnings.len, asked->warnings.len);
}

static void test_each_outcome(void)
{
    static const struct {
        const char *phase; /* of the pre-upgrade backup; NULL: there is none */
        int64_t age;
        enum upgrade_outcome outcome;
        enum upgrade_step step;
        const char *state;
    } cases[] = {
        {"Completed", 600, UPGRADE_ADMITTED, UPGRADE_STEP_PASS, "completed"},
        {"InProgress", 60, UPGRADE_WAITS, UPGRADE_STEP_WAIT, "running"},
        {"New", 60, UPGRADE_WAITS, UPGRADE_STEP_WAIT, "not started"},
        {"New", 4000, UPGRADE_REFUSED, UPGRADE_STEP_REFUSE, "stuck"},
        {"FailedValidation", 60, UPGRADE_REFUSED, UPGRADE_STEP_REFUSE, "failed"},
        {"Completed", 7200, UPGRADE_WAITS, UPGRADE_STEP_START, "too old"},
        {NULL, 0, UPGRADE_WAITS, UPGRADE_STEP_START, "none"},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct world world;
        world_begin(&world);
        add_management(&world, "kcm-1-2-0", "kcm-1-2-0", "{}");
        world_source(&world, "a");
        if (cases[i].phase)
            world_taken(&world, "a-kcm-1-2-0", "kcm-1-2-0", cases[i].age, cases[i].phase);
        check_agrees(&world, cases[i].outcome);
        struct upgrade_view view = look(&world, NULL);
        CU_ASSERT_EQUAL(view.outcome, cases[i].outcome);
        CU_ASSERT_EQUAL_FATAL(view.count, 1);
        CU_ASSERT_EQUAL(view.sources[0].step, cases[i].step);
        CU_ASSERT_STRING_EQUAL(evidence_state_name(view.sources[0].evidence.state), cases[i].state);
        CU_ASSERT_EQUAL((view.sources[0].evidence.backup != NULL), cases[i].phase != NULL);
        CU_ASSERT_EQUAL(view.sources[0].says.len > 0, cases[i].step != UPGRADE_STEP_PASS);
        world_end(&world);
    }
}

static void test_without_gate(void)
{
    struct world world;
    world_begin(&world);
    world.annotations = "{\"" ANNOTATION_SKIP_BACKUP "\": \"drill\"}";
    add_management(&world, "kcm-1-2-0", "kcm-1-2-0", world.annotations);
    world_source(&world, "a");
    check_agrees(&world, UPGRADE_LET_THROUGH);
    CU_ASSERT_EQUAL(look(&world, NULL).count, 0);
    CU_ASSERT_EQUAL(look(&world, "kcm-1-2-0").outcome, UPGRADE_LET_THROUGH); /* what runs already */
    world_end(&world);

    world_begin(&world);
    add_management(&world, "kcm-1-2-0", "kcm-1-2-0", "{}");
    check_agrees(&world, UPGRADE_UNPROTECTED);
    world_end(&world);
}

static void test_nothing_known(void)
{
    struct world world;
    struct upgrade_view view;
    world_begin(&world);
    CU_ASSERT_FATAL(policy_upgrade_view(world.arena, inventory_unknown(), &world.settings, world.now,
                                        (struct str){NULL, 0}, &view));
    CU_ASSERT_EQUAL(view.outcome, UPGRADE_UNKNOWN);
    world_source(&world, "a");
    (void)world_judge(&world); /* fills the inventory, which has no Management */
    CU_ASSERT_EQUAL(look(&world, NULL).outcome, UPGRADE_NONE);
    world_end(&world);

    world_begin(&world);
    add_management(&world, "kcm-1-2-0", "kcm-1-2-0", "{}");
    world.unknown[FACT_MANAGEMENT_BACKUPS] = true;
    check_agrees(&world, UPGRADE_UNKNOWN);
    world_end(&world);
}

/* A Release is only asked after when one is named. */
static void test_any_release(void)
{
    struct world world;
    world_begin(&world);
    world.unknown[FACT_RELEASES] = false;
    add_management(&world, "kcm-1-2-0", "kcm-1-2-0", "{}");
    world_source(&world, "a");
    check_agrees(&world, UPGRADE_REFUSED);
    CU_ASSERT_EQUAL(look(&world, NULL).outcome, UPGRADE_WAITS);
    world_end(&world);
}

static void test_under_way(void)
{
    struct world world;
    world_begin(&world);
    world.before = "kcm-1-3-0";
    world.target = "kcm-1-4-0";
    add_management(&world, "kcm-1-3-0", "kcm-1-2-0", "{}");
    world_source(&world, "a");
    world_taken(&world, "a-kcm-1-2-0", "kcm-1-2-0", 90000, "Completed");
    check_agrees(&world, UPGRADE_ADMITTED);
    struct upgrade_view view = look(&world, NULL);
    CU_ASSERT(view.under_way && str_is(view.running, "kcm-1-2-0") && str_is(view.before, "kcm-1-3-0"));
    world_end(&world);
}

/* Memory that runs out is told, never half a view. */
static void test_memory(void)
{
    struct world world;
    world_begin(&world);
    add_management(&world, "kcm-1-2-0", "kcm-1-2-0", "{}");
    world_source(&world, "a");
    (void)world_judge(&world);
    for (size_t limit = 1; limit < 40000; limit += 997) {
        struct upgrade_view view;
        ARENA_SCOPED arena = arena_new(limit);
        if (policy_upgrade_view(arena, world.inventory, &world.settings, world.now, (struct str){NULL, 0}, &view))
            CU_ASSERT(view.count == 1 && view.sources[0].says.len > 0);
    }
    world_end(&world);
}

static bool is_named_a(void *context, enum fact fact, const struct object_meta *meta)
{
    ++*(size_t *)context;
    return fact == FACT_BACKUPS && str_is(meta->name, "a-kcm-1-2-0");
}

static void test_inventory_without(void)
{
    struct world world;
    size_t asked = 0;
    world_begin(&world);
    world_source(&world, "a");
    world_taken(&world, "a-kcm-1-2-0", "kcm-1-2-0", 60, "Completed");
    (void)world_judge(&world);
    const struct inventory *rest = inventory_without(world.inventory, is_named_a, &asked);
    CU_ASSERT_FATAL(rest != NULL);
    CU_ASSERT_EQUAL(asked, 3);
    CU_ASSERT_EQUAL(rest->count[FACT_BACKUPS], 0);
    CU_ASSERT_EQUAL(rest->count[FACT_MANAGEMENT_BACKUPS], 2);
    CU_ASSERT(inventory_backup(rest, STR("kcm-system"), STR("a-kcm-1-2-0")) == NULL);
    CU_ASSERT(inventory_backup(world.inventory, STR("kcm-system"), STR("a-kcm-1-2-0")) != NULL);
    CU_ASSERT(inventory_management_backup(rest, STR("a")) == inventory_management_backup(world.inventory, STR("a")));
    CU_ASSERT_EQUAL(rest->known[FACT_BACKUPS], world.inventory->known[FACT_BACKUPS]);
    CU_ASSERT_EQUAL(rest->known[FACT_VELERO], world.inventory->known[FACT_VELERO]);
    snapshot_release(rest);
    world_end(&world);
}

static struct json_object *location_in(const struct world *world, const char *bucket)
{
    struct error error;
    struct str text =
        arena_printf(world->arena,
                     "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"BackupStorageLocation\",\"metadata\":{\"name\":"
                     "\"there\",\"namespace\":\"kcm-system\"},\"spec\":{\"provider\":\"aws\",\"objectStorage\":"
                     "{\"bucket\":\"%s\"}}}",
                     bucket);
    struct json_object *object = json_build(world->arena, text, &error);
    CU_ASSERT_FATAL(object != NULL);
    return object;
}

static void test_overlay_replaces_or_fills(void)
{
    static const char *const buckets[] = {[OVERLAY_REPLACES] = "new", [OVERLAY_FILLS] = "old"};
    struct world world;
    struct error error;
    world_begin(&world);
    world_source(&world, "a");
    world_add(&world, "{apiVersion: velero.io/v1, kind: BackupStorageLocation, metadata: {name: there, namespace: "
                      "kcm-system}, spec: {provider: aws, objectStorage: {bucket: old}}}");
    (void)world_judge(&world);
    size_t before = world.inventory->count[FACT_STORAGE_LOCATIONS];
    struct json_object *nameless =
        json_build(world.arena, STR("{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Backup\",\"metadata\":{}}"), &error);
    for (int mode = OVERLAY_REPLACES; mode <= OVERLAY_FILLS; mode++) {
        struct inventory_overlay *overlay = inventory_overlay_new(world.inventory);
        CU_ASSERT_FATAL(overlay && nameless);
        CU_ASSERT(inventory_overlay_add(overlay, nameless, OVERLAY_REPLACES));
        CU_ASSERT(inventory_overlay_add(overlay, location_in(&world, "new"), (enum overlay_mode)mode));
        const struct inventory *more = inventory_overlay_get(overlay);
        const struct storage_location *location = inventory_storage_location(more, STR("kcm-system"), STR("there"));
        CU_ASSERT_FATAL(location != NULL);
        CU_ASSERT(str_is(location->bucket, buckets[mode]));
        CU_ASSERT_EQUAL(more->count[FACT_STORAGE_LOCATIONS], before);
        CU_ASSERT_EQUAL(more->count[FACT_BACKUPS], world.inventory->count[FACT_BACKUPS]);
        CU_ASSERT_EQUAL(more->known[FACT_VELERO], world.inventory->known[FACT_VELERO]);
        CU_ASSERT(inventory_management_backup(more, STR("a")) ==
                  inventory_management_backup(world.inventory, STR("a")));
        inventory_overlay_free(overlay);
    }
    const struct storage_location *kept = inventory_storage_location(world.inventory, STR("kcm-system"), STR("there"));
    CU_ASSERT(kept && str_is(kept->bucket, "old"));
    world_end(&world);
}

/* ---- an overlay against the snapshot that a builder makes of the same objects --- */

static struct json_object *random_backup(struct arena *arena, unsigned *seed)
{
    static const char *const phases[] = {"Completed", "Failed", "InProgress"};
    struct error error;
    struct str text = arena_printf(
        arena,
        "{\"apiVersion\":\"velero.io/"
        "v1\",\"kind\":\"Backup\",\"metadata\":{\"name\":\"b%d\",\"namespace\":\"kcm-system\","
        "\"labels\":{\"velero.io/schedule-name\":\"s%d\"}},\"status\":{\"phase\":\"%s\",\"startTimestamp\":"
        "\"2026-11-%02dT00:00:00Z\"}}",
        rand_r(seed) % 60, rand_r(seed) % 5, phases[rand_r(seed) % 3], 1 + rand_r(seed) % 28);
    return json_build(arena, text, &error);
}

static struct json_object *random_location(struct arena *arena, unsigned *seed)
{
    struct error error;
    struct str text =
        arena_printf(arena,
                     "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"BackupStorageLocation\",\"metadata\":"
                     "{\"name\":\"l%d\",\"namespace\":\"n%d\",\"creationTimestamp\":"
                     "\"2026-11-%02dT00:00:00Z\"},\"spec\":{\"default\":%s}}",
                     rand_r(seed) % 20, rand_r(seed) % 3, 1 + rand_r(seed) % 28, rand_r(seed) % 2 ? "true" : "false");
    return json_build(arena, text, &error);
}

static struct str name_of(const struct backup *backup)
{
    return backup ? backup->meta.name : STR("");
}

static void expect_same(const struct inventory *grown, const struct inventory *built)
{
    CU_ASSERT_EQUAL_FATAL(grown->count[FACT_BACKUPS], built->count[FACT_BACKUPS]);
    CU_ASSERT_EQUAL_FATAL(grown->count[FACT_STORAGE_LOCATIONS], built->count[FACT_STORAGE_LOCATIONS]);
    for (size_t i = 0; i < built->count[FACT_BACKUPS]; i++) {
        const struct object_meta *meta = &built->backups[i]->meta;
        CU_ASSERT(str_eq(grown->backups[i]->meta.name, meta->name));
        CU_ASSERT(inventory_backup(grown, meta->ns, meta->name) == grown->backups[i]);
    }
    for (int s = 0; s < 6; s++) {
        char name[8];
        snprintf(name, sizeof name, "s%d", s);
        const struct backup *newest[2], *completed[2];
        completed[0] = inventory_newest_completed(grown, STR("kcm-system"), str_from(name), &newest[0]);
        completed[1] = inventory_newest_completed(built, STR("kcm-system"), str_from(name), &newest[1]);
        CU_ASSERT(str_eq(name_of(completed[0]), name_of(completed[1])));
        CU_ASSERT(str_eq(name_of(newest[0]), name_of(newest[1])));
    }
    for (int n = 0; n < 3; n++) {
        char ns[8];
        size_t defaults[2];
        snprintf(ns, sizeof ns, "n%d", n);
        const struct storage_location *a = inventory_default_location(grown, str_from(ns), &defaults[0]);
        const struct storage_location *b = inventory_default_location(built, str_from(ns), &defaults[1]);
        CU_ASSERT_EQUAL(defaults[0], defaults[1]);
        CU_ASSERT(a && b ? str_eq(a->meta.name, b->meta.name) : a == b);
    }
}

static void test_overlay_equals_a_snapshot(void)
{
    for (unsigned seed = 1, at = 1; at <= 200; seed = ++at) {
        struct error error;
        struct arena *arena = arena_new(1 << 20);
        struct inventory_builder *all = inventory_builder_new(), *some = inventory_builder_new();
        CU_ASSERT_FATAL(arena && all && some);
        CU_ASSERT(inventory_add(some, random_backup(arena, &seed), &error));
        struct inventory *base = inventory_finish(some);
        CU_ASSERT_FATAL(base != NULL);
        seed = at;
        CU_ASSERT(inventory_add(all, random_backup(arena, &seed), &error));
        struct inventory_overlay *overlay = inventory_overlay_new(base);
        CU_ASSERT_FATAL(overlay != NULL);
        for (int i = 0; i < 120; i++) {
            struct json_object *object = i % 3 ? random_backup(arena, &seed) : random_location(arena, &seed);
            CU_ASSERT_FATAL(object != NULL);
            CU_ASSERT(inventory_add(all, object, &error));
            CU_ASSERT(inventory_overlay_add(overlay, object, OVERLAY_REPLACES));
        }
        struct inventory *built = inventory_finish(all);
        struct inventory_overlay *onto = inventory_overlay_onto(overlay, base);
        CU_ASSERT_FATAL(built && onto);
        expect_same(inventory_overlay_get(overlay), built);
        expect_same(inventory_overlay_get(onto), built);
        inventory_overlay_free(onto);
        inventory_overlay_free(overlay);
        snapshot_release(built);
        snapshot_release(base);
        arena_free(arena);
    }
}

SUITE(gate_view, {"each outcome, as a dry run has it", test_each_outcome}, {"without the gate", test_without_gate},
      {"nothing known", test_nothing_known}, {"any release", test_any_release}, {"under way", test_under_way},
      {"memory", test_memory}, {"an inventory without", test_inventory_without},
      {"an overlay replaces or fills", test_overlay_replaces_or_fills},
      {"an overlay is what a builder would make", test_overlay_equals_a_snapshot})
