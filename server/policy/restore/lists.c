#include "backstop/grammar.h"
#include "policy/restore/restore.h"
#include "policy/velero/fields.h"
#include "policy/velero/unresolvable.h"

/* What Velero never restores (restore_controller.go nonRestorableResources); it adds
 * these to the exclusions itself, compared as exact texts. */
static const struct str non_restorable[] = {
    STR_INIT("nodes"),
    STR_INIT("events"),
    STR_INIT("events.events.k8s.io"),
    STR_INIT("backups.velero.io"),
    STR_INIT("restores.velero.io"),
    STR_INIT("resticrepositories.velero.io"),
    STR_INIT("backuprepositories.velero.io"),
    STR_INIT("csinodes.storage.k8s.io"),
    STR_INIT("volumeattachments.storage.k8s.io"),
};

static void check_non_restorable(const struct restore_view *view)
{
    struct strlist refused = {0}, ignored = {0};
    for (size_t i = 0; i < view->included.len; i++)
        for (size_t n = 0; n < LENGTH_OF(non_restorable); n++) {
            struct str item = view->included.items[i];
            if (str_eq(item, non_restorable[n]))
                strlist_add(view->arena, &refused, item);
            else if (resource_name_same(item, non_restorable[n]) && !strlist_has(&ignored, item))
                strlist_add(view->arena, &ignored, item);
        }
    if (refused.len)
        decision_invalid(view->decision, "spec.includedResources", "%.*s: Velero never restores %s from the list",
                         STR_ARG(strlist_quoted(view->arena, &refused)),
                         refused.len > 1 ? "these; remove them" : "this; remove it");
    for (size_t i = 0; i < ignored.len && !said_enough(view->decision); i++)
        if (!strlist_has(&refused, ignored.items[i]))
            decision_warn(view->decision, "includedResources: Velero never restores %.*s",
                          STR_ARG(arena_quote(view->arena, ignored.items[i])));
}

static bool restore_read_list(const struct restore_view *view, const char *path, struct strlist *list)
{
    *list = (struct strlist){0};
    if (read_strings(view->arena, restore_field(view, path), list))
        return true;
    decision_invalid(view->decision, path, "must be a list of strings");
    return false;
}

static bool asks_pair(const struct restore_view *view, const struct list_pair *pair)
{
    return restore_asks(view, pair->included_field) || restore_asks(view, pair->excluded_field);
}

/* Cluster-scoped objects (Management, Release, Region...) come back only when all
 * namespaces do, or when asked for (restore.go, getOrderedResourceCollection). */
static void warn_cluster_scoped(const struct restore_view *view, const struct list_pair *namespaces)
{
    struct json_object *include = restore_field(view, "spec.includeClusterResources");
    bool given = json_object_is_type(include, json_type_boolean);
    bool everything = namespaces->excluded.len == 0 &&
                      (namespaces->included.len == 0 || strlist_has(&namespaces->included, STR("*")));
    if (!view->management || (given && json_object_get_boolean(include)))
        return;
    if (given)
        decision_caution(
            view->decision,
            "includeClusterResources: false excludes Management, Release and all other cluster-scoped k0rdent objects");
    else if (!everything)
        decision_caution(view->decision, "Velero skips cluster-scoped objects (Management, Release) when only some "
                                         "namespaces are restored. Add includeClusterResources: true");
}

void restore_check_lists(const struct restore_view *view)
{
    struct strlist ignored = {0};
    struct list_pair resources = {.included_field = "spec.includedResources",
                                  .excluded_field = "spec.excludedResources",
                                  .what = "resources",
                                  .object = "Restore",
                                  .verb = "restore",
                                  .included = view->included,
                                  .excluded = view->excluded};
    struct list_pair namespaces = {.included_field = "spec.includedNamespaces",
                                   .excluded_field = "spec.excludedNamespaces",
                                   .what = "namespaces",
                                   .object = "Restore",
                                   .verb = "restore"};
    if (asks_pair(view, &resources) && restore_read_list(view, resources.included_field, &ignored) &&
        restore_read_list(view, resources.excluded_field, &ignored)) {
        check_list_pair(view->decision, &resources);
        check_non_restorable(view);
        warn_list_overlap(view->decision, &resources);
        check_patterns(view->decision, resources.included_field, &resources.included, PATTERN_RESOURCES);
        check_patterns(view->decision, resources.excluded_field, &resources.excluded, PATTERN_RESOURCES);
        warn_unresolvable(view->decision, "included", &view->included_names, true);
        warn_unresolvable(view->decision, "excluded", &view->excluded_names, true);
    }
    if (asks_pair(view, &namespaces) || restore_asks(view, "spec.includeClusterResources")) {
        if (!restore_read_list(view, namespaces.included_field, &namespaces.included) ||
            !restore_read_list(view, namespaces.excluded_field, &namespaces.excluded))
            return;
        check_list_pair(view->decision, &namespaces);
        check_patterns(view->decision, namespaces.included_field, &namespaces.included, PATTERN_NAMESPACES);
        check_patterns(view->decision, namespaces.excluded_field, &namespaces.excluded, PATTERN_NAMESPACES);
        warn_cluster_scoped(view, &namespaces);
    }
}
