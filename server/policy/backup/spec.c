/* Velero compares the kind without case and ignores every other one, without a word;
 * but a Schedule's Backups all get the kind ConfigMap (BackupBuilder.FromSchedule). */
#include "policy/backup/spec.h"
#include "backstop/grammar.h"
#include "policy/checks.h"
#include "policy/velero/velero.h"

static bool check_kind(const struct backup_spec *view, struct str kind)
{
    if (str_eq_nocase(kind, STR("ConfigMap")) || view->template)
        return true;
    decision_not_supported(view->decision, backup_spec_field(view, "resourcePolicy.kind"),
                           "%.*s: write \"ConfigMap\"; Velero ignores every other kind and backs up as if "
                           "there were no policy",
                           STR_ARG(arena_quote(view->arena, kind)));
    return false;
}

static void backup_spec_check_policy(const struct backup_spec *view)
{
    struct json_object *reference = json_get(view->spec, "resourcePolicy");
    struct str name = json_get_str(reference, "name");
    const char *field = backup_spec_field(view, "resourcePolicy.name");
    bool filters_change = backup_spec_asks(view, "includedResources") || backup_spec_asks(view, "excludedResources") ||
                          backup_spec_asks(view, "includeClusterResources");
    bool changed = backup_spec_asks(view, "resourcePolicy");
    if (!reference || (!changed && !filters_change) || !check_kind(view, json_get_str(reference, "kind")))
        return;
    if (name.len == 0) {
        decision_required(view->decision, field, "name the ConfigMap with the resource policies");
        return;
    }
    if (!view->facts) {
        decision_unchecked(view->decision, FACT_CONFIG_MAPS,
                           "%s: %.*s was not checked: nothing is known about ConfigMaps", field,
                           STR_ARG(arena_quote(view->arena, name)));
        return;
    }
    const struct config_map *map = rules_find_map(view->decision, view->inventory, view->ns, field, name);
    const struct resource_policy_use use = {
        .velero = inventory_velero_version(view->inventory, view->settings).version,
        .old_filters = backup_spec_old_filters(view),
    };
    if (map)
        resource_policy_check(view->decision, field, map, &use);
}

/* Which cluster-scoped objects Velero puts into a backup (pkg/util/collections, ShouldInclude of
 * GlobalIncludesExcludes and ScopeIncludesExcludes; measured on 1.17.2, 1.18.2 and 1.18.3). With
 * the old filters: all, but only in a backup of all namespaces with none excluded, or when
 * includeClusterResources is true. With the new ones, which also stand for no filter at all: those
 * that includedClusterScopedResources names. Its rule of a full backup never applies, since Velero
 * itself excludes volumesnapshotcontents first (backup_controller.go prepareBackupRequest). */

static const char *const members[] = {"includedNamespaces",
                                      "excludedNamespaces",
                                      "includedResources",
                                      "excludedResources",
                                      "includeClusterResources",
                                      "includedNamespaceScopedResources",
                                      "includedClusterScopedResources",
                                      "excludedClusterScopedResources",
                                      "labelSelector",
                                      "orLabelSelectors",
                                      "resourcePolicy"};

/* Anything that takes part in the choice of objects was asked for by this request. */
static bool scope_asks(const struct backup_spec *view)
{
    for (size_t i = 0; i < LENGTH_OF(members); i++)
        if (backup_spec_asks(view, members[i]))
            return true;
    return false;
}

static bool scope_list_has(const struct backup_spec *view, const char *member, struct str item)
{
    return json_list_has(json_get(view->spec, member), item);
}

/* Some resources and not others were asked for: then the others are not missed. */
static bool scope_list_chooses(const struct backup_spec *view, const char *member)
{
    return json_len(json_get(view->spec, member)) > 0 && !scope_list_has(view, member, STR("*"));
}

static bool scope_list_leaves_managements(const struct backup_spec *view, const char *member)
{
    struct json_object *list = json_get(view->spec, member);
    for (size_t i = 0; i < json_len(list); i++) {
        struct str item = json_str(json_item(list, i));
        if (str_is(item, "*") || resource_name_same(item, STR("managements.k0rdent.mirantis.com")))
            return true;
    }
    return false;
}

