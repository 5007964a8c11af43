/* One HTTP exchange with the API server through libcurl: TLS, proxy and credentials as the kubeconfig says, time limits,
 * cancelling. Knows nothing of objects. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "kube/kube.h"

#define MALFORMED_CHUNK "malformed chunk in the response"

enum {
    EXCHANGE_ARENA_MAX = 4 * 1024 * 1024,
    CONNECT_SECONDS = 5,
    KEEPALIVE_SECONDS = 10,
    UNACKNOWLEDGED_SECONDS = 30,
    SILENT_SECONDS = 10,
    STREAM_CALM_MS = 50,   /* after a longer silence the next event most likely comes alone: libcurl waits for more */
    STREAM_PAUSE_MS = 10,  /* between two reads of what has come */
    STREAM_LENT_MS = 1000, /* the longest without libcurl, which must check its own time limits */
    STREAM_HALF_MS = 1000  /* the longest wait for the rest of an event before cancelling is looked at */
};

struct exchange {
    const struct kube_client *client;
    const struct kube_call *call;
    struct buf *answer;
    CURL *connection;
    int64_t began_ns, received_ns;
    bool ended_by_stream, never_answered;
    struct kube_sockets sockets;
    struct kube_chunks chunks; /* of a stream */
    bool framed, chunked;      /* framed: its headers were read; chunked: they say that it comes in chunks */
    const char *problem;       /* that libcurl does not know of */
};

static bool exchange_succeeds(const struct exchange *exchange)
{
    long status = 0;
    curl_easy_getinfo(exchange->connection, CURLINFO_RESPONSE_CODE, &status);
    return status == 200;
}

/* Only a success is a stream; a refusal is a Status document. */
static bool exchange_deliver(void *context, struct str bytes)
{
    struct exchange *exchange = context;
    if (exchange_succeeds(exchange)) {
        exchange->ended_by_stream = !exchange->call->stream(exchange->call->context, bytes);
        return !exchange->ended_by_stream;
    }
    buf_add(exchange->answer, bytes);
    return !exchange->answer->failed;
}

/* A stream comes as it was sent, in chunks (stream.c says why). */
static enum kube_chunks_end exchange_take(struct exchange *exchange, struct str bytes)
{
    struct curl_header *header = NULL;
    if (!exchange->framed) {
        exchange->framed = true;
        exchange->chunked =
            curl_easy_header(exchange->connection, "Transfer-Encoding", 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
            str_eq_nocase(str_trim(str_from(header->value)), STR("chunked"));
    }
    if (exchange->chunked)
        return kube_chunks_take(&exchange->chunks, bytes, exchange_deliver, exchange);
    return exchange_deliver(exchange, bytes) ? KUBE_CHUNKS_MORE : KUBE_CHUNKS_STOPPED;
}

/* Reads all that is there. */
static enum kube_chunks_end exchange_drain(struct exchange *exchange, struct kube_source *source, char *block,
                                           ssize_t *last)
{
    enum kube_chunks_end end = KUBE_CHUNKS_MORE;
    while (end == KUBE_CHUNKS_MORE && (*last = kube_source_read(source, block, KUBE_STREAM_BLOCK)) > 0) {
        end = exchange_take(exchange, (struct str){block, (size_t)*last});
        exchange->received_ns = time_monotonic_ns();
        if (end == KUBE_CHUNKS_MORE && kube_call_given_up(exchange->client, exchange->call))
            end = KUBE_CHUNKS_STOPPED;
    }
    return end;
}

/* A stream that keeps coming is read a hundred times a second, and not event by event: to be woken costs more than to read
 * one, and a snapshot gathers for longer. Goes on until nothing has come since the last time; where half an event has, the
 * rest is waited for, since libcurl takes the connection back between two. False: the exchange is over. */
static bool exchange_follow(struct exchange *exchange, struct kube_source *source, char *block)
{
    const int64_t began_ns = time_monotonic_ns(), limit_ns = exchange->call->timeout_seconds * NS_PER_SECOND;
    for (;;) {
        int64_t before_ns = exchange->received_ns;
        struct pollfd rest = {.fd = source->fd, .events = POLLIN};
        ssize_t last = 0;
        if (kube_chunks_between(&exchange->chunks))
            time_sleep_ms(STREAM_PAUSE_MS);
        else
            (void)poll(&rest, 1, STREAM_HALF_MS);
        enum kube_chunks_end end = exchange_drain(exchange, source, block, &last);
        int64_t now_ns = time_monotonic_ns();
        if (end != KUBE_CHUNKS_MORE) {
            exchange->ended_by_stream |= end == KUBE_CHUNKS_END;
            exchange->problem = end == KUBE_CHUNKS_BROKEN ? MALFORMED_CHUNK : "request cancelled";
            return false;
        }
        if (last < 0) { /* libcurl would wait for it once more */
            exchange->problem = "connection closed before the response ended";
            return false;
        }
        if (kube_chunks_between(&exchange->chunks)) {
            if (exchange->received_ns == before_ns || now_ns - began_ns > STREAM_LENT_MS * NS_PER_MS)
                return true;
        } else if (kube_call_given_up(exchange->client, exchange->call) ||
                   (limit_ns && now_ns - exchange->began_ns > limit_ns)) {
            exchange->problem = "the response stopped in the middle of an event";
            return false;
        }
    }
}

/* Whoever speaks TLS to a proxy has the API server's TLS within it: the socket is not what is read. */
static bool exchange_is_nested(const struct kube_config *config)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"};
    bool nested = str_eq_nocase(str_slice(config->proxy, 0, 5), STR("https"));
    for (size_t i = 0; i < LENGTH_OF(names) && !nested && !config->proxy.len; i++) {
        const char *proxy = getenv(names[i]); /* NOLINT(concurrency-mt-unsafe): the environment is never written */
        nested = proxy && str_eq_nocase(str_slice(str_from(proxy), 0, 5), STR("https"));
    }
    return nested;
}

