#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backstop/base.h"

/* Files read whole under a limit, and watches of them. A mounted ConfigMap or Secret changes by a swapped symbolic link,
 * an editor renames over the file, and some file systems send no events at all: so a watch also polls. */

enum { BLOCK_SIZE = 16 * 1024 };

void fd_close(int *fd)
{
    if (*fd > STDERR_FILENO)
        close(*fd);
}

bool fd_write(int fd, struct str text)
{
    while (text.len) {
        ssize_t written = write(fd, text.ptr, text.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text = str_slice(text, (size_t)written, text.len);
    }
    return true;
}

const char *temporary_folder(void)
{
    const char *folder = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): nothing here sets the environment */
    return folder && folder[0] == '/' ? folder : "/tmp";
}

/* strerror is not thread-safe; GNU's strerror_r may or may not use the buffer. */
static bool system_failure(struct error *error, const char *path)
{
    char buffer[128];
    return error_set(error, 0, "%s: %s", path, strerror_r(errno, buffer, sizeof buffer));
}

/* Files may hold private keys, so what was read is not left in memory that is free. */
static void file_wipe(struct buf *content)
{
    if (content->data)
        explicit_bzero(content->data, content->cap);
    buf_dispose(content);
}

static bool read_blocks(int fd, const char *path, char block[BLOCK_SIZE], struct buf *content, struct error *error)
{
    for (;;) {
        ssize_t got = read(fd, block, BLOCK_SIZE);
        if (got == 0)
            return true;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return system_failure(error, path);
        buf_add(content, (struct str){block, (size_t)got});
        if (content->failed)
            return error_set(error, 413, "%s: larger than %zu bytes", path, content->limit);
    }
}

/* A file whose size is known, into one block. False, with what was read lost, when it
 * turns out longer or cannot be read: then it is read again. */
static bool read_sized(int fd, struct arena *arena, size_t size, struct str *out)
{
    char *data = arena_alloc(arena, size + 1);
    size_t len = 0;
    ssize_t got = 1;
    while (data && got != 0 && len <= size) {
        got = read(fd, data + len, size + 1 - len);
        if (got < 0 && errno != EINTR)
            return false;
        len += got > 0 ? (size_t)got : 0;
    }
    if (!data || len > size)
        return false;
    data[len] = '\0';
    *out = (struct str){data, len};
    return true;
}

static bool file_read_all(int fd, const char *path, struct buf *content, struct error *error)
{
    char block[BLOCK_SIZE];
    bool whole = read_blocks(fd, path, block, content, error);
    explicit_bzero(block, sizeof block);
    return whole;
}

const char *text_packed(struct str text)
{
    static const struct str packed[] = {STR_INIT("\x1f\x8b"), STR_INIT("PK\x03\x04"), STR_INIT("BZh"),
                                        STR_INIT("\xfd"
                                                 "7zXZ"),
                                        STR_INIT("\x28\xb5\x2f\xfd")};
    for (size_t i = 0; i < LENGTH_OF(packed); i++)
        if (str_starts(text, packed[i]))
            return "is compressed: unpack it first";
    if (str_starts(str_slice(text, 257, text.len), STR("ustar")))
        return "is a tar archive: unpack it first";
    return NULL;
}

/* A regular file is read into one block of the size that stat names, without a copy:
 * certificates and manifests are read so. A pipe has no size, /proc files say 0, and a file may
 * grow meanwhile; those go through a growing buffer, which is wiped. */
bool file_read(struct arena *arena, const char *path, size_t limit, struct str *out, struct error *error)
{
    bool standard_input = strcmp(path, "-") == 0;
    FD_SCOPED fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0)
        return system_failure(error, path);
    if (S_ISDIR(info.st_mode))
        return error_set(error, 0, "%s: is a directory", path);
    size_t size = S_ISREG(info.st_mode) && info.st_size > 0 ? (size_t)info.st_size : 0;
    if (!standard_input && size && size <= limit) {
        if (read_sized(fd, arena, size, out))
            return true;
        if (lseek(fd, 0, SEEK_SET) != 0)
            return system_failure(error, path);
    }
    CLEANUP(file_wipe) struct buf content;
    buf_init(&content, limit);
    if (!file_read_all(fd, standard_input ? "standard input" : path, &content, error))
        return false;
    *out = arena_copy(arena, buf_str(&content));
    return out->ptr ? true : error_set(error, 500, "%s: out of memory", path);
}

/* Editors and kubelets change a file in several steps: look when they are done. QUIET_MS without
 * a notice count as done. */
