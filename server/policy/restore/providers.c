#include "policy/restore/restore.h"

static bool names(const struct strlist *list, const struct provider_caveat *caveat)
{
    return (caveat->provider.len && strlist_has(list, caveat->provider)) ||
           (caveat->component.len && strlist_has(list, caveat->component));
}

/* Who says which providers are in the backup. The Backup's own selectors come first:
 * on a fresh cluster in a disaster they are the only source, and a sufficient one. */
static bool is_named(const struct restore_view *view, const struct provider_caveat *caveat)
{
    const struct management *management = inventory_management(view->inventory);
    if (view->backup && view->backup->providers.len)
        return names(&view->backup->providers, caveat);
    if (management && management->available_providers.len + management->provider_components.len)
        return names(&management->available_providers, caveat) || names(&management->provider_components, caveat);
    return names(&view->settings->restores_providers, caveat);
}

void restore_caveats(const struct restore_view *view, struct caveats *caveats)
{
    const struct settings *settings = view->settings;
    caveats->len = 0;
    caveats->items = arena_array(view->arena, settings->caveat_count, sizeof(const struct provider_caveat *));
    for (size_t i = 0; caveats->items && i < settings->caveat_count; i++)
        if (is_named(view, &settings->caveats[i]))
            caveats->items[caveats->len++] = &settings->caveats[i];
}
