/* Credential plugins: a program prints an ExecCredential. Mirrors client-go's
 * plugin/pkg/client/auth/exec, without interactive input.
 *
 * The plugin is a foreign program of the user's: it gets no terminal, a time limit, a limit on
 * its output, and is killed with everything it started. Standard error is shared, so that its
 * own messages reach the user. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kube/kube.h"

enum { EXEC_OUTPUT_MAX = 1024 * 1024, PLUGIN_TICK_MS = 50 };

extern char **environ;

static char **argument_vector(struct arena *arena, const struct kube_exec *exec)
{
    char **argv = arena_array(arena, exec->args.len + 2, sizeof *argv);
    if (!argv)
        return NULL;
    argv[0] = text_for_reader(exec->command.ptr);
    for (size_t i = 0; i < exec->args.len; i++)
        argv[i + 1] = text_for_reader(exec->args.items[i].ptr);
    return argv;
}

static bool environment_has(char **env, size_t count, const char *entry)
{
    size_t name = strcspn(entry, "=") + 1;
    for (size_t i = 0; i < count; i++)
        if (strncmp(env[i], entry, name) == 0)
            return true;
    return false;
}

/* KUBERNETES_EXEC_INFO, what the kubeconfig sets, and of what is inherited the rest: each name once, for
 * of two entries some programs believe the first and a shell the last. As in client-go the kubeconfig
 * wins, of two entries there the last. */
static char **exec_environment(struct arena *arena, const struct kube_exec *exec)
{
    size_t ours = 0, count = 0;
    while (environ[ours])
        ours++;
    char **env = arena_array(arena, ours + exec->env.len + 2, sizeof *env);
    struct str info = arena_printf(
        arena,
        "KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":\"%.*s\",\"spec\":{\"interactive\":false}}",
        STR_ARG(exec->api_version));
    if (!env || !info.ptr)
        return NULL;
    env[count++] = text_for_reader(info.ptr);
    for (size_t i = exec->env.len; i-- > 0;)
        if (!environment_has(env, count, exec->env.items[i].ptr))
            env[count++] = text_for_reader(exec->env.items[i].ptr);
    for (size_t i = 0; i < ours; i++)
        if (!environment_has(env, count, environ[i]))
            env[count++] = environ[i];
    return env;
}

/* ---- starting --------------------------------------------------------------------- */

/* In the child, between fork and exec: only what is async-signal-safe. What the thread blocks and the
 * process ignores is our business, not the plugin's. A group of its own can be killed whole; and since
 * control-C in a terminal does not reach that any more, it ends with us. */
static void plugin_become(const struct kube_exec *exec, char **argv, char **env, int output, int trouble)
{
    sigset_t none;
    sigemptyset(&none);
    int nothing = open("/dev/null", O_RDONLY);
    if (setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && nothing >= 0 &&
        dup2(nothing, STDIN_FILENO) == STDIN_FILENO && dup2(output, STDOUT_FILENO) == STDOUT_FILENO &&
        signal(SIGPIPE, SIG_DFL) != SIG_ERR && pthread_sigmask(SIG_SETMASK, &none, NULL) == 0)
        execvpe(exec->command.ptr, argv, env);
    int why = errno;
    if (write(trouble, &why, sizeof why) < 0)
        _exit(126);
    _exit(127);
}

/* False, with errno, when it could not be started. The second pipe carries errno from a failed
 * exec; a successful exec closes it (O_CLOEXEC), which is how the parent knows. */
static bool plugin_start(struct arena *arena, const struct kube_exec *exec, int output, pid_t *pid)
{
    char **argv = argument_vector(arena, exec), **env = exec_environment(arena, exec);
    int trouble[2], why = 0;
    errno = ENOMEM;
    if (!argv || !env || pipe2(trouble, O_CLOEXEC) != 0)
        return false;
    *pid = fork();
    if (*pid == 0)
        plugin_become(exec, argv, env, output, trouble[1]);
    why = *pid < 0 ? errno : 0;
    close(trouble[1]);
    if (*pid > 0 && read(trouble[0], &why, sizeof why) > 0) /* else it was closed by exec */
        waitpid(*pid, NULL, 0);
    close(trouble[0]);
    errno = why;
    return why == 0;
}

static bool plugin_not_started(const struct kube_exec *exec, int why, struct error *error)
{
    char buffer[128];
    const char *reason = strerror_r(why, buffer, sizeof buffer);
    if (exec->hint.len == 0)
        return error_set(error, 0, "cannot start credential plugin %.*s (%s): check that it is installed and on PATH",
                         STR_ARG(exec->command), reason);
    return error_set(error, 0, "cannot start credential plugin %.*s (%s). The kubeconfig's installHint: %.*s",
                     STR_ARG(exec->command), reason, STR_ARG(exec->hint));
}

