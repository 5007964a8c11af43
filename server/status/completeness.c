#include <ctype.h>

#include "status/status.h"

/* What a restore would miss: kcm labels its own kinds, and its backups select by labels (internal/controller/backup/
 * collect.go). What users made beside them, and Credentials and templates need, is left out unless it has the label too. */

enum {
    ITEMS = 500 /* listed one by one */,
    UNKNOWN_SHOWN = 3,
    DEPTH = 4 /* of identities that name another identity */
};

/* `world`: every kind that was read, as completeness_read of the command puts it; a kind that is
 * absent is unknown. */
struct completeness {
    struct arena *arena;
    struct json_object *world;
    struct str system;
    struct json_object *clusters, *providers; /* what the selectors of kcm's own backups name, as keys */
    struct json_object *seen;                 /* "Kind namespace/name": looked at already */
    struct status_omission *items;
    struct status_completeness *found;
};

/* Where an identity keeps what it needs, of the identities that CAPI's providers bring along. A ProviderInterface says it
 * of every kind (clusterIdentities[].references[]), where k0rdent has them. */
static const struct identity_reference {
    const char *kind, *of, *name, *ns; /* ns: NULL: the system namespace */
} identity_references[] = {
    {"AWSClusterStaticIdentity", "Secret", "spec.secretRef", NULL},
    {"AWSClusterRoleIdentity", NULL /* as spec.sourceIdentityRef.kind says */, "spec.sourceIdentityRef.name", NULL},
    {"AWSClusterControllerIdentity", NULL, NULL, NULL},
    {"AzureClusterIdentity", "Secret", "spec.clientSecret.name", "spec.clientSecret.namespace"},
    {"VSphereClusterIdentity", "Secret", "spec.secretName", NULL},
    {"OpenStackClusterIdentity", "Secret", "spec.secretRef.name", "spec.secretRef.namespace"},
    {"GCPClusterIdentity", "Secret", "spec.secretRef.name", "spec.secretRef.namespace"},
};

/* ---- what the backups select ---------------------------------------------------------- */

static bool completion_has(struct json_object *set, struct str key)
{
    return key.len && json_get_named(set, key) != NULL;
}

static void completion_add(const struct completeness *completion, struct json_object *set, struct str key)
{
    const char *text = arena_printf(completion->arena, "%.*s", STR_ARG(key)).ptr;
    if (text && key.len)
        json_put_text(set, text, STR("1"));
}

static struct json_object *completion_find(const struct completeness *completion, const char *kind, struct str ns,
                                           struct str name)
{
    struct str key = arena_printf(completion->arena, "%.*s/%.*s", STR_ARG(ns), STR_ARG(name));
    return json_get_named(json_get(completion->world, kind), key);
}

/* Mirrors the label selectors of kcm's backups: the component label, cert-manager's own, and
 * those of the providers and clusters in use. */
static bool is_selected(const struct completeness *completion, struct json_object *object)
{
    struct json_object *labels = json_path(object, "metadata.labels");
    return str_is(json_get_str(labels, LABEL_COMPONENT), "kcm") ||
           str_is(json_get_str(labels, "controller.cert-manager.io/fao"), "true") ||
           completion_has(completion->providers, json_get_str(labels, LABEL_PROVIDER)) ||
           completion_has(completion->clusters, json_get_str(labels, LABEL_HELM_NAME)) ||
           completion_has(completion->clusters, json_get_str(labels, LABEL_CLUSTER_NAME));
}

/* ---- what is needed ---------------------------------------------------------------------- */

static void completion_unknown(struct completeness *completion, struct str what)
{
    if (!strlist_has(&completion->found->unknown, what))
        strlist_add(completion->arena, &completion->found->unknown, what);
}

