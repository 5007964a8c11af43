/* An API server for one rehearsal: etcd and kube-apiserver as envtest has them, in a temporary folder, reachable by
 * nobody else, and gone with this process however that ends. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backstop/pki.h"
#include "rehearse/run.h"

enum {
    FOLDER_BYTES = 512,
    START_SECONDS = 120, /* three on a laptop */
    POLL_MS = 50,
    CERTIFICATE_SECONDS = 7 * 24 * 3600,
    LOG_BYTES = 64 * 1024,
    LOG_LINES = 8,
    ARGUMENTS_MAX = 32
};

enum drill_server { DRILL_ETCD, DRILL_API, DRILL_SERVERS };
static const char *const server_names[DRILL_SERVERS] = {"etcd", "kube-apiserver"};
static const char *const server_logs[DRILL_SERVERS] = {"etcd.log", "kube-apiserver.log"};

struct rehearse_drill {
    struct arena *arena; /* a secret one */
    char folder[FOLDER_BYTES];
    pid_t servers[DRILL_SERVERS], group, keeper; /* 0: not running */
    bool ended[DRILL_SERVERS];                   /* by themselves */
    int keeper_pipe;                             /* closed, by us or by the kernel: the keeper cleans up */
    int port_socket, port;                       /* holds the port until kube-apiserver listens on it, too */
    struct kube_client *client;
};

/* ---- the folder ------------------------------------------------------------------------------------- */

/* 0600 and O_EXCL: the folder is the drill's own, and holds a token and keys. */
static bool drill_write(struct rehearse_drill *drill, const char *name, struct str text, struct error *error)
{
    char buffer[128];
    struct str path = arena_join(drill->arena, str_from(drill->folder), "/", str_from(name));
    FD_SCOPED fd = path.ptr ? open(path.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    return (fd >= 0 && fd_write(fd, text)) ||
           error_set(error, 500, "the drill's folder %s cannot be written (see TMPDIR): %s", drill->folder,
                     strerror_r(errno, buffer, sizeof buffer));
}

/* mkdtemp makes it for this user alone. */
static bool drill_make_folder(struct rehearse_drill *drill, struct error *error)
{
    char buffer[128];
    int length = snprintf(drill->folder, sizeof drill->folder, "%s/backstop-drill-XXXXXX", temporary_folder());
    if (length > 0 && (size_t)length < sizeof drill->folder && mkdtemp(drill->folder))
        return true;
    error_set(error, 500, "the drill's folder %s cannot be made (see TMPDIR): %s", drill->folder,
              strerror_r(errno, buffer, sizeof buffer));
    drill->folder[0] = '\0';
    return false;
}

static int folder_remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    remove(path); /* what cannot be removed keeps its parents */
    return 0;
}

