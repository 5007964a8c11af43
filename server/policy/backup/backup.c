/* Then the review of a Backup that a person creates: its spec (spec.c), its storage, its ttl,
 * and what KOTS makes of it. A Backup with a phase is past all that, since Velero reads it once. */
#include "backstop/grammar.h"
#include "policy/backup/spec.h"
#include "policy/checks.h"
#include "policy/storage/storage.h"
#include "policy/velero/velero.h"

/* What the restore of a management Backup will want to know about the time it was taken, written
 * on the Backup itself as it is created. Velero keeps annotations in the object store, so that
 * they are there on an empty cluster, where nothing else is. What cannot be learnt is left out:
 * this review never denies, and never holds a backup up. */

struct passport {
    const struct request *request;
    const struct inventory *inventory;
    const struct settings *settings;
    const struct management *management;     /* NULL: there is none, or it is not known */
    const struct management_backup *made_by; /* on demand: it has the Backup's name; else NULL */
};

/* spec.release, not status.release: it is what kcm works towards, and a backup in the middle of
 * an upgrade must not look like one of the release before. */
static struct str passport_release(const struct passport *passport)
{
    return passport->management ? passport->management->release : (struct str){NULL, 0};
}

/* The gate's, as long as the release is the one that the gate takes it for. After a restore kcm
 * runs the same ManagementBackup again, and then it is not. */
static struct str passport_upgrade(const struct passport *passport)
{
    const struct management_backup *made_by = passport->made_by;
    if (!made_by || made_by->release.len == 0 || !str_eq(made_by->release, passport_release(passport)))
        return (struct str){NULL, 0};
    return json_get_str(made_by->meta.annotations, ANNOTATION_TAKEN_BEFORE);
}

/* What is half installed is no release to go back to, though its name says so. */
static struct str passport_not_ready(const struct passport *passport)
{
    enum { NAMED = 10 };
    const struct management *management = passport->management;
    struct arena *arena = passport->request->arena;
    struct str names = {NULL, 0};
    if (!management || management_progress(management) != MANAGEMENT_NOT_READY)
        return names;
    for (size_t i = 0; i < management->unready_components.len && i < NAMED; i++)
        names = arena_printf(arena, "%.*s%s%.*s", STR_ARG(names), i ? "," : "",
                             STR_ARG(management->unready_components.items[i]));
    return names;
}

static struct str passport_cluster(const struct passport *passport)
{
    const struct cluster_identity *cluster = inventory_cluster_identity(passport->inventory);
    return cluster ? cluster->uid : (struct str){NULL, 0};
}

static struct str passport_kcm(const struct passport *passport)
{
    return inventory_kcm_version(passport->inventory, passport->settings, passport->request->arena).version.text;
}

static struct str passport_velero(const struct passport *passport)
{
    return inventory_velero_version(passport->inventory, passport->settings).version.text;
}

static struct str join_names(struct arena *arena, const struct strlist *names)
{
    enum { LIST_MAX = 8192 };
    BUF_SCOPED joined;
    buf_init(&joined, LIST_MAX);
    for (size_t i = 0; i < names->len && joined.len + names->items[i].len < LIST_MAX; i++) {
        if (i)
            buf_putc(&joined, ',');
        buf_add(&joined, names->items[i]);
    }
    return arena_copy(arena, arena_text(arena, &joined));
}

/* From Management, which knows those without a ClusterDeployment as well; the Backup's own
 * selectors name only those in use. */
static struct str passport_providers(const struct passport *passport)
{
    const struct management *management = passport->management;
    return management ? join_names(passport->request->arena, &management->available_providers) : (struct str){NULL, 0};
}

/* "none" says that everything was looked at and nothing is needed; without it a restore cannot
 * tell that from not having been looked at. */
static struct str passport_exclusions(const struct passport *passport)
{
    struct arena *arena = passport->request->arena;
    struct json_object *spec = object_tree(passport->request, passport->request->object, "spec");
    bool whole = false;
    struct strlist needs = backup_needs(passport->inventory, spec, arena, &whole);
    return needs.len || !whole ? join_names(arena, &needs) : STR("none");
}

