/* A Restore judged by what backstop recorded on the backup as it was taken, and by where it
 * would be restored now.
 *
 * What was recorded is believed only if it was written when Velero began with the backup
 * (backup_recorded). Nothing here denies: what differs between then and now is for the person
 * who restores to judge. */
#include "backstop/grammar.h"
#include "policy/backup/spec.h"
#include "policy/restore/restore.h"
#include "policy/upgrade/gate.h"

enum { TEXT_SHOWN = 60, PATTERNS_MAX = 100 };

#define K0RDENT_CRD "managementbackups.k0rdent.mirantis.com"
#define CRDS "customresourcedefinitions.apiextensions.k8s.io"

static struct str passport_quote(const struct restore_view *view, struct str text)
{
    return arena_quote(view->arena, str_slice(text, 0, TEXT_SHOWN));
}

/* MAJOR.MINOR of "v1.18.2" as one number; -1 where it has none. */
static int64_t version_minor(struct str version)
{
    struct str rest = str_starts(version, STR("v")) ? str_slice(version, 1, version.len) : version;
    struct str major = {NULL, 0}, minor = {NULL, 0};
    int64_t x, y;
    str_cut(&rest, '.', &major);
    str_cut(&rest, '.', &minor);
    return str_to_int64(major, &x) && str_to_int64(minor, &y) && x < 1000 && y < 1000000 ? x * 1000000 + y : -1;
}

/* Less than 0 where `now` is an older minor release than `then`, more than 0 where it is a newer one; else 0. */
static int version_moved(struct str then, struct str now)
{
    int64_t x = version_minor(then), y = version_minor(now);
    return x < 0 || y < 0 ? 0 : (y > x) - (y < x);
}

/* Where k0rdent is installed, a rollback restores a backup of an older release on purpose: release.c checks that. */
static void passport_check_kcm(const struct restore_view *view)
{
    const struct version_fact now = inventory_kcm_version(view->inventory, view->settings, view->arena);
    const struct product_version then =
        product_version_parse(PRODUCT_KCM, backup_recorded(view->backup, ANNOTATION_KCM_VERSION));
    int order = product_version_compare(&now.version, &then);
    if (order == 0 || inventory_management(view->inventory))
        return;
    struct str version = passport_quote(view, then.text);
    decision_caution(
        view->decision,
        "backup %.*s was taken with k0rdent %.*s, but the %s %.*s is installed here. Install %.*s, restore, "
        "then upgrade",
        STR_ARG(arena_quote(view->arena, view->backup->meta.name)), STR_ARG(version), order > 0 ? "newer" : "older",
        STR_ARG(passport_quote(view, now.version.text)), STR_ARG(version));
}

/* Velero reads the backups of older releases; it promises nothing of newer ones. */
static void passport_check_velero(const struct restore_view *view)
{
    const struct version_fact now = inventory_velero_version(view->inventory, view->settings);
    struct str then = backup_recorded(view->backup, ANNOTATION_VELERO_VERSION);
    if (version_moved(then, now.version.text) < 0)
        decision_caution(
            view->decision,
            "backup %.*s was made by Velero %.*s, but the older %.*s runs here and may not read all of it. "
            "Upgrade Velero before you restore",
            STR_ARG(arena_quote(view->arena, view->backup->meta.name)), STR_ARG(passport_quote(view, then)),
            STR_ARG(passport_quote(view, now.version.text)));
}

/* Velero restores an object in the API version that it was backed up in, and no other. */
static void passport_check_kubernetes(const struct restore_view *view)
{
    const struct cluster_identity *here = inventory_cluster_identity(view->inventory);
    struct str then = json_get_str(view->backup->meta.annotations, ANNOTATION_KUBERNETES_VERSION);
    struct str now = json_get_str(here ? here->meta.annotations : NULL, ANNOTATION_KUBERNETES_VERSION);
    int moved = version_moved(then, now);
    if (moved == 0)
        return;
    decision_warn(
        view->decision,
        "backup %.*s was taken on Kubernetes %.*s, and this cluster runs the %s %.*s: objects of API versions "
        "that it does not serve are not restored. %s",
        STR_ARG(arena_quote(view->arena, view->backup->meta.name)), STR_ARG(passport_quote(view, then)),
        moved < 0 ? "older" : "newer", STR_ARG(passport_quote(view, now)),
        moved < 0 ? "Use a cluster of at least that version"
                  : "See kubernetes.io/docs/reference/using-api/deprecation-guide");
}

/* The uid of the namespace kube-system stands for the cluster: with another uid this is a
 * rebuilt cluster, which is what a disaster restore is for, or another cluster altogether. */
