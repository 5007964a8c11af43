/* What a terminal can show: its width, whether colours are wanted, and tables whose columns share what there is. A width
 * is counted in columns, not bytes: some characters take two and some none. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "backstop/cli.h"

enum { GAP = 2, LABEL_WIDEST = 24, BLOCK_INDENT = 4 };

/* Cyan, red and yellow of the terminal's own theme: told apart by those who do not tell red from
 * green, and never the only sign of anything. The text always says the same without them:
 * NO_COLOR, a pipe and a screen reader lose nothing. */
static const char *const tones[] = {
    [TONE_PLAIN] = "",         [TONE_GOOD] = "\033[36m", [TONE_BAD] = "\033[1;31m", [TONE_DOUBTFUL] = "\033[33m",
    [TONE_STRONG] = "\033[1m", [TONE_FAINT] = "\033[2m",
};

void page_mark(const struct page *page, enum tone tone, const char *mark)
{
    bool coloured = page->colour && tone != TONE_PLAIN;
    buf_puts(page->out, coloured ? tones[tone] : "");
    buf_puts(page->out, mark);
    buf_puts(page->out, coloured ? "\033[0m" : "");
}

void page_toned(const struct page *page, enum tone tone, struct str text)
{
    bool coloured = page->colour && tone != TONE_PLAIN;
    buf_puts(page->out, coloured ? tones[tone] : "");
    buf_add_printable(page->out, text, page->ascii);
    buf_puts(page->out, coloured ? "\033[0m" : "");
}

enum prose { PROSE, COMMAND };

/* What stands in quotes is one word of a command. */
static bool cut_word(struct str *rest, enum prose prose, struct str *word)
{
    char quote = '\0';
    if (!rest->ptr)
        return false;
    for (size_t i = 0; i < rest->len; i++) {
        char c = rest->ptr[i];
        if (prose == COMMAND && (quote ? c == quote : c == '\'' || c == '"'))
            quote = quote ? '\0' : c;
        if (c == ' ' && !quote) {
            *word = str_slice(*rest, 0, i);
            *rest = str_slice(*rest, i + 1, rest->len);
            return true;
        }
    }
    *word = *rest;
    *rest = (struct str){NULL, 0};
    return true;
}

/* Words from column `at` on; further lines begin at `start`. */
static void columns_fill_line(const struct page *page, enum prose prose, size_t at, size_t start, struct str text)
{
    const struct str go_on = prose == COMMAND ? STR(" \\") : STR("");
    BUF_SCOPED safe;
    struct str rest, word;
    bool fresh = true;
    buf_init(&safe, 4 * text.len + 1);
    buf_add_printable(&safe, text, page->ascii);
    page->out->failed |= safe.failed;
    for (rest = buf_str(&safe); cut_word(&rest, prose, &word); fresh = false) {
        size_t width = str_columns(word), after = rest.ptr ? go_on.len : 0;
        if (!fresh && page->width && at + 1 + width + after > page->width) {
            size_t room = page->width > width + after ? page->width - width - after : 0;
            at = start < room ? start : room; /* a word that is too long for its place moves to the left */
            buf_printf(page->out, "%.*s\n%*s", STR_ARG(go_on), (int)at, "");
            fresh = true;
        }
        if (!fresh)
            buf_putc(page->out, ' ');
        buf_add(page->out, word);
        at += width + !fresh;
    }
    buf_putc(page->out, '\n');
}

/* The command at the end of a paragraph that does not fit has a line of its own: pasted with the words before it, it
 * would be another command. */
void page_paragraph(const struct page *page, size_t indent, const char *first, struct str text)
{
    size_t start = indent + strlen(first), command = str_command_at(text);
    buf_printf(page->out, "%*s%s", (int)indent, "", first);
    if (page->width == 0 || start + str_columns(text) <= page->width)
        command = command ? text.len : 0;
    if (command > 0)
        columns_fill_line(page, PROSE, start, start, str_trim(str_slice(text, 0, command)));
    if (command > 0 && command < text.len)
        buf_printf(page->out, "%*s", (int)start, "");
    if (command < text.len)
        columns_fill_line(page, COMMAND, start, start, str_slice(text, command, text.len));
}

void page_label(const struct page *page, size_t indent, enum tone tone, struct str text, size_t room)
{
    size_t used = str_columns(text);
    buf_printf(page->out, "%*s", (int)indent, "");
    page_toned(page, tone, text);
    if (!room)
        return;
    if (used > room)
        buf_printf(page->out, "\n%*s", (int)(indent + room), "");
    else
        buf_printf(page->out, "%*s", (int)(room - used), "");
}

/* What stands after a heading that ends in column `at`: from column `start` on where it fits there, else below. */
static void page_value(const struct page *page, enum tone tone, size_t at, size_t start, struct str text)
{
    bool coloured = page->colour && tone != TONE_PLAIN, fits = start + str_columns(text) <= page->width;
    if (fits)
        buf_printf(page->out, "%*s", (int)(start - at), "");
    else
        buf_printf(page->out, "\n%*s", BLOCK_INDENT + GAP, "");
    buf_puts(page->out, coloured ? tones[tone] : "");
    columns_fill_line(page, PROSE, fits ? start : BLOCK_INDENT + GAP, BLOCK_INDENT + GAP, text);
    buf_puts(page->out, coloured ? "\033[0m" : "");
}

