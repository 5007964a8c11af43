#include "inventory/inventory.h"

/* The rows of facts.def, as struct fact_kind. */

#define FACT_SCOPE_NAMESPACED .resource.namespaced = true
#define FACT_SCOPE_CLUSTER_SCOPED .resource.namespaced = false
#define FACT_SCOPE_SINGLETON .resource.namespaced = false
#define RESOURCE(name_text, api_version_text, group_text, version_text, plural_text, kind_text)                        \
    .name = (name_text), .api_version = (api_version_text), .resource.group = STR_INIT(group_text),                    \
    .resource.version = STR_INIT(version_text), .resource.plural = STR_INIT(plural_text),                              \
    .resource.kind = STR_INIT(kind_text)
#define REPORTED_AS(name, group, version, plural, kind) RESOURCE(name, group "/" version, group, version, plural, kind)
#define API(group, version, plural, kind) REPORTED_AS(plural "." group, group, version, plural, kind)
#define CORE_API(version, plural, kind) RESOURCE(plural, version, "", version, plural, kind)
#define TEXTS(...)                                                                                                     \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }
#define SERVED_AS(...) .versions = TEXTS(__VA_ARGS__)
#define NAMED(...) .names = TEXTS(__VA_ARGS__)
#define RIGHTS(verbs_text, why_text) .verbs = (verbs_text), .why = (why_text)

const struct fact_kind fact_kinds[FACT_COUNT] = {
#define FACT(id, list, type, scope, ...)                                                                               \
    [FACT_##id] = {.size = sizeof(struct type), .extract = extract_##type, FACT_SCOPE_##scope, __VA_ARGS__},
#include "backstop/facts.def"
#undef FACT
};

#define FACT(id, list, type, ...) _Static_assert(offsetof(struct type, meta) == 0, "record_meta");
#include "backstop/facts.def"
#undef FACT

struct str api_version_group(struct str api_version)
{
    struct str group, version = api_version;
    str_cut(&version, '/', &group);
    return version.ptr ? group : STR("");
}

const struct fact_kind *fact_kind_find(struct str api_version, struct str kind, struct json_object *object)
{
    struct str group = api_version_group(api_version);
    for (size_t f = 0; f < FACT_COUNT; f++)
        if (str_eq(kind, fact_kinds[f].resource.kind) && str_eq(group, fact_kinds[f].resource.group) &&
            (!object || !fact_kinds[f].wanted || fact_kinds[f].wanted(object)))
            return &fact_kinds[f];
    return NULL;
}
