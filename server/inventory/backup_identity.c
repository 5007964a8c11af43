/* What a Velero Backup is: kcm's own management backup, a region's, one that somebody made by
 * hand from kcm's selectors, a KOTS snapshot, or another. This file alone knows the marks.
 *
 * kcm writes them into every Backup that it makes, and has since its first release (kcm
 * internal/controller/backup/collect.go, getBackupTemplateSpec; templating.go for
 * orLabelSelectors, one label each; reconcile.go, ScheduleMgmtNameLabel). Velero syncs labels
 * and spec from the object store, so they hold on a fresh cluster, too. A k0rdent label alone
 * proves nothing: the documented migration of a ClusterDeployment makes a Backup with the same
 * selectors by hand, and from that no management cluster can be restored. */
#include "backstop/grammar.h"
#include "inventory/inventory.h"

static bool label_is_k0rdent(struct str key)
{
    return str_starts(key, STR("k0rdent.mirantis.com/"));
}

typedef bool selector_fn(void *context, struct str key, struct str value); /* false stops the walk */

/* Only requirements that name something: In and Exists. NotIn and DoesNotExist say what is left
 * out. */
static bool selector_walk_expression(struct json_object *expression, selector_fn *visit, void *context)
{
    struct str key = json_get_str(expression, "key"), operation = json_get_str(expression, "operator");
    if (str_is(operation, "Exists"))
        return visit(context, key, (struct str){NULL, 0});
    if (!str_is(operation, "In"))
        return true;
    json_walk_each(json_get(expression, "values"), none, value)
    {
        (void)none;
        if (!visit(context, key, json_str(value)))
            return false;
    }
    return true;
}

static bool selector_walk(struct json_object *selector, selector_fn *visit, void *context)
{
    struct json_object *labels = json_get(selector, "matchLabels");
    if (json_object_is_type(labels, json_type_object)) {
        json_walk_each(labels, key, value)
        {
            if (!visit(context, str_from(key), json_str(value)))
                return false;
        }
    }
    json_walk_each(json_get(selector, "matchExpressions"), none, expression)
    {
        (void)none;
        if (!selector_walk_expression(expression, visit, context))
            return false;
    }
    return true;
}

static void selectors_walk(struct json_object *spec, selector_fn *visit, void *context)
{
    if (!selector_walk(json_get(spec, "labelSelector"), visit, context))
        return;
    json_walk_each(json_get(spec, "orLabelSelectors"), none, selector)
    {
        (void)none;
        if (!selector_walk(selector, visit, context))
            return;
    }
}

static bool selector_note_k0rdent(void *context, struct str key, struct str value)
{
    (void)value;
    bool *found = context;
    *found = label_is_k0rdent(key);
    return !*found;
}

static bool labels_name_k0rdent(struct json_object *labels)
{
    if (!json_object_is_type(labels, json_type_object))
        return false;
    json_walk_each(labels, key, value)
    {
        (void)value;
        if (label_is_k0rdent(str_from(key)))
            return true;
    }
    return false;
}

struct provider_walk {
    struct arena *scratch;
    struct strlist *providers;
};

static bool selector_note_provider(void *context, struct str key, struct str value)
{
    struct provider_walk *walk = context;
    struct strlist *list = walk->providers;
    if (!str_is(key, LABEL_PROVIDER) || !value.len || str_is(value, "cluster-api") || strlist_has(list, value))
        return true;
    value = arena_copy(walk->scratch, value); /* the tree does not outlive the walk */
    strlist_add(walk->scratch, list, value);
    if (arena_failed(walk->scratch))
        return false;
    size_t at = list->len - 1; /* sorted as it grows: there are a handful */
    for (; at > 0 && str_cmp(list->items[at - 1], value) > 0; at--)
        list->items[at] = list->items[at - 1];
    list->items[at] = value;
    return true;
}

void selectors_providers(struct arena *scratch, struct json_object *backup_spec, struct strlist *providers)
{
    struct provider_walk walk = {scratch, providers};
    selectors_walk(backup_spec, selector_note_provider, &walk);
}

