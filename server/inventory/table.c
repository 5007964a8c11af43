#include <stdlib.h>

#include "inventory/cluster/cluster.h"

/* Open addressing over a power of two, at most half full. Removal moves later entries
 * up, so that no marks of the removed pile up over months of backups that come and go. */

static size_t home_of(const struct record_table *table, const struct record *record)
{
    return record->hash & (table->size - 1);
}

static size_t next_of(const struct record_table *table, size_t at)
{
    return (at + 1) & (table->size - 1);
}

static size_t find(const struct record_table *table, uint64_t hash, struct str ns, struct str name)
{
    size_t at = hash & (table->size - 1);
    for (const struct record *seen; (seen = table->slots[at].record); at = next_of(table, at)) {
        const struct object_meta *meta = record_meta(seen);
        if (seen->hash == hash && str_eq(meta->name, name) && str_eq(meta->ns, ns))
            break;
    }
    return at;
}

static bool grow(struct record_table *table)
{
    struct record_table larger = {.size = table->size ? table->size * 2 : 16, .len = table->len};
    larger.slots = calloc(larger.size, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < table->size; i++) {
        const struct record *record = table->slots[i].record;
        if (record)
            larger.slots[find(&larger, record->hash, record_meta(record)->ns, record_meta(record)->name)] =
                table->slots[i];
    }
    free(table->slots);
    *table = larger;
    return true;
}

bool table_put(struct record_table *table, struct record *record, unsigned round)
{
    if (table->len * 2 >= table->size && !grow(table)) {
        shared_release(&record->shared);
        return false;
    }
    const struct object_meta *meta = record_meta(record);
    struct table_slot *slot = &table->slots[find(table, record->hash, meta->ns, meta->name)];
    if (slot->record)
        shared_release(&slot->record->shared);
    else
        table->len++;
    *slot = (struct table_slot){record, round};
    return true;
}

/* Closes the gap at `hole` with the entries that only stand behind it because it was taken. */
static void remove_at(struct record_table *table, size_t hole)
{
    shared_release(&table->slots[hole].record->shared);
    table->len--;
    for (size_t at = next_of(table, hole); table->slots[at].record; at = next_of(table, at)) {
        size_t mask = table->size - 1, from_home = (at - home_of(table, table->slots[at].record)) & mask;
        if (from_home < ((at - hole) & mask))
            continue;
        table->slots[hole] = table->slots[at];
        hole = at;
    }
    table->slots[hole] = (struct table_slot){0};
}

void table_remove(struct record_table *table, struct str ns, struct str name)
{
    if (!table->size)
        return;
    size_t at = find(table, hash_name(ns, name), ns, name);
    if (table->slots[at].record)
        remove_at(table, at);
}

void table_keep_round(struct record_table *table, unsigned round)
{
    for (size_t i = 0; i < table->size;)
        if (table->slots[i].record && table->slots[i].round != round)
            remove_at(table, i); /* another entry may stand at i now */
        else
            i++;
}

void table_clear(struct record_table *table)
{
    for (size_t i = 0; i < table->size; i++)
        if (table->slots[i].record)
            shared_release(&table->slots[i].record->shared);
    free(table->slots);
    *table = (struct record_table){0};
}
