/* What an audit reads, and how it judges an object that is there already as if it were created
 * now. */

#include "backstop/api.h"
#include "backstop/kube.h"
#include "commands/audit/audit.h"

/* An audit reads whole objects, where the inventory keeps only the fields it uses. */

/* The list that is under way: the items need its kind and version. */
struct audit_listing {
    const struct manifest_sink *sink;
    const char *source, *kind;
    struct str api_version;
    unsigned number;
    bool stopped;
};

/* Pages are freed as the list goes on; items of a list say neither apiVersion nor kind.
 * managedFields are most of an object and never read. */
static bool audit_cluster_visit(void *context, struct json_object *object, struct error *error)
{
    struct audit_listing *listing = context;
    if (!json_object_is_type(object, json_type_object))
        return error_set(error, 502, "an item of the list is not an object");
    json_delete(json_get(object, "metadata"), "managedFields");
    if (!json_put_text(object, "apiVersion", listing->api_version) ||
        !json_put_text(object, "kind", str_from(listing->kind)))
        return error_set(error, 500, "out of memory");
    struct manifest manifest = {.source = listing->source, .number = ++listing->number, .tree = object, .stored = true};
    listing->stopped = !listing->sink->visit(listing->sink->context, &manifest);
    return !listing->stopped || error_set(error, 500, "stopped");
}

/* By the first of the versions known here that the cluster serves. An error of one kind is reported,
 * and the others are listed all the same. */
static bool list_kind(struct kube_client *client, struct audit_listing *listing, const struct rule *rule,
                      struct error *error)
{
    enum { TEXTS_LIMIT = 64 * 1024 };
    ARENA_SCOPED arena = arena_new(TEXTS_LIMIT);
    if (!arena)
        return error_set(error, 500, "out of memory");
    struct kube_resource resource = {
        .group = str_from(rule->group), .plural = str_from(rule->resource), .kind = str_from(rule->kind)};
    bool k0rdent = str_is(resource.group, GROUP_K0RDENT);
    const char *version = NULL;
    if (!kube_served_version(client, resource.group, resource.plural,
                             k0rdent ? versions_of_k0rdent : versions_of_velero, &version, error))
        return error->code == 404; /* no CRD, no objects */
    const struct kube_list_options all = {0};
    resource.version = str_from(version);
    resource.namespaced = false; /* all namespaces: the path without one */
    listing->kind = rule->kind;
    listing->api_version = arena_printf(arena, "%s/%s", rule->group, version);
    return kube_list(client, arena, &resource, &all, audit_cluster_visit, listing, NULL, error);
}

/* Several rules may cover one kind; it is listed once. */
static bool audit_cluster_seen_before(const struct rule *rules, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (str_eq(str_from(rules[i].group), str_from(rules[at].group)) &&
            str_eq(str_from(rules[i].resource), str_from(rules[at].resource)))
            return true;
    return false;
}

void audit_list(const struct facts_options *options, struct str from, const struct manifest_sink *sink)
{
    struct error error;
    const struct kube_options wanted = connection_access(&options->connection);
    struct audit_listing listing = {.sink = sink, .source = from.ptr};
    struct kube_client *client = kube_open(&wanted, &error);
    if (!client) {
        sink->problem(sink->context, NULL, -1, error.message);
        return;
    }
    size_t count;
    const struct rule *rules = admission_rules(&count);
    for (size_t i = 0; i < count && !listing.stopped; i++)
        if (!audit_cluster_seen_before(rules, i) && !list_kind(client, &listing, &rules[i], &error) && !listing.stopped)
            sink->problem(sink->context, from.ptr, -1, error.message);
    kube_close(client);
}

/* Files are read again, as whole objects this time. */
void audit_read(const struct facts_options *options, const struct facts *facts, const struct manifest_sink *sink)
{
    struct manifest_files files = {.sink = *sink, .quiet_others = true};
    if (facts->cluster)
        audit_list(options, facts->from, sink);
    for (size_t i = 0; !facts->cluster && i < options->inventories.len; i++)
        if (!manifests_read(&files, options->inventories.items[i]))
            return;
}

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

/* Only of ManagementBackups their own Backups must not be known. */
static const struct inventory *facts_for(const struct audit_world *world, const struct manifest *manifest)
{
    return str_is(json_get_str(manifest->tree, "kind"), "ManagementBackup") ? world->without_own : world->inventory;
}

