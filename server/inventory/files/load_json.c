#include "inventory/window.h"

enum { AROUND_LIMIT = 64 << 10 };

/* Where in the window a value ends that nothing was looked at of yet: at a comma or a
 * bracket that closes what it stands in. The text's end where there is none. */
static size_t value_end(struct window *window)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t at = 0; window_has(window, at); at++) {
        char c = window->data[window->start + at];
        if (quoted) {
            at += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (depth == 0 && (c == ',' || c == ']' || c == '}')) {
            return at;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return window->len - window->start;
}

/* The bytes up to the items' bracket, which stands after texts alone: kubectl sorts its keys. */
static size_t items_begin(struct window *window)
{
    for (size_t at = 1; at < AROUND_LIMIT && window_has(window, at); at++) {
        char c = window->data[window->start + at];
        if (c == '[' && str_ends(str_trim(window_text(window, at)), STR(":")))
            return at + 1;
        if (c == '{' || c == '}' || c == '[' || c == ']')
            return 0;
    }
    return 0;
}

static bool names_items(struct str begin)
{
    begin = str_trim(str_slice(begin, 0, begin.len - 1));
    return str_ends(str_trim(str_slice(begin, 0, begin.len - 1)), STR("\"items\""));
}

static bool load_json_item(struct load *load, struct str text)
{
    ARENA_SCOPED arena = arena_new(DOCUMENT_LIMIT);
    struct json_object *object = arena ? json_build(arena, text, load->error) : NULL;
    return object && extract_object(load->extractor, object, record_list_sink, load->records, load->error);
}

/* Up to the bracket that closes the items. */
static bool load_items(struct load *load, struct window *window)
{
    for (bool first = true;; first = false) {
        size_t length = value_end(window);
        if (!window_has(window, length))
            return false;
        char end = window->data[window->start + length];
        bool none = first && end == ']' && str_trim(window_text(window, length)).len == 0;
        if (!none && !load_json_item(load, window_text(window, length)))
            return false;
        window->start += length + (end == ',');
        if (end != ',')
            return end == ']';
    }
}

bool load_json_list(struct load *load, struct window *window)
{
    BUF_SCOPED around;
    buf_init(&around, AROUND_LIMIT);
    size_t begin = items_begin(window);
    if (!begin || !names_items(window_text(window, begin)))
        return false;
    buf_add(&around, window_text(window, begin));
    window->start += begin;
    if (!load_items(load, window))
        return false;
    size_t rest = 0;
    while (rest < AROUND_LIMIT && window_has(window, rest))
        rest++;
    buf_add(&around, window_text(window, rest));
    /* One object, and each of its keys once: of two lists of items the second one counts. */
    ARENA_SCOPED arena = arena_new((size_t)4 * AROUND_LIMIT);
    return !window->failed && !around.failed && rest < AROUND_LIMIT && arena &&
           json_index(arena, buf_str(&around), 1, load->error) && load_piece(load, buf_str(&around), 1, PIECE_LIST);
}
