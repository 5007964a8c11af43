#include "status/html/markup.h"

static const struct buf_escape markup_escapes[] = {{'&', "&amp;"},  {'<', "&lt;"},   {'>', "&gt;"},
                                                   {'"', "&quot;"}, {'\'', "&#39;"}, {'`', "&#96;"},
                                                   {'\n', " "},     {'\t', " "},     {'\r', " "}};

void markup_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len;)
        i += buf_add_escaped(out, str_slice(text, i, text.len), markup_escapes, LENGTH_OF(markup_escapes));
}

/* A piece of a word, which ends with a slash or with the word: what is longer than words are may break anywhere. */
static void markup_piece(struct buf *out, struct str piece, bool last)
{
    enum { LONG = 24 };
    size_t columns = 0; /* about: what is not ASCII may be shown as escapes */
    for (size_t i = 0; i < piece.len; i++)
        columns += (unsigned char)piece.ptr[i] < 0x80 ? 1 : 2;
    buf_puts(out, columns > LONG ? "<span class=\"long\">" : "");
    markup_text(out, piece);
    buf_puts(out, columns > LONG ? "</span>" : "");
    buf_puts(out, last ? "" : "<wbr>");
}

/* A name or a sentence of the cluster. Browsers break it after spaces and hyphens; where a word is too long for a
 * narrow screen, after its slashes too. */
static void markup_name(struct buf *out, struct str text)
{
    enum { WORD = 16 };
    buf_puts(out, "<bdi>");
    for (size_t at = 0, end; at < text.len; at = end) {
        for (end = at + 1; end < text.len && text.ptr[end - 1] != ' ' && text.ptr[end - 1] != '-';)
            end++;
        for (size_t from = at, to; from < end; from = to) {
            bool whole = end - at <= WORD;
            for (to = from + 1; to < end && (whole || text.ptr[to - 1] != '/' || text.ptr[to] == '/');)
                to++;
            markup_piece(out, str_slice(text, from, to), to == end);
        }
    }
    buf_puts(out, "</bdi>");
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
        if (*at == '@')
            markup_name(out, texts[used++]);
        else
            markup_text(out, texts[used++]);
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
