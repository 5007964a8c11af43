/* A resource modifier that sets /spec/release of Managements to a newer release than the one that runs:
 * an upgrade by Velero's hand, whose own writes the gate lets through. So it is gated here, in the
 * review of the Restore, with the same evidence. To an older release it is a rollback. Where nobody can
 * tell which is newer it may be an upgrade, so it is gated as one; the annotation is the way past. */
#include "policy/upgrade/gate.h"
#include "policy/restore/restore.h"
#include "policy/velero/modifier.h"

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
    decision_audit(view->decision, "upgrade-gate", "skipped by annotation: %.*s", STR_ARG(reason));
    decision_warn(view->decision, "upgrading without a checked pre-upgrade backup, as the annotation asks: %.*s",
                  STR_ARG(arena_quote(view->arena, reason)));
    return true;
}

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
