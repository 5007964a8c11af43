#include "policy/backup/spec.h"

#include "backstop/grammar.h"
#include "policy/checks.h"
#include "policy/velero/installed.h"

static void check_storage_location(const struct backup_spec *view)
{
    struct json_object *value = json_get(view->spec, "storageLocation");
    const char *field = backup_spec_field(view, "storageLocation");
    if (!backup_spec_asks(view, "storageLocation"))
        return;
    if (value && !json_object_is_type(value, json_type_string)) {
        decision_type_invalid(view->decision, field, "must be a string, in quotes");
        return;
    }
    const struct storage_check check = {.field = field,
                                        .name = json_str(value),
                                        .ns = view->ns,
                                        .unusable = VERDICT_DENY,
                                        .only_here = true,
                                        .inside_means = view->inside_means};
    if (view->facts)
        check_storage(&check, view->request, view->inventory, view->settings, view->decision);
}

static void backup_spec_check_durations(const struct backup_spec *view)
{
    static const char *const durations[] = {"ttl", "csiSnapshotTimeout", "itemOperationTimeout"};
    for (size_t i = 0; i < LENGTH_OF(durations); i++)
        if (backup_spec_asks(view, durations[i]))
            check_duration(view->decision, str_from(backup_spec_field(view, durations[i])),
                           json_get(view->spec, durations[i]));
}

static void backup_spec_check_hook(const struct backup_spec *view, struct str at, struct json_object *hook)
{
    static const char *const timeouts[] = {"timeout"};
    struct str exec_at = arena_printf(view->arena, "%.*s.exec", STR_ARG(at));
    struct json_object *exec = json_get(hook, "exec");
    if (exec)
        check_exec_hook(view->decision, exec_at, exec, timeouts, LENGTH_OF(timeouts));
    else
        decision_required(view->decision, exec_at.ptr ? exec_at.ptr : view->at,
                          "a hook needs an exec with the command to run");
}

static void check_hooks(const struct backup_spec *view)
{
    static const char *const lists[] = {"pre", "post"};
    struct arena *arena = view->arena;
    struct json_object *resources = json_path(view->spec, "hooks.resources");
    if (!backup_spec_asks(view, "hooks"))
        return;
    for (size_t i = 0; i < json_len(resources) && !said_enough(view->decision); i++) {
        struct json_object *resource = json_item(resources, i);
        struct str at = arena_printf(arena, "%s.hooks.resources[%zu]", view->at, i);
        check_selector(view->decision, arena_printf(arena, "%.*s.labelSelector", STR_ARG(at)),
                       json_get(resource, "labelSelector"));
        for (size_t l = 0; l < LENGTH_OF(lists); l++) {
            struct json_object *hooks = json_get(resource, lists[l]);
            for (size_t h = 0; h < json_len(hooks) && !said_enough(view->decision); h++)
                backup_spec_check_hook(view, arena_printf(arena, "%.*s.%s[%zu]", STR_ARG(at), lists[l], h),
                                       json_item(hooks, h));
        }
    }
}

static void deny_empty_selector(const struct backup_spec *view, struct str field, const char *remove)
{
    decision_invalid(view->decision, field.ptr ? field.ptr : view->at,
                     "{}: an empty selector makes every list call of Velero fail, and the Backup ends "
                     "PartiallyFailed with nothing in it. Remove %s",
                     remove);
}

/* Velero lists with metav1.FormatLabelSelector, which is "<none>" for a selector without
 * requirements, and the API server does not parse that (item_collector.go
 * listResourceByLabelsPerNamespace). A Restore matches in memory: there it is harmless. */
static void check_empty_selectors(const struct backup_spec *view)
{
    struct json_object *one = json_get(view->spec, "labelSelector"), *any = json_get(view->spec, "orLabelSelectors");
    if (one && selector_is_empty(one) && !any)
        deny_empty_selector(view, str_from(backup_spec_field(view, "labelSelector")),
                            "it, or name the labels to back up");
    for (size_t i = 0; i < json_len(any) && !said_enough(view->decision); i++) {
        if (selector_is_empty(json_item(any, i)))
            deny_empty_selector(view, arena_printf(view->arena, "%s.orLabelSelectors[%zu]", view->at, i),
                                "this item; without orLabelSelectors everything is backed up");
    }
}

