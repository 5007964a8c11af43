#include "status/html/markup.h"

static const struct buf_escape markup_escapes[] = {{'&', "&amp;"},  {'<', "&lt;"},   {'>', "&gt;"},
                                                   {'"', "&quot;"}, {'\'', "&#39;"}, {'`', "&#96;"},
                                                   {'\n', " "},     {'\t', " "},     {'\r', " "}};

void markup_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len;)
        i += buf_add_escaped(out, str_slice(text, i, text.len), markup_escapes, LENGTH_OF(markup_escapes));
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
