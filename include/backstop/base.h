/* base: the lowest layer. Text slices, growing buffers, request memory, errors,
 * time, shared snapshots and file watching. Knows nothing of JSON, HTTP or
 * Kubernetes; every other module may include this header. */
#ifndef BACKSTOP_BASE_H
#define BACKSTOP_BASE_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define CLEANUP(function) __attribute__((cleanup(function)))
#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- text: a borrowed slice of bytes, not NUL-terminated ----------------- */

/* The bytes belong to whoever made them: usually the request's arena, a
 * snapshot, or a string literal. An absent text is {NULL, 0}; an empty one has
 * len 0 and any ptr. Treat both the same unless a rule tells them apart. */
struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_INIT(literal)                                                                                              \
    {                                                                                                                  \
        (literal), sizeof(literal) - 1                                                                                 \
    } /* for static tables */
/* printf("%.*s", STR_ARG(text)) */
#define STR_ARG(text) (int)(text).len, (text).ptr ? (text).ptr : ""

/* The short ones are inline: they are most of what a review calls. */
static inline struct str str_from(const char *text) /* NULL gives the absent text */
{
    return (struct str){text, text ? strlen(text) : 0};
}

/* Most that differ do so in the first byte, which costs less than a call. */
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || (a.ptr[0] == b.ptr[0] && memcmp(a.ptr, b.ptr, a.len) == 0));
}

static inline bool str_is(struct str a, const char *text)
{
    return str_eq(a, str_from(text));
}

/* Whether it is one of the words of an array: STR_IN(group, groups). */
#define STR_IN(text, words) str_in(text, words, LENGTH_OF(words))
static inline bool str_in(struct str text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_is(text, words[i]))
            return true;
    return false;
}

static inline struct str str_slice(struct str text, size_t from, size_t to) /* clamped */
{
    if (!text.ptr)
        return text;
    if (to > text.len)
        to = text.len;
    if (from > to)
        from = to;
    return (struct str){text.ptr + from, to - from};
}

