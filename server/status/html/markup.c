#include "status/html/markup.h"

static void escape_bytes(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        buf_printf(out, "\\x%02x", (unsigned char)bytes.ptr[i]);
}

static void put_ascii(struct buf *out, char c)
{
    static const struct {
        char c;
        const char *escape;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"},
                   {'`', "&#96;"}, {'\n', " "},   {'\t', " "},   {'\r', " "}};
    for (size_t i = 0; i < LENGTH_OF(escapes); i++)
        if (c == escapes[i].c) {
            buf_puts(out, escapes[i].escape);
            return;
        }
    if (c < ' ' || c == 0x7f)
        escape_bytes(out, (struct str){&c, 1});
    else
        buf_putc(out, c);
}

void markup_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len;) {
        struct str rest = str_slice(text, i, text.len);
        size_t length = str_utf8_next(rest), step = length ? length : 1;
        struct str character = str_slice(rest, 0, step);
        if (length == 1)
            put_ascii(out, character.ptr[0]);
        else if (length == 0 || str_misleads(character))
            escape_bytes(out, character);
        else
            buf_add(out, character);
        i += step;
    }
}

void markup_fill(struct buf *out, const char *template, const struct str *texts, size_t count)
{
    size_t used = 0;
    for (const char *at = template; *at; at++) {
        if (*at != '$' && *at != '@') {
            buf_putc(out, *at);
            continue;
        }
        if (used == count) {
            out->failed = true;
            return;
        }
        buf_puts(out, *at == '@' ? "<bdi>" : "");
        markup_text(out, texts[used++]);
        buf_puts(out, *at == '@' ? "</bdi>" : "");
    }
    out->failed = out->failed || used != count;
}

void markup_time(struct buf *out, int64_t when, int offset)
{
    static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil at = civil_from_unix(when + offset);
    char text[TIME_TEXT_SIZE];
    buf_printf(out, "<time datetime=\"%s\">%s %d %s %02d:%02d</time>", time_format(when, offset, text),
               weekdays[at.weekday], at.day, months[at.month - 1], at.hour, at.minute);
}
