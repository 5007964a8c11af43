/* Credential plugins: a program prints an ExecCredential. Mirrors client-go's
 * plugin/pkg/client/auth/exec, without interactive input. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kube.h"

enum { EXEC_OUTPUT_MAX = 1024 * 1024, EXEC_SECONDS = 60 };

extern char **environ;

static char **argument_vector(struct arena *arena, const struct kube_exec *exec)
{
    char **argv = arena_array(arena, exec->args.len + 2, sizeof *argv);
    if (!argv)
        return NULL;
    argv[0] = kube_readable(exec->command.ptr);
    for (size_t i = 0; i < exec->args.len; i++)
        argv[i + 1] = kube_readable(exec->args.items[i].ptr);
    return argv;
}

/* Our environment, the plugin's own variables, and KUBERNETES_EXEC_INFO. */
static char **environment(struct arena *arena, const struct kube_exec *exec)
{
    size_t ours = 0;
    while (environ[ours])
        ours++;
    char **env = arena_array(arena, ours + exec->env.len + 2, sizeof *env);
    struct str info = arena_printf(
        arena,
        "KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":\"%.*s\",\"spec\":{\"interactive\":false}}",
        STR_ARG(exec->api_version));
    if (!env || !info.ptr)
        return NULL;
    size_t count = 0;
    /* The first of two equal names wins in getenv, so the plugin's own come first. */
    for (size_t i = 0; i < exec->env.len; i++)
        env[count++] = kube_readable(exec->env.items[i].ptr);
    env[count++] = kube_readable(info.ptr);
    for (size_t i = 0; i < ours; i++)
        env[count++] = environ[i];
    return env;
}

/* What this thread blocks or the process ignores is our business, not the plugin's. */
static bool usual_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, ignored;
    sigemptyset(&none);
    sigemptyset(&ignored);
    sigaddset(&ignored, SIGPIPE);
    return posix_spawnattr_setsigmask(attributes, &none) == 0 &&
           posix_spawnattr_setsigdefault(attributes, &ignored) == 0 &&
           posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) == 0;
}

static bool spawn(const struct kube_exec *exec, char **argv, char **env, int output, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return false;
    }
    bool started = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
                   posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) == 0 &&
                   usual_signals(&attributes) &&
                   posix_spawnp(pid, exec->command.ptr, &actions, &attributes, argv, env) == 0;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return started;
}

static void read_output(int fd, int64_t deadline, struct buf *output)
{
    char block[4096];
    for (;;) {
        int64_t left = (deadline - time_monotonic_ns()) / 1000000;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&wait, 1, (int)left) : 0;
        if (ready == 0) {
            output->failed = true;
            return;
        }
        ssize_t got = ready > 0 ? read(fd, block, sizeof block) : -1;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return;
        buf_add(output, (struct str){block, (size_t)got});
        if (output->failed)
            return;
    }
}

/* Its exit status; a plugin that has closed its output may go on all the same. */
static int wait_for_exit(pid_t pid, int64_t deadline, struct buf *output)
{
    const struct timespec tick = {0, 5000000};
    int status = 0;
    pid_t ended = 0;
    while (!output->failed && (ended = waitpid(pid, &status, WNOHANG)) == 0) {
        output->failed = time_monotonic_ns() >= deadline;
        nanosleep(&tick, NULL);
    }
    if (ended != 0)
        return status;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

static bool run(struct arena *arena, const struct kube_exec *exec, struct buf *output, struct error *error)
{
    int64_t deadline = time_monotonic_ns() + (int64_t)EXEC_SECONDS * 1000000000;
    char **argv = argument_vector(arena, exec), **env = environment(arena, exec);
    int ends[2];
    pid_t pid;
    if (!argv || !env || pipe2(ends, O_CLOEXEC) != 0)
        return error_set(error, 500, "credential plugin %.*s: out of memory or descriptors", STR_ARG(exec->command));
    bool started = spawn(exec, argv, env, ends[1], &pid);
    close(ends[1]);
    if (started)
        read_output(ends[0], deadline, output);
    close(ends[0]);
    if (!started)
        return error_set(error, 0, "credential plugin %.*s could not be started; is it installed and on PATH?",
                         STR_ARG(exec->command));
    int status = wait_for_exit(pid, deadline, output);
    if (output->failed)
        return error_set(error, 0, "credential plugin %.*s printed too much or took over %d s", STR_ARG(exec->command),
                         EXEC_SECONDS);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return error_set(error, 0, "credential plugin %.*s failed with status %d", STR_ARG(exec->command),
                         WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return true;
}

bool kube_exec_run(struct arena *arena, const struct kube_exec *exec, struct kube_credentials *credentials,
                   struct error *error)
{
    BUF_SCOPED output;
    buf_init(&output, EXEC_OUTPUT_MAX);
    if (!run(arena, exec, &output, error))
        return false;
    struct json_object *tree = json_build(arena, str_trim(buf_str(&output)), error);
    memset(output.data ? output.data : (char[1]){0}, 0, output.len);
    if (!tree)
        return error_wrap(error, "credential plugin %.*s did not print an ExecCredential", STR_ARG(exec->command));
    struct json_object *status = json_get(tree, "status");
    credentials->token = arena_copy(arena, json_get_str(status, "token"));
    credentials->client_cert = arena_copy(arena, json_get_str(status, "clientCertificateData"));
    credentials->client_key = arena_copy(arena, json_get_str(status, "clientKeyData"));
    if (!time_parse(json_get_str(status, "expirationTimestamp"), &credentials->expires))
        credentials->expires = 0;
    if (credentials->token.len == 0 && credentials->client_cert.len == 0)
        return error_set(error, 0, "credential plugin %.*s gave neither a token nor a client certificate",
                         STR_ARG(exec->command));
    return true;
}