/* Unless it is said already why. */
static void completion_unknown_kind(struct completeness *completion, const char *kind)
{
    const struct strlist *unknown = &completion->found->unknown;
    for (size_t i = 0; i < unknown->len; i++)
        if (str_starts(unknown->items[i], arena_printf(completion->arena, "%ss: ", kind)))
            return;
    completion_unknown(completion, arena_printf(completion->arena, "%ss", kind));
}

static struct str completion_lower(struct arena *arena, struct str text)
{
    char *lower = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; lower && i < text.len; i++)
        lower[i] = (char)tolower((unsigned char)text.ptr[i]);
    return (struct str){lower, lower ? text.len : 0};
}

/* As kubectl takes it: "secret", "clustertemplate.k0rdent.mirantis.com". */
static struct str completion_resource(const struct completeness *completion, struct json_object *object)
{
    struct str version = json_get_str(object, "apiVersion"), group;
    struct str kind = completion_lower(completion->arena, json_get_str(object, "kind"));
    if (!str_cut(&version, '/', &group) || version.len == 0)
        return kind;
    return arena_printf(completion->arena, "%.*s.%.*s", STR_ARG(kind), STR_ARG(group));
}

static void completion_omit(struct completeness *completion, struct json_object *object, struct str reason)
{
    struct arena *arena = completion->arena;
    struct status_completeness *found = completion->found;
    struct str name = json_path_str(object, "metadata.name"), ns = json_path_str(object, "metadata.namespace");
    struct str resource = completion_resource(completion, object);
    if (found->total++ >= ITEMS)
        return;
    struct str place = ns.len ? arena_printf(arena, " -n %.*s", STR_ARG(status_command_name(ns))) : STR("");
    struct str path = ns.len ? arena_printf(arena, "%.*s/", STR_ARG(shown(arena, ns))) : STR("");
    completion->items[found->len++] = (struct status_omission){
        .tree = object,
        .object = arena_printf(arena, "%.*s/%.*s%.*s", STR_ARG(completion_lower(arena, json_get_str(object, "kind"))),
                               STR_ARG(path), STR_ARG(shown(arena, name))),
        .reason = reason,
        .fix = arena_printf(arena, "kubectl label %.*s %.*s%.*s " LABEL_COMPONENT "=kcm", STR_ARG(resource),
                            STR_ARG(status_command_name(name)), STR_ARG(place))};
}

/* NEEDED_IF_THERE: kcm uses it where it exists, so that its absence is no gap. */
enum need { NEEDED, NEEDED_IF_THERE };

/* The object, once; NULL when it was looked at before, or is not there. An object that is
 * selected is followed too: what it names may not be. */
static struct json_object *completion_need(struct completeness *completion, struct str kind, struct str ns,
                                           struct str name, enum need need, struct str reason)
{
    struct arena *arena = completion->arena;
    const char *kind_text = arena_printf(arena, "%.*s", STR_ARG(kind)).ptr;
    struct str key = arena_printf(arena, "%.*s %.*s/%.*s", STR_ARG(kind), STR_ARG(ns), STR_ARG(name));
    if (!kind_text || !name.len || completion_has(completion->seen, key))
        return NULL;
    if (!json_get(completion->world, kind_text)) {
        completion_unknown_kind(completion, kind_text);
        return NULL;
    }
    struct json_object *object = completion_find(completion, kind_text, ns, name);
    if (!object) {
        if (need == NEEDED)
            completion_unknown(completion, arena_printf(arena, "%s %.*s (%.*s): not found", kind_text,
                                                        STR_ARG(arena_quote(arena, name)), STR_ARG(reason)));
        return NULL;
    }
    completion_add(completion, completion->seen, key);
    completion->found->checked++;
    if (!is_selected(completion, object))
        completion_omit(completion, object, reason);
    return object;
}

/* ---- Credentials ---------------------------------------------------------------------------- */

/* A ProviderInterface goes before the table, since it belongs to the provider that is installed.
 * Of a kind in neither nobody knows what it needs, and that is said. */
