#include "inventory/inventory.h"

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
    struct inventory_builder *builder = inventory_builder_new();
    bool whole = builder != NULL;
    for (size_t f = 0; whole && f < FACT_COUNT; f++) {
        whole = put_all(builder, inventory->facts[f], inventory->count[f], (enum fact)f, hide, context);
        inventory_set_known(builder, (enum fact)f, inventory->known[f]);
    }
    if (whole)
        return builder;
    inventory_builder_free(builder);
    return NULL;
}

static struct inventory *without_copy(const struct inventory *inventory, inventory_hide_fn *hide, void *context)
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
    return same_evidence(without_copy(inventory, hide, context), inventory);
}

struct inventory *inventory_copy(const struct inventory *inventory)
{
    return without_copy(inventory, NULL, NULL);
}
