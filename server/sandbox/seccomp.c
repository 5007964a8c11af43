/* A seccomp filter: the system calls that the webhook and its libraries make, and no
 * others. What is refused fails as it would for want of permission; what is newer than
 * this table fails as if the kernel lacked it, so that libraries fall back. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#else
#define MACHINE 0
#endif

enum {
    NEWEST_KNOWN = 450,
    X32 = 0x40000000, /* the third calling convention of x86_64, which nothing here uses */
    REFUSE = SECCOMP_RET_ERRNO | EPERM,
    LACKING = SECCOMP_RET_ERRNO | ENOSYS,
    TERMINAL_SIZE = 0x5413,
    BYTES_WAITING = 0x541B,
    NOT_BLOCKING = 0x5421,
    TERMINAL_MODES = 0x5401,
    /* The kernel's own, from 6.11 on, where somebody else traces a library: a refusal would end
     * the process (Linux cf6cb56ef244). Useless when called from elsewhere. */
    UPROBE_RETURN = 335,
    UPROBE = 336,
    PROGRAM_MAX = 512
};

/* Often used ones first, for kernels that walk the list. */
static const int allowed[] = {
    /* reviews */
    SYS_read,
    SYS_write,
    SYS_recvfrom,
    SYS_sendto,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_futex,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_clock_gettime,
    SYS_accept4,
    SYS_close,
    SYS_setsockopt,
    SYS_shutdown,
    SYS_readv,
    SYS_writev,
    /* memory and threads */
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_mincore,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,
    SYS_membarrier,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_setaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_set_tid_address,
    SYS_gettid,
    SYS_getpid,
    SYS_getppid,
    SYS_exit,
    SYS_exit_group,
    SYS_restart_syscall,
    SYS_prlimit64,
    SYS_prctl,
    SYS_getcpu,
    SYS_getrandom,
    /* signals to itself, time */
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigtimedwait,
    SYS_rt_sigpending,
    SYS_rt_sigsuspend,
    SYS_sigaltstack,
    SYS_tgkill,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    /* files: which ones is Landlock's to say */
    SYS_openat,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_faccessat,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_lseek,
    SYS_pread64,
    SYS_pwrite64,
    SYS_fcntl,
    SYS_dup,
    SYS_dup3,
    SYS_fsync,
    SYS_renameat,
    SYS_unlinkat,
    SYS_statfs,
    SYS_fstatfs,
    SYS_inotify_init1,
    SYS_inotify_add_watch,
    SYS_inotify_rm_watch,
    SYS_pipe2,
    SYS_eventfd2,
    SYS_flock,
    SYS_umask,
    /* the network */
    SYS_connect,
    SYS_accept,
    SYS_bind,
    SYS_listen,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_sendmmsg,
    SYS_recvmmsg,
    SYS_sendfile,
    SYS_ppoll,
    SYS_pselect6,
    SYS_epoll_create1,
    /* who and where it is */
    SYS_uname,
    SYS_sysinfo,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getgroups,
    SYS_getrusage,
    SYS_times,
#ifdef SYS_rseq
    SYS_rseq,
#endif
#ifdef SYS_renameat2
    SYS_renameat2,
#endif
#ifdef SYS_faccessat2
    SYS_faccessat2,
#endif
#ifdef SYS_epoll_pwait2
    SYS_epoll_pwait2,
#endif
#ifdef __x86_64__
    UPROBE_RETURN,
    UPROBE,
    /* the older names, which glibc still uses there */
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_rename,
    SYS_unlink,
    SYS_pipe,
    SYS_dup2,
    SYS_poll,
    SYS_select,
    SYS_epoll_wait,
    SYS_epoll_create,
    SYS_time,
    SYS_getrlimit,
    SYS_arch_prctl,
    SYS_inotify_init,
    SYS_eventfd,
#endif
};

