/* Which resources of each provider a management restore must leave out, built in and from
 * settings restores.providerCaveats.
 *
 * Restoring these resources breaks the restore or the provider: Azure Service Operator converts
 * its kinds by a webhook that is not there yet, and CAPV's webhook configurations come back
 * before the service they call. */
#include <string.h>

#include "settings/settings.h"

enum { BUILTIN_RESOURCES = 4 };

/* k0rdent documentation, "Restoration: Caveats". It names the webhook configurations
 * in the singular, which Velero resolves by discovery; the plural says the same and
 * needs none. Azure's are CRDs that a fresh cluster does not have yet: there only
 * the plural matches, which is what the documentation uses. */
static const struct {
    const char *provider, *component, *excluded[BUILTIN_RESOURCES];
} builtin[] = {
    {"infrastructure-azure",
     "cluster-api-provider-azure",
     {"natgateways.network.azure.com", "resourcegroups.resources.azure.com", "virtualnetworks.network.azure.com",
      "virtualnetworkssubnets.network.azure.com"}},
    {"infrastructure-vsphere",
     "cluster-api-provider-vsphere",
     {"mutatingwebhookconfigurations.admissionregistration.k8s.io",
      "validatingwebhookconfigurations.admissionregistration.k8s.io"}},
};

/* Rows of the settings are added behind those that are built in, never instead of them: an
 * operator adds a provider, and cannot lose Azure's by it. */
static struct provider_exclusion *add_rows(struct arena *arena, struct settings *settings, size_t count)
{
    struct provider_exclusion *rows = arena_array(arena, settings->provider_exclusion_count + count + 1, sizeof *rows);
    if (!rows)
        return NULL;
    if (settings->provider_exclusion_count)
        memcpy(rows, settings->provider_exclusions, settings->provider_exclusion_count * sizeof *rows);
    struct provider_exclusion *fresh = rows + settings->provider_exclusion_count;
    settings->provider_exclusions = rows;
    settings->provider_exclusion_count += count;
    return fresh;
}

bool settings_add_builtin_provider_exclusions(struct arena *arena, struct settings *settings)
{
    struct provider_exclusion *rows = add_rows(arena, settings, LENGTH_OF(builtin));
    for (size_t i = 0; rows && i < LENGTH_OF(builtin); i++) {
        rows[i].provider = str_from(builtin[i].provider);
        rows[i].component = str_from(builtin[i].component);
        for (size_t r = 0; r < BUILTIN_RESOURCES && builtin[i].excluded[r]; r++)
            strlist_add(arena, &rows[i].excluded_resources, str_from(builtin[i].excluded[r]));
    }
    return rows && !arena_failed(arena);
}

static bool provider_exclusion_read_member(struct arena *arena, struct provider_exclusion *exclusion, struct str name,
                                           struct json_object *value, struct error *error)
{
    static const struct str members[] = {STR_INIT("provider"), STR_INIT("component"), STR_INIT("excludedResources")};
    struct str shown = settings_show(arena, value);
    if (str_eq(name, members[2]))
        return settings_read_texts(arena, &exclusion->excluded_resources, &rule_resource, value, error) ||
               settings_fail_in(error, ".excludedResources");
    bool provider = str_eq(name, members[0]);
    if (!provider && !str_eq(name, members[1])) {
        error_set(error, 422, "unknown key; %.*s",
                  STR_ARG(str_suggest(arena, name, members, LENGTH_OF(members), "",
                                      "an exclusion has provider, component and excludedResources")));
        return settings_fail_in(error, ".%.*s", STR_ARG(name));
    }
    const struct text_rule *rule = provider ? &rule_provider : &rule_component;
    if (!rule->accepts(json_str(value))) {
        error_set(error, 422, "%.*s: expected %s", STR_ARG(shown), rule->expected);
        return settings_fail_in(error, ".%.*s", STR_ARG(name));
    }
    *(provider ? &exclusion->provider : &exclusion->component) = arena_copy(arena, json_str(value));
    return true;
}

static bool read_provider_exclusion(struct arena *arena, struct provider_exclusion *exclusion, struct json_object *item,
                                    struct error *error)
{
    if (!json_object_is_type(item, json_type_object)) {
        struct str shown = settings_show(arena, item);
        return error_set(error, 422, "%.*s: expected a mapping with provider, component and excludedResources",
                         STR_ARG(shown));
    }
    json_foreach(item, name, value)
    {
        if (!provider_exclusion_read_member(arena, exclusion, str_from(name), value, error))
            return false;
    }
    if (!exclusion->provider.len && !exclusion->component.len)
        return error_set(error, 422, "has no provider; add provider: infrastructure-NAME");
    if (!exclusion->excluded_resources.len)
        return error_set(error, 422, "excludes nothing; add excludedResources: [PLURAL.GROUP, ...]");
    return true;
}

bool settings_read_provider_exclusions(struct arena *arena, struct settings *settings, const struct settings_key *key,
                                       struct json_object *value, struct error *error)
{
    (void)key;
    struct str shown = settings_show(arena, value);
    if (!json_object_is_type(value, json_type_array))
        return error_set(error, 422, "%.*s: expected a list of provider, component and excludedResources",
                         STR_ARG(shown));
    size_t count = json_len(value);
    struct provider_exclusion *rows = add_rows(arena, settings, count);
    if (!rows)
        return error_set(error, 500, "out of memory");
    for (size_t i = 0; i < count; i++)
        if (!read_provider_exclusion(arena, &rows[i], json_item(value, i), error))
            return settings_fail_in(error, "[%zu]", i);
    return true;
}
