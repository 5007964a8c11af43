/* Manifests as people write them: YAML documents, Lists and their items, JSON and streams of it,
 * AdmissionReviews; each object with the line where it begins.
 *
 * Dumps of a cluster are hundreds of megabytes, so a text is read piece by piece: a document, an
 * item of a List, a JSON value. Each becomes a tree in an arena of its own, is handed to the
 * visitor, and is freed before the next, unless the caller asks to keep it all. The visitor may
 * end the reading by returning false. */
#include "commands/manifest/manifest.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_LIMIT = 256 * 1024 * 1024, PIECE_LIMIT = 1024 * 1024 * 1024 };
/* A tree takes many times the memory of its text, so one that no cluster could hold is refused
 * as text. */
enum { OBJECT_LIMIT = 8 * 1024 * 1024 }; /* of one JSON text: more than a review of the largest object, old and new */

/* ---- lines ------------------------------------------------------------------- */

const struct yaml_document *manifest_nodes(struct arena *arena, const struct manifest *manifest)
{
    struct error ignored;
    struct yaml_document *document = NULL;
    const struct yaml_options options = {.lines_before = manifest->lines_before};
    if (manifest->lines || !manifest->text.ptr)
        return manifest->lines;
    return yaml_load(arena, manifest->text, &options, &document, &ignored) ? document : NULL;
}

/* Read once, when the first line is asked for: few objects have one that is wrong. 0: no line is known. */
static unsigned manifest_find_line(struct manifest *manifest, struct str path)
{
    if (manifest->lines)
        return yaml_line(manifest->lines, path);
    if (!manifest->places && manifest->text.ptr && manifest->arena)
        manifest->places = yaml_read_lines(manifest->arena, manifest->text, manifest->lines_before);
    return manifest->places ? yaml_lines_find(manifest->places, path) : 0;
}

/* The field is named as the policies name it, from the object's root; in a recorded review it
 * stands below request.object, or below request.oldObject where it is deleted. */
unsigned manifest_line(struct arena *arena, struct manifest *manifest, struct str field)
{
    const struct str prefix = STR("request.");
    struct str path = field;
    if (!manifest->review.ptr) { /* the request was made around it: request.object.spec is its spec */
        path = str_starts(path, STR("request.object.")) ? str_slice(path, 15, path.len) : path;
    } else if (!str_starts(path, prefix)) {
        bool deletes = str_is(json_path_str(manifest->tree, "request.operation"), "DELETE");
        path = arena_printf(arena, "request.%s.%.*s", deletes ? "oldObject" : "object", STR_ARG(path));
    }
    path = arena_printf(arena, "%.*s%.*s", STR_ARG(manifest->at), STR_ARG(path));
    unsigned line = manifest_find_line(manifest, path);
    return line ? line : manifest->line;
}

/* memchr, since this runs over every byte of a dump. */
static unsigned manifest_count_lines(struct str text)
{
    unsigned lines = 0;
    for (const char *at = text.ptr, *end = at + text.len; at < end && (at = memchr(at, '\n', (size_t)(end - at))); at++)
        lines++;
    return lines;
}

/* ---- objects ----------------------------------------------------------------- */

/* One text on its way to objects. */
struct manifest_reading {
    const struct manifest_sink *sink;
    const char *source;
    struct arena *arena;                /* of the piece that is read now */
    unsigned number;                    /* of the last object found */
    struct str list_version, list_kind; /* of the List whose items are read: "velero.io/v1", "BackupList"; or absent */
    bool stopped;                       /* the visitor has had enough */
    struct manifest_found *found;
};

void manifest_problem_write(const char *source, int64_t line, const char *reason, struct buf *out)
{
    if (source)
        buf_puts(out, source);
    if (source && line >= 0)
        buf_printf(out, ":%lld", (long long)line);
    buf_printf(out, "%s%s", source ? ": " : "", reason);
}

static void reading_refuse(struct manifest_reading *reading, int64_t line, const char *reason)
{
    reading->found->problems++;
    reading->sink->problem(reading->sink->context, reading->source, line, reason);
}

static void reading_object(struct manifest_reading *reading, struct manifest manifest);