#define RESOURCE_CLUSTERS "clusters.cluster.x-k8s.io"
#define COMPONENT_KCM "kcm"

static bool identity_selects_kcm(struct json_object *spec)
{
    json_walk_each(json_get(spec, "orLabelSelectors"), none, selector)
    {
        (void)none;
        if (str_is(json_get_str(json_get(selector, "matchLabels"), LABEL_COMPONENT), COMPONENT_KCM))
            return true;
    }
    return false;
}

/* ---- what a management cluster needs of its backup ------------------------------- */

static const struct needed_kinds needed_kinds[] = {
    {STR_INIT("secrets"),
     {NULL, 0},
     "without the credentials, kubeconfigs and CAs in the backup, k0rdent loses access to its clusters"},
    {STR_INIT("configmaps"), {NULL, 0}, "credentials and templates that refer to ConfigMaps in the backup fail"},
    {STR_INIT("managements." GROUP_K0RDENT), {NULL, 0}, "without a Management, k0rdent installs no providers"},
    {STR_INIT("managementbackups." GROUP_K0RDENT), {NULL, 0}, "no further management backups are made"},
    {{NULL, 0}, STR_INIT(GROUP_K0RDENT), "k0rdent no longer manages what they describe"},
    {{NULL, 0}, STR_INIT("cluster.x-k8s.io"), "Cluster API does not know what runs already, and may create it again"},
};

const struct needed_kinds *needed_kinds_all(size_t *count)
{
    *count = LENGTH_OF(needed_kinds);
    return needed_kinds;
}

static const struct needed_kinds *needed_kinds_of(struct str plural)
{
    if (str_is(plural, RESOURCE_CLUSTERS)) /* kcm leaves these out itself */
        return NULL;
    for (size_t i = 0; i < LENGTH_OF(needed_kinds); i++) {
        const struct needed_kinds *needed = &needed_kinds[i];
        bool within = needed->group.len && plural.len > needed->group.len &&
                      plural.ptr[plural.len - needed->group.len - 1] == '.' && str_ends(plural, needed->group);
        if (within || (needed->kind.len && str_eq(plural, needed->kind)))
            return needed;
    }
    return NULL;
}

const struct needed_kinds *needed_kinds_excluded(struct arena *arena, const struct resource_name *item)
{
    size_t count;
    const struct resource_kind *kinds = resource_kinds(&count);
    if (!item->wildcard)
        return needed_kinds_of(item->kind ? item->kind->name : item->text);
    for (size_t i = 0; i < count && !str_is(item->text, "*"); i++) {
        const struct needed_kinds *needed = needed_kinds_of(kinds[i].name);
        if (needed && glob_match(arena, item->text, kinds[i].name, '\0'))
            return needed;
    }
    return NULL;
}

/* ---- the marks ------------------------------------------------------------------- */

/* Patterns that one Backup may cost: a list of more is taken for one that leaves out too much. */
enum { PATTERNS_MAX = 100, SCRATCH = 1024 * 1024 };

/* By name or, since Velero 1.18, by pattern. */
static bool identity_excludes_namespace(struct json_object *excluded, struct str ns)
{
    ARENA_SCOPED scratch = NULL;
    size_t patterns = 0;
    for (size_t i = 0; ns.len && i < json_len(excluded); i++) {
        struct str item = json_str(json_item(excluded, i));
        bool pattern = glob_has_wildcard(item);
        if (pattern && (patterns++ >= PATTERNS_MAX || (!scratch && !(scratch = arena_new(SCRATCH)))))
            return true; /* unknown, so not proved to be whole */
        if (pattern ? glob_match(scratch, item, ns, 0) : str_eq(item, ns))
            return true;
    }
    return false;
}

