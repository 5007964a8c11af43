/* Names of kinds that Velero cannot resolve: it logs them and goes on without, so a misspelt name silently leaves objects
 * out of a backup. Suggests what was meant. */
#include "policy/velero/unresolvable.h"
#include "backstop/grammar.h"
#include "policy/velero/fields.h"

enum { NAMES_CHECKED = 100 };

/* Groups of Kubernetes and of Velero itself: their resources are there wherever a
 * Restore is, and the table has all of them. Other groups end in ".k8s.io" too, those of
 * CRDs (gateway.networking.k8s.io) and those that a newer Kubernetes has. */
static bool is_built_in(struct str group)
{
    static const char *const built_in[] = {"",
                                           "apps",
                                           "batch",
                                           "autoscaling",
                                           "policy",
                                           "velero.io",
                                           "admissionregistration.k8s.io",
                                           "apiextensions.k8s.io",
                                           "apiregistration.k8s.io",
                                           "certificates.k8s.io",
                                           "coordination.k8s.io",
                                           "discovery.k8s.io",
                                           "events.k8s.io",
                                           "networking.k8s.io",
                                           "node.k8s.io",
                                           "rbac.authorization.k8s.io",
                                           "scheduling.k8s.io",
                                           "storage.k8s.io"};
    for (size_t i = 0; i < LENGTH_OF(built_in); i++)
        if (str_is(group, built_in[i]))
            return true;
    return false;
}

/* Each infrastructure provider has kinds of its own there, alike but for one word. */
static bool is_open_group(struct str group)
{
    return str_is(group, "infrastructure.cluster.x-k8s.io");
}

struct search {
    struct arena *arena;
    struct str resource, group;
    const struct resource_kind *kinds;
    size_t count;
};

/* The kind of this plural in the group; of any group when that is absent. */
static const struct resource_kind *by_plural(const struct search *search, struct str plural)
{
    for (size_t i = 0; i < search->count; i++)
        if (str_eq(search->kinds[i].plural, plural) &&
            (search->group.len == 0 || str_eq(search->kinds[i].group, search->group)))
            return &search->kinds[i];
    return NULL;
}

static bool group_known(const struct search *search)
{
    for (size_t i = 0; i < search->count; i++)
        if (search->group.len && str_eq(search->kinds[i].group, search->group))
            return true;
    return false;
}

/* A known kind whose name is misspelt. */
static const struct resource_kind *misspelt_resource(const struct search *search)
{
    struct strlist plurals = {0};
    for (size_t i = 0; i < search->count; i++)
        if (search->group.len == 0 || str_eq(search->kinds[i].group, search->group))
            strlist_add(search->arena, &plurals, search->kinds[i].plural);
    struct str near = str_nearest(search->resource, plurals.items, plurals.len);
    bool kin = search->resource.len > near.len && str_ends(search->resource, near); /* awsclusters, of clusters */
    /* Any CRD may be meant by a name without a group: only a slip of the pen is one ("agents" is not "events"). */
    kin = kin || (search->group.len == 0 && str_distance(search->resource, near) > (near.len < 10 ? 1 : 2));
    return near.len && !kin && !is_open_group(search->group) ? by_plural(search, near) : NULL;
}

/* "v1.apps" and "v1" of deployments.v1.apps and secrets.v1, as kubectl takes them; false without a version. */
static bool skip_version(struct str *group)
{
    struct str rest = *group, version;
    str_cut(&rest, '.', &version);
    if (version.len < 2 || version.ptr[0] != 'v' || version.ptr[1] < '1' || version.ptr[1] > '9')
        return false;
    *group = rest.ptr ? rest : STR("");
    return true;
}

/* "azure.com" for "network.azure.com". */
static bool is_end_of(struct str part, struct str group)
{
    return part.len > 0 && part.len < group.len && str_ends(group, part) && group.ptr[group.len - part.len - 1] == '.';
}

/* Those of CRDs have a dot; the others are known. */
static bool can_be_group(struct str group)
{
    return is_built_in(group) || str_contains(group, STR("."));
}

