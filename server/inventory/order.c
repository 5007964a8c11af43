/* The sorted arrays of a snapshot. To sort ten thousand names takes longer than everything else about a snapshot, and
 * of one snapshot to the next few records change: the order of the one before is kept, and only what changed is sorted. */
#include <stdlib.h>

#include "inventory/inventory.h"

int order_by_name(const struct object_meta *a, const struct object_meta *b)
{
    int order = str_cmp(a->ns, b->ns);
    return order ? order : str_cmp(a->name, b->name);
}

static int by_name(const void *a, const void *b)
{
    return order_by_name(*(const void *const *)a, *(const void *const *)b);
}

size_t order_find(const void *const *facts, size_t count, const struct object_meta *meta)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = low + (count - low) / 2;
        if (order_by_name(facts[middle], meta) < 0)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

/* Records of `table` that do not stand at the same place in `other`, without looking into one: every record that only
 * one of the two has, and the few that others pushed elsewhere. `out` may be NULL. */
static size_t order_differing(const struct record_table *table, const struct record_table *other, const void **out)
{
    size_t count = 0;
    bool comparable = table->size == other->size;
    for (size_t i = 0; i < table->size; i++) {
        const struct record *record = table->slots[i];
        if (!record || (comparable && record == other->slots[i]))
            continue;
        if (out)
            out[count] = record_meta(record);
        count++;
    }
    if (out)
        qsort(out, count, sizeof *out, by_name);
    return count;
}

struct order_merge {
    const void *const *before;
    size_t at, count; /* of `before` */
    const void **gone, **gone_end;
    const void **out;
};

/* Copies what stands before `to` in the order of before, without what is gone. */
static void order_keep(struct order_merge *merge, size_t to)
{
    for (; merge->at < to; merge->at++)
        if (merge->gone < merge->gone_end && merge->before[merge->at] == *merge->gone)
            merge->gone++;
        else
            *merge->out++ = merge->before[merge->at];
}

/* `fresh` may stand at the end of the same memory: what is written never passes what is still to be read. */
static void order_merge(struct order_merge *merge, const void *const *fresh, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const void *fact = fresh[i];
        order_keep(merge, merge->at + order_find(merge->before + merge->at, merge->count - merge->at, fact));
        *merge->out++ = fact;
    }
    order_keep(merge, merge->count);
}

const void **order_facts(struct arena *arena, const struct record_table *table, const struct inventory *before,
                         enum fact fact)
{
    static const struct record_table none;
    static const void *const nothing[1];
    const void **facts = arena_array(arena, table->len + 1, sizeof *facts);
    const struct record_table *old = before && index_records(before, fact) ? index_records(before, fact) : &none;
    size_t gone = order_differing(old, table, NULL);
    if (gone > old->len / 2) { /* a list that was read anew: nothing to keep */
        old = &none;
        gone = 0;
    }
    const void **scratch = gone ? reallocarray(NULL, gone, sizeof *scratch) : NULL;
    if (!facts || (gone && !scratch)) {
        free(scratch);
        return NULL;
    }
    if (gone)
        order_differing(old, table, scratch);
    size_t fresh = table->len - (old->len - gone);
    const void **tail = facts + (table->len - fresh);
    order_differing(table, old, tail);
    struct order_merge merge = {.before = before ? before->facts[fact] : nothing,
                                .count = old->len,
                                .gone = scratch,
                                .gone_end = scratch ? scratch + gone : NULL,
                                .out = facts};
    order_merge(&merge, tail, fresh);
    free(scratch);
    return facts;
}
