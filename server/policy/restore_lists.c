#include "glob.h"
#include "resource_name.h"
#include "restore.h"

enum { OVERLAP_MAX = 200 }; /* every pair is compared, by all forms of the names */

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

struct pair {
    const char *included_field, *excluded_field, *what;
    struct strlist included, excluded;
};

/* collections.ValidateIncludesExcludes: texts are compared exactly. */
static void check_pair(const struct restore_view *view, const struct pair *pair)
{
    struct decision *decision = view->decision;
    struct strlist both = {0}, others = {0};
    for (size_t i = 0; i < pair->included.len; i++)
        if (!str_is(pair->included.items[i], "*"))
            strlist_add(view->arena, &others, pair->included.items[i]);
    if (others.len && strlist_has(&pair->included, STR("*")))
        decision_invalid(decision, pair->included_field,
                         "Invalid value: \"*\": it means all %s and must stand alone; remove it, or remove %.*s",
                         pair->what, STR_ARG(strlist_quoted(view->arena, &others)));
    if (strlist_has(&pair->excluded, STR("*")))
        decision_invalid(
            decision, pair->excluded_field,
            "Invalid value: \"*\": Velero does not take it here, as nothing would be left to restore; name "
            "the %s to leave out",
            pair->what);
    for (size_t i = 0; i < pair->excluded.len; i++) {
        struct str item = pair->excluded.items[i];
        if (!str_is(item, "*") && strlist_has(&pair->included, item) && !strlist_has(&both, item))
            strlist_add(view->arena, &both, item);
    }
    if (both.len)
        decision_invalid(
            decision, pair->excluded_field,
            "Invalid value: %.*s: also in %s; Velero refuses a Restore that includes and excludes the same: "
            "remove it from one of the two",
            STR_ARG(strlist_quoted(view->arena, &both)), pair->included_field);
}

/* The same resource under two names: Velero takes it, and the exclusion wins. */
static void warn_overlap(const struct restore_view *view)
{
    if (view->included.len > OVERLAP_MAX || view->excluded.len > OVERLAP_MAX)
        return;
    for (size_t i = 0; i < view->included.len && !restore_said_enough(view); i++)
        for (size_t e = 0; e < view->excluded.len; e++) {
            struct str in = view->included.items[i], out = view->excluded.items[e];
            if (!str_eq(in, out) && !str_is(in, "*") && resource_name_same(in, out))
                decision_warn(view->decision,
                              "included %.*s and excluded %.*s are the same resource: it is not restored",
                              STR_ARG(arena_quote(view->arena, in)), STR_ARG(arena_quote(view->arena, out)));
        }
}

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
        decision_invalid(
            view->decision, "spec.includedResources", "Invalid value: %.*s: Velero never restores %s from the list",
            STR_ARG(strlist_quoted(view->arena, &refused)), refused.len > 1 ? "these; remove them" : "this; remove it");
    for (size_t i = 0; i < ignored.len && !restore_said_enough(view); i++)
        if (!strlist_has(&refused, ignored.items[i]))
            decision_warn(view->decision, "includedResources: Velero never restores %.*s",
                          STR_ARG(arena_quote(view->arena, ignored.items[i])));
}

static bool is_namespace_name(struct str name)
{
    if (name.len > 63 || name.len == 0)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (c != '-' || i == 0 || i + 1 == name.len))
            return false;
    }
    return true;
}

/* One pattern that does not compile makes Velero stop matching the whole list, without
 * a word (globStringSet.match). */
static void check_patterns(const struct restore_view *view, const char *field, const struct strlist *list,
                           bool namespaces)
{
    for (size_t i = 0; i < list->len && !restore_said_enough(view); i++) {
        struct str item = list->items[i];
        bool pattern = glob_has_wildcard(item);
        const char *problem = pattern ? glob_problem(item) : NULL;
        if (problem)
            decision_invalid(view->decision, field,
                             "Invalid value: %.*s: as a pattern, %s; Velero then matches nothing",
                             STR_ARG(arena_quote(view->arena, item)), problem);
        else if (item.len == 0)
            decision_warn(view->decision, "%s has an empty item, which matches nothing", field);
        else if (namespaces && !pattern && !is_namespace_name(item))
            decision_invalid(
                view->decision, field,
                "Invalid value: %.*s: no namespace can have this name: lower-case letters, digits and inner "
                "dashes, at most 63",
                STR_ARG(arena_quote(view->arena, item)));
        else if (!namespaces && str_contains(item, STR("/")))
            decision_invalid(view->decision, field,
                             "Invalid value: %.*s: write plural.group without a version, such as "
                             "managements.k0rdent.mirantis.com",
                             STR_ARG(arena_quote(view->arena, item)));
    }
}

static bool read_list(const struct restore_view *view, const char *path, struct strlist *list)
{
    *list = (struct strlist){0};
    const char *name = path + sizeof("spec.") - 1;
    if (restore_strings(view->arena, json_get(view->spec, name), list))
        return true;
    decision_invalid(view->decision, path, "Invalid value: must be a list of strings");
    return false;
}

static bool asks_pair(const struct restore_view *view, const struct pair *pair)
{
    return restore_asks(view, pair->included_field) || restore_asks(view, pair->excluded_field);
}

/* Cluster-scoped objects (Management, Release, Region...) come back only when all
 * namespaces do, or when asked for (restore.go, getOrderedResourceCollection). */
static void warn_cluster_scoped(const struct restore_view *view, const struct pair *namespaces)
{
    struct json_object *include = json_get(view->spec, "includeClusterResources");
    bool given = json_object_is_type(include, json_type_boolean);
    bool everything = namespaces->excluded.len == 0 &&
                      (namespaces->included.len == 0 || strlist_has(&namespaces->included, STR("*")));
    if (!view->management || (given && json_object_get_boolean(include)))
        return;
    if (given)
        decision_warn(view->decision, "includeClusterResources: false leaves out Management, Release and all other "
                                      "cluster-scoped objects of k0rdent");
    else if (!everything)
        decision_warn(view->decision,
                      "with only some namespaces Velero skips cluster-scoped objects (Management, Release); "
                      "add includeClusterResources: true");
}

void restore_check_lists(const struct restore_view *view)
{
    struct strlist ignored = {0};
    struct pair resources = {.included_field = "spec.includedResources",
                             .excluded_field = "spec.excludedResources",
                             .what = "resources",
                             .included = view->included,
                             .excluded = view->excluded};
    struct pair namespaces = {
        .included_field = "spec.includedNamespaces", .excluded_field = "spec.excludedNamespaces", .what = "namespaces"};
    if (asks_pair(view, &resources) && read_list(view, resources.included_field, &ignored) &&
        read_list(view, resources.excluded_field, &ignored)) {
        check_pair(view, &resources);
        check_non_restorable(view);
        warn_overlap(view);
        check_patterns(view, resources.included_field, &resources.included, false);
        check_patterns(view, resources.excluded_field, &resources.excluded, false);
    }
    if (asks_pair(view, &namespaces) || restore_asks(view, "spec.includeClusterResources")) {
        if (!read_list(view, namespaces.included_field, &namespaces.included) ||
            !read_list(view, namespaces.excluded_field, &namespaces.excluded))
            return;
        check_pair(view, &namespaces);
        check_patterns(view, namespaces.included_field, &namespaces.included, true);
        check_patterns(view, namespaces.excluded_field, &namespaces.excluded, true);
        warn_cluster_scoped(view, &namespaces);
    }
}
