/* What a review knows of other objects: the live object of a document, and a snapshot that grows
 * with each document that was allowed.
 *
 * kubectl apply asks for an update where the object is there already. What it would send is a
 * three-way merge with what was applied last; here the manifest stands for it, with what only
 * the server sets taken over from the live object. */
#include <stdlib.h>

#include "backstop/api.h"
#include "backstop/kube.h"
#include "commands/review/review.h"

/* NULL, and true, where there is none or where no rule covers the kind: its old object is of no
 * interest then. */
bool review_live(struct kube_client *client, struct arena *arena, struct json_object *tree, struct json_object **live,
                 struct error *error)
{
    *live = NULL;
    struct str version = json_get_str(tree, "apiVersion"), kind = json_get_str(tree, "kind"), head;
    struct str group = api_version_group(version, NULL), name = json_path_str(tree, "metadata.name");
    const struct rule *rule = review_rule(group, kind);
    if (!rule || !name.len)
        return true;
    if (group.len)
        str_cut(&version, '/', &head);
    const struct kube_resource resource = {.group = group,
                                           .version = version,
                                           .plural = str_from(rule->resource),
                                           .kind = kind,
                                           .namespaced = review_is_namespaced(group, kind)};
    struct str ns = resource.namespaced ? json_path_str(tree, "metadata.namespace") : (struct str){NULL, 0};
    return kube_get(client, arena, &resource, ns, name, live, error) || error->code == 404;
}

static void review_keep_key(struct json_object *to, struct json_object *from, const char *key)
{
    struct json_object *value = json_get(from, key);
    if (value && !json_get(to, key))
        json_put_shared(to, key, value);
}