/* What comes with the backup was decided by whoever wrote it, or (a policy) stands elsewhere. */
static bool scope_is_chosen(const struct backup_spec *view)
{
    static const char *const included[] = {"includedResources", "includedNamespaceScopedResources"};
    static const char *const excluded[] = {"excludedResources", "excludedClusterScopedResources"};
    for (size_t i = 0; i < LENGTH_OF(included); i++)
        if (scope_list_chooses(view, included[i]) || scope_list_leaves_managements(view, excluded[i]))
            return true;
    return json_get(view->spec, "includeClusterResources") ||
           json_len(json_get(view->spec, "includedClusterScopedResources")) > 0 ||
           (json_get(view->spec, "resourcePolicy") && !backup_spec_old_filters(view));
}

static bool scope_is_all_namespaces(const struct backup_spec *view)
{
    return json_len(json_get(view->spec, "includedNamespaces")) == 0 ||
           scope_list_has(view, "includedNamespaces", STR("*"));
}

/* By its selectors, by k0rdent's own namespace, or since all of a management cluster is asked for. */
static bool scope_is_meant_for_k0rdent(const struct backup_spec *view)
{
    struct str home = view->settings->system_namespace;
    if (json_get(view->spec, "labelSelector") || json_len(json_get(view->spec, "orLabelSelectors")) > 0) {
        struct json_object *either = json_get(view->spec, "orLabelSelectors");
        if (str_is(json_get_str(json_path(view->spec, "labelSelector.matchLabels"), LABEL_COMPONENT), "kcm"))
            return true;
        json_walk_each(either, none, selector)
        {
            (void)none;
            if (str_is(json_get_str(json_get(selector, "matchLabels"), LABEL_COMPONENT), "kcm"))
                return true;
        }
        return false;
    }
    if (scope_list_has(view, "excludedNamespaces", home))
        return false;
    return scope_list_has(view, "includedNamespaces", home) ||
           (scope_is_all_namespaces(view) && inventory_management(view->inventory));
}

/* Warns where a backup that is meant for k0rdent will lack its cluster-scoped objects. */
static void backup_spec_warn_scope(const struct backup_spec *view)
{
    bool old = backup_spec_old_filters(view);
    bool whole = scope_is_all_namespaces(view) && json_len(json_get(view->spec, "excludedNamespaces")) == 0;
    if (!view->facts || !scope_asks(view) || scope_is_chosen(view) || (old && whole) ||
        !scope_is_meant_for_k0rdent(view))
        return;
    /* Beside the new filters Velero does not take includeClusterResources. */
    bool scoped = json_len(json_get(view->spec, "includedNamespaceScopedResources")) > 0 ||
                  json_len(json_get(view->spec, "excludedNamespaceScopedResources")) > 0 ||
                  json_len(json_get(view->spec, "excludedClusterScopedResources")) > 0;
    decision_caution(
        view->decision,
        "%s: the backup will hold no Management, Release or other cluster-scoped k0rdent object: enough to "
        "move ClusterDeployments, not to restore this cluster. Add %s.%s",
        view->at, view->at, scoped ? "includedClusterScopedResources: [\"*\"]" : "includeClusterResources: true");
}

/* validateAndGetSnapshotLocations: one VolumeSnapshotLocation for each provider. */

static const char field_name[] = "volumeSnapshotLocations";

struct snapshots {
    const struct backup_spec *view;
    const char *field;
    struct strlist named;
};

static bool is_here(const struct snapshots *s, size_t i)
{
    return str_eq(s->view->inventory->snapshot_locations[i]->meta.ns, s->view->ns);
}

