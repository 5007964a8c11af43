/* The JSON Schema of the settings file, from the table of keys: what editors complete, and helm
 * checks the chart's values with.
 *
 * Patterns in the schema are for editors and Helm. They may accept a little more than the
 * parser, never less: the parser decides. */
#include <string.h>

#include "settings/settings.h"

enum { WIDTH = 88 };

static const char sample_head[] =
    "# Every setting of backstop with its default (printed by `backstop settings`). All are optional: keep the\n# "
    "lines you change. `backstop serve --settings FILE` reloads the file when it changes. A mistake is logged\n# with "
    "its line, and the last good settings stay in effect.\n#\n# Verdicts are allow (silently), warn (admit with a "
    "warning) or deny.\n# Durations are written as in Go: 90s, 15m, 1h30m. There is no d for "
    "days.\napiVersion: " SETTINGS_API_VERSION "\n"
    "kind: " SETTINGS_KIND "\n";

/* Keys that are no single value show how they are written. */
static const char provider_exclusions_example[] = "  # For example:\n"
                                                  "  #   - provider: infrastructure-example\n"
                                                  "  #     component: cluster-api-provider-example\n"
                                                  "  #     excludedResources: [networks.example.com]\n";
static const char evidence_example[] =
    "  # allOf: each must be good as well; anyOf: a good one replaces the\n  # ManagementBackups (docs/upgrade.md, "
    "\"Other backup engines\"). For example:\n  #   allOf:\n  #   - preset: k3s-etcd\n  #   anyOf:\n  #   - preset: "
    "kasten\n  #     selector: k10.kasten.io/policyName=kcm\n  #     maximumAge: 2h\n";

static void sample_write_key(struct buf *out, const char *indent, struct str name, const struct settings_key *key)
{
    /* The text as comment lines that are not wider than WIDTH. */
    struct str text = str_from(key->help);
    size_t column = 0;
    struct str word;
    while (str_cut(&text, ' ', &word)) {
        if (column && column + 1 + word.len > WIDTH) {
            buf_putc(out, '\n');
            column = 0;
        }
        buf_printf(out, "%s%s%.*s", column ? "" : indent, column ? " " : "# ", STR_ARG(word));
        column += 1 + word.len;
    }
    buf_putc(out, '\n');
    if (key->type == KEY_PROVIDER_EXCLUSIONS)
        buf_puts(out, provider_exclusions_example);
    if (key->type == KEY_EVIDENCE)
        buf_puts(out, evidence_example);
    buf_printf(out, "%s%.*s: ", indent, STR_ARG(name));
    struct str rest = str_from(key->fallback), item;
    const char *before = "[";
    if (key->type == KEY_EVIDENCE) {
        buf_puts(out, "{}");
    } else if (key->type == KEY_TEXTS || key->type == KEY_PROVIDER_EXCLUSIONS) {
        for (; rest.len && str_cut(&rest, ',', &item); before = ", ")
            buf_printf(out, "%s%.*s", before, STR_ARG(item));
        buf_puts(out, key->fallback[0] ? "]" : "[]");
    } else if (key->type == KEY_STRICTNESS) { /* off without quotes would be false */
        buf_printf(out, "\"%s\"", key->fallback);
    } else {
        buf_puts(out, key->fallback[0] ? key->fallback : "\"\"");
    }
    buf_putc(out, '\n');
}

/* The tests parse it and compare the result with the defaults, so the sample cannot go stale. */
void settings_write_sample(struct buf *out)
{
    size_t count;
    const struct settings_key *keys = settings_keys(&count);
    struct str before = {0};
    buf_puts(out, sample_head);
    for (size_t i = 0; i < count; i++) {
        struct str rest = str_from(keys[i].path), section;
        str_cut(&rest, '.', &section);
        if (!str_eq(section, before))
            buf_putc(out, '\n');
        if (rest.ptr && !str_eq(section, before))
            buf_printf(out, "%.*s:\n", STR_ARG(section));
        sample_write_key(out, rest.ptr ? "  " : "", rest.ptr ? rest : section, &keys[i]);
        before = section;
    }
}

#define DURATION_PATTERN "^([0-9]+(\\.[0-9]*)?(h|m|s|ms))+$|^0$"