static const struct {
    const char *key;
    struct str (*value)(const struct passport *passport);
} fields[] = {
    {ANNOTATION_RELEASE, passport_release},     {ANNOTATION_TAKEN_BEFORE, passport_upgrade},
    {ANNOTATION_NOT_READY, passport_not_ready}, {ANNOTATION_CLUSTER_ID, passport_cluster},
    {ANNOTATION_KCM_VERSION, passport_kcm},     {ANNOTATION_VELERO_VERSION, passport_velero},
    {ANNOTATION_PROVIDERS, passport_providers}, {ANNOTATION_EXCLUSIONS, passport_exclusions},
};

/* BACKUP_MANAGEMENT or BACKUP_REGIONAL where one is created, and not brought from the object store by Velero. */
static enum backup_kind passport_is_due(const struct request *request, const struct settings *settings)
{
    if (request->operation != OPERATION_CREATE || !str_eq(request->ns, settings->system_namespace) ||
        request_by_velero(request, settings) ||
        !phase_is(object_text(request, request->object, "status.phase"), PHASE_WAITING))
        return BACKUP_OTHER;
    const struct backup_identity identity = backup_identify(object_tree(request, request->object, "metadata"),
                                                            object_tree(request, request->object, "spec"));
    return identity.kind == BACKUP_MANAGEMENT || identity.kind == BACKUP_REGIONAL ? identity.kind : BACKUP_OTHER;
}

/* Called again for the same request, it keeps the moment of the first time. */
static struct str passport_moment(const struct request *request)
{
    enum { SAME_REQUEST = 60 };
    int64_t when;
    char now[TIME_TEXT_SIZE];
    struct str written = object_annotation(request, request->object, ANNOTATION_RECORDED_AT);
    if (time_parse(written, &when) && when <= request->now && request->now - when <= SAME_REQUEST)
        return written;
    return arena_copy(request->arena, str_from(time_format(request->now, 0, now)));
}

/* All annotations are written in one patch. Those whose value is not known are left out, and an
 * old reader passes over those that it does not know. */
void policy_backup_passport(const struct request *request, const struct inventory *inventory,
                            const struct settings *settings, struct decision *decision)
{
    struct annotation items[LENGTH_OF(fields) + 1];
    size_t count = 0;
    enum backup_kind kind = passport_is_due(request, settings);
    if (kind == BACKUP_OTHER)
        return;
    const struct passport passport = {request, inventory, settings,
                                      kind == BACKUP_MANAGEMENT ? inventory_management(inventory) : NULL,
                                      inventory_management_backup(inventory, request->name)};
    for (size_t i = 0; i < LENGTH_OF(fields); i++) {
        struct annotation item = {fields[i].key, fields[i].value(&passport)};
        if (item.value.len)
            items[count++] = item;
    }
    if (count == 0)
        return;
    items[count++] = (struct annotation){ANNOTATION_RECORDED_AT, passport_moment(request)};
    annotations_patch(request, decision, items, count);
}

/* A cache may not have seen yet that spec.release was changed: that is exactly when kcm takes its
 * own pre-upgrade backup. What cannot be read now is not written. */
void policy_backup_passport_wants(const struct request *request, const struct inventory *inventory,
                                  const struct settings *settings, struct facts_wanted *wanted)
{
    const struct management *management = inventory_management(inventory);
    if (passport_is_due(request, settings) != BACKUP_MANAGEMENT)
        return;
    /* By name: for a list the API server first waits until its own cache is known to be current (100 ms, since 1.31). */
    wanted->k0rdent = true;
    facts_want(request->arena, wanted, FACT_MANAGEMENTS, (struct str){NULL, 0},
               management ? management->meta.name : STR("kcm"));
    if (name_is_dns_subdomain(request->name))
        facts_want(request->arena, wanted, FACT_MANAGEMENT_BACKUPS, (struct str){NULL, 0}, request->name);
}

/* Velero reads a Backup once. One that comes with a status is a copy of a backup in the
 * object store; and of what is edited afterwards it takes little notice. */
static bool is_taken_up(const struct request *request, const struct settings *settings, struct decision *decision)
{
    if (request->operation != OPERATION_UPDATE)
        return !phase_is(object_text(request, request->object, "status.phase"), PHASE_WAITING);
    struct str phase = object_text(request, request->old_object, "status.phase");
    if (phase_is(phase, PHASE_WAITING))
        return !phase_is(object_text(request, request->object, "status.phase"), PHASE_WAITING);
    if (request_changes(request, "spec") && !request_by_velero(request, settings))
        backup_edit_warn(request, settings, decision);
    return true;
}