/* The locations of one provider in Velero's namespace. */
static struct strlist of_provider(const struct snapshots *s, struct str provider, bool named_only)
{
    const struct inventory *inventory = s->view->inventory;
    struct strlist names = {0};
    for (size_t i = 0; i < inventory->count[FACT_SNAPSHOT_LOCATIONS]; i++) {
        const struct snapshot_location *location = inventory->snapshot_locations[i];
        if (is_here(s, i) && str_eq(location->provider, provider) &&
            (!named_only || strlist_has(&s->named, location->meta.name)))
            strlist_add(s->view->arena, &names, location->meta.name);
    }
    return names;
}

static void deny_missing(const struct snapshots *s, struct str name)
{
    struct arena *arena = s->view->arena;
    const struct inventory *inventory = s->view->inventory;
    struct strlist names = {0};
    for (size_t i = 0; i < inventory->count[FACT_SNAPSHOT_LOCATIONS]; i++)
        if (is_here(s, i))
            strlist_add(arena, &names, inventory->snapshot_locations[i]->meta.name);
    struct str near = str_nearest(name, names.items, names.len), hint = {NULL, 0};
    if (near.len)
        hint = arena_printf(arena, "; did you mean %.*s?", STR_ARG(arena_quote(arena, near)));
    else if (names.len)
        hint = arena_printf(arena, "; there %s %.*s", names.len > 1 ? "are" : "is only",
                            STR_ARG(strlist_quoted(arena, &names)));
    decision_invalid(s->view->decision, s->field, "%.*s: no VolumeSnapshotLocation of that name in %.*s%.*s",
                     STR_ARG(arena_quote(arena, name)), STR_ARG(s->view->ns), STR_ARG(hint));
}

/* Without snapshots Velero does not look at the locations. */
static bool snapshots_off(const struct backup_spec *view)
{
    struct json_object *snapshot = json_get(view->spec, "snapshotVolumes");
    return json_object_is_type(snapshot, json_type_boolean) && !json_object_get_boolean(snapshot);
}

/* One provider at a time, at the first of its locations. */
static void check_provider(const struct snapshots *s, struct str provider)
{
    struct arena *arena = s->view->arena;
    struct strlist all = of_provider(s, provider, false), named = of_provider(s, provider, true);
    struct str quoted = arena_quote(arena, provider);
    if (named.len > 1)
        decision_invalid(s->view->decision, s->field,
                         "%.*s: Velero takes one location per provider, and all of these are for %.*s; keep one",
                         STR_ARG(strlist_quoted(arena, &named)), STR_ARG(quoted));
    else if (named.len == 0 && all.len > 1)
        decision_caution(
            s->view->decision,
            "%s: provider %.*s has %zu VolumeSnapshotLocations: the Backup fails unless one is named here or "
            "is Velero's default",
            s->field, STR_ARG(quoted), all.len);
}

static void backup_spec_check_snapshots(const struct backup_spec *view)
{
    const struct inventory *inventory = view->inventory;
    struct snapshots s = {.view = view, .field = backup_spec_field(view, field_name)};
    struct json_object *list = json_get(view->spec, field_name);
    struct strlist providers = {0};
    if (!backup_spec_asks(view, field_name))
        return;
    if (!check_list_length(view->decision, s.field, json_len(list)))
        return;
    if (!read_strings(view->arena, list, &s.named)) {
        decision_invalid(view->decision, s.field, "must be a list of strings");
        return;
    }
    if (!view->facts || !inventory->known[FACT_SNAPSHOT_LOCATIONS]) {
        if (s.named.len)
            decision_unchecked(view->decision, FACT_SNAPSHOT_LOCATIONS,
                               "%s: not checked, because the VolumeSnapshotLocations are not known", s.field);
        return;
    }
    for (size_t i = 0; i < s.named.len && !decision_is_full(view->decision); i++)
        if (!inventory_snapshot_location(inventory, view->ns, s.named.items[i]))
            deny_missing(&s, s.named.items[i]);
    if (s.named.len && snapshots_off(view))
        decision_warn(view->decision, "%s: ignored, because snapshotVolumes is false", s.field);
    for (size_t i = 0; i < inventory->count[FACT_SNAPSHOT_LOCATIONS] && !decision_is_full(view->decision); i++) {
        struct str provider = inventory->snapshot_locations[i]->provider;
        if (!is_here(&s, i) || strlist_has(&providers, provider))
            continue;
        strlist_add(view->arena, &providers, provider);
        check_provider(&s, provider);
    }
}

