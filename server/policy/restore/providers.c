#include "policy/restore/restore.h"

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
