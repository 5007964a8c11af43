#include <stdlib.h>

#include "inventory/inventory.h"

void facts_want(struct arena *arena, struct facts_wanted *wanted, enum fact fact, struct str ns, struct str name)
{
    if (arena_room(arena, &wanted->refs, wanted->len, &wanted->cap, sizeof *wanted->refs))
        wanted->refs[wanted->len++] = (struct facts_ref){fact, ns, name};
}

const struct inventory *facts_get(struct facts_source *source, int64_t now)
{
    return source->table->get(source, now);
}

const struct inventory *facts_live(struct facts_source *source, const struct facts_wanted *wanted, int64_t now,
                                   struct error *error)
{
    return source->table->live(source, wanted, now, error);
}

bool facts_create(struct facts_source *source, struct json_object *object, int64_t now, struct error *error)
{
    return source->table->create(source, object, now, error);
}

bool facts_reserve(struct facts_source *source, const struct inventory *base, struct str backup, int64_t now,
                   struct error *error)
{
    return source->table->reserve(source, base, backup, now, error);
}

void facts_report(struct facts_source *source, facts_report_fn *report, void *context)
{
    source->table->report(source, report, context);
}

bool facts_ready(struct facts_source *source)
{
    return source->table->ready(source);
}

size_t facts_problems(struct facts_source *source)
{
    return source->table->problems(source);
}

void facts_reload(struct facts_source *source)
{
    if (source->table->reload)
        source->table->reload(source);
}

bool facts_wait(const struct facts_source *source)
{
    return source->table->waits;
}

void facts_close(struct facts_source *source)
{
    if (source)
        source->table->close(source);
}
