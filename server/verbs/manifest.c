#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "review.h"

enum { SOURCE_LIMIT = 256 * 1024 * 1024 };

/* One file on its way to manifests. */
struct load {
    struct arena *arena;
    struct manifests *manifests;
    const char *source;
    unsigned number; /* of the last object found in it */
    manifest_problem_fn *problem;
    void *context;
};

static bool refuse(const struct load *load, int64_t line, const char *reason)
{
    load->problem(load->context, load->source, line, reason);
    return false;
}

static bool append(struct load *load, struct manifest manifest)
{
    struct manifests *list = load->manifests;
    if (list->len == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 16;
        struct manifest *items = arena_array(load->arena, cap, sizeof *items);
        if (!items)
            return refuse(load, -1, "out of memory");
        if (list->len)
            memcpy(items, list->items, list->len * sizeof *items);
        list->items = items;
        list->cap = cap;
    }
    manifest.source = load->source;
    manifest.number = ++load->number;
    manifest.stored = json_path(manifest.tree, "metadata.uid") || json_path(manifest.tree, "metadata.resourceVersion");
    list->items[list->len++] = manifest;
    return true;
}

unsigned manifest_line(struct arena *arena, const struct manifest *manifest, struct str field)
{
    const struct str prefix = STR("request.");
    struct str path = field;
    if (!manifest->lines)
        return manifest->line;
    if (!manifest->review.ptr) { /* the request was made around it: request.object.spec is its spec */
        path = str_starts(path, STR("request.object.")) ? str_slice(path, 15, path.len) : path;
    } else if (!str_starts(path, prefix)) {
        bool deletes = str_is(json_path_str(manifest->tree, "request.operation"), "DELETE");
        path = arena_printf(arena, "request.%s.%.*s", deletes ? "oldObject" : "object", STR_ARG(path));
    }
    path = arena_printf(arena, "%.*s%.*s", STR_ARG(manifest->at), STR_ARG(path));
    unsigned line = yaml_line(manifest->lines, path);
    return line ? manifest->line_base + line : manifest->line;
}

static bool add_object(struct load *load, struct manifest manifest);

static bool add_items(struct load *load, const struct manifest *list, struct json_object *items)
{
    bool good = true;
    for (size_t i = 0; i < json_len(items); i++) {
        struct manifest item = *list;
        struct str at = arena_printf(load->arena, "%.*sitems[%zu]", STR_ARG(list->at), i);
        item.tree = json_item(items, i);
        item.at = arena_printf(load->arena, "%.*s.", STR_ARG(at));
        if (item.lines)
            item.line = list->line_base + yaml_line(item.lines, at);
        good = add_object(load, item) && good;
    }
    return good;
}

static bool add_object(struct load *load, struct manifest manifest)
{
    if (!json_object_is_type(manifest.tree, json_type_object))
        return refuse(load, manifest.line, "expected a Kubernetes object with apiVersion and kind");
    struct str kind = json_get_str(manifest.tree, "kind");
    if (!kind.len || !json_get_str(manifest.tree, "apiVersion").len)
        return refuse(load, manifest.line, "this object has no apiVersion or no kind");
    struct json_object *items = json_get(manifest.tree, "items");
    if (str_ends(kind, STR("List")) && json_object_is_type(items, json_type_array))
        return add_items(load, &manifest, items);
    if (str_is(kind, "AdmissionReview") && !manifest.review.ptr) {
        BUF_SCOPED text;
        buf_init(&text, SOURCE_LIMIT);
        json_write_tree(&text, manifest.tree);
        manifest.review = arena_copy(load->arena, buf_str(&text));
    }
    return append(load, manifest);
}

/* A recorded review that is no valid JSON: the webhook has an answer to that too. */
static bool is_broken_review(const struct load *load, struct str text)
{
    return text.len && text.ptr[0] == '{' && admission_salvage_uid(load->arena, text).len;
}

