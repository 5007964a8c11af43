/* What an entry of upgrade.evidence needs, and what contradicts itself. */
#include "settings/settings.h"

static bool evidence_matches(struct str pattern, struct str value)
{
    int64_t bound, number;
    if (str_starts(pattern, STR(">=")))
        return str_to_int64(str_slice(pattern, 2, pattern.len), &bound) && str_to_int64(value, &number) &&
               number >= bound;
    return str_eq(pattern, value) || (str_is(pattern, "*") && value.len > 0);
}

bool evidence_value_matches(const struct strlist *values, struct str value)
{
    for (size_t i = 0; i < values->len; i++)
        if (evidence_matches(values->items[i], value))
            return true;
    return false;
}

static bool check_needed(const struct evidence_source *source, struct error *error)
{
    const struct {
        struct str value;
        const char *key, *example;
    } needed[] = {
        {source->name, "name", "etcd"},
        {source->version, "apiVersion", "batch/v1"},
        {source->kind, "kind", "Job"},
        {source->done_path, "donePath", "status.succeeded"},
        {source->done_values.len ? STR("some") : STR(""), "doneValues", "[\">=1\"]"},
    };
    for (size_t i = 0; i < LENGTH_OF(needed); i++)
        if (!needed[i].value.len)
            return error_set(error, 422, "has no %s; add one (%s: %s), or use a preset", needed[i].key, needed[i].key,
                             needed[i].example);
    return true;
}

/* Without these, any Velero Backup would prove Cohesity's, and any Job an etcd snapshot. */
static bool check_narrow(const struct evidence_source *source, const struct evidence_preset *preset,
                         struct error *error)
{
    bool job = str_is(source->kind, "Job") && str_is(source->group, "batch");
    bool velero = str_is(source->kind, "Backup") && str_is(source->group, "velero.io");
    if (((preset && preset->needs_selector) || job) && !source->selector.len)
        return error_set(error, 422,
                         "has no selector, so any Job would count as a backup; add the label of the snapshot Jobs "
                         "(selector: app=etcd-backup)");
    if (((preset && preset->needs_namespace) || velero) && !source->ns.len)
        return error_set(error, 422,
                         "has no namespace, so any Velero Backup would count, including k0rdent's own; add the "
                         "namespace of the engine's Velero (namespace: cohesity)");
    return true;
}

static bool check_values(struct arena *arena, const struct evidence_source *source, struct error *error)
{
    if (!str_eq(source->done_path, source->failed_path))
        return true;
    for (size_t i = 0; i < source->failed_values.len; i++) {
        struct str value = source->failed_values.items[i];
        bool overlaps = evidence_value_matches(&source->done_values, value);
        for (size_t d = 0; d < source->done_values.len && !overlaps; d++)
            overlaps = evidence_matches(value, source->done_values.items[d]);
        if (!overlaps)
            continue;
        error_set(error, 422,
                  "%.*s is also in doneValues, so it would mean both done and failed; remove it from one of the two",
                  STR_ARG(arena_quote(arena, value)));
        return settings_fail_in(error, ".failedValues[%zu]", i);
    }
    return true;
}

bool settings_check_evidence(struct arena *arena, const struct evidence_source *source,
                             const struct evidence_preset *preset, struct error *error)
{
    return check_needed(source, error) && check_narrow(source, preset, error) && check_values(arena, source, error);
}
