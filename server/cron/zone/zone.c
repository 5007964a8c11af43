/* Time zones by name, found as Go's time.LoadLocation finds them, with the rule for all time after the last
 * transition. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cron/zone/zone.h"

static void span_of(const struct cron_zone *zone, size_t type, int64_t start, int64_t end, struct zone_span *span)
{
    *span = (struct zone_span){start, end, start, end, zone->types[type]};
}

/* The type before the first transition (Go: lookupFirstZone): the first one,
 * unless a transition uses it; then the nearest standard time. */
static size_t first_type(const struct cron_zone *zone)
{
    bool used = false;
    for (size_t i = 0; i < zone->transition_count && !used; i++)
        used = zone->transitions[i].type == 0;
    if (!used)
        return 0;
    size_t first = zone->transitions[0].type;
    if (zone->types[first].dst)
        for (size_t i = first; i-- > 0;)
            if (!zone->types[i].dst)
                return i;
    for (size_t i = 0; i < zone->type_count; i++)
        if (!zone->types[i].dst)
            return i;
    return 0;
}

/* Go's lookup: `start` and `end` are its bounds. Past the last transition the footer's rule goes
 * on for all time, where the file has one. */
void zone_lookup(const struct cron_zone *zone, int64_t second, struct zone_span *span)
{
    if (zone->type_count == 0) {
        *span = (struct zone_span){INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX, {0, false, STR("UTC")}};
        return;
    }
    const struct zone_transition *transitions = zone->transitions; /* never empty: zone_decode sees to it */
    if (second < transitions[0].when) {
        span_of(zone, first_type(zone), INT64_MIN, transitions[0].when, span);
        return;
    }
    size_t low = 0, high = zone->transition_count;
    int64_t end = INT64_MAX;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (second < transitions[middle].when) {
            end = transitions[middle].when;
            high = middle;
        } else {
            low = middle;
        }
    }
    if (low == zone->transition_count - 1 && zone->rule.present)
        zone_rule_lookup(&zone->rule, transitions[low].when, second, span);
    else
        span_of(zone, transitions[low].type, transitions[low].when, end, span);
}

int cron_zone_offset(const struct cron_zone *zone, int64_t unix_seconds)
{
    struct zone_span span;
    zone_lookup(zone, unix_seconds, &span);
    return span.type.offset;
}

/* The names of all zones, from the text form of tzdata that distributions
 * install beside the binary files. Only a misspelt zone needs them, so they are
 * read then, once; without that file there is no suggestion. */
static const char names_file[] = "/usr/share/zoneinfo/tzdata.zi";
enum { NAMES_FILE_MAX = 1 << 20, NAMES_MAX = 2000 };

static struct arena *memory; /* of the names, for the life of the process */
static struct str *names;
static size_t name_count;

/* "Z Europe/Berlin 0:53:28 - LMT ..." is a zone, "L Europe/Berlin Europe/Oslo" another name for one. */
static bool line_name(struct str line, struct str *name)
{
    struct str word, rest = line;
    if (!str_cut(&rest, ' ', &word) || (!str_is(word, "Z") && !str_is(word, "L")))
        return false;
    if (str_is(word, "L"))
        str_cut(&rest, ' ', name);
    return str_cut(&rest, ' ', name) && name->len > 0;
}

static void read_names(void)
{
    struct error ignored;
    struct str text, line, name;
    memory = arena_new(4 * NAMES_FILE_MAX);
    if (!memory || !file_read(memory, names_file, NAMES_FILE_MAX, &text, &ignored))
        return;
    names = arena_array(memory, NAMES_MAX, sizeof *names);
    while (names && name_count < NAMES_MAX && str_cut(&text, '\n', &line))
        if (line_name(line, &name))
            names[name_count++] = name;
}

/* "berlin" for Europe/Berlin, "America/New" for America/New_York, "PST" for PST8PDT. */
static bool is_part(struct str name, struct str part)
{
    if (part.len < 3 || part.len >= name.len)
        return false;
    bool tail = name.ptr[name.len - part.len - 1] == '/',
         head = !str_contains(str_slice(name, part.len - 1, name.len), STR("/"));
    return (head && str_eq_nocase(str_slice(name, 0, part.len), part)) ||
           (tail && str_eq_nocase(str_slice(name, name.len - part.len, name.len), part));
}