/* Velero adds items of its own (volumesnapshots...), and none that a management cluster is restored for. */
static bool identity_excludes_needed(struct json_object *excluded)
{
    ARENA_SCOPED scratch = NULL;
    size_t patterns = 0;
    for (size_t i = 0; i < json_len(excluded); i++) {
        struct resource_name item = resource_name_read(json_str(json_item(excluded, i)));
        if (item.wildcard && (patterns++ >= PATTERNS_MAX || (!scratch && !(scratch = arena_new(SCRATCH)))))
            return true; /* unknown, so not proved to be whole */
        if (needed_kinds_excluded(scratch, &item))
            return true;
    }
    return false;
}

/* What kcm never asks for, and what would leave the Management, its namespace or what it needs out. Velero
 * itself appends to excludedNamespaces and excludedResources, so those may hold more. */
static bool identity_is_narrowed(struct str own_namespace, struct json_object *spec)
{
    static const char *const lists[] = {"includedResources", "includedClusterScopedResources",
                                        "includedNamespaceScopedResources"};
    struct json_object *cluster = json_get(spec, "includeClusterResources"), *excluded;
    for (size_t i = 0; i < LENGTH_OF(lists); i++)
        if (json_len(json_get(spec, lists[i])) > 0 && !json_list_has(json_get(spec, lists[i]), STR("*")))
            return true;
    if (json_object_is_type(cluster, json_type_boolean) && !json_object_get_boolean(cluster))
        return true;
    excluded = json_get(spec, "excludedNamespaces");
    return json_get(spec, "labelSelector") || json_list_has(excluded, STR("*")) ||
           identity_excludes_needed(json_get(spec, "excludedResources")) ||
           identity_excludes_namespace(excluded, own_namespace);
}

enum backup_kind backup_kots_kind(struct json_object *annotations)
{
    if (str_is(json_get_str(annotations, "kots.io/instance"), "true") ||
        json_get(annotations, "replicated.com/disaster-recovery-version"))
        return BACKUP_KOTS_FULL;
    return json_get(annotations, "kots.io/app-id") ? BACKUP_KOTS_PARTIAL : BACKUP_OTHER;
}

/* The region's label comes first: a region's Backup has all of kcm's marks as well, and must not
 * be taken for the management cluster's. */
struct backup_identity backup_identify(struct json_object *metadata, struct json_object *spec)
{
    struct json_object *labels = json_get(metadata, "labels"), *namespaces = json_get(spec, "includedNamespaces");
    unsigned marks = 0;
    if (identity_selects_kcm(spec))
        marks |= BACKUP_SELECTS_KCM;
    if (json_len(namespaces) == 1 && json_list_has(namespaces, STR("*")))
        marks |= BACKUP_ALL_NAMESPACES;
    if (json_list_has(json_get(spec, "excludedResources"), STR(RESOURCE_CLUSTERS)))
        marks |= BACKUP_LEAVES_CLUSTERS;
    if (!identity_is_narrowed(json_get_str(metadata, "namespace"), spec))
        marks |= BACKUP_NOT_NARROWED;
    if (json_get_str(labels, LABEL_MANAGEMENT_BACKUP).len)
        marks |= BACKUP_FROM_SCHEDULE;
    if (json_get_str(labels, LABEL_REGION).len)
        marks |= BACKUP_OF_REGION;
    if (json_len(json_get(spec, "excludedNamespaces")) > 0 &&
        !json_object_get_boolean(json_get(spec, "includeClusterResources")))
        marks |= BACKUP_EXCLUDES_A_NAMESPACE;
    bool found = false;
    selectors_walk(spec, selector_note_k0rdent, &found);
    if (found || labels_name_k0rdent(labels))
        marks |= BACKUP_NAMES_K0RDENT;
    struct backup_identity identity = {BACKUP_OTHER, marks};
    if (identity.marks & BACKUP_OF_REGION)
        identity.kind = BACKUP_REGIONAL;
    else if ((identity.marks & BACKUP_KCM_MARKS) == BACKUP_KCM_MARKS)
        identity.kind = BACKUP_MANAGEMENT;
    else
        identity.kind = backup_kots_kind(json_get(metadata, "annotations"));
    if (identity.kind == BACKUP_OTHER && (identity.marks & BACKUP_NAMES_K0RDENT))
        identity.kind = BACKUP_HANDMADE;
    return identity;
}