/* Called with the last of what libcurl has read itself: a block of less than its buffer leaves nothing in it. False: the
 * exchange is over. */
static bool exchange_read_on(struct exchange *exchange, size_t read, int64_t since_ns)
{
    struct kube_source source;
    /* Each of these makes libcurl go on by itself: nothing is lost but time. */
    if (since_ns > STREAM_CALM_MS * NS_PER_MS || read >= CURL_MAX_WRITE_SIZE || !exchange->chunked ||
        !kube_chunks_between(&exchange->chunks) || !exchange_succeeds(exchange) ||
        exchange_is_nested(&exchange->client->config) ||
        !kube_source_open(&source, exchange->connection, &exchange->sockets))
        return true;
    char *block = malloc(KUBE_STREAM_BLOCK);
    bool goes_on = !block || exchange_follow(exchange, &source, block);
    free(block);
    kube_source_close(&source);
    return goes_on;
}

/* Returning less than what came makes libcurl end the transfer, for a stream that is no longer
 * wanted and for an answer over its limit; exchange_perform tells the two apart. */
static size_t exchange_receive(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    struct str block = {bytes, size * count};
    if (!exchange->call->stream) {
        buf_add(exchange->answer, block);
        return exchange->answer->failed ? 0 : block.len;
    }
    const int64_t now_ns = time_monotonic_ns(), since_ns = now_ns - exchange->received_ns;
    exchange->received_ns = now_ns;
    enum kube_chunks_end end = exchange_take(exchange, block);
    if (end == KUBE_CHUNKS_BROKEN)
        exchange->problem = MALFORMED_CHUNK;
    bool goes_on = end == KUBE_CHUNKS_MORE && exchange_read_on(exchange, block.len, since_ns);
    return goes_on || end == KUBE_CHUNKS_END ? block.len : 0; /* libcurl finds the end itself */
}

/* The blank line after the headers of a success: a stream is open. */
static size_t exchange_receive_header(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    struct str line = str_trim((struct str){bytes, size * count});
    if (line.len == 0 && exchange->call->opened && exchange_succeeds(exchange))
        exchange->call->opened(exchange->call->context);
    return size * count;
}

/* A watch lasts for minutes, but its headers come at once: without them it is no watch, and
 * what is known may be out of date. */
static bool exchange_is_silent(const struct exchange *exchange)
{
    long status = 0;
    curl_easy_getinfo(exchange->connection, CURLINFO_RESPONSE_CODE, &status);
    return exchange->call->stream && status == 0 &&
           time_monotonic_ns() - exchange->began_ns > SILENT_SECONDS * NS_PER_SECOND;
}