/* NULL: it is reviewed. */
static const char *passes_over(const struct manifest *manifest)
{
    struct str phase = json_path_str(manifest->tree, "status.phase");
    if (json_path_str(manifest->tree, "metadata.deletionTimestamp").len)
        return "being deleted";
    if (str_is(json_get_str(manifest->tree, "kind"), "Restore") && !phase_is_new(phase))
        return "already carried out";
    return NULL;
}

/* Also false of a recorded review in a file, which is no object. */
bool audit_concerns(const struct manifest *manifest)
{
    if (!manifest->tree || manifest->review.ptr)
        return false;
    struct str group = api_version_group(json_get_str(manifest->tree, "apiVersion"), NULL);
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

/* What an audit finds, kept: the first objects of each sort, and how many there are. */

enum { OBJECT_LIMIT = 256 * 1024 * 1024, ROWS = 100, SAYS = 20 };

struct rows {
    struct arena *arena;
    struct audit_world *world;
    bool failed; /* for want of memory */
    struct status_audit *audit;
    struct status_audited *denied, *warned;
    size_t denied_count, warned_count;
};

static void keep_problem(void *context, const char *source, int64_t line, const char *reason)
{
    struct rows *rows = context;
    BUF_SCOPED problem;
    buf_init(&problem, MANIFEST_PROBLEM_LIMIT);
    manifest_problem_write(source, line, reason, &problem);
    if (rows->audit->problem.len == 0)
        rows->audit->problem = arena_copy(rows->arena, buf_str(&problem));
}

/* Objects that would be denied are kept apart from those with warnings, so that many of the
 * latter leave no less room for the former. */
static void keep_row(struct rows *rows, const struct review_result *result)
{
    const struct decision *decision = &result->decision;
    if (!decision->denied && decision->warnings.len == 0)
        return;
    size_t *count = decision->denied ? &rows->denied_count : &rows->warned_count;
    rows->audit->row_total++;
    if (*count == ROWS)
        return;
    struct status_audited *row = (decision->denied ? rows->denied : rows->warned) + (*count)++;
    row->object = arena_copy(rows->arena, audit_title(decision->arena, result->manifest));
    row->denied = decision->denied;
    struct arena *arena = rows->arena;
    if (decision->message.len)
        strlist_add(arena, &row->says, arena_copy(arena, decision->message));
    for (size_t i = 0; i < decision->causes.len && row->says.len < SAYS; i++) {
        const struct cause *cause = &decision->causes.items[i];
        strlist_add(arena, &row->says,
                    arena_printf(arena, "%.*s%s%.*s", STR_ARG(cause->field), cause->field.len ? ": " : "",
                                 STR_ARG(cause->message)));
    }
    for (size_t i = 0; i < decision->warnings.len && row->says.len < SAYS; i++)
        strlist_add(arena, &row->says, arena_copy(arena, decision->warnings.items[i]));
}

static bool review_manifest(void *context, struct manifest *manifest)
{
    struct rows *rows = context;
    struct status_audit *audit = rows->audit;
    const char *passed_over;
    struct review_result result;
    if (!audit_concerns(manifest))
        return true;
    ARENA_SCOPED arena = arena_new(OBJECT_LIMIT);
    rows->failed = !arena || !audit_review(rows->world, audit->at, arena, manifest, &result, &passed_over);
    if (rows->failed)
        return false;
    if (passed_over)
        return true;
    audit->reviewed++;
    audit->denied += result.decision.denied;
    audit->warned += !result.decision.denied && result.decision.warnings.len > 0;
    keep_row(rows, &result);
    return true;
}

/* The audit within `status`, where a page has room for so many rows: those that would be denied
 * first. */
bool audit_rows(struct arena *arena, const struct facts_options *options, const struct facts *facts,
                const struct settings *settings, int64_t now, struct status_audit *audit)
{
    CLEANUP(audit_world_close) struct audit_world world = {0};
    struct rows rows = {.arena = arena, .world = &world, .audit = audit};
    const struct manifest_sink sink = {review_manifest, keep_problem, &rows, NULL};
    *audit = (struct status_audit){.at = now};
    rows.denied = arena_array(arena, 2 * ROWS, sizeof *rows.denied);
    rows.warned = arena_array(arena, ROWS, sizeof *rows.warned);
    if (!rows.denied || !rows.warned || !audit_world_open(&world, options, facts, settings))
        return false;
    audit_read(options, facts, &sink);
    if (rows.failed)
        return false;
    for (size_t i = 0; i < rows.warned_count; i++)
        rows.denied[rows.denied_count + i] = rows.warned[i];
    audit->rows = rows.denied;
    audit->row_count = rows.denied_count + rows.warned_count;
    return !arena_failed(arena);
}
