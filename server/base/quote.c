#include <string.h>

#include "backstop/base.h"

enum { QUOTE_BYTES_MAX = 120 };

static const struct buf_escape quote_escapes[] = {
    {'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\t', "\\t"}, {'\r', "\\r"}};

/* The bytes that stand for themselves, from the first on. */
static size_t plain_length(struct str text)
{
    size_t length = 0;
    while (length < text.len && text.ptr[length] >= 0x20 && text.ptr[length] < 0x7f && text.ptr[length] != '"' &&
           text.ptr[length] != '\\')
        length++;
    return length;
}

static void quote_into(struct buf *out, struct str text)
{
    bool cut = text.len > QUOTE_BYTES_MAX;
    buf_putc(out, '"');
    for (size_t i = 0; i < text.len;) {
        struct str rest = str_slice(text, i, text.len);
        size_t plain = plain_length(str_slice(text, i, cut ? QUOTE_BYTES_MAX : text.len));
        if (plain) {
            buf_add(out, str_slice(rest, 0, plain));
            i += plain;
            continue;
        }
        size_t length = cut ? str_utf8_next(rest) : 0;
        if (cut && i + (length ? length : 1) > QUOTE_BYTES_MAX)
            break;
        i += buf_add_escaped(out, rest, quote_escapes, LENGTH_OF(quote_escapes));
    }
    buf_puts(out, cut ? "...\"" : "\"");
}

/* Nearly every name and value: a text in quotes, and nothing to escape. */
static struct str quote_plain(struct arena *arena, struct str text)
{
    char *quoted = arena_alloc(arena, text.len + sizeof "\"\"");
    if (!quoted)
        return (struct str){NULL, 0};
    quoted[0] = '"';
    memcpy(quoted + 1, text.ptr, text.len);
    quoted[text.len + 1] = '"';
    return (struct str){quoted, text.len + 2};
}

struct str arena_quote(struct arena *arena, struct str text)
{
    if (text.len && text.len <= QUOTE_BYTES_MAX && plain_length(text) == text.len)
        return quote_plain(arena, text);
    BUF_SCOPED out;
    buf_init(&out, 8 * QUOTE_BYTES_MAX);
    quote_into(&out, text);
    if (out.failed) {
        arena_fail(arena);
        return (struct str){NULL, 0};
    }
    return arena_copy(arena, buf_str(&out));
}

struct str arena_quote_error(struct arena *arena, struct str text)
{
    static const struct str dots = STR_INIT("...");
    enum { LOOK = 48 };
    text = str_trim(text);
    if (text.len <= QUOTE_BYTES_MAX)
        return arena_quote(arena, text);
    size_t at = text.len - (QUOTE_BYTES_MAX - dots.len), limit = at + LOOK;
    while (at < text.len && ((unsigned char)text.ptr[at] & 0xC0) == 0x80)
        at++;
    /* Better from the beginning of one of the wrapped errors. */
    for (size_t i = at; i + 2 < text.len && i < limit; i++)
        if ((text.ptr[i] == ':' || text.ptr[i] == ',') && text.ptr[i + 1] == ' ') {
            at = i + 2;
            break;
        }
    return arena_quote(arena, arena_printf(arena, "%.*s%.*s", STR_ARG(dots), STR_ARG(str_slice(text, at, text.len))));
}

void strlist_add(struct arena *arena, struct strlist *list, struct str text)
{
    if (ARENA_ROOM(arena, list))
        list->items[list->len++] = text;
}

bool strlist_has(const struct strlist *list, struct str text)
{
    for (size_t i = 0; i < list->len; i++)
        if (str_eq(list->items[i], text))
            return true;
    return false;
}

struct str strlist_quoted(struct arena *arena, const struct strlist *list)
{
    BUF_SCOPED out;
    buf_init(&out, 64 * 1024);
    for (size_t i = 0; i < list->len; i++) {
        if (i > 0)
            buf_puts(&out, i + 1 == list->len ? " and " : ", ");
        quote_into(&out, list->items[i]);
    }
    if (out.failed) {
        arena_fail(arena);
        return (struct str){NULL, 0};
    }
    return arena_copy(arena, buf_str(&out));
}

struct str shown(struct arena *arena, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || text.ptr[i] == '"')
            return arena_quote(arena, text);
    return text.len ? text : STR("-");
}
