/* kcm takes its own pre-upgrade backup after spec.release was edited, so that backup holds the
 * new release, and a restore of it would not roll back. The documented remedy is a ConfigMap
 * that patches /spec/release; it is looked for, proposed or, if the settings say so, created. */
#include "backstop/grammar.h"
#include "policy/restore/restore.h"
#include "policy/upgrade/gate.h"
#include "policy/velero/velero.h"

/* Which release a Restore would set Management to. A backup taken before an upgrade holds the old one, so restoring it
 * rolls k0rdent back, unless a resource modifier sets the release. */

enum { MAPS_PARSED = 20, NAME_SHOWN = 100 };

struct str restore_release_left(const struct restore_view *view)
{
    return upgrade_backup_release(view->inventory, view->backup);
}

static bool holds_old_release(const struct restore_view *view)
{
    return upgrade_backup_holds(view->inventory, view->backup) == HOLDS_OLD;
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
    struct config_rules modifier;
    if (!modifier_load(&modifier, view->arena, NULL, map))
        return (struct modifier_release){.only = false};
    return modifier_release_set(&modifier);
}

static bool config_map_mentions(const struct config_map *map, struct str release)
{
    return str_contains(map->text, release) && str_contains(map->text, STR("/spec/release"));
}

/* A ConfigMap beside the Restore that sets this release and does nothing else. */
static const struct config_map *find_map(const struct restore_view *view, struct str release)
{
    const struct inventory *inventory = view->inventory;
    unsigned parsed = 0;
    for (size_t i = 0; i < inventory->count[FACT_CONFIG_MAPS] && parsed < MAPS_PARSED; i++) {
        const struct config_map *map = inventory->config_maps[i];
        if (!str_eq(map->meta.ns, view->ns) || !config_map_mentions(map, release))
            continue;
        parsed++;
        struct modifier_release set = release_set_by(view, map);
        if (set.only && str_eq(set.release, release))
            return map;
    }
    return NULL;
}

static void reference_map(struct restore_view *view, struct str name, struct str release)
{
    struct json_object *reference = json_own(view->arena, json_object_new_object());
    if (!json_put_text(reference, "kind", STR("ConfigMap")) || !json_put_text(reference, "name", name))
        arena_fail(view->arena);
    decision_patch(view->decision, "add", "/spec/resourceModifier", reference);
    decision_warn(view->decision, "resourceModifier set to ConfigMap %.*s, which sets the release back to %.*s",
                  STR_ARG(arena_quote(view->arena, name)), STR_ARG(release));
    decision_audit(view->decision, "release-modifier", "%.*s", STR_ARG(name));
    view->modifier_name = name;
    view->modifier_injected = true;
}

/* As an effect: it is created only after the Restore is admitted, and never in a dry run. */
static void create_map(const struct restore_view *view, struct str name, struct str release)
{
    struct json_object *map = json_own(view->arena, json_object_new_object());
    struct json_object *meta, *labels, *data;
    struct str rules =
        arena_printf(view->arena,
                     "version: v1\nresourceModifierRules:\n- conditions:\n    groupResource: " MODIFIER_MANAGEMENTS
                     "\n  patches:\n  - operation: replace\n    path: /spec/release\n"
                     "    value: \"%.*s\"\n",
                     STR_ARG(release));
    bool whole = json_put_text(map, "apiVersion", STR("v1")) && json_put_text(map, "kind", STR("ConfigMap")) &&
                 json_put_map(map, "metadata", &meta) && json_put_text(meta, "name", name) &&
                 json_put_text(meta, "namespace", view->ns) && json_put_map(meta, "labels", &labels) &&
                 json_put_text(labels, "app.kubernetes.io/managed-by", STR("backstop")) &&
                 json_put_map(map, "data", &data) && json_put_text(data, "release.yaml", rules);
    if (!whole)
        arena_fail(view->arena);
    decision_create(view->decision, map, arena_printf(view->arena, "ConfigMap %.*s", STR_ARG(name)));
}

/* Gives the Restore the modifier it lacks. False when that is not wanted or not safe:
 * a denied Restore must leave nothing behind. */