static void completion_need_identity(struct completeness *completion, struct str kind, struct json_object *identity,
                                     struct str reason, int depth);

/* An identity that names itself ends here; DEPTH ends longer circles. */
static void completion_follow(struct completeness *completion, struct json_object *identity, struct str kind,
                              struct str name, struct str ns, struct str reason, int depth)
{
    struct json_object *next =
        completion_need(completion, kind, ns.len ? ns : completion->system, name, NEEDED, reason);
    if (next && !str_is(kind, "Secret") && identity != next)
        completion_need_identity(completion, kind, next, reason, depth + 1);
}

/* By the ProviderInterface that names this kind. False: none does. */
static bool completion_follow_interfaces(struct completeness *completion, struct str kind, struct json_object *identity,
                                         struct str reason, int depth)
{
    bool any = false;
    json_foreach(json_get(completion->world, "ProviderInterface"), key, interface)
    {
        struct json_object *kinds = json_path(interface, "spec.clusterIdentities");
        for (size_t i = 0; i < json_len(kinds); i++) {
            struct json_object *each = json_item(kinds, i), *references = json_get(each, "references");
            if (!str_eq(json_get_str(each, "kind"), kind))
                continue;
            any = true;
            for (size_t r = 0; r < json_len(references); r++) {
                struct json_object *reference = json_item(references, r);
                completion_follow(completion, identity, json_get_str(reference, "kind"),
                                  json_str(json_select(identity, json_get_str(reference, "nameFieldPath"))),
                                  json_str(json_select(identity, json_get_str(reference, "namespaceFieldPath"))),
                                  reason, depth);
            }
        }
    }
    return any;
}

static void completion_need_identity(struct completeness *completion, struct str kind, struct json_object *identity,
                                     struct str reason, int depth)
{
    if (depth > DEPTH || completion_follow_interfaces(completion, kind, identity, reason, depth))
        return;
    for (size_t i = 0; i < LENGTH_OF(identity_references); i++) {
        const struct identity_reference *known = &identity_references[i];
        if (!str_is(kind, known->kind))
            continue;
        if (known->name)
            completion_follow(completion, identity,
                              known->of ? str_from(known->of) : json_path_str(identity, "spec.sourceIdentityRef.kind"),
                              json_path_str(identity, known->name),
                              known->ns ? json_path_str(identity, known->ns) : STR(""), reason, depth);
        return;
    }
    completion_unknown(completion,
                       arena_printf(completion->arena, "which Secrets a %.*s needs: no ProviderInterface says",
                                    STR_ARG(shown(completion->arena, kind))));
}

/* kcm takes the originals of regional and distributed Credentials from the system namespace (clusteridentities.go). */
static void completion_credential(struct completeness *completion, struct json_object *credential)
{
    struct arena *arena = completion->arena;
    struct json_object *reference = json_path(credential, "spec.identityRef");
    struct str kind = json_get_str(reference, "kind"), name = json_get_str(reference, "name");
    struct str ns = json_get_str(reference, "namespace"), own = json_path_str(credential, "metadata.namespace");
    bool copied =
        json_path_str(credential, "spec.region").len ||
        str_is(json_get_str(json_path(credential, "metadata.labels"), "k0rdent.mirantis.com/managed"), "true");
    const char *kind_text = arena_printf(arena, "%.*s", STR_ARG(kind)).ptr;
    struct str reason = arena_printf(arena, "needed by Credential %.*s",
                                     STR_ARG(arena_quote(arena, json_path_str(credential, "metadata.name"))));
    if (!kind.len || !kind_text)
        return;
    if (copied && ns.len)
        ns = completion->system;
    /* Without a namespace it is one of the cluster, or, a Secret, beside the Credential. */
    if (!ns.len && !completion_find(completion, kind_text, ns, name))
        ns = completion_find(completion, kind_text, own, name) ? own : completion->system;
    struct json_object *identity = completion_need(completion, kind, ns, name, NEEDED, reason);
    if (identity && !str_is(kind, "Secret"))
        completion_need_identity(completion, kind, identity, reason, 0);
    struct str place = ns.len ? ns : own; /* what kcm's policies hand out together with it (serviceset_controller.go) */
    completion_need(completion, STR("ConfigMap"), place, arena_printf(arena, "%.*s-resource-template", STR_ARG(name)),
                    NEEDED_IF_THERE, reason);
    completion_need(completion, STR("Secret"), place, arena_printf(arena, "%.*s-secret", STR_ARG(name)),
                    NEEDED_IF_THERE, reason);
}