/* k0rdent gives its own Backups 30 days; the least that is of use is a day. */
static void warn_of_ttl(const struct backup_spec *view)
{
    enum { SHORT = 3600 };
    struct error ignored;
    int64_t nanoseconds = 0;
    struct str ttl = json_get_str(view->spec, "ttl");
    if (!backup_spec_asks(view, "ttl") || !duration_parse(ttl, &nanoseconds, &ignored) || nanoseconds <= 0)
        return;
    if (nanoseconds / NS_PER_SECOND < SHORT)
        decision_caution(view->decision, "spec.ttl: the backup and its stored data are deleted after only %.*s",
                         STR_ARG(arena_quote(view->arena, ttl)));
}

static const char *kots_inside_means(struct json_object *annotations);

static void kots_warn_backup(const struct request *request, const struct inventory *inventory,
                             const struct settings *settings, bool storage_told, struct decision *decision);

/* Edits come first: they concern every version of the object. What follows is for a Backup that
 * Velero has not taken up. */
void policy_velero_backup(const struct request *request, const struct inventory *inventory,
                          const struct settings *settings, struct decision *decision)
{
    bool update = request->operation == OPERATION_UPDATE;
    struct json_object *spec = object_tree(request, request->object, "spec");
    if (request->operation != OPERATION_DELETE)
        backup_edit_check(request, inventory, settings, decision);
    if (decision->denied)
        return;
    if ((update && !request_changes(request, "spec")) || request->operation == OPERATION_DELETE ||
        is_taken_up(request, settings, decision))
        return;
    if (spec && !json_object_is_type(spec, json_type_object)) {
        decision_type_invalid(decision, "spec", "must be an object");
        return;
    }
    struct backup_spec view = {
        .request = request,
        .inventory = inventory,
        .settings = settings,
        .decision = decision,
        .arena = request->arena,
        .spec = spec,
        .before = update ? object_tree(request, request->old_object, "spec") : NULL,
        .at = "spec",
        .ns = request->ns.len ? request->ns : settings->system_namespace,
    };
    view.facts = str_eq(view.ns, settings->system_namespace);
    view.inside_means =
        update ? NULL : kots_inside_means(object_tree(request, request->object, "metadata.annotations"));
    if (!update)
        warn_no_velero(decision, inventory, view.ns, "Backup");
    if (!update)
        velero_warn_fields(request, inventory, settings, decision);
    if (!update && view.facts)
        velero_warn_cannot_start(inventory, settings, decision);
    backup_spec_check(&view);
    warn_of_ttl(&view);
    bool storage_told = view.facts && settings->storage_not_durable != VERDICT_ALLOW;
    if (!update)
        kots_warn_backup(request, inventory, settings, storage_told, decision);
}

void policy_velero_backup_wants(const struct request *request, const struct inventory *inventory,
                                const struct settings *settings, struct facts_wanted *wanted)
{
    backup_edit_wants(request, inventory, settings, wanted);
    if (request->operation != OPERATION_DELETE &&
        phase_is(object_text(request, request->object, "status.phase"), PHASE_WAITING))
        backup_spec_wants(request, inventory, settings, "spec", wanted);
}

/* Backups that KOTS made, and Restores of them: no disaster recovery of k0rdent. */

enum { SHOWN = 60 };

/* The application of a partial snapshot, by what its selector or annotation says. */
static struct str kots_application(struct arena *arena, struct json_object *annotations, struct str slug)
{
    struct str app = slug.len ? slug : json_get_str(annotations, "kots.io/app-id");
    return arena_quote(arena, str_slice(app, 0, SHOWN));
}

static const char full_inside[] = "enough for rollbacks, not for disaster recovery";

/* What storage inside the cluster means for a Backup with these annotations (NULL is
 * fine), where that is not what it means for any; else NULL. */
static const char *kots_inside_means(struct json_object *annotations)
{
    return backup_kots_kind(annotations) == BACKUP_KOTS_FULL ? full_inside : NULL;
}

