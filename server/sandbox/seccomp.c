/* A seccomp filter, built by libseccomp: the system calls that the webhook and its libraries make, and no
 * others. A refused call fails with EPERM; one that is newer than this table with ENOSYS, as if the kernel
 * lacked it, so that libraries fall back. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "sandbox/sandbox.h"

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
    SCMP_SYS(read),        SCMP_SYS(write),         SCMP_SYS(recvfrom), SCMP_SYS(sendto),
    SCMP_SYS(recvmsg),     SCMP_SYS(sendmsg),       SCMP_SYS(futex),    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait), SCMP_SYS(clock_gettime), SCMP_SYS(accept4),  SCMP_SYS(close),
    SCMP_SYS(setsockopt),  SCMP_SYS(shutdown),      SCMP_SYS(readv),    SCMP_SYS(writev),
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
    SCMP_SYS(ppoll),
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
    SCMP_SYS(poll),
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
        if (status == 0)
            status = seccomp_syscall_priority(filter, allowed_hot[i], (uint8_t)(HOT_PRIORITY - i));
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

bool sandbox_seccomp(const char **why)
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
