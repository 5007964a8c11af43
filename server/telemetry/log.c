/* The log: a line of JSON on standard error for each event, written by whatever thread has it. The
 * keys are those of the API's fields where there is one (uid, namespace, name), so that a log can be
 * searched for what kubectl shows.
 *
 * A log's reader may stand still: a full disk behind the container runtime, a terminal on
 * hold. A write would then wait for it, and every review with it; so lines are lost instead,
 * counted, and told of once the reader goes on. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "backstop/telemetry.h"

enum { PATIENCE_MS = 100, NOTE_SIZE = 160 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* one line at a time, and what is below */
static bool stalled;                                     /* the reader stood still when it was last looked at */
static bool torn;                                        /* a line was begun and not ended */
static unsigned long lost;                               /* lines since the last one that was written */

/* PATIENCE_MS once; while the reader stands still, not at all. A burst of lines must not wait a
 * tenth of a second each. */
static bool is_writable(void)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    const struct timespec patience = {0, stalled ? 0 : PATIENCE_MS * NS_PER_MS};
    int ready = ppoll(&out, 1, &patience, NULL); /* poll would flush the log (http/turn.c) */
    stalled = ready == 0;
    return ready != 0; /* also what is no pipe, or broken: write knows */
}

/* Writes without ever waiting for the reader, or fails with EAGAIN. A poll before each write is a system call more, so it is
 * left out where it says nothing: a file is always ready, and a pipe (what a container's log is) can be asked not to
 * wait since Linux 6.4. */
static ssize_t write_at_once(const char *bytes, size_t length)
{
    static enum { UNKNOWN, FILE_ALWAYS, PIPE_ASKED, POLLED } way; /* under the lock, like all else here */
    struct stat info;
    if (way == UNKNOWN)
        way = fstat(STDERR_FILENO, &info) != 0 ? POLLED : S_ISREG(info.st_mode) ? FILE_ALWAYS : PIPE_ASKED;
    if (way == FILE_ALWAYS)
        return write(STDERR_FILENO, bytes, length);
    const struct iovec part = {text_for_reader(bytes), length};
    ssize_t written = way == PIPE_ASKED && !stalled ? pwritev2(STDERR_FILENO, &part, 1, -1, RWF_NOWAIT) : -1;
    if (written >= 0 || (way == PIPE_ASKED && !stalled && (errno == EPIPE || errno == EINTR)))
        return written;
    if (way == PIPE_ASKED && !stalled && errno != EAGAIN)
        way = POLLED; /* an older kernel, a terminal, a socket */
    if (is_writable())
        return write(STDERR_FILENO, bytes, length);
    errno = EAGAIN;
    return -1;
}

/* A pipe that is writable takes PIPE_BUF bytes without waiting, but no more for sure. POSIX
 * promises that a write of up to PIPE_BUF is not mixed with another process's; longer lines may
 * be torn by a reader that stalls, which `torn` repairs with a line break. */