static void warn_location(struct decision *decision, const struct storage_location *location)
{
    struct arena *arena = decision->arena;
    struct str lost = location ? storage_lost(arena, location, full_inside) : (struct str){NULL, 0};
    if (lost.len)
        decision_caution(decision, "BackupStorageLocation %.*s %.*s",
                         STR_ARG(arena_quote(arena, str_slice(location->meta.name, 0, SHOWN))), STR_ARG(lost));
}

static struct str selected_slug(const struct request *request)
{
    struct json_object *selector = object_tree(request, request->object, "spec.labelSelector");
    return json_get_str(json_get(selector, "matchLabels"), "kots.io/app-slug");
}

/* Backup CREATE: what the snapshot is good for, and where it goes. `storage_told`: what
 * kots_inside_means tells was said with the storage location. */
static void kots_warn_backup(const struct request *request, const struct inventory *inventory,
                             const struct settings *settings, bool storage_told, struct decision *decision)
{
    struct json_object *annotations = object_tree(request, request->object, "metadata.annotations");
    struct str ns = request->ns.len ? request->ns : settings->system_namespace, slug = selected_slug(request);
    struct str named = object_text(request, request->object, "spec.storageLocation");
    enum backup_kind kind = backup_kots_kind(annotations);
    if (kind == BACKUP_OTHER && slug.len)
        kind = BACKUP_KOTS_PARTIAL;
    if (kind == BACKUP_OTHER)
        return;
    if (kind == BACKUP_KOTS_PARTIAL)
        decision_caution(
            decision,
            "this is a partial KOTS snapshot of application %.*s: without the admin console it is not enough "
            "for disaster recovery. Take a full snapshot for that",
            STR_ARG(kots_application(request->arena, annotations, slug)));
    if (named.len && !str_is(named, "default"))
        decision_warn(decision, "KOTS keeps its snapshots in the BackupStorageLocation \"default\", not in %.*s",
                      STR_ARG(arena_quote(request->arena, str_slice(named, 0, SHOWN))));
    if (kind == BACKUP_KOTS_FULL && !storage_told)
        warn_location(decision, named.len ? inventory_storage_location(inventory, ns, named)
                                          : inventory_default_location(inventory, ns, NULL));
}

static const struct backup *newest_full(const struct inventory *inventory, struct str ns)
{
    const struct backup *newest = NULL;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        if (str_eq(backup->meta.ns, ns) && phase_is(backup->status.phase, PHASE_COMPLETED) && !backup->meta.deleting &&
            backup_kots_kind(backup->meta.annotations) == BACKUP_KOTS_FULL &&
            (!newest || backup->status.started > newest->status.started))
            newest = backup;
    }
    return newest;
}

static void warn_partial(const struct inventory *inventory, const struct backup *backup, struct decision *decision)
{
    struct arena *arena = decision->arena;
    const struct backup *full = newest_full(inventory, backup->meta.ns);
    decision_caution(decision,
                     "backup %.*s is a partial KOTS snapshot of application %.*s: without the admin console it is not "
                     "enough for disaster recovery",
                     STR_ARG(arena_quote(arena, str_slice(backup->meta.name, 0, SHOWN))),
                     STR_ARG(kots_application(arena, backup->meta.annotations, (struct str){NULL, 0})));
    if (full)
        decision_warn(decision, "for disaster recovery restore a full snapshot: the newest Completed one is %.*s",
                      STR_ARG(arena_quote(arena, full->meta.name)));
    else
        decision_warn(decision, "disaster recovery needs a full snapshot, and there is no Completed one here");
}

void kots_warn_restore(const struct inventory *inventory, const struct backup *backup, struct decision *decision)
{
    enum backup_kind kind = backup ? backup_kots_kind(backup->meta.annotations) : BACKUP_OTHER;
    if (kind == BACKUP_KOTS_PARTIAL)
        warn_partial(inventory, backup, decision);
    if (kind != BACKUP_KOTS_FULL)
        return;
    warn_location(decision, inventory_storage_location(inventory, backup->meta.ns, backup->storage_location));
    /* Prerequisites of the documentation ("Limitations"), as far as the snapshot tells. */
    struct str airgap = json_get_str(backup->meta.annotations, "kots.io/is-airgap");
    const char *method = "";
    if (str_is(airgap, "true"))
        method = " (air gapped)";
    else if (str_is(airgap, "false"))
        method = " (online)";
    decision_warn(
        decision,
        "restore a full KOTS snapshot with the operating system and installation method%s that it was taken with",
        method);
}
