/* Private to the module settings: the table of keys. */
#ifndef BACKSTOP_SETTINGS_SETTINGS_H
#define BACKSTOP_SETTINGS_SETTINGS_H

#include "backstop/json.h"
#include "backstop/settings.h"

enum key_type {
    KEY_TEXT,
    KEY_BOOL,
    KEY_COUNT,
    KEY_DURATION,
    KEY_VERDICT,    /* allow, warn, deny */
    KEY_STRICTNESS, /* off, warn, require: the same values of enum verdict */
    KEY_TEXTS,
    KEY_PROVIDER_EXCLUSIONS,
    KEY_EVIDENCE
};

/* What a text must look like: the pattern is for editors (the JSON Schema), the
 * function decides, `expected` tells the user. */
struct text_rule {
    const char *pattern, *expected;
    bool (*accepts)(struct str text);
};
extern const struct text_rule rule_namespace, rule_provider, rule_component, rule_resource;
extern const struct text_rule rule_name, rule_api_version, rule_kind, rule_plural, rule_path, rule_hint, rule_selector;

/* One row per key of the file. */
struct settings_key {
    const char *path; /* section.key, or key */
    enum key_type type;
    size_t offset;                /* in struct settings */
    const char *fallback;         /* the default as the file would say it; lists: comma-separated */
    const struct text_rule *rule; /* texts and items of lists */
    int64_t least, most;          /* counts; durations, in seconds */
    const char *help;
};
/* The table from which parser, schema, sample and documentation follow; in the order of the sample. */
const struct settings_key *settings_keys(size_t *count);
extern const char *const verdict_words[3], *const strictness_words[3];

bool settings_read_provider_exclusions(struct arena *arena, struct settings *settings, const struct settings_key *key,
                                       struct json_object *value, struct error *error) MUST_CHECK;
bool settings_read_texts(struct arena *arena, struct strlist *list, const struct text_rule *rule,
                         struct json_object *value, struct error *error) MUST_CHECK;
/* A Go duration of whole seconds within the key's bounds, in seconds. */
bool settings_read_duration(struct arena *arena, const struct settings_key *key, struct json_object *value,
                            int64_t *out, struct error *error) MUST_CHECK;
/* A text that the rule takes; in the arena. */
bool settings_read_text(struct arena *arena, const struct text_rule *rule, struct json_object *value, struct str *out,
                        struct error *error) MUST_CHECK;
bool settings_add_builtin_provider_exclusions(struct arena *arena, struct settings *settings) MUST_CHECK;

/* ---- evidence of other engines: evidence.c, evidence_check.c --- */

enum evidence_type {
    EVIDENCE_PRESET,
    EVIDENCE_TEXT,
    EVIDENCE_API_VERSION,
    EVIDENCE_SELECTOR,
    EVIDENCE_VALUES,
    EVIDENCE_AGE
};
/* One row per member of an entry; the table parses it and writes its schema. */
struct evidence_member {
    const char *name;
    enum evidence_type type;
    size_t offset;                /* in struct evidence_source */
    const struct text_rule *rule; /* texts and items of lists */
    const char *help;
};
const struct evidence_member *settings_evidence_members(size_t *count);
struct evidence_preset {
    const char *name, *api_version, *kind, *ns, *done_path, *done_value, *failed_path, *failed_values[4], *time_path,
        *hint;
    bool needs_namespace, needs_selector; /* without it, objects that prove nothing would count */
};
/* kasten, trilio, velero, etcd...: how each engine says that a snapshot is good. */
const struct evidence_preset *settings_evidence_presets(size_t *count);
bool settings_read_evidence(struct arena *arena, struct settings *settings, struct json_object *value,
                            struct error *error) MUST_CHECK;
/* Whether an entry, read and completed by its preset, makes sense. */
bool settings_check_evidence(struct arena *arena, const struct evidence_source *source,
                             const struct evidence_preset *preset, struct error *error) MUST_CHECK;
bool settings_read_selector(struct arena *arena, struct json_object *value, struct evidence_source *source,
                            struct error *error) MUST_CHECK;

/* A value as a message may show it. */
struct str settings_show(struct arena *arena, struct json_object *value);
/* Puts `outer` before error->field. Always false. */
bool settings_fail_in(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