static void check_storage_location(const struct backup_spec *view)
{
    struct json_object *value = json_get(view->spec, "storageLocation");
    const char *field = backup_spec_field(view, "storageLocation");
    if (!backup_spec_asks(view, "storageLocation"))
        return;
    if (value && !json_object_is_type(value, json_type_string)) {
        decision_type_invalid(view->decision, field, "must be a string, in quotes");
        return;
    }
    const struct storage_check check = {.field = field,
                                        .name = json_str(value),
                                        .ns = view->ns,
                                        .unusable = VERDICT_DENY,
                                        .only_here = true,
                                        .inside_means = view->inside_means};
    if (view->facts)
        check_storage(&check, view->request, view->inventory, view->settings, view->decision);
}

static void backup_spec_check_durations(const struct backup_spec *view)
{
    static const char *const durations[] = {"ttl", "csiSnapshotTimeout", "itemOperationTimeout"};
    for (size_t i = 0; i < LENGTH_OF(durations); i++)
        if (backup_spec_asks(view, durations[i]))
            check_duration(view->decision, str_from(backup_spec_field(view, durations[i])),
                           json_get(view->spec, durations[i]));
}

static void backup_spec_check_hook(const struct backup_spec *view, struct str at, struct json_object *hook)
{
    static const char *const timeouts[] = {"timeout"};
    struct str exec_at = arena_printf(view->arena, "%.*s.exec", STR_ARG(at));
    struct json_object *exec = json_get(hook, "exec");
    if (exec)
        check_exec_hook(view->decision, exec_at, exec, timeouts, LENGTH_OF(timeouts));
    else
        decision_required(view->decision, exec_at.ptr ? exec_at.ptr : view->at,
                          "a hook needs an exec with the command to run");
}

static void check_hooks(const struct backup_spec *view)
{
    static const char *const lists[] = {"pre", "post"};
    struct arena *arena = view->arena;
    struct json_object *resources = json_path(view->spec, "hooks.resources");
    if (!backup_spec_asks(view, "hooks"))
        return;
    for (size_t i = 0; i < json_len(resources) && !decision_is_full(view->decision); i++) {
        struct json_object *resource = json_item(resources, i);
        struct str at = arena_printf(arena, "%s.hooks.resources[%zu]", view->at, i);
        check_selector(view->decision, arena_printf(arena, "%.*s.labelSelector", STR_ARG(at)),
                       json_get(resource, "labelSelector"));
        for (size_t l = 0; l < LENGTH_OF(lists); l++) {
            struct json_object *hooks = json_get(resource, lists[l]);
            for (size_t h = 0; h < json_len(hooks) && !decision_is_full(view->decision); h++)
                backup_spec_check_hook(view, arena_printf(arena, "%.*s.%s[%zu]", STR_ARG(at), lists[l], h),
                                       json_item(hooks, h));
        }
    }
}

static void deny_empty_selector(const struct backup_spec *view, struct str field, const char *remove)
{
    decision_invalid(view->decision, field.ptr ? field.ptr : view->at,
                     "{}: an empty selector makes every list call of Velero fail, and the Backup ends "
                     "PartiallyFailed with nothing in it. Remove %s",
                     remove);
}

/* The CRD of 1.19 has an enum (backup_types.go BackupType), which the API server holds everybody to; a review without a
 * cluster does not have it. Older CRDs drop the field. */
static void check_backup_type(const struct backup_spec *view)
{
    const struct product_version velero = inventory_velero_version(view->inventory, view->settings).version;
    struct json_object *value = json_get(view->spec, "backupType");
    struct str type = json_str(value);
    if (!value || !backup_spec_asks(view, "backupType") || str_is(type, "Full") || str_is(type, "Incremental") ||
        product_version_has(&velero, VELERO_BACKUP_TYPE) != ANSWER_YES)
        return;
    decision_not_supported(view->decision, backup_spec_field(view, "backupType"),
                           "%.*s: supported values: \"Full\", \"Incremental\"",
                           STR_ARG(arena_quote(view->arena, type)));
}