enum { QUIET_MS = 100, UNQUIET_MS = 1000 };

struct file_watch {
    char **paths;
    size_t count;
    unsigned poll_seconds;
    void (*changed)(void *context);
    void *context;
    int notify; /* -1 where the kernel has no more instances: polling remains */
    int stop;
    _Atomic int64_t again_ns; /* when to call although nothing changed; 0: never */
    uint64_t seen;
    pthread_t thread;
};

/* FNV-1a, over words. */
enum { FNV_PRIME = 0x1b3 };

static uint64_t watch_mix(uint64_t hash, uint64_t word)
{
    return (hash ^ word) * ((UINT64_C(1) << 40) + FNV_PRIME);
}

/* What changes whenever a file's content does, without reading it. */
static uint64_t mix_stat(uint64_t hash, const struct stat *info)
{
    hash =
        watch_mix(watch_mix(watch_mix(hash, (uint64_t)info->st_dev), (uint64_t)info->st_ino), (uint64_t)info->st_size);
    hash = watch_mix(watch_mix(hash, (uint64_t)info->st_mtim.tv_sec), (uint64_t)info->st_mtim.tv_nsec);
    return watch_mix(watch_mix(hash, (uint64_t)info->st_ctim.tv_sec), (uint64_t)info->st_ctim.tv_nsec);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* The files of a folder in any order. Hidden ones are editors' copies, and what a
 * mounted ConfigMap swaps is seen through its visible links. */
static uint64_t folder_signature(const char *path)
{
    struct dirent **entries = NULL;
    uint64_t sum = 1;
    int count = scandir(path, &entries, is_visible, NULL);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < count; i++) {
        struct stat info = {0};
        const char *name = entries[i]->d_name;
        if (folder >= 0 && fstatat(folder, name, &info, 0) == 0 && !S_ISDIR(info.st_mode))
            sum += mix_stat(hash_text(HASH_BASIS, str_from(name)), &info);
        free(entries[i]);
    }
    free(entries);
    if (folder >= 0)
        close(folder);
    return sum;
}

static uint64_t watch_signature(const struct file_watch *watch)
{
    uint64_t hash = HASH_BASIS;
    for (size_t i = 0; i < watch->count; i++) {
        struct stat info = {0};
        uint64_t one = 0;
        if (stat(watch->paths[i], &info) == 0)
            one = S_ISDIR(info.st_mode) ? folder_signature(watch->paths[i]) : mix_stat(hash, &info);
        hash = watch_mix(hash, one);
    }
    return hash;
}

/* IN_ONLYDIR makes the call fail for a file: those are watched through their parents. */
static void watch_folder(int notify, const char *path)
{
    const uint32_t events = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE |
                            IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
    /* Failing is fine: the folder may come later, and there is the poll. */
    (void)inotify_add_watch(notify, path, events | IN_ONLYDIR);
}

static void watch_parent(int notify, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (parent)
        watch_folder(notify, parent);
    free(parent);
}

/* Parents rather than files: a file that is renamed over has a new inode. Done
 * again after each change, since a link may lead elsewhere by then; adding a
 * folder that is watched already changes nothing. */
static void watch_arm(const struct file_watch *watch)
{
    for (size_t i = 0; watch->notify >= 0 && i < watch->count; i++) {
        watch_parent(watch->notify, watch->paths[i]);
        watch_folder(watch->notify, watch->paths[i]);
        char *target = realpath(watch->paths[i], NULL);
        if (target)
            watch_parent(watch->notify, target);
        free(target);
    }
}

/* Waits for a notice or the timeout; *noticed says which. False when told to stop. */
static bool watch_wait(const struct file_watch *watch, int64_t milliseconds, bool *noticed)
{
    struct pollfd fds[] = {{.fd = watch->stop, .events = POLLIN}, {.fd = watch->notify, .events = POLLIN}};
    int ready = poll(fds, LENGTH_OF(fds), (int)milliseconds);
    *noticed = ready > 0 && fds[1].revents;
    if (*noticed) {
        char block[4096];
        while (read(watch->notify, block, sizeof block) > 0)
            ;
    }
    return ready <= 0 || !fds[0].revents;
}

/* Ends UNQUIET_MS after the first notice even if notices keep coming: a log file that is written
 * to in the same folder must not hold back a reload for ever. */
