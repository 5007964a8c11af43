/* Parsing begins with the defaults and writes over them. Nothing is taken from a file with a
 * mistake: the caller gets NULL and keeps the settings it has, so that a reload can never half
 * apply. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstop/cron.h"
#include "settings/settings.h"

/* The settings file into struct settings, by the table of keys. Strict: a key that is misspelt must not leave a default in
 * effect unseen. */

enum { ARENA_LIMIT = 16 << 20, FILE_LIMIT = 1 << 20, KEYS_MAX = 64 };

/* Settings and the arena of their texts live and die together. `settings` is first, so the
 * pointer that callers hold is the whole. */
struct loaded {
    struct settings settings; /* first: callers hold this */
    struct arena *arena;
};

static void settings_destroy(struct shared *shared)
{
    struct loaded *loaded = (struct loaded *)shared;
    arena_free(loaded->arena);
    free(loaded);
}

static bool settings_read_default(struct arena *arena, struct settings *settings, const struct settings_key *key,
                                  struct error *error);

struct settings *settings_defaults(struct error *error)
{
    struct loaded *loaded = calloc(1, sizeof *loaded);
    if (!loaded || !(loaded->arena = arena_new(ARENA_LIMIT))) {
        free(loaded);
        return error_null(error, 500, "out of memory");
    }
    shared_init(&loaded->settings.shared, settings_destroy);
    size_t count;
    const struct settings_key *keys = settings_keys(&count);
    bool good = settings_add_builtin_provider_exclusions(loaded->arena, &loaded->settings) ||
                error_set(error, 500, "out of memory");
    for (size_t i = 0; good && i < count; i++)
        good = settings_read_default(loaded->arena, &loaded->settings, &keys[i], error);
    if (good)
        return &loaded->settings;
    shared_release(&loaded->settings.shared);
    return NULL;
}

/* One pass over a document: what it reads into and from. */
struct settings_reader {
    struct arena *arena; /* of the settings */
    struct settings *settings;
    const struct yaml_document *document;
    struct error *error;
};

static bool path_is_printable(const char *path)
{
    for (; *path; path++)
        if (*path <= ' ' || *path > '~')
            return false;
    return true;
}

/* Adds the place to what is in the error. Always false. The line is found by walking the
 * document along the field's path (yaml_line), so no parser has to carry lines. */
static bool fail_in(struct settings_reader *reader, const char *path)
{
    struct error *error = reader->error;
    settings_fail_in(error, "%s", path);
    error->position = yaml_line(reader->document, str_from(error->field));
    if (!path_is_printable(error->field)) { /* a key may hold anything, and this goes to logs and terminals */
        struct str shown = arena_quote(reader->arena, str_from(error->field));
        snprintf(error->field, sizeof error->field, "%.*s", STR_ARG(shown));
    }
    return false;
}

static bool reader_fail(struct settings_reader *reader, const char *path, const char *format, ...) PRINTF_LIKE(3, 4);

static bool reader_fail(struct settings_reader *reader, const char *path, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    error_set(reader->error, 422, "%s", message);
    return fail_in(reader, path);
}

/* The names a mapping may have: of the top level when `section` is absent. */
static size_t names_in(struct str section, struct str names[KEYS_MAX])
{
    size_t count, found = 0;
    const struct settings_key *keys = settings_keys(&count);
    if (!section.len) {
        names[found++] = STR("apiVersion");
        names[found++] = STR("kind");
    }
    for (size_t i = 0; i < count && found < KEYS_MAX; i++) {
        struct str rest = str_from(keys[i].path), head;
        str_cut(&rest, '.', &head);
        struct str name = section.len ? rest : head;
        bool here = section.len ? str_eq(head, section) && rest.ptr : true;
        if (here && (found == 0 || !str_eq(names[found - 1], name)))
            names[found++] = name;
    }
    return found;
}

/* A key that stands in the wrong section is shown its place. */
static const char *path_of_leaf(struct str leaf)
{
    size_t count;
    const struct settings_key *keys = settings_keys(&count);
    for (size_t i = 0; i < count; i++) {
        struct str rest = str_from(keys[i].path), head;
        str_cut(&rest, '.', &head);
        if (str_eq(rest.ptr ? rest : head, leaf))
            return keys[i].path;
    }
    return NULL;
}

static const struct settings_key *settings_find_key(const char *path)
{
    size_t count;
    const struct settings_key *keys = settings_keys(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i].path, path) == 0)
            return &keys[i];
    return NULL;
}

/* In this order: a dotted key at the top level, the same word in another section, a slip of the
 * pen, the list of what there is. */