/* Any other text names a data mover that is installed apart, which these two are to an older Velero: it would wait for
 * one that never comes. */
static void warn_data_mover(const struct backup_spec *view)
{
    const struct product_version velero = inventory_velero_version(view->inventory, view->settings).version;
    struct arena *arena = view->arena;
    struct str mover = json_get_str(view->spec, "datamover"), since = feature_since(arena, VELERO_DATA_MOVERS);
    enum version_answer has = product_version_has(&velero, VELERO_DATA_MOVERS);
    if (has == ANSWER_YES || !backup_spec_asks(view, "datamover") ||
        !(str_is(mover, "velero-fs") || str_is(mover, "velero-block")))
        return;
    decision_caution(view->decision, "%s: %.*s needs %.*s or later%s%.*s", backup_spec_field(view, "datamover"),
                     STR_ARG(arena_quote(arena, mover)), STR_ARG(since),
                     has == ANSWER_NO ? "; here the backup waits for a data mover that is not installed" : ", and ",
                     STR_ARG(has == ANSWER_NO ? STR("") : product_version_doubt(arena, &velero)));
}

void backup_spec_check(const struct backup_spec *view)
{
    check_storage_location(view);
    backup_spec_check_snapshots(view);
    backup_spec_check_lists(view);
    backup_spec_warn_scope(view);
    if (backup_spec_asks(view, "labelSelector") || backup_spec_asks(view, "orLabelSelectors")) {
        check_selectors(view->decision, str_from(view->at), json_get(view->spec, "labelSelector"),
                        json_get(view->spec, "orLabelSelectors"));
        /* Velero lists with metav1.FormatLabelSelector, which is "<none>" for a selector without
         * requirements, and the API server does not parse that (item_collector.go
         * listResourceByLabelsPerNamespace). A Restore matches in memory: there it is harmless. */
        struct json_object *one = json_get(view->spec, "labelSelector"),
                           *any = json_get(view->spec, "orLabelSelectors");
        if (one && selector_is_empty(one) && !any)
            deny_empty_selector(view, str_from(backup_spec_field(view, "labelSelector")),
                                "it, or name the labels to back up");
        size_t i = 0;
        json_walk_each(any, none, selector)
        {
            size_t at = i++;
            (void)none;
            if (selector_is_empty(selector) && !decision_is_full(view->decision))
                deny_empty_selector(view, arena_printf(view->arena, "%s.orLabelSelectors[%zu]", view->at, at),
                                    "this item; without orLabelSelectors everything is backed up");
        }
    }
    backup_spec_check_policy(view);
    if (backup_spec_asks(view, "snapshotMoveData") || backup_spec_asks(view, "defaultVolumesToFsBackup"))
        velero_warn_node_agent(view->inventory, view->ns, view->at, view->spec, view->decision);
    check_backup_type(view);
    warn_data_mover(view);
    backup_spec_check_durations(view);
    check_hooks(view);
}

/* What the same `kubectl apply` may have created or corrected a moment ago. */
void backup_spec_wants(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, const char *at, struct facts_wanted *wanted)
{
    struct json_object *spec = object_tree(request, request->object, at);
    struct str location = json_get_str(spec, "storageLocation"), ns = request->ns;
    const struct storage_location *known = inventory_storage_location(inventory, ns, location);
    struct json_object *policy = json_get(spec, "resourcePolicy");
    if (request_by_velero(request, settings) || !str_eq(ns, settings->system_namespace) ||
        !request_changes(request, at))
        return;
    if (location.len && inventory->known[FACT_STORAGE_LOCATIONS] && !storage_location_available(known))
        facts_want(request->arena, wanted, FACT_STORAGE_LOCATIONS, ns, location);
    if (json_get_str(policy, "name").len)
        facts_want(request->arena, wanted, FACT_CONFIG_MAPS, ns, json_get_str(policy, "name"));
}
