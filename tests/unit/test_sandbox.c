/* In a process of its own: what is given up cannot be had back. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backstop/sandbox.h"
#include "suite.h"

static char folder[] = "/tmp/backstop-sandbox-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool opens(const char *path, int flags)
{
    int file = open(path, flags | O_CLOEXEC, 0600);
    if (file >= 0)
        close(file);
    return file >= 0;
}

static bool refused(bool done)
{
    return !done && (errno == EPERM || errno == EACCES || errno == ENOSYS);
}

/* ---- what a break-in would try ------------------------------------------------------- */

static bool try_program(void)
{
    char *const arguments[] = {(char[]){"true"}, NULL};
    return refused(execve("/bin/true", arguments, NULL) == 0);
}

static bool try_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return refused(child > 0);
}

static bool try_raw_socket(void)
{
    return refused(socket(AF_PACKET, SOCK_RAW, 0) >= 0);
}

static bool try_trace(void)
{
    return refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
}

static bool try_kernel(void)
{
    return refused(syscall(SYS_bpf, 0, NULL, 0) >= 0) && refused(syscall(SYS_keyctl, 0, 0, 0) >= 0) &&
           refused(syscall(SYS_unshare, 0) == 0) && refused(syscall(SYS_mount, "", "/", "", 0, NULL) == 0) &&
           refused(syscall(SYS_setuid, 0) == 0) && refused(syscall(SYS_io_uring_setup, 1, NULL) >= 0);
}

static bool try_code(void)
{
    return refused(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                   MAP_FAILED);
}

/* The kernel has both calls: only the filter can answer that there are none. Libraries then fall back, as glibc from
 * clone3 to clone. */
static bool try_newer_calls(void)
{
    errno = 0;
    bool unknown = syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS;
    errno = 0;
    return unknown && syscall(450 /* set_mempolicy_home_node */, 0, 0, 0, 0) == -1 && errno == ENOSYS;
}

