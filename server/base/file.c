#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backstop/base.h"

static void close_fd(int *fd)
{
    if (*fd > STDIN_FILENO)
        close(*fd);
}

/* strerror is not thread-safe; GNU's strerror_r may or may not use the buffer. */
static bool system_failure(struct error *error, const char *path)
{
    char buffer[128];
    return error_set(error, 0, "%s: %s", path, strerror_r(errno, buffer, sizeof buffer));
}

static bool read_all(int fd, const char *path, struct buf *content, struct error *error)
{
    char block[16384];
    for (;;) {
        ssize_t got = read(fd, block, sizeof block);
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

bool file_read(struct arena *arena, const char *path, size_t limit, struct str *out, struct error *error)
{
    bool standard_input = strcmp(path, "-") == 0;
    CLEANUP(close_fd) int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0)
        return system_failure(error, path);
    if (S_ISDIR(info.st_mode))
        return error_set(error, 0, "%s: is a folder", path);
    BUF_SCOPED content;
    buf_init(&content, limit);
    if (!read_all(fd, standard_input ? "standard input" : path, &content, error))
        return false;
    *out = arena_copy(arena, buf_str(&content));
    return out->ptr ? true : error_set(error, 500, "%s: out of memory", path);
}
