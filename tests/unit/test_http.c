/* The listener over plain sockets; TLS is the wire tests' part. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backstop/http.h"
#include "backstop/pki.h"
#include "suite.h"

/* Answers with what it was given. */
static atomic_bool asleep; /* a request of /sleep is in its handler */

static void echo(void *context, const struct http_request *request, struct http_reply *reply)
{
    struct timespec pause = {0, 200000000};
    (void)context;
    if (str_is(request->path, "/sleep")) {
        atomic_store(&asleep, true);
        nanosleep(&pause, NULL);
    }
    reply->status = request->overloaded ? 429 : request->oversized ? 413 : 200;
    reply->retry_after = request->overloaded ? 1 : 0;
    reply->content_type = "text/plain";
    buf_printf(&reply->body, "%.*s %.*s ?%.*s [%.*s] %zu:%.*s", STR_ARG(request->method), STR_ARG(request->path),
               STR_ARG(request->query), STR_ARG(request->content_type), request->body.len,
               request->body.len > 20 ? 0 : (int)request->body.len, request->body.len ? request->body.ptr : "");
}

static struct http_server *start(struct http_limits limits)
{
    struct error error = {0};
    struct http_config config = {.listen = "127.0.0.1:0", .threads = 2, .limits = limits, .handler = echo};
    struct http_server *server = http_start(&config, &error);
    if (!server)
        fprintf(stderr, "%s\n", error.message);
    return server;
}