static struct json_object *put_object(struct json_object *object, const char *key)
{
    struct json_object *child;
    return json_put_map(object, key, &child) ? child : NULL;
}

static struct json_object *put_array(struct json_object *object, const char *key)
{
    struct json_object *child = json_object_new_array();
    return json_put(object, key, child) ? child : NULL;
}

static struct json_object *put_mapping(struct json_object *schema)
{
    json_put_text(schema, "type", str_from("object"));
    json_put(schema, "additionalProperties", json_object_new_boolean(false));
    return put_object(schema, "properties");
}

static void schema_write_text(struct json_object *schema, const struct text_rule *rule)
{
    json_put_text(schema, "type", str_from("string"));
    json_put_text(schema, "pattern", str_from(rule->pattern));
}

static void write_texts(struct json_object *schema, const struct text_rule *rule)
{
    json_put_text(schema, "type", str_from("array"));
    schema_write_text(put_object(schema, "items"), rule);
}

static void write_provider_exclusions(struct json_object *schema)
{
    json_put_text(schema, "type", str_from("array"));
    struct json_object *item = put_object(schema, "items"), *members = put_mapping(item);
    struct json_object *provider = put_object(members, "provider");
    json_put_text(provider, "description", str_from("The provider's Cluster API name, such as infrastructure-azure."));
    schema_write_text(provider, &rule_provider);
    struct json_object *component = put_object(members, "component");
    json_put_text(component, "description",
                  str_from("Its name in Management.spec.providers, such as cluster-api-provider-azure."));
    schema_write_text(component, &rule_component);
    struct json_object *excluded = put_object(members, "excludedResources");
    json_put_text(excluded, "description", str_from("The resources that a Restore must exclude, as plural.group."));
    write_texts(excluded, &rule_resource);
    json_put(excluded, "minItems", json_object_new_int(1));
    json_append(put_array(item, "required"), json_new_text(STR("excludedResources")));
}

static void write_evidence_member(struct json_object *schema, const struct evidence_member *member)
{
    json_put_text(schema, "description", str_from(member->help));
    if (member->type == EVIDENCE_PRESET) {
        size_t count;
        const struct evidence_preset *presets = settings_evidence_presets(&count);
        struct json_object *names = put_array(schema, "enum");
        for (size_t i = 0; i < count; i++)
            json_append(names, json_new_text(str_from(presets[i].name)));
    } else if (member->type == EVIDENCE_VALUES) {
        static const char *const types[] = {"string", "number", "boolean"};
        json_put_text(schema, "type", str_from("array"));
        json_put(schema, "minItems", json_object_new_int(1));
        struct json_object *allowed = put_array(put_object(schema, "items"), "type");
        for (size_t i = 0; i < LENGTH_OF(types); i++)
            json_append(allowed, json_new_text(str_from(types[i])));
    } else if (member->type == EVIDENCE_AGE) {
        json_put_text(schema, "type", str_from("string"));
        json_put_text(schema, "pattern", str_from(DURATION_PATTERN));
    } else {
        schema_write_text(schema, member->rule);
    }
}

static void write_evidence(struct json_object *schema)
{
    static const struct {
        const char *name, *help;
    } lists[] = {{"allOf", "Every one of these must have a good backup, in addition to the ManagementBackups."},
                 {"anyOf", "A good backup of any one of these replaces those of the ManagementBackups."}};
    struct json_object *properties = put_mapping(schema);
    size_t count;
    const struct evidence_member *members = settings_evidence_members(&count);
    for (size_t i = 0; i < LENGTH_OF(lists); i++) {
        struct json_object *list = put_object(properties, lists[i].name);
        json_put_text(list, "description", str_from(lists[i].help));
        json_put_text(list, "type", str_from("array"));
        struct json_object *entry = put_mapping(put_object(list, "items"));
        for (size_t m = 0; m < count; m++)
            write_evidence_member(put_object(entry, members[m].name), &members[m]);
    }
}

