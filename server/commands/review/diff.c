/* What a review would patch, shown as a diff.
 *
 * A common head and tail are cut off first, which leaves little of a patched manifest; the
 * middle is compared by a table of n times m entries, so its size is limited. */
#include "commands/review/review.h"

/* Middles of more lines are shown as all old, then all new. */
enum { LINES_LIMIT = 1500, CONTEXT = 3, MEMORY_LIMIT = 256 * 1024 * 1024 };

struct lines {
    struct str *items;
    size_t len;
};

/* The lines borrow from the text. */
static struct lines diff_split_lines(struct arena *arena, struct str text)
{
    struct lines lines = {0};
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\n';
    lines.items = arena_array(arena, count, sizeof *lines.items);
    while (lines.items && text.len && str_cut(&text, '\n', &lines.items[lines.len]))
        lines.len++;
    return lines;
}

/* One printed line: ' ' in both, '-' old, '+' new. */
struct edit {
    char sign;
    struct str line;
};
struct script {
    struct edit *items;
    size_t len;
};

static void diff_add_line(struct script *script, char sign, struct str line)
{
    script->items[script->len++] = (struct edit){sign, line};
}

/* Longest common subsequence of what stands between the common head and tail. */
static bool walk_middle(struct arena *arena, struct script *script, const struct str *a, size_t n, const struct str *b,
                        size_t m)
{
    uint16_t *length = arena_array(arena, (n + 1) * (m + 1), sizeof *length);
    if (!length)
        return false;
    for (size_t i = n; i-- > 0;)
        for (size_t j = m; j-- > 0;) {
            uint16_t below = length[(i + 1) * (m + 1) + j], right = length[i * (m + 1) + j + 1];
            uint16_t both = (uint16_t)(length[(i + 1) * (m + 1) + j + 1] + 1);
            length[i * (m + 1) + j] = str_eq(a[i], b[j]) ? both : (below >= right ? below : right);
        }
    size_t i = 0, j = 0;
    while (i < n || j < m) {
        if (i < n && j < m && str_eq(a[i], b[j])) {
            diff_add_line(script, ' ', a[i++]);
            j++;
        } else if (i < n && (j == m || length[(i + 1) * (m + 1) + j] >= length[i * (m + 1) + j + 1])) {
            diff_add_line(script, '-', a[i++]);
        } else {
            diff_add_line(script, '+', b[j++]);
        }
    }
    return true;
}

/* Empty when out of memory. */
static struct script diff_compare_lines(struct arena *arena, const struct lines *a, const struct lines *b)
{
    struct script made = {0}, *script = &made;
    if (a->items && b->items)
        made.items = arena_array(arena, a->len + b->len + 1, sizeof *made.items);
    if (!made.items)
        return made;
    size_t head = 0, tail = 0, shorter = a->len < b->len ? a->len : b->len;
    while (head < shorter && str_eq(a->items[head], b->items[head]))
        diff_add_line(script, ' ', a->items[head++]);
    while (tail < shorter - head && str_eq(a->items[a->len - 1 - tail], b->items[b->len - 1 - tail]))
        tail++;
    size_t n = a->len - head - tail, m = b->len - head - tail;
    bool small = n <= LINES_LIMIT && m <= LINES_LIMIT;
    if (!small || !walk_middle(arena, script, a->items + head, n, b->items + head, m)) {
        for (size_t i = 0; i < n; i++)
            diff_add_line(script, '-', a->items[head + i]);
        for (size_t j = 0; j < m; j++)
            diff_add_line(script, '+', b->items[head + j]);
    }
    for (size_t i = a->len - tail; i < a->len; i++)
        diff_add_line(script, ' ', a->items[i]);
    return made;
}

/* Near enough to a change to be shown with it. */
static bool is_shown(const struct script *script, size_t at)
{
    size_t from = at > CONTEXT ? at - CONTEXT : 0;
    for (size_t i = from; i <= at + CONTEXT && i < script->len; i++)
        if (script->items[i].sign != ' ')
            return true;
    return false;
}

void review_diff(struct str before, struct str after, const char *indent, bool colour, struct buf *out)
{
    ARENA_SCOPED arena = arena_new(MEMORY_LIMIT);
    if (!arena)
        return;
    struct lines a = diff_split_lines(arena, before), b = diff_split_lines(arena, after);
    struct script script = diff_compare_lines(arena, &a, &b);
    bool gap = false;
    size_t printed = 0;
    for (size_t i = 0; i < script.len; i++) {
        struct edit edit = script.items[i];
        if (!is_shown(&script, i)) {
            gap = true;
            continue;
        }
        if (gap && printed)
            buf_printf(out, "%s  ...\n", indent);
        gap = false;
        printed++;
        const char *on = edit.sign == '+' ? "\033[32m" : (edit.sign == '-' ? "\033[31m" : "");
        bool coloured = colour && *on;
        buf_printf(out, "%s%s%c ", indent, coloured ? on : "", edit.sign);
        buf_add_printable(out, edit.line, false);
        buf_puts(out, coloured ? "\033[0m\n" : "\n");
    }
}