static void passport_check_cluster(const struct restore_view *view)
{
    const struct cluster_identity *here = inventory_cluster_identity(view->inventory);
    struct str then = backup_recorded(view->backup, ANNOTATION_CLUSTER_ID);
    if (!then.len || !here || !here->uid.len || str_eq(then, here->uid))
        return;
    struct str name = arena_quote(view->arena, view->backup->meta.name), id = passport_quote(view, then);
    if (restore_is_regional(view))
        decision_caution(view->decision,
                         "backup %.*s is of region %.*s, and was taken on another cluster (%.*s). Restore it only on "
                         "that cluster, or on its replacement",
                         STR_ARG(name), STR_ARG(arena_quote(view->arena, view->backup->region)), STR_ARG(id));
    else if (inventory_management(view->inventory))
        decision_caution(view->decision,
                         "backup %.*s is of another cluster (%.*s): its objects would be mixed with those of the "
                         "Management here. Restore it on an empty cluster",
                         STR_ARG(name), STR_ARG(id));
    else
        decision_warn(
            view->decision,
            "backup %.*s was taken on another cluster (%.*s). Make sure that k0rdent no longer runs there: both "
            "would manage the same clusters",
            STR_ARG(name), STR_ARG(id));
}

static bool restore_list_has(const struct restore_view *view, const struct resource_names *names, struct str plural)
{
    const struct resource_name name = resource_name_read(plural);
    for (size_t i = 0; i < names->len; i++)
        if (str_is(names->items[i].text, "*"))
            return true;
    return resource_names_have(names, &name) || restore_names_match(view, names, plural);
}

/* includeClusterResources: false, which does so too, has a warning of its own (validate.c). */
static bool restore_leaves_out_crds(const struct restore_view *view)
{
    return restore_list_has(view, &view->excluded_names, STR(CRDS)) ||
           (view->included.len && !restore_list_has(view, &view->included_names, STR(CRDS)));
}

/* A table of provider exclusions may name such a kind: then that is meant. */
static bool restore_is_provider_exclusion(const struct restore_view *view, struct str plural)
{
    struct provider_exclusions providers;
    restore_provider_exclusions(view, &providers);
    for (size_t i = 0; i < providers.len; i++)
        for (size_t e = 0; e < providers.items[i]->excluded_resources.len; e++)
            if (resource_name_same(providers.items[i]->excluded_resources.items[e], plural))
                return true;
    return false;
}

/* The items of spec.excludedResources that leave out kinds of one row: a few, to be shown. `excluded` has the row of each. */
static struct strlist needed_items(const struct restore_view *view, const struct needed_kinds *needed,
                                   const struct needed_kinds *const *excluded, size_t count)
{
    enum { SHOWN = 4 };
    struct strlist items = {0};
    /* k0rdent's own objects are in the management cluster's backup alone */
    bool elsewhere =
        restore_is_regional(view) && str_ends(needed->kind.len ? needed->kind : needed->group, STR(GROUP_K0RDENT));
    for (size_t i = 0; i < count && items.len < SHOWN && !elsewhere; i++) {
        struct str item = view->excluded_names.items[i].text;
        if (excluded[i] == needed && !restore_is_provider_exclusion(view, item))
            strlist_add(view->arena, &items, item);
    }
    return items;
}

static void restore_check_needed_kinds(const struct restore_view *view)
{
    static const struct str named[] = {STR_INIT("secrets"), STR_INIT("managements." GROUP_K0RDENT),
                                       STR_INIT("clusterdeployments." GROUP_K0RDENT)};
    size_t count = view->excluded_names.len, patterns = 0;
    const struct needed_kinds **excluded = count ? arena_array(view->arena, count, sizeof(void *)) : NULL;
    struct strlist missing = {0};
    bool any = false;
    for (size_t i = 0; excluded && i < count; i++)
        if (!view->excluded_names.items[i].wildcard || patterns++ < PATTERNS_MAX)
            any |= (excluded[i] = needed_kinds_excluded(view->arena, &view->excluded_names.items[i])) != NULL;
    size_t rows;
    const struct needed_kinds *needed = needed_kinds_all(&rows);
    for (size_t i = 0; any && i < rows; i++) {
        struct strlist items = needed_items(view, &needed[i], excluded, count);
        if (items.len)
            decision_caution(view->decision, "this Restore leaves out %.*s: %s. Remove %s from spec.excludedResources",
                             STR_ARG(strlist_quoted(view->arena, &items)), needed[i].without,
                             items.len > 1 ? "them" : "it");
    }
    for (size_t i = 0; view->included.len && i < (restore_is_regional(view) ? 1 : LENGTH_OF(named)); i++)
        if (!restore_list_has(view, &view->included_names, named[i]))
            strlist_add(view->arena, &missing, named[i]);
    if (missing.len)
        decision_caution(
            view->decision,
            "spec.includedResources leaves out %.*s: k0rdent needs all kinds in the backup to manage its clusters. "
            "Remove spec.includedResources",
            STR_ARG(strlist_quoted(view->arena, &missing)));
}

