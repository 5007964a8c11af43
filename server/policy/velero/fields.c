#include "backstop/api.h"
#include "backstop/grammar.h"
#include "policy/velero/velero.h"

/* Fields that several of Velero's objects have: include and exclude lists, selectors, durations, hooks; by the checks that
 * its controllers make. */

enum { OVERLAP_MAX = 200 }; /* every pair is compared, by all forms of the names */

static bool has_other_than_star(struct arena *arena, const struct strlist *list, struct strlist *others)
{
    for (size_t i = 0; i < list->len; i++)
        if (!str_is(list->items[i], "*") && !strlist_has(others, list->items[i]))
            strlist_add(arena, others, list->items[i]);
    return others->len > 0;
}

/* "*" stands for all, alone. The scoped lists of a Backup allow it among the excluded, where it
 * means "none of them"; the older lists do not. */
static void check_stars(struct decision *decision, const struct list_pair *pair)
{
    struct arena *arena = decision->arena;
    struct strlist others = {0}, others_excluded = {0};
    bool all_in = strlist_has(&pair->included, STR("*")), all_out = strlist_has(&pair->excluded, STR("*"));
    if (all_in && has_other_than_star(arena, &pair->included, &others))
        decision_invalid(decision, pair->included_field,
                         "\"*\": it means all %s and must be the only item; remove it, or remove %.*s", pair->what,
                         STR_ARG(strlist_quoted(arena, &others)));
    if (!all_out)
        return;
    if (!pair->scoped)
        decision_invalid(decision, pair->excluded_field,
                         "\"*\": Velero refuses it here, because nothing would be left to %s; name the %s to exclude",
                         pair->verb, pair->what);
    else if (pair->included.len)
        decision_invalid(decision, pair->excluded_field,
                         "\"*\": it excludes all %s, so %s must be empty; remove one of the two", pair->what,
                         pair->included_field);
    else if (has_other_than_star(arena, &pair->excluded, &others_excluded))
        decision_invalid(decision, pair->excluded_field,
                         "\"*\": it means all %s and must be the only item; remove it, or remove %.*s", pair->what,
                         STR_ARG(strlist_quoted(arena, &others_excluded)));
}

void check_list_pair(struct decision *decision, const struct list_pair *pair)
{
    struct arena *arena = decision->arena;
    struct strlist both = {0};
    check_stars(decision, pair);
    /* Texts are compared exactly. */
    for (size_t i = 0; i < pair->excluded.len; i++) {
        struct str item = pair->excluded.items[i];
        if (!str_is(item, "*") && strlist_has(&pair->included, item) && !strlist_has(&both, item))
            strlist_add(arena, &both, item);
    }
    if (both.len)
        decision_invalid(decision, pair->excluded_field,
                         "%.*s: also in %s; Velero refuses a %s that includes and excludes the same: remove it from "
                         "one of the two",
                         STR_ARG(strlist_quoted(arena, &both)), pair->included_field, pair->object);
}

/* Velero resolves names through discovery before it filters, so a short name and its
 * plural.group meet there, which the comparison of texts in its validation does not see. */
void warn_list_overlap(struct decision *decision, const struct list_pair *pair)
{
    if (pair->included.len > OVERLAP_MAX || pair->excluded.len > OVERLAP_MAX)
        return;
    for (size_t i = 0; i < pair->included.len && !decision_is_full(decision); i++)
        for (size_t e = 0; e < pair->excluded.len; e++) {
            struct str in = pair->included.items[i], out = pair->excluded.items[e];
            if (!str_eq(in, out) && !str_is(in, "*") && resource_name_same(in, out))
                decision_warn(decision, "included %.*s and excluded %.*s are the same resource: it is not %s",
                              STR_ARG(arena_quote(decision->arena, in)), STR_ARG(arena_quote(decision->arena, out)),
                              str_is(str_from(pair->verb), "restore") ? "restored" : "backed up");
        }
}

/* The order is that of gravity: a pattern that breaks the whole list, an item that does nothing,
 * a name that nothing can have. */
