/* Where a misplaced field belongs, for a hint: the same word elsewhere in the object, or in another kind. */
#include "schema/room.h"

#include <ctype.h>

/* What an unknown field was meant to be: a neighbour, the same name elsewhere in the object, or
 * another kind's. */

enum { DEPTH_MAX = 8, FIELDS_SHOWN = 10, FIELDS_MAX = 64 };

/* The same but for case, "_" and "-". */
static bool same_word(struct str a, struct str b)
{
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a.len && (a.ptr[i] == '_' || a.ptr[i] == '-'))
            i++;
        while (k < b.len && (b.ptr[k] == '_' || b.ptr[k] == '-'))
            k++;
        if (i == a.len || k == b.len)
            return i == a.len && k == b.len;
        if (tolower((unsigned char)a.ptr[i++]) != tolower((unsigned char)b.ptr[k++]))
            return false;
    }
}

static const struct schema_field *find_word(const struct schema *schema, struct str name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (same_word(name, str_from(schema->fields[i].name)))
            return &schema->fields[i];
    return NULL;
}

/* Level by level, so that the shallowest place is found. Lists' items stand in no path of one object. */
static struct str find_below(struct arena *arena, const struct schema *schema, struct str at, struct str name,
                             unsigned levels)
{
    const struct schema_field *hit = find_word(schema, name);
    struct str found = {NULL, 0};
    if (levels == 0)
        return hit ? arena_printf(arena, "%.*s%s%s", STR_ARG(at), at.len ? "." : "", hit->name) : found;
    for (size_t i = 0; i < schema->field_count && !found.len; i++) {
        const struct schema_field *field = &schema->fields[i];
        if (field->schema->type != SCHEMA_OBJECT || strcmp(field->name, "status") == 0)
            continue;
        found =
            find_below(arena, field->schema,
                       arena_printf(arena, "%.*s%s%s", STR_ARG(at), at.len ? "." : "", field->name), name, levels - 1);
    }
    return found;
}

static struct str schema_find_place(struct arena *arena, const struct schema *schema, struct str at, struct str name)
{
    struct str found = {NULL, 0};
    for (unsigned levels = 0; levels < DEPTH_MAX && !found.len; levels++)
        found = find_below(arena, schema, at, name, levels);
    return found;
}

static struct str nearest_field(const struct schema *schema, struct str name)
{
    struct str names[FIELDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < schema->field_count && count < FIELDS_MAX; i++)
        names[count++] = str_from(schema->fields[i].name);
    return str_nearest(name, names, count);
}

static struct str fields_of(struct arena *arena, const struct schema *schema)
{
    struct str names = {NULL, 0};
    for (size_t i = 0; i < schema->field_count && i < FIELDS_SHOWN; i++)
        names = arena_printf(arena, "%.*s%s%s", STR_ARG(names), i ? ", " : "", schema->fields[i].name);
    return arena_printf(arena, "%.*s%s", STR_ARG(names), schema->field_count > FIELDS_SHOWN ? ", ..." : "");
}

/* A kind of the same group that has the field straight below spec. */
static const char *other_kind(const struct schema_kind *kind, struct str at, struct str name)
{
    size_t count;
    const struct schema_kind *kinds = schema_kinds(&count);
    for (size_t i = 0; i < count && str_is(at, "spec"); i++) {
        const struct schema_field *spec = find_word(kinds[i].schema, STR("spec"));
        if (strcmp(kinds[i].kind, kind->kind) != 0 && strcmp(kinds[i].group, kind->group) == 0 && spec &&
            find_word(spec->schema, name))
            return kinds[i].kind;
    }
    return NULL;
}

struct str schema_hint(struct arena *arena, const struct schema_kind *kind, const struct schema *parent, struct str at,
                       struct str name, bool sure)
{
    const struct schema_field *here = find_word(parent, name);
    struct str place = {NULL, 0}, near = nearest_field(parent, name);
    if (here && !str_is(name, here->name))
        return arena_printf(arena, "; did you mean %s?", here->name);
    if (str_is(at, "metadata") || at.len == 0)
        place = schema_find_place(arena, kind->schema, STR(""), name);
    if (!place.len)
        place = schema_find_place(arena, parent, at, name);
    if (!place.len && at.len == 0)
        place = schema_find_place(arena, &schema_metadata, STR("metadata"), name);
    if (!place.len && !near.len)
        place = schema_find_place(arena, kind->schema, STR(""), name);
    if (!place.len && !near.len)
        place = schema_find_place(arena, &schema_metadata, STR("metadata"), name);
    if (place.len)
        return arena_printf(arena, "; write it as %.*s", STR_ARG(place));
    if (near.len)
        return arena_printf(arena, "; did you mean %.*s?", STR_ARG(near));
    const char *other = other_kind(kind, at, name);
    if (other)
        return arena_printf(arena, "; it is a field of %s, not of %s", other, kind->kind);
    if (find_word(parent, STR("config")) && find_word(parent, STR("provider")))
        return arena_printf(arena, "; settings of the provider's plugin belong below %.*s.config", STR_ARG(at));
    if (parent->field_count && !sure)
        return STR("");
    if (parent->field_count)
        return arena_printf(arena, "; valid fields: %.*s", STR_ARG(fields_of(arena, parent)));
    return STR("");
}