/* The upper half of a register that holds an int may be anything, and decides nothing. */
static bool try_upper_halves(void)
{
    const long upper = 0x7FL << 32;
    return refused(syscall(SYS_ioctl, 0, upper | 0x5412 /* TIOCSTI */, "x") == 0) &&
           refused(syscall(SYS_socket, upper | AF_PACKET, SOCK_RAW, 0) >= 0) &&
           syscall(SYS_socket, upper | AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
}

static bool try_terminal(void)
{
    return refused(syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x") == 0);
}

static bool try_privileges(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

static bool try_other_files(void)
{
    return refused(opens("/etc/shadow", O_RDONLY)) && refused(opens("/etc/passwd", O_RDONLY)) &&
           refused(opens("/proc/1/environ", O_RDONLY)) && refused(opens("/tmp/backstop-new", O_CREAT | O_WRONLY));
}

static bool try_writing(void)
{
    return refused(opens(in_folder("read"), O_WRONLY)) && refused(opens(in_folder("new"), O_CREAT | O_WRONLY)) &&
           refused(unlink(in_folder("read")) == 0);
}

/* ---- what a webhook does --------------------------------------------------------------- */

/* What there is without a sandbox: a minimal machine has no /etc/hosts, and may not find localhost. */
static bool has_hosts_file, has_localhost;

static bool reads_its_files(void)
{
    return opens(in_folder("read"), O_RDONLY) && opens("/usr/share/zoneinfo/Europe/Berlin", O_RDONLY) &&
           (!has_hosts_file || opens("/etc/hosts", O_RDONLY));
}

/* As git-sync: current -> versions/1, and later -> versions/2. */
static char tree[] = "/tmp/backstop-links-XXXXXX";

static const char *in_tree(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", tree, name);
    return path;
}

static bool reads_behind_links(void)
{
    return opens(in_tree("sync/current/file"), O_RDONLY) && opens(in_tree("sync/versions/2/file"), O_RDONLY) &&
           opens(in_tree("link/away/file"), O_RDONLY) && refused(opens(in_tree("link/file"), O_RDONLY)) &&
           refused(opens(in_tree("file"), O_RDONLY));
}

static bool writes_its_file(void)
{
    char beside[128];
    snprintf(beside, sizeof beside, "%s/ports/file.tmp", folder);
    return opens(beside, O_CREAT | O_WRONLY | O_TRUNC) && opens(beside, O_CREAT | O_WRONLY | O_TRUNC) &&
           rename(beside, in_folder("ports/file")) == 0;
}

static void *nothing(void *context)
{
    return context;
}

static bool starts_threads(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

static bool finds_localhost(void)
{
    struct addrinfo *found = NULL;
    int failed = getaddrinfo("localhost", "443", NULL, &found);
    if (!failed)
        freeaddrinfo(found);
    return !failed;
}

static bool finds_hosts(void)
{
    return !has_localhost || finds_localhost();
}

static bool opens_sockets(void)
{
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), pair[2];
    return tcp >= 0 && listen(tcp, 1) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
}

static const struct {
    const char *what;
    bool (*holds)(void);
    bool by_landlock;
} checks[] = {
    {"another program is refused", try_program, false},
    {"another process is refused", try_fork, false},
    {"a raw socket is refused", try_raw_socket, false},
    {"tracing is refused", try_trace, false},
    {"doors of the kernel are refused", try_kernel, false},
    {"memory that is written and run is refused", try_code, false},
    {"calls newer than the table are unknown", try_newer_calls, false},
    {"the upper half of an argument decides nothing", try_upper_halves, false},
    {"typing into a terminal is refused", try_terminal, false},
    {"no privileges are to be had", try_privileges, false},
    {"other files are refused", try_other_files, true},
    {"writing is refused", try_writing, true},
    {"its files are read", reads_its_files, true},
    {"so is what its links may lead to later", reads_behind_links, true},
    {"its file is written", writes_its_file, true},
    {"threads start", starts_threads, false},
    {"hosts are found", finds_hosts, false},
    {"sockets open", opens_sockets, false},
};

enum { ENTERED_NOT = 200 };

/* The exit code is how many checks failed. */
static void inside(const struct sandbox_options *options)
{
    struct sandbox sandbox;
    struct error error;
    int failed = 0;
    if (!sandbox_enter(options, &sandbox, &error))
        _exit(ENTERED_NOT);
    for (size_t i = 0; i < LENGTH_OF(checks); i++) {
        if ((checks[i].by_landlock ? sandbox.landlock : sandbox.seccomp) && !checks[i].holds()) {
            fprintf(stderr, "\n    not so: %s (%s)\n", checks[i].what, sandbox.words);
            failed++;
        }
    }
    fflush(stderr);
    _exit(failed);
}

/* In a process of its own, so that the one in the sandbox has yet to load what looks hosts up. */
static bool found_outside(void)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(finds_localhost() ? 0 : 1);
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int exit_code_inside(const struct sandbox_options *options)
{
    int status = -1;
    has_hosts_file = access("/etc/hosts", R_OK) == 0;
    has_localhost = found_outside();
    pid_t child = fork();
    if (child == 0)
        inside(options);
    CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *const tree_folders[] = {"sync", "sync/versions", "sync/versions/1", "sync/versions/2",
                                           "link", "elsewhere"};
static const char *const tree_files[] = {"sync/versions/1/file", "sync/versions/2/file", "link/file", "elsewhere/file",
                                         "file"};
static const char *const tree_links[][2] = {{"versions/1", "sync/current"}, {"../elsewhere", "link/away"}};

static void make_tree(void)
{
    CU_ASSERT_FATAL(mkdtemp(tree) != NULL);
    for (size_t i = 0; i < LENGTH_OF(tree_folders); i++)
        CU_ASSERT_FATAL(mkdir(in_tree(tree_folders[i]), 0700) == 0);
    for (size_t i = 0; i < LENGTH_OF(tree_files); i++)
        CU_ASSERT_FATAL(opens(in_tree(tree_files[i]), O_CREAT | O_WRONLY));
    for (size_t i = 0; i < LENGTH_OF(tree_links); i++)
        CU_ASSERT_FATAL(symlink(tree_links[i][0], in_tree(tree_links[i][1])) == 0);
}

static void remove_tree(void)
{
    for (size_t i = 0; i < LENGTH_OF(tree_links); i++)
        unlink(in_tree(tree_links[i][1]));
    for (size_t i = 0; i < LENGTH_OF(tree_files); i++)
        unlink(in_tree(tree_files[i]));
    for (size_t i = LENGTH_OF(tree_folders); i > 0; i--)
        rmdir(in_tree(tree_folders[i - 1]));
    rmdir(tree);
}

static void test_fences(void)
{
    char file[128], ports[128], inside[128], outside[128];
    CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
    make_tree();
    snprintf(inside, sizeof inside, "%s/sync/current/file", tree);
    snprintf(outside, sizeof outside, "%s/link/away/file", tree);
    snprintf(file, sizeof file, "%s/read", folder);
    snprintf(ports, sizeof ports, "%s/ports", folder);
    CU_ASSERT(opens(file, O_CREAT | O_WRONLY) && mkdir(ports, 0700) == 0);
    snprintf(ports, sizeof ports, "%s/ports/file", folder);
    const char *const readable[] = {file, inside, outside, NULL};
    const struct sandbox_options options = {.mode = SANDBOX_AUTO, .readable = readable, .writable = ports};
    CU_ASSERT_EQUAL(exit_code_inside(&options), 0);
    remove_tree();
    unlink(ports);
    unlink(file);
    rmdir(in_folder("ports"));
    rmdir(folder);
}

/* A sandbox that is asked for and cannot be had is no sandbox. */
static void test_required(void)
{
    const struct sandbox_options options = {.mode = SANDBOX_REQUIRE, .runs_programs = true};
    CU_ASSERT_EQUAL(exit_code_inside(&options), ENTERED_NOT);
}

static void test_off(void)
{
    const struct sandbox_options options = {.mode = SANDBOX_OFF};
    struct sandbox sandbox;
    struct error error;
    CU_ASSERT(sandbox_enter(&options, &sandbox, &error));
    CU_ASSERT(!sandbox.seccomp && !sandbox.landlock && !sandbox.no_new_privileges);
    ASSERT_TEXT(str_from(sandbox.words), "seccomp no (switched off), Landlock no (switched off)");
    CU_ASSERT(opens("/etc/passwd", O_RDONLY));
}

SUITE(sandbox, {"what a break-in would try is refused, what a webhook does goes on", test_fences},
      {"one that is required and cannot be had is a failure", test_required},
      {"switched off, nothing is given up", test_off})