static bool explain_unknown(struct settings_reader *reader, struct str section, struct str name, const char *path)
{
    struct str names[KEYS_MAX];
    size_t count = names_in(section, names);
    struct str near = str_nearest(name, names, count);
    const char *elsewhere = path_of_leaf(name);
    struct str leaf = name, head;
    str_cut(&leaf, '.', &head);
    if (!section.len && settings_find_key(path))
        return reader_fail(reader, path, "unknown key; put %.*s inside %.*s", STR_ARG(leaf), STR_ARG(head));
    if (elsewhere)
        return reader_fail(reader, path, "unknown key; did you mean %s?", elsewhere);
    if (near.len)
        return reader_fail(reader, path, "unknown key; did you mean %.*s?", STR_ARG(near));
    BUF_SCOPED list;
    buf_init(&list, 400);
    for (size_t i = 0; i < count; i++)
        buf_printf(&list, "%s%.*s", i ? ", " : "", STR_ARG(names[i]));
    return reader_fail(reader, path, "unknown key; the keys are %.*s", STR_ARG(buf_str(&list)));
}

static bool fail_unknown(struct settings_reader *reader, struct str section, struct str name, const char *path)
{
    explain_unknown(reader, section, name, path);
    struct str bracketed = arena_printf(reader->arena, "%.*s[%.*s]", STR_ARG(section), STR_ARG(name));
    reader->error->position = yaml_line(reader->document, bracketed); /* the name may hold dots */
    return false;
}

static bool settings_read_value(struct arena *arena, struct settings *settings, const struct settings_key *key,
                                struct json_object *value, struct error *error);

static bool read_section(struct settings_reader *reader, const char *section, struct json_object *tree)
{
    if (!tree) /* every key commented out */
        return true;
    if (!json_object_is_type(tree, json_type_object)) {
        struct str shown = settings_show(reader->arena, tree);
        return reader_fail(reader, section, "%.*s: expected a mapping of keys", STR_ARG(shown));
    }
    json_foreach(tree, name, value)
    {
        char path[sizeof reader->error->field];
        snprintf(path, sizeof path, "%s.%s", section, name);
        const struct settings_key *key = settings_find_key(path);
        if (!key)
            return fail_unknown(reader, str_from(section), str_from(name), path);
        if (!settings_read_value(reader->arena, reader->settings, key, value, reader->error))
            return fail_in(reader, path);
    }
    return true;
}

static bool check_constant(struct settings_reader *reader, const char *name, const char *expected)
{
    struct json_object *value = json_get(reader->document->tree, name);
    struct str shown = settings_show(reader->arena, value);
    if (!value)
        return reader_fail(reader, name, "missing; add %s: %s", name, expected);
    if (!str_is(json_str(value), expected))
        return reader_fail(reader, name, "%.*s: expected %s", STR_ARG(shown), expected);
    return true;
}

static bool read_document(struct settings_reader *reader)
{
    struct json_object *tree = reader->document->tree;
    if (!json_object_is_type(tree, json_type_object)) {
        struct str shown = settings_show(reader->arena, tree);
        return error_at(reader->error, 422, reader->document->line, "%.*s: expected a mapping of keys", STR_ARG(shown));
    }
    if (!check_constant(reader, "apiVersion", SETTINGS_API_VERSION) || !check_constant(reader, "kind", SETTINGS_KIND))
        return false;
    struct str names[KEYS_MAX];
    size_t count = names_in((struct str){NULL, 0}, names);
    json_foreach(tree, name, value)
    {
        const struct settings_key *key = settings_find_key(name);
        bool known = false;
        for (size_t i = 0; i < count; i++)
            known |= str_is(names[i], name);
        if (!known)
            return fail_unknown(reader, (struct str){NULL, 0}, str_from(name), name);
        if (strcmp(name, "apiVersion") == 0 || strcmp(name, "kind") == 0)
            continue;
        if (!key && !read_section(reader, name, value))
            return false;
        if (key && !settings_read_value(reader->arena, reader->settings, key, value, reader->error))
            return fail_in(reader, name);
    }
    return true;
}

/* Documents that are empty do not count: a file may begin with "---" and a comment. */
static bool settings_read_all(struct str yaml, struct settings *settings, struct error *error)
{
    ARENA_SCOPED scratch = arena_new(ARENA_LIMIT);
    struct yaml_document *documents = NULL;
    const struct yaml_options strict = {.reject_duplicates = true, .node_limit = 10000, .depth_limit = 20};
    if (!scratch)
        return error_set(error, 500, "out of memory");
    if (!yaml_load(scratch, yaml, &strict, &documents, error))
        return false;
    struct arena *arena = ((struct loaded *)(void *)settings)->arena;
    struct settings_reader reader = {.arena = arena, .settings = settings, .error = error};
    for (struct yaml_document *document = documents; document; document = document->next) {
        if (!document->tree)
            continue;
        if (reader.document)
            return error_at(error, 422, document->line,
                            "the file has a second document; settings must be a single document");
        reader.document = document;
        if (!read_document(&reader))
            return false;
    }
    return arena_failed(arena) ? error_set(error, 500, "out of memory") : true;
}

