#include "backstop/cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

bool terminal_colour(const char *color)
{
    if (color && strcmp(color, "auto") != 0)
        return strcmp(color, "always") == 0;
    return terminal_obeys(STDOUT_FILENO) && !*terminal_variable("NO_COLOR");
}

int terminal_check(const struct command *command, const struct terminal_options *options)
{
    static const char *const colors[] = {"auto", "always", "never"};
    bool known = options->color == NULL;
    for (size_t i = 0; i < LENGTH_OF(colors) && !known; i++)
        known = strcmp(options->color, colors[i]) == 0;
    if (!known)
        return command_fail(command, "--color %s: expected auto, always or never", options->color);
    if (options->width > 0 && (options->width < NARROWEST || options->width > WIDEST))
        return command_fail(command, "--width: expected 0, or %d to %d", NARROWEST, WIDEST);
    return EXIT_OK;
}

struct page terminal_page(const struct terminal_options *options, struct buf *out)
{
    return (struct page){.out = out,
                         .width = options->width < 0 ? width_of_terminal(STDOUT_FILENO) : (size_t)options->width,
                         .colour = terminal_colour(options->color),
                         .ascii = options->ascii || !speaks_utf8() || is_dumb()};
}
