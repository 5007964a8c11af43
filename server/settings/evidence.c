/* upgrade.evidence: which objects of other backup engines the upgrade gate asks for.
 *
 * An entry is a recipe for an uncached list: which objects, which of their fields says done or
 * failed, which holds the time. The presets fill in the recipe for engines whose API is known;
 * every key of an entry overrides its preset's. backstop links none of those engines' code and
 * needs only the right to list their objects (backstop rbac prints it). */
#include "settings/settings.h"

enum { SOURCES_MAX = 16, VALUES_MAX = 32, MINUTE = 60, DAY = 24 * 60 * MINUTE };

/* The bounds of an entry's maxAge. */
static const struct settings_key settings_evidence_age = {
    .path = "maximumAge", .type = KEY_DURATION, .least = MINUTE, .most = 30 * DAY};

#define PLACE(member) offsetof(struct evidence_source, member)
static const struct evidence_member members[] = {
    {"preset", EVIDENCE_PRESET, 0, NULL, "A known engine to start from. Every other key overrides its value."},
    {"name", EVIDENCE_TEXT, PLACE(name), &rule_name,
     "Its name in messages, metrics and audit annotations. Default: the preset's name."},
    {"apiVersion", EVIDENCE_API_VERSION, PLACE(group), &rule_api_version,
     "The apiVersion of the objects, such as batch/v1."},
    {"kind", EVIDENCE_TEXT, PLACE(kind), &rule_kind, "The kind of the objects, such as Job."},
    {"resource", EVIDENCE_TEXT, PLACE(resource), &rule_plural,
     "The plural in API paths and RBAC. Default: the kind in lower case with s, es or ies."},
    {"namespace", EVIDENCE_TEXT, PLACE(ns), &rule_namespace,
     "The namespace of the objects. Leave it out for a cluster-scoped kind or for all namespaces."},
    {"selector", EVIDENCE_SELECTOR, PLACE(selector), &rule_selector,
     "Only objects with these labels count, written as for kubectl -l. Default: all of them."},
    {"donePath", EVIDENCE_TEXT, PLACE(done_path), &rule_path,
     "The field that says that the backup is done, such as status.state or status.conditions[type=Complete].status."},
    {"doneValues", EVIDENCE_VALUES, PLACE(done_values), NULL,
     "Values of donePath that mean done: strings, numbers, true or false, >=N for any number from N, or * for "
     "anything."},
    {"failedPath", EVIDENCE_TEXT, PLACE(failed_path), &rule_path,
     "The field that says that the backup failed. Default: donePath."},
    {"failedValues", EVIDENCE_VALUES, PLACE(failed_values), NULL,
     "Values of failedPath that mean failed. Neither done nor failed means that the backup is running."},
    {"timePath", EVIDENCE_TEXT, PLACE(time_path), &rule_path,
     "The field that holds the backup's time (RFC 3339). Default, and while it is empty: metadata.creationTimestamp."},
    {"maximumAge", EVIDENCE_AGE, PLACE(maximum_age), NULL,
     "The maximum age of such a backup. Default: upgrade.maxBackupAge."},
    {"hint", EVIDENCE_TEXT, PLACE(hint), &rule_hint,
     "How to take such a backup. Shown when an upgrade is denied for lack of one."},
};

/* Kasten: docs.kasten.io, API reference, Actions. Trilio: BackupStatus of its CRD. Cohesity
 * runs Velero. k3s and RKE2: k3s.cattle.io/v1 ETCDSnapshotStatus. */
