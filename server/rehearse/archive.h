/* A backup's archive as Velero stores it: a tar file in gzip, read as a stream with libarchive. */
#ifndef BACKSTOP_REHEARSE_ARCHIVE_H
#define BACKSTOP_REHEARSE_ARCHIVE_H

#include "backstop/base.h"

/* What an archive may be at most; one that goes past any of them is refused. */
struct archive_limits {
    uint64_t file_bytes, total_bytes, files;
};

struct archive_reader;
/* Reads from the descriptor's position on; the descriptor stays the caller's. NULL with code 501 where libarchive is not
 * installed. */
struct archive_reader *archive_reader_open(int fd, const struct archive_limits *limits, struct error *error) MUST_CHECK;
void archive_reader_close(struct archive_reader *reader); /* NULL is fine */

enum archive_step { ARCHIVE_ENTRY, ARCHIVE_ENDS, ARCHIVE_BROKEN };
/* The next regular file; its path is relative, has no "." or ".." and is good until the next call. Folders are passed
 * over. ARCHIVE_BROKEN, with the reason: links, devices, absolute paths, what is cut off, and what goes past the limits. */
enum archive_step archive_reader_next(struct archive_reader *reader, struct str *path, uint64_t *size,
                                      struct error *error) MUST_CHECK;
/* All of the file at hand, appended to a buffer whose limit is at least its size. */
bool archive_reader_content(struct archive_reader *reader, struct buf *out, struct error *error) MUST_CHECK;

#endif
