#include "backstop/grammar.h"
#include "policy/velero/fields.h"

enum { OVERLAP_MAX = 200 }; /* every pair is compared, by all forms of the names */

static bool has_other_than_star(struct arena *arena, const struct strlist *list, struct strlist *others)
{
    for (size_t i = 0; i < list->len; i++)
        if (!str_is(list->items[i], "*") && !strlist_has(others, list->items[i]))
            strlist_add(arena, others, list->items[i]);
    return others->len > 0;
}

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

void warn_list_overlap(struct decision *decision, const struct list_pair *pair)
{
    if (pair->included.len > OVERLAP_MAX || pair->excluded.len > OVERLAP_MAX)
        return;
    for (size_t i = 0; i < pair->included.len && !said_enough(decision); i++)
        for (size_t e = 0; e < pair->excluded.len; e++) {
            struct str in = pair->included.items[i], out = pair->excluded.items[e];
            if (!str_eq(in, out) && !str_is(in, "*") && resource_name_same(in, out))
                decision_warn(decision, "included %.*s and excluded %.*s are the same resource: it is not %s",
                              STR_ARG(arena_quote(decision->arena, in)), STR_ARG(arena_quote(decision->arena, out)),
                              str_is(str_from(pair->verb), "restore") ? "restored" : "backed up");
        }
}

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

void check_patterns(struct decision *decision, const char *field, const struct strlist *list, enum pattern_kind kind)
{
    for (size_t i = 0; i < list->len && !said_enough(decision); i++)
        check_pattern(decision, field, list->items[i], kind);
}