static const struct evidence_preset presets[] = {
    {.name = "kasten",
     .api_version = "actions.kio.kasten.io/v1alpha1",
     .kind = "RunAction",
     .ns = "kasten-io",
     .done_path = "status.state",
     .done_value = "Complete",
     .failed_values = {"Failed", "Skipped", "Cancelled"},
     .time_path = "status.endTime",
     .hint = "run the policy in Kasten (its dashboard, or a RunAction that names it)"},
    {.name = "trilio",
     .api_version = "triliovault.trilio.io/v1",
     .kind = "Backup",
     .done_path = "status.status",
     .done_value = "Available",
     .failed_values = {"Failed", "Error", "Canceled", "Degraded"},
     .time_path = "status.completionTimestamp",
     .hint = "create a Trilio Backup of the BackupPlan"},
    {.name = "cohesity",
     .api_version = "velero.io/v1",
     .kind = "Backup",
     .done_path = "status.phase",
     .done_value = "Completed",
     .failed_values = {"Failed", "PartiallyFailed", "FailedValidation"},
     .time_path = "status.completionTimestamp",
     .hint = "run the protection group in Cohesity",
     .needs_namespace = true},
    {.name = "etcd-job",
     .api_version = "batch/v1",
     .kind = "Job",
     .ns = "kube-system",
     .done_path = "status.succeeded",
     .done_value = ">=1",
     .failed_path = "status.conditions[type=Failed].status",
     .failed_values = {"True"},
     .time_path = "status.completionTime",
     .hint = "run the etcd snapshot Job (kubectl create job --from=cronjob/...)",
     .needs_selector = true},
    {.name = "k3s-etcd",
     .api_version = "k3s.cattle.io/v1",
     .kind = "ETCDSnapshotFile",
     .done_path = "status.readyToUse",
     .done_value = "true",
     .failed_path = "status.error.message",
     .failed_values = {"*"},
     .time_path = "status.creationTime",
     .hint = "run rke2 etcd-snapshot save, or k3s etcd-snapshot save, on a server node"},
};

const struct evidence_member *settings_evidence_members(size_t *count)
{
    *count = LENGTH_OF(members);
    return members;
}

const struct evidence_preset *settings_evidence_presets(size_t *count)
{
    *count = LENGTH_OF(presets);
    return presets;
}

/* ---- one entry ------------------------------------------------------------ */

static bool read_preset(struct arena *arena, struct json_object *value, const struct evidence_preset **preset,
                        struct error *error)
{
    struct str names[LENGTH_OF(presets)], text = json_str(value), shown = settings_show(arena, value);
    for (size_t i = 0; i < LENGTH_OF(presets); i++) {
        names[i] = str_from(presets[i].name);
        if (str_eq(text, names[i])) {
            *preset = &presets[i];
            return true;
        }
    }
    struct str hint = str_suggest(arena, text, names, LENGTH_OF(names), "",
                                  "the presets are kasten, trilio, cohesity, etcd-job and k3s-etcd");
    return error_set(error, 422, "%.*s: unknown preset; %.*s", STR_ARG(shown), STR_ARG(hint));
}

static bool read_values(struct arena *arena, struct strlist *list, struct json_object *value, struct error *error)
{
    struct str shown = settings_show(arena, value);
    if (!json_object_is_type(value, json_type_array) || json_len(value) == 0 || json_len(value) > VALUES_MAX)
        return error_set(error, 422, "%.*s: expected a list of 1 to %d strings, numbers or booleans", STR_ARG(shown),
                         VALUES_MAX);
    *list = (struct strlist){0};
    for (size_t i = 0; i < json_len(value); i++) {
        struct str text = json_scalar(json_item(value, i)), bound;
        int64_t number;
        if (!text.len || text.len > 100) {
            error_set(error, 422, "expected a string, number or boolean of at most 100 characters");
            return settings_fail_in(error, "[%zu]", i);
        }
        bound = str_slice(text, 2, text.len);
        if (str_starts(text, STR(">=")) && !str_to_int64(bound, &number)) {
            shown = settings_show(arena, json_item(value, i));
            error_set(error, 422, "%.*s: expected a whole number after >=, such as \">=1\"", STR_ARG(shown));
            return settings_fail_in(error, "[%zu]", i);
        }
        strlist_add(arena, list, arena_copy(arena, text));
    }
    return true;
}

static bool read_api_version(struct arena *arena, struct evidence_source *source, struct json_object *value,
                             struct error *error)
{
    struct str version, group;
    if (!settings_read_text(arena, &rule_api_version, value, &version, error))
        return false;
    str_cut(&version, '/', &group);
    source->group = version.ptr ? group : STR("");
    source->version = version.ptr ? version : group;
    return true;
}

