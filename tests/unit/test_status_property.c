/* Generated clusters: `restore` is READY exactly where a model of a few lines finds a backup to rely on that is no older
 * than the objective, and where it finds none nothing else is READY either. */
#include "backstop/status.h"

#include "gate_world.h"

enum { ROUNDS = 4000, HOUR = 3600, DAY = 86400, SKEW = 300, SOURCES = 3, LOCATIONS = 4, BACKUPS = 7 };

static uint64_t state;

static int64_t pick(int64_t count)
{
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (int64_t)((state >> 33) % (uint64_t)count);
}
static bool often(int64_t percent)
{
    return pick(100) < percent;
}

/* ---- a cluster ------------------------------------------------------------------ */

struct plan_row {
    const char *spec;
    int64_t every, offset; /* it fires at offset + n * every */
};
static const struct plan_row plans[] = {{"0 * * * *", HOUR, 0},
                                        {"0 */6 * * *", 6 * HOUR, 0},
                                        {"30 2 * * *", DAY, 2 * HOUR + 1800},
                                        {"0 0 * * 0", 7 * DAY, 3 * DAY},
                                        {"", 0, 0}};

struct made_source {
    const struct plan_row *plan;
    int64_t annotated; /* hours; 0: no annotation */
};
struct made_location {
    bool there, available, inside;
    int64_t validated; /* seconds ago */
};
struct made_backup {
    const char *phase;
    int64_t age, took, ttl; /* of the completion; from the start */
    int owner;              /* of sources; SOURCES: none of them */
    int place;
    bool ours, hollow, empty, errors, requested, processed, deleting, forged, region;
};
struct made {
    struct made_source sources[SOURCES];
    struct made_location locations[LOCATIONS];
    struct made_backup backups[BACKUPS];
    int source_count, backup_count;
    int64_t setting; /* seconds */
    bool velero;
};

static int64_t model_next(const struct made *made, const struct made_backup *backup, int64_t now)
{
    int64_t next = 0;
    for (int i = 0; i < made->source_count; i++) {
        const struct plan_row *plan = made->sources[i].plan;
        int64_t run = plan->every ? ((now - plan->offset) / plan->every + 1) * plan->every + plan->offset : 0;
        if (i == backup->owner && run)
            return run;
        next = run && (!next || run < next) ? run : next;
    }
    return next;
}

static struct made_backup make_backup(const struct made *made)
{
    static const char *const phases[] = {"Completed",  "Completed",       "Completed", "Completed",
                                         "Completed",  "Completed",       "Failed",    "Completed",
                                         "InProgress", "PartiallyFailed", "Deleting"};
    static const int64_t ages[] = {60,        1800,      HOUR,    2 * HOUR, 5 * HOUR,
                                   11 * HOUR, 30 * HOUR, 3 * DAY, 8 * DAY,  20 * DAY};
    bool hopeless = often(15);
    return (struct made_backup){.phase = phases[pick((int64_t)LENGTH_OF(phases))],
                                .age = often(4) ? -5 * HOUR : ages[pick((int64_t)LENGTH_OF(ages))] + pick(600),
                                .took = 60 + pick(600),
                                .ttl = often(15) ? pick(2 * DAY) : 30 * DAY,
                                .owner = (int)pick(made->source_count + 1),
                                .place = (int)(often(70) ? 0 : pick(LOCATIONS)),
                                .ours = !often(8),
                                .hollow = often(6),
                                .empty = often(6),
                                .errors = hopeless && often(30),
                                .requested = often(10),
                                .processed = often(30),
                                .deleting = hopeless && often(30),
                                .forged = hopeless && often(30),
                                .region = often(6)};
}

