/* Landlock, by its system calls: headers and C libraries have been slow to have it.
 * https://docs.kernel.org/userspace-api/landlock.html */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, ASK_VERSION = 1, PATH_BENEATH = 1 };

#define ACCESS_WRITE_FILE (UINT64_C(1) << 1)
#define ACCESS_READ_FILE (UINT64_C(1) << 2)
#define ACCESS_READ_DIR (UINT64_C(1) << 3)
#define ACCESS_REMOVE_FILE (UINT64_C(1) << 5)
#define ACCESS_MAKE_REG (UINT64_C(1) << 8)
#define ACCESS_TRUNCATE (UINT64_C(1) << 14)
#define ACCESS_READ (ACCESS_READ_FILE | ACCESS_READ_DIR)
#define ACCESS_WRITE (ACCESS_WRITE_FILE | ACCESS_REMOVE_FILE | ACCESS_MAKE_REG | ACCESS_TRUNCATE)

/* How many of the access rights, from bit 0, each version of the interface knows. */
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

static bool fence_fill(const struct fence *fence, const struct sandbox_options *options)
{
    bool filled = true;
    for (size_t i = 0; i < LENGTH_OF(common); i++)
        filled &= allow_common(fence, common[i]);
    for (const char *const *path = options->readable; path && *path; path++)
        filled &= allow_kept(fence, *path, ACCESS_READ);
    return filled && (!options->writable || allow_kept(fence, options->writable, ACCESS_READ | ACCESS_WRITE));
}

bool sandbox_landlock(const struct sandbox_options *options, const char **why)
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
