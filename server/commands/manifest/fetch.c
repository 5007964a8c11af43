#include "commands/manifest/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* ---- URLs ----------------------------------------------------------------------- */

static size_t fetch_take(char *bytes, size_t size, size_t count, void *context)
{
    struct buf *body = context;
    buf_add(body, (struct str){bytes, size * count});
    return body->failed ? 0 : size * count;
}

static void fetch_cleanup(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

static bool fetch_once(CURL *curl, const char *url, struct buf *body, long *status, struct error *error)
{
    char reason[CURL_ERROR_SIZE] = "";
    buf_clear(body);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "backstop/" BACKSTOP_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, fetch_take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    if (body->failed)
        return error_set(error, 413, "larger than %zu bytes", body->limit);
    return code == CURLE_OK || error_set(error, 0, "%s", reason[0] ? reason : curl_easy_strerror(code));
}

bool manifest_fetch_url(struct arena *arena, const char *url, size_t limit, struct str *text, struct error *error)
{
    enum { TRIES = 3 };
    CLEANUP(fetch_cleanup) CURL *curl = curl_easy_init();
    BUF_SCOPED body;
    long status = 0;
    bool got = false;
    buf_init(&body, limit);
    if (!curl)
        return error_set(error, 500, "out of memory");
    for (int i = 0; i < TRIES && (!got || status >= 500); i++) {
        if (i)
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        got = fetch_once(curl, url, &body, &status, error);
    }
    if (!got)
        return false;
    if (status != 200)
        return error_set(error, 0, "the server answered %ld", status);
    *text = arena_copy(arena, buf_str(&body));
    return text->ptr || error_set(error, 500, "out of memory");
}

/* ---- kustomize -------------------------------------------------------------------- */

static bool kustomize_start(const char *folder, int output, pid_t *child, struct error *error)
{
    char kubectl[] = "kubectl", command[] = "kustomize", end[] = "--";
    char *path = strdup(folder);
    char *const argv[] = {kubectl, command, end, path, NULL};
    posix_spawn_file_actions_t actions;
    if (!path || posix_spawn_file_actions_init(&actions) != 0) {
        free(path);
        return error_set(error, 500, "out of memory");
    }
    int failure = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (!failure)
        failure = posix_spawnp(child, kubectl, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    free(path);
    if (!failure)
        return true;
    char buffer[128];
    return error_set(error, 0, "-k runs `kubectl kustomize`: %s", strerror_r(failure, buffer, sizeof buffer));
}

static void kustomize_read(int input, struct buf *output)
{
    char block[16 * 1024];
    ssize_t got;
    while ((got = read(input, block, sizeof block)) != 0) {
        if (got < 0 && errno != EINTR)
            break;
        if (got > 0)
            buf_add(output, (struct str){block, (size_t)got}); /* read to the end even when it is too much */
    }
}

bool manifest_fetch_kustomization(struct arena *arena, const char *folder, size_t limit, struct str *text,
                                  struct error *error)
{
    int ends[2], status = 0;
    pid_t child = -1;
    BUF_SCOPED output;
    buf_init(&output, limit);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set(error, 500, "no pipe to kubectl kustomize");
    bool started = kustomize_start(folder, ends[1], &child, error);
    close(ends[1]);
    if (started)
        kustomize_read(ends[0], &output);
    close(ends[0]);
    if (!started)
        return false;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return error_set(error, 0, "kubectl kustomize failed");
    if (output.failed)
        return error_set(error, 413, "larger than %zu bytes", limit);
    *text = arena_copy(arena, buf_str(&output));
    return text->ptr || error_set(error, 500, "out of memory");
}
