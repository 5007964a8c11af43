#include "backstop/grammar.h"
#include "policy/backup/spec.h"

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

static bool scope_asks(const struct backup_spec *view)
{
    for (size_t i = 0; i < LENGTH_OF(members); i++)
        if (backup_spec_asks(view, members[i]))
            return true;
    return false;
}

static bool scope_list_has(const struct backup_spec *view, const char *member, struct str item)
{
    struct json_object *list = json_get(view->spec, member);
    for (size_t i = 0; i < json_len(list); i++)
        if (str_eq(json_str(json_item(list, i)), item))
            return true;
    return false;
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

static bool scope_selects_kcm(const struct backup_spec *view)
{
    struct json_object *either = json_get(view->spec, "orLabelSelectors");
    if (str_is(json_get_str(json_path(view->spec, "labelSelector.matchLabels"), LABEL_COMPONENT), "kcm"))
        return true;
    for (size_t i = 0; i < json_len(either); i++)
        if (str_is(json_get_str(json_get(json_item(either, i), "matchLabels"), LABEL_COMPONENT), "kcm"))
            return true;
    return false;
}

/* By its selectors, by k0rdent's own namespace, or since all of a management cluster is asked for. */
static bool scope_is_meant_for_k0rdent(const struct backup_spec *view)
{
    struct str home = view->settings->system_namespace;
    if (json_get(view->spec, "labelSelector") || json_len(json_get(view->spec, "orLabelSelectors")) > 0)
        return scope_selects_kcm(view);
    if (scope_list_has(view, "excludedNamespaces", home))
        return false;
    return scope_list_has(view, "includedNamespaces", home) ||
           (scope_is_all_namespaces(view) && inventory_management(view->inventory));
}

void backup_spec_warn_scope(const struct backup_spec *view)
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
