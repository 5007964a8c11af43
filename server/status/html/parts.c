/* What sections of the page are made of. Text of the cluster enters it only through markup_text, so that no object's
 * name is ever markup. */
#include <string.h>

#include "status/html/html.h"

void html_section(const struct html_page *page, const char *id, const char *heading)
{
    buf_printf(page->out, "<section aria-labelledby=\"%s\"><h2 id=\"%s\">%s</h2>\n", id, id, heading);
}

void html_section_end(const struct html_page *page)
{
    buf_puts(page->out, "</section>\n");
}

/* A region that scrolls and can be reached by keyboard, named like its caption. */
struct html_table html_table(const struct html_page *page, const char *class, const char *name,
                             const char *const *headings)
{
    buf_printf(page->out,
               "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"%s\"><table%s%s%s><caption>%s"
               "</caption><thead><tr>",
               name, *class ? " class=\"" : "", class, *class ? "\"" : "", name);
    for (size_t i = 0; headings[i]; i++)
        buf_printf(page->out, "<th scope=\"col\">%s</th>", headings[i]);
    buf_puts(page->out, "</tr></thead><tbody>\n");
    return (struct html_table){page, headings, 0};
}

/* The first cell of a row is its heading. */
static void row_end(struct html_table *table)
{
    if (table->column)
        buf_puts(table->page->out, table->column == 1 ? "</th></tr>\n" : "</td></tr>\n");
    table->column = 0;
}

void html_row(struct html_table *table)
{
    row_end(table);
    buf_puts(table->page->out, "<tr><th scope=\"row\">");
    table->column = 1;
}

void html_cell(struct html_table *table, const char *class)
{
    buf_puts(table->page->out, table->column == 1 ? "</th><td" : "</td><td");
    if (*class)
        buf_printf(table->page->out, " class=\"%s\"", class);
    buf_printf(table->page->out, " data-label=\"%s\">", table->headings[table->column++]);
}

void html_cell_text(struct html_table *table, struct str text)
{
    html_cell(table, text.len ? "" : "none");
    MARKUP(table->page->out, "@", text.len ? text : STR("-"));
}

void html_cell_when(struct html_table *table, int64_t when)
{
    html_cell(table, when ? "" : "none");
    html_when(table->page, when);
}

/* How many rows are missing is said, and where they are. */
void html_table_end(struct html_table *table, size_t shown_rows, size_t total)
{
    const struct html_page *page = table->page;
    row_end(table);
    buf_puts(page->out, "</tbody></table></div>\n");
    if (total > shown_rows)
        buf_printf(page->out, "<p class=\"muted\">and %zu more: <code>backstop status -o json</code> lists them</p>\n",
                   total - shown_rows);
}

const char *html_sign_class(enum html_sign sign)
{
    static const char *const classes[] = {
        [SIGN_NONE] = "",        [SIGN_GOOD] = "tone-good", [SIGN_WARN] = "tone-warn",
        [SIGN_BAD] = "tone-bad", [SIGN_INFO] = "tone-info", [SIGN_UNKNOWN] = "tone-unknown"};
    return classes[sign];
}

const char *html_card_class(enum html_sign sign)
{
    return sign == SIGN_NONE ? "none" : html_sign_class(sign) + strlen("tone-");
}

/* The sign before the words is made by the style sheet, with an empty text for readers of
 * screens. */
void html_badge(const struct html_page *page, enum html_sign sign, struct str words)
{
    if (sign == SIGN_NONE)
        MARKUP(page->out, "@", words);
    else
        MARKUP(page->out, "<span class=\"badge $\">@</span>", str_from(html_sign_class(sign)), words);
}

/* As phase_tone of the text screen, with a sign of its own for what is under way. */
enum html_sign html_phase_sign(struct str phase)
{
    static const struct {
        const char *phase;
        enum html_sign sign;
    } signs[] = {
        {"Available", SIGN_GOOD}, {"Unavailable", SIGN_BAD},   {"completed", SIGN_GOOD}, {"failed", SIGN_BAD},
        {"stuck", SIGN_BAD},      {"in the future", SIGN_BAD}, {"running", SIGN_INFO},   {"not started", SIGN_INFO},
        {"none", SIGN_WARN},      {"too old", SIGN_WARN},      {"gone", SIGN_WARN},      {"adopted", SIGN_WARN},
    };
    for (size_t i = 0; i < LENGTH_OF(signs); i++)
        if (str_is(phase, signs[i].phase))
            return signs[i].sign;
    if (phase_has_failed(phase))
        return SIGN_BAD;
    switch (phase.len ? phase_of(phase) : PHASE_DELETING) {
    case PHASE_COMPLETED:
        return SIGN_GOOD;
    case PHASE_WAITING:
    case PHASE_RUNNING:
        return SIGN_INFO;
    case PHASE_DELETING:
        return SIGN_NONE;
    default:
        return SIGN_WARN;
    }
}

struct str html_distance(const struct html_page *page, int64_t when)
{
    char text[TIME_TEXT_SIZE];
    int64_t away = when - page->view->now;
    if (when == 0)
        return STR("-");
    if (away == 0)
        return STR("just now");
    duration_format(away < 0 ? -away : away, text);
    return arena_printf(page->view->arena, "%s%s%s", away > 0 ? "in " : "", text, away < 0 ? " ago" : "");
}

void html_when(const struct html_page *page, int64_t when)
{
    if (when == 0) {
        buf_puts(page->out, "-");
        return;
    }
    markup_time(page->out, when, 0);
    MARKUP(page->out, " <span class=\"when\">UTC, $</span>", html_distance(page, when));
}

struct str html_count(const struct html_page *page, size_t count, const char *one, const char *many)
{
    return arena_printf(page->view->arena, "%zu %s", count, count == 1 ? one : many);
}

/* By characters: bytes could end within one. */
struct str html_cut(const struct html_page *page, struct str text, size_t characters)
{
    size_t at = 0;
    for (size_t i = 0; i < characters && at < text.len; i++) {
        size_t length = str_utf8_next(str_slice(text, at, text.len));
        at += length ? length : 1;
    }
    if (at >= text.len)
        return text;
    return arena_printf(page->view->arena, "%.*s\xe2\x80\xa6", STR_ARG(str_slice(text, 0, at)));
}

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

/* Templates are literals; a wrong number of texts shows up in any test that draws the page. */
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
