/* A Restore as its checks see it: read once, with the Backup that it would take, and what of the request is new. Also
 * what the running Velero and the providers in use mean for it. */
#include "policy/restore/restore.h"
#include "policy/velero/velero.h"

bool restore_asks(const struct restore_view *view, const char *path)
{
    return view->as_new || request_changes(view->request, path);
}

struct json_object *restore_field(const struct restore_view *view, const char *path)
{
    return object_tree(view->request, view->request->object, path);
}

bool restore_is_regional(const struct restore_view *view)
{
    return view->management && view->backup && view->backup->region.len > 0;
}

enum { PATTERNS_MAX = 100 };

bool restore_names_match(const struct restore_view *view, const struct resource_names *names, struct str plural)
{
    size_t patterns = 0;
    for (size_t i = 0; i < names->len && patterns < PATTERNS_MAX; i++) {
        const struct resource_name *item = &names->items[i];
        if (item->wildcard && !str_is(item->text, "*") && patterns++ < PATTERNS_MAX &&
            glob_match(view->arena, item->text, plural, '\0'))
            return true;
    }
    return false;
}

/* Whose rules apply. When Backups were never read, only the setting that treats all
 * Restores alike can say so: guessing would change other people's Restores. */
static bool is_management(const struct restore_view *view)
{
    bool one_source = (view->backup_name.len > 0) != (view->schedule_name.len > 0);
    if (view->backup)
        return backup_is_by_kcm(view->backup) || view->settings->restores_mutate_all;
    return one_source && view->settings->restores_mutate_all && !view->inventory->known[FACT_BACKUPS];
}

bool restore_may_update(const struct restore_view *view)
{
    if (view->backup && backup_is_by_kcm(view->backup))
        return true;
    return view->inventory->known[FACT_MANAGEMENTS] && !inventory_management(view->inventory);
}

/* Velero takes a Restore whose phase is "" or New, once, and by itself moves it on. Until then whoever
 * changes it makes another Restore of it; and whoever sets the phase back has it taken again. */
bool restore_is_as_new(const struct request *request, const struct settings *settings)
{
    if (request->operation != OPERATION_UPDATE)
        return request->operation == OPERATION_CREATE;
    if (request_by_velero(request, settings) || !phase_is_new(object_text(request, request->object, "status.phase")))
        return false;
    return request_changes(request, "spec") || !phase_is_new(object_text(request, request->old_object, "status.phase"));
}

bool restore_view_init(struct restore_view *view, const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct decision *decision)
{
    *view = (struct restore_view){.request = request,
                                  .inventory = inventory,
                                  .settings = settings,
                                  .decision = decision,
                                  .arena = request->arena,
                                  .as_new = restore_is_as_new(request, settings),
                                  .ns = request->ns.len ? request->ns : settings->system_namespace};
    if (object_kind(request->object, "spec") != JSON_OBJECT) {
        decision_required(decision, "spec", "name the backup to restore in spec.backupName");
        return false;
    }
    struct json_object *modifier = restore_field(view, "spec.resourceModifier");
    /* False where one is too long for any check. */
    struct restore_list *const lists[] = {&view->resources_in, &view->resources_out, &view->namespaces_in,
                                          &view->namespaces_out};
    static const char *const fields[] = {"spec.includedResources", "spec.excludedResources", "spec.includedNamespaces",
                                         "spec.excludedNamespaces"};
    bool all = true;
    for (size_t i = 0; i < LENGTH_OF(lists); i++) {
        size_t count;
        lists[i]->field = fields[i];
        lists[i]->is_list =
            object_strings(view->request, view->request->object, fields[i], LIST_ITEMS_MAX, &lists[i]->items, &count);
        all = check_list_length(view->decision, fields[i], count) && all;
    }
    if (!all)
        return false;
    view->backup_name = object_text(request, request->object, "spec.backupName");
    view->schedule_name = object_text(request, request->object, "spec.scheduleName");
    view->policy = object_text(request, request->object, "spec.existingResourcePolicy");
    view->modifier_kind = json_get_str(modifier, "kind");
    view->modifier_name = json_get_str(modifier, "name");
    view->opt_out_reason = object_annotation(request, request->object, ANNOTATION_SKIP_MUTATION);
    view->opted_out = annotation_reason(view->opt_out_reason).len > 0;
    view->included = view->resources_in.items;
    view->excluded = view->resources_out.items;
    view->included_names = resource_names_of(view->arena, &view->included);
    view->excluded_names = resource_names_of(view->arena, &view->excluded);
    /* The backup as Velero picks it. With both names Velero refuses, with neither too. */
    if (view->schedule_name.len == 0 && view->backup_name.len)
        view->backup = inventory_backup(view->inventory, view->ns, view->backup_name);
    else if (view->backup_name.len == 0 && view->schedule_name.len)
        view->backup = inventory_newest_completed(view->inventory, view->ns, view->schedule_name, NULL);
    view->management = is_management(view);
    return true;
}

