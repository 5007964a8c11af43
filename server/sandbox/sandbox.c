/* The two fences. Each says in `why`, a word or two, what stood against it.
 *
 * Landlock bounds which files can be opened, seccomp which system calls can be made: what an
 * attacker who got into the process would need first (other programs, other files, executable
 * memory) is not there. Both are inherited by every thread and cannot be undone. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backstop/sandbox.h"

/* Landlock, by its system calls: headers and C libraries have been slow to have it.
 * https://docs.kernel.org/userspace-api/landlock.html */

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, ASK_VERSION = 1, PATH_BENEATH = 1 };

#define ACCESS_WRITE_FILE (UINT64_C(1) << 1)
#define ACCESS_READ_FILE (UINT64_C(1) << 2)
#define ACCESS_READ_DIR (UINT64_C(1) << 3)
#define ACCESS_REMOVE_FILE (UINT64_C(1) << 5)
#define ACCESS_MAKE_REG (UINT64_C(1) << 8)
#define ACCESS_TRUNCATE (UINT64_C(1) << 14)
#define ACCESS_READ (ACCESS_READ_FILE | ACCESS_READ_DIR)
#define ACCESS_WRITE (ACCESS_WRITE_FILE | ACCESS_REMOVE_FILE | ACCESS_MAKE_REG | ACCESS_TRUNCATE)

/* How many of the access rights, from bit 0, each version of the interface knows. A right that
 * the kernel does not know makes the whole ruleset invalid, so only those of its version are
 * asked for; a newer kernel is treated as the newest that is known here. */
static const unsigned rights[] = {0, 13, 14, 15, 15, 16};

struct ruleset {
    uint64_t files, network, scopes;
};
struct beneath {
    uint64_t allowed;
    int folder;
} __attribute__((packed));

/* What the C library reads to find hosts and load its modules, libcurl to know authorities,
 * schedules to know time zones. What is not there is passed over. */
static const char *const common[] = {
    "/usr/share/zoneinfo",
    "/usr/share/lib/zoneinfo",
    "/usr/lib/locale",
    "/etc/zoneinfo",
    "/etc/localtime",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/services",
    "/etc/protocols",
    "/run/systemd/resolve",
    "/etc/ld.so.cache",
    "/usr/lib",
    "/lib",
    "/lib64",
    "/usr/lib64",
    "/etc/ssl",
    "/etc/pki",
    "/etc/crypto-policies",
    "/etc/gnutls",
    "/usr/share/ca-certificates",
    "/usr/lib/ssl",
    "/dev/null",
    "/dev/urandom",
    "/proc/self",
    "/proc/stat",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
};

struct fence {
    int ruleset;
    uint64_t handled; /* rights that this kernel knows */
};

/* Rights that only folders have must not be asked for on a file. */
static bool fence_allow(const struct fence *fence, const char *path, uint64_t access)
{
    struct beneath rule = {.folder = open(path, O_PATH | O_CLOEXEC)};
    struct stat info;
    if (rule.folder < 0)
        return true; /* what is not there now cannot be opened later */
    bool folder = fstat(rule.folder, &info) == 0 && S_ISDIR(info.st_mode);
    rule.allowed = fence->handled & (folder ? access : access & (ACCESS_READ_FILE | ACCESS_WRITE_FILE));
    bool added = syscall(ADD_RULE, fence->ruleset, PATH_BENEATH, &rule, 0) == 0;
    close(rule.folder);
    return added;
}

/* The folder a file is in, since a file is replaced by another of its name; a folder itself. */
static bool fence_folder(const char *path, char out[PATH_MAX])
{
    struct stat info;
    size_t length = strnlen(path, PATH_MAX);
    if (length >= PATH_MAX)
        return false;
    memcpy(out, path, length + 1);
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return true;
    char *slash = strrchr(out, '/');
    if (!slash)
        memcpy(out, ".", sizeof ".");
    else
        slash[slash == out] = '\0';
    return true;
}

/* A link that leads into its own folder is there to be exchanged, as git-sync does with
 * whole trees: the next one will lead into that folder, too. */