static bool wait_for_quiet(const struct file_watch *watch)
{
    const int64_t latest = time_monotonic_ns() + (int64_t)UNQUIET_MS * 1000000;
    bool noticed = true;
    while (noticed && time_monotonic_ns() < latest)
        if (!watch_wait(watch, QUIET_MS, &noticed))
            return false;
    return true;
}

/* Until the next poll, or what was asked for by file_watch_again. */
static int64_t wait_milliseconds(struct file_watch *watch)
{
    int64_t most = (int64_t)watch->poll_seconds * 1000, again = atomic_load(&watch->again_ns);
    int64_t left = again ? (again - time_monotonic_ns()) / NS_PER_MS + 1 : most;
    return left < 0 ? 0 : left < most ? left : most;
}

/* A notice alone is no change: the folder may hold other files. The signature of what is watched
 * decides, and so a poll finds what no notice told. `seen` is set before the call, so that what
 * changes while `changed` runs is seen in the next round. */
static void *watch_run(void *argument)
{
    struct file_watch *watch = argument;
    for (;;) {
        bool noticed;
        if (!watch_wait(watch, wait_milliseconds(watch), &noticed))
            return NULL;
        if (noticed && !wait_for_quiet(watch))
            return NULL;
        watch_arm(watch);
        uint64_t now = watch_signature(watch);
        int64_t again = atomic_load(&watch->again_ns);
        if (now == watch->seen && (!again || time_monotonic_ns() < again))
            continue;
        watch->seen = now;
        atomic_store(&watch->again_ns, 0);
        watch->changed(watch->context);
    }
}

static void watch_dispose(struct file_watch *watch)
{
    for (size_t i = 0; watch->paths && i < watch->count; i++)
        free(watch->paths[i]);
    free(watch->paths);
    if (watch->notify >= 0)
        close(watch->notify);
    if (watch->stop >= 0)
        close(watch->stop);
    free(watch);
}

/* Armed before the first signature is taken: a change in between gives a notice for nothing, the
 * other order would lose it. */
static bool watch_prepare(struct file_watch *watch, const char *const *paths, size_t count)
{
    watch->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    watch->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    watch->paths = calloc(count ? count : 1, sizeof(char *));
    if (watch->stop < 0 || !watch->paths)
        return false;
    for (; watch->count < count; watch->count++)
        if (!(watch->paths[watch->count] = strdup(paths[watch->count])))
            return false;
    watch_arm(watch);
    watch->seen = watch_signature(watch);
    return true;
}

/* The thread takes no signals: those are for whoever waits for them. */
static bool watch_start_thread(struct file_watch *watch)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&watch->thread, NULL, watch_run, watch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !failed;
}

struct file_watch *file_watch_start(const char *const *paths, size_t count, unsigned poll_seconds,
                                    void (*changed)(void *context), void *context, struct error *error)
{
    enum { POLL_MAX = 24 * 3600 };
    struct file_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return error_null(error, 500, "cannot watch files: out of memory");
    watch->poll_seconds = poll_seconds == 0 ? 1 : poll_seconds > POLL_MAX ? POLL_MAX : poll_seconds;
    watch->changed = changed;
    watch->context = context;
    watch->stop = watch->notify = -1;
    if (watch_prepare(watch, paths, count) && watch_start_thread(watch))
        return watch;
    error_set(error, 500, "cannot watch files: out of memory, threads or file descriptors");
    watch_dispose(watch);
    return NULL;
}

/* The thread may be asleep in poll until the next round. That is fine: it sleeps at most
 * poll_seconds, which is the promised minimum, and looks at again_ns when it wakes. */
void file_watch_again(struct file_watch *watch)
{
    if (watch)
        atomic_store(&watch->again_ns, time_monotonic_ns() + watch->poll_seconds * NS_PER_SECOND);
}

void file_watch_stop(struct file_watch *watch)
{
    if (!watch)
        return;
    const uint64_t one = 1;
    ssize_t told = write(watch->stop, &one, sizeof one);
    (void)told; /* an eventfd at zero takes a one */
    pthread_join(watch->thread, NULL);
    watch_dispose(watch);
}

/* Shared libraries that are loaded when they are first needed. */

bool library_load(const char *name, const struct library_function *functions, size_t count, struct error *error)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(error, 0, "cannot load %s: %s", name, dlerror()); /* NOLINT(concurrency-mt-unsafe) */
    for (size_t i = 0; i < count; i++) {
        void *function = dlsym(library, functions[i].name);
        if (!function)
            return error_set(error, 0, "%s is another library: it has no %s", name, functions[i].name);
        memcpy(functions[i].pointer, &function, sizeof function);
    }
    return true;
}
