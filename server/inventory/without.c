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

/* A builder of the facts that are not hidden; NULL when out of memory. */
static struct inventory_builder *builder_of(const struct inventory *inventory, inventory_hide_fn *hide, void *context)
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
        return builder;
    inventory_builder_free(builder);
    return NULL;
}

static struct inventory *copy(const struct inventory *inventory, inventory_hide_fn *hide, void *context)
{
    struct inventory_builder *builder = builder_of(inventory, hide, context);
    return builder ? inventory_finish(builder) : NULL;
}

/* A copy leaves the evidence out. Takes `fresh`, which may be NULL. */
static const struct inventory *same_evidence(struct inventory *fresh, const struct inventory *inventory)
{
    if (!fresh || snapshot_evidence(fresh, inventory->evidence, inventory->evidence_count))
        return fresh;
    shared_release(&fresh->shared);
    return NULL;
}

const struct inventory *inventory_without(const struct inventory *inventory, inventory_hide_fn *hide, void *context)
{
    return same_evidence(copy(inventory, hide, context), inventory);
}

struct inventory *inventory_copy(const struct inventory *inventory)
{
    return copy(inventory, NULL, NULL);
}

/* ---- more, or other, facts ---------------------------------------------------- */

struct addition {
    struct inventory_builder *builder;
    bool replaces;
};

static bool put_extra(void *context, struct record *record, struct error *error)
{
    const struct addition *addition = context;
    if (!addition->replaces && builder_has(addition->builder, record)) {
        shared_release(&record->shared);
        return true;
    }
    return builder_put(addition->builder, record) ? true : error_set(error, 500, "out of memory");
}

static bool put_extras(struct inventory_builder *builder, const struct inventory_extra *extras, size_t count)
{
    struct error error = {0};
    struct tree_pool *pool = tree_pool_new();
    const struct extractor extractor = {.pool = pool};
    bool good = pool != NULL;
    for (size_t i = 0; good && i < count; i++) {
        struct addition addition = {builder, extras[i].replaces};
        /* 422: it says too little to be a fact. */
        good = extract_object(&extractor, extras[i].object, put_extra, &addition, &error) || error.code == 422;
    }
    tree_pool_free(pool);
    return good;
}

const struct inventory *inventory_with(const struct inventory *inventory, const struct inventory_extra *extras,
                                       size_t count)
{
    struct inventory_builder *builder = builder_of(inventory, NULL, NULL);
    if (builder && put_extras(builder, extras, count))
        return same_evidence(inventory_finish(builder), inventory);
    inventory_builder_free(builder);
    return NULL;
}