/* What the API server itself answers (kubectl get --raw) names apiVersion and kind once, in its BackupList. */
static void reading_complete_item(const struct manifest_reading *reading, struct json_object *item)
{
    struct str kind = reading->list_kind;
    if (!str_ends(kind, STR("List")) || kind.len == strlen("List"))
        return;
    if (!json_get_str(item, "apiVersion").len)
        json_put_text(item, "apiVersion", reading->list_version);
    if (!json_get_str(item, "kind").len)
        json_put_text(item, "kind", str_slice(kind, 0, kind.len - strlen("List")));
}

/* `from`: how many items were visited already. `at` becomes the item's place in the document,
 * which goes before the path of each of its fields. */
static void reading_items(struct manifest_reading *reading, const struct manifest *list, struct json_object *items,
                          size_t from)
{
    for (size_t i = from; i < json_len(items) && !reading->stopped; i++) {
        struct manifest item = *list;
        struct str at = arena_printf(reading->arena, "%.*sitems[%zu]", STR_ARG(list->at), i);
        item.tree = json_item(items, i);
        reading_complete_item(reading, item.tree);
        item.at = arena_printf(reading->arena, "%.*s.", STR_ARG(at));
        if (item.lines)
            item.line = yaml_line(item.lines, at);
        reading_object(reading, item);
    }
}

/* An object with a uid, a resourceVersion or an age came out of a cluster, and is judged as one
 * that exists. */
static void reading_visit(struct manifest_reading *reading, struct manifest manifest)
{
    manifest.source = reading->source;
    manifest.number = ++reading->number;
    manifest.arena = reading->arena;
    manifest.stored = json_path(manifest.tree, "metadata.uid") ||
                      json_path(manifest.tree, "metadata.resourceVersion") ||
                      json_path(manifest.tree, "metadata.creationTimestamp");
    reading->found->objects++;
    reading->stopped = !reading->sink->visit(reading->sink->context, &manifest);
}

/* A List within a List is followed too. What has no kind is counted with the line of the first,
 * since a folder may well have a values.yaml. */
static void reading_object(struct manifest_reading *reading, struct manifest manifest)
{
    struct str kind = json_get_str(manifest.tree, "kind");
    if (!kind.len || !json_get_str(manifest.tree, "apiVersion").len) {
        if (!reading->found->others++)
            reading->found->other_line = manifest.line;
        return;
    }
    struct json_object *items = json_get(manifest.tree, "items");
    if (str_ends(kind, STR("List")) && json_object_is_type(items, json_type_array)) {
        reading->found->lists++;
        reading->list_version = json_get_str(manifest.tree, "apiVersion");
        reading->list_kind = kind;
        reading_items(reading, &manifest, items, 0);
        reading->list_version = reading->list_kind = (struct str){NULL, 0};
        return;
    }
    if (str_is(kind, "AdmissionReview") && !manifest.review.ptr) {
        BUF_SCOPED text;
        buf_init(&text, TEXT_LIMIT);
        json_write_tree(&text, manifest.tree);
        manifest.review = arena_copy(reading->arena, buf_str(&text));
    }
    reading_visit(reading, manifest);
}

/* ---- pieces ------------------------------------------------------------------ */

/* What a piece becomes is freed when the next one is read, unless the caller keeps it all. */
static bool reading_begin(struct manifest_reading *reading)
{
    if (reading->stopped)
        return false;
    reading->arena = reading->sink->keep ? reading->sink->keep : arena_new(PIECE_LIMIT);
    if (!reading->arena)
        reading_refuse(reading, -1, "out of memory");
    return reading->arena;
}

static void reading_end(struct manifest_reading *reading)
{
    if (arena_failed(reading->arena)) /* of what was opened something could not be read */
        reading_refuse(reading, -1, "out of memory");
    if (!reading->sink->keep)
        arena_free(reading->arena);
    reading->arena = NULL;
}

/* A recorded review that is no valid JSON: the webhook has an answer to that too. */
static bool reading_broken_review(struct manifest_reading *reading, struct str text, unsigned line)
{
    if (!text.len || text.ptr[0] != '{' || !admission_salvage_uid(reading->arena, text).len)
        return false;
    reading_visit(reading, (struct manifest){.review = text, .line = line});
    return true;
}

