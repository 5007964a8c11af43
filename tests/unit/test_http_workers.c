/* Handlers that wait: they run on workers and leave the connections' threads alone. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backstop/http.h"
#include "suite.h"

enum { SLOW_MS = 300, CLIENTS = 12 };

struct scene {
    atomic_uint slow, quick, refused; /* answers given */
    atomic_uint at_work, most;        /* slow handlers at one moment */
};

static void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

static void be_slow(struct scene *scene)
{
    unsigned now = atomic_fetch_add(&scene->at_work, 1) + 1, most = atomic_load(&scene->most);
    while (now > most && !atomic_compare_exchange_weak(&scene->most, &most, now))
        continue;
    sleep_ms(SLOW_MS);
    atomic_fetch_sub(&scene->at_work, 1);
    atomic_fetch_add(&scene->slow, 1);
}

static void handle(void *context, const struct http_request *request, struct http_reply *reply)
{
    struct scene *scene = context;
    reply->content_type = "text/plain";
    if (request->overloaded) {
        atomic_fetch_add(&scene->refused, 1);
        reply->status = 429;
        return;
    }
    if (str_is(request->path, "/slow")) {
        buf_puts(&reply->body, "what was begun does not count");
        reply->later = !request->may_wait;
        if (reply->later)
            return;
        buf_clear(&reply->body);
        be_slow(scene);
    } else {
        atomic_fetch_add(&scene->quick, 1);
    }
    reply->status = 200;
    buf_printf(&reply->body, "%.*s %.*s [%.*s] %.*s", STR_ARG(request->method), STR_ARG(request->path),
               STR_ARG(request->content_type), STR_ARG(request->body));
}

static struct http_server *start(struct scene *scene, unsigned workers, unsigned waiting)
{
    struct error error = {0};
    struct http_config config = {.listen = "127.0.0.1:0",
                                 .threads = 1,
                                 .workers = workers,
                                 .limits = {.waiting = waiting},
                                 .handler = handle,
                                 .context = scene};
    struct http_server *server = http_start(&config, &error);
    if (!server)
        fprintf(stderr, "%s\n", error.message);
    return server;
}

static int ask(const struct http_server *server, const char *path)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server))};
    struct timeval patience = {5, 0};
    char text[256];
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int length =
        snprintf(text, sizeof text,
                 "POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: text/x\r\nContent-Length: 5\r\n\r\nhello", path);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && send(fd, text, (size_t)length, MSG_NOSIGNAL) == length)
        return fd;
    close(fd);
    return -1;
}

static bool hears(int fd, const char *status, const char *part)
{
    char heard[4096];
    size_t length = 0;
    for (ssize_t got; (got = recv(fd, heard + length, sizeof heard - 1 - length, 0)) > 0;)
        length += (size_t)got;
    close(fd);
    struct str answer = {heard, length};
    bool fine = str_starts(answer, str_from(status)) && str_ends(answer, str_from(part));
    if (!fine)
        fprintf(stderr, "\n    expected %s ... %s, got %.*s\n", status, part, STR_ARG(answer));
    return fine;
}

static void test_side_by_side(void)
{
    struct scene scene = {.slow = 0};
    struct http_server *server = start(&scene, 4, 0);
    CU_ASSERT_FATAL(server != NULL);
    int slow[4];
    int64_t begin = time_monotonic_ns();
    for (size_t i = 0; i < LENGTH_OF(slow); i++)
        slow[i] = ask(server, "/slow");
    CU_ASSERT(hears(ask(server, "/quick"), "HTTP/1.1 200 ", "POST /quick [text/x] hello"));
    CU_ASSERT_EQUAL(atomic_load(&scene.slow), 0);
    for (size_t i = 0; i < LENGTH_OF(slow); i++)
        CU_ASSERT(hears(slow[i], "HTTP/1.1 200 ", "\r\n\r\nPOST /slow [text/x] hello"));
    CU_ASSERT(time_monotonic_ns() - begin < 3 * (int64_t)SLOW_MS * 1000000);
    CU_ASSERT_EQUAL(atomic_load(&scene.most), 4);
    http_stop(server, 0);
}

static void test_full_queue(void)
{
    struct scene scene = {.slow = 0};
    struct http_server *server = start(&scene, 1, 2);
    CU_ASSERT_FATAL(server != NULL);
    int clients[CLIENTS];
    unsigned refused = 0;
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = ask(server, "/slow");
    for (size_t i = 0; i < CLIENTS; i++) {
        char heard[16] = "";
        CU_ASSERT(recv(clients[i], heard, sizeof heard - 1, MSG_WAITALL) > 0);
        refused += str_starts(str_from(heard), STR("HTTP/1.1 429 "));
        close(clients[i]);
    }
    CU_ASSERT(refused >= CLIENTS - 4);
    CU_ASSERT_EQUAL(refused, atomic_load(&scene.refused));
    CU_ASSERT_EQUAL(refused + atomic_load(&scene.slow), CLIENTS);
    http_stop(server, 0);
}

/* What is under way is finished and answered, what is queued is refused, nothing hangs. */
static void test_stop(void)
{
    struct scene scene = {.slow = 0};
    struct http_server *server = start(&scene, 1, 0);
    CU_ASSERT_FATAL(server != NULL);
    int clients[3];
    for (size_t i = 0; i < LENGTH_OF(clients); i++)
        clients[i] = ask(server, "/slow");
    sleep_ms(SLOW_MS / 3);
    http_stop(server, 0);
    CU_ASSERT_EQUAL(atomic_load(&scene.slow), 1);
    CU_ASSERT_EQUAL(atomic_load(&scene.slow) + atomic_load(&scene.refused), 3);
    for (size_t i = 0; i < LENGTH_OF(clients); i++)
        close(clients[i]);
}

static void test_stop_with_grace(void)
{
    struct scene scene = {.slow = 0};
    struct http_server *server = start(&scene, 2, 0);
    CU_ASSERT_FATAL(server != NULL);
    int clients[4];
    for (size_t i = 0; i < LENGTH_OF(clients); i++)
        clients[i] = ask(server, "/slow");
    sleep_ms(SLOW_MS / 3);
    http_stop(server, 5000);
    CU_ASSERT_EQUAL(atomic_load(&scene.slow), 4);
    for (size_t i = 0; i < LENGTH_OF(clients); i++)
        CU_ASSERT(hears(clients[i], "HTTP/1.1 200 ", "POST /slow [text/x] hello"));
}

static void test_client_leaves(void)
{
    struct scene scene = {.slow = 0};
    struct http_server *server = start(&scene, 2, 0);
    CU_ASSERT_FATAL(server != NULL);
    for (size_t i = 0; i < 4; i++)
        close(ask(server, "/slow"));
    CU_ASSERT(hears(ask(server, "/slow"), "HTTP/1.1 200 ", "POST /slow [text/x] hello"));
    http_stop(server, 1000);
}

static void test_without_workers(void)
{
    struct scene scene = {.slow = 0};
    struct http_server *server = start(&scene, 0, 0);
    CU_ASSERT_FATAL(server != NULL);
    CU_ASSERT(hears(ask(server, "/slow"), "HTTP/1.1 200 ", "POST /slow [text/x] hello"));
    http_stop(server, 0);
}

SUITE(http_workers, {"slow requests run side by side and hold nobody up", test_side_by_side},
      {"a full queue refuses", test_full_queue}, {"stopping finishes what is under way", test_stop},
      {"stopping with grace finishes all", test_stop_with_grace},
      {"clients that leave while they wait", test_client_leaves},
      {"without workers a handler waits where it is", test_without_workers})
