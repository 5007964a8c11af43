#include "inventory.h"

/* A fact stands inside its record. */
static struct record *record_of(const void *fact)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): facts are handed out as const, their records are counted */
    return (struct record *)(uintptr_t)((const unsigned char *)fact - offsetof(struct record, bytes));
}

static bool put_all(struct inventory_builder *builder, const void *const *facts, size_t count, enum fact fact,
                    inventory_hide_fn *hide, void *context)
{
    for (size_t i = 0; i < count; i++) {
        if (hide && hide(context, fact, facts[i]))
            continue;
        struct record *record = record_of(facts[i]);
        shared_hold(&record->shared);
        if (!builder_put(builder, record))
            return false;
    }
    return true;
}

static struct inventory *copy(const struct inventory *inventory, inventory_hide_fn *hide, void *context)
{
    const void *const *const facts[FACT_COUNT] = {
        [FACT_MANAGEMENT_BACKUPS] = (const void *const *)inventory->management_backups,
        [FACT_MANAGEMENTS] = (const void *const *)inventory->managements,
        [FACT_RELEASES] = (const void *const *)inventory->releases,
        [FACT_STORAGE_LOCATIONS] = (const void *const *)inventory->storage_locations,
        [FACT_BACKUPS] = (const void *const *)inventory->backups,
        [FACT_SCHEDULES] = (const void *const *)inventory->schedules,
        [FACT_CONFIG_MAPS] = (const void *const *)inventory->config_maps,
        [FACT_SECRETS] = (const void *const *)inventory->secrets,
        [FACT_VELERO] = (const void *const *)inventory->velero_deployments,
        [FACT_SNAPSHOT_LOCATIONS] = (const void *const *)inventory->snapshot_locations,
    };
    struct inventory_builder *builder = inventory_builder_new();
    bool whole = builder != NULL;
    for (size_t f = 0; whole && f < FACT_COUNT; f++) {
        whole = put_all(builder, facts[f], inventory->count[f], (enum fact)f, hide, context);
        inventory_set_known(builder, (enum fact)f, inventory->known[f]);
    }
    if (whole)
        return inventory_finish(builder);
    inventory_builder_free(builder);
    return NULL;
}

const struct inventory *inventory_without(const struct inventory *inventory, inventory_hide_fn *hide, void *context)
{
    struct inventory *fresh = copy(inventory, hide, context);
    if (!fresh || snapshot_evidence(fresh, inventory->evidence, inventory->evidence_count))
        return fresh;
    shared_release(&fresh->shared);
    return NULL;
}

struct inventory *inventory_copy(const struct inventory *inventory)
{
    return copy(inventory, NULL, NULL);
}