/* Called by libcurl about once a second even while nothing arrives. It is what makes cancelling
 * work. */
static int exchange_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    struct exchange *exchange = context;
    exchange->never_answered |= exchange_is_silent(exchange);
    if (exchange->never_answered)
        return 1;
    return kube_call_given_up(exchange->client, exchange->call);
}

/* Of each socket that libcurl opens. A host or a network that is gone is noticed in half a minute, not after the kernel's
 * quarter of an hour: a watch has nothing to send. And a stream may be read from it (kube_source_open). */
static int exchange_use_socket(void *context, curl_socket_t socket, curlsocktype purpose)
{
    struct exchange *exchange = context;
    (void)purpose;
    if (exchange->sockets.len < LENGTH_OF(exchange->sockets.items))
        exchange->sockets.items[exchange->sockets.len++] = socket;
    unsigned milliseconds = UNACKNOWLEDGED_SECONDS * 1000;
    (void)setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
    return CURL_SOCKOPT_OK;
}

static void set_text(CURL *connection, CURLoption option, struct str text)
{
    if (text.len)
        curl_easy_setopt(connection, option, text.ptr);
}

/* COPY: the credentials' arena may be freed by a renewal while the connection lives. */
static void set_blob(CURL *connection, CURLoption option, struct str pem)
{
    struct curl_blob blob = {.data = text_for_reader(pem.ptr), .len = pem.len, .flags = CURL_BLOB_COPY};
    if (pem.len)
        curl_easy_setopt(connection, option, &blob);
}

/* The cluster's CA stands in place of the system's, as in client-go, not beside them: libcurl
 * would trust the folder it was built with, too. And the file is read for each connection,
 * since it changes when the cluster's CA does: libcurl would keep it for a day. */
