#include <stdlib.h>
#include <string.h>

#include "inventory/inventory.h"

/* Open addressing over a power of two, at most half full. Removal moves later entries
 * up, so that no marks of the removed pile up over months of backups that come and go. */

static size_t table_next(const struct record_table *table, size_t at)
{
    return (at + 1) & (table->size - 1);
}

/* The slot of a name: of its record, or the free one where it belongs. The table has slots. */
static size_t table_slot(const struct record_table *table, uint64_t hash, struct str ns, struct str name)
{
    size_t at = hash & (table->size - 1);
    for (const struct record *seen; (seen = table->slots[at]); at = table_next(table, at)) {
        const struct object_meta *meta = record_meta(seen);
        if (seen->hash == hash && str_eq(meta->name, name) && str_eq(meta->ns, ns))
            break;
    }
    return at;
}

static size_t table_slot_of(const struct record_table *table, const struct record *record)
{
    return table_slot(table, record->hash, record_meta(record)->ns, record_meta(record)->name);
}

static bool table_grow(struct record_table *table)
{
    struct record_table larger = {.size = table->size ? table->size * 2 : 16, .len = table->len};
    larger.slots = calloc(larger.size, sizeof(struct record *));
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < table->size; i++)
        if (table->slots[i])
            larger.slots[table_slot_of(&larger, table->slots[i])] = table->slots[i];
    free(table->slots);
    *table = larger;
    return true;
}

bool table_put(struct record_table *table, struct record *record)
{
    if (table->len * 2 >= table->size && !table_grow(table)) {
        shared_release(&record->shared);
        return false;
    }
    struct record **slot = &table->slots[table_slot_of(table, record)];
    if (*slot)
        shared_release(&(*slot)->shared);
    else
        table->len++;
    *slot = record;
    return true;
}

const struct record *table_find(const struct record_table *table, struct str ns, struct str name)
{
    return table->size ? table->slots[table_slot(table, hash_name(ns, name), ns, name)] : NULL;
}

bool table_share(struct record_table *table, const struct record_table *from)
{
    struct record **slots = from->size ? malloc(from->size * sizeof(struct record *)) : NULL;
    if (from->size && !slots)
        return false;
    if (slots)
        memcpy(slots, from->slots, from->size * sizeof(struct record *));
    for (size_t i = 0; i < from->size; i++)
        if (slots[i])
            shared_hold(&slots[i]->shared);
    *table = (struct record_table){.slots = slots, .size = from->size, .len = from->len};
    return true;
}

/* Closes the gap at `hole` with the entries that only stand behind it because it was taken. */
static void table_remove_at(struct record_table *table, size_t hole)
{
    size_t mask = table->size - 1;
    shared_release(&table->slots[hole]->shared);
    table->len--;
    for (size_t at = table_next(table, hole); table->slots[at]; at = table_next(table, at)) {
        size_t from_home = (at - table->slots[at]->hash) & mask;
        if (from_home < ((at - hole) & mask))
            continue;
        table->slots[hole] = table->slots[at];
        hole = at;
    }
    table->slots[hole] = NULL;
}

void table_remove(struct record_table *table, struct str ns, struct str name)
{
    if (!table->size)
        return;
    size_t at = table_slot(table, hash_name(ns, name), ns, name);
    if (table->slots[at])
        table_remove_at(table, at);
}

void table_keep_round(struct record_table *table, unsigned round)
{
    for (size_t i = 0; i < table->size;)
        if (table->slots[i] && table->slots[i]->round != round)
            table_remove_at(table, i); /* another entry may stand at i now */
        else
            i++;
}

void table_clear(struct record_table *table)
{
    for (size_t i = 0; i < table->size; i++)
        if (table->slots[i])
            shared_release(&table->slots[i]->shared);
    free(table->slots);
    *table = (struct record_table){0};
}