/* The CRD of 1.19 has an enum (backup_types.go BackupType), which the API server holds everybody to; a review without a
 * cluster does not have it. Older CRDs drop the field. */
static void check_backup_type(const struct backup_spec *view)
{
    const struct product_version velero = inventory_velero_version(view->inventory, view->settings).version;
    struct json_object *value = json_get(view->spec, "backupType");
    struct str type = json_str(value);
    if (!value || !backup_spec_asks(view, "backupType") || str_is(type, "Full") || str_is(type, "Incremental") ||
        product_version_has(&velero, VELERO_BACKUP_TYPE) != ANSWER_YES)
        return;
    decision_not_supported(view->decision, backup_spec_field(view, "backupType"),
                           "%.*s: supported values: \"Full\", \"Incremental\"",
                           STR_ARG(arena_quote(view->arena, type)));
}

/* Any other text names a data mover that is installed apart, which these two are to an older Velero: it would wait for
 * one that never comes. */
static void warn_data_mover(const struct backup_spec *view)
{
    const struct product_version velero = inventory_velero_version(view->inventory, view->settings).version;
    struct arena *arena = view->arena;
    struct str mover = json_get_str(view->spec, "datamover"), since = feature_since(arena, VELERO_DATA_MOVERS);
    enum version_answer has = product_version_has(&velero, VELERO_DATA_MOVERS);
    if (has == ANSWER_YES || !backup_spec_asks(view, "datamover") ||
        !(str_is(mover, "velero-fs") || str_is(mover, "velero-block")))
        return;
    decision_caution(view->decision, "%s: %.*s needs %.*s or later%s%.*s", backup_spec_field(view, "datamover"),
                     STR_ARG(arena_quote(arena, mover)), STR_ARG(since),
                     has == ANSWER_NO ? "; here the backup waits for a data mover that is not installed" : ", and ",
                     STR_ARG(has == ANSWER_NO ? STR("") : product_version_doubt(arena, &velero)));
}

void backup_spec_check(const struct backup_spec *view)
{
    check_storage_location(view);
    backup_spec_check_snapshots(view);
    backup_spec_check_lists(view);
    backup_spec_warn_scope(view);
    if (backup_spec_asks(view, "labelSelector") || backup_spec_asks(view, "orLabelSelectors")) {
        check_selectors(view->decision, str_from(view->at), json_get(view->spec, "labelSelector"),
                        json_get(view->spec, "orLabelSelectors"));
        check_empty_selectors(view);
    }
    backup_spec_check_policy(view);
    if (backup_spec_asks(view, "snapshotMoveData") || backup_spec_asks(view, "defaultVolumesToFsBackup"))
        velero_warn_node_agent(view->inventory, view->ns, view->at, view->spec, view->decision);
    check_backup_type(view);
    warn_data_mover(view);
    backup_spec_check_durations(view);
    check_hooks(view);
}

/* What the same `kubectl apply` may have created or corrected a moment ago. */
void backup_spec_wants(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, const char *at, struct facts_wanted *wanted)
{
    struct json_object *spec = object_tree(request, request->object, at);
    struct str location = json_get_str(spec, "storageLocation"), ns = request->ns;
    const struct storage_location *known = inventory_storage_location(inventory, ns, location);
    struct json_object *policy = json_get(spec, "resourcePolicy");
    if (request_by_velero(request, settings) || !str_eq(ns, settings->system_namespace) ||
        !request_changes(request, at))
        return;
    if (location.len && inventory->known[FACT_STORAGE_LOCATIONS] && !(known && str_is(known->phase, "Available")))
        facts_want(request->arena, wanted, FACT_STORAGE_LOCATIONS, ns, location);
    if (json_get_str(policy, "name").len)
        facts_want(request->arena, wanted, FACT_CONFIG_MAPS, ns, json_get_str(policy, "name"));
}
