#include "modifier.h"
#include "resource_name.h"
#include "restore.h"

enum { LABEL_VALUE_MAX = 63, NAME_MAX_LENGTH = 253, STAMP_LENGTH = 14, MAPS_PARSED = 20 };

static bool all_digits(struct str text)
{
    int64_t number;
    return text.len > 0 && text.len < 18 && str_to_int64(text, &number);
}

/* The gate appends -YYYYMMDDhhmmss when it repeats a backup. */
static struct str without_stamp(struct str name)
{
    if (name.len <= STAMP_LENGTH + 1 || name.ptr[name.len - STAMP_LENGTH - 1] != '-' ||
        !all_digits(str_slice(name, name.len - STAMP_LENGTH, name.len)))
        return name;
    return str_slice(name, 0, name.len - STAMP_LENGTH - 1);
}

/* "kcm-1-1-0" and "kcm-1-1-0-rc1": three numbers after kcm, then anything. */
static bool is_release_name(struct str text)
{
    struct str part;
    if (!str_starts(text, STR("kcm-")))
        return false;
    text = str_slice(text, 4, text.len);
    for (int i = 0; i < 3; i++)
        if (!str_cut(&text, '-', &part) || !all_digits(part))
            return false;
    return true;
}

/* On a fresh cluster the name is all there is: <ManagementBackup>-<release>. */
static struct str release_in_name(const struct restore_view *view, struct str backup)
{
    struct str name = without_stamp(backup);
    for (size_t i = 0; i < view->inventory->count[FACT_RELEASES]; i++) {
        struct str release = view->inventory->releases[i]->meta.name;
        if (name.len > release.len + 1 && str_ends(name, release) && name.ptr[name.len - release.len - 1] == '-')
            return release;
    }
    for (size_t at = name.len; at > 1; at--)
        if (name.ptr[at - 1] == '-' && is_release_name(str_slice(name, at, name.len)))
            return str_slice(name, at, name.len);
    return (struct str){NULL, 0};
}

/* Labels are bounded to 63 bytes: a value that long may be a shortened name. */
static struct str release_of_label(const struct restore_view *view, struct str label)
{
    return label.len < LABEL_VALUE_MAX || inventory_release(view->inventory, label) ? label : (struct str){NULL, 0};
}

struct str restore_release_left(const struct restore_view *view)
{
    const struct backup *backup = view->backup;
    if (!backup || !backup->management || backup->region.len)
        return (struct str){NULL, 0};
    const struct management_backup *maker = inventory_management_backup(view->inventory, backup->meta.name);
    if (maker && maker->release.len)
        return release_of_label(view, maker->release);
    struct str label = json_get_str(backup->meta.labels, LABEL_RELEASE_BACKUP);
    if (label.len)
        return release_of_label(view, label);
    /* kcm labels what a schedule makes; a pre-upgrade backup has no such label. */
    if (json_get_str(backup->meta.labels, LABEL_MANAGEMENT_BACKUP).len)
        return (struct str){NULL, 0};
    return release_in_name(view, backup->meta.name);
}

/* kcm itself takes this backup after spec.release was edited, so it holds the new
 * release. One that the gate took before the edit holds the old. */
static bool holds_old_release(const struct restore_view *view)
{
    const struct backup *backup = view->backup;
    const struct management_backup *maker = inventory_management_backup(view->inventory, backup->meta.name);
    return json_get(backup->meta.annotations, ANNOTATION_TAKEN_BEFORE) ||
           (maker && json_get(maker->meta.annotations, ANNOTATION_TAKEN_BEFORE));
}

static bool leaves_out_managements(const struct restore_view *view)
{
    bool included = view->included.len == 0;
    for (size_t i = 0; i < view->included.len && !included; i++)
        included = str_is(view->included.items[i], "*") ||
                   resource_name_same(view->included.items[i], STR(MODIFIER_MANAGEMENTS));
    for (size_t i = 0; i < view->excluded.len && included; i++)
        included = !resource_name_same(view->excluded.items[i], STR(MODIFIER_MANAGEMENTS));
    return !included;
}

struct str restore_release_map_name(struct arena *arena, struct str release)
{
    return arena_printf(arena, "backstop-release-%.*s", STR_ARG(release));
}

static struct modifier_release release_set_by(const struct restore_view *view, const struct config_map *map)
{
    struct modifier modifier;
    if (!modifier_load(&modifier, view->arena, NULL, map))
        return (struct modifier_release){{NULL, 0}, false};
    return modifier_release_set(&modifier);
}

static bool mentions(const struct config_map *map, struct str release)
{
    if (!json_object_is_type(map->data, json_type_object) || json_object_object_length(map->data) != 1)
        return false;
    json_object_object_foreach(map->data, key, value)
    {
        (void)key;
        if (str_contains(json_str(value), release) && str_contains(json_str(value), STR("/spec/release")))
            return true;
    }
    return false;
}

/* A ConfigMap beside the Restore that sets this release and does nothing else. */
static const struct config_map *find_map(const struct restore_view *view, struct str release)
{
    const struct inventory *inventory = view->inventory;
    unsigned parsed = 0;
    for (size_t i = 0; i < inventory->count[FACT_CONFIG_MAPS] && parsed < MAPS_PARSED; i++) {
        const struct config_map *map = inventory->config_maps[i];
        if (!str_eq(map->meta.ns, view->ns) || !mentions(map, release))
            continue;
        parsed++;
        struct modifier_release set = release_set_by(view, map);
        if (set.only && str_eq(set.release, release))
            return map;
    }
    return NULL;
}