/* Velero as it runs in this cluster, as far as a restore depends on it. */

bool policy_velero_name_matters(struct arena *arena, const struct inventory *inventory, const struct settings *settings)
{
    struct version_fact kcm = inventory_kcm_version(inventory, settings, arena);
    return product_version_before(&kcm.version, 1, 2) != ANSWER_NO;
}

/* Before k0rdent 1.2.0 a restore fails when Velero's Deployment has another name (velero issue 9023). */
void restore_check_velero(const struct restore_view *view)
{
    const struct inventory *inventory = view->inventory;
    const struct velero_deployment *named = NULL;
    for (size_t i = 0; i < inventory->count[FACT_VELERO]; i++) {
        const struct velero_deployment *deployment = inventory->velero_deployments[i];
        if (!str_eq(deployment->meta.ns, view->ns))
            continue;
        if (str_is(deployment->meta.name, "velero"))
            return;
        named = deployment;
    }
    if (named && view->management && policy_velero_name_matters(view->arena, inventory, view->settings))
        decision_caution(view->decision,
                         "Velero's Deployment is named %.*s, and before k0rdent 1.2.0 only \"velero\" can restore. Set "
                         "velero.fullnameOverride: velero in k0rdent's Helm values",
                         STR_ARG(arena_quote(view->arena, named->meta.name)));
}

static bool list_names_provider(const struct strlist *list, const struct provider_exclusion *exclusion)
{
    return (exclusion->provider.len && strlist_has(list, exclusion->provider)) ||
           (exclusion->component.len && strlist_has(list, exclusion->component));
}

/* Who says which providers are in the backup. The Backup's own selectors come first:
 * on a fresh cluster in a disaster they are the only source, and a sufficient one. */
static bool is_named(const struct restore_view *view, const struct provider_exclusion *exclusion)
{
    const struct management *management = inventory_management(view->inventory);
    if (view->backup && view->backup->providers.len)
        return list_names_provider(&view->backup->providers, exclusion);
    if (management && management->available_providers.len + management->provider_components.len)
        return list_names_provider(&management->available_providers, exclusion) ||
               list_names_provider(&management->provider_components, exclusion);
    return list_names_provider(&view->settings->restores_providers, exclusion);
}

void restore_provider_exclusions(const struct restore_view *view, struct provider_exclusions *exclusions)
{
    const struct settings *settings = view->settings;
    exclusions->len = 0;
    exclusions->items =
        arena_array(view->arena, settings->provider_exclusion_count, sizeof(const struct provider_exclusion *));
    for (size_t i = 0; exclusions->items && i < settings->provider_exclusion_count; i++)
        if (is_named(view, &settings->provider_exclusions[i]))
            exclusions->items[exclusions->len++] = &settings->provider_exclusions[i];
}