/* "IST" is nearer to "EST" than to any zone that is meant, "UTC+2" nearer to "UTC". */
static bool has_no_likeness(struct str wrong)
{
    enum { ABBREVIATION_MAX = 4 };
    bool letters = true;
    for (size_t i = 0; i < wrong.len; i++) {
        if (wrong.ptr[i] >= '0' && wrong.ptr[i] <= '9')
            return true;
        letters &= (wrong.ptr[i] | 0x20) >= 'a' && (wrong.ptr[i] | 0x20) <= 'z';
    }
    return letters && wrong.len <= ABBREVIATION_MAX;
}

struct str zone_suggest(struct str wrong)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_names);
    if (!memory)
        return (struct str){NULL, 0};
    for (size_t i = 0; i < name_count; i++)
        if (str_eq_nocase(names[i], wrong))
            return names[i];
    for (size_t i = 0; i < name_count; i++)
        if (is_part(names[i], wrong))
            return names[i];
    return has_no_likeness(wrong) ? (struct str){NULL, 0} : str_nearest(wrong, names, name_count);
}

enum {
    ZONE_FILE_MAX = 1 << 20, /* real files have at most a few kilobytes */
    ZONE_CACHE_MAX = 4096,   /* more than tzdata has; spellings of one file share an entry */
    ZONE_BUCKETS = 256,
    PATH_SIZE = 4096,
};

/* Go's platformZoneSources for Linux. The archive inside of a Go installation,
 * which Go tries last, is none of a controller's image. */
static const char *const directories[] = {"/usr/share/zoneinfo/", "/usr/share/lib/zoneinfo/", "/usr/lib/locale/TZ/",
                                          "/etc/zoneinfo"};

static const struct cron_zone utc = {.name = STR_INIT("UTC")};

const struct cron_zone *cron_zone_utc(void)
{
    return &utc;
}

struct str cron_zone_name(const struct cron_zone *zone)
{
    return zone->name;
}

/* ---- reading a file -------------------------------------------------------- */

static bool read_file(const char *path, struct buf *content)
{
    FD_SCOPED fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    char block[4096];
    for (;;) {
        ssize_t got = read(fd, block, sizeof block);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        buf_add(content, (struct str){block, (size_t)got});
        if (content->failed) {
            errno = EFBIG;
            return false;
        }
    }
}

static bool join_path(char path[PATH_SIZE], const char *directory, struct str name)
{
    if (name.len && memchr(name.ptr, '\0', name.len)) {
        errno = EINVAL; /* as Go's syscall package says it */
        return false;
    }
    const char *slash = *directory ? "/" : "";
    int length = name.len < PATH_SIZE ? snprintf(path, PATH_SIZE, "%s%s%.*s", directory, slash, STR_ARG(name)) : -1;
    if (length >= 0 && length < PATH_SIZE)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

/* Go's loadLocation: the first source that has the zone; else the first complaint that is not
 * "no such file". An image without tzdata refuses every IANA name in this way. */
static struct cron_zone *zone_load(struct str name, const char *const *sources, size_t count, struct error *error)
{
    bool complained = false;
    BUF_SCOPED content;
    buf_init(&content, ZONE_FILE_MAX);
    for (size_t i = 0; i < count; i++) {
        char path[PATH_SIZE];
        buf_clear(&content);
        if (join_path(path, sources[i], name) && read_file(path, &content)) {
            struct cron_zone *zone = zone_decode(name, buf_str(&content));
            if (zone)
                return zone;
            if (!complained)
                error_set(error, 422, "malformed time zone information");
            complained = true;
        } else if (errno != ENOENT && !complained) {
            /* Go's syscall.Errno texts are glibc's with a small first letter. */
            char buffer[128];
            const char *words = strerror_r(errno, buffer, sizeof buffer);
            error_set(error, 422, "%c%s", words[0] >= 'A' && words[0] <= 'Z' ? words[0] + ('a' - 'A') : words[0],
                      words + 1);
            complained = true;
        }
    }
    if (!complained)
        error_set(error, 422, "unknown time zone %.*s", STR_ARG(name));
    return NULL;
}

/* ---- Local ------------------------------------------------------------------ */

static const struct cron_zone *local_zone = &utc;

/* Go's initLocal: $TZ, or /etc/localtime when it is not set; UTC when that fails. The schedules
 * of k0rdent's own controllers have UTC: their image sets no TZ. */
static void find_local(void)
{
    static const char *const etc[] = {"/etc"}, *const absolute[] = {""};
    struct error ignored;
    struct cron_zone *zone = NULL;
    const char *variable = getenv("TZ"); /* NOLINT(concurrency-mt-unsafe): nothing here sets the environment */
    struct str name = str_from(variable);
    if (str_starts(name, STR(":")))
        name = str_slice(name, 1, name.len);
    if (!variable)
        zone = zone_load(STR("localtime"), etc, LENGTH_OF(etc), &ignored);
    else if (str_starts(name, STR("/")))
        zone = zone_load(name, absolute, LENGTH_OF(absolute), &ignored);
    else if (name.len && !str_is(name, "UTC"))
        zone = zone_load(name, directories, LENGTH_OF(directories), &ignored);
    if (!zone)
        return;
    if (!variable || str_is(name, "/etc/localtime"))
        zone->name = STR("Local");
    local_zone = zone;
}

static const struct cron_zone *zone_local(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_local);
    return local_zone;
}