static void restore_check_needed_namespace(const struct restore_view *view)
{
    const struct str system = view->settings->system_namespace;
    const struct strlist *in = &view->namespaces_in.items, *out = &view->namespaces_out.items;
    if (restore_namespaces_match(view, out, system) || (in->len && !restore_namespaces_match(view, in, system)))
        decision_caution(view->decision,
                         "this Restore leaves out namespace %.*s: k0rdent cannot manage its clusters without the "
                         "credentials and templates in it",
                         STR_ARG(passport_quote(view, system)));
}

/* kcm's webhook refuses objects whose parents are not restored yet (k0rdent documentation, ClusterDeployment migration);
 * kcm installs it unless its configuration says otherwise (internal/controller/components/values.go). */
static void restore_check_kcm_webhook(const struct restore_view *view)
{
    const struct management *management = inventory_management(view->inventory);
    if (!management || management->webhook_off)
        return;
    decision_caution(view->decision,
                     "kcm's admission webhook must be off for a restore into a live cluster: kubectl patch management "
                     "%.*s --type=merge -p "
                     "'{\"spec\":{\"core\":{\"kcm\":{\"config\":{\"admissionWebhook\":{\"enabled\":false}}}}}}'",
                     STR_ARG(words_name(view->arena, management->meta.name)));
}

/* CRDs come with the backup, and a kind without one is skipped. k0rdent's own are there where it is installed. */
static void passport_check_crds(const struct restore_view *view)
{
    struct str providers = backup_recorded(view->backup, ANNOTATION_PROVIDERS);
    struct str version = backup_recorded(view->backup, ANNOTATION_KCM_VERSION);
    /* Velero's are there at any rate: where none is found, nobody has looked. */
    bool known = view->inventory->known[FACT_CUSTOM_RESOURCES] && view->inventory->count[FACT_CUSTOM_RESOURCES] > 0;
    if (known && !inventory_custom_resource(view->inventory, STR(K0RDENT_CRD)))
        decision_caution(view->decision,
                         "k0rdent is not installed in this cluster (CRD " K0RDENT_CRD
                         " is missing), so nothing would manage what is restored. Install k0rdent%s%.*s first",
                         version.len ? " " : "", STR_ARG(version.len ? passport_quote(view, version) : version));
    if (view->included.len == 0 && restore_leaves_out_crds(view))
        decision_caution(
            view->decision,
            "this Restore leaves out CustomResourceDefinitions: objects of kinds that are not installed here "
            "are skipped (the backup's providers are %.*s). Remove that filter",
            STR_ARG(providers.len ? passport_quote(view, providers) : STR("not known")));
}

void restore_check_passport(const struct restore_view *view)
{
    if (!view->backup)
        return;
    enum backup_kind kind = view->backup->identity.kind;
    bool live = inventory_management(view->inventory) != NULL;
    if (backup_is_by_kcm(view->backup)) {
        passport_check_cluster(view);
        passport_check_kcm(view);
        passport_check_velero(view);
        passport_check_kubernetes(view);
        if (!live) { /* into a live cluster one may leave out what is there */
            restore_check_needed_kinds(view);
            restore_check_needed_namespace(view);
        }
        if (!live && !restore_is_regional(view))
            passport_check_crds(view);
    }
    if (kind == BACKUP_MANAGEMENT || kind == BACKUP_HANDMADE)
        restore_check_kcm_webhook(view);
}

/* BACKUP_NEEDS_BYTES and backup_need_is_possible: it is a text that others may have written. */
void restore_passport_exclusions(const struct restore_view *view, struct strlist *exclusions)
{
    struct str rest = view->backup && backup_is_by_kcm(view->backup)
                          ? backup_recorded(view->backup, ANNOTATION_EXCLUSIONS)
                          : (struct str){NULL, 0};
    struct str item = {NULL, 0};
    if (rest.len > BACKUP_NEEDS_BYTES) /* by another hand, and cut off */
        return;
    while (rest.ptr && exclusions->len < BACKUP_NEEDS_MAX) {
        str_cut(&rest, ',', &item);
        if (backup_need_is_possible(item))
            strlist_add(view->arena, exclusions, item);
    }
}