static bool release_map_inject(struct restore_view *view, struct str release)
{
    struct str name = restore_release_map_name(view->arena, release);
    if (!view->mutating || view->opted_out || !view->settings->restores_inject_release_modifier ||
        view->decision->denied || name.len > DNS_SUBDOMAIN_MAX)
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

static void release_map_advise(const struct restore_view *view, struct str release)
{
    const struct config_map *map = find_map(view, release);
    struct str quoted = arena_quote(view->arena, view->backup->meta.name);
    const struct rollback_candidate candidate = {view->backup, release,
                                                 upgrade_backup_holds(view->inventory, view->backup)};
    decision_caution(view->decision, "backup %.*s is for the rollback to %.*s, but %.*s", STR_ARG(quoted),
                     STR_ARG(release), STR_ARG(policy_rollback_reason(view->arena, &candidate)));
    if (map)
        decision_warn(view->decision, "to roll back to %.*s add resourceModifier: {kind: ConfigMap, name: %.*s}",
                      STR_ARG(release), STR_ARG(map->meta.name));
    else
        decision_warn(
            view->decision,
            "to roll back, add a resourceModifier ConfigMap that replaces /spec/release of " MODIFIER_MANAGEMENTS
            " with %.*s",
            STR_ARG(release));
    decision_warn(view->decision, "print the whole rollback with: backstop rollback-plan %.*s",
                  STR_ARG(arena_quote(view->arena, str_slice(view->backup->meta.name, 0, NAME_SHOWN))));
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
        decision_caution(view->decision,
                         "resourceModifier %.*s does not set /spec/release, but the backup is for the rollback to %.*s",
                         STR_ARG(name), STR_ARG(release));
    else if (set.len && !str_eq(set, release))
        decision_caution(
            view->decision, "resourceModifier %.*s sets release %.*s, but the backup is for the rollback to %.*s",
            STR_ARG(name), STR_ARG(arena_quote(view->arena, set)), STR_ARG(arena_quote(view->arena, release)));
}

void restore_check_release(struct restore_view *view)
{
    struct str release = restore_release_left(view);
    if (release.len == 0 || leaves_out_managements(view))
        return;
    struct str not_ready = upgrade_backup_not_ready(view->backup);
    if (not_ready.len)
        decision_warn(view->decision, "backup %.*s was taken while components of %.*s were not ready: %.*s",
                      STR_ARG(arena_quote(view->arena, view->backup->meta.name)),
                      STR_ARG(arena_quote(view->arena, release)), STR_ARG(arena_quote(view->arena, not_ready)));
    if (restore_field(view, "spec.resourceModifier"))
        check_modifier(view, release);
    else if (!holds_old_release(view) && !release_map_inject(view, release))
        release_map_advise(view, release);
}

/* A resource modifier that sets /spec/release of Managements to a newer release than the one that runs:
 * an upgrade by Velero's hand, whose own writes the gate lets through. So it is gated here, in the
 * review of the Restore, with the same evidence. To an older release it is a rollback. Where nobody can
 * tell which is newer it may be an upgrade, so it is gated as one; the annotation is the way past. */

/* The numbers of "1.10.0", "v1.10.0" or "kcm-1-10-0"; false when there are not three. */
static bool read_numbers(struct str text, int64_t numbers[3])
{
    if (str_starts(text, STR("kcm-")))
        text = str_slice(text, 4, text.len);
    if (str_starts(text, STR("v")))
        text = str_slice(text, 1, text.len);
    for (int i = 0; i < 3; i++) {
        size_t digits = 0;
        while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
            digits++;
        if (digits == 0 || digits > 9 || !str_to_int64(str_slice(text, 0, digits), &numbers[i]))
            return false;
        text = str_slice(text, digits, text.len);
        if (i < 2 && !(str_starts(text, STR(".")) || str_starts(text, STR("-"))))
            return false;
        text = str_slice(text, i < 2 ? 1 : 0, text.len);
    }
    return true;
}

/* The Release's own version where there is a Release; its name says the same by kcm's
 * convention. */
static bool version_numbers(const struct inventory *inventory, struct str name, int64_t numbers[3])
{
    const struct release *release = inventory_release(inventory, name);
    return (release && read_numbers(release->version, numbers)) || read_numbers(name, numbers);
}

enum order { OLDER, NEWER, UNCLEAR };

static enum order order_of(const struct inventory *inventory, struct str release, struct str running)
{
    int64_t a[3], b[3];
    if (!version_numbers(inventory, release, a) || !version_numbers(inventory, running, b))
        return UNCLEAR;
    for (int i = 0; i < 3; i++)
        if (a[i] != b[i])
            return a[i] > b[i] ? NEWER : OLDER;
    return UNCLEAR;
}

/* Of all the releases that the modifier's rules set the one that makes it an upgrade, or may; absent where all are
 * older. Whether a later rule, with conditions of its own, takes it back is not known before Velero applies it. */
static struct str release_set(const struct restore_view *view, struct str running, enum order *order)
{
    struct config_rules modifier;
    struct str worst = {NULL, 0};
    const struct config_map *map = inventory_config_map(view->inventory, view->ns, view->modifier_name);
    *order = OLDER;
    if (!map || !modifier_load(&modifier, view->arena, NULL, map))
        return worst;
    const struct strlist all = modifier_release_set(&modifier).all;
    for (size_t i = 0; i < all.len; i++) {
        enum order this = str_eq(all.items[i], running) ? OLDER : order_of(view->inventory, all.items[i], running);
        if (this == OLDER || *order == NEWER)
            continue;
        *order = this;
        worst = all.items[i];
    }
    return worst;
}

static bool restore_gate_is_skipped(const struct restore_view *view)
{
    struct str reason = object_reason(view->request, view->request->object, ANNOTATION_SKIP_BACKUP);
    if (reason.len == 0)
        return false;
    decision_audit(view->decision, AUDIT_GATE, "skipped by annotation: %.*s", STR_ARG(reason));
    decision_warn(view->decision, "upgrading without a checked pre-upgrade backup, as the annotation asks: %.*s",
                  STR_ARG(arena_quote(view->arena, reason)));
    return true;
}

/* The same gate, with the Management as it would be: a Restore is one more way to change
 * spec.release. */
void restore_gate_release(struct restore_view *view)
{
    const struct management *management = inventory_management(view->inventory);
    if (view->decision->denied || !view->settings->upgrade_gate || !view->modifier_name.len || !management ||
        management->status_release.len == 0)
        return;
    struct str running = management->status_release;
    enum order order;
    struct str release = release_set(view, running, &order);
    if (release.len == 0)
        return;
    decision_caution(view->decision, "resourceModifier sets release %.*s while %.*s %.*s: %s",
                     STR_ARG(words_name(view->arena, release)), STR_ARG(words_name(view->arena, running)),
                     STR_ARG(management_progress_words(view->arena, management)),
                     order == NEWER ? "this Restore is an upgrade"
                                    : "which one is newer is unknown, so this Restore is treated as an upgrade");
    /* The validating review follows at the mutating one's heels, and must have no effects. */
    if (!view->mutating || restore_gate_is_skipped(view))
        return;
    struct gate gate = {.request = view->request,
                        .inventory = view->inventory,
                        .settings = view->settings,
                        .decision = view->decision,
                        .running = running,
                        .before = running,
                        .target = release};
    gate_judge(&gate);
}