void page_sentence(const struct page *page, enum tone tone, struct str first, struct str text)
{
    page_toned(page, tone, first);
    columns_fill_line(page, PROSE, str_columns(first), GAP, text);
}

/* ---- columns ------------------------------------------------------------------- */

struct columns_row {
    struct cell cells[COLUMNS_MAX];
    struct str brief[COLUMNS_MAX];
};

/* A heading "LAST|BACKUP" is "LAST BACKUP" where there is room and "LAST" where there is not;
 * "?" at the front marks a column that may be left out. */
void columns_init(struct columns *columns, struct arena *arena, const char *const *headings, size_t count)
{
    struct cell cells[COLUMNS_MAX] = {0};
    *columns = (struct columns){.arena = arena, .count = count < COLUMNS_MAX ? count : COLUMNS_MAX};
    columns_row(columns, cells);
    for (size_t i = 0; i < columns->count && columns->len; i++) {
        columns->dispensable[i] = headings[i][0] == '?';
        struct str rest = str_from(headings[i] + columns->dispensable[i]), brief;
        struct cell *cell = &columns->rows[0].cells[i];
        cell->text = rest;
        str_cut(&rest, '|', &brief);
        if (rest.len)
            cell->text = arena_printf(arena, "%.*s %.*s", STR_ARG(brief), STR_ARG(rest));
        columns_brief(columns, i, brief);
    }
}

void columns_row(struct columns *columns, const struct cell *cells)
{
    if (!arena_room(columns->arena, &columns->rows, columns->len, &columns->cap, sizeof *columns->rows))
        return;
    memcpy(columns->rows[columns->len++].cells, cells, columns->count * sizeof *cells);
}

void columns_brief(struct columns *columns, size_t column, struct str text)
{
    if (columns->len)
        columns->rows[columns->len - 1].brief[column] = text;
}

static size_t columns_measure(const struct columns *columns, size_t *widths)
{
    size_t total = 0;
    for (size_t c = 0; c < columns->count; c++) {
        widths[c] = 0;
        for (size_t r = 0; r < columns->len; r++) {
            size_t width = str_columns(columns->rows[r].cells[c].text);
            widths[c] = width > widths[c] ? width : widths[c];
        }
        total += GAP + widths[c];
    }
    return total;
}

static void make_printable(const struct columns *columns, bool brief, bool ascii)
{
    for (size_t r = 0; r < columns->len; r++)
        for (size_t c = 0; c < columns->count; c++) {
            struct columns_row *row = &columns->rows[r];
            struct str text = brief && row->brief[c].len ? row->brief[c] : row->cells[c].text;
            row->cells[c].text = arena_printable(columns->arena, text, ascii);
        }
}

/* The last of the columns whose heading begins with "?": those that refine what others say. */
static bool drop_column(struct columns *columns)
{
    size_t at = columns->count;
    while (at > 0 && !columns->dispensable[at - 1])
        at--;
    if (at == 0)
        return false;
    size_t after = columns->count-- - at;
    memmove(&columns->dispensable[at - 1], &columns->dispensable[at], after * sizeof columns->dispensable[0]);
    for (size_t r = 0; r < columns->len; r++)
        memmove(&columns->rows[r].cells[at - 1], &columns->rows[r].cells[at], after * sizeof(struct cell));
    return true;
}

/* How wide the rows are when long names in the first column have a line of their own. */
static size_t columns_needed(const struct columns *columns, size_t *widths)
{
    size_t total = columns_measure(columns, widths);
    size_t over = widths[0] > LABEL_WIDEST ? widths[0] - LABEL_WIDEST : 0;
    widths[0] -= over;
    return total - over;
}

static void print_cell(const struct page *page, const struct cell *cell, size_t width, bool last, bool heading)
{
    buf_printf(page->out, "%*s", GAP, "");
    page_toned(page, heading ? TONE_STRONG : cell->tone, cell->text);
    if (!last)
        buf_printf(page->out, "%*s", (int)(width - str_columns(cell->text)), "");
}

static void columns_print_rows(const struct columns *columns, const struct page *page, const size_t *widths)
{
    for (size_t r = 0; r < columns->len; r++) {
        const struct cell *cells = columns->rows[r].cells;
        page_label(page, GAP, r ? cells[0].tone : TONE_STRONG, cells[0].text, columns->count > 1 ? widths[0] : 0);
        for (size_t c = 1; c < columns->count; c++)
            print_cell(page, &cells[c], widths[c], c + 1 == columns->count, r == 0);
        buf_putc(page->out, '\n');
    }
}

