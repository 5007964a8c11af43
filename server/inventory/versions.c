#include "backstop/versions.h"

#include "inventory/inventory.h"

/* Where the versions of Velero and k0rdent are read, and how sure that is. */

static struct version_fact version_from_settings(enum product product, struct str text)
{
    return (struct version_fact){.version = product_version_parse(product, text), .source = VERSION_SETTINGS};
}

const struct server_status *inventory_velero_answer(const struct inventory *inventory,
                                                    const struct velero_deployment *velero)
{
    for (size_t i = 0; i < inventory->count[FACT_SERVER_STATUSES]; i++) {
        const struct server_status *status = inventory->server_statuses[i];
        if (status->version.len && str_eq(status->meta.ns, velero->meta.ns) &&
            (status->image.len == 0 || str_eq(status->image, velero->image)))
            return status;
    }
    return NULL;
}

/* Deployments that run different releases: whichever of them takes up an object. */
static void version_fact_add(struct version_fact *fact, const struct inventory *inventory,
                             const struct velero_deployment *deployment)
{
    struct product_version version = product_version_parse(PRODUCT_VELERO, image_tag(deployment->image));
    const struct server_status *status = version.listed ? NULL : inventory_velero_answer(inventory, deployment);
    if (status)
        version = product_version_parse(PRODUCT_VELERO, status->version);
    enum version_source source = status ? VERSION_SERVER : VERSION_IMAGE;
    if (!fact->object) {
        fact->version = version;
        fact->object = &deployment->meta;
    } else if (!str_eq(fact->version.text, version.text)) {
        fact->version.rows |= version.rows;
        fact->version.listed = fact->version.listed && version.listed;
        fact->version.text = (struct str){NULL, 0};
    }
    fact->source = fact->version.text.len ? source : VERSION_UNKNOWN;
}

struct version_fact inventory_velero_version(const struct inventory *inventory, const struct settings *settings)
{
    struct version_fact fact = {.version = product_version_unknown(PRODUCT_VELERO)};
    size_t count = inventory->count[FACT_VELERO];
    bool here = false;
    if (settings->velero_version.len)
        return version_from_settings(PRODUCT_VELERO, settings->velero_version);
    for (size_t i = 0; i < count; i++)
        here = here || str_eq(inventory->velero_deployments[i]->meta.ns, settings->system_namespace);
    for (size_t i = 0; i < count; i++)
        if (!here || str_eq(inventory->velero_deployments[i]->meta.ns, settings->system_namespace))
            version_fact_add(&fact, inventory, inventory->velero_deployments[i]);
    return fact;
}

/* A Release is named after its version, in which "." and "+" become "-" (kcm's release.Name). */
static struct str version_of_release_name(struct arena *arena, struct str name)
{
    struct str rest = str_starts(name, STR("kcm-")) ? str_slice(name, 4, name.len) : name;
    struct str major = {NULL, 0}, minor = {NULL, 0}, patch = {NULL, 0};
    str_cut(&rest, '-', &major);
    str_cut(&rest, '-', &minor);
    str_cut(&rest, '-', &patch);
    if (!major.len || !minor.len || !patch.len)
        return (struct str){NULL, 0};
    return arena_printf(arena, "%.*s.%.*s.%.*s%s%.*s", STR_ARG(major), STR_ARG(minor), STR_ARG(patch),
                        rest.len ? "-" : "", STR_ARG(rest));
}

struct product_version inventory_release_version(const struct inventory *inventory, struct str name,
                                                 struct arena *arena)
{
    const struct release *release = inventory_release(inventory, name);
    bool said = release && release->version.len;
    return product_version_parse(PRODUCT_KCM, said ? release->version : version_of_release_name(arena, name));
}

/* status.release names a release before anything of it runs; an image is what runs. */
static bool version_of_kcm_deployment(const struct inventory *inventory, const struct settings *settings,
                                      struct version_fact *fact)
{
    for (size_t i = 0; i < inventory->count[FACT_KCM]; i++) {
        const struct kcm_deployment *deployment = inventory->kcm_deployments[i];
        struct product_version version = product_version_parse(PRODUCT_KCM, image_tag(deployment->image));
        if (!version.listed || !str_eq(deployment->meta.ns, settings->system_namespace))
            continue;
        *fact = (struct version_fact){.version = version, .source = VERSION_IMAGE, .object = &deployment->meta};
        return true;
    }
    return false;
}

struct version_fact inventory_kcm_version(const struct inventory *inventory, const struct settings *settings,
                                          struct arena *arena)
{
    struct version_fact fact = {.version = product_version_unknown(PRODUCT_KCM)};
    const struct management *management = inventory_management(inventory);
    if (settings->kcm_version.len)
        return version_from_settings(PRODUCT_KCM, settings->kcm_version);
    if (version_of_kcm_deployment(inventory, settings, &fact) || !management)
        return fact;
    struct str name = management->status_release.len ? management->status_release : management->release;
    const struct release *release = inventory_release(inventory, name);
    bool said = release && release->version.len;
    fact.version = inventory_release_version(inventory, name, arena);
    fact.object = said ? &release->meta : &management->meta;
    fact.source = fact.version.text.len ? VERSION_RELEASE : VERSION_UNKNOWN;
    return fact;
}

struct str version_fact_source(struct arena *arena, const struct version_fact *fact)
{
    const char *key = fact->version.product == PRODUCT_VELERO ? "velero.version" : "kcm.version";
    switch (fact->source) {
    case VERSION_SETTINGS:
        return arena_printf(arena, "settings %s", key);
    case VERSION_IMAGE:
        return arena_printf(arena, "image of Deployment %.*s/%.*s", STR_ARG(fact->object->ns),
                            STR_ARG(fact->object->name));
    case VERSION_SERVER:
        return arena_printf(arena, "answer of the server of Deployment %.*s/%.*s", STR_ARG(fact->object->ns),
                            STR_ARG(fact->object->name));
    case VERSION_RELEASE:
        return arena_printf(arena, "Management and Release");
    default:
        return STR("unknown");
    }
}

struct str version_fact_line(struct arena *arena, const struct version_fact *fact)
{
    struct str name = product_version_name(arena, &fact->version);
    if (!fact->version.text.len)
        return arena_printf(arena, "%.*s of unknown version", STR_ARG(name));
    return arena_printf(arena, "%.*s (%.*s%s)", STR_ARG(name), STR_ARG(version_fact_source(arena, fact)),
                        fact->version.listed ? "" : "; not a release that backstop knows");
}