/* An empty document, such as a comment between two "---", is none. */
static void reading_yaml_objects(struct manifest_reading *reading, const struct yaml_document *document)
{
    for (; document && !reading->stopped; document = document->next) {
        const struct manifest manifest = {.tree = document->tree, .line = document->line, .lines = document};
        if (document->tree)
            reading_object(reading, manifest);
    }
}

/* Of a large plain document, or item of a List: it is opened as JSON, which costs no more than its text, and
 * what is read of it. False: it is to be read through its nodes. */
static bool reading_plain_yaml(struct manifest_reading *reading, struct str text, unsigned lines_before, bool item)
{
    struct error ignored;
    struct yaml_outline outline;
    BUF_SCOPED json;
    const struct yaml_options options = {.lines_before = lines_before};
    buf_init(&json, TEXT_LIMIT);
    if (text.len < JSON_WORTH_OPENING || !yaml_write_as_json(&json, text, &options, &outline) ||
        json_repeats_keys(buf_str(&json)))
        return false;
    struct str kept = arena_keep_buf(reading->arena, &json);
    struct json_object *tree = kept.ptr ? json_open(reading->arena, kept, &ignored) : NULL;
    if (item && json_len(tree) != 1)
        return false;
    tree = item ? json_item(tree, 0) : tree;
    if (!json_object_is_type(tree, json_type_object) || str_ends(json_get_str(tree, "kind"), STR("List")))
        return false;
    if (item)
        reading_complete_item(reading, tree);
    reading_object(reading, (struct manifest){.tree = tree,
                                              .line = item ? outline.first_line : outline.line,
                                              .text = text,
                                              .lines_before = lines_before,
                                              .at = item ? STR("[0].") : STR("")});
    return true;
}

/* Broken YAML ends the text it is in: nobody knows where the next object would begin. */
static void reading_yaml(struct manifest_reading *reading, struct str text, unsigned lines_before)
{
    struct error error;
    struct yaml_document *document;
    const struct yaml_options options = {.lines_before = lines_before};
    if (!reading_begin(reading))
        return;
    if (reading_plain_yaml(reading, text, lines_before, false))
        ;
    else if (yaml_load(reading->arena, text, &options, &document, &error))
        reading_yaml_objects(reading, document);
    else if (!reading_broken_review(reading, text, lines_before + 1))
        reading_refuse(reading, error.position, error.message);
    reading_end(reading);
}

/* ---- long lists in YAML -------------------------------------------------------- */

/* Said of one object, before it becomes a tree of many times its size. */
static bool reading_is_too_large(struct manifest_reading *reading, struct str object, unsigned lines_before)
{
    if (object.len <= OBJECT_LIMIT)
        return false;
    reading_refuse(reading, lines_before + 1, "larger than 8 MiB: the API server accepts at most 3 MiB");
    return true;
}

/* Where the items of a List begin, laid out as kubectl does it: "items:" and "- " at the start
 * of their lines, apiVersion and kind beside them. 0 for what is laid out otherwise. */
static size_t list_items_begin(struct str document, struct str *version, struct str *kind)
{
    static const struct str version_key = STR_INIT("apiVersion: "), kind_key = STR_INIT("kind: ");
    size_t items = 0;
    *version = *kind = (struct str){NULL, 0};
    for (size_t at = 0; at < document.len;) {
        struct str line = yaml_text_line(document, at);
        at += line.len;
        struct str text = str_trim(line), next = yaml_text_line(document, at);
        if (line.len && line.ptr[0] == 'i' && str_is(text, "items:") && str_starts(next, STR("- ")))
            items = items ? SIZE_MAX : at;
        if (str_starts(line, kind_key))
            *kind = str_trim(str_slice(text, kind_key.len, text.len));
        if (str_starts(line, version_key))
            *version = str_trim(str_slice(text, version_key.len, text.len));
    }
    return str_ends(*kind, STR("List")) && items != SIZE_MAX ? items : 0;
}

