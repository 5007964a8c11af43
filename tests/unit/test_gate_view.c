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
        CU_ASSERT_STRING_EQUAL(view.sources[0].state, cases[i].state);
        CU_ASSERT_EQUAL(view.sources[0].evidence != NULL, cases[i].phase != NULL);
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
    shared_release((struct shared *)(uintptr_t)&rest->shared);
    world_end(&world);
}

static const struct inventory *with_location(const struct world *world, const char *bucket, bool replaces)
{
    struct error error;
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text,
               "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"BackupStorageLocation\",\"metadata\":{\"name\":\"there\","
               "\"namespace\":\"kcm-system\"},\"spec\":{\"provider\":\"aws\",\"objectStorage\":{\"bucket\":\"%s\"}}}",
               bucket);
    struct json_object *object = json_build(world->arena, buf_str(&text), &error);
    struct json_object *nameless =
        json_build(world->arena, STR("{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Backup\",\"metadata\":{}}"), &error);
    CU_ASSERT_FATAL(object != NULL && nameless != NULL);
    const struct inventory_extra extras[] = {{nameless, true}, {object, replaces}};
    const struct inventory *more = inventory_with(world->inventory, extras, LENGTH_OF(extras));
    buf_dispose(&text);
    CU_ASSERT_FATAL(more != NULL);
    return more;
}

static void test_inventory_with(void)
{
    static const char *const buckets[] = {"old", "new"}; /* by whether it replaces */
    struct world world;
    world_begin(&world);
    world_source(&world, "a");
    world_add(&world, "{apiVersion: velero.io/v1, kind: BackupStorageLocation, metadata: {name: there, namespace: "
                      "kcm-system}, spec: {provider: aws, objectStorage: {bucket: old}}}");
    (void)world_judge(&world);
    size_t before = world.inventory->count[FACT_STORAGE_LOCATIONS];
    for (int replaces = 0; replaces < 2; replaces++) {
        const struct inventory *more = with_location(&world, "new", replaces);
        const struct storage_location *location = inventory_storage_location(more, STR("kcm-system"), STR("there"));
        CU_ASSERT_FATAL(location != NULL);
        CU_ASSERT(str_is(location->bucket, buckets[replaces]));
        CU_ASSERT_EQUAL(more->count[FACT_STORAGE_LOCATIONS], before);
        CU_ASSERT_EQUAL(more->count[FACT_BACKUPS], world.inventory->count[FACT_BACKUPS]);
        CU_ASSERT_EQUAL(more->known[FACT_VELERO], world.inventory->known[FACT_VELERO]);
        CU_ASSERT(inventory_management_backup(more, STR("a")) ==
                  inventory_management_backup(world.inventory, STR("a")));
        shared_release((struct shared *)(uintptr_t)&more->shared);
    }
    const struct storage_location *kept = inventory_storage_location(world.inventory, STR("kcm-system"), STR("there"));
    CU_ASSERT(kept && str_is(kept->bucket, "old"));
    world_end(&world);
}

SUITE(gate_view, {"each outcome, as a dry run has it", test_each_outcome}, {"without the gate", test_without_gate},
      {"nothing known", test_nothing_known}, {"any release", test_any_release}, {"under way", test_under_way},
      {"memory", test_memory}, {"an inventory without", test_inventory_without},
      {"an inventory with", test_inventory_with})