static bool read_value(struct arena *arena, struct evidence_source *source, const struct evidence_member *member,
                       struct json_object *value, struct error *error)
{
    void *place = (char *)source + member->offset;
    switch (member->type) {
    case EVIDENCE_PRESET:
        return true; /* read before the others */
    case EVIDENCE_TEXT:
        return settings_read_text(arena, member->rule, value, place, error);
    case EVIDENCE_API_VERSION:
        return read_api_version(arena, source, value, error);
    case EVIDENCE_SELECTOR:
        return settings_read_selector(arena, value, source, error);
    case EVIDENCE_VALUES:
        return read_values(arena, place, value, error);
    case EVIDENCE_AGE:
        return settings_read_duration(arena, &settings_evidence_age, value, place, error);
    }
    return false;
}

static bool evidence_read_member(struct arena *arena, struct evidence_source *source, struct str name,
                                 struct json_object *value, struct error *error)
{
    struct str names[LENGTH_OF(members)];
    for (size_t i = 0; i < LENGTH_OF(members); i++) {
        names[i] = str_from(members[i].name);
        if (str_eq(name, names[i]))
            return value ? read_value(arena, source, &members[i], value, error)
                         : error_set(error, 422, "no value; set one or remove the key");
    }
    return error_set(error, 422, "unknown key%.*s",
                     STR_ARG(str_suggest(arena, name, names, LENGTH_OF(names), "; ", "")));
}

static struct str or_else(struct str text, const char *fallback)
{
    return text.len || !fallback ? text : str_from(fallback);
}

/* kubectl's guess (meta.UnsafeGuessKindToResource). */
static struct str plural_of(struct arena *arena, struct str kind)
{
    struct str lower = arena_copy(arena, kind);
    char *letters = lower.ptr ? arena_alloc(arena, kind.len + 3) : NULL;
    if (!letters)
        return (struct str){NULL, 0};
    for (size_t i = 0; i < kind.len; i++)
        letters[i] = (char)(kind.ptr[i] >= 'A' && kind.ptr[i] <= 'Z' ? kind.ptr[i] + ('a' - 'A') : kind.ptr[i]);
    lower = (struct str){letters, kind.len};
    if (str_ends(lower, STR("s")))
        return arena_printf(arena, "%.*ses", STR_ARG(lower));
    if (str_ends(lower, STR("y")))
        return arena_printf(arena, "%.*sies", STR_ARG(str_slice(lower, 0, lower.len - 1)));
    return arena_printf(arena, "%.*ss", STR_ARG(lower));
}

/* A failedPath of the preset counts only while donePath is the preset's, too: with another
 * donePath it would look at a field of a different meaning. */
static void evidence_complete(struct arena *arena, struct evidence_source *source, const struct evidence_preset *preset)
{
    static const struct evidence_preset nothing = {.name = NULL};
    const struct evidence_preset *from = preset ? preset : &nothing;
    source->name = or_else(source->name, from->name);
    if (!source->version.len && from->api_version) {
        source->version = str_from(from->api_version);
        str_cut(&source->version, '/', &source->group);
    }
    source->kind = or_else(source->kind, from->kind);
    source->ns = or_else(source->ns, from->ns);
    if (!source->done_path.len && !source->failed_path.len)
        source->failed_path = or_else(source->failed_path, from->failed_path);
    source->done_path = or_else(source->done_path, from->done_path);
    source->failed_path = source->failed_path.len ? source->failed_path : source->done_path;
    source->time_path = or_else(source->time_path, from->time_path ? from->time_path : "metadata.creationTimestamp");
    source->hint = or_else(source->hint, from->hint);
    if (!source->done_values.len && from->done_value)
        strlist_add(arena, &source->done_values, str_from(from->done_value));
    bool failures_given = source->failed_values.len > 0;
    for (size_t i = 0; !failures_given && i < LENGTH_OF(from->failed_values) && from->failed_values[i]; i++)
        strlist_add(arena, &source->failed_values, str_from(from->failed_values[i]));
    if (!source->resource.len)
        source->resource = plural_of(arena, source->kind);
}