static struct made make_cluster(void)
{
    struct made made = {.source_count = (int)(1 + pick(SOURCES)),
                        .backup_count = (int)pick(BACKUPS + 1),
                        .setting = often(25) ? (1 + pick(48)) * HOUR : 0,
                        .velero = !often(5)};
    for (int i = 0; i < made.source_count; i++)
        made.sources[i] = (struct made_source){.plan = &plans[pick((int64_t)LENGTH_OF(plans))],
                                               .annotated = often(20) ? 1 + pick(72) : 0};
    for (int i = 0; i < LOCATIONS; i++)
        made.locations[i] = (struct made_location){.there = !often(i ? 30 : 3),
                                                   .available = !often(i ? 40 : 4),
                                                   .inside = often(i ? 40 : 4),
                                                   .validated = often(8) ? 2 * HOUR + pick(9 * DAY) : pick(120)};
    for (int i = 0; i < made.backup_count; i++) {
        struct made_backup *backup = &made.backups[i];
        *backup = make_backup(&made);
        int64_t next = model_next(&made, backup, WORLD_NOW);
        if (next && often(15)) /* it expires while the next one runs, or a little later */
            backup->ttl = backup->age + backup->took + next - WORLD_NOW + pick(2 * backup->took);
    }
    return made;
}

/* ---- written as YAML --------------------------------------------------------------- */

static void write_backup(struct world *world, const struct made *made, int number)
{
    const struct made_backup *backup = &made->backups[number];
    bool ends = str_is(str_from(backup->phase), "Completed") || str_is(str_from(backup->phase), "PartiallyFailed");
    char owner[96] = "", region[64] = "", managers[160] = "", completed[64] = "";
    if (backup->owner < made->source_count)
        snprintf(owner, sizeof owner, "k0rdent.mirantis.com/management-backup: mb-%d", backup->owner);
    if (backup->region)
        snprintf(region, sizeof region, "%sk0rdent.mirantis.com/region: eu", owner[0] ? ", " : "");
    if (backup->forged)
        snprintf(managers, sizeof managers,
                 ", managedFields: [{manager: kubectl-edit, fieldsV1: {f:status: {f:phase: {}}}}]");
    if (ends)
        snprintf(completed, sizeof completed, ", completionTimestamp: %s", world_time(world, backup->age));
    world_add(world,
              "{apiVersion: velero.io/v1, kind: Backup, metadata: {name: b-%d, namespace: kcm-system,"
              " creationTimestamp: %s, labels: {%s%s}%s%s},"
              " spec: {storageLocation: bsl-%d, %s%s%s}, status: {phase: %s, startTimestamp: %s%s, expiration: %s,"
              " progress: {itemsBackedUp: %d, totalItems: %d}%s}}",
              number, world_time(world, backup->age + backup->took), owner, region, managers,
              backup->deleting ? ", deletionTimestamp: \"2026-11-21T02:59:00Z\"" : "", backup->place,
              backup->ours ? BY_KCM
                           : "includedNamespaces: [kcm-system], orLabelSelectors: [{matchLabels: "
                             "{k0rdent.mirantis.com/component: kcm}}]",
              backup->hollow ? ", excludedNamespaces: [secret-things]" : "", "", backup->phase,
              world_time(world, backup->age + backup->took), completed,
              world_time(world, backup->age + backup->took - backup->ttl), backup->empty ? 0 : 980,
              backup->empty ? 0 : 980, backup->errors ? ", errors: 2" : "");
    if (backup->requested)
        world_add(world,
                  "{apiVersion: velero.io/v1, kind: DeleteBackupRequest, metadata: {name: d-%d, namespace: kcm-system},"
                  " spec: {backupName: b-%d}, status: {phase: %s}}",
                  number, number, backup->processed ? "Processed" : "New");
}