static bool allow_link(const struct fence *fence, const char *link, uint64_t access)
{
    char holder[PATH_MAX], folder[PATH_MAX], target[PATH_MAX];
    struct stat info;
    if (lstat(link, &info) != 0 || !S_ISLNK(info.st_mode))
        return true;
    size_t length = strnlen(link, PATH_MAX - 1);
    while (length > 0 && link[length - 1] != '/')
        length--;
    memcpy(holder, length ? link : "./", length ? length : 2);
    holder[length ? length : 2] = '\0';
    if (!realpath(holder, folder) || !realpath(link, target) || strcmp(folder, "/") == 0)
        return true;
    length = strlen(folder);
    bool inside = strncmp(target, folder, length) == 0 && target[length] == '/';
    return !inside || fence_allow(fence, folder, access);
}

/* Of each part of the path, as any of them may be such a link. */
static bool allow_links(const struct fence *fence, const char *path, uint64_t access)
{
    char link[PATH_MAX];
    bool allowed = true;
    for (size_t i = 0; i < PATH_MAX && allowed; i++) {
        if (i > 0 && (path[i] == '/' || !path[i])) {
            memcpy(link, path, i);
            link[i] = '\0';
            allowed = allow_link(fence, link, access);
        }
        if (!path[i])
            break;
    }
    return allowed;
}

/* Also where the path leads: a mounted file may be a link to another folder. */
static bool allow_kept(const struct fence *fence, const char *path, uint64_t access)
{
    char folder[PATH_MAX], real[PATH_MAX];
    if (!fence_folder(path, folder) || !fence_allow(fence, folder, access) || !allow_links(fence, path, access))
        return false;
    return !realpath(path, real) || (fence_folder(real, folder) && fence_allow(fence, folder, access));
}

/* Who keeps /etc/resolv.conf current elsewhere (/run/NetworkManager, /run/resolvconf) puts a
 * new file there. In /etc itself it is this file, or none. */
static bool allow_common(const struct fence *fence, const char *path)
{
    char folder[PATH_MAX], real[PATH_MAX];
    struct stat info;
    if (!fence_allow(fence, path, ACCESS_READ))
        return false;
    if (lstat(path, &info) != 0 || !S_ISLNK(info.st_mode) || !realpath(path, real) || !fence_folder(real, folder))
        return true;
    return strcmp(folder, "/etc") == 0 || fence_allow(fence, folder, ACCESS_READ);
}

/* All are tried, so that one failure does not leave others out. */
static bool fence_fill(const struct fence *fence, const struct sandbox_options *options)
{
    bool filled = true;
    for (size_t i = 0; i < LENGTH_OF(common); i++)
        filled &= allow_common(fence, common[i]);
    for (const char *const *path = options->readable; path && *path; path++)
        filled &= allow_kept(fence, *path, ACCESS_READ);
    return filled && (!options->writable || allow_kept(fence, options->writable, ACCESS_READ | ACCESS_WRITE));
}

/* Allows reading and writing what the options name. Network rights are left as they are. */
static bool sandbox_landlock(const struct sandbox_options *options, const char **why)
{
    long version = syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);
    if (version < 1) {
        *why = errno == EOPNOTSUPP ? "disabled in the kernel" : "not supported by the kernel";
        return false;
    }
    size_t known = (size_t)version < LENGTH_OF(rights) ? (size_t)version : LENGTH_OF(rights) - 1;
    struct ruleset wanted = {.files = (UINT64_C(1) << rights[known]) - 1,
                             .scopes = version >= 6 ? 3 : 0}; /* no signals and no abstract sockets to others */
    size_t size = version >= 6 ? sizeof wanted : sizeof wanted.files;
    struct fence fence = {.ruleset = (int)syscall(CREATE_RULESET, &wanted, size, 0), .handled = wanted.files};
    if (fence.ruleset < 0) {
        *why = "refused by the kernel";
        return false;
    }
    bool entered = fence_fill(&fence, options) && syscall(RESTRICT_SELF, fence.ruleset, 0) == 0;
    close(fence.ruleset);
    *why = entered ? NULL : "refused by the kernel";
    return entered;
}

/* A seccomp filter, built by libseccomp: the system calls that the webhook and its libraries make, and no
 * others. A refused call fails with EPERM; one that is newer than this table with ENOSYS, as if the kernel
 * lacked it, so that libraries fall back. */

enum {
    NEWER_FIRST = 450, /* the first number that Linux gave out after this table was written */
    NEWER_LAST = 511,  /* numbers from 512 on are x32's */
    HOT_PRIORITY = 255,
    TERMINAL_SIZE = 0x5413,
    BYTES_WAITING = 0x541B,
    NOT_BLOCKING = 0x5421,
    TERMINAL_MODES = 0x5401,
    /* The kernel's own, from 6.11 on, where somebody else traces a library: a refusal would end
     * the process (Linux cf6cb56ef244). Useless when called from elsewhere. */
    UPROBE_RETURN = 335,
    UPROBE = 336,
};