/* The item that begins there: up to a line that begins with neither white space nor a comment. */
static struct str list_item(struct str document, size_t from)
{
    size_t at = from;
    do {
        at += yaml_text_line(document, at).len;
    } while (at < document.len && strchr(" \t\r\n#", document.ptr[at]));
    return str_slice(document, from, at);
}

/* True where there was no memory, which has been reported; false when the item cannot be read by
 * itself. */
static bool reading_item(struct manifest_reading *reading, struct str text, unsigned lines_before, struct error *error)
{
    struct yaml_document *document;
    const struct yaml_options options = {.lines_before = lines_before};
    if (!reading_begin(reading))
        return true;
    if (reading_plain_yaml(reading, text, lines_before, true)) {
        reading_end(reading);
        return true;
    }
    bool good = yaml_load(reading->arena, text, &options, &document, error);
    if (good && document)
        reading_complete_item(reading, json_item(document->tree, 0));
    if (good && document && json_len(document->tree) == 1)
        reading_object(reading, (struct manifest){.tree = json_item(document->tree, 0),
                                                  .line = yaml_line(document, STR("[0]")),
                                                  .lines = document,
                                                  .at = STR("[0].")});
    reading_end(reading);
    return good;
}

/* A List read at once, but for the items that were visited already; false when it cannot be. */
static bool reading_whole_list(struct manifest_reading *reading, struct str text, unsigned lines_before, size_t visited)
{
    struct error ignored;
    struct yaml_document *document;
    const struct yaml_options options = {.lines_before = lines_before};
    if (!reading_begin(reading))
        return true;
    bool good = yaml_load(reading->arena, text, &options, &document, &ignored) && document;
    if (good)
        reading_items(reading, &(struct manifest){.line = document->line, .lines = document, .at = STR("")},
                      json_get(document->tree, "items"), visited);
    reading_end(reading);
    return good;
}

/* The items of a long List, one by one. One that cannot be read by itself may have an alias to
 * an anchor that stands before it: then the List is read at once from there on. False where the
 * document is no List or is laid out otherwise: it is then read like any other. */
static bool reading_list(struct manifest_reading *reading, struct str document, unsigned lines_before)
{
    size_t at = list_items_begin(document, &reading->list_version, &reading->list_kind), visited = 0;
    unsigned line = lines_before + (at ? manifest_count_lines(str_slice(document, 0, at)) : 0);
    bool alone = false;
    if (!at)
        return false;
    reading->found->lists++;
    for (; !reading->stopped && at < document.len && document.ptr[at] == '-'; visited++) {
        struct error error;
        struct str item = list_item(document, at);
        if (!reading_is_too_large(reading, item, line) && !reading_item(reading, item, line, &error)) {
            if (!alone && reading_whole_list(reading, document, lines_before, visited))
                return true;
            alone = true;
            reading_refuse(reading, error.position, error.message);
        }
        line += manifest_count_lines(item);
        at += item.len;
    }
    return true;
}

/* A List may be larger than any object; whatever else is that large is refused at once. */
static void reading_document(struct manifest_reading *reading, struct str document, unsigned lines_before)
{
    bool listed = reading_list(reading, document, lines_before);
    bool is_list = str_ends(reading->list_kind, STR("List")); /* laid out in another way, and read at once */
    reading->list_version = reading->list_kind = (struct str){NULL, 0};
    if (!listed && (is_list || !reading_is_too_large(reading, document, lines_before)))
        reading_yaml(reading, document, lines_before);
}

/* ---- JSON -------------------------------------------------------------------- */

/* Where the items stand, if it is a List. */
static const struct json_node *list_items_node(struct arena *arena, const struct json_node *root)
{
    struct str kind = json_text(arena, json_member(root, STR("kind")));
    const struct json_node *items = json_member(root, STR("items"));
    return items && items->kind == JSON_ARRAY && kind.len && str_ends(kind, STR("List")) ? items : NULL;
}