/* Never over what the manifest itself says. */
void review_keep_live(struct json_object *tree, struct json_object *live)
{
    static const char *const server_set[] = {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"};
    struct json_object *metadata = json_get(tree, "metadata");
    if (!live || !metadata)
        return;
    review_keep_key(tree, live, "status");
    for (size_t i = 0; i < LENGTH_OF(server_set); i++)
        review_keep_key(metadata, json_get(live, "metadata"), server_set[i]);
}

static bool keep_management(void *context, struct manifest *manifest)
{
    struct review_managements *managements = context;
    if (!str_is(json_get_str(manifest->tree, "kind"), "Management"))
        return true;
    struct json_object *copy = json_keep(managements->arena, manifest->tree);
    struct manifest kept = {.source = manifest->source, .tree = copy};
    return copy && manifests_append(managements->arena, &managements->kept, &kept);
}

static void ignore_problem(void *context, const char *source, int64_t line, const char *reason)
{
    (void)context, (void)source, (void)line, (void)reason; /* said already as the inventory was read */
}

/* The inventory keeps structs, and the gate compares whole specs, so the files are read once
 * more for the Management, once for all documents. */
struct json_object *review_inventory_management(struct review_managements *managements, struct json_object *tree)
{
    struct manifest_files files = {.sink = {keep_management, ignore_problem, managements, NULL}, .quiet_others = true};
    for (size_t i = 0; !managements->read && i < managements->paths->len; i++)
        if (!manifests_read(&files, managements->paths->items[i]))
            break;
    managements->read = true;
    for (size_t i = 0; i < managements->kept.len; i++)
        if (str_eq(json_path_str(managements->kept.items[i].tree, "metadata.name"),
                   json_path_str(tree, "metadata.name")))
            return managements->kept.items[i].tree;
    return NULL;
}

enum { EXTRAS_LIMIT = 1024 * 1024 * 1024 };

struct review_facts {
    struct facts opened;                     /* its source is NULL when nothing is known */
    const struct inventory *base, *read;     /* read: what a rule had read anew */
    struct inventory_overlay *known, *fresh; /* the two, with what was allowed so far and the effects */
    int64_t now;
};

static void review_facts_release(const struct inventory **inventory)
{
    snapshot_release(*inventory);
    *inventory = NULL;
}

/* Without paths nothing is known, which is no error. */
struct review_facts *review_facts_files(const struct option_list *paths, struct str system_namespace,
                                        manifest_problem_fn *problem, void *context)
{
    struct error error;
    struct review_facts *facts = calloc(1, sizeof *facts);
    const struct inventory_files_options options = {.paths = (const char *const *)paths->items,
                                                    .path_count = paths->len,
                                                    .system_namespace = system_namespace,
                                                    .simulate_seconds = -1,
                                                    .problem = problem,
                                                    .context = context};
    if (facts && paths->len)
        facts->opened.source = facts_from_files(&options, &error);
    if (facts && (facts->opened.source || !paths->len))
        return facts;
    problem(context, NULL, -1, facts ? error.message : "out of memory");
    review_facts_close(&facts);
    return NULL;
}

struct review_facts *review_facts_cluster(const struct command *command, const struct facts_options *options,
                                          const struct settings *settings, int64_t now)
{
    struct review_facts *facts = calloc(1, sizeof *facts);
    if (!facts)
        command_fail(command, "out of memory");
    else if (!facts_open(&facts->opened, command, options, settings, now))
        review_facts_close(&facts);
    return facts;
}

/* The cluster's cache may have moved on since the last document. The overlay holds what was
 * added; it is put onto the newer snapshot, so that a long review of a live cluster sees both. */
static bool review_facts_follow(struct review_facts *facts)
{
    const struct inventory *base = facts_get(facts->opened.source, facts->now);
    if (!base || (facts->known && base == facts->base)) {
        review_facts_release(&base);
        return facts->known != NULL;
    }
    struct inventory_overlay *known =
        facts->known ? inventory_overlay_onto(facts->known, base) : inventory_overlay_new(base);
    if (known) {
        inventory_overlay_free(facts->known);
        facts->known = known;
    }
    review_facts_release(&facts->base);
    facts->base = base;
    return known != NULL;
}

/* Without an inventory the documents before this one are all that is known, and no kind is: what is not
 * among them may be in the cluster. */
static const struct inventory *review_facts_alone(struct review_facts *facts)
{
    if (!facts->known)
        facts->known = inventory_overlay_new(inventory_unknown());
    return facts->known ? inventory_overlay_get(facts->known) : NULL;
}

bool review_facts_none(const struct review_facts *facts)
{
    return !facts->opened.source;
}

const struct inventory *review_facts_get(struct review_facts *facts, int64_t now)
{
    facts->now = now;
    if (!facts->opened.source)
        return review_facts_alone(facts);
    return review_facts_follow(facts) ? inventory_overlay_get(facts->known) : NULL;
}

/* As serve does: the gate alone fails closed, the others do with what is known. */
const struct inventory *review_facts_read(void *context, const struct facts_wanted *wanted, struct error *error)
{
    struct review_facts *facts = context;
    if (!facts->opened.source)
        return review_facts_alone(facts);
    error_set(error, 503, "out of memory");
    review_facts_release(&facts->read);
    inventory_overlay_free(facts->fresh);
    facts->fresh = NULL;
    facts->read = facts_live(facts->opened.source, wanted, facts->now, error);
    if (facts->read == facts->base)
        return inventory_overlay_get(facts->known);
    if (facts->read)
        facts->fresh = inventory_overlay_onto(facts->known, facts->read);
    if (facts->fresh)
        return inventory_overlay_get(facts->fresh);
    if (wanted->k0rdent)
        return inventory_unknown();
    return wanted->upgrade ? NULL : inventory_overlay_get(facts->known);
}

/* ---- objects that earlier documents of this run would have created --------- */

static void manifest_put_text(struct json_object *object, const char *key, struct str text)
{
    if (text.len)
        json_put_text(object, key, text);
}

static void manifest_put_time(struct json_object *object, const char *key, int64_t seconds)
{
    char text[TIME_TEXT_SIZE];
    if (seconds)
        manifest_put_text(object, key, str_from(time_format(seconds, 0, text)));
}

/* Whether a manifest holds everything that policies read of its kind: what users write, or a status as well.
 * An incomplete one does not replace what is known already. */
static bool manifest_is_complete(struct json_object *object)
{
    struct str kind = json_get_str(object, "kind");
    if (json_get(object, "status") || str_is(kind, "ConfigMap") || str_is(kind, "Secret"))
        return true;
    return str_is(kind, "ManagementBackup") && json_path_str(object, "spec.schedule").len;
}

/* Age now, since the API server would give it one. */
static bool review_facts_add_object(struct review_facts *facts, struct json_object *object, enum overlay_mode mode)
{
    struct json_object *metadata = json_get(object, "metadata");
    if (!json_get(metadata, "creationTimestamp"))
        manifest_put_time(metadata, "creationTimestamp", facts->now);
    return inventory_overlay_add(facts->known, object, mode);
}

/* With members of its own, for what is added here, as has its metadata; what is below is shared: a whole copy of a large
 * object takes twenty times its size. */
static struct json_object *manifest_copy(struct arena *arena, struct json_object *object)
{
    struct json_object *copy = json_own(arena, json_object_new_object()), *metadata = json_get(object, "metadata");
    struct json_object *own = NULL;
    bool good = copy;
    json_foreach(object, key, value)
    {
        bool changes = value == metadata && json_object_is_type(value, json_type_object);
        good = good && (changes ? json_put_map(copy, key, &own) : json_put_shared(copy, key, value));
    }
    json_foreach(metadata, name, member)
    {
        good = good && json_put_shared(own, name, member);
    }
    return good ? copy : NULL;
}

static bool review_facts_apply(struct review_facts *facts, struct arena *arena, struct json_object *applied)
{
    struct json_object *object = manifest_copy(arena, applied);
    if (!object)
        return false;
    struct str name = json_path_str(object, "metadata.name"), ns = json_path_str(object, "metadata.namespace");
    const struct storage_location *before = NULL;
    if (str_is(json_get_str(object, "kind"), "BackupStorageLocation"))
        before = inventory_storage_location(inventory_overlay_get(facts->known), ns, name);
    if (before && !json_get(object, "status")) {
        /* Applying a storage location again keeps its age and the status that Velero wrote. */
        struct json_object *status;
        if (json_put_map(object, "status", &status)) {
            manifest_put_time(json_get(object, "metadata"), "creationTimestamp", before->meta.created);
            manifest_put_text(status, "phase", before->phase);
            manifest_put_text(status, "message", before->message);
            manifest_put_time(status, "lastValidationTime", before->last_validated);
        }
    }
    return review_facts_add_object(facts, object, manifest_is_complete(object) ? OVERLAY_REPLACES : OVERLAY_FILLS);
}

/* A deletion that was allowed is under way for the documents after it. A cluster is only read. */
static bool review_facts_reserve(struct review_facts *facts, const struct reservation *reservation)
{
    struct error ignored;
    if (!reservation->backup.len || !facts->read || !facts->opened.source || facts_wait(facts->opened.source))
        return true;
    return facts_reserve(facts->opened.source, facts->read, reservation->backup, facts->now, &ignored);
}

/* The effects of a denial count too: the gate denies and starts a backup, which the next
 * document then finds. */
bool review_facts_add(struct review_facts *facts, const struct review_result *result)
{
    const struct decision *decision = &result->decision;
    if (!facts->known || result->request.dry_run)
        return true;
    ARENA_SCOPED arena = arena_new(EXTRAS_LIMIT);
    if (!arena || (!decision->denied && result->object && !review_facts_apply(facts, arena, result->object)))
        return false;
    if (!decision->denied && !review_facts_reserve(facts, &decision->reservation))
        return false;
    for (size_t i = 0; i < decision->effects.len; i++) {
        struct json_object *effect = manifest_copy(arena, decision->effects.items[i].object);
        /* The gate asks for what is there already, too. */
        if (!effect || !review_facts_add_object(facts, effect, OVERLAY_FILLS))
            return false;
    }
    return true;
}

void review_facts_close(struct review_facts **facts)
{
    if (!*facts)
        return;
    inventory_overlay_free((*facts)->fresh);
    inventory_overlay_free((*facts)->known);
    review_facts_release(&(*facts)->read);
    review_facts_release(&(*facts)->base);
    facts_dispose(&(*facts)->opened);
    free(*facts);
    *facts = NULL;
}