static void write_cluster(struct world *world, const struct made *made)
{
    world->settings.status_recovery_point = made->setting;
    world->unknown[FACT_VELERO] = world->unknown[FACT_STORAGE_LOCATIONS] = false;
    strlist_add(world->arena, &world->settings.velero_field_managers, STR("velero-server"));
    world_add(
        world,
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: velero, namespace: kcm-system, labels: {component:"
        " velero}}, spec: {template: {spec: {serviceAccountName: velero-server}}}, status: {readyReplicas: %d}}",
        made->velero);
    for (int i = 0; i < made->source_count; i++) {
        const struct made_source *source = &made->sources[i];
        char annotation[96] = "";
        if (source->annotated)
            snprintf(annotation, sizeof annotation, ", annotations: {" ANNOTATION_RECOVERY_POINT ": %dh}",
                     (int)source->annotated);
        world_add(world,
                  "{apiVersion: k0rdent.mirantis.com/v1beta1, kind: ManagementBackup, metadata: {name: mb-%d,"
                  " creationTimestamp: %s%s}, spec: {storageLocation: bsl-0, schedule: '%s'}}",
                  i, world_time(world, 90 * DAY), annotation, source->plan->spec);
    }
    for (int i = 0; i < LOCATIONS; i++)
        if (made->locations[i].there)
            world_add(world,
                      "{apiVersion: velero.io/v1, kind: BackupStorageLocation, metadata: {name: bsl-%d, namespace: "
                      "kcm-system}, spec: {provider: aws, objectStorage: {bucket: b}%s}, status: {phase: %s, "
                      "lastValidationTime: %s}}",
                      i, made->locations[i].inside ? ", config: {s3Url: \"http://minio.minio.svc:9000\"}" : "",
                      made->locations[i].available ? "Available" : "Unavailable",
                      world_time(world, made->locations[i].validated));
    for (int i = 0; i < made->backup_count; i++)
        write_backup(world, made, i);
}

/* ---- the model ------------------------------------------------------------------------ */

static bool model_sound(const struct made *made, const struct made_backup *backup, int64_t now)
{
    const struct made_location *place = &made->locations[backup->place];
    int64_t expires = now - backup->age - backup->took + backup->ttl, next = model_next(made, backup, now);
    return str_is(str_from(backup->phase), "Completed") && backup->ours && !backup->hollow && !backup->empty &&
           !backup->errors && !(backup->requested && !backup->processed) && !backup->deleting && !backup->forged &&
           !backup->region && backup->age >= -SKEW && place->there && place->available && !place->inside &&
           place->validated <= HOUR + 180 && expires > now && (!next || expires >= next + backup->took);
}

/* Two missed runs, the annotation, or the setting; the least of all ManagementBackups. */
static int64_t model_objective(const struct made *made)
{
    int64_t least = 0;
    for (int i = 0; i < made->source_count; i++) {
        const struct made_source *source = &made->sources[i];
        int64_t one = source->annotated ? source->annotated * HOUR : 2 * source->plan->every;
        least = one && (!least || one < least) ? one : least;
    }
    return made->setting ? made->setting : least;
}

static bool model_ready(const struct made *made, int64_t now)
{
    int64_t newest = INT64_MAX, objective = model_objective(made);
    for (int i = 0; i < made->backup_count; i++)
        if (model_sound(made, &made->backups[i], now) && made->backups[i].age < newest)
            newest = made->backups[i].age;
    return made->velero && newest != INT64_MAX && (!objective || newest <= objective);
}

/* ------------------------------------------------------------------------------------------ */

static void test_never_ready_without_recovery_point(void)
{
    size_t ready = 0, wrong = 0, headlines = 0;
    for (int round = 0; round < ROUNDS; round++) {
        state = (uint64_t)round + 1;
        struct made made = make_cluster();
        struct world world;
        struct status_view view;
        world_begin(&world);
        write_cluster(&world, &made);
        (void)world_judge(&world);
        view = (struct status_view){.arena = world.arena,
                                    .now = world.now,
                                    .from = STR("a test"),
                                    .inventory = world.inventory,
                                    .settings = &world.settings};
        CU_ASSERT_FATAL(status_fill(&view, STR("")));
        bool model = model_ready(&made, world.now), is = view.restore.grade == STATUS_READY;
        ready += model;
        headlines += view.verdict.grade == STATUS_READY;
        if (model != is || (!model && view.verdict.grade == STATUS_READY)) {
            if (wrong++ < 3)
                printf("\nround %d: the model says %s, status %s: %.*s\n%.*s\n", round, model ? "READY" : "not",
                       status_grade_text(view.restore.grade), STR_ARG(view.restore.says),
                       STR_ARG(buf_str(&world.yaml)));
        }
        world_end(&world);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(ready > ROUNDS / 10 && ready < ROUNDS / 2); /* both are met */
    CU_ASSERT(headlines > 20);
}

SUITE(status_property, {"never READY without a recovery point", test_never_ready_without_recovery_point})
