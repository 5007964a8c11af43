/* validateAndGetSnapshotLocations: one VolumeSnapshotLocation for each provider. */
#include "policy/backup/spec.h"

static const char field_name[] = "volumeSnapshotLocations";

struct snapshots {
    const struct backup_spec *view;
    const char *field;
    struct strlist named;
};

static bool is_here(const struct snapshots *s, size_t i)
{
    return str_eq(s->view->inventory->snapshot_locations[i]->meta.ns, s->view->ns);
}

/* The locations of one provider in Velero's namespace. */
static struct strlist of_provider(const struct snapshots *s, struct str provider, bool named_only)
{
    const struct inventory *inventory = s->view->inventory;
    struct strlist names = {0};
    for (size_t i = 0; i < inventory->count[FACT_SNAPSHOT_LOCATIONS]; i++) {
        const struct snapshot_location *location = inventory->snapshot_locations[i];
        if (is_here(s, i) && str_eq(location->provider, provider) &&
            (!named_only || strlist_has(&s->named, location->meta.name)))
            strlist_add(s->view->arena, &names, location->meta.name);
    }
    return names;
}

static void deny_missing(const struct snapshots *s, struct str name)
{
    struct arena *arena = s->view->arena;
    const struct inventory *inventory = s->view->inventory;
    struct strlist names = {0};
    for (size_t i = 0; i < inventory->count[FACT_SNAPSHOT_LOCATIONS]; i++)
        if (is_here(s, i))
            strlist_add(arena, &names, inventory->snapshot_locations[i]->meta.name);
    struct str near = str_nearest(name, names.items, names.len), hint = {NULL, 0};
    if (near.len)
        hint = arena_printf(arena, "; did you mean %.*s?", STR_ARG(arena_quote(arena, near)));
    else if (names.len)
        hint = arena_printf(arena, "; there %s %.*s", names.len > 1 ? "are" : "is only",
                            STR_ARG(strlist_quoted(arena, &names)));
    decision_invalid(s->view->decision, s->field, "%.*s: no VolumeSnapshotLocation of that name in %.*s%.*s",
                     STR_ARG(arena_quote(arena, name)), STR_ARG(s->view->ns), STR_ARG(hint));
}

static bool snapshots_off(const struct backup_spec *view)
{
    struct json_object *snapshot = json_get(view->spec, "snapshotVolumes");
    return json_object_is_type(snapshot, json_type_boolean) && !json_object_get_boolean(snapshot);
}

/* One provider at a time, at the first of its locations. */
static void check_provider(const struct snapshots *s, struct str provider)
{
    struct arena *arena = s->view->arena;
    struct strlist all = of_provider(s, provider, false), named = of_provider(s, provider, true);
    struct str quoted = arena_quote(arena, provider);
    if (named.len > 1)
        decision_invalid(s->view->decision, s->field,
                         "%.*s: Velero takes one location per provider, and all of these are for %.*s; keep one",
                         STR_ARG(strlist_quoted(arena, &named)), STR_ARG(quoted));
    else if (named.len == 0 && all.len > 1)
        decision_caution(
            s->view->decision,
            "%s: provider %.*s has %zu VolumeSnapshotLocations: the Backup fails unless one is named here or "
            "is Velero's default",
            s->field, STR_ARG(quoted), all.len);
}

void backup_spec_check_snapshots(const struct backup_spec *view)
{
    const struct inventory *inventory = view->inventory;
    struct snapshots s = {.view = view, .field = backup_spec_field(view, field_name)};
    struct json_object *list = json_get(view->spec, field_name);
    struct strlist providers = {0};
    if (!backup_spec_asks(view, field_name))
        return;
    if (!check_list_length(view->decision, s.field, list))
        return;
    if (!read_strings(view->arena, list, &s.named)) {
        decision_invalid(view->decision, s.field, "must be a list of strings");
        return;
    }
    if (!view->facts || !inventory->known[FACT_SNAPSHOT_LOCATIONS]) {
        if (s.named.len)
            decision_unchecked(view->decision, FACT_SNAPSHOT_LOCATIONS,
                               "%s: not checked, because the VolumeSnapshotLocations are not known", s.field);
        return;
    }
    for (size_t i = 0; i < s.named.len && !said_enough(view->decision); i++)
        if (!inventory_snapshot_location(inventory, view->ns, s.named.items[i]))
            deny_missing(&s, s.named.items[i]);
    if (s.named.len && snapshots_off(view))
        decision_warn(view->decision, "%s: ignored, because snapshotVolumes is false", s.field);
    for (size_t i = 0; i < inventory->count[FACT_SNAPSHOT_LOCATIONS] && !said_enough(view->decision); i++) {
        struct str provider = inventory->snapshot_locations[i]->provider;
        if (!is_here(&s, i) || strlist_has(&providers, provider))
            continue;
        strlist_add(view->arena, &providers, provider);
        check_provider(&s, provider);
    }
}
