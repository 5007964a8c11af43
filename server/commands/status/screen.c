/* `--watch`: the picture drawn again and again on the terminal's other screen, with the keys of
 * less. Where output is no terminal the pictures follow one another, divided by "---". */
#include "commands/status/status.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "backstop/cli.h"

enum { PICTURE_LIMIT = 64 * 1024 * 1024, ROWS_UNKNOWN = 24, ROW_LIMIT = 4096 };

/* The other screen, no cursor, no wrapping by the terminal: rows are counted here; and all of it back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

/* ---- signals ------------------------------------------------------------------- */

static int signal_pipe[2] = {-1, -1}; /* handlers may do little but write */

static void note_signal(int number)
{
    int before = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t ignored = write(signal_pipe[1], &byte, 1);
    (void)ignored;
    errno = before;
}

static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP};

/* SIGTSTP is among them since the terminal must be given back before the shell is. */
struct signals {
    sigset_t mask; /* as it was before; and while waiting */
    struct sigaction actions[LENGTH_OF(watched)];
};

/* ---- the terminal ---------------------------------------------------------------- */

/* The picture is kept as text and cut into rows when it is painted, so that a resized window or
 * a key needs no new facts. */
struct screen {
    const struct screen_options *options;
    bool terminal, keys; /* output is one; input is one */
    struct termios before;
    struct signals signals; /* how they were before */
    struct buf picture;
    size_t top, lines; /* the first line shown, and how many there are */
    bool first, help;  /* no picture was written yet; help stands in its place */
};

/* Raw input, but for signals: control-C still ends. Where that cannot be set there are no keys. */
static void screen_enter(struct screen *screen)
{
    if (screen->keys && tcgetattr(STDIN_FILENO, &screen->before) == 0) {
        struct termios raw = screen->before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    } else {
        screen->keys = false;
    }
    (void)!fd_write(STDOUT_FILENO, STR(ENTER));
}