static void check_pattern(struct decision *decision, const char *field, struct str item, enum pattern_kind kind)
{
    struct arena *arena = decision->arena;
    bool pattern = glob_has_wildcard(item);
    /* One pattern that does not compile makes Velero stop matching the whole list,
     * without a word (globStringSet.match). */
    const char *problem = pattern ? glob_problem(item) : NULL;
    if (problem)
        decision_invalid(decision, field, "%.*s: as a pattern, %s; Velero then matches nothing",
                         STR_ARG(arena_quote(arena, item)), problem);
    else if (item.len == 0)
        decision_warn(decision, "%s has an empty item, which %s", field,
                      kind == PATTERN_RESOURCES ? "Velero drops: a list of nothing else counts as empty"
                                                : "matches nothing");
    else if (kind == PATTERN_NAMESPACES && !pattern && !name_is_dns_label(item))
        decision_invalid(
            decision, field,
            "%.*s: no namespace can have this name; use at most 63 lower-case letters, digits and inner dashes",
            STR_ARG(arena_quote(arena, item)));
    else if (kind == PATTERN_RESOURCES && str_contains(item, STR("/")))
        decision_invalid(decision, field,
                         "%.*s: write plural.group without a version, such as "
                         "managements.k0rdent.mirantis.com",
                         STR_ARG(arena_quote(arena, item)));
}

void check_resource_patterns(struct decision *decision, const char *field, const struct resource_names *names)
{
    for (size_t i = 0; i < names->len && !decision_is_full(decision); i++)
        if (!names->items[i].kind) /* a name that is known is no pattern */
            check_pattern(decision, field, names->items[i].text, PATTERN_RESOURCES);
}

void check_namespace_patterns(struct decision *decision, const char *field, const struct strlist *list)
{
    for (size_t i = 0; i < list->len && !decision_is_full(decision); i++)
        check_pattern(decision, field, list->items[i], PATTERN_NAMESPACES);
}

/* Per review, over all fields: an answer with more is not read to its end. */
enum { ENOUGH = 20 };

bool decision_is_full(const struct decision *decision)
{
    return decision->causes.len >= ENOUGH || decision->warnings.len >= ENOUGH;
}

/* What is no string is left out of the list and told by the result, so that callers who only
 * look for names can go on. */
bool read_strings(struct arena *arena, struct json_object *array, struct strlist *list)
{
    if (!array)
        return true;
    if (!json_object_is_type(array, json_type_array))
        return false;
    bool all = true;
    for (size_t i = 0; i < json_len(array); i++) {
        struct json_object *item = json_item(array, i);
        if (json_object_is_type(item, json_type_string))
            strlist_add(arena, list, json_str(item));
        else
            all = false;
    }
    return all;
}

bool check_list_length(struct decision *decision, const char *field, size_t len)
{
    if (len <= LIST_ITEMS_MAX)
        return true;
    decision_too_many(decision, field, "%zu items; must have at most %d", len, LIST_ITEMS_MAX);
    return false;
}

/* The common mistakes get an answer of their own: no quotes, no unit, a unit for days, which
 * Go's durations do not have. */
void check_duration(struct decision *decision, struct str field, struct json_object *value)
{
    enum { HOURS_DIGITS = 6 }; /* Go's durations end at 2562047h */
    struct error error = {0};
    int64_t nanoseconds = 0;
    struct arena *arena = decision->arena;
    if (!value || (json_object_is_type(value, json_type_string) &&
                   duration_parse(json_str(value), &nanoseconds, &error) && nanoseconds >= 0))
        return;
    struct str text = json_str(value), name = arena_copy(arena, field), quoted = arena_quote(arena, text);
    struct str number = str_slice(text, 0, text.len ? text.len - 1 : 0);
    int64_t count = 0;
    const char *path = name.ptr ? name.ptr : "spec";
    if (!json_object_is_type(value, json_type_string)) {
        decision_invalid(decision, path, "must be a duration in quotes, such as \"4h\"");
        return;
    }
    if (duration_parse(text, &nanoseconds, &error)) {
        if (nanoseconds < 0)
            decision_warn(decision, "%s: %.*s is negative, so it times out at once", path, STR_ARG(quoted));
        return;
    }
    if (text.len == 0)
        decision_invalid(decision, path, "\"\": leave the field out for Velero's default");
    else if (str_ends(text, STR("d")) && str_to_int64(number, &count) && count > 0 && count < 100000)
        decision_invalid(decision, path, "%.*s: there is no unit d; write \"%lldh\"", STR_ARG(quoted),
                         (long long)count * 24);
    else if (text.len <= HOURS_DIGITS && str_to_int64(text, &count))
        decision_invalid(decision, path,
                         "%.*s: the unit is missing: \"%.*sh\" is hours, \"%.*sm\" minutes, \"%.*ss\" "
                         "seconds",
                         STR_ARG(quoted), STR_ARG(text), STR_ARG(text), STR_ARG(text));
    else
        decision_invalid(decision, path, "%.*s: must be a duration in h, m, s or ms, such as \"90m\" or \"4h\"",
                         STR_ARG(quoted));
}

/* The API server drops what it does not know, and a selector without a member matches
 * everything: only a manifest reviewed offline has such keys. */