/* Depth first, without following links or leaving the file system. */
static void folder_remove(const char *folder)
{
    enum { OPEN_AT_ONCE = 16 };
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): by one thread, at the end */
    nftw(folder, folder_remove_one, OPEN_AT_ONCE, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* The account that Velero has in k0rdent, since webhooks and policies go by names, with every right. */
static bool drill_write_token(struct rehearse_drill *drill, struct str ns, struct str *token, struct error *error)
{
    unsigned char random[32];
    BUF_SCOPED text;
    buf_init(&text, 2 * sizeof random + 1);
    if (getentropy(random, sizeof random) != 0)
        return error_set(error, 500, "no random bytes");
    for (size_t i = 0; i < sizeof random; i++)
        buf_printf(&text, "%02x", random[i]);
    *token = arena_copy(drill->arena, buf_str(&text));
    struct str line = arena_printf(drill->arena,
                                   "%.*s,system:serviceaccount:%.*s:velero-server,velero,\"system:masters,"
                                   "system:serviceaccounts,system:serviceaccounts:%.*s\"\n",
                                   STR_ARG(*token), STR_ARG(ns), STR_ARG(ns));
    return drill_write(drill, "tokens.csv", line, error);
}

/* For a week: longer than any drill, and of no use after it. */
static bool drill_write_certificates(struct rehearse_drill *drill, struct error *error)
{
    static const char *const names[] = {"localhost", "kubernetes.default.svc", NULL};
    static const char *const addresses[] = {"127.0.0.1", NULL};
    int64_t now = time_now();
    struct pki_profile profile = {
        .common_name = "backstop drill", .not_before = now - 3600, .not_after = now + CERTIFICATE_SECONDS};
    struct pki_pair ca, serving;
    if (!pki_issue_ca(drill->arena, &profile, &ca, error))
        return false;
    profile.common_name = "kube-apiserver";
    profile.dns_names = names;
    profile.addresses = addresses;
    return pki_issue_serving(drill->arena, &profile, &ca, &serving, error) &&
           drill_write(drill, "ca.crt", ca.certificate, error) &&
           drill_write(drill, "tls.crt", serving.certificate, error) &&
           drill_write(drill, "tls.key", serving.key, error);
}

/* A webhook of the backup may name any address, and the drill hands it objects: Secrets, too. All that kube-apiserver
 * would send to webhooks goes to a socket that is not there. */
static bool drill_write_egress(struct rehearse_drill *drill, struct error *error)
{
    static const char *const selections[] = {"cluster", "controlplane"};
    BUF_SCOPED text;
    buf_init(&text, 4096);
    buf_puts(&text, "{\"apiVersion\":\"apiserver.k8s.io/v1beta1\",\"kind\":\"EgressSelectorConfiguration\","
                    "\"egressSelections\":[");
    for (size_t i = 0; i < LENGTH_OF(selections); i++)
        buf_printf(&text,
                   "%s{\"name\":\"%s\",\"connection\":{\"proxyProtocol\":\"HTTPConnect\",\"transport\":{\"uds\":"
                   "{\"udsName\":\"%s" DRILL_NOWHERE "\"}}}}",
                   i ? "," : "", selections[i], drill->folder);
    buf_puts(&text, "]}\n");
    return drill_write(drill, "egress.json", buf_str(&text), error);
}

/* Bound and shared: nobody else gets the port before kube-apiserver, which runs as the same user, listens on it. */
static bool drill_take_port(struct rehearse_drill *drill, struct error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int yes = 1;
    drill->port_socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (drill->port_socket < 0 || setsockopt(drill->port_socket, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0 ||
        bind(drill->port_socket, (const struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(drill->port_socket, (struct sockaddr *)&address, &size) != 0)
        return error_set(error, 500, "no port of 127.0.0.1 is free");
    drill->port = ntohs(address.sin_port);
    return true;
}

static bool drill_write_kubeconfig(struct rehearse_drill *drill, struct str token, struct error *error)
{
    struct str text = arena_printf(
        drill->arena,
        "{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"current-context\":\"drill\",\"clusters\":[{\"name\":\"drill\","
        "\"cluster\":{\"server\":\"https://127.0.0.1:%d\",\"certificate-authority\":\"%s/ca.crt\"}}],\"users\":[{"
        "\"name\":\"drill\",\"user\":{\"token\":\"%.*s\"}}],\"contexts\":[{\"name\":\"drill\",\"context\":{\"cluster\":"
        "\"drill\",\"user\":\"drill\"}}]}\n",
        drill->port, drill->folder, STR_ARG(token));
    return drill_write(drill, "kubeconfig", text, error);
}

/* ---- processes --------------------------------------------------------------------------------------- */

/* In the child: its own descriptors, the drill's group, and an end with its parent whatever ends that. */
static void server_become(struct rehearse_drill *drill, enum drill_server server, const char *program, char **argv,
                          pid_t parent)
{
    static char home[FOLDER_BYTES + 8], temporary[FOLDER_BYTES + 8];
    char *const environment[] = {text_for_reader("PATH=/usr/local/bin:/usr/bin:/bin"), home, temporary, NULL};
    sigset_t none;
    sigemptyset(&none);
    snprintf(home, sizeof home, "HOME=%s", drill->folder);
    snprintf(temporary, sizeof temporary, "TMPDIR=%s", drill->folder);
    int nothing = open("/dev/null", O_RDONLY);
    if (setpgid(0, drill->group) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && nothing >= 0 &&
        chdir(drill->folder) == 0 && dup2(nothing, STDIN_FILENO) == STDIN_FILENO) {
        int log = open(server_logs[server], O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (log >= 0 && dup2(log, STDOUT_FILENO) == STDOUT_FILENO && dup2(log, STDERR_FILENO) == STDERR_FILENO &&
            signal(SIGPIPE, SIG_DFL) != SIG_ERR && pthread_sigmask(SIG_SETMASK, &none, NULL) == 0 &&
            close_range(STDERR_FILENO + 1, UINT_MAX, 0) == 0)
            execve(program, argv, environment);
        dprintf(STDERR_FILENO, "%s cannot be run\n", program);
    }
    _exit(127);
}

/* The first server's process is the group that all others join, so that one signal ends them
 * all. */
static bool server_start(struct rehearse_drill *drill, enum drill_server server, const char *assets,
                         const char *const *arguments, struct error *error)
{
    char buffer[128];
    char *argv[ARGUMENTS_MAX + 1] = {NULL};
    char absolute[PATH_MAX]; /* it is run from another folder */
    struct str program = arena_join(drill->arena, str_from(realpath(assets, absolute) ? absolute : assets), "/",
                                    str_from(server_names[server]));
    if (!program.ptr)
        return error_set(error, 500, "out of memory");
    if (access(program.ptr, X_OK) != 0)
        return error_set(error, 404, "%s: %s; KUBEBUILDER_ASSETS must name a folder with etcd and kube-apiserver",
                         program.ptr, strerror_r(errno, buffer, sizeof buffer));
    argv[0] = text_for_reader(server_names[server]);
    for (size_t i = 0; arguments[i] && i + 1 < ARGUMENTS_MAX; i++)
        argv[i + 1] = text_for_reader(arguments[i]);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        server_become(drill, server, program.ptr, argv, parent);
    if (pid < 0)
        return error_set(error, 500, "%s cannot be started: %s", program.ptr, strerror_r(errno, buffer, sizeof buffer));
    drill->servers[server] = pid;
    if (drill->group == 0)
        drill->group = pid;
    setpgid(pid, drill->group); /* whoever comes first */
    return true;
}

/* Waits until the other end of the pipe is closed, which the kernel does even for a process that was killed; then ends
 * the group and removes the folder. Control-C does not reach it. */
static void keeper_run(const char *folder, int pipe, int other_end)
{
    enum { TRIES = 500, TICK_MS = 10 };
    pid_t group = 0, read_group;
    ssize_t got;
    close(other_end);
    if (setsid() < 0 || dup2(pipe, STDIN_FILENO) < 0)
        _exit(1);
    int nothing = open("/dev/null", O_RDWR);
    if (nothing >= 0 && dup2(nothing, STDOUT_FILENO) >= 0 && dup2(nothing, STDERR_FILENO) >= 0)
        close_range(STDERR_FILENO + 1, UINT_MAX, 0); /* a pipe of ours must not stay open for its reader */
    while ((got = read(STDIN_FILENO, &read_group, sizeof read_group)) != 0)
        if (got == (ssize_t)sizeof read_group)
            group = read_group;
        else if (errno != EINTR)
            break;
    for (int i = 0; group > 0 && i < TRIES && kill(-group, SIGKILL) == 0; i++)
        time_sleep_ms(TICK_MS);
    folder_remove(folder);
    _exit(0);
}

/* Before the servers, so that none is ever without it. */
static bool keeper_start(struct rehearse_drill *drill, struct error *error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set(error, 500, "out of file descriptors");
    drill->keeper = fork();
    if (drill->keeper == 0)
        keeper_run(drill->folder, ends[0], ends[1]);
    close(ends[0]);
    drill->keeper_pipe = ends[1];
    if (drill->keeper > 0)
        return true;
    drill->keeper = 0;
    return error_set(error, 500, "no process can be started");
}

/* etcd speaks on sockets in the folder, which nobody else may open, and does not wait for the
 * disk: what it stores is thrown away. */
static bool drill_start_servers(struct rehearse_drill *drill, const char *assets, struct error *error)
{
    /* Relative names: a socket's path may have 108 bytes. Whoever may open the folder may read what is restored. */
    static const char *const etcd[] = {"--name=drill",
                                       "--data-dir=data",
                                       "--unsafe-no-fsync",
                                       "--listen-client-urls=unix://localhost:1",
                                       "--advertise-client-urls=unix://localhost:1",
                                       "--listen-peer-urls=unix://localhost:2",
                                       "--initial-advertise-peer-urls=unix://localhost:2",
                                       "--initial-cluster=drill=unix://localhost:2",
                                       "--quota-backend-bytes=8589934592",
                                       NULL};
    const char *port = arena_printf(drill->arena, "--secure-port=%d", drill->port).ptr;
    const char *const api[] = {
        "--etcd-servers=unix://localhost:1", "--bind-address=127.0.0.1", "--permit-port-sharing=true",
        "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", "--tls-cert-file=tls.crt",
        "--tls-private-key-file=tls.key", "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=tls.crt", "--service-account-signing-key-file=tls.key",
        "--token-auth-file=tokens.csv", "--anonymous-auth=false", "--authorization-mode=RBAC", "--profiling=false",
        "--egress-selector-config-file=egress.json", "--enable-aggregator-routing=true",
        "--service-cluster-ip-range=10.0.0.0/16",
        /* Both wait for a controller, and none runs here. */
        "--disable-admission-plugins=ServiceAccount,ResourceQuota", port, NULL};
    if (!port)
        return error_set(error, 500, "out of memory");
    if (!server_start(drill, DRILL_ETCD, assets, etcd, error))
        return false;
    if (write(drill->keeper_pipe, &drill->group, sizeof drill->group) != (ssize_t)sizeof drill->group)
        return error_set(error, 500, "the drill's keeper has ended");
    return server_start(drill, DRILL_API, assets, api, error);
}

/* ---- until it is ready ------------------------------------------------------------------------------- */

bool rehearse_drill_lives(struct rehearse_drill *drill, struct error *error)
{
    for (int i = 0; i < DRILL_SERVERS; i++) {
        int status = 0;
        if (drill->servers[i] == 0 || waitpid(drill->servers[i], &status, WNOHANG) == 0)
            continue;
        drill->servers[i] = 0;
        drill->ended[i] = true;
        return error_set(error, 500,
                         WIFSIGNALED(status) ? "the drill's %s was ended by signal %d"
                                             : "the drill's %s ended with status %d",
                         server_names[i], WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    return true;
}

static bool drill_wait(struct rehearse_drill *drill, struct error *error)
{
    struct error reason = {0};
    int64_t until = time_monotonic_ns() + NS_PER_SECOND * START_SECONDS;
    struct str path = arena_join(drill->arena, str_from(drill->folder), "/", STR("kubeconfig"));
    const struct kube_options access = {.kubeconfig = path.ptr, .timeout_seconds = 60};
    drill->client = path.ptr ? kube_open(&access, error) : NULL;
    if (!drill->client)
        return false;
    while (!kube_ready(drill->client, &reason)) {
        if (!rehearse_drill_lives(drill, error))
            return false;
        if (time_monotonic_ns() > until)
            return error_set(error, 504, "the drill's API server is not ready after %d s: %s", START_SECONDS,
                             reason.message);
        time_sleep_ms(POLL_MS);
    }
    return true;
}

/* What stands last in the logs, as it is: that is where a server says why it ended. Of both where none has. */
struct str rehearse_drill_log(struct rehearse_drill *drill, struct arena *arena)
{
    struct str out = STR("");
    bool one = drill->ended[DRILL_ETCD] || drill->ended[DRILL_API];
    for (int i = 0; i < DRILL_SERVERS; i++) {
        if (one && !drill->ended[i])
            continue;
        char text[LOG_BYTES];
        struct str path = arena_join(arena, str_from(drill->folder), "/", str_from(server_logs[i]));
        FD_SCOPED fd = path.ptr ? open(path.ptr, O_RDONLY | O_CLOEXEC) : -1;
        off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
        ssize_t got = fd >= 0 ? pread(fd, text, sizeof text, end > LOG_BYTES ? end - LOG_BYTES : 0) : 0;
        struct str rest = {text, got > 0 ? (size_t)got : 0};
        size_t from = rest.len, lines = 0;
        while (from > 0 && (text[from - 1] != '\n' || from == rest.len || ++lines < LOG_LINES))
            from--;
        if (rest.len > from)
            out = arena_printf(arena, "%.*s--- %s\n%.*s", STR_ARG(out), server_logs[i],
                               STR_ARG(str_slice(rest, from, rest.len)));
    }
    return out;
}

struct kube_client *rehearse_drill_client(const struct rehearse_drill *drill)
{
    return drill->client;
}

struct rehearse_drill *rehearse_drill_new(void)
{
    enum { MEMORY = 4 * 1024 * 1024 };
    struct arena *arena = arena_new_secret(MEMORY);
    struct rehearse_drill *drill = arena ? arena_alloc(arena, sizeof *drill) : NULL;
    if (!drill) {
        arena_free(arena);
        return NULL;
    }
    *drill = (struct rehearse_drill){.arena = arena, .keeper_pipe = -1, .port_socket = -1};
    return drill;
}

bool rehearse_drill_start(struct rehearse_drill *drill, const char *assets, struct str ns, struct error *error)
{
    struct str token = {NULL, 0};
    return drill_make_folder(drill, error) && keeper_start(drill, error) && drill_take_port(drill, error) &&
           drill_write_token(drill, ns, &token, error) && drill_write_certificates(drill, error) &&
           drill_write_egress(drill, error) && drill_write_kubeconfig(drill, token, error) &&
           drill_start_servers(drill, assets, error) && drill_wait(drill, error);
}

void rehearse_drill_end(struct rehearse_drill *drill)
{
    if (!drill)
        return;
    kube_close(drill->client);
    for (int i = 0; i < DRILL_SERVERS; i++)
        if (drill->servers[i] > 0 && kill(drill->servers[i], SIGKILL) == 0)
            waitpid(drill->servers[i], NULL, 0);
    fd_close(&drill->keeper_pipe);
    if (drill->keeper > 0)
        waitpid(drill->keeper, NULL, 0);
    if (drill->folder[0])
        folder_remove(drill->folder); /* should somebody have ended the keeper */
    fd_close(&drill->port_socket);
    arena_free(drill->arena);
}