#define WHOLE UINT32_MAX

/* What every review calls. The filter compares with these first: kernels before 5.11 run it for each call, and only
 * later ones keep a bitmap of what is always allowed. */
static const int allowed_hot[] = {
    SCMP_SYS(poll),        SCMP_SYS(ppoll),         SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(pwritev2),
    SCMP_SYS(write),       SCMP_SYS(futex),         SCMP_SYS(accept4),  SCMP_SYS(close),   SCMP_SYS(read),
    SCMP_SYS(setsockopt),  SCMP_SYS(shutdown),      SCMP_SYS(sendto),   SCMP_SYS(recvmsg), SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait), SCMP_SYS(clock_gettime), SCMP_SYS(readv),    SCMP_SYS(writev),
};

static const int allowed[] = {
    /* memory and threads */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(mincore),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(munlock),
    SCMP_SYS(membarrier),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_get_priority_max),
    SCMP_SYS(sched_get_priority_min),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(prlimit64),
    SCMP_SYS(prctl),
    SCMP_SYS(getcpu),
    SCMP_SYS(getrandom),
    /* signals to itself, time */
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigsuspend),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(tgkill),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    /* files: which ones is Landlock's to say */
    SCMP_SYS(openat),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(faccessat),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(getcwd),
    SCMP_SYS(lseek),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(fcntl),
    SCMP_SYS(dup),
    SCMP_SYS(dup3),
    SCMP_SYS(fsync),
    SCMP_SYS(renameat),
    SCMP_SYS(unlinkat),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(inotify_init1),
    SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_rm_watch),
    SCMP_SYS(pipe2),
    SCMP_SYS(eventfd2),
    SCMP_SYS(flock),
    SCMP_SYS(umask),
    /* the network */
    SCMP_SYS(connect),
    SCMP_SYS(accept),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendfile),
    SCMP_SYS(pselect6),
    SCMP_SYS(epoll_create1),
    /* who and where it is */
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getresuid),
    SCMP_SYS(getresgid),
    SCMP_SYS(getgroups),
    SCMP_SYS(getrusage),
    SCMP_SYS(times),
    SCMP_SYS(rseq),
    SCMP_SYS(renameat2),
    SCMP_SYS(faccessat2),
    SCMP_SYS(epoll_pwait2),
    /* older names, which glibc still uses on x86_64 */
    SCMP_SYS(open),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(access),
    SCMP_SYS(readlink),
    SCMP_SYS(rename),
    SCMP_SYS(unlink),
    SCMP_SYS(pipe),
    SCMP_SYS(dup2),
    SCMP_SYS(select),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_create),
    SCMP_SYS(time),
    SCMP_SYS(getrlimit),
    SCMP_SYS(arch_prctl),
    SCMP_SYS(inotify_init),
    SCMP_SYS(eventfd),
#ifdef __x86_64__
    UPROBE_RETURN,
    UPROBE,
#endif
};

/* Allowed where the masked bits of one argument are the value, and refused otherwise. Masks end at 32 bits, since
 * these arguments are ints: the upper half of their registers may hold anything. */
static const struct argument_rule {
    int call;
    unsigned number;
    uint32_t mask, value;
} argument_rules[] = {
    {SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD}, /* threads, but no processes */
    {SCMP_SYS(socket), 0, WHOLE, AF_INET},
    {SCMP_SYS(socket), 0, WHOLE, AF_INET6},
    {SCMP_SYS(socket), 0, WHOLE, AF_UNIX},
    {SCMP_SYS(socket), 0, WHOLE, AF_NETLINK},
    {SCMP_SYS(socketpair), 0, WHOLE, AF_UNIX},
    {SCMP_SYS(ioctl), 1, WHOLE, NOT_BLOCKING},
    {SCMP_SYS(ioctl), 1, WHOLE, BYTES_WAITING},
    {SCMP_SYS(ioctl), 1, WHOLE, TERMINAL_MODES},
    {SCMP_SYS(ioctl), 1, WHOLE, TERMINAL_SIZE},
    /* no memory that can be written and run */
    {SCMP_SYS(mmap), 2, PROT_WRITE | PROT_EXEC, 0},
    {SCMP_SYS(mmap), 2, PROT_WRITE | PROT_EXEC, PROT_WRITE},
    {SCMP_SYS(mmap), 2, PROT_WRITE | PROT_EXEC, PROT_EXEC},
    {SCMP_SYS(mprotect), 2, PROT_WRITE | PROT_EXEC, 0},
    {SCMP_SYS(mprotect), 2, PROT_WRITE | PROT_EXEC, PROT_WRITE},
    {SCMP_SYS(mprotect), 2, PROT_WRITE | PROT_EXEC, PROT_EXEC},
};