static void check_selector_members(struct decision *decision, const char *field, struct json_object *selector)
{
    if (!json_object_is_type(selector, json_type_object))
        return;
    json_foreach(selector, key, value)
    {
        (void)value;
        if (!decision_is_full(decision) && !str_is(str_from(key), "matchLabels") &&
            !str_is(str_from(key), "matchExpressions"))
            decision_invalid(decision, field, "%.*s belongs below matchLabels or matchExpressions, not beside them",
                             STR_ARG(arena_quote(decision->arena, str_from(key))));
    }
}

void check_selector(struct decision *decision, struct str field, struct json_object *selector)
{
    struct str whole = arena_copy(decision->arena, field);
    check_selector_members(decision, whole.ptr ? whole.ptr : "spec", selector);
    struct str where = {NULL, 0}, why = {NULL, 0};
    if (!selector_problem(decision->arena, selector, &where, &why))
        return;
    struct str path = arena_printf(decision->arena, "%.*s%.*s", STR_ARG(field), STR_ARG(where));
    decision_invalid(decision, path.ptr ? path.ptr : "spec", "%.*s", STR_ARG(why));
}

/* Velero refuses both together: one asks for all labels, the other for any item. */
void check_selectors(struct decision *decision, struct str at, struct json_object *one, struct json_object *any)
{
    struct arena *arena = decision->arena;
    if (!one && !any)
        return;
    struct str field = arena_printf(arena, "%.*s.orLabelSelectors", STR_ARG(at));
    const char *path = field.ptr ? field.ptr : "spec.orLabelSelectors";
    if (one && any)
        decision_forbidden(decision, path,
                           "set labelSelector or orLabelSelectors, not both; put labels that must all match into one "
                           "item of orLabelSelectors");
    check_selector(decision, arena_printf(arena, "%.*s.labelSelector", STR_ARG(at)), one);
    if (any && !json_object_is_type(any, json_type_array)) {
        decision_invalid(decision, path, "must be a list of selectors");
        return;
    }
    size_t i = 0;
    json_walk_each(any, none, selector)
    {
        (void)none;
        if (decision_is_full(decision))
            return;
        check_selector(decision, arena_printf(arena, "%.*s[%zu]", STR_ARG(field), i++), selector);
    }
}

/* `timeouts` names the durations that this sort of hook has: those of a Backup and of a Restore
 * differ. */
void check_exec_hook(struct decision *decision, struct str at, struct json_object *hook, const char *const *timeouts,
                     size_t count)
{
    struct arena *arena = decision->arena;
    struct strlist words = {0};
    struct json_object *on_error = json_get(hook, "onError"), *container = json_get(hook, "container");
    struct str mode = json_str(on_error);
    struct str command_at = arena_printf(arena, "%.*s.command", STR_ARG(at));
    struct str mode_at = arena_printf(arena, "%.*s.onError", STR_ARG(at));
    struct str container_at = arena_printf(arena, "%.*s.container", STR_ARG(at));
    if (!command_at.ptr || !mode_at.ptr || !container_at.ptr)
        return;
    if (!read_strings(arena, json_get(hook, "command"), &words) || words.len == 0)
        decision_required(decision, command_at.ptr,
                          "the command to run, as a list of strings, such as [\"/bin/sh\", \"-c\", \"...\"]");
    if (container && !json_object_is_type(container, json_type_string))
        decision_invalid(decision, container_at.ptr, "must be the name of a container");
    if (on_error && !str_is(mode, "Continue") && !str_is(mode, "Fail"))
        decision_not_supported(decision, mode_at.ptr, "%.*s: write \"Continue\" or \"Fail\"",
                               STR_ARG(arena_quote(arena, mode)));
    for (size_t i = 0; i < count; i++)
        check_duration(decision, arena_printf(arena, "%.*s.%s", STR_ARG(at), timeouts[i]), json_get(hook, timeouts[i]));
}

void warn_no_velero(struct decision *decision, const struct inventory *inventory, struct str ns, const char *kind)
{
    const struct velero_deployment *elsewhere = NULL;
    for (size_t i = 0; i < inventory->count[FACT_VELERO]; i++) {
        if (str_eq(inventory->velero_deployments[i]->meta.ns, ns))
            return;
        elsewhere = inventory->velero_deployments[i];
    }
    if (elsewhere)
        decision_caution(
            decision, "no Velero runs in namespace %.*s, so the %s is never processed; Velero runs in %.*s",
            STR_ARG(arena_quote(decision->arena, ns)), kind, STR_ARG(arena_quote(decision->arena, elsewhere->meta.ns)));
}