static int dial(const struct http_server *server)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server))};
    struct timeval patience = {10, 0};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static void say(int fd, struct str text)
{
    while (text.len) {
        ssize_t sent = send(fd, text.ptr, text.len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text = str_slice(text, (size_t)sent, text.len);
    }
}

/* All that comes until the server closes. */
static struct str hear(int fd)
{
    static char heard[64 * 1024];
    size_t length = 0;
    for (ssize_t got; (got = recv(fd, heard + length, sizeof heard - 1 - length, 0)) > 0;)
        length += (size_t)got;
    heard[length] = '\0';
    return (struct str){heard, length};
}

static struct str ask(const struct http_server *server, const char *text)
{
    int fd = dial(server);
    say(fd, str_from(text));
    struct str answer = hear(fd);
    close(fd);
    return answer;
}

static bool answers(struct str heard, const char *status, const char *part)
{
    bool fine = str_starts(heard, str_from(status)) && str_contains(heard, str_from(part));
    if (!fine)
        fprintf(stderr, "\n    expected %s ... %s, got %.300s\n", status, part, heard.ptr);
    return fine;
}

static void test_request(void)
{
    struct http_server *server = start((struct http_limits){0});
    CU_ASSERT_FATAL(server != NULL);
    CU_ASSERT(answers(ask(server, "POST /a/b%2e?x=1&y HTTP/1.1\r\nHost: h\r\nContent-Type: application/json; a=b\r\n"
                                  "Content-Length: 5\r\n\r\nhello"),
                      "HTTP/1.1 200 ", "\r\n\r\nPOST /a/b%2e ?x=1&y [application/json; a=b] 5:hello"));
    CU_ASSERT(answers(ask(server, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 ", "Connection: close\r\n"));
    CU_ASSERT(
        answers(ask(server, "GET /../../etc/passwd HTTP/1.0\r\n\r\n"), "HTTP/1.", "GET /../../etc/passwd ? [] 0:"));
    http_stop(server, 0);
}

static void test_chunked(void)
{
    struct http_server *server = start((struct http_limits){0});
    CU_ASSERT_FATAL(server != NULL);
    CU_ASSERT(answers(ask(server, "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"),
                      "HTTP/1.1 200 ", "7:abcdefg"));
    http_stop(server, 0);
}

static void test_head_has_no_body(void)
{
    struct http_server *server = start((struct http_limits){0});
    CU_ASSERT_FATAL(server != NULL);
    struct str heard = ask(server, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
    CU_ASSERT(answers(heard, "HTTP/1.1 200 ", "Content-Length: 1"));
    CU_ASSERT(str_ends(heard, STR("\r\n\r\n")));
    http_stop(server, 0);
}

static struct str ask_with_body(const struct http_server *server, size_t size, bool chunked)
{
    char head[200], *body = malloc(size);
    CU_ASSERT_FATAL(body != NULL);
    memset(body, 'x', size);
    int fd = dial(server);
    if (chunked)
        snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", size);
    else
        snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", size);
    say(fd, str_from(head));
    say(fd, (struct str){body, size});
    if (chunked)
        say(fd, STR("\r\n0\r\n\r\n"));
    struct str heard = hear(fd);
    close(fd);
    free(body);
    return heard;
}

static void test_oversized(void)
{
    struct http_server *server = start((struct http_limits){.body_bytes = 100000});
    CU_ASSERT_FATAL(server != NULL);
    CU_ASSERT(answers(ask_with_body(server, 100000, false), "HTTP/1.1 200 ", " 100000:"));
    CU_ASSERT(answers(ask_with_body(server, 100000, true), "HTTP/1.1 200 ", " 100000:"));
    CU_ASSERT(answers(ask_with_body(server, 100001, false), "HTTP/1.1 413 ", " 65536:"));
    CU_ASSERT(answers(ask_with_body(server, 100001, true), "HTTP/1.1 413 ", " 65536:"));
    /* An announcement that is not worth reading is answered at once. */
    CU_ASSERT(answers(ask(server, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n"),
                      "HTTP/1.1 413 ", " 0:"));
    /* Endless chunks: no answer, but an end. */
    ask_with_body(server, 2000000, true);
    CU_ASSERT(answers(ask_with_body(server, 5, false), "HTTP/1.1 200 ", "5:xxxxx"));
    http_stop(server, 0);
}

static void test_memory_limit(void)
{
    struct http_server *server = start((struct http_limits){.memory_bytes = 200000});
    CU_ASSERT_FATAL(server != NULL);
    CU_ASSERT(answers(ask_with_body(server, 150000, false), "HTTP/1.1 200 ", " 150000:"));
    CU_ASSERT(answers(ask_with_body(server, 250000, false), "HTTP/1.1 429 ", "Retry-After: 1\r\n"));
    CU_ASSERT(answers(ask_with_body(server, 150000, false), "HTTP/1.1 200 ", " 150000:"));
    http_stop(server, 0);
}

static void test_concurrency_limit(void)
{
    struct http_server *server = start((struct http_limits){.concurrent = 1, .request_seconds = 5});
    CU_ASSERT_FATAL(server != NULL);
    int slow = -1, tries = 0;
    bool refused = false, stalled = true;
    /* After 0.25 s the slow one gives way: once more on a machine that has stalled for so long. */
    while (!refused && stalled && tries++ < 20) {
        if (slow >= 0)
            close(slow);
        slow = dial(server);
        int64_t began = time_monotonic_ns();
        say(slow, STR("POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab"));
        nanosleep(&(struct timespec){0, 100000000}, NULL);
        refused = answers(ask_with_body(server, 10, false), "HTTP/1.1 429 ", "Retry-After: 1\r\n");
        stalled = time_monotonic_ns() - began > 200000000;
    }
    CU_ASSERT(refused);
    CU_ASSERT(answers(ask(server, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 ", "GET /"));
    say(slow, STR("cd"));
    CU_ASSERT(answers(hear(slow), "HTTP/1.1 200 ", "4:abcd"));
    close(slow);
    CU_ASSERT(answers(ask_with_body(server, 10, false), "HTTP/1.1 200 ", " 10:"));
    http_stop(server, 0);
}

static void test_slow_client(void)
{
    struct http_server *server = start((struct http_limits){.request_seconds = 1});
    CU_ASSERT_FATAL(server != NULL);
    int fd = dial(server);
    int64_t began = time_monotonic_ns();
    say(fd, STR("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n"));
    struct timespec moment = {0, 100000000};
    char byte;
    while (recv(fd, &byte, 1, MSG_DONTWAIT) != 0 && time_monotonic_ns() - began < 5000000000) {
        say(fd, STR("x"));
        nanosleep(&moment, NULL);
    }
    int64_t took_ms = (time_monotonic_ns() - began) / 1000000;
    CU_ASSERT(took_ms >= 900 && took_ms < 3000);
    close(fd);
    http_stop(server, 0);
}

static void test_connection_limit(void)
{
    struct http_server *server = start((struct http_limits){.connections = 4});
    int held[8];
    CU_ASSERT_FATAL(server != NULL);
    for (size_t i = 0; i < LENGTH_OF(held); i++)
        held[i] = dial(server);
    struct timespec moment = {0, 200000000};
    nanosleep(&moment, NULL);
    int closed = 0;
    char byte;
    for (size_t i = 0; i < LENGTH_OF(held); i++)
        closed += recv(held[i], &byte, 1, MSG_DONTWAIT) == 0;
    CU_ASSERT(closed == 4 || closed == 3); /* two threads that accept at the same moment let one more in */
    for (size_t i = 0; i < LENGTH_OF(held); i++)
        close(held[i]);
    nanosleep(&moment, NULL);
    CU_ASSERT(answers(ask(server, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 ", "GET /"));
    http_stop(server, 0);
}

/* A request under way when the server is told to stop still gets its answer. */
static void test_stop_waits(void)
{
    struct http_server *server = start((struct http_limits){0});
    CU_ASSERT_FATAL(server != NULL);
    int fd = dial(server);
    say(fd, STR("POST /sleep HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok"));
    for (int i = 0; i < 2000 && !atomic_load(&asleep); i++)
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    http_stop(server, 5000);
    CU_ASSERT(answers(hear(fd), "HTTP/1.1 200 ", "2:ok"));
    close(fd);
}

static bool refuses(const char *listen, const char *reason)
{
    struct error error = {0};
    struct http_config config = {.listen = listen, .handler = echo};
    struct http_server *server = http_start(&config, &error);
    bool fine = !server && strstr(error.message, reason);
    if (!fine)
        fprintf(stderr, "\n    %s: expected %s, got %s\n", listen, reason, error.message);
    http_stop(server, 0);
    return fine;
}

static void test_bad_addresses(void)
{
    static const char *const bad[] = {
        "", "9443", "::1:9443", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:9443x"};
    for (size_t i = 0; i < LENGTH_OF(bad); i++)
        CU_ASSERT(refuses(bad[i], "is not a listen address"));
    CU_ASSERT(refuses("192.0.2.1:0", "cannot listen on 192.0.2.1:0"));
    struct http_server *server = start((struct http_limits){0});
    CU_ASSERT_FATAL(server != NULL);
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%u", http_port(server));
    CU_ASSERT(refuses(taken, "Address already in use; stop the process that listens there, or choose another port"));
    http_stop(server, 0);
}

/* Another process that binds the same port, and listens first. */
static int listen_elsewhere(const struct http_server *server)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    CU_ASSERT(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CU_ASSERT(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0);
    return fd;
}

static void test_first_certificate(void)
{
    static const char *const names[] = {"localhost", NULL};
    ARENA_SCOPED arena = arena_new_secret((size_t)1024 * 1024);
    struct pki_profile profile = {.common_name = "x", .not_before = time_now() - 60, .not_after = time_now() + 3600};
    struct pki_pair ca, pair;
    struct error error = {0};
    CU_ASSERT_FATAL(pki_issue_ca(arena, &profile, &ca, &error));
    profile.dns_names = names;
    CU_ASSERT_FATAL(pki_issue_serving(arena, &profile, &ca, &pair, &error));

    struct http_config config = {.listen = "127.0.0.1:0", .tls = true, .threads = 2, .handler = echo};
    struct http_server *server = http_start(&config, &error);
    CU_ASSERT_FATAL(server != NULL);
    CU_ASSERT(dial(server) < 0);
    CU_ASSERT(!http_set_certificate(server, STR("not PEM"), STR("neither"), &error) &&
              strstr(error.message, "no readable PEM certificate"));
    CU_ASSERT(dial(server) < 0);
    int other = listen_elsewhere(server);
    CU_ASSERT(!http_set_certificate(server, pair.certificate, pair.key, &error) &&
              strstr(error.message, "cannot listen on 127.0.0.1:0: Address already in use; stop the process"));
    close(other);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT(http_set_certificate(server, pair.certificate, pair.key, &error));
        int fd = dial(server);
        CU_ASSERT(fd >= 0);
        close(fd);
    }
    http_stop(server, 0);

    server = http_start(&config, &error); /* stopped before any certificate came */
    CU_ASSERT_FATAL(server != NULL);
    http_stop(server, 5000);
}

SUITE(http, {"requests arrive whole", test_request}, {"chunked bodies", test_chunked},
      {"HEAD gets the head only", test_head_has_no_body}, {"oversized bodies", test_oversized},
      {"bodies in memory are bounded", test_memory_limit}, {"requests at once are bounded", test_concurrency_limit},
      {"a trickling client is cut", test_slow_client}, {"connections are bounded", test_connection_limit},
      {"stopping waits for requests", test_stop_waits}, {"addresses that cannot be used", test_bad_addresses},
      {"nobody can connect before there is a certificate", test_first_certificate})