/* A known kind whose group is misspelt, cut short or preceded by a version. */
static const struct resource_kind *misspelt_group(const struct search *search)
{
    struct str group = search->group;
    bool versioned = skip_version(&group) || str_is(group, "core"), no_group = !can_be_group(search->group);
    for (size_t i = 0; i < search->count; i++) {
        const struct resource_kind *kind = &search->kinds[i];
        bool same = str_eq_nocase(search->resource, kind->plural) || str_eq_nocase(search->resource, kind->singular);
        bool exact = versioned && (str_eq(kind->group, group) || (str_is(group, "core") && kind->group.len == 0));
        if (same && (exact || no_group || is_end_of(group, kind->group) ||
                     (kind->group.len && str_nearest(search->group, &kind->group, 1).len)))
            return kind;
    }
    return NULL;
}

/* A resource that is known, in a group whose resources are all known and that has it not:
 * persistentvolumeclaims.storage.k8s.io, which has stood on Velero's own page. */
static const struct resource_kind *in_another_group(const struct search *search)
{
    bool complete = search->group.len && (is_built_in(search->group) || str_is(search->group, "k0rdent.mirantis.com"));
    struct search any = *search;
    any.group = STR("");
    return complete && !by_plural(search, search->resource) ? by_plural(&any, search->resource) : NULL;
}

static const struct resource_kind *resource_misspelt(const struct search *search)
{
    const struct resource_kind *elsewhere = in_another_group(search);
    if (elsewhere)
        return elsewhere;
    return group_known(search) || search->group.len == 0 ? misspelt_resource(search) : misspelt_group(search);
}

static struct search search_for(struct arena *arena, struct str name)
{
    struct search search = {.arena = arena};
    search.kinds = resource_kinds(&search.count);
    resource_name_split(name, &search.resource, &search.group);
    return search;
}

struct str resource_name_meant(struct arena *arena, struct str name)
{
    const struct search search = search_for(arena, name);
    const struct resource_kind *near = resource_misspelt(&search);
    return near ? resource_kind_name(arena, near) : (struct str){NULL, 0};
}

struct str resource_name_elsewhere(struct arena *arena, struct str name)
{
    const struct search search = search_for(arena, name);
    const struct resource_kind *kind = in_another_group(&search);
    return kind ? resource_kind_name(arena, kind) : (struct str){NULL, 0};
}

static void resource_warn_unknown(struct decision *decision, const char *verb, struct str name, bool clean_cluster)
{
    const struct search search = search_for(decision->arena, name);
    const struct resource_kind *near = resource_misspelt(&search);
    struct str quoted = arena_quote(decision->arena, name);
    if (near)
        decision_warn(decision, "%s %.*s is not a known resource; did you mean %.*s?", verb, STR_ARG(quoted),
                      STR_ARG(resource_kind_name(decision->arena, near)));
    else if (str_contains(name, STR(",")))
        decision_warn(decision, "%s %.*s contains a comma: write one item for each resource", verb, STR_ARG(quoted));
    else if (search.group.len == 0 && clean_cluster)
        decision_warn(decision,
                      "%s %.*s is not a known resource: where its CRD is not installed, only plural.group works", verb,
                      STR_ARG(quoted));
    else if (search.group.len && (is_built_in(search.group) || !can_be_group(search.group)))
        decision_warn(decision, "%s %.*s is not a known resource of group %.*s", verb, STR_ARG(quoted),
                      STR_ARG(arena_quote(decision->arena, search.group)));
    else if (search.group.len && !str_ends(search.resource, STR("s")) && clean_cluster)
        decision_warn(decision,
                      "%s %.*s looks like a singular name: where its CRD is not installed, only the plural works", verb,
                      STR_ARG(quoted));
}

static void warn_singular(struct decision *decision, const char *verb, struct str name,
                          const struct resource_kind *kind)
{
    struct str plural = resource_kind_name(decision->arena, kind);
    if (!str_eq(name, plural) && !is_built_in(kind->group))
        decision_warn(decision, "%s %.*s works only where its CRD is installed. On a clean cluster write %.*s", verb,
                      STR_ARG(arena_quote(decision->arena, name)), STR_ARG(plural));
}

void warn_unresolvable(struct decision *decision, const char *verb, const struct resource_names *names,
                       bool clean_cluster)
{
    for (size_t i = 0; i < names->len && i < NAMES_CHECKED && !said_enough(decision); i++) {
        const struct resource_name *name = &names->items[i];
        if (name->text.len == 0 || name->wildcard || str_contains(name->text, STR("/"))) /* "/" is denied */
            continue;
        if (!name->kind)
            resource_warn_unknown(decision, verb, name->text, clean_cluster);
        else if (clean_cluster)
            warn_singular(decision, verb, name->text, name->kind);
    }
}
