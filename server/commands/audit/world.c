#include "backstop/kube.h"
#include "commands/audit/audit.h"

enum { SCHEMAS_LIMIT = 64 * 1024 * 1024 };

/* An object is reviewed as if it were created now, but it is there already, and what it
 * brought about must not stand against it:
 * - An on-demand ManagementBackup has a Velero Backup of its own name. A review takes
 *   that for somebody else's, which kcm would adopt. So ManagementBackups are reviewed
 *   against facts without these Backups, unless one is older than its ManagementBackup:
 *   then it was adopted indeed (late check mb-12).
 * - A Restore that Velero has taken up is history: its Backup may have expired since, and
 *   Velero has rewritten its spec (both names set, exclusions appended).
 * - An object being deleted is reviewed no more, as on any update. */

struct own {
    const struct inventory *inventory;
    struct str ns;
};

/* After a restore everything is young, in whatever order it came back. */
static bool was_restored(const struct object_meta *meta)
{
    return json_get(meta->labels, LABEL_RESTORE_NAME) != NULL;
}

static bool is_own(void *context, enum fact fact, const struct object_meta *meta)
{
    const struct own *own = context;
    if (fact != FACT_BACKUPS || !str_eq(meta->ns, own->ns))
        return false;
    const struct management_backup *maker = inventory_management_backup(own->inventory, meta->name);
    if (!maker || maker->schedule.len)
        return false;
    return meta->created == 0 || meta->created >= maker->meta.created || was_restored(&maker->meta);
}

/* Whoever may not read CRDs is answered by what is built in. */
static bool world_open_schemas(struct audit_world *world, const struct facts_options *options,
                               const struct facts *facts)
{
    struct error ignored;
    const struct kube_options wanted = connection_access(&options->connection);
    world->schemas.set.arena = arena_new(SCHEMAS_LIMIT);
    if (world->schemas.set.arena && facts->cluster)
        world->schemas.client = kube_open(&wanted, &ignored);
    else if (world->schemas.set.arena)
        review_schemas_scan(&world->schemas, &options->inventories);
    return world->schemas.set.arena != NULL;
}

bool audit_world_open(struct audit_world *world, const struct facts_options *options, const struct facts *facts,
                      const struct settings *settings)
{
    const struct inventory *inventory = facts->inventory;
    struct own own = {inventory, settings->system_namespace};
    bool any = false;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS] && !any; i++)
        any = is_own(&own, FACT_BACKUPS, &inventory->backups[i]->meta);
    world->inventory = inventory;
    world->settings = settings;
    world->without_own = any ? inventory_without(inventory, is_own, &own) : snapshot_hold(inventory);
    return world->without_own && world_open_schemas(world, options, facts);
}

void audit_world_close(struct audit_world *world)
{
    snapshot_release(world->without_own);
    world->without_own = NULL;
    kube_close(world->schemas.client);
    arena_free(world->schemas.set.arena);
    world->schemas = (struct review_schemas){.client = NULL};
}

static const struct inventory *facts_for(const struct audit_world *world, const struct manifest *manifest)
{
    return str_is(json_get_str(manifest->tree, "kind"), "ManagementBackup") ? world->without_own : world->inventory;
}

static const char *passes_over(const struct manifest *manifest)
{
    struct str phase = json_path_str(manifest->tree, "status.phase");
    if (json_path_str(manifest->tree, "metadata.deletionTimestamp").len)
        return "being deleted";
    if (str_is(json_get_str(manifest->tree, "kind"), "Restore") && phase.len && !str_is(phase, "New"))
        return "already carried out";
    return NULL;
}

bool audit_concerns(const struct manifest *manifest)
{
    if (!manifest->tree || manifest->review.ptr)
        return false;
    struct str group = admission_group(json_get_str(manifest->tree, "apiVersion"));
    return admission_rule_for_object(group, json_get_str(manifest->tree, "kind"), OPERATION_CREATE, 0) != NULL;
}

/* Who wrote the object as it is: the status of a Backup is Velero's. */
static struct str author_of(const struct audit_world *world, struct arena *arena, const struct manifest *manifest)
{
    const struct strlist *accounts = &world->settings->velero_service_accounts;
    bool by_velero = str_is(json_get_str(manifest->tree, "kind"), "Backup") && json_get(manifest->tree, "status");
    if (!by_velero || !accounts->len)
        return STR("kubernetes-admin");
    struct str account = accounts->items[0];
    if (str_contains(account, STR(":")))
        return arena_printf(arena, "system:serviceaccount:%.*s", STR_ARG(account));
    return arena_printf(arena, "system:serviceaccount:%.*s:%.*s", STR_ARG(world->settings->system_namespace),
                        STR_ARG(account));
}

bool audit_review(struct audit_world *world, int64_t now, struct arena *arena, struct manifest *manifest,
                  struct review_result *result, const char **passed_over)
{
    struct str user = author_of(world, arena, manifest);
    if (!user.ptr)
        return false;
    const struct review_context context = {.inventory = facts_for(world, manifest),
                                           .settings = world->settings,
                                           .schemas = &world->schemas,
                                           .user = user.ptr,
                                           .operation = OPERATION_CREATE,
                                           .dry_run = true, /* nothing is to come of it */
                                           .now = now};
    *result = (struct review_result){.manifest = manifest};
    *passed_over = passes_over(manifest);
    if (*passed_over)
        return true;
    if (!review_run(&context, arena, manifest, result))
        return false;
    audit_forget_echo(result, world->settings, now);
    return true;
}
