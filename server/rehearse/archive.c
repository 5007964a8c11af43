/* libarchive by dlopen: only this command needs it, and a library that is linked costs every start of the binary. */
#include "rehearse/archive.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>

#define LIBRARY "libarchive.so.13"
enum { OK_CODE = 0, EOF_CODE = 1, WARN_CODE = -20, BLOCK = 64 * 1024, PATH_MAX_BYTES = 1024, PIECE = 64 * 1024 };

struct archive;
struct archive_entry;
/* What is called of libarchive 3 (archive.h, archive_entry.h): its soname promises these. */
struct archive_library {
    struct archive *(*read_new)(void);
    int (*read_free)(struct archive *);
    int (*support_gzip)(struct archive *);
    int (*support_tar)(struct archive *);
    int (*open_fd)(struct archive *, int, size_t);
    int (*next_header)(struct archive *, struct archive_entry **);
    ssize_t (*read_data)(struct archive *, void *, size_t);
    const char *(*error_string)(struct archive *);
    int64_t (*filter_bytes)(struct archive *, int);
    const char *(*pathname)(struct archive_entry *);
    const char *(*hardlink)(struct archive_entry *);
    mode_t (*filetype)(struct archive_entry *);
    int64_t (*size)(struct archive_entry *);
};

/* `files` and `size` are counted for the limits, which hold while it is read: an archive's own
 * numbers are not trusted. */
struct archive_reader {
    struct archive_library library;
    struct archive_limits limits;
    struct archive *archive;
    struct archive_entry *entry;
    uint64_t files, size; /* of the entry */
};

static bool archive_load(struct archive_library *library, struct error *error)
{
    const struct library_function functions[] = {{"archive_read_new", &library->read_new},
                                                 {"archive_read_free", &library->read_free},
                                                 {"archive_read_support_filter_gzip", &library->support_gzip},
                                                 {"archive_read_support_format_tar", &library->support_tar},
                                                 {"archive_read_open_fd", &library->open_fd},
                                                 {"archive_read_next_header", &library->next_header},
                                                 {"archive_read_data", &library->read_data},
                                                 {"archive_error_string", &library->error_string},
                                                 {"archive_filter_bytes", &library->filter_bytes},
                                                 {"archive_entry_pathname", &library->pathname},
                                                 {"archive_entry_hardlink", &library->hardlink},
                                                 {"archive_entry_filetype", &library->filetype},
                                                 {"archive_entry_size", &library->size}};
    struct error reason;
    return library_load(LIBRARY, functions, LENGTH_OF(functions), &reason) ||
           error_set(error, 501, "reading a backup needs libarchive 3 (apt install libarchive13): %s", reason.message);
}

static bool archive_failed(const struct archive_reader *reader, struct error *error)
{
    const char *reason = reader->library.error_string(reader->archive);
    return error_set(error, 422, "the archive cannot be read: %s", reason ? reason : "no reason was given");
}

/* gzip and tar and nothing else, although libarchive knows many formats: the fewer parsers an
 * archive from elsewhere can reach, the better. `fd` stays the caller's. */
struct archive_reader *archive_reader_open(int fd, const struct archive_limits *limits, struct error *error)
{
    struct archive_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return error_null(error, 500, "out of memory");
    reader->limits = *limits;
    const struct archive_library *library = &reader->library;
    bool open = archive_load(&reader->library, error) &&
                ((reader->archive = library->read_new()) != NULL || error_set(error, 500, "out of memory"));
    if (open &&
        (library->support_gzip(reader->archive) < WARN_CODE || library->support_tar(reader->archive) != OK_CODE ||
         library->open_fd(reader->archive, fd, BLOCK) != OK_CODE))
        open = archive_failed(reader, error);
    if (open)
        return reader;
    archive_reader_close(reader);
    return NULL;
}

void archive_reader_close(struct archive_reader *reader)
{
    if (!reader)
        return;
    if (reader->archive)
        reader->library.read_free(reader->archive);
    free(reader);
}