struct settings *settings_parse(struct str yaml, struct error *error)
{
    struct settings *settings = settings_defaults(error);
    if (!settings || settings_read_all(yaml, settings, error))
        return settings;
    shared_release(&settings->shared);
    return NULL;
}

/* The default is UTC, which is always there. A zone that is not would silently be taken for UTC. */
static bool settings_check_zone(const struct settings *settings, struct error *error)
{
    enum { SHOWN = 200 };
    struct error ignored;
    if (cron_zone_find(settings->schedules_controller_zone, &ignored))
        return true;
    ARENA_SCOPED arena = arena_new(8 * SHOWN);
    struct str zone = arena ? arena_quote(arena, str_slice(settings->schedules_controller_zone, 0, SHOWN)) : STR("it");
    return error_set(error, 422,
                     "schedules.controllerTimeZone: there is no time zone %.*s here; write a name as in "
                     "/usr/share/zoneinfo, such as Europe/Berlin",
                     STR_ARG(zone));
}

/* Code 0 (the file could not be read, or is empty) makes the caller look again later; 422 (it is
 * wrong) does not. */
struct settings *settings_load_file(const char *path, struct error *error)
{
    struct str text;
    ARENA_SCOPED scratch = arena_new(2 * FILE_LIMIT + 4096);
    if (!scratch)
        return error_null(error, 500, "out of memory");
    if (!file_read(scratch, path, FILE_LIMIT, &text, error))
        return NULL;
    /* A full disk leaves the file of an editor empty. Code 0: it may be whole when it is read again. */
    if (!str_trim(text).len)
        return error_null(error, 0, "%s: the file is empty: run without --settings to use the defaults", path);
    struct settings *settings = settings_parse(text, error);
    if (settings && settings_check_zone(settings, error))
        return settings;
    if (settings)
        shared_release(&settings->shared);
    else if (error->field[0])
        error_wrap(error, "%s", error->field);
    if (error->position > 0)
        error_wrap(error, "%s: line %lld", path, (long long)error->position);
    else
        error_wrap(error, "%s", path);
    return NULL;
}

static bool read_verdict(struct arena *arena, const char *const allowed[3], struct json_object *value,
                         enum verdict *out, struct error *error)
{
    struct str words[LENGTH_OF(verdict_words)], text = json_str(value);
    /* Without quotes YAML reads off as false. */
    if (allowed == strictness_words && json_object_is_type(value, json_type_boolean) && !json_object_get_boolean(value))
        text = str_from(allowed[VERDICT_ALLOW]);
    for (size_t i = 0; i < LENGTH_OF(verdict_words); i++) {
        words[i] = str_from(allowed[i]);
        if (str_eq(text, words[i])) {
            *out = (enum verdict)i;
            return true;
        }
    }
    struct str shown = settings_show(arena, value);
    return error_set(error, 422, "%.*s: expected %s, %s or %s%.*s", STR_ARG(shown), allowed[0], allowed[1], allowed[2],
                     STR_ARG(str_suggest(arena, text, words, LENGTH_OF(words), "; ", "")));
}

/* Reads one value into its place; on failure error->message says what was wrong
 * with it and error->field where inside it ("[2].provider"). */
static bool settings_read_value(struct arena *arena, struct settings *settings, const struct settings_key *key,
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
    case KEY_COUNT:
        shown = settings_show(arena, value);
        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < key->least ||
            json_object_get_int64(value) > key->most)
            return error_set(error, 422, "%.*s: expected a whole number from %" PRId64 " to %" PRId64, STR_ARG(shown),
                             key->least, key->most);
        *(int64_t *)place = json_object_get_int64(value);
        return true;
    case KEY_DURATION:
        return settings_read_duration(arena, key, value, place, error);
    case KEY_VERDICT:
        return read_verdict(arena, verdict_words, value, place, error);
    case KEY_STRICTNESS:
        return read_verdict(arena, strictness_words, value, place, error);
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
/* The default of the key, by the same parser as a file's value. */
static bool settings_read_default(struct arena *arena, struct settings *settings, const struct settings_key *key,
                                  struct error *error)
{
    struct json_object *value = NULL;
    struct str rest = str_from(key->fallback), item;
    int64_t number;
    if (key->type == KEY_COUNT)
        value = str_to_int64(rest, &number) ? json_object_new_int64(number) : NULL;
    else if (key->type == KEY_BOOL)
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