/* ---- the cache: entries are only ever added, so readers need no lock -------- */

struct entry {
    struct cron_zone *zone;
    struct entry *next;
};
static _Atomic(struct entry *) buckets[ZONE_BUCKETS];
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;
static size_t cached;

static _Atomic(struct entry *) *bucket_of(struct str name)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619U;
    return &buckets[hash % ZONE_BUCKETS];
}

/* An entry is complete before it is published by the atomic store, and none is ever removed: a
 * schedule may point to its zone for as long as the process lives. */
static const struct cron_zone *cache_find(struct str name)
{
    for (struct entry *entry = atomic_load(bucket_of(name)); entry; entry = entry->next)
        if (str_eq(entry->zone->name, name))
            return entry->zone;
    return NULL;
}

/* Takes the zone; returns the one to use, which may be another thread's. */
static const struct cron_zone *cache_add(struct cron_zone *zone, struct error *error)
{
    pthread_mutex_lock(&adding);
    const struct cron_zone *kept = cache_find(zone->name);
    struct entry *entry = kept || cached >= ZONE_CACHE_MAX ? NULL : malloc(sizeof *entry);
    if (entry) {
        _Atomic(struct entry *) *bucket = bucket_of(zone->name);
        *entry = (struct entry){zone, atomic_load(bucket)};
        atomic_store(bucket, entry);
        cached++;
        kept = zone;
    }
    pthread_mutex_unlock(&adding);
    if (kept != zone)
        zone_free(zone);
    if (!kept)
        error_set(error, 500, "out of memory for time zones");
    return kept;
}

/* The checks for "..", "/" and "\\" are Go's containsDotDot and come before any file is opened:
 * a schedule must not make this process read arbitrary paths. */
const struct cron_zone *cron_zone_find(struct str name, struct error *error)
{
    if (name.len == 0 || str_is(name, "UTC"))
        return &utc;
    if (str_is(name, "Local"))
        return zone_local();
    const struct cron_zone *known = cache_find(name);
    if (known)
        return known;
    if (str_contains(name, STR("..")) || name.ptr[0] == '/' || name.ptr[0] == '\\')
        return error_null(error, 422, "time: invalid location name");
    struct cron_zone *zone = zone_load(name, directories, LENGTH_OF(directories), error);
    if (!zone)
        return NULL;
    /* "Europe//Berlin" and "./UTC" open the same file as the plain name: cached under
     * that name, so that spellings cannot fill the cache. */
    char *text = zone->text;
    size_t used = 0;
    struct str rest = zone->name, part;
    while (str_cut(&rest, '/', &part)) {
        if (part.len == 0 || str_is(part, "."))
            continue;
        if (used)
            text[used++] = '/';
        memmove(text + used, part.ptr, part.len);
        used += part.len;
    }
    zone->name.len = used;
    return cache_add(zone, error);
}