/* Allowed with these values of an argument only. */
static const struct argument {
    int call;
    unsigned number;
    enum { ONE_OF, ANY_BIT, NOT_BOTH_BITS } test;
    uint32_t values[4];
} arguments[] = {
    {SYS_clone, 0, ANY_BIT, {CLONE_THREAD}}, /* threads, but no processes */
    {SYS_socket, 0, ONE_OF, {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}},
    {SYS_socketpair, 0, ONE_OF, {AF_UNIX}},
    {SYS_ioctl, 1, ONE_OF, {NOT_BLOCKING, BYTES_WAITING, TERMINAL_MODES, TERMINAL_SIZE}},
    /* no memory that can be written and run */
    {SYS_mmap, 2, NOT_BOTH_BITS, {PROT_WRITE | PROT_EXEC}},
    {SYS_mprotect, 2, NOT_BOTH_BITS, {PROT_WRITE | PROT_EXEC}},
};

struct program {
    struct sock_filter steps[PROGRAM_MAX];
    unsigned short len;
};

static void program_add(struct program *program, unsigned code, uint32_t value, unsigned if_true, unsigned if_false)
{
    if (program->len < PROGRAM_MAX)
        program->steps[program->len++] =
            (struct sock_filter){(uint16_t)code, (uint8_t)if_true, (uint8_t)if_false, value};
}

static void program_load(struct program *program, size_t offset)
{
    program_add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void program_answer(struct program *program, uint32_t verdict)
{
    program_add(program, BPF_RET | BPF_K, verdict, 0, 0);
}

/* Both machines are little-endian: the low half of an argument stands first. */
static void add_argument(struct program *program, const struct argument *argument)
{
    size_t count = 0;
    while (count < LENGTH_OF(argument->values) && argument->values[count])
        count++;
    struct program body = {.len = 0};
    program_load(&body, offsetof(struct seccomp_data, args) + 8 * (size_t)argument->number);
    if (argument->test == NOT_BOTH_BITS)
        program_add(&body, BPF_ALU | BPF_AND | BPF_K, argument->values[0], 0, 0);
    for (size_t i = 0; i < count; i++)
        program_add(&body, BPF_JMP | (argument->test == ANY_BIT ? BPF_JSET : BPF_JEQ) | BPF_K, argument->values[i],
                    (unsigned)(count - i), 0);
    program_answer(&body, argument->test == NOT_BOTH_BITS ? SECCOMP_RET_ALLOW : REFUSE);
    program_answer(&body, argument->test == NOT_BOTH_BITS ? REFUSE : SECCOMP_RET_ALLOW);
    program_add(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)argument->call, 0, body.len);
    for (size_t i = 0; i < body.len; i++)
        program_add(program, body.steps[i].code, body.steps[i].k, body.steps[i].jt, body.steps[i].jf);
}

static void write_program(struct program *program)
{
    program_load(program, offsetof(struct seccomp_data, arch));
    program_add(program, BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0);
    program_answer(program, SECCOMP_RET_KILL_PROCESS);
    program_load(program, offsetof(struct seccomp_data, nr));
    program_add(program, BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1);
    program_answer(program, LACKING);
    for (size_t i = 0; i < LENGTH_OF(allowed); i++) {
        program_add(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[i], 0, 1);
        program_answer(program, SECCOMP_RET_ALLOW);
    }
    for (size_t i = 0; i < LENGTH_OF(arguments); i++)
        add_argument(program, &arguments[i]);
#ifdef SYS_clone3
    /* Its flags stand in memory, which a filter cannot read: glibc falls back to clone. */
    program_add(program, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1);
    program_answer(program, LACKING);
#endif
    program_add(program, BPF_JMP | BPF_JGE | BPF_K, NEWEST_KNOWN, 0, 1);
    program_answer(program, LACKING);
    program_answer(program, REFUSE);
}

bool sandbox_seccomp(const char **why)
{
    struct program program = {.len = 0};
    write_program(&program);
    const struct sock_fprog filter = {.len = program.len, .filter = program.steps};
    if (MACHINE == 0 || program.len >= PROGRAM_MAX)
        *why = "not on this kind of processor";
    else if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0)
        *why = errno == ENOSYS || errno == EINVAL ? "the kernel lacks it" : "it is refused";
    return *why == NULL;
}