/* Names of kinds that Velero cannot resolve: it logs them and goes on without, so a misspelt name silently leaves objects
 * out of a backup. Suggests what was meant. */

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
                                           GROUP_VELERO,
                                           GROUP_ADMISSION,
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
    return STR_IN(group, built_in);
}

/* Each infrastructure provider has kinds of its own there, alike but for one word. */
static bool is_open_group(struct str group)
{
    return str_is(group, "infrastructure.cluster.x-k8s.io");
}

/* Group is empty where the name has none, and then any group will do. */
struct resource_search {
    struct arena *arena;
    struct str resource, group;
    const struct resource_kind *kinds;
    size_t count;
};

/* The kind of this plural in the group; of any group when that is absent. */
static const struct resource_kind *by_plural(const struct resource_search *search, struct str plural)
{
    for (size_t i = 0; i < search->count; i++)
        if (str_eq(search->kinds[i].plural, plural) &&
            (search->group.len == 0 || str_eq(search->kinds[i].group, search->group)))
            return &search->kinds[i];
    return NULL;
}

/* Of a group that is known nothing but its known kinds is suggested; the group itself is then
 * right. */
static bool group_known(const struct resource_search *search)
{
    for (size_t i = 0; i < search->count; i++)
        if (search->group.len && str_eq(search->kinds[i].group, search->group))
            return true;
    return false;
}

/* A known kind whose name is misspelt. */
static const struct resource_kind *misspelt_resource(const struct resource_search *search)
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
static const struct resource_kind *misspelt_group(const struct resource_search *search)
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
static const struct resource_kind *in_another_group(const struct resource_search *search)
{
    bool complete = search->group.len && (is_built_in(search->group) || str_is(search->group, GROUP_K0RDENT));
    struct resource_search any = *search;
    any.group = STR("");
    return complete && !by_plural(search, search->resource) ? by_plural(&any, search->resource) : NULL;
}

static const struct resource_kind *resource_misspelt(const struct resource_search *search)
{
    const struct resource_kind *elsewhere = in_another_group(search);
    if (elsewhere)
        return elsewhere;
    return group_known(search) || search->group.len == 0 ? misspelt_resource(search) : misspelt_group(search);
}

static struct resource_search search_for(struct arena *arena, struct str name)
{
    struct resource_search search = {.arena = arena};
    search.kinds = resource_kinds(&search.count);
    resource_name_split(name, &search.resource, &search.group);
    return search;
}

struct str resource_name_meant(struct arena *arena, struct str name)
{
    const struct resource_search search = search_for(arena, name);
    const struct resource_kind *near = resource_misspelt(&search);
    return near ? near->name : (struct str){NULL, 0};
}

struct str resource_name_elsewhere(struct arena *arena, struct str name)
{
    const struct resource_search search = search_for(arena, name);
    const struct resource_kind *kind = in_another_group(&search);
    return kind ? kind->name : (struct str){NULL, 0};
}

/* Silent about most unknown names with a group, since they may well be of a CRD that is
 * installed. What is reported is what cannot be right whatever is installed, or what probably is a
 * slip. */
static void resource_warn_unknown(struct decision *decision, const char *verb, struct str name, bool clean_cluster)
{
    const struct resource_search search = search_for(decision->arena, name);
    const struct resource_kind *near = resource_misspelt(&search);
    struct str quoted = arena_quote(decision->arena, name);
    if (near)
        decision_warn(decision, "%s %.*s is not a known resource; did you mean %.*s?", verb, STR_ARG(quoted),
                      STR_ARG(near->name));
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

/* A singular or short name works where Velero's discovery has the kind. On a clean cluster,
 * which a restore after a disaster finds, the CRDs come with the restore itself, so that
 * discovery does not have them when the lists are read. */
void warn_unresolvable(struct decision *decision, const char *verb, const struct resource_names *names,
                       bool clean_cluster)
{
    for (size_t i = 0; i < names->len && i < NAMES_CHECKED && !decision_is_full(decision); i++) {
        const struct resource_name *name = &names->items[i];
        if (name->text.len == 0 || name->wildcard || str_contains(name->text, STR("/"))) /* "/" is denied */
            continue;
        if (!name->kind)
            resource_warn_unknown(decision, verb, name->text, clean_cluster);
        else if (clean_cluster) {
            struct str plural = name->kind->name;
            if (!str_eq(name->text, plural) && !is_built_in(name->kind->group))
                decision_warn(decision, "%s %.*s works only where its CRD is installed. On a clean cluster write %.*s",
                              verb, STR_ARG(arena_quote(decision->arena, name->text)), STR_ARG(plural));
        }
    }
}
