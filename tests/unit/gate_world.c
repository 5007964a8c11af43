#include "gate_world.h"

void world_begin(struct world *world)
{
    *world = (struct world){.arena = arena_new(256u << 20),
                            .now = WORLD_NOW,
                            .before = "kcm-1-2-0",
                            .running = "kcm-1-2-0",
                            .target = "kcm-1-3-0",
                            .user = "admin",
                            .annotations = "{}",
                            .providers = "[]",
                            .settings = {
                                .system_namespace = STR_INIT("kcm-system"),
                                .upgrade_gate = true,
                                .upgrade_max_backup_age = 3600,
                                .upgrade_retry_after = 15,
                                .upgrade_retry_after_failure = 600,
                                .upgrade_start_timeout = 300,
                                .upgrade_without_backups = VERDICT_WARN,
                            }};
    world->unknown[FACT_VELERO] = world->unknown[FACT_RELEASES] = world->unknown[FACT_STORAGE_LOCATIONS] = true;
    strlist_add(world->arena, &world->settings.velero_service_accounts, STR("velero-server"));
    buf_init(&world->yaml, 64u << 20);
}

void world_end(struct world *world)
{
    if (world->inventory)
        snapshot_release(world->inventory);
    buf_dispose(&world->yaml);
    arena_free(world->arena);
}

void world_add(struct world *world, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_puts(&world->yaml, "---\n");
    buf_vprintf(&world->yaml, format, args);
    buf_puts(&world->yaml, "\n");
    va_end(args);
}

const char *world_time(struct world *world, int64_t seconds_ago)
{
    char text[TIME_TEXT_SIZE];
    return arena_printf(world->arena, "\"%s\"", time_format(world->now - seconds_ago, 0, text)).ptr;
}

void world_source(struct world *world, const char *name)
{
    world_add(world,
              "{apiVersion: k0rdent.mirantis.com/v1beta1, kind: ManagementBackup, metadata: {name: %s},"
              " spec: {schedule: '@daily', storageLocation: aws-s3, performOnManagementUpgrade: true}}",
              name);
}

void world_taken(struct world *world, const char *name, const char *release, int64_t seconds_ago, const char *phase)
{
    const char *created = world_time(world, seconds_ago);
    world_add(
        world,
        "{apiVersion: k0rdent.mirantis.com/v1beta1, kind: ManagementBackup, metadata: {name: %s, creationTimestamp: "
        "%s, labels: {k0rdent.mirantis.com/release-backup: %s}}, spec: {storageLocation: aws-s3}}",
        name, created, release);
    if (!phase)
        return;
    struct str completed = {NULL, 0};
    static const char *const ended[] = {"Completed", "PartiallyFailed", "Failed"};
    for (size_t i = 0; i < LENGTH_OF(ended); i++)
        if (strcmp(phase, ended[i]) == 0)
            completed = arena_printf(world->arena, ", completionTimestamp: %s", created);
    struct str status =
        *phase ? arena_printf(world->arena, ", status: {phase: %s%.*s}", phase, STR_ARG(completed)) : STR("");
    world_add(
        world,
        "{apiVersion: velero.io/v1, kind: Backup, metadata: {name: %s, namespace: kcm-system, creationTimestamp: %s}"
        ", spec: {" BY_KCM ", storageLocation: aws-s3}%.*s}",
        name, created, STR_ARG(status));
}

static struct inventory *read_facts(struct world *world)
{
    struct error error;
    struct yaml_document *documents = NULL;
    struct yaml_options options = {.reject_duplicates = true};
    struct inventory_builder *builder = inventory_builder_new();
    CU_ASSERT_FATAL(builder != NULL);
    bool read = yaml_load(world->arena, buf_str(&world->yaml), &options, &documents, &error);
    if (!read)
        fprintf(stderr, "\n    %s\n", error.message);
    CU_ASSERT(read);
    for (; documents; documents = documents->next)
        CU_ASSERT(!documents->tree || inventory_add(builder, documents->tree, &error));
    for (int i = 0; i < FACT_COUNT; i++)
        inventory_set_known(builder, (enum fact)i, !world->unknown[i]);
    return inventory_finish(builder);
}

static struct object *management(struct world *world, const char *release, const char *providers)
{
    struct error error;
    struct str text = arena_printf(world->arena,
                                   "{\"metadata\":{\"name\":\"kcm\",\"annotations\":%s},\"spec\":{\"release\":\"%s\","
                                   "\"providers\":%s},\"status\":{\"release\":\"%s\"}}",
                                   world->annotations, release, providers, world->running);
    struct object *object = arena_alloc(world->arena, sizeof *object);
    CU_ASSERT_FATAL(object != NULL);
    object->root = json_index(world->arena, text, 2, &error);
    CU_ASSERT_FATAL(object->root != NULL);
    return object;
}

const struct decision *world_judge(struct world *world)
{
    if (world->inventory)
        snapshot_release(world->inventory);
    world->inventory = read_facts(world);
    CU_ASSERT_FATAL(world->inventory != NULL);
    struct request request;
    struct arena *arena = world->request_arena ? world->request_arena : world->arena;
    request_init(&request, arena);
    request.operation = OPERATION_UPDATE;
    request.now = world->now;
    request.dry_run = world->dry_run;
    request.api_version = STR("k0rdent.mirantis.com/v1beta1");
    request.kind = STR("Management");
    request.name = STR("kcm");
    request.user = str_from(world->user);
    request.object = management(world, world->target, world->providers);
    request.old_object =
        management(world, world->before, "[{\"name\":\"cluster-api-provider-azure\"},{\"name\":\"projectsveltos\"}]");
    if (strcmp(world->providers, "[]") == 0)
        request.old_object = management(world, world->before, "[]");
    decision_init(&world->decision, arena);
    policy_management(&request, world->inventory, &world->settings, &world->decision);
    CU_ASSERT_FALSE(arena_failed(world->arena));
    return &world->decision;
}

bool world_says(const struct world *world, const char *part)
{
    struct str message = decision_message(&world->decision);
    bool found = str_contains(message, str_from(part));
    if (!found)
        fprintf(stderr, "\n    not in the answer: %s\n    answer: %.*s\n", part, STR_ARG(message));
    return found;
}

bool world_warns(const struct world *world, const char *part)
{
    for (size_t i = 0; i < world->decision.warnings.len; i++)
        if (str_contains(world->decision.warnings.items[i], str_from(part)))
            return true;
    return false;
}

struct str world_audit(const struct world *world, const char *key)
{
    for (size_t i = 0; i < world->decision.audit.len; i++)
        if (str_is(world->decision.audit.items[i].key, key))
            return world->decision.audit.items[i].value;
    return (struct str){NULL, 0};
}

struct str world_created(const struct world *world, size_t n)
{
    if (n >= world->decision.effects.len)
        return (struct str){NULL, 0};
    return json_path_str(world->decision.effects.items[n].object, "metadata.name");
}