/* Each row a block: its name, and below it each cell that tells something after its heading. */
static void columns_print_blocks(const struct columns *columns, const struct page *page)
{
    const struct columns_row *headings = columns->rows;
    size_t aligned = 0; /* columns of the headings, where there is room for that */
    for (size_t c = 1; c < columns->count; c++)
        aligned = str_columns(headings->brief[c]) > aligned ? str_columns(headings->brief[c]) : aligned;
    aligned = BLOCK_INDENT + aligned + GAP + LABEL_WIDEST <= page->width ? aligned : 0;
    for (size_t r = 1; r < columns->len; r++) {
        const struct cell *cells = columns->rows[r].cells;
        buf_printf(page->out, "%*s", GAP, "");
        page_toned(page, cells[0].tone == TONE_PLAIN ? TONE_STRONG : cells[0].tone, cells[0].text);
        buf_putc(page->out, '\n');
        for (size_t c = 1; c < columns->count; c++) {
            if (cells[c].text.len == 0 || str_is(cells[c].text, "-"))
                continue;
            struct str heading = headings->brief[c];
            size_t used = str_columns(heading), room = used > aligned ? used : aligned;
            buf_printf(page->out, "%*s", BLOCK_INDENT, "");
            page_toned(page, TONE_FAINT, heading);
            page_value(page, cells[c].tone, BLOCK_INDENT + used, BLOCK_INDENT + room + GAP, cells[c].text);
        }
    }
}

/* Each step only when the one before does not fit: full texts; brief texts, with long names on a
 * line of their own and without dispensable columns; each row as a block. Without a width (a
 * pipe, --width 0) it is always the first, so that a script finds every column. */
void columns_print(struct columns *columns, const struct page *page)
{
    size_t widths[COLUMNS_MAX] = {0};
    struct columns brief = *columns;
    make_printable(columns, false, page->ascii);
    if (columns_measure(columns, widths) <= page->width || !page->width || !columns->len) {
        columns_print_rows(columns, page, widths);
        return;
    }
    brief.rows = arena_array(columns->arena, columns->len, sizeof *brief.rows);
    if (!brief.rows)
        return;
    memcpy(brief.rows, columns->rows, columns->len * sizeof *brief.rows);
    make_printable(&brief, true, page->ascii);
    while (columns_needed(&brief, widths) > page->width && drop_column(&brief))
        continue;
    if (columns_needed(&brief, widths) <= page->width)
        columns_print_rows(&brief, page, widths);
    else
        columns_print_blocks(columns, page);
}

void page_heading(const struct page *page, const char *text)
{
    buf_putc(page->out, '\n');
    page_toned(page, TONE_STRONG, str_from(text));
    buf_putc(page->out, '\n');
}

enum { NARROWEST = 40, WIDEST = 10000 };

/* Nothing here ever writes the environment. */
static const char *terminal_variable(const char *name)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe) */
    return value ? value : "";
}

static size_t within_bounds(int64_t columns)
{
    return columns < NARROWEST ? NARROWEST : columns > WIDEST ? WIDEST : (size_t)columns;
}

/* What the terminal says; COLUMNS, which shells export on demand, for one that says
 * nothing. 0 for what is no terminal. */
static size_t width_of_terminal(int fd)
{
    struct winsize size = {0};
    int64_t columns;
    if (!isatty(fd))
        return 0;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col)
        return within_bounds(size.ws_col);
    return str_to_int64(str_from(terminal_variable("COLUMNS")), &columns) && columns > 0 ? within_bounds(columns) : 80;
}

size_t terminal_rows(int fd)
{
    struct winsize size = {0};
    return isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

size_t terminal_columns(int fd)
{
    struct winsize size = {0};
    return isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* The first of the three that is not empty decides, as in setlocale. */
static bool speaks_utf8(void)
{
    const char *locale = terminal_variable("LC_ALL");
    if (!*locale)
        locale = terminal_variable("LC_CTYPE");
    if (!*locale)
        locale = terminal_variable("LANG");
    return strcasestr(locale, "UTF-8") || strcasestr(locale, "UTF8");
}

static bool is_dumb(void)
{
    return strcmp(terminal_variable("TERM"), "dumb") == 0;
}

bool terminal_obeys(int fd)
{
    return isatty(fd) && !is_dumb();
}

bool terminal_colour(enum terminal_colours choice)
{
    if (choice != COLOUR_AUTO)
        return choice == COLOUR_ALWAYS;
    return terminal_obeys(STDOUT_FILENO) && !*terminal_variable("NO_COLOR");
}

int terminal_check(const struct command *command, const struct terminal_options *options)
{
    if (options->width > 0 && (options->width < NARROWEST || options->width > WIDEST))
        return command_fail(command, "--width: expected 0, or %d to %d", NARROWEST, WIDEST);
    return EXIT_OK;
}

struct page terminal_page(const struct terminal_options *options, struct buf *out)
{
    return (struct page){.out = out,
                         .width = options->width < 0 ? width_of_terminal(STDOUT_FILENO) : (size_t)options->width,
                         .colour = terminal_colour((enum terminal_colours)options->color),
                         .ascii = options->ascii || !speaks_utf8() || is_dumb()};
}
