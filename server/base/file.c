#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backstop/base.h"

enum { BLOCK_SIZE = 16 * 1024 };

void fd_close(int *fd)
{
    if (*fd > STDERR_FILENO)
        close(*fd);
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
