#include "gate_world.h"

/* Evidence of other engines that was never read: the golden cases and the end-to-end tests
 * have all that can be read. */

static struct evidence_source engine(bool alternative)
{
    static struct str done[] = {STR_INIT("Complete")};
    return (struct evidence_source){.name = STR("kasten"),
                                    .group = STR("actions.kio.kasten.io"),
                                    .version = STR("v1alpha1"),
                                    .kind = STR("RunAction"),
                                    .resource = STR("runactions"),
                                    .done_path = STR("status.state"),
                                    .failed_path = STR("status.state"),
                                    .time_path = STR("status.endTime"),
                                    .done_values = {done, 1, 1},
                                    .alternative = alternative};
}

static void ask(struct world *world, struct evidence_source *source)
{
    world_begin(world);
    world->settings.evidence = source;
    world->settings.evidence_count = 1;
}

static void test_needed(void)
{
    struct world world;
    struct evidence_source source = engine(false);
    ask(&world, &source);
    world_source(&world, "mb");
    world_taken(&world, "mb-kcm-1-2-0", "kcm-1-2-0", 600, "Completed");
    const struct decision *decision = world_judge(&world);
    CU_ASSERT(decision->denied && decision->code == 503 && decision->retry_after > 0);
    CU_ASSERT(world_says(&world, "kasten: it was not read") && world_says(&world, "skip-pre-upgrade-backup"));
    ASSERT_TEXT(world_audit(&world, "evidence-kasten"), "unknown");
    CU_ASSERT(decision->effects.len == 0);
    world_end(&world);
}

static void test_alternative(void)
{
    struct world world;
    struct evidence_source source = engine(true);
    ask(&world, &source);
    const struct decision *decision = world_judge(&world); /* nothing else protects */
    CU_ASSERT(decision->denied && decision->code == 503);
    world_source(&world, "mb");
    decision = world_judge(&world); /* the ManagementBackup is started, as ever */
    CU_ASSERT(decision->denied && decision->code == 429 && decision->effects.len == 1);
    world_taken(&world, "mb-kcm-1-2-0", "kcm-1-2-0", 300, "Failed");
    decision = world_judge(&world); /* whether the alternative would do is the question */
    CU_ASSERT(decision->denied && decision->code == 503 && decision->effects.len == 0);
    world_end(&world);
    ask(&world, &source);
    world_source(&world, "mb");
    world_taken(&world, "mb-kcm-1-2-0", "kcm-1-2-0", 300, "Completed");
    CU_ASSERT(!world_judge(&world)->denied);
    world_end(&world);
}

static void test_view(void)
{
    struct world world;
    struct evidence_source source = engine(false);
    ask(&world, &source);
    world_add(&world, "{apiVersion: k0rdent.mirantis.com/v1beta1, kind: Management, metadata: {name: kcm}, "
                      "spec: {release: kcm-1-2-0}, status: {release: kcm-1-2-0}}");
    world_judge(&world);
    struct upgrade_view view;
    CU_ASSERT_FATAL(policy_upgrade_view(world.arena, world.inventory, &world.settings, world.now, STR(""), &view));
    CU_ASSERT(view.outcome == UPGRADE_UNKNOWN && view.evidence_count == 1 && view.evidence[0].counts);
    ASSERT_TEXT(str_from(engine_states[view.evidence[0].state]), "unknown");
    world_end(&world);
}

SUITE(gate_engines, {"needed and not read: closed", test_needed},
      {"an alternative that was not read", test_alternative}, {"the view shows it", test_view})
