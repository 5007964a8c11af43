#include <stdlib.h>

#include "files.h"

enum { FILE_LIMIT = 256 << 20, DOCUMENT_LIMIT = 1 << 30 };

bool record_list_sink(void *list, struct record *record, struct error *error)
{
    struct record_list *records = list;
    if (records->len == records->cap) {
        size_t cap = records->cap ? records->cap * 2 : 16;
        struct record **items = reallocarray(records->items, cap, sizeof(struct record *));
        if (!items) {
            shared_release(&record->shared);
            return error_set(error, 500, "out of memory");
        }
        records->items = items;
        records->cap = cap;
    }
    records->items[records->len++] = record;
    return true;
}

static void shorten(struct record_list *records, size_t len)
{
    while (records->len > len)
        shared_release(&records->items[--records->len]->shared);
}

void record_list_clear(struct record_list *list)
{
    shorten(list, 0);
    free(list->items);
    *list = (struct record_list){0};
}

/* A file is read one document at a time, and a long List one item at a time, so
 * that its trees never stand in memory all at once. */
struct cutter {
    struct str rest;
    int64_t line; /* of rest's first line, 1-based */
};

static struct str line_at(struct str text, size_t from)
{
    size_t to = from;
    while (to < text.len && text.ptr[to] != '\n')
        to++;
    return str_slice(text, from, to < text.len ? to + 1 : to);
}

static bool is_marker(struct str line)
{
    return str_starts(line, STR("---")) &&
           (line.len == 3 || line.ptr[3] == ' ' || line.ptr[3] == '\t' || line.ptr[3] == '\r' || line.ptr[3] == '\n');
}

/* Before a document's "---" there may be comments and %YAML lines, which belong to it. */
static bool is_prologue(struct str line)
{
    struct str trimmed = str_trim(line);
    return !trimmed.len || trimmed.ptr[0] == '#' || line.ptr[0] == '%';
}

/* "---" at the start of a line is a marker wherever it stands (YAML 1.1, 9.1.2). */
static bool next_document(struct cutter *cutter, struct str *document, int64_t *line)
{
    if (!cutter->rest.len)
        return false;
    *line = cutter->line;
    bool begun = false;
    size_t at = 0;
    while (at < cutter->rest.len) {
        struct str text = line_at(cutter->rest, at);
        if (is_marker(text) && begun)
            break;
        begun |= is_marker(text) || !is_prologue(text);
        at += text.len;
        cutter->line++;
    }
    *document = str_slice(cutter->rest, 0, at);
    cutter->rest = str_slice(cutter->rest, at, cutter->rest.len);
    return true;
}

/* The next item of the block list that kubectl prints below "items:": from a "- "
 * at the start of a line to the next line that is not indented. */
static bool next_item(struct cutter *cutter, struct str *item, int64_t *line)
{
    if (!str_starts(cutter->rest, STR("- ")))
        return false;
    *line = cutter->line;
    size_t at = 0;
    do {
        at += line_at(cutter->rest, at).len;
        cutter->line++;
    } while (at < cutter->rest.len && (cutter->rest.ptr[at] == ' ' || cutter->rest.ptr[at] == '\n'));
    *item = str_slice(cutter->rest, 0, at);
    cutter->rest = str_slice(cutter->rest, at, cutter->rest.len);
    return true;
}

struct load {
    const struct extractor *extractor;
    struct record_list *records;
    struct error *error;
};

/* Errors stand at lines of the piece; the user counts from the file's top. */
static bool load_piece(struct load *load, struct str text, int64_t line, bool item)
{
    ARENA_SCOPED arena = arena_new(DOCUMENT_LIMIT);
    struct yaml_document *document = NULL;
    const struct yaml_options options = {0};
    struct error *error = load->error;
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (!yaml_load(arena, text, &options, &document, error)) {
        if (error->position > 0)
            error->position += line - 1;
        return false;
    }
    for (; document; document = document->next) {
        if (!document->tree)
            continue;
        struct json_object *object = item ? json_item(document->tree, 0) : document->tree;
        if (!extract_object(load->extractor, object, record_list_sink, load->records, error)) {
            error->position = (int64_t)yaml_line(document, str_from(item ? "[0]" : error->field)) + line - 1;
            return false;
        }
    }
    return true;
}

