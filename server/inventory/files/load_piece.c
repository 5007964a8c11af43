#include "inventory/window.h"
#include <stdlib.h>

bool record_list_sink(void *list, struct record *record, struct error *error)
{
    struct record_list *records = list;
    if (!ARRAY_ROOM(records)) {
        shared_release(&record->shared);
        return error_set(error, 500, "out of memory");
    }
    records->items[records->len++] = record;
    return true;
}

void record_list_shorten(struct record_list *records, size_t len)
{
    while (records->len > len)
        shared_release(&records->items[--records->len]->shared);
}

void record_list_clear(struct record_list *list)
{
    record_list_shorten(list, 0);
    free(list->items);
    *list = (struct record_list){0};
}

/* Documents are read one at a time, so that their trees never stand in memory all
 * at once. */
bool load_piece(struct load *load, struct str text, int64_t line, enum piece piece)
{
    ARENA_SCOPED arena = arena_new(DOCUMENT_LIMIT);
    struct yaml_document *document = NULL;
    const struct yaml_options options = {.lines_before = (unsigned)line - 1};
    struct error *error = load->error;
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (!yaml_load(arena, text, &options, &document, error))
        return false;
    for (; document; document = document->next) {
        struct json_object *object = piece == PIECE_ITEM ? json_item(document->tree, 0) : document->tree;
        if (piece == PIECE_LIST && !str_ends(json_get_str(object, "kind"), STR("List")))
            return error_set(error, 422, "not a List");
        if (!document->tree || extract_object(load->extractor, object, record_list_sink, load->records, error))
            continue;
        error->position = (int64_t)yaml_line(document, str_from(error->field));
        return false;
    }
    return true;
}