static void write_default(struct json_object *schema, const struct settings_key *key)
{
    struct str rest = str_from(key->fallback), item;
    int64_t number;
    if (key->type == KEY_COUNT && str_to_int64(rest, &number)) {
        json_put(schema, "default", json_object_new_int64(number));
    } else if (key->type == KEY_BOOL) {
        json_put(schema, "default", json_object_new_boolean(str_is(rest, "true")));
    } else if (key->type == KEY_EVIDENCE) {
        put_object(schema, "default");
    } else if (key->type == KEY_TEXTS || key->type == KEY_PROVIDER_EXCLUSIONS) {
        struct json_object *list = put_array(schema, "default");
        while (rest.len && str_cut(&rest, ',', &item))
            json_append(list, json_new_text(item));
    } else {
        json_put_text(schema, "default", str_from(key->fallback));
    }
}

static struct json_object *write_words(struct json_object *schema, const char *const words[3])
{
    struct json_object *list = put_array(schema, "enum");
    for (size_t i = 0; i < LENGTH_OF(verdict_words); i++)
        json_append(list, json_new_text(str_from(words[i])));
    return list;
}

static void schema_write_key(struct json_object *schema, const struct settings_key *key)
{
    json_put_text(schema, "description", str_from(key->help));
    switch (key->type) {
    case KEY_TEXT:
        schema_write_text(schema, key->rule);
        break;
    case KEY_BOOL:
        json_put_text(schema, "type", str_from("boolean"));
        break;
    case KEY_COUNT:
        json_put_text(schema, "type", str_from("integer"));
        json_put(schema, "minimum", json_object_new_int64(key->least));
        json_put(schema, "maximum", json_object_new_int64(key->most));
        break;
    case KEY_DURATION:
        json_put_text(schema, "type", str_from("string"));
        json_put_text(schema, "pattern", str_from(DURATION_PATTERN));
        break;
    case KEY_VERDICT:
        write_words(schema, verdict_words);
        break;
    case KEY_STRICTNESS: /* Helm and others read off without quotes as false */
        json_append(write_words(schema, strictness_words), json_object_new_boolean(false));
        break;
    case KEY_TEXTS:
        write_texts(schema, key->rule);
        break;
    case KEY_PROVIDER_EXCLUSIONS:
        write_provider_exclusions(schema);
        break;
    case KEY_EVIDENCE:
        write_evidence(schema);
        break;
    }
    write_default(schema, key);
}

/* The properties that hold this key: those of its section, made when first met. */
static struct json_object *schema_section(struct json_object *properties, struct str head)
{
    char name[64];
    if (head.len >= sizeof name)
        return properties;
    memcpy(name, head.ptr, head.len);
    name[head.len] = '\0';
    struct json_object *section = json_get(properties, name);
    if (section)
        return json_get(section, "properties");
    section = put_object(properties, name);
    struct json_object *members = put_mapping(section);
    struct json_object *types = json_object_new_array(); /* null: all keys commented out */
    json_append(types, json_new_text(STR("object")));
    json_append(types, json_new_text(STR("null")));
    json_put(section, "type", types);
    return members;
}

void settings_write_schema(struct buf *out)
{
    struct json_object *schema = json_object_new_object();
    json_put_text(schema, "$schema", str_from("https://json-schema.org/draft/2020-12/schema"));
    json_put_text(schema, "$id", str_from("https://" SETTINGS_API_VERSION "/settings.schema.json"));
    json_put_text(schema, "title", str_from("backstop settings"));
    struct json_object *properties = put_mapping(schema);
    json_put_text(put_object(properties, "apiVersion"), "const", str_from(SETTINGS_API_VERSION));
    json_put_text(put_object(properties, "kind"), "const", str_from(SETTINGS_KIND));
    struct json_object *required = put_array(schema, "required");
    json_append(required, json_new_text(STR("apiVersion")));
    json_append(required, json_new_text(STR("kind")));
    size_t count;
    const struct settings_key *keys = settings_keys(&count);
    for (size_t i = 0; i < count; i++) {
        struct str rest = str_from(keys[i].path), head;
        str_cut(&rest, '.', &head);
        struct json_object *members = rest.ptr ? schema_section(properties, head) : properties;
        schema_write_key(put_object(members, rest.ptr ? rest.ptr : keys[i].path), &keys[i]);
    }
    const int style = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
    buf_puts(out, json_object_to_json_string_ext(schema, style));
    buf_putc(out, '\n');
    json_object_put(schema);
}
