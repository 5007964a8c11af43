#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http.h"

enum { BACKLOG = 1024, HOST_SIZE = 256 };

struct address {
    char host[HOST_SIZE];
    char port[8];
    bool any; /* no host given */
};

static bool bad_address(const char *text, struct error *error)
{
    return error_set(error, 0, "\"%s\" is not a listen address; use ADDR:PORT, :PORT or [::1]:PORT", text);
}

static bool address_parse(const char *text, struct address *address, struct error *error)
{
    struct str host, port;
    int64_t number;
    if (!str_split_host_port(str_from(text), &host, &port) || !str_to_int64(port, &number) || number < 0 ||
        number > 65535 || port.len >= sizeof address->port)
        return bad_address(text, error);
    if (host.len >= sizeof address->host)
        return bad_address(text, error);
    memcpy(address->host, host.ptr, host.len);
    address->host[host.len] = '\0';
    memcpy(address->port, port.ptr, port.len + 1);
    address->any = host.len == 0;
    return true;
}

static int open_one(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info->ai_protocol);
    if (fd < 0)
        return -1;
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static unsigned port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {.v6 = {0}};
    socklen_t length = sizeof bound;
    if (getsockname(fd, &bound.any, &length) != 0)
        return 0;
    return ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
}

static int try_all(const struct addrinfo *list, int family)
{
    int fd = -1;
    for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
        if (family == AF_UNSPEC || info->ai_family == family)
            fd = open_one(info);
    return fd;
}

int listen_open(const char *text, unsigned *port, struct error *error)
{
    struct address address = {0};
    if (!address_parse(text, &address, error))
        return -1;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int failed = getaddrinfo(address.any ? NULL : address.host, address.port, &hints, &list);
    if (failed) {
        error_set(error, 0, "cannot listen on %s: %s", text, gai_strerror(failed));
        return -1;
    }
    /* Without a host one IPv6 socket takes both families; on a machine without IPv6, IPv4 alone. */
    int fd = address.any ? try_all(list, AF_INET6) : -1;
    if (fd < 0 && !(address.any && errno == EADDRINUSE))
        fd = try_all(list, address.any ? AF_INET : AF_UNSPEC);
    int reason = errno;
    char words[ERROR_WORDS];
    freeaddrinfo(list);
    if (fd < 0) {
        error_set(error, 0, "cannot listen on %s: %s%s", text, strerror_r(reason, words, sizeof words),
                  reason == EADDRINUSE ? "; stop the process that listens there, or choose another port"
                  : reason == EACCES   ? "; ports below 1024 need CAP_NET_BIND_SERVICE"
                                       : "");
        return -1;
    }
    *port = port_of(fd);
    return fd;
}
