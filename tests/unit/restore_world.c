#include "restore_world.h"

enum { NOW = 1795230000 }; /* 2026-11-21T03:00:00Z */

void restore_world_begin(struct restore_world *world)
{
    struct error error;
    *world = (struct restore_world){.arena = arena_new(512U << 20), .facts = "cluster", .annotations = "{}"};
    world->settings = settings_defaults(&error);
    CU_ASSERT_FATAL(world->arena && world->settings);
    buf_init(&world->yaml, 1U << 20);
}

static void forget_facts(struct restore_world *world)
{
    if (world->inventory)
        snapshot_release(world->inventory);
    world->inventory = NULL;
}

void restore_world_end(struct restore_world *world)
{
    forget_facts(world);
    shared_release(&world->settings->shared);
    buf_dispose(&world->yaml);
    arena_free(world->arena);
}

void restore_world_add(struct restore_world *world, const char *yaml)
{
    buf_printf(&world->yaml, "---\n%s\n", yaml);
    forget_facts(world);
}

void restore_world_map(struct restore_world *world, const char *content)
{
    buf_clear(&world->yaml);
    buf_puts(&world->yaml, "---\n{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\","
                           "\"namespace\":\"kcm-system\"},\"data\":{\"rules\":");
    json_write_str(&world->yaml, str_from(content));
    buf_puts(&world->yaml, "}}\n");
    forget_facts(world);
}

static void add_all(struct restore_world *world, struct inventory_builder *builder, struct str text)
{
    struct error error = {0};
    struct yaml_document *document = NULL;
    bool read = yaml_load(world->arena, text, &(struct yaml_options){0}, &document, &error);
    if (!read)
        fprintf(stderr, "\n    line %lld: %s\n", (long long)error.position, error.message);
    CU_ASSERT(read);
    for (; document; document = document->next)
        CU_ASSERT(!document->tree || inventory_add(builder, document->tree, &error));
}

static void gather_facts(struct restore_world *world)
{
    struct error error = {0};
    struct str text;
    struct inventory_builder *builder = inventory_builder_new();
    CU_ASSERT_FATAL(builder != NULL);
    if (world->facts) {
        struct str path = arena_printf(world->arena, "tests/golden/inventories/%s.yaml", world->facts);
        CU_ASSERT_FATAL(file_read(world->arena, path.ptr, 1U << 20, &text, &error));
        add_all(world, builder, text);
    }
    if (world->yaml.len)
        add_all(world, builder, buf_str(&world->yaml));
    for (int i = 0; i < FACT_COUNT; i++)
        inventory_set_known(builder, (enum fact)i, !world->unknown[i]);
    world->inventory = inventory_finish(builder);
    CU_ASSERT_FATAL(world->inventory != NULL);
}

static struct json_object *build(struct restore_world *world, const char *spec, const char *phase)
{
    struct error error = {0};
    struct yaml_document *document = NULL;
    struct str text =
        arena_printf(world->arena,
                     "{apiVersion: velero.io/v1, kind: Restore, metadata: {name: r, namespace: kcm-system, "
                     "annotations: %s}, spec: %s, status: {phase: %s}}",
                     world->annotations, spec, phase);
    bool read = yaml_load(world->arena, text, &(struct yaml_options){0}, &document, &error);
    if (!read)
        fprintf(stderr, "\n    %s: %s\n", spec, error.message);
    CU_ASSERT_FATAL(read && document);
    return document->tree;
}

static struct object *as_object(struct restore_world *world, struct json_object *tree)
{
    struct error error = {0};
    BUF_SCOPED text;
    buf_init(&text, 16U << 20);
    json_write_tree(&text, tree);
    struct object *object = arena_alloc(world->arena, sizeof(*object));
    CU_ASSERT_FATAL(object != NULL);
    object->root = json_index(world->arena, arena_copy(world->arena, buf_str(&text)), 2, &error);
    CU_ASSERT_FATAL(object->root != NULL);
    return object;
}

static const struct decision *review(struct restore_world *world, policy_fn *policy, enum operation operation,
                                     struct json_object *object, struct json_object *old)
{
    struct request request;
    if (!world->inventory)
        gather_facts(world);
    request_init(&request, world->arena);
    request.operation = operation;
    request.now = NOW;
    request.api_version = STR("velero.io/v1");
    request.kind = STR("Restore");
    request.ns = STR("kcm-system");
    request.name = STR("r");
    request.user = STR("admin");
    request.object = as_object(world, object);
    request.old_object = old ? as_object(world, old) : NULL;
    world->object = object;
    decision_init(&world->decision, world->arena);
    policy(&request, world->inventory, world->settings, &world->decision);
    CU_ASSERT_FALSE(arena_failed(world->arena));
    for (size_t i = 0; i < world->decision.warnings.len; i++)
        CU_ASSERT(!str_ends(world->decision.warnings.items[i], STR("..."))); /* none is cut */
    return &world->decision;
}

const struct decision *restore_mutated(struct restore_world *world, const char *spec)
{
    return review(world, policy_restore_mutate, OPERATION_CREATE, build(world, spec, "\"\""), NULL);
}

const struct decision *restore_validated(struct restore_world *world, const char *spec)
{
    return review(world, policy_restore, OPERATION_CREATE, build(world, spec, "\"\""), NULL);
}

const struct decision *restore_again(struct restore_world *world)
{
    struct error error = {0};
    struct json_object *patched = admission_apply_patch(world->arena, world->object, &world->decision, &error);
    if (!patched)
        fprintf(stderr, "\n    %s\n", error.message);
    CU_ASSERT_FATAL(patched != NULL);
    return review(world, policy_restore_mutate, OPERATION_CREATE, patched, NULL);
}

const struct decision *restore_updated(struct restore_world *world, const char *spec, const char *old_spec,
                                       const char *old_phase)
{
    return review(world, policy_restore, OPERATION_UPDATE, build(world, spec, old_phase),
                  build(world, old_spec, old_phase));
}

bool restore_says(const struct restore_world *world, const char *part)
{
    return str_contains(decision_message(&world->decision), str_from(part));
}

bool restore_warns(const struct restore_world *world, const char *part)
{
    for (size_t i = 0; i < world->decision.warnings.len; i++)
        if (str_contains(world->decision.warnings.items[i], str_from(part)))
            return true;
    return false;
}

struct str restore_patch(const struct restore_world *world)
{
    BUF_SCOPED text;
    buf_init(&text, 1U << 20);
    for (size_t i = 0; i < world->decision.patch.len; i++) {
        const struct patch_step *step = &world->decision.patch.items[i];
        if (!str_starts(step->path, STR("/spec/"))) /* what was added is also told in an annotation */
            continue;
        buf_printf(&text, "%s%s %.*s ", i ? "\n" : "", step->op, STR_ARG(step->path));
        json_write_tree(&text, step->value);
    }
    return arena_copy(world->arena, buf_str(&text));
}
