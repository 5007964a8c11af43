#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cron/zone/zone.h"

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

/* Go's syscall.Errno texts are glibc's with a small first letter. */
static void system_words(struct error *error)
{
    char buffer[128];
    const char *words = strerror_r(errno, buffer, sizeof buffer);
    error_set(error, 422, "%c%s", words[0] >= 'A' && words[0] <= 'Z' ? words[0] + ('a' - 'A') : words[0], words + 1);
}

/* Go's loadLocation: the first source that has the zone; else the first
 * complaint that is not "no such file". */
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
            system_words(error);
            complained = true;
        }
    }
    if (!complained)
        error_set(error, 422, "unknown time zone %.*s", STR_ARG(name));
    return NULL;
}

/* ---- Local ------------------------------------------------------------------ */

static const struct cron_zone *local_zone = &utc;

/* Go's initLocal: $TZ, or /etc/localtime when it is not set; UTC when that fails. */
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

/* "Europe//Berlin" and "./UTC" open the same file as the plain name: cached under
 * that name, so that spellings cannot fill the cache. */
static void simplify_name(struct cron_zone *zone)
{
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
}

const struct cron_zone *cron_zone_find(struct str name, struct error *error)
{
    if (name.len == 0 || str_is(name, "UTC"))
        return &utc;
    if (str_is(name, "Local"))
        return zone_local();
    const struct cron_zone *known = cache_find(name);
    if (known)
        return known;
    if (str_contains(name, STR("..")) || name.ptr[0] == '/' || name.ptr[0] == '\\') {
        error_set(error, 422, "time: invalid location name");
        return NULL;
    }
    struct cron_zone *zone = zone_load(name, directories, LENGTH_OF(directories), error);
    if (!zone)
        return NULL;
    simplify_name(zone);
    return cache_add(zone, error);
}