/* ---- templates and what their charts come from -------------------------------------------------- */

/* Secrets of a source are beside it. */
static void completion_source(struct completeness *completion, struct json_object *reference, struct str ns,
                              struct str reason)
{
    static const char *const secrets[] = {"spec.secretRef.name", "spec.certSecretRef.name", "spec.proxySecretRef.name"};
    struct str kind = json_get_str(reference, "kind"), name = json_get_str(reference, "name");
    struct str other = json_get_str(reference, "namespace");
    if (!name.len || str_is(name, "kcm-templates")) /* kcm makes this one wherever a template names it */
        return;
    ns = other.len ? other : ns;
    struct json_object *source =
        completion_need(completion, kind.len ? kind : STR("HelmRepository"), ns, name, NEEDED, reason);
    for (size_t i = 0; source && i < LENGTH_OF(secrets); i++)
        completion_need(completion, STR("Secret"), ns, json_path_str(source, secrets[i]), NEEDED,
                        arena_printf(completion->arena, "needed by %.*s %.*s", STR_ARG(shown(completion->arena, kind)),
                                     STR_ARG(arena_quote(completion->arena, name))));
}

/* ---- all ------------------------------------------------------------------------------------------ */

/* A template without kcm's label is one that somebody made: kcm labels its own. */
static void completion_each(struct completeness *completion, const char *kind)
{
    struct json_object *all = json_get(completion->world, kind);
    if (!all)
        completion_unknown_kind(completion, kind);
    json_foreach(all, key, object)
    {
        if (str_is(str_from(kind), "Credential"))
            completion_credential(completion, object);
        else if (str_ends(str_from(kind), STR("Template"))) {
            struct arena *arena = completion->arena;
            struct str name = json_path_str(object, "metadata.name"), ns = json_path_str(object, "metadata.namespace");
            struct str reason = arena_printf(arena, "needed by %s %.*s", kind, STR_ARG(arena_quote(arena, name)));
            completion_need(completion, str_from(kind), ns, name, NEEDED, STR("a template that kcm has not labelled"));
            struct str place = ns.len ? ns : completion->system;
            completion_source(completion, json_path(object, "spec.helm.chartSpec.sourceRef"), place, reason);
            completion_source(completion, json_path(object, "spec.helm.chartRef"), place, reason);
        } else if (str_is(str_from(kind), "Region"))
            completion_need(
                completion, STR("Secret"), completion->system, json_path_str(object, "spec.kubeConfig.name"), NEEDED,
                arena_printf(completion->arena, "needed by Region %.*s",
                             STR_ARG(arena_quote(completion->arena, json_path_str(object, "metadata.name")))));
    }
}

