#include <string.h>

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

/* The bytes up to and with the bracket of "items", which stands behind texts and the List's own metadata alone. */
static size_t items_begin(struct window *window)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t at = 1; at < AROUND_LIMIT && window_has(window, at); at++) {
        char c = window->data[window->start + at];
        if (quoted) {
            at += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' && depth == 0) {
            return at + 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && depth-- == 0) {
            return 0;
        }
    }
    return 0;
}

static bool names_items(struct str begin)
{
    begin = str_trim(str_slice(begin, 0, begin.len - 1));
    return str_ends(begin, STR(":")) && str_ends(str_trim(str_slice(begin, 0, begin.len - 1)), STR("\"items\""));
}

/* `begin`: a BackupList up to its items, which may not say what they are, so that each is read in it; absent
 * for a List of whatever it is. */
static bool load_json_item(struct load *load, struct str begin, struct str text)
{
    ARENA_SCOPED arena = arena_new(DOCUMENT_LIMIT);
    if (arena && begin.len)
        text = arena_printf(arena, "%.*s%.*s]}", STR_ARG(begin), STR_ARG(text));
    struct json_object *tree = arena && text.ptr ? json_build(arena, text, load->error) : NULL;
    return tree && extract_object(load->extractor, tree, record_list_sink, load->records, load->error);
}

/* Whether it is the List of one kind; the items of another may be Lists themselves. */
static bool lists_one_kind(struct str begin)
{
    struct error ignored;
    ARENA_SCOPED arena = arena_new((size_t)4 * AROUND_LIMIT);
    struct str list = arena ? arena_printf(arena, "%.*s]}", STR_ARG(begin)) : (struct str){NULL, 0};
    struct str kind =
        json_text(arena, list.ptr ? json_member(json_index(arena, list, 1, &ignored), STR("kind")) : NULL);
    return kind.len > strlen("List");
}

/* Up to the bracket that closes the items. */
static bool load_items(struct load *load, struct window *window, struct str begin)
{
    for (bool first = true;; first = false) {
        size_t length = value_end(window);
        if (!window_has(window, length))
            return false;
        char end = window->data[window->start + length];
        bool none = first && end == ']' && str_trim(window_text(window, length)).len == 0;
        if (!none && !load_json_item(load, begin, window_text(window, length)))
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
    struct str head = lists_one_kind(buf_str(&around)) ? buf_str(&around) : (struct str){NULL, 0};
    if (around.failed || !load_items(load, window, head))
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