/* ASCII only, whatever the locale. */
static inline bool char_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool char_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool char_is_alphanumeric(char c)
{
    return char_is_letter(c) || char_is_digit(c);
}
static inline bool char_is_hex(char c)
{
    return char_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* For texts of equal length only. ASCII letters. */
bool str_eq_nocase_same_length(struct str a, struct str b);
static inline bool str_eq_nocase(struct str a, struct str b) /* ASCII letters only */
{
    return a.len == b.len && (str_eq(a, b) || str_eq_nocase_same_length(a, b));
}

int str_cmp(struct str a, struct str b); /* bytewise, shorter first */
/* FNV-1a of a text behind others; the first begins with HASH_BASIS. No secret: whoever chooses the texts can find two of one
 * hash. */
#define HASH_BASIS UINT64_C(0xcbf29ce484222325)
uint64_t hash_text(uint64_t hash, struct str text);
bool str_starts(struct str text, struct str prefix);
bool str_ends(struct str text, struct str suffix);
bool str_contains(struct str text, struct str part);
struct str str_trim(struct str text); /* ASCII white space */
/* Where the command begins that ends a message (the command last): "kubectl " or "echo '" at its beginning or behind
 * ": "; text.len where it has none. */
size_t str_command_at(struct str text);
/* Cuts text at the first separator: *head gets what stands before it, *text what
 * follows. Without a separator *head is the whole and *text becomes absent.
 * Returns false, and an absent *head, when *text is absent already, so it drives a loop. */
bool str_cut(struct str *text, char separator, struct str *head);
/* Splits "HOST", "HOST:PORT", ":PORT", "[IPV6]" and "[IPV6]:PORT": *host loses its brackets, *port is absent without a
 * colon. What they hold is not checked. False for an IPv6 address without brackets, and for text behind a bracket. */
bool str_split_host_port(struct str text, struct str *host, struct str *port) MUST_CHECK;
/* As RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF. */
bool str_utf8_valid(struct str text);
/* A character (as str_utf8_next cuts it) that reorders the text around it, shows nothing, breaks a
 * line unseen, controls a terminal or is none: text that holds one can lie. ASCII is not asked about. */
bool str_misleads(struct str character);
/* The code point of a character as str_utf8_next cuts it; of a byte that is no UTF-8, the byte. */
uint32_t str_code_point(struct str character);
/* How many bytes the first character has; 0 when it is no valid UTF-8 or text is empty. */
size_t str_utf8_next(struct str text);
/* The longest beginning, or end, of at most `limit` bytes that is not cut within a character. */
struct str str_utf8_head(struct str text, size_t limit);
struct str str_utf8_tail(struct str text, size_t limit);
/* The ending of a noun after its number, "%zu object%s": "s", or "" for one. */
static inline const char *plural_s(uint64_t count)
{
    return count == 1 ? "" : "s";
}
/* Whole text as a decimal number, digits only. False when it is not or overflows. */
bool str_to_int64(struct str text, int64_t *out) MUST_CHECK;
/* The candidate nearest to `wanted` by edit distance (at most a third of its
 * length), for "did you mean"; the absent text when none is near. */
struct str str_nearest(struct str wanted, const struct str *candidates, size_t count);
/* Their edit distance, in any case; SIZE_MAX for texts over 64 bytes. */
size_t str_distance(struct str a, struct str b);

/* ---- buf: a growing byte buffer with a mandatory maximum ----------------- */

/* Appending past `limit` or out of memory sets `failed` and drops the bytes, so
 * that writers need not check each call: check buf.failed once at the end.
 * data is always NUL-terminated once something was appended. */
struct buf {
    char *data;
    size_t len, cap, limit;
    bool failed;
};

/* Empty, with nothing allocated. Past `limit` bytes additions fail: then `failed` is set, and stays set. */
void buf_init(struct buf *buf, size_t limit);
void buf_dispose(struct buf *buf); /* frees the data; the buf may be used again */
void buf_clear(struct buf *buf);   /* forgets the content, keeps the memory */
void buf_add(struct buf *buf, struct str text);
static inline void buf_puts(struct buf *buf, const char *text) /* of a constant the compiler knows the length */
{
    buf_add(buf, str_from(text));
}
static inline void buf_putc(struct buf *buf, char c)
{
    if (buf->failed || buf->len + 1 >= buf->cap || buf->len >= buf->limit) {
        buf_add(buf, (struct str){&c, 1}); /* makes room, or fails */
        return;
    }
    buf->data[buf->len++] = c;
    buf->data[buf->len] = '\0';
}
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *buf, const char *format, va_list args) PRINTF_LIKE(2, 0);
/* As vsnprintf, and many times faster for the formats of most messages. */
int text_vformat(char *room, size_t size, const char *format, va_list args) PRINTF_LIKE(3, 0);
/* Appends the first character of a text that is not empty, and returns how many bytes that was: escaped as the table has
 * it, as \xNN where it would act on a terminal, mislead or is no UTF-8, else as it is. */
struct buf_escape {
    char c;
    const char *escape;
};
size_t buf_add_escaped(struct buf *buf, struct str text, const struct buf_escape *escapes, size_t count);
struct str buf_str(const struct buf *buf); /* borrowed until the next append */
#define BUF_SCOPED CLEANUP(buf_dispose) struct buf

/* For interfaces of C libraries that take as writable what they only read: argv, libcurl's blobs, GnuTLS's data.
 * Nothing else takes a const away. */
static inline void *text_for_reader(const char *text)
{
    union {
        const char *read_only;
        void *any;
    } pointer = {text};
    return pointer.any;
}

/* ---- arena: memory that lives as long as one request or one snapshot ----- */

/* Allocation never aborts. When the limit is reached or malloc fails,
 * arena_alloc returns NULL, the text helpers return the absent text, and
 * arena_failed stays true: the shell looks at it once, at the end, and answers
 * 500. Not thread-safe: one arena belongs to one thread at a time. */
struct arena;

struct arena *arena_new(size_t limit) MUST_CHECK;        /* NULL when out of memory */
struct arena *arena_new_secret(size_t limit) MUST_CHECK; /* for private keys: its memory is zeroed before it is freed */
/* Gives the system back what something large had and has freed. Not in a build with a sanitizer, whose allocator
 * glibc's trim knows nothing of. */
