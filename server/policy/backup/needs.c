/* The exclusions that the restore of a Backup needs, learnt from the CRDs and webhook
 * configurations of the cluster that it is taken of: the two rules of spec.h, which give
 * k0rdent's documented tables for Azure and vSphere, and more.
 *
 * A kind whose stored version is not the one that Velero restores in needs its conversion
 * webhook, and that runs on the cluster that is being restored. A webhook configuration that
 * comes back before the service it calls blocks the kinds it guards. Both are left out of the
 * restore. */
#include "policy/backup/spec.h"

#include <stdlib.h>
#include <string.h>

#include "backstop/grammar.h"

#define MUTATING "mutatingwebhookconfigurations.admissionregistration.k8s.io"
#define VALIDATING "validatingwebhookconfigurations.admissionregistration.k8s.io"

/* What Velero does not restore in the order of the alphabet (pkg/cmd/server/config/config.go, defaultRestorePriorities),
 * as far as it stands behind webhook configurations there. Its low priorities come last: clusters are in no management
 * backup, and no template of k0rdent makes one of the others. */
static const char *const out_of_order[] = {
    "namespaces",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "priorityclasses.scheduling.k8s.io",
    "replicasets.apps",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "secrets",
    "serviceaccounts",
    "services",
    "storageclasses.storage.k8s.io",
    "volumesnapshotclasses.snapshot.storage.k8s.io",
    "volumesnapshotcontents.snapshot.storage.k8s.io",
    "volumesnapshots.snapshot.storage.k8s.io",
};

/* One label that equals, as kcm writes its selectors; any other selector does not count as
 * selecting. */
static bool needs_label(const struct object_meta *meta, struct json_object *selector)
{
    struct json_object *wanted = json_get(selector, "matchLabels");
    if (json_member_count(wanted) == 0 || json_get(selector, "matchExpressions"))
        return false;
    json_foreach(wanted, key, value)
    {
        if (!str_eq(json_get_str(meta->labels, key), json_str(value)))
            return false;
    }
    return true;
}

/* By the labels that kcm selects by; all that a provider brings bears its label. */
static bool needs_selected(struct json_object *spec, const struct object_meta *meta)
{
    struct json_object *selectors = json_get(spec, "orLabelSelectors");
    for (size_t i = 0; i < json_len(selectors); i++)
        if (needs_label(meta, json_item(selectors, i)))
            return true;
    return false;
}

static bool needs_service(const struct inventory *inventory, struct json_object *spec, struct str name)
{
    struct str ns = {NULL, 0};
    str_cut(&name, '/', &ns);
    const struct provider_service *service = inventory_provider_service(inventory, ns, name);
    return service && needs_selected(spec, &service->meta);
}

/* Velero restores kinds in alphabetical order after its priority list; a kind that stands before
 * the configuration is created before it can refuse. */
static bool needs_comes_after(struct str kind, const char *configurations)
{
    if (STR_IN(kind, out_of_order))
        return false;
    return str_starts(kind, STR("*")) || str_cmp(kind, str_from(configurations)) > 0;
}

/* Azure Service Operator has webhooks for hundreds of kinds, and Cluster API's provider installs eleven of them. Only a CRD
 * can be missing: Kubernetes' own groups have no dot, or end in k8s.io and not in x-k8s.io. */
static bool needs_is_installed(const struct inventory *inventory, struct str kind)
{
    struct str plural, group;
    resource_name_split(kind, &plural, &group);
    bool is_custom = memchr(kind.ptr, '*', kind.len) == NULL && memchr(group.ptr, '.', group.len) &&
                     (!str_ends(group, STR(".k8s.io")) || str_ends(group, STR(".x-k8s.io")));
    return !is_custom || !inventory->known[FACT_INSTALLED_KINDS] || inventory_installed_kind(inventory, kind);
}

/* `excluded`: by the first rule; a webhook has no say in what is not restored. */
static bool needs_not(const struct inventory *inventory, struct json_object *spec, const struct object_meta *meta,
                      const struct fail_closed *closed, const struct strlist *excluded, const char *configurations)
{
    if (!needs_selected(spec, meta))
        return false;
    for (size_t i = 0; i < closed->kinds.len && i < closed->services.len; i++)
        if (needs_comes_after(closed->kinds.items[i], configurations) &&
            !strlist_has(excluded, closed->kinds.items[i]) && needs_is_installed(inventory, closed->kinds.items[i]) &&
            needs_service(inventory, spec, closed->services.items[i]))
            return true;
    return false;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* What a management restore is for, and what every cluster has: groups without a dot (apps, batch), Kubernetes' own and
 * Cluster API's, k0rdent's, Velero's, and those of what kcm installs beside them. */
static const char *const needed_groups[] = {"k8s.io",    "x-k8s.io",     "k0rdent.mirantis.com", "velero.io",
                                            "fluxcd.io", "k0smotron.io", "cert-manager.io",      "projectsveltos.io"};

bool backup_need_is_possible(struct str name)
{
    struct str group = name, plural = {NULL, 0};
    if (str_is(name, MUTATING) || str_is(name, VALIDATING))
        return true;
    str_cut(&group, '.', &plural);
    if (!plural.len || !group.ptr || !name_is_dns_subdomain(name) || !memchr(group.ptr, '.', group.len))
        return false;
    for (size_t i = 0; i < LENGTH_OF(needed_groups); i++) {
        struct str needed = str_from(needed_groups[i]);
        if (str_eq(group, needed) || (str_ends(group, needed) && group.ptr[group.len - needed.len - 1] == '.'))
            return false;
    }
    return true;
}

struct strlist backup_needs(const struct inventory *inventory, struct json_object *spec, struct arena *arena,
                            bool *whole)
{
    struct strlist needs = {0};
    bool mutating = false, validating = false;
    size_t bytes = 0;
    for (size_t i = 0; i < inventory->count[FACT_INSTALLED_KINDS]; i++) {
        const struct installed_kind *kind = inventory->installed_kinds[i];
        if (!kind->preferred.len || str_eq(kind->preferred, kind->stored) || !backup_need_is_possible(kind->meta.name))
            continue;
        bytes += kind->meta.name.len + 1;
        if (needs.len == BACKUP_NEEDS_MAX || bytes > BACKUP_NEEDS_BYTES / 2)
            break;
        strlist_add(arena, &needs, kind->meta.name);
    }
    for (size_t i = 0; i < inventory->count[FACT_MUTATING_WEBHOOKS] && !mutating; i++) {
        const struct mutating_webhook *webhook = inventory->mutating_webhooks[i];
        mutating = needs_not(inventory, spec, &webhook->meta, &webhook->closed, &needs, MUTATING);
    }
    for (size_t i = 0; i < inventory->count[FACT_VALIDATING_WEBHOOKS] && !validating; i++) {
        const struct validating_webhook *webhook = inventory->validating_webhooks[i];
        validating = needs_not(inventory, spec, &webhook->meta, &webhook->closed, &needs, VALIDATING);
    }
    if (mutating)
        strlist_add(arena, &needs, STR(MUTATING));
    if (validating)
        strlist_add(arena, &needs, STR(VALIDATING));
    if (needs.len)
        qsort(needs.items, needs.len, sizeof *needs.items, by_text);
    if (whole)
        *whole = inventory->known[FACT_INSTALLED_KINDS] && inventory->known[FACT_MUTATING_WEBHOOKS] &&
                 inventory->known[FACT_VALIDATING_WEBHOOKS] && inventory->known[FACT_SERVICES];
    return needs;
}