/* The preset is read first, whatever place it has in the mapping, since the other keys override
 * it. */
static bool read_source(struct arena *arena, struct evidence_source *source, struct json_object *item,
                        struct error *error)
{
    const struct evidence_preset *preset = NULL;
    if (!json_object_is_type(item, json_type_object)) {
        struct str shown = settings_show(arena, item);
        return error_set(error, 422, "%.*s: expected a mapping, such as preset: kasten", STR_ARG(shown));
    }
    if (json_has(item, "preset") && !read_preset(arena, json_get(item, "preset"), &preset, error))
        return settings_fail_in(error, ".preset");
    json_foreach(item, name, value)
    {
        if (!evidence_read_member(arena, source, str_from(name), value, error))
            return settings_fail_in(error, ".%s", name);
    }
    evidence_complete(arena, source, preset);
    return settings_check_evidence(arena, source, preset, error);
}

/* ---- both lists ----------------------------------------------------------- */

static bool evidence_name_is_taken(const struct settings *settings, struct str name)
{
    for (size_t i = 0; i < settings->evidence_count; i++)
        if (str_eq(settings->evidence[i].name, name))
            return true;
    return false;
}

/* SOURCES_MAX bounds what one upgrade may cost: each entry is one request to the API server. */
static bool evidence_read_list(struct arena *arena, struct settings *settings, struct json_object *list,
                               bool alternative, struct error *error)
{
    for (size_t i = 0; i < json_len(list); i++) {
        if (settings->evidence_count == SOURCES_MAX) {
            error_set(error, 422, "too many entries: the maximum is %d", SOURCES_MAX);
            return settings_fail_in(error, "[%zu]", i);
        }
        struct evidence_source *source = &settings->evidence[settings->evidence_count];
        source->alternative = alternative;
        if (!read_source(arena, source, json_item(list, i), error))
            return settings_fail_in(error, "[%zu]", i);
        if (evidence_name_is_taken(settings, source->name)) {
            error_set(error, 422, "the name \"%.*s\" is used twice; give each entry its own name",
                      STR_ARG(source->name));
            return settings_fail_in(error, "[%zu]", i);
        }
        settings->evidence_count++;
    }
    return true;
}

static const struct {
    struct str name;
    bool alternative;
} lists[] = {{STR_INIT("allOf"), false}, {STR_INIT("anyOf"), true}};

static bool evidence_check_names(struct arena *arena, struct json_object *value, struct error *error)
{
    struct str names[] = {lists[0].name, lists[1].name}, shown = settings_show(arena, value);
    if (!json_object_is_type(value, json_type_object))
        return error_set(error, 422,
                         "%.*s: expected allOf: [...] (required as well), anyOf: [...] (one replaces the "
                         "ManagementBackups), or both",
                         STR_ARG(shown));
    json_foreach(value, key, list)
    {
        struct str name = str_from(key);
        bool known = str_eq(name, names[0]) || str_eq(name, names[1]);
        if (known && json_object_is_type(list, json_type_array))
            continue;
        shown = settings_show(arena, list);
        if (known)
            error_set(error, 422, "%.*s: expected a list of entries, such as - preset: kasten", STR_ARG(shown));
        else
            error_set(error, 422, "unknown key; %.*s",
                      STR_ARG(str_suggest(arena, name, names, LENGTH_OF(names), "", "the keys are allOf and anyOf")));
        return settings_fail_in(error, ".%s", key);
    }
    return true;
}

bool settings_read_evidence(struct arena *arena, struct settings *settings, struct json_object *value,
                            struct error *error)
{
    if (!evidence_check_names(arena, value, error))
        return false;
    settings->evidence = arena_array(arena, SOURCES_MAX, sizeof *settings->evidence);
    settings->evidence_count = 0;
    if (!settings->evidence)
        return error_set(error, 500, "out of memory");
    for (size_t i = 0; i < LENGTH_OF(lists); i++)
        if (!evidence_read_list(arena, settings, json_get_named(value, lists[i].name), lists[i].alternative, error))
            return settings_fail_in(error, ".%.*s", STR_ARG(lists[i].name));
    return true;
}