/* 0, or a negative error number. Calls that this processor does not have are passed over by libseccomp. */
static int filter_add_rules(scmp_filter_ctx filter)
{
    int status = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (status == 0) /* the kernel's own error, not ECANCELED for each */
        status = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
    for (size_t i = 0; status == 0 && i < LENGTH_OF(allowed_hot); i++) {
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_hot[i], 0);
        /* Of a call that this processor does not have, and so of none, the order cannot be said. */
        (void)seccomp_syscall_priority(filter, allowed_hot[i], (uint8_t)(HOT_PRIORITY - i));
    }
    for (size_t i = 0; status == 0 && i < LENGTH_OF(allowed); i++)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; status == 0 && i < LENGTH_OF(argument_rules); i++) {
        const struct argument_rule *rule = &argument_rules[i];
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, rule->call, 1,
                                  SCMP_CMP(rule->number, SCMP_CMP_MASKED_EQ, rule->mask, rule->value));
    }
    if (status == 0) /* its flags are in memory, which a filter cannot read: glibc falls back to clone */
        status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    for (int call = NEWER_FIRST; status == 0 && call <= NEWER_LAST; call++)
        status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0);
    return status;
}

/* Allows the system calls in the table above. The default is a refusal, not the end of the
 * process: a library that tries something new then goes on without it. */
static bool sandbox_seccomp(const char **why)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int status = filter ? filter_add_rules(filter) : -ENOMEM;
    if (status == 0)
        status = seccomp_load(filter);
    seccomp_release(filter);
    if (status == -ENOSYS || status == -EINVAL || status == -EOPNOTSUPP)
        *why = "not supported by the kernel";
    else if (status != 0)
        *why = status == -ENOMEM ? "out of memory" : "refused by the kernel";
    return *why == NULL;
}

/* Sanitizers and coverage make system calls of their own, and write files when they end. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(BACKSTOP_NO_SANDBOX)
enum { INSTRUMENTED = 1 };
#else
enum { INSTRUMENTED = 0 };
#endif

/* Why there are no fences, or NULL. A credential plugin is a program, which needs the right to
 * start processes and files of its own. */
static const char *kept_out(const struct sandbox_options *options)
{
    if (options->mode == SANDBOX_OFF)
        return "switched off";
    if (INSTRUMENTED)
        return "instrumented build";
    return options->runs_programs ? "the kubeconfig uses a credential plugin" : NULL;
}

/* Landlock first, seccomp last, as the filter forbids the calls of both. `auto` goes on with
 * what the kernel grants and says so. */
bool sandbox_enter(const struct sandbox_options *options, struct sandbox *sandbox, struct error *error)
{
    const char *off = kept_out(options), *no_seccomp = off, *no_landlock = off;
    *sandbox = (struct sandbox){.seccomp = false};
    if (options->mode != SANDBOX_OFF) {
        const struct rlimit none = {0, 0}; /* a core file would hold private keys */
        setrlimit(RLIMIT_CORE, &none);
        sandbox->no_new_privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    }
    if (!off) {
        sandbox->landlock = sandbox_landlock(options, &no_landlock);
        sandbox->seccomp = sandbox_seccomp(&no_seccomp); /* last: it forbids the calls of both */
    }
    snprintf(sandbox->words, sizeof sandbox->words, "seccomp %s%s%s%s, Landlock %s%s%s%s",
             sandbox->seccomp ? "yes" : "no", no_seccomp ? " (" : "", no_seccomp ? no_seccomp : "",
             no_seccomp ? ")" : "", sandbox->landlock ? "yes" : "no", no_landlock ? " (" : "",
             no_landlock ? no_landlock : "", no_landlock ? ")" : "");
    if (options->mode == SANDBOX_REQUIRE && (!sandbox->seccomp || !sandbox->landlock))
        return error_set(error, 0, "--sandbox require: %s", sandbox->words);
    return true;
}
