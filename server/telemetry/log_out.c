/* A log's reader may stand still: a full disk behind the container runtime, a terminal on
 * hold. A write would then wait for it, and every review with it; so lines are lost instead,
 * counted, and told of once the reader goes on. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "telemetry/telemetry.h"

enum { PATIENCE_MS = 100, NOTE_SIZE = 160 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* one line at a time, and what is below */
static bool stalled;                                     /* the reader stood still when it was last looked at */
static bool torn;                                        /* a line was begun and not ended */
static unsigned long lost;                               /* lines since the last one that was written */

static bool is_writable(void)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    int ready = poll(&out, 1, stalled ? 0 : PATIENCE_MS);
    stalled = ready == 0;
    return ready != 0; /* also what is no pipe, or broken: write knows */
}

/* A pipe that is writable takes PIPE_BUF bytes without waiting, but no more for sure. */
static bool log_put(const char *bytes, size_t length)
{
    while (length) {
        if (!is_writable())
            return false;
        ssize_t written = write(STDERR_FILENO, bytes, length < PIPE_BUF ? length : PIPE_BUF);
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

void log_out(const char *line, size_t length)
{
    pthread_mutex_lock(&lock);
    if ((lost && !tell_of_lost()) || !log_put(line, length)) {
        lost++;
        metric_add(METRIC_LOG_LINES_LOST, 1, NULL);
    }
    pthread_mutex_unlock(&lock);
}