/* The block of items below the cutter, each by itself; a top-level key or nothing
 * must follow, else a line would be lost. */
static bool load_block(struct load *load, struct cutter *cutter)
{
    struct str item;
    int64_t line;
    while (next_item(cutter, &item, &line))
        if (!load_piece(load, item, line, true))
            return false;
    return !cutter->rest.len || (cutter->rest.ptr[0] >= 'a' && cutter->rest.ptr[0] <= 'z');
}

/* The items of a List in kubectl's own layout, one by one. False when the document
 * is laid out otherwise or a piece of it does not stand alone: then it is to be
 * read whole, which also words the error. Facts found until then are dropped. */
static bool load_yaml_items(struct load *load, struct str document, int64_t line)
{
    if (!str_contains(document, STR("\nkind: List\n")))
        return false;
    struct cutter cutter = {.rest = document, .line = line};
    bool seen = false, plain = true;
    while (plain && cutter.rest.len) {
        struct str text = line_at(cutter.rest, 0);
        cutter.rest = str_slice(cutter.rest, text.len, cutter.rest.len);
        cutter.line++;
        plain = text.ptr[0] != '-' || is_marker(text);
        if (plain && str_is(text, "items:\n")) {
            plain = !seen && load_block(load, &cutter);
            seen = true;
        }
    }
    return seen && plain;
}

/* The first item of a JSON array's inside, which was checked already, and what
 * follows its comma. */
static struct str cut_json_item(struct str *rest)
{
    unsigned depth = 0;
    bool quoted = false;
    size_t at = 0;
    for (; at < rest->len; at++) {
        char c = rest->ptr[at];
        if (quoted) {
            at += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == ',' && depth == 0) {
            break;
        }
    }
    struct str item = str_slice(*rest, 0, at);
    *rest = str_slice(*rest, at + 1, rest->len);
    return item;
}

/* The same for what kubectl get -o json prints. */
static bool load_json_items(struct load *load, struct str document)
{
    struct error *error = load->error;
    ARENA_SCOPED index = arena_new(1 << 20);
    const struct json_node *root = index ? json_index(index, document, 1, error) : NULL;
    const struct json_node *items = json_member(root, STR("items"));
    if (!items || items->kind != JSON_ARRAY || !str_is(json_text(index, json_member(root, STR("kind"))), "List"))
        return false;
    struct str rest = str_slice(items->raw, 1, items->raw.len - 1);
    while (str_trim(rest).len) {
        struct str item = cut_json_item(&rest);
        ARENA_SCOPED arena = arena_new(DOCUMENT_LIMIT);
        struct json_object *object = arena ? json_build(arena, item, error) : NULL;
        if (!object || !extract_object(load->extractor, object, record_list_sink, load->records, error))
            return false;
    }
    return true;
}

static bool load_items(struct load *load, struct str document, int64_t line)
{
    enum { WORTHWHILE = 64 << 10 };
    size_t before = load->records->len;
    struct str text = str_trim(document);
    if (document.len < WORTHWHILE)
        return false;
    if (text.ptr[0] == '{' ? load_json_items(load, text) : load_yaml_items(load, document, line))
        return true;
    shorten(load->records, before);
    return false;
}

bool load_file(const struct extractor *extractor, const char *path, struct record_list *records, struct error *error)
{
    struct str text, document;
    ARENA_SCOPED arena = arena_new((size_t)FILE_LIMIT + 4096);
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (!file_read(arena, path, FILE_LIMIT, &text, error))
        return false;
    struct cutter cutter = {.rest = text, .line = 1};
    struct load load = {extractor, records, error};
    size_t before = records->len;
    int64_t line;
    while (next_document(&cutter, &document, &line))
        if (!load_items(&load, document, line) && !load_piece(&load, document, line, false)) {
            shorten(records, before);
            return false;
        }
    return true;
}