/* JSON is read as JSON, so that a recorded review reaches the reader byte for byte. */
static bool reading_json_value(struct manifest_reading *reading, struct str text, unsigned lines_before)
{
    struct error error;
    struct manifest manifest = {.text = text, .lines_before = lines_before, .line = lines_before + 1};
    manifest.repeats = json_repeats_keys(text);
    bool opened = !manifest.repeats && text.len >= JSON_WORTH_OPENING;
    manifest.tree = opened ? json_open(reading->arena, text, &error) : json_build(reading->arena, text, &error);
    if (!manifest.tree)
        return reading_broken_review(reading, text, lines_before + 1);
    reading_complete_item(reading, manifest.tree);
    if (str_is(json_get_str(manifest.tree, "kind"), "AdmissionReview")) {
        manifest.review = text;
        reading_visit(reading, manifest);
    } else {
        reading_object(reading, manifest);
    }
    return true;
}

/* An item that is no JSON after all is tried as YAML, which knows the line of what is wrong. */
static void reading_json_items(struct manifest_reading *reading, const struct json_node *items, unsigned lines_before,
                               const char *counted)
{
    struct str rest = str_slice(items->raw, 1, items->raw.len), item;
    reading->found->lists++;
    while (!reading->stopped && json_next_item(&rest, &item)) {
        lines_before += manifest_count_lines((struct str){counted, (size_t)(item.ptr - counted)});
        counted = item.ptr;
        if (reading_is_too_large(reading, item, lines_before))
            continue;
        if (!reading_begin(reading))
            return;
        bool read = reading_json_value(reading, item, lines_before);
        reading_end(reading);
        if (!read)
            reading_yaml(reading, item, lines_before);
    }
}

static void reading_json(struct manifest_reading *reading, struct str text, unsigned lines_before)
{
    struct error ignored;
    ARENA_SCOPED arena = arena_new(PIECE_LIMIT);
    const struct json_node *root = arena ? json_index(arena, text, 1, &ignored) : NULL;
    const struct json_node *items = list_items_node(arena, root);
    if (items) {
        reading->list_version = json_text(arena, json_member(root, STR("apiVersion")));
        reading->list_kind = json_text(arena, json_member(root, STR("kind")));
        reading_json_items(reading, items, lines_before, text.ptr);
        reading->list_version = reading->list_kind = (struct str){NULL, 0};
        return;
    }
    if (reading_is_too_large(reading, text, lines_before) || !reading_begin(reading))
        return;
    bool read = reading_json_value(reading, text, lines_before);
    reading_end(reading);
    if (!read)
        reading_yaml(reading, text, lines_before);
}

/* The length of the JSON object that text begins with; all of it when it does not end. */
static size_t stream_object_length(struct str text)
{
    struct json_brackets brackets = {0};
    for (size_t i = 0; i < text.len; i++)
        if (!json_brackets_take(&brackets, text.ptr[i]) || (brackets.depth == 0 && !brackets.quoted))
            return i + 1;
    return text.len;
}

/* One object after the other, as logs of reviews are kept: no YAML, but JSON all the same. */
static bool is_json_stream(struct str text)
{
    while ((text = str_trim(text)).len) {
        if (text.ptr[0] != '{')
            return false;
        text = str_slice(text, stream_object_length(text), text.len);
    }
    return true;
}

static void reading_json_stream(struct manifest_reading *reading, struct str text)
{
    unsigned lines = 0;
    for (struct str object = str_trim(text); object.len && !reading->stopped; object = str_trim(text)) {
        lines += manifest_count_lines((struct str){text.ptr, (size_t)(object.ptr - text.ptr)});
        object.len = stream_object_length(object);
        reading_json(reading, object, lines);
        lines += manifest_count_lines(object);
        size_t end = (size_t)(object.ptr - text.ptr) + object.len;
        text = str_slice(text, end, text.len);
    }
}

/* ---- texts --------------------------------------------------------------------- */

bool manifests_read_text(const struct manifest_sink *sink, const char *source, struct str text,
                         struct manifest_found *found)
{
    struct manifest_reading reading = {.sink = sink, .source = source, .found = found};
    *found = (struct manifest_found){0};
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_slice(text, 3, text.len);
    if (is_json_stream(text))
        reading_json_stream(&reading, text);
    else {
        struct yaml_split split = {.rest = text, .line = 1};
        struct str document;
        unsigned line;
        while (!reading.stopped && yaml_next_document(&split, &document, &line))
            reading_document(&reading, document, line - 1);
    }
    return !reading.stopped;
}
