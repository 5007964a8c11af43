#include "columns.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { GAP = 2, NARROWEST = 6, TERMINAL_NARROWEST = 40 };

static const char *const tones[] = {
    [TONE_PLAIN] = "",         [TONE_GOOD] = "\033[32m", [TONE_BAD] = "\033[31m", [TONE_DOUBTFUL] = "\033[33m",
    [TONE_STRONG] = "\033[1m",
};

size_t terminal_width(int fd)
{
    struct winsize size;
    if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 0;
    return size.ws_col < TERMINAL_NARROWEST ? TERMINAL_NARROWEST : size.ws_col;
}

bool wants_colour(int fd)
{
    const char *no_colour = getenv("NO_COLOR"); /* NOLINT(concurrency-mt-unsafe): nothing here sets it */
    return isatty(fd) && !(no_colour && *no_colour);
}

void page_toned(const struct page *page, enum tone tone, struct str text)
{
    bool coloured = page->colour && tone != TONE_PLAIN;
    buf_puts(page->out, coloured ? tones[tone] : "");
    buf_add(page->out, text);
    buf_puts(page->out, coloured ? "\033[0m" : "");
}

/* Characters, near enough: names are ASCII, and quoted texts rarely wider than that. */
static size_t width_of(struct str text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.len; i++)
        width += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    return width;
}

static struct str first_characters(struct str text, size_t count)
{
    size_t at = 0;
    while (at < text.len && count > 0) {
        at++;
        while (at < text.len && ((unsigned char)text.ptr[at] & 0xC0) == 0x80)
            at++;
        count--;
    }
    return str_slice(text, 0, at);
}

void page_paragraph(const struct page *page, size_t indent, const char *first, struct str text)
{
    struct str word;
    size_t start = indent + strlen(first), at = start;
    bool fresh = true;
    buf_printf(page->out, "%*s%s", (int)indent, "", first);
    while (str_cut(&text, ' ', &word)) {
        size_t width = width_of(word);
        if (!fresh && page->width && at + 1 + width > page->width) {
            buf_printf(page->out, "\n%*s", (int)start, "");
            at = start;
            fresh = true;
        }
        if (!fresh)
            buf_putc(page->out, ' ');
        buf_add(page->out, word);
        at += width + !fresh;
        fresh = false;
    }
    buf_putc(page->out, '\n');
}

/* ---- columns ------------------------------------------------------------------- */

void columns_init(struct columns *columns, struct arena *arena, const char *const *headings, size_t count)
{
    struct cell cells[COLUMNS_MAX] = {0};
    *columns = (struct columns){.arena = arena, .count = count < COLUMNS_MAX ? count : COLUMNS_MAX};
    for (size_t i = 0; i < columns->count; i++)
        cells[i].text = str_from(headings[i]);
    columns_row(columns, cells);
}

void columns_row(struct columns *columns, const struct cell *cells)
{
    if (columns->len == columns->cap) {
        size_t cap = columns->cap ? columns->cap * 2 : 16;
        struct cell(*rows)[COLUMNS_MAX] = arena_array(columns->arena, cap, sizeof *rows);
        if (!rows)
            return;
        if (columns->len)
            memcpy(rows, columns->rows, columns->len * sizeof *rows);
        columns->rows = rows;
        columns->cap = cap;
    }
    memcpy(columns->rows[columns->len++], cells, columns->count * sizeof *cells);
}

static void measure(const struct columns *columns, size_t page_width, size_t *widths)
{
    size_t total = 0;
    for (size_t c = 0; c < columns->count; c++) {
        widths[c] = 0;
        for (size_t r = 0; r < columns->len; r++) {
            size_t width = width_of(columns->rows[r][c].text);
            widths[c] = width > widths[c] ? width : widths[c];
        }
        total += GAP + widths[c];
    }
    while (page_width && total > page_width) {
        size_t widest = 0;
        for (size_t c = 1; c < columns->count; c++)
            widest = widths[c] > widths[widest] ? c : widest;
        if (widths[widest] <= NARROWEST)
            return;
        widths[widest]--;
        total--;
    }
}

static void print_cell(const struct page *page, const struct cell *cell, size_t width, bool last, bool heading)
{
    size_t wide = width_of(cell->text), used = wide > width ? width : wide;
    struct str text = wide > width ? first_characters(cell->text, width - 3) : cell->text;
    buf_printf(page->out, "%*s", GAP, "");
    page_toned(page, heading ? TONE_STRONG : cell->tone, text);
    if (wide > width)
        buf_puts(page->out, "...");
    if (!last)
        buf_printf(page->out, "%*s", (int)(width - used), "");
}

void columns_print(const struct columns *columns, const struct page *page)
{
    size_t widths[COLUMNS_MAX];
    measure(columns, page->width, widths);
    for (size_t r = 0; r < columns->len; r++) {
        for (size_t c = 0; c < columns->count; c++)
            print_cell(page, &columns->rows[r][c], widths[c], c + 1 == columns->count, r == 0);
        buf_putc(page->out, '\n');
    }
}