bool backup_is_by_kcm(const struct backup *backup)
{
    return backup->identity.kind == BACKUP_MANAGEMENT || backup->identity.kind == BACKUP_REGIONAL;
}

/* Excluding any namespace makes Velero leave out cluster-scoped objects unless
 * includeClusterResources is true, and Management is one. */
bool backup_lacks_management(const struct backup *backup)
{
    return backup->identity.kind == BACKUP_MANAGEMENT && (backup->identity.marks & BACKUP_EXCLUDES_A_NAMESPACE);
}

static bool identity_doubt(struct str *doubt, struct str why)
{
    if (doubt)
        *doubt = why;
    return false;
}

/* Velero's CRDs have no status subresource, so anybody who may edit a Backup may write
 * "Completed" into it. The API server records who wrote which field in managedFields; a status
 * that others than Velero's managers wrote is no evidence for the upgrade gate. */
bool backup_status_by_velero(struct arena *arena, const struct backup *backup, const struct settings *settings,
                             struct str *doubt)
{
    const struct backup_status *status = &backup->status;
    struct str rest = str_from(backup->status_managers ? backup->status_managers : ""), manager;
    if (backup->status_managers && rest.len == 0)
        return identity_doubt(doubt, STR("does not say who wrote its status (metadata.managedFields lack it)"));
    while (rest.len && str_cut(&rest, '\n', &manager))
        if (!strlist_has(&settings->velero_field_managers, manager))
            return identity_doubt(doubt, arena_printf(arena,
                                                      "has a status that %.*s wrote, not Velero (settings "
                                                      "velero.fieldManagers)",
                                                      STR_ARG(arena_quote(arena, manager))));
    if (phase_is(status->phase, PHASE_COMPLETED) && status->errors > 0)
        return identity_doubt(doubt, arena_printf(arena, "says Completed with %lld error%s, which Velero never does",
                                                  (long long)status->errors, status->errors == 1 ? "" : "s"));
    return true;
}

/* What is missing of kcm's marks, said of the Backup: "spec.excludedResources lacks ...". */
static struct str identity_missing_marks(struct arena *arena, unsigned marks)
{
    static const struct {
        unsigned mark;
        const char *missing;
    } rows[] = {
        {BACKUP_LEAVES_CLUSTERS, "spec.excludedResources lacks " RESOURCE_CLUSTERS},
        {BACKUP_ALL_NAMESPACES, "spec.includedNamespaces is not [\"*\"]"},
        {BACKUP_SELECTS_KCM, "spec.orLabelSelectors lacks " LABEL_COMPONENT "=" COMPONENT_KCM},
        {BACKUP_NOT_NARROWED, "it lacks resources or namespaces that kcm includes"},
    };
    struct str text = STR("");
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        if (!(marks & rows[i].mark))
            text =
                text.len ? arena_printf(arena, "%.*s, %s", STR_ARG(text), rows[i].missing) : str_from(rows[i].missing);
    return text;
}

struct str backup_identity_reason(struct arena *arena, struct backup_identity identity)
{
    switch (identity.kind) {
    case BACKUP_MANAGEMENT:
        return STR("created by kcm");
    case BACKUP_REGIONAL:
        return STR("labelled with a region");
    case BACKUP_HANDMADE:
        return arena_printf(arena, "created by hand, not by kcm (%.*s)",
                            STR_ARG(identity_missing_marks(arena, identity.marks)));
    case BACKUP_KOTS_FULL:
        return STR("a full KOTS snapshot");
    case BACKUP_KOTS_PARTIAL:
        return STR("a partial KOTS snapshot");
    case BACKUP_OTHER:
        break;
    }
    return STR("not created by kcm");
}