bool status_complete(struct arena *arena, struct json_object *world, struct str system_namespace,
                     struct status_completeness *found)
{
    static const char *const kinds[] = {"Credential",      "Region",          "ClusterDeployment",
                                        "ClusterTemplate", "ServiceTemplate", "ProviderTemplate"};
    struct completeness completion = {.arena = arena, .world = world, .system = system_namespace, .found = found};
    completion.items = arena_array(arena, ITEMS, sizeof *completion.items);
    completion.clusters = json_own(arena, json_object_new_object());
    completion.providers = json_own(arena, json_object_new_object());
    completion.seen = json_own(arena, json_object_new_object());
    if (!completion.items || !completion.clusters || !completion.providers || !completion.seen)
        return false;
    found->items = completion.items;
    /* Those of clusters in a region are selected by the backups of that region. */
    completion_add(&completion, completion.providers, STR("cluster-api"));
    json_foreach(json_get(completion.world, "ClusterDeployment"), key, deployment)
    {
        if (json_path_str(deployment, "status.region").len)
            continue;
        struct str ns = json_path_str(deployment, "metadata.namespace");
        completion_add(&completion, completion.clusters, json_path_str(deployment, "metadata.name"));
        struct json_object *template =
            completion_find(&completion, "ClusterTemplate", ns, json_path_str(deployment, "spec.template"));
        struct json_object *providers = json_path(template, "status.providers");
        for (size_t i = 0; i < json_len(providers); i++)
            completion_add(&completion, completion.providers, json_str(json_item(providers, i)));
    }
    for (size_t i = 0; i < LENGTH_OF(kinds); i++)
        completion_each(&completion, kinds[i]);
    return !arena_failed(arena);
}

struct str status_completeness_words(struct arena *arena, const struct status_completeness *found, bool files)
{
    struct str unknown = STR("");
    for (size_t i = 0; i < found->unknown.len && i < UNKNOWN_SHOWN; i++)
        unknown = arena_printf(arena, "%.*s%s%.*s", STR_ARG(unknown), i ? ", " : "",
                               STR_ARG(shown(arena, found->unknown.items[i])));
    if (found->unknown.len > UNKNOWN_SHOWN)
        unknown = arena_printf(arena, "%.*s and %zu more", STR_ARG(unknown), found->unknown.len - UNKNOWN_SHOWN);
    if (unknown.len)
        unknown = arena_printf(arena, " (%s: %.*s)", files ? "not in these files" : "not known", STR_ARG(unknown));
    if (found->total)
        return arena_printf(arena, "%zu %s in no management backup: a restore would miss %s%.*s", found->total,
                            found->total == 1 ? "object is" : "objects are", found->total == 1 ? "it" : "them",
                            STR_ARG(unknown));
    if (unknown.len)
        return arena_printf(arena, "unknown whether a restore would miss objects%.*s", STR_ARG(unknown));
    if (!found->checked) /* "all 0 objects" would sound like evidence */
        return STR("nothing to miss: no Credential, Region or template needs other objects");
    return arena_printf(arena,
                        "nothing is missing: the backups select %s%zu object%s that Credentials, Regions and "
                        "templates need",
                        found->checked == 1 ? "the " : "all ", found->checked, plural_s(found->checked));
}

/* One finding however many objects there are, with all of their names for programs; text shows
 * the first. */
void status_find_incomplete(struct status_view *view)
{
    const struct status_completeness *found = view->completeness;
    if (!found || !found->total)
        return;
    struct arena *arena = view->arena;
    const struct status_omission *first = &found->items[0];
    struct str *objects = arena_array(arena, found->len, sizeof *objects);
    for (size_t i = 0; objects && i < found->len; i++)
        objects[i] = found->items[i].object;
    struct status_finding finding = {
        .cause = CAUSE_RESTORE_INCOMPLETE,
        .object = first->object,
        .says =
            arena_printf(arena, "in no management backup, so a restore would miss it (%.*s)", STR_ARG(first->reason)),
        .fix = first->fix,
        .objects = objects,
        .object_count = objects ? found->len : 0};
    if (found->total > 1) {
        finding.object = arena_printf(arena, "%zu objects", found->total);
        finding.says = arena_printf(arena,
                                    "in no management backup, so a restore would miss them: %.*s (%.*s) and %zu more; "
                                    "see Completeness",
                                    STR_ARG(first->object), STR_ARG(first->reason), found->total - 1);
    }
    status_finding_add(view, finding);
}