static bool add_yaml(struct load *load, struct str text, unsigned line_base)
{
    struct error error;
    struct yaml_document *document;
    bool good = true;
    if (!yaml_load(load->arena, text, &(struct yaml_options){0}, &document, &error)) {
        if (is_broken_review(load, text))
            return append(load, (struct manifest){.review = text, .line = line_base + 1, .line_base = line_base});
        return refuse(load, error.position >= 0 ? error.position + line_base : -1, error.message);
    }
    for (; document; document = document->next)
        if (document->tree)
            good = add_object(load, (struct manifest){.tree = document->tree,
                                                      .line = line_base + document->line,
                                                      .lines = document,
                                                      .line_base = line_base}) &&
                   good;
    return good;
}

/* JSON is read as JSON, so that a recorded review reaches the reader byte for
 * byte, broken ones too; YAML only finds the lines. */
static bool add_json(struct load *load, struct str text, unsigned line_base)
{
    struct error error;
    struct yaml_document *document = NULL;
    struct manifest manifest = {.line_base = line_base, .line = line_base + 1};
    manifest.tree = json_build(load->arena, text, &error);
    if (!manifest.tree) {
        if (!is_broken_review(load, text))
            return add_yaml(load, text, line_base);
        manifest.review = text;
        return append(load, manifest);
    }
    if (yaml_load(load->arena, text, &(struct yaml_options){0}, &document, &error) && document) {
        manifest.lines = document;
        manifest.line = line_base + document->line;
    }
    if (str_is(json_get_str(manifest.tree, "kind"), "AdmissionReview"))
        manifest.review = text;
    return manifest.review.ptr ? append(load, manifest) : add_object(load, manifest);
}

/* The length of the JSON object that text begins with; all of it when it does not end. */
static size_t object_length(struct str text)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && depth-- <= 1) {
            return i + 1;
        }
    }
    return text.len;
}

static unsigned count_lines(struct str text)
{
    unsigned lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    return lines;
}

/* One object after the other, as logs of reviews are kept: no YAML, but JSON all the same. */
static bool is_json_stream(struct str text)
{
    while ((text = str_trim(text)).len) {
        if (text.ptr[0] != '{')
            return false;
        text = str_slice(text, object_length(text), text.len);
    }
    return true;
}

static bool add_text(struct load *load, struct str text)
{
    unsigned lines = 0;
    bool good = true;
    if (!is_json_stream(text))
        return add_yaml(load, text, 0);
    for (struct str object = str_trim(text); object.len; object = str_trim(text)) {
        lines += count_lines((struct str){text.ptr, (size_t)(object.ptr - text.ptr)});
        object.len = object_length(object);
        good = add_json(load, object, lines) && good;
        lines += count_lines(object);
        size_t end = (size_t)(object.ptr - text.ptr) + object.len;
        text = str_slice(text, end, text.len);
    }
    return good;
}

static bool load_file(struct load *load)
{
    struct error error;
    struct str text;
    if (!file_read(load->arena, load->source, SOURCE_LIMIT, &text, &error)) {
        load->problem(load->context, NULL, -1, error.message);
        return false;
    }
    return add_text(load, text);
}

static int is_manifest(const struct dirent *entry)
{
    struct str name = str_from(entry->d_name);
    return str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml")) || str_ends(name, STR(".json"));
}

static bool load_folder(struct load *load, const char *folder)
{
    bool good = true;
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_manifest, alphasort);
    if (count < 0)
        return refuse(load, -1, "cannot be read");
    for (int i = 0; i < count; i++) {
        bool slash = str_ends(str_from(folder), STR("/"));
        load->source = arena_printf(load->arena, "%s%s%s", folder, slash ? "" : "/", entries[i]->d_name).ptr;
        load->number = 0;
        good = load->source && load_file(load) && good;
        free(entries[i]);
    }
    free(entries);
    return good;
}

bool manifests_load(struct arena *arena, const char *path, struct manifests *manifests, manifest_problem_fn *problem,
                    void *context)
{
    struct stat info;
    struct load load = {.arena = arena, .manifests = manifests, .source = path, .problem = problem, .context = context};
    bool folder = strcmp(path, "-") != 0 && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    return folder ? load_folder(&load, path) : load_file(&load);
}