static bool log_put(const char *bytes, size_t length)
{
    while (length) {
        ssize_t written = write_at_once(bytes, length < PIPE_BUF ? length : PIPE_BUF);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        torn = bytes[written - 1] != '\n';
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

static bool tell_of_lost(void)
{
    char note[NOTE_SIZE];
    int length =
        snprintf(note, sizeof note, "%s{\"level\":\"warn\",\"message\":\"log lines were lost\",\"lines\":%lu}\n",
                 torn ? "\n" : "", lost);
    if (!log_put(note, (size_t)length))
        return false;
    lost = 0;
    return true;
}

/* Lines that wait to be written together, of all threads that collect theirs. No more than PIPE_BUF, which a pipe takes whole
 * or not at all. */
static struct {
    size_t lines, len;
    char bytes[PIPE_BUF];
} collected;                          /* under the lock */
static _Thread_local bool collecting; /* this thread calls log_flush before it waits */
static _Thread_local bool flush_due;  /* and has collected some since */

static void log_out_lines(const char *bytes, size_t length, size_t lines)
{
    if (lines && ((lost && !tell_of_lost()) || !log_put(bytes, length))) {
        lost += lines;
        metric_add(METRIC_LOG_LINES_LOST, (double)lines, NULL);
    }
}

static void log_out_collected(void)
{
    log_out_lines(collected.bytes, collected.len, collected.lines);
    collected.lines = collected.len = 0;
}

/* Nothing overtakes what is collected. A warning may be the last line of a process, so it is written at once. */
static void log_out(const char *line, size_t length, enum log_level level)
{
    pthread_mutex_lock(&lock);
    if (length > sizeof collected.bytes - collected.len)
        log_out_collected();
    if (collecting && level < LOG_WARN && length <= sizeof collected.bytes) {
        memcpy(collected.bytes + collected.len, line, length);
        collected.len += length;
        collected.lines++;
        flush_due = true;
    } else {
        log_out_collected();
        log_out_lines(line, length, 1);
    }
    pthread_mutex_unlock(&lock);
}

void log_collect(void)
{
    collecting = true;
}

void log_flush(void)
{
    if (collecting && !flush_due)
        return;
    pthread_mutex_lock(&lock);
    log_out_collected();
    pthread_mutex_unlock(&lock);
    flush_due = false;
}

enum { LINE_SIZE = 32 * 1024, RESERVED = 1024, TEXT_LIMIT = 2048, KEY_LIMIT = 64, FIELD_ROOM = 40 };

/* A line on the stack: one is written for every review, so nothing is allocated or
 * formatted by printf. What does not fit is cut, and the line stays sound JSON. */
struct log_text {
    size_t len;
    char bytes[LINE_SIZE];
};

static atomic_int threshold = LOG_INFO;
static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

/* RESERVED keeps room for the end of the line: a text is cut earlier, so quotes and braces
 * always close. */
static bool has_room(const struct log_text *line, size_t more)
{
    return more + RESERVED <= sizeof line->bytes - line->len;
}

static void line_add(struct log_text *line, struct str text)
{
    if (text.len > sizeof line->bytes - line->len)
        return;
    memcpy(line->bytes + line->len, text.ptr, text.len);
    line->len += text.len;
}

static void add_digits(struct log_text *line, uint64_t number, size_t least)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (at && (number || sizeof digits - at < least));
    line_add(line, (struct str){digits + at, sizeof digits - at});
}

/* The length of the valid UTF-8 character that text begins with; 0 when it is none. */
static size_t line_character(struct str text)
{
    for (size_t length = 1; length <= 4 && length <= text.len; length++)
        if (str_utf8_valid((struct str){text.ptr, length}))
            return length;
    return 0;
}

/* Control characters, C1 included, could drive the terminal of whoever reads the log, and
 * others make a line read as what it is not. */
static bool log_is_control(struct str c)
{
    return (c.len == 1 && ((unsigned char)c.ptr[0] < 0x20 || c.ptr[0] == 0x7f)) || str_misleads(c);
}

static void add_unit(struct log_text *line, unsigned unit)
{
    static const char hex[] = "0123456789abcdef";
    char escape[] = {'\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};
    line_add(line, (struct str){escape, sizeof escape});
}

static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* How many bytes need no closer look: eight at once, where none of the eight does. */
static size_t plain_length(struct str text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    size_t length = 0;
    for (; text.len - length >= sizeof ones; length += sizeof ones) {
        uint64_t bytes;
        memcpy(&bytes, text.ptr + length, sizeof bytes);
        /* Of a byte that is 0 the subtraction sets the top bit; that it may set it of one behind it does not matter. */
        uint64_t quote = bytes ^ ones * '"', backslash = bytes ^ ones * '\\', delete = bytes ^ ones * 0x7f;
        if (((quote - ones) | (backslash - ones) | (delete - ones) | (bytes - ones * 0x20) | bytes) & tops)
            break;
    }
    while (length < text.len && is_plain(text.ptr[length]))
        length++;
    return length;
}

static void line_add_text(struct log_text *line, struct str text)
{
    bool cut = text.len > TEXT_LIMIT;
    text = str_slice(text, 0, TEXT_LIMIT);
    line_add(line, STR("\""));
    while (text.len) {
        size_t length = plain_length(text);
        struct str plain = str_slice(text, 0, length);
        if (!length)
            length = line_character(text);
        if (!has_room(line, length + sizeof "\\ud800\\udc00")) {
            cut = true;
            break;
        }
        if (plain.len)
            line_add(line, plain);
        else if (length) {
            struct str c = str_slice(text, 0, length);
            if (c.ptr[0] == '\n') {
                line_add(line, STR("\\n"));
            } else if (log_is_control(c)) {
                unsigned code = str_code_point(c);
                if (code > 0xffff) /* a surrogate pair */
                    add_unit(line, 0xd800 + ((code - 0x10000) >> 10));
                add_unit(line, code > 0xffff ? 0xdc00 + ((code - 0x10000) & 0x3ff) : code);
            } else {
                if (c.ptr[0] == '"' || c.ptr[0] == '\\')
                    line_add(line, STR("\\"));
                line_add(line, c);
            }
        } else
            line_add(line, STR("\xef\xbf\xbd"));
        text = str_slice(text, length ? length : 1, text.len);
    }
    line_add(line, cut ? STR("...\"") : STR("\""));
}

/* {"time":"2026-11-30T01:02:03 */
static void add_second(struct log_text *line, int64_t second)
{
    struct civil civil = civil_from_unix(second);
    const struct {
        const char *before;
        int64_t number;
        size_t digits;
    } parts[] = {{"{\"time\":\"", civil.year, 4}, {"-", civil.month, 2}, {"-", civil.day, 2}, {"T", civil.hour, 2},
                 {":", civil.minute, 2},          {":", civil.second, 2}};
    for (size_t i = 0; i < LENGTH_OF(parts); i++) {
        line_add(line, str_from(parts[i].before));
        add_digits(line, (uint64_t)parts[i].number, parts[i].digits);
    }
}

/* At the start of a line. The text of a second is kept for the next lines of this thread. */
static void add_time(struct log_text *line)
{
    static _Thread_local struct {
        int64_t second;
        size_t len; /* 0: none yet */
        char text[40];
    } kept;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (kept.len && kept.second == now.tv_sec) {
        line_add(line, (struct str){kept.text, kept.len});
    } else {
        add_second(line, now.tv_sec);
        kept.second = now.tv_sec;
        kept.len = line->len < sizeof kept.text ? line->len : 0;
        memcpy(kept.text, line->bytes, kept.len);
    }
    line_add(line, STR("."));
    add_digits(line, (uint64_t)now.tv_nsec / 1000000, 3);
    line_add(line, STR("Z\""));
}

/* errno is kept: log calls stand in error paths that still need it. */
void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    int saved = errno;
    struct log_text line;
    line.len = 0;
    add_time(&line);
    line_add(&line, STR(",\"level\":\""));
    line_add(&line, str_from(level_names[level]));
    line_add(&line, STR("\",\"message\":"));
    line_add_text(&line, str_from(message));
    for (; fields && fields->key; fields++) {
        struct str key = str_slice(str_from(fields->key), 0, KEY_LIMIT);
        if (key.len + FIELD_ROOM > sizeof line.bytes - line.len)
            continue;
        line_add(&line, STR(",\""));
        line_add(&line, key);
        line_add(&line, STR("\":"));
        switch (fields->type) {
        case LOG_FIELD_TEXT:
            line_add_text(&line, fields->text);
            break;
        case LOG_FIELD_INTEGER:
            if (fields->integer < 0)
                line_add(&line, STR("-"));
            add_digits(&line, fields->integer < 0 ? 0 - (uint64_t)fields->integer : (uint64_t)fields->integer, 1);
            break;
        case LOG_FIELD_BOOLEAN:
            line_add(&line, fields->integer ? STR("true") : STR("false"));
            break;
        }
    }
    line_add(&line, STR("}\n"));
    log_out(line.bytes, line.len, level);
    errno = saved;
}