static void screen_leave(struct screen *screen)
{
    (void)!fd_write(STDOUT_FILENO, STR(LEAVE));
    if (screen->keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
}

static size_t screen_rows(void)
{
    size_t all = terminal_rows(STDOUT_FILENO);
    return (all ? all : ROWS_UNKNOWN) - 1; /* the last one is ours */
}

/* As much of a line as a row of the terminal holds. Colours take no columns, and last into the next row. */
static struct str cut_row(struct str *line, size_t columns)
{
    size_t at = 0, used = 0;
    while (at < line->len) {
        size_t end = at + 1;
        if (line->ptr[at] == '\033') {
            while (end < line->len && line->ptr[end - 1] != 'm')
                end++;
        } else {
            while (end < line->len && ((unsigned char)line->ptr[end] & 0xc0) == 0x80)
                end++;
            size_t width = str_columns(str_slice(*line, at, end));
            if (used && used + width > columns)
                break;
            used += width;
        }
        at = end;
    }
    struct str row = str_slice(*line, 0, at);
    *line = str_slice(*line, at, line->len);
    return row;
}

/* The next row of the picture. Lines without a word that long were broken by who drew them. */
static bool next_row(struct str *rest, struct str *line, size_t columns, struct str *row)
{
    if (!line->len && (!rest->len || !str_cut(rest, '\n', line)))
        return false;
    *row = columns ? cut_row(line, columns) : *line;
    if (!columns)
        *line = STR("");
    return true;
}

/* Keys and what they do are those of less; with one that does nothing here nothing happens. */
static const char help[] = "Keys, as less has them\n\n"
                           "  q      end; from here, go back\n"
                           "  j k    a line down, up (also e y,\n"
                           "         Enter and the arrows)\n"
                           "  d u    half a screen down, up\n"
                           "  f b    a screen down, up (also Space\n"
                           "         and the page keys)\n"
                           "  g G    to the top, to the end (also\n"
                           "         < > and Home, End)\n"
                           "  r      draw it again now\n"
                           "  ? h    this help\n"
                           "  ctrl-C end\n";

/* In fewer words where the terminal is narrow. */
static void put_hint(const struct screen *screen, size_t shown, struct buf *frame)
{
    const char *dot = screen->options->ascii ? "-" : "·";
    size_t columns = terminal_columns(STDOUT_FILENO), last = screen->top + shown;
    BUF_SCOPED hint;
    buf_init(&hint, ROW_LIMIT);
    if (screen->help)
        buf_puts(&hint, "any key: back to the status");
    else
        buf_printf(&hint, "every %llds %s q quits %s ? help", (long long)screen->options->seconds, dot, dot);
    if (!screen->help && screen->lines > screen_rows())
        buf_printf(&hint, " %s j and k scroll: %zu to %zu of %zu lines", dot, screen->top + 1, last, screen->lines);
    if (columns && str_columns(buf_str(&hint)) > columns) {
        buf_clear(&hint);
        buf_printf(&hint, "q quits %s ? help", dot);
        if (screen->lines > screen_rows())
            buf_printf(&hint, " %s %zu/%zu", dot, last, screen->lines);
    }
    buf_printf(frame, "\033[%zu;1H%s", screen_rows() + 1, screen->options->colour ? "\033[2m" : "");
    buf_add(frame, buf_str(&hint));
    buf_puts(frame, screen->options->colour ? "\033[0m\033[K" : "\033[K");
}

/* The first line shown when the last one is. */
static size_t screen_last_top(const struct screen *screen)
{
    return screen->lines > screen_rows() ? screen->lines - screen_rows() : 0;
}

/* Over the last picture, line by line, in one write: nothing flickers. */
static bool screen_paint(struct screen *screen)
{
    BUF_SCOPED frame;
    struct str rest = buf_str(&screen->picture), line = STR(""), row;
    size_t at = 0, shown = 0, room = screen_rows(), columns = terminal_columns(STDOUT_FILENO);
    buf_init(&frame, PICTURE_LIMIT);
    for (screen->lines = 0; next_row(&rest, &line, columns, &row);)
        screen->lines++;
    screen->top = screen->top < screen_last_top(screen) ? screen->top : screen_last_top(screen);
    rest = screen->help ? STR(help) : buf_str(&screen->picture);
    buf_puts(&frame, "\033[H");
    while (shown < room && next_row(&rest, &line, columns, &row)) {
        if (!screen->help && at++ < screen->top)
            continue;
        buf_add(&frame, row);
        buf_puts(&frame, "\033[K\n");
        shown++;
    }
    buf_puts(&frame, "\033[J");
    put_hint(screen, shown, &frame);
    return !frame.failed && fd_write(STDOUT_FILENO, buf_str(&frame));
}

/* ---- pictures ----------------------------------------------------------------------- */

/* A picture that cannot be drawn ends the watching. */
static bool screen_show(struct screen *screen)
{
    const struct screen_options *options = screen->options;
    buf_clear(&screen->picture);
    if (!options->draw(options->context, &screen->picture) || screen->picture.failed)
        return false;
    if (screen->terminal)
        return screen_paint(screen);
    bool apart = !screen->first && !options->lines;
    screen->first = false;
    return (!apart || fd_write(STDOUT_FILENO, STR("\n---\n\n"))) && fd_write(STDOUT_FILENO, buf_str(&screen->picture));
}

/* What ended the wait: time for new facts, only a new painting, or the end. */
enum event { EVENT_TICK, EVENT_PAINT, EVENT_END };

/* How far one key goes: lines, or halves of a screen; to the top or the end: further than anything is long. */
enum { FAR = 1 << 30 };
static const struct {
    struct str key;
    int lines, halves;
} moves[] = {
    {STR_INIT("j"), 1, 0},         {STR_INIT("e"), 1, 0},         {STR_INIT("\n"), 1, 0},
    {STR_INIT("\r"), 1, 0},        {STR_INIT("\033[B"), 1, 0},    {STR_INIT("\033OB"), 1, 0},
    {STR_INIT("k"), -1, 0},        {STR_INIT("y"), -1, 0},        {STR_INIT("\033[A"), -1, 0},
    {STR_INIT("\033OA"), -1, 0},   {STR_INIT("d"), 0, 1},         {STR_INIT("u"), 0, -1},
    {STR_INIT(" "), 0, 2},         {STR_INIT("f"), 0, 2},         {STR_INIT("\033[6~"), 0, 2},
    {STR_INIT("b"), 0, -2},        {STR_INIT("\033[5~"), 0, -2},  {STR_INIT("g"), -FAR, 0},
    {STR_INIT("<"), -FAR, 0},      {STR_INIT("\033[H"), -FAR, 0}, {STR_INIT("\033[1~"), -FAR, 0},
    {STR_INIT("\033OH"), -FAR, 0}, {STR_INIT("G"), FAR, 0},       {STR_INIT(">"), FAR, 0},
    {STR_INIT("\033[F"), FAR, 0},  {STR_INIT("\033[4~"), FAR, 0}, {STR_INIT("\033OF"), FAR, 0},
};

/* Moves by a line or by halves of a screen, within the picture; ? and h open the help. */
static void on_key(struct screen *screen, struct str key)
{
    for (size_t i = 0; i < LENGTH_OF(moves); i++) {
        if (!str_eq(key, moves[i].key))
            continue;
        int64_t rows = (int64_t)screen_rows(), last = (int64_t)screen_last_top(screen);
        int64_t to = (int64_t)screen->top + moves[i].lines + moves[i].halves * rows / 2;
        screen->top = (size_t)(to < 0 ? 0 : to > last ? last : to);
        return;
    }
    screen->help = str_is(key, "?") || str_is(key, "h") || str_is(key, "H");
}

/* The bytes of one key: those of an escape sequence are no keys of their own. */
static size_t key_length(struct str typed)
{
    size_t end = 1;
    if (typed.ptr[0] != '\033')
        return 1;
    if (typed.len > 1 && (typed.ptr[1] == '[' || typed.ptr[1] == 'O'))
        for (end = 2; end < typed.len && (typed.ptr[end] < '@' || typed.ptr[end] > '~'); end++)
            continue;
    return end < typed.len ? end + 1 : typed.len;
}

static enum event on_keys(struct screen *screen, struct str typed)
{
    enum event event = EVENT_PAINT;
    while (typed.len) {
        size_t used = key_length(typed);
        if (screen->help)
            screen->help = false; /* any key, and q too, leads back */
        else if (typed.ptr[0] == 'q' || typed.ptr[0] == 'Q')
            return EVENT_END;
        else if (typed.ptr[0] == 'r' || typed.ptr[0] == 'R')
            event = EVENT_TICK;
        else
            on_key(screen, str_slice(typed, 0, used));
        typed = str_slice(typed, used, typed.len);
    }
    return event;
}

/* Stopped: the terminal as it was, then stopped indeed by SIGSTOP, and on SIGCONT everything set
 * again. A window that was resized is drawn anew, with newer facts too. */
static enum event on_signal(struct screen *screen, unsigned char number)
{
    if (number == SIGTSTP) {
        if (screen->terminal)
            screen_leave(screen);
        raise(SIGSTOP);
        if (screen->terminal)
            screen_enter(screen);
    }
    return number == SIGWINCH || number == SIGTSTP ? EVENT_TICK : EVENT_END;
}

/* Waits for what comes first. ppoll opens the signal mask for the time of the wait alone, so
 * that no signal falls between a look and the wait. */
static enum event wait_for(struct screen *screen, int64_t until)
{
    struct pollfd waits[2] = {{.fd = signal_pipe[0], .events = POLLIN},
                              {.fd = screen->keys ? STDIN_FILENO : -1, .events = POLLIN}};
    char bytes[64];
    for (;;) {
        int64_t left = until - time_monotonic_ns();
        if (left <= 0)
            return EVENT_TICK;
        struct timespec most = {.tv_sec = left / NS_PER_SECOND, .tv_nsec = left % NS_PER_SECOND};
        waits[1].revents = 0;
        if (ppoll(waits, LENGTH_OF(waits), &most, &screen->signals.mask) < 0 && errno != EINTR)
            return EVENT_END;
        if (read(signal_pipe[0], bytes, 1) == 1)
            return on_signal(screen, (unsigned char)bytes[0]);
        if (!(waits[1].revents & (POLLIN | POLLHUP | POLLERR)))
            continue;
        ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
        return got > 0 ? on_keys(screen, (struct str){bytes, (size_t)got}) : EVENT_END;
    }
}

static bool screen_wait_key(struct screen *screen)
{
    for (;;) {
        int64_t until = time_monotonic_ns() + screen->options->seconds * NS_PER_SECOND;
        enum event event = EVENT_PAINT;
        if (!screen_show(screen))
            return false;
        while (event == EVENT_PAINT) {
            event = wait_for(screen, until);
            if (event == EVENT_PAINT && screen->terminal && !screen_paint(screen))
                return false;
        }
        if (event == EVENT_END)
            return true;
    }
}

bool screen_watch(const struct screen_options *options)
{
    struct screen screen = {.options = options, .terminal = terminal_obeys(STDOUT_FILENO), .first = true};
    screen.keys = screen.terminal && isatty(STDIN_FILENO);
    /* This thread takes them only while it waits. Others, such as those that follow a cluster,
     * may take them at any time: hence the pipe. */
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    sigset_t all;
    sigemptyset(&action.sa_mask);
    sigemptyset(&all);
    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    for (size_t i = 0; i < LENGTH_OF(watched); i++) {
        sigaction(watched[i], &action, &screen.signals.actions[i]);
        sigaddset(&all, watched[i]);
    }
    pthread_sigmask(SIG_BLOCK, &all, &screen.signals.mask);

    buf_init(&screen.picture, PICTURE_LIMIT);
    if (screen.terminal)
        screen_enter(&screen);
    bool good = screen_wait_key(&screen);
    if (screen.terminal)
        screen_leave(&screen);
    buf_dispose(&screen.picture);
    pthread_sigmask(SIG_SETMASK, &screen.signals.mask, NULL);
    for (size_t i = 0; i < LENGTH_OF(watched); i++)
        sigaction(watched[i], &screen.signals.actions[i], NULL);
    close(signal_pipe[0]);
    close(signal_pipe[1]);
    return good;
}
