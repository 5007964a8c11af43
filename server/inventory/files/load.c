#include <stdlib.h>

#include "inventory/window.h"

static bool load_yaml_document(struct load *load, struct str document, int64_t line)
{
    size_t before = load->records->len;
    struct str text = str_trim(document);
    struct window window = {.fd = -1, .data = text.ptr, .len = text.len, .eof = true};
    if (text.len && text.ptr[0] == '{' && load_json_list(load, &window))
        return true;
    record_list_shorten(load->records, before);
    return load_piece(load, document, line, PIECE_DOCUMENT);
}

bool load_file(const struct extractor *extractor, const char *path, struct record_list *records, struct error *error)
{
    struct str text, document;
    struct load load = {extractor, records, error};
    size_t before = records->len;
    if (load_stream(&load, path))
        return true;
    record_list_shorten(records, before);
    ARENA_SCOPED arena = arena_new((size_t)LOAD_LIMIT + 4096);
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (!file_read(arena, path, LOAD_LIMIT, &text, error))
        return false;
    struct yaml_split split = {.rest = text, .line = 1};
    unsigned line;
    while (yaml_next_document(&split, &document, &line))
        if (!load_yaml_document(&load, document, line)) {
            record_list_shorten(records, before);
            return false;
        }
    return true;
}