static struct json_object *text(struct str value)
{
    return json_object_new_string_len(value.ptr ? value.ptr : "", (int)value.len);
}

static struct json_object *build_map(const struct restore_view *view, struct str name, struct str release)
{
    struct json_object *map = json_own(view->arena, json_object_new_object());
    struct json_object *meta = json_object_new_object(), *data = json_object_new_object();
    struct json_object *labels = json_object_new_object();
    struct str rules =
        arena_printf(view->arena,
                     "version: v1\nresourceModifierRules:\n- conditions:\n    groupResource: " MODIFIER_MANAGEMENTS
                     "\n  patches:\n  - operation: replace\n    path: /spec/release\n"
                     "    value: \"%.*s\"\n",
                     STR_ARG(release));
    json_object_object_add(map, "apiVersion", json_object_new_string("v1"));
    json_object_object_add(map, "kind", json_object_new_string("ConfigMap"));
    json_object_object_add(map, "metadata", meta);
    json_object_object_add(map, "data", data);
    json_object_object_add(meta, "name", text(name));
    json_object_object_add(meta, "namespace", text(view->ns));
    json_object_object_add(meta, "labels", labels);
    json_object_object_add(labels, "app.kubernetes.io/managed-by", json_object_new_string("backstop"));
    json_object_object_add(data, "release.yaml", text(rules));
    return map;
}

static void reference_map(struct restore_view *view, struct str name, struct str release)
{
    struct json_object *reference = json_own(view->arena, json_object_new_object());
    json_object_object_add(reference, "kind", json_object_new_string("ConfigMap"));
    json_object_object_add(reference, "name", text(name));
    decision_patch(view->decision, "add", "/spec/resourceModifier", reference);
    decision_warn(view->decision, "resourceModifier set to ConfigMap %.*s, which sets the release back to %.*s",
                  STR_ARG(arena_quote(view->arena, name)), STR_ARG(release));
    decision_audit(view->decision, "release-modifier", "%.*s", STR_ARG(name));
    view->modifier_injected = true;
}

static void create_map(const struct restore_view *view, struct str name, struct str release)
{
    decision_create(view->decision, build_map(view, name, release),
                    arena_printf(view->arena, "ConfigMap %.*s", STR_ARG(name)));
}

/* Gives the Restore the modifier it lacks. False when that is not wanted or not safe:
 * a denied Restore must leave nothing behind. */
static bool inject(struct restore_view *view, struct str release)
{
    struct str name = restore_release_map_name(view->arena, release);
    if (!view->mutating || view->opted_out || !view->settings->restores_inject_release_modifier ||
        view->decision->denied || name.len > NAME_MAX_LENGTH)
        return false;
    const struct config_map *map = find_map(view, release);
    if (map) {
        reference_map(view, map->meta.name, release);
        return true;
    }
    if (inventory_config_map(view->inventory, view->ns, name))
        return false; /* of this name, but with another content */
    create_map(view, name, release);
    reference_map(view, name, release);
    return true;
}

static void advise(const struct restore_view *view, struct str release)
{
    const struct config_map *map = find_map(view, release);
    struct str quoted = arena_quote(view->arena, view->backup->meta.name);
    decision_warn(view->decision,
                  "backup %.*s was taken for the upgrade from %.*s and may hold the release upgraded to",
                  STR_ARG(quoted), STR_ARG(release));
    if (map)
        decision_warn(view->decision, "to roll back to %.*s add resourceModifier: {kind: ConfigMap, name: %.*s}",
                      STR_ARG(release), STR_ARG(map->meta.name));
    else
        decision_warn(
            view->decision,
            "to roll back, add a resourceModifier ConfigMap that replaces /spec/release of " MODIFIER_MANAGEMENTS
            " with %.*s",
            STR_ARG(release));
}

/* The modifier that is there: does it lead back to the release the backup is for? */
static void check_modifier(const struct restore_view *view, struct str release)
{
    const struct config_map *map = inventory_config_map(view->inventory, view->ns, view->modifier_name);
    struct str name = arena_quote(view->arena, view->modifier_name);
    if (!map) {
        if (view->mutating && !view->decision->denied && view->settings->restores_inject_release_modifier &&
            str_eq(view->modifier_name, restore_release_map_name(view->arena, release)))
            create_map(view, view->modifier_name, release);
        return;
    }
    struct str set = release_set_by(view, map).release;
    if (set.len == 0 && !holds_old_release(view))
        decision_warn(view->decision,
                      "resourceModifier %.*s does not set /spec/release; the backup is for the way back to %.*s",
                      STR_ARG(name), STR_ARG(release));
    else if (set.len && !str_eq(set, release))
        decision_warn(
            view->decision, "resourceModifier %.*s sets release %.*s, but the backup is for the way back to %.*s",
            STR_ARG(name), STR_ARG(arena_quote(view->arena, set)), STR_ARG(arena_quote(view->arena, release)));
}

void restore_check_release(struct restore_view *view)
{
    struct str release = restore_release_left(view);
    if (release.len == 0 || leaves_out_managements(view))
        return;
    if (json_get(view->spec, "resourceModifier"))
        check_modifier(view, release);
    else if (!holds_old_release(view) && !inject(view, release))
        advise(view, release);
}
