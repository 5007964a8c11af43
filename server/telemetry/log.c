#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backstop/telemetry.h"

enum { LINE_LIMIT = 256 * 1024, TEXT_LIMIT = 2048 };

static atomic_int threshold = LOG_INFO;
static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

bool log_level_parse(struct str text, enum log_level *level)
{
    for (size_t i = 0; i < LENGTH_OF(level_names); i++) {
        if (str_is(text, level_names[i])) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* The length of the valid UTF-8 character that text begins with; 0 when it is none. */
static size_t character(struct str text)
{
    for (size_t length = 1; length <= 4 && length <= text.len; length++)
        if (str_utf8_valid((struct str){text.ptr, length}))
            return length;
    return 0;
}

/* Control characters, C1 included, could drive the terminal of whoever reads the log. */
static bool is_control(struct str c)
{
    const unsigned char *bytes = (const unsigned char *)c.ptr;
    return (c.len == 1 && (bytes[0] < 0x20 || bytes[0] == 0x7f)) || (c.len == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0);
}

static void add_escaped(struct buf *line, struct str c)
{
    const unsigned char *bytes = (const unsigned char *)c.ptr;
    if (!is_control(c)) {
        if (c.ptr[0] == '"' || c.ptr[0] == '\\')
            buf_putc(line, '\\');
        buf_add(line, c);
    } else if (c.ptr[0] == '\n') {
        buf_puts(line, "\\n");
    } else {
        buf_printf(line, "\\u%04x", bytes[c.len - 1]);
    }
}

static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void add_text(struct buf *line, struct str text)
{
    bool cut = text.len > TEXT_LIMIT;
    if (cut)
        text.len = TEXT_LIMIT;
    buf_putc(line, '"');
    while (text.len) {
        size_t plain = 0;
        while (plain < text.len && is_plain(text.ptr[plain]))
            plain++;
        buf_add(line, (struct str){text.ptr, plain});
        text = str_slice(text, plain, text.len);
        if (!text.len)
            break;
        size_t length = character(text);
        if (length)
            add_escaped(line, (struct str){text.ptr, length});
        else
            buf_puts(line, "\xef\xbf\xbd");
        text = str_slice(text, length ? length : 1, text.len);
    }
    buf_puts(line, cut ? "...\"" : "\"");
}

static void add_time(struct buf *line)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct civil civil = civil_from_unix(now.tv_sec);
    buf_printf(line, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", (int)civil.year, civil.month, civil.day,
               civil.hour, civil.minute, civil.second, (int)(now.tv_nsec / 1000000));
}

static void add_field(struct buf *line, const struct log_field *field)
{
    buf_printf(line, ",\"%s\":", field->key);
    switch (field->type) {
    case LOG_FIELD_TEXT:
        add_text(line, field->text);
        break;
    case LOG_FIELD_INTEGER:
        buf_printf(line, "%lld", (long long)field->integer);
        break;
    case LOG_FIELD_BOOLEAN:
        buf_puts(line, field->integer ? "true" : "false");
        break;
    }
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    int saved = errno;
    BUF_SCOPED line;
    buf_init(&line, LINE_LIMIT);
    add_time(&line);
    buf_printf(&line, ",\"level\":\"%s\",\"message\":", level_names[level]);
    add_text(&line, str_from(message));
    for (; fields && fields->key; fields++)
        add_field(&line, fields);
    buf_puts(&line, "}\n");
    /* A log that cannot be written must not fail a review. */
    ssize_t ignored = line.failed ? 0 : write(STDERR_FILENO, line.data, line.len);
    (void)ignored;
    errno = saved;
}
