#include "settings/settings.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool read_verdict(struct arena *arena, struct json_object *value, enum verdict *out, struct error *error)
{
    struct str words[LENGTH_OF(verdict_words)], text = json_str(value);
    for (size_t i = 0; i < LENGTH_OF(verdict_words); i++) {
        words[i] = str_from(verdict_words[i]);
        if (str_eq(text, words[i])) {
            *out = (enum verdict)i;
            return true;
        }
    }
    struct str near = str_nearest(text, words, LENGTH_OF(words)), shown = settings_show(arena, value);
    return error_set(error, 422, "%.*s: expected allow, warn or deny%s%.*s%s", STR_ARG(shown),
                     near.len ? "; did you mean " : "", STR_ARG(near), near.len ? "?" : "");
}

bool settings_read_value(struct arena *arena, struct settings *settings, const struct settings_key *key,
                         struct json_object *value, struct error *error)
{
    void *place = (char *)settings + key->offset;
    struct str shown;
    if (!value)
        return error_set(error, 422, "no value; set one or remove the key");
    switch (key->type) {
    case KEY_TEXT:
        return settings_read_text(arena, key->rule, value, place, error);
    case KEY_BOOL:
        shown = settings_show(arena, value);
        if (!json_object_is_type(value, json_type_boolean))
            return error_set(error, 422, "%.*s: expected true or false", STR_ARG(shown));
        *(bool *)place = json_object_get_boolean(value);
        return true;
    case KEY_DURATION:
        return settings_read_duration(arena, key, value, place, error);
    case KEY_VERDICT:
        return read_verdict(arena, value, place, error);
    case KEY_TEXTS:
        return settings_read_texts(arena, place, key->rule, value, error);
    case KEY_PROVIDER_EXCLUSIONS:
        return settings_read_provider_exclusions(arena, settings, key, value, error);
    case KEY_EVIDENCE:
        return settings_read_evidence(arena, settings, value, error);
    }
    return false;
}

/* The default goes through the same reader as the file, so it cannot be out of bounds. */
bool settings_read_default(struct arena *arena, struct settings *settings, const struct settings_key *key,
                           struct error *error)
{
    struct json_object *value = NULL;
    struct str rest = str_from(key->fallback), item;
    if (key->type == KEY_BOOL)
        value = json_object_new_boolean(str_is(rest, "true"));
    else if (key->type == KEY_EVIDENCE)
        value = json_object_new_object();
    else if (key->type != KEY_TEXTS && key->type != KEY_PROVIDER_EXCLUSIONS)
        value = json_object_new_string(key->fallback);
    else if ((value = json_object_new_array()))
        while (rest.len && str_cut(&rest, ',', &item))
            json_append(value, json_new_text(item));
    if (!value)
        return error_set(error, 500, "out of memory");
    return settings_read_value(arena, settings, key, json_own(arena, value), error);
}