static void set_authority(CURL *connection, const struct kube_config *config)
{
    if (config->ca_file.len || config->ca_data.len)
        curl_easy_setopt(connection, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(connection, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    set_text(connection, CURLOPT_CAINFO, config->ca_file);
    set_blob(connection, CURLOPT_CAINFO_BLOB, config->ca_data);
}

static bool server_is_loopback(struct str server)
{
    struct str host, port, authority;
    if (str_starts(server, STR("https://")))
        server = str_slice(server, 8, server.len);
    str_cut(&server, '/', &authority);
    return str_split_host_port(authority, &host, &port) &&
           (str_is(host, "localhost") || str_is(host, "::1") || str_starts(host, STR("127.")));
}

static void set_identity(CURL *connection, const struct kube_config *config, const struct kube_credentials *credentials)
{
    set_authority(connection, config);
    set_text(connection, CURLOPT_SSLCERT, config->client_cert_file);
    set_text(connection, CURLOPT_SSLKEY, config->client_key_file);
    set_blob(connection, CURLOPT_SSLCERT_BLOB,
             credentials->client_cert.len ? credentials->client_cert : config->client_cert_data);
    set_blob(connection, CURLOPT_SSLKEY_BLOB,
             credentials->client_key.len ? credentials->client_key : config->client_key_data);
    if (config->insecure) {
        curl_easy_setopt(connection, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(connection, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    set_text(connection, CURLOPT_PROXY, config->proxy);
    if (config->proxy.len == 0 && server_is_loopback(config->server))
        curl_easy_setopt(connection, CURLOPT_PROXY, ""); /* as Go: no proxy of the environment for one's own host */
    if (config->username.len) {
        curl_easy_setopt(connection, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        set_text(connection, CURLOPT_USERNAME, config->username);
        set_text(connection, CURLOPT_PASSWORD, config->password);
    }
}

/* tls-server-name: the URL carries the name to verify, the connection goes to the real host. */
static struct str server_url(struct arena *arena, const struct kube_config *config, CURL *connection,
                             struct curl_slist **connect_to)
{
    if (config->tls_server_name.len == 0)
        return config->server;
    struct str rest = config->server;
    if (str_starts(rest, STR("https://")))
        rest = str_slice(rest, 8, rest.len);
    struct str path = rest, authority;
    if (!str_cut(&path, '/', &authority))
        return config->server;
    struct str host, port;
    if (!str_split_host_port(authority, &host, &port))
        return config->server;
    if (!port.len)
        port = STR("443");
    bool bracket = host.len && memchr(host.ptr, ':', host.len);
    struct str to =
        arena_printf(arena, "::%s%.*s%s:%.*s", bracket ? "[" : "", STR_ARG(host), bracket ? "]" : "", STR_ARG(port));
    *connect_to = curl_slist_append(NULL, to.ptr ? to.ptr : "");
    curl_easy_setopt(connection, CURLOPT_CONNECT_TO, *connect_to);
    return arena_printf(arena, "https://%.*s:%.*s%s%.*s", STR_ARG(config->tls_server_name), STR_ARG(port),
                        path.len ? "/" : "", STR_ARG(path));
}

/* As Go's httpguts.ValidHeaderFieldValue: what follows a line break would be a header of its own. */
static bool is_header_value(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char byte = (unsigned char)value.ptr[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

static bool add_header(struct arena *arena, struct curl_slist **headers, const char *name, const char *scheme,
                       struct str value, struct error *error)
{
    if (value.len == 0)
        return true;
    if (!is_header_value(value))
        return error_set(
            error, 0, "%s: the value contains a line break or another control character, so the request was not sent",
            name);
    struct str line = arena_printf(arena, "%s: %s%.*s", name, scheme, STR_ARG(value));
    struct curl_slist *longer = line.ptr ? curl_slist_append(*headers, line.ptr) : NULL;
    *headers = longer ? longer : *headers;
    return longer || error_set(error, 500, "out of memory");
}

/* All of them or none: without its impersonation a request would be somebody else's. */
static bool exchange_headers(struct arena *arena, const struct kube_call *call, const struct kube_config *config,
                             struct str token, struct curl_slist **headers, struct error *error)
{
    const struct {
        const char *name, *scheme;
        struct str value;
    } rows[] = {
        {"Accept", "", str_from(call->accept ? call->accept : "application/json")},
        {"Content-Type", "", str_from(call->content_type)},
        {"Authorization", "Bearer ", token},
        {"Impersonate-User", "", config->as},
        {"Impersonate-Uid", "", config->as_uid},
    };
    *headers = curl_slist_append(NULL, "Expect:");
    bool good = *headers || error_set(error, 500, "out of memory");
    for (size_t i = 0; good && i < LENGTH_OF(rows); i++)
        good = add_header(arena, headers, rows[i].name, rows[i].scheme, rows[i].value, error);
    for (size_t i = 0; good && i < config->as_groups.len; i++)
        good = add_header(arena, headers, "Impersonate-Group", "", config->as_groups.items[i], error);
    return good;
}

/* HTTP/1.1: a handle has a connection of its own anyway, and a watch keeps it busy for
 * minutes. A stream is not compressed: lines have to arrive when they
 * are written. Redirects are never followed; with them a token could leave for another host. */
static void set_request(struct exchange *exchange, CURL *connection, const struct kube_client *client)
{
    const struct kube_call *call = exchange->call;
    curl_easy_setopt(connection, CURLOPT_CUSTOMREQUEST, call->method);
    if (call->body.len) {
        curl_easy_setopt(connection, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        curl_easy_setopt(connection, CURLOPT_POSTFIELDS, call->body.ptr);
    }
    curl_easy_setopt(connection, CURLOPT_USERAGENT, client->user_agent.ptr);
    curl_easy_setopt(connection, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(connection, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(connection, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(connection, CURLOPT_ACCEPT_ENCODING, call->stream ? NULL : "");
    curl_easy_setopt(connection, CURLOPT_HTTP_TRANSFER_DECODING, call->stream ? 0L : 1L);
    curl_easy_setopt(connection, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(connection, CURLOPT_TIMEOUT, (long)call->timeout_seconds);
    curl_easy_setopt(connection, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(connection, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_SECONDS);
    curl_easy_setopt(connection, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_SECONDS);
    curl_easy_setopt(connection, CURLOPT_SOCKOPTFUNCTION, exchange_use_socket);
    curl_easy_setopt(connection, CURLOPT_SOCKOPTDATA, exchange);
    curl_easy_setopt(connection, CURLOPT_WRITEFUNCTION, exchange_receive);
    curl_easy_setopt(connection, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(connection, CURLOPT_HEADERFUNCTION, exchange_receive_header);
    curl_easy_setopt(connection, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(connection, CURLOPT_XFERINFOFUNCTION, exchange_progress);
    curl_easy_setopt(connection, CURLOPT_XFERINFODATA, exchange);
    curl_easy_setopt(connection, CURLOPT_NOPROGRESS, 0L);
}

/* A stream's headers are old once it has ended. */
static void exchange_note_clock(struct kube_client *client, const struct exchange *exchange)
{
    struct curl_header *header = NULL;
    if (exchange->call->stream || curl_easy_header(exchange->connection, "date", 0, CURLH_HEADER, -1, &header) != 0)
        return;
    int64_t date = curl_getdate(header->value, NULL);
    if (date >= 0)
        atomic_store(&client->clock_ahead, date - time_now());
}

static bool exchange_perform(struct kube_client *client, struct exchange *exchange, struct arena *arena, long *status,
                             struct error *error)
{
    struct kube_credentials credentials = {.expires = 0};
    CURL *connection = exchange->connection;
    struct curl_slist *connect_to = NULL;
    if (!kube_credentials_now(client, exchange->call, arena, &credentials, error))
        return false;
    struct str server = server_url(arena, &client->config, connection, &connect_to);
    struct str url = arena_printf(arena, "%.*s%s", STR_ARG(server), exchange->call->path);
    struct curl_slist *headers = NULL;
    char reason[CURL_ERROR_SIZE] = "";
    if (!exchange_headers(arena, exchange->call, &client->config, credentials.token, &headers, error)) {
        curl_slist_free_all(headers);
        curl_slist_free_all(connect_to);
        return false;
    }
    set_request(exchange, connection, client);
    set_identity(connection, &client->config, &credentials);
    curl_easy_setopt(connection, CURLOPT_URL, url.ptr ? url.ptr : "");
    curl_easy_setopt(connection, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(connection, CURLOPT_ERRORBUFFER, reason);
    CURLcode result = curl_easy_perform(connection);
    curl_easy_getinfo(connection, CURLINFO_RESPONSE_CODE, status);
    curl_easy_setopt(connection, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
    curl_slist_free_all(connect_to);
    if (result == CURLE_OK)
        exchange_note_clock(client, exchange);
    if (result == CURLE_OK || exchange->ended_by_stream)
        return true;
    if (exchange->answer->failed)
        return error_set(error, 413, "%s: the response is larger than %zu MiB, or memory ran out",
                         client->config.server.ptr, exchange->answer->limit >> 20);
    if (exchange->never_answered)
        return error_set(error, 0, "%s: no response within %d seconds", client->config.server.ptr, SILENT_SECONDS);
    if (exchange->problem)
        return error_set(error, 0, "%s: %s", client->config.server.ptr, exchange->problem);
    return error_set(error, 0, "%s: %s", client->config.server.ptr, reason[0] ? reason : curl_easy_strerror(result));
}

/* A 401 may mean that a token was rotated before its time: credentials are read again, and the request is sent once more. */
bool kube_exchange(struct kube_client *client, const struct kube_call *call, long *status, struct buf *answer,
                   struct error *error)
{
    bool done = false;
    *status = 0;
    if (kube_call_given_up(client, call))
        return error_set(error, 0, "%s: request cancelled", client->config.server.ptr);
    for (int attempt = 0; attempt < 2; attempt++) {
        ARENA_SCOPED arena = arena_new(EXCHANGE_ARENA_MAX);
        struct exchange exchange = {.client = client,
                                    .call = call,
                                    .answer = answer,
                                    .connection = kube_connection_take(client),
                                    .began_ns = time_monotonic_ns()};
        if (!exchange.connection)
            return error_set(error, 500, "out of memory");
        /* libcurl tells it between exchanges only, and of the last one. */
        exchange.sockets.len = call->stream && curl_easy_getinfo(exchange.connection, CURLINFO_ACTIVESOCKET,
                                                                 &exchange.sockets.items[0]) == CURLE_OK;
        buf_clear(answer);
        done =
            arena ? exchange_perform(client, &exchange, arena, status, error) : error_set(error, 500, "out of memory");
        kube_connection_give(client, exchange.connection);
        bool renewable = client->config.exec || client->config.token_file.len;
        if (!done || *status != 401 || !renewable)
            break;
        kube_credentials_forget(client);
    }
    return done;
}