/* As Velero's extractor, which joins it to a folder, but refusing what would leave that. */
static bool archive_path_check(struct str *path, struct error *error)
{
    struct str rest, part;
    char shown_path[PATH_MAX_BYTES];
    while (str_starts(*path, STR("./")))
        *path = str_slice(*path, 2, path->len);
    if (path->len >= PATH_MAX_BYTES)
        return error_set(error, 422, "not a backup: a path of %zu bytes", path->len);
    /* Not the terminal's to obey. */
    for (size_t i = 0; i <= path->len; i++)
        shown_path[i] = i == path->len                                                              ? '\0'
                        : (unsigned char)path->ptr[i] < 0x20 || (unsigned char)path->ptr[i] >= 0x7f ? '?'
                                                                                                    : path->ptr[i];
    if (str_starts(*path, STR("/")))
        return error_set(error, 422, "not a backup: \"%.200s\" is an absolute path", shown_path);
    rest = *path;
    while (str_cut(&rest, '/', &part))
        if (part.len == 0 || str_is(part, ".") || str_is(part, ".."))
            return error_set(error, 422, "not a backup: \"%.200s\" is not a plain path", shown_path);
    return path->len > 0 || error_set(error, 422, "not a backup: an entry without a name");
}

/* A small archive may unpack to anything, so what counts is what has been unpacked so far. */
static bool archive_limits_hold(const struct archive_reader *reader, struct str path, struct error *error)
{
    const struct archive_limits *limits = &reader->limits;
    int64_t unpacked = reader->library.filter_bytes(reader->archive, 0);
    if (reader->files > limits->files)
        return error_set(error, 413, "the archive has more than %llu files", (unsigned long long)limits->files);
    if (reader->size > limits->file_bytes)
        return error_set(error, 413, "\"%.*s\" has %llu bytes: no object of Kubernetes has more than %llu",
                         (int)(path.len < 200 ? path.len : 200), path.ptr, (unsigned long long)reader->size,
                         (unsigned long long)limits->file_bytes);
    if (unpacked > 0 && (uint64_t)unpacked > limits->total_bytes)
        return error_set(error, 413, "the archive unpacks to more than %llu bytes; see --max-size",
                         (unsigned long long)limits->total_bytes);
    return true;
}

/* Links and devices have no place in a backup, and could lead an extractor out of its folder. */
static enum archive_step archive_judge(struct archive_reader *reader, struct str *path, struct error *error)
{
    const struct archive_library *library = &reader->library;
    mode_t type = library->filetype(reader->entry);
    if (type == S_IFDIR)
        return ARCHIVE_ENDS; /* no file: the caller looks further */
    if (!archive_path_check(path, error))
        return ARCHIVE_BROKEN;
    if (type != S_IFREG || library->hardlink(reader->entry)) {
        error_set(error, 422, "not a backup: \"%.*s\" is a link or a special file",
                  (int)(path->len < 200 ? path->len : 200), path->ptr);
        return ARCHIVE_BROKEN;
    }
    int64_t size = library->size(reader->entry);
    reader->size = size > 0 ? (uint64_t)size : 0;
    return archive_limits_hold(reader, *path, error) ? ARCHIVE_ENTRY : ARCHIVE_BROKEN;
}

enum archive_step archive_reader_next(struct archive_reader *reader, struct str *path, uint64_t *size,
                                      struct error *error)
{
    const struct archive_library *library = &reader->library;
    for (;;) {
        int code = library->next_header(reader->archive, &reader->entry);
        if (code == EOF_CODE)
            return ARCHIVE_ENDS;
        if (code != OK_CODE && code != WARN_CODE) {
            archive_failed(reader, error);
            return ARCHIVE_BROKEN;
        }
        reader->files++;
        *path = str_from(library->pathname(reader->entry));
        enum archive_step step = archive_judge(reader, path, error);
        *size = reader->size;
        if (step != ARCHIVE_ENDS)
            return step;
        if (!archive_limits_hold(reader, STR(""), error))
            return ARCHIVE_BROKEN;
    }
}

/* The size in the header is a promise; a file that ends before it is one that was cut off. */
bool archive_reader_content(struct archive_reader *reader, struct buf *out, struct error *error)
{
    char piece[PIECE];
    uint64_t read = 0;
    for (;;) {
        ssize_t got = reader->library.read_data(reader->archive, piece, sizeof piece);
        if (got < 0)
            return archive_failed(reader, error);
        if (got == 0)
            break;
        buf_add(out, (struct str){piece, (size_t)got});
        read += (uint64_t)got;
    }
    if (read != reader->size)
        return error_set(error, 422, "the archive cannot be read: a file of %llu bytes ends after %llu",
                         (unsigned long long)reader->size, (unsigned long long)read);
    return !out->failed || error_set(error, 500, "out of memory");
}