void memory_trim(void);
/* Unmaps the code and the constants of the program and its libraries, of which a start touches more than what follows:
 * what is still used comes back from the page cache at its next use. Safe from any thread. */
void memory_trim_program(void);
void arena_free(struct arena *arena);                           /* NULL is fine; runs defers, newest first */
void *arena_alloc(struct arena *arena, size_t size) MUST_CHECK; /* zeroed, aligned for any type */
void *arena_array(struct arena *arena, size_t count, size_t size) MUST_CHECK;
/* Room for one more item in an array that grows by doubling. `items` is the address of the array's pointer, which is
 * NULL at first. False, and all stays as it was, when out of memory. */
bool arena_room(struct arena *arena, void *items, size_t len, size_t *cap, size_t size) MUST_CHECK;
/* The same for an array that the caller frees. */
bool array_room(void *items, size_t len, size_t *cap, size_t size) MUST_CHECK;
/* For a list with the members items, len and cap. */
#define ARENA_ROOM(arena, list)                                                                                        \
    arena_room(arena, &(list)->items, (list)->len, &(list)->cap, sizeof(__typeof__(*(list)->items)))
#define ARRAY_ROOM(list) array_room(&(list)->items, (list)->len, &(list)->cap, sizeof(__typeof__(*(list)->items)))
struct str arena_copy(struct arena *arena, struct str text);                                 /* NUL-terminated copy */
struct str arena_join(struct arena *arena, struct str a, const char *between, struct str b); /* NUL-terminated */
struct str arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
/* As arena_printf; empty when out of memory. */
struct str arena_vprintf(struct arena *arena, const char *format, va_list args) PRINTF_LIKE(2, 0);
/* Declares `text`: what the variable arguments behind `format`, the last named parameter, are formatted to. */
#define ARENA_FORMAT(text, arena, format)                                                                              \
    va_list text##_arguments;                                                                                          \
    va_start(text##_arguments, format);                                                                                \
    struct str text = arena_vprintf(arena, format, text##_arguments);                                                  \
    va_end(text##_arguments)
/* Calls release(object) when the arena is freed. Takes ownership at once: if the
 * defer itself cannot be recorded, object is released immediately and false is
 * returned. */
bool arena_defer(struct arena *arena, void (*release)(void *), void *object);
/* The buffer's text without a copy; it is the arena's from now on, and the buffer empty. Absent where the buffer or the
 * arena failed. */
struct str arena_keep_buf(struct arena *arena, struct buf *buf);
/* What was put together in a buf of its own, borrowed; when that failed, so has the arena. */
struct str arena_text(struct arena *arena, const struct buf *buf);
/* What else is held for as long as the arena: json-c's trees. It has a limit of its own, or none. */
void arena_limit_held(struct arena *arena, size_t limit);
size_t arena_may_hold(const struct arena *arena); /* so many bytes more */
void arena_count_held(struct arena *arena, size_t bytes);
/* Whether any allocation has failed: asked once, at the end, instead of after each. */
bool arena_failed(const struct arena *arena);
void arena_fail(struct arena *arena); /* lets a helper record its own failure */
size_t arena_used(const struct arena *arena);
/* The text as a user may be shown it: in double quotes, with control bytes,
 * quotes, backslashes, invalid UTF-8 and bidirectional controls escaped, cut at
 * 120 bytes with "...". Every user-controlled value in a message goes through it. */
struct str arena_quote(struct arena *arena, struct str text);
/* The same for an error of another program: where it is long its end stays, since Go wraps
 * errors with the cause last ("...api error NoSuchBucket: ..."). */
struct str arena_quote_error(struct arena *arena, struct str text);
/* The text as a terminal may show it: control bytes, invalid UTF-8 and what str_misleads
 * as escapes (\x1b), and with `ascii` all that is not ASCII. */
void buf_add_printable(struct buf *buf, struct str text, bool ascii);
struct str arena_printable(struct arena *arena, struct str text, bool ascii);
/* How many columns of a terminal it takes: none for combining characters, two for wide ones. */
size_t str_columns(struct str text);
struct str str_fitting(struct str text, size_t columns); /* as much of it as fits */
/* Whether anything of it can be seen: not only white space, controls, combining and other
 * characters without a width or a picture of their own. */
bool str_is_visible(struct str text);
/* A name or word from outside as a terminal may show it: as it is, or quoted where it
 * holds anything but visible ASCII. "-" for none. */
struct str shown(struct arena *arena, struct str text);
void arena_cleanup(struct arena **arena);
#define ARENA_SCOPED CLEANUP(arena_cleanup) struct arena *

struct strlist {
    struct str *items;
    size_t len, cap;
};
/* Appends a borrowed text. On failure the arena is marked failed and the list stays. */
void strlist_add(struct arena *arena, struct strlist *list, struct str text);
/* Byte for byte; O(n), for lists that a person wrote. */
bool strlist_has(const struct strlist *list, struct str text);
/* "a", "b" and "c": each quoted as arena_quote does; of some 16 KiB of them how many more there are. */
struct str strlist_quoted(struct arena *arena, const struct strlist *list);
/* The same of the first so many: "a", "b" and 3 more. */
struct str strlist_quoted_first(struct arena *arena, const struct strlist *list, size_t count);
/* What an error ends with: `before` and "did you mean NAME?", or `otherwise` where no candidate is near. The names are
 * ours; one from outside would have to be quoted. */
struct str str_suggest(struct arena *arena, struct str wanted, const struct str *candidates, size_t count,
                       const char *before, const char *otherwise);

/* ---- base64: RFC 4648, section 4, as Go's encoding/base64.StdEncoding ----- */

/* Standard alphabet with padding (RFC 4648 section 4), without line breaks. */
void base64_write(struct str bytes, struct buf *out);
struct str base64_encode(struct arena *arena, struct str bytes); /* absent when the arena is exhausted */
/* With padding; line breaks are passed over. NUL-terminated; the absent text when it is no base64. What was a
 * secret is in the arena alone. */
struct str base64_decode(struct arena *arena, struct str text);

/* ---- digests: whether a text is the one that was seen before ---------------- */

/* Of what `digest` is of (0: nothing yet) and the text behind it; the same text in other pieces has another. For memory, never
 * for files: it depends on the machine. Who knows the key can make two texts of one digest, so where texts come from
 * others it is random and secret. */
uint64_t digest_add(const uint64_t key[2], uint64_t digest, struct str text);

/* ---- error: what went wrong, as the last argument ------------------------ */

/* A function that can fail takes `struct error *` last and returns false (or
 * NULL). `code` is an HTTP-like status (400, 422, 500, ...) or 0; `position` a
 * byte offset or, for documents, a line, -1 where there is none; `field` a JSON
 * path such as spec.schedule or empty. The message names the thing, the value
 * and the fix, and never restates the caller's context; a caller adds its
 * own with error_wrap. */
struct error {
    int code;
    int64_t position;
    char field[256];
    char message[1024];
};

/* Always returns false, so that failing is one line: return error_set(...). */
bool error_set(struct error *error, int code, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same for what returns a pointer: always NULL. */
void *error_null(struct error *error, int code, const char *format, ...) PRINTF_LIKE(3, 4);
bool error_at(struct error *error, int code, int64_t position, const char *format, ...) PRINTF_LIKE(4, 5);
bool error_wrap(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3); /* "context: message" */

/* ---- time: Unix seconds in UTC; civil dates proleptic Gregorian ---------- */

struct civil {
    int64_t year;
    int month, day;           /* 1-12, 1-31 */
    int hour, minute, second; /* 0-23, 0-59, 0-59 */
    int weekday;              /* 0 = Sunday */
};

#define TIME_TEXT_SIZE 40
int64_t time_now(void); /* the system clock; only shells call it, policies get `now` */
int64_t time_monotonic_ns(void);
#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
void time_sleep_ms(int64_t milliseconds); /* or less, after a signal */
/* A condition variable whose deadlines are by the monotonic clock, which nobody sets. */
void cond_init(pthread_cond_t *cond);
/* Until it is signalled, or (false) time_monotonic_ns() is there. */
bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t monotonic_ns);
int64_t days_from_civil(int64_t year, int month, int day); /* since 1970-01-01 */
struct civil civil_from_unix(int64_t unix_seconds);
int64_t unix_from_civil(const struct civil *civil); /* weekday is ignored */
/* RFC 3339 with the given offset east of UTC in seconds ("Z" for 0). Returns out. */
const char *time_format(int64_t unix_seconds, int offset_seconds, char out[TIME_TEXT_SIZE]);
bool time_parse(struct str text, int64_t *unix_seconds) MUST_CHECK; /* RFC 3339, fractions dropped */
/* Go's time.ParseDuration to the letter (units ns us µs ms s m h, sign, decimals,
 * overflow), in nanoseconds, with its error text. Mirrors go1.2x time/format.go. */
bool duration_parse(struct str text, int64_t *nanoseconds, struct error *error) MUST_CHECK;
/* "45s", "15m", "1h30m", "3d4h": the two largest units. Returns out. */
const char *duration_format(int64_t seconds, char out[TIME_TEXT_SIZE]);

/* ---- shared: immutable snapshots, counted and swapped -------------------- */

/* Embed as the first member. Whoever holds a reference may read the snapshot for
 * as long as it likes; the last release destroys it. */
struct shared {
    atomic_size_t references;
    void (*destroy)(struct shared *self);
};
struct shared_slot {
    pthread_mutex_t lock;
    struct shared *current;
};
void shared_init(struct shared *shared, void (*destroy)(struct shared *)); /* one reference */
struct shared *shared_hold(struct shared *shared);
void shared_release(struct shared *shared); /* NULL is fine */
void shared_slot_init(struct shared_slot *slot);
struct shared *shared_slot_get(struct shared_slot *slot);             /* held for the caller; may be NULL */
void shared_slot_set(struct shared_slot *slot, struct shared *fresh); /* takes the reference */
void shared_slot_dispose(struct shared_slot *slot);

/* ---- files --------------------------------------------------------------- */

void fd_close(int *fd); /* none below 3: the standard ones are left open */
#define FD_SCOPED CLEANUP(fd_close) int
/* Writes all of a text to a descriptor; errno when it cannot. */
bool fd_write(int fd, struct str text);
/* Where temporary files go: TMPDIR, if that is an absolute path, or /tmp. */
const char *temporary_folder(void);

/* Reads a regular file or a pipe up to `limit` bytes into the arena; "-" is
 * standard input. Fails with the path and the system's reason. Only the arena keeps what
 * was read: who reads a private key wipes it there. */
bool file_read(struct arena *arena, const char *path, size_t limit, struct str *out, struct error *error) MUST_CHECK;
/* What to say of a file that is compressed or an archive, by its first bytes: "is compressed: unpack it first" (static). NULL for
 * any other. */
const char *text_packed(struct str text);

/* Calls changed(context) from a thread of its own, soon after any of the paths
 * (files or folders) changes content, and after at most `poll_seconds` where the
 * kernel gives no notice. Understands Kubernetes' mounts, which swap a symlink.
 * file_watch_stop joins the thread; no call comes after it returns. */
struct file_watch;
/* Calls `changed` on a thread of its own when one of the files may have changed. NULL with the reason. */
struct file_watch *file_watch_start(const char *const *paths, size_t count, unsigned poll_seconds,
                                    void (*changed)(void *context), void *context, struct error *error) MUST_CHECK;
void file_watch_stop(struct file_watch *watch); /* NULL is fine */
/* What was read is no good yet, for want of memory or because its time has not come: calls
 * changed once more, after one to two times poll_seconds, although nothing changes. Safe
 * from any thread, changed's own included. */
void file_watch_again(struct file_watch *watch); /* NULL is fine */

/* A library that most runs do not need is loaded when it is first needed, and never unloaded. Each function's address is
 * put where its pointer is (the address of a pointer to a function). On failure some may be there. Call it once for each
 * library, by pthread_once. */
struct library_function {
    const char *name;
    void *pointer;
};
bool library_load(const char *name, const struct library_function *functions, size_t count,
                  struct error *error) MUST_CHECK;

#endif