bool kube_exec_installed(const struct kube_exec *exec, struct error *error)
{
    if (exec->command.len == 0)
        return error_set(error, 0, "the kubeconfig's exec has no command");
    if (str_contains(exec->command, STR("/")))
        return access(exec->command.ptr, X_OK) == 0 || plugin_not_started(exec, errno, error);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written */
    const char *path = getenv("PATH");
    struct str rest = path ? str_from(path) : STR("/bin:/usr/bin"), folder;
    int why = ENOENT;
    while (str_cut(&rest, ':', &folder)) {
        char program[PATH_MAX];
        int length = snprintf(program, sizeof program, "%.*s%s%.*s", STR_ARG(folder), folder.len ? "/" : "",
                              STR_ARG(exec->command));
        if (length < 0 || (size_t)length >= sizeof program)
            continue;
        if (access(program, X_OK) == 0)
            return true;
        why = errno == EACCES ? EACCES : why; /* it is there, and not executable */
    }
    return plugin_not_started(exec, why, error);
}

/* ---- until it ends ---------------------------------------------------------------- */

enum plugin_end { PLUGIN_ENDED, PLUGIN_TOO_MUCH, PLUGIN_TOO_LONG, PLUGIN_NOT_WANTED };

/* Reads until it has ended and nothing more of it is there. Who holds its output open after that was
 * left behind by it, and is not waited for. *closed: nobody does. */
static enum plugin_end plugin_watch(pid_t pid, int output, const struct kube_exec_wait *wait, struct buf *text,
                                    bool *closed)
{
    const int64_t deadline = time_monotonic_ns() + wait->seconds * NS_PER_SECOND;
    char block[4096];
    for (*closed = false;;) {
        /* WNOWAIT leaves it a zombie: its process group keeps its number until it is reaped, so that
         * kill(-pid) cannot hit another. */
        siginfo_t info = {.si_pid = 0};
        bool ended = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid;
        struct pollfd ready = {.fd = *closed ? -1 : output, .events = POLLIN};
        int found = poll(&ready, 1, ended ? 0 : *closed ? PLUGIN_TICK_MS / 4 : PLUGIN_TICK_MS);
        ssize_t got = found > 0 ? read(output, block, sizeof block) : -1;
        if (got > 0)
            buf_add(text, (struct str){block, (size_t)got});
        *closed |= got == 0;
        if (text->failed)
            return PLUGIN_TOO_MUCH;
        if (ended && got <= 0)
            return PLUGIN_ENDED;
        if (wait->given_up && wait->given_up(wait->context))
            return PLUGIN_NOT_WANTED;
        if (time_monotonic_ns() >= deadline)
            return PLUGIN_TOO_LONG;
    }
}

static bool exec_run(struct arena *arena, const struct kube_exec *exec, const struct kube_exec_wait *wait,
                     struct buf *output, struct error *error)
{
    int ends[2], status = 0;
    pid_t pid;
    bool closed;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set(error, 500, "credential plugin %.*s: out of file descriptors", STR_ARG(exec->command));
    bool started = plugin_start(arena, exec, ends[1], &pid);
    int why = errno;
    close(ends[1]);
    if (!started) {
        close(ends[0]);
        return plugin_not_started(exec, why, error);
    }
    enum plugin_end end = plugin_watch(pid, ends[0], wait, output, &closed);
    if (end != PLUGIN_ENDED || !closed) /* before it is reaped: until then the group's number is its own */
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    close(ends[0]);
    switch (end) {
    case PLUGIN_NOT_WANTED:
        return error_set(error, 0, "credential plugin %.*s: request cancelled", STR_ARG(exec->command));
    case PLUGIN_TOO_MUCH:
        return error_set(error, 0, "credential plugin %.*s printed more than the maximum of %d KiB",
                         STR_ARG(exec->command), EXEC_OUTPUT_MAX >> 10);
    case PLUGIN_TOO_LONG:
        return error_set(error, 0, "credential plugin %.*s was killed: no result within %u s", STR_ARG(exec->command),
                         wait->seconds);
    case PLUGIN_ENDED:
    default:
        break;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return error_set(error, 0, "credential plugin %.*s failed with status %d", STR_ARG(exec->command),
                         WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return true;
}

/* Its output held the credential: it is wiped. */
bool kube_exec_run(struct arena *arena, const struct kube_exec *exec, const struct kube_exec_wait *wait,
                   struct kube_credentials *credentials, struct error *error)
{
    BUF_SCOPED output;
    buf_init(&output, EXEC_OUTPUT_MAX);
    if (!exec_run(arena, exec, wait, &output, error))
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
        return error_set(error, 0, "credential plugin %.*s returned neither a token nor a client certificate",
                         STR_ARG(exec->command));
    return true;
}
