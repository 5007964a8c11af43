/* A watch whose events follow each other, read without libcurl. That asks poll and twice recv for each TLS record, and the
 * API server writes each event as a record of its own: at 10,000 a second this was most of what an event costs. So once events
 * come in a row, the connection is read here: one read(2) takes what has come in a hundredth of a second, OpenSSL decrypts
 * record by record, and the chunks are taken apart. As soon as nothing comes libcurl has its connection back, and waits.
 *
 * libcurl must not notice. It keeps account of the chunks (RFC 9112, 7.1), so it lends the connection between two of them and
 * gets it back between two others; it is given the bytes as they came (CURLOPT_HTTP_TRANSFER_DECODING), or what it has read and
 * not yet passed on would be missed. And what OpenSSL has taken from the socket already would never wake it: everything that is
 * whole is read before. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kube/kube.h"

/* ---- chunks ---------------------------------------------------------------- */

/* Sixteen digits are more bytes than there are. */
enum { CHUNK_DIGITS_MAX = 15 };

bool kube_chunks_between(const struct kube_chunks *chunks)
{
    return chunks->state == CHUNK_SIZE && chunks->digits == 0;
}

/* One byte of what stands between the data. */
static bool chunk_frame(struct kube_chunks *chunks, char byte)
{
    switch (chunks->state) {
    case CHUNK_SIZE:
        if (char_is_hex(byte)) {
            chunks->left = chunks->left * 16 + ((unsigned)byte & 15) + (byte > '9' ? 9 : 0);
            return ++chunks->digits <= CHUNK_DIGITS_MAX;
        }
        chunks->state = byte == '\n' ? CHUNK_DATA : CHUNK_EXTENSION;
        break;
    case CHUNK_EXTENSION:
        chunks->state = byte == '\n' ? CHUNK_DATA : CHUNK_EXTENSION;
        return true;
    case CHUNK_DATA_END:
        if (byte == '\n')
            *chunks = (struct kube_chunks){.state = CHUNK_SIZE};
        return byte == '\n' || byte == '\r';
    case CHUNK_TRAILER:
        if (byte == '\n' && chunks->digits == 0)
            chunks->state = CHUNK_ENDED;
        else if (byte != '\r') /* counts the bytes of a line: one without any is the last */
            chunks->digits = byte != '\n';
        return true;
    case CHUNK_DATA:
    case CHUNK_ENDED:
        return true;
    }
    return chunks->digits > 0;
}

enum kube_chunks_end kube_chunks_take(struct kube_chunks *chunks, struct str bytes, kube_stream_fn *take, void *context)
{
    while (bytes.len && chunks->state != CHUNK_ENDED) {
        if (chunks->state != CHUNK_DATA) {
            if (!chunk_frame(chunks, bytes.ptr[0]))
                return KUBE_CHUNKS_BROKEN;
            bytes = str_slice(bytes, 1, bytes.len);
        } else {
            struct str piece = str_slice(bytes, 0, bytes.len < chunks->left ? bytes.len : (size_t)chunks->left);
            if (piece.len && !take(context, piece))
                return KUBE_CHUNKS_STOPPED;
            chunks->left -= piece.len;
            bytes = str_slice(bytes, piece.len, bytes.len);
            if (chunks->left == 0)
                chunks->state = CHUNK_DATA_END;
        }
        /* A chunk without data is the last; trailers follow it, and an empty line. */
        if (chunks->state == CHUNK_DATA && chunks->left == 0)
            *chunks = (struct kube_chunks){.state = CHUNK_TRAILER};
    }
    return chunks->state == CHUNK_ENDED ? KUBE_CHUNKS_END : KUBE_CHUNKS_MORE;
}

/* ---- lines ----------------------------------------------------------------- */

bool kube_lines(struct buf *rest, struct str bytes, bool (*take)(void *context, struct str line), void *context)
{
    while (bytes.len) {
        const char *end = memchr(bytes.ptr, '\n', bytes.len);
        struct str piece = str_slice(bytes, 0, end ? (size_t)(end - bytes.ptr) : bytes.len);
        bytes = str_slice(bytes, piece.len + (end ? 1 : 0), bytes.len);
        if (end && rest->len == 0 && piece.len > 0 && piece.len <= rest->limit) { /* whole: not copied */
            if (!take(context, piece))
                return false;
            continue;
        }
        buf_add(rest, piece);
        if (rest->failed)
            return false;
        if (!end)
            break;
        bool taken = rest->len == 0 || take(context, buf_str(rest));
        buf_clear(rest);
        if (!taken)
            return false;
    }
    return true;
}

/* ---- the connection -------------------------------------------------------- */

/* Of those that the handle has, and of several that were tried (IPv6, then IPv4), the one with the address that libcurl names.
 * Any other would be somebody else's. */
static bool source_is_socket(CURL *connection, int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } local = {.v6 = {.sin6_port = 0}};
    socklen_t size = sizeof local;
    char text[INET6_ADDRSTRLEN] = "";
    const char *address = NULL;
    long port = 0;
    if (fd < 0 || getsockname(fd, &local.any, &size) != 0 ||
        curl_easy_getinfo(connection, CURLINFO_LOCAL_IP, &address) != CURLE_OK || !address ||
        curl_easy_getinfo(connection, CURLINFO_LOCAL_PORT, &port) != CURLE_OK)
        return false;
    bool v6 = local.any.sa_family == AF_INET6;
    if (!v6 && local.any.sa_family != AF_INET)
        return false;
    (void)inet_ntop(local.any.sa_family, v6 ? (void *)&local.v6.sin6_addr : (void *)&local.v4.sin_addr, text,
                    sizeof text);
    return ntohs(v6 ? local.v6.sin6_port : local.v4.sin_port) == port && strcmp(text, address) == 0;
}

static int source_socket(CURL *connection, const struct kube_sockets *sockets)
{
    for (unsigned i = 0; i < sockets->len; i++)
        if (source_is_socket(connection, sockets->items[i]))
            return sockets->items[i];
    return -1;
}

/* TLS reads and writes by the socket itself, and no longer through libcurl, which must be within a call of its own for that.
 * libcurl frees a session's buffer when it is empty: the next is as long as asked for here. */
static bool source_lend_tls(struct kube_source *source, CURL *connection)
{
    const struct kube_tls *tls = kube_tls();
    const struct curl_tlssessioninfo *session = NULL;
    if (!tls || curl_easy_getinfo(connection, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || !session ||
        session->backend != CURLSSLBACKEND_OPENSSL || !session->internals)
        return false;
    SSL *ssl = session->internals;
    BIO *reads = tls->get_rbio(ssl), *writes = tls->get_wbio(ssl), *own;
    if (!reads || !writes || !(own = tls->new_socket(source->fd, BIO_NOCLOSE)))
        return false;
    /* Each set0 takes a reference, and gives up that of what it replaces. */
    tls->up_ref(reads);
    tls->up_ref(writes);
    tls->up_ref(own);
    tls->set0_rbio(ssl, own);
    tls->set0_wbio(ssl, own);
    tls->set_read_ahead(ssl, 1);
    tls->set_read_buffer(ssl, KUBE_STREAM_BLOCK);
    source->tls = tls;
    source->ssl = ssl;
    source->reads = reads;
    source->writes = writes;
    return true;
}

bool kube_source_open(struct kube_source *source, CURL *connection, const struct kube_sockets *sockets)
{
    const char *scheme = NULL;
    *source = (struct kube_source){.fd = source_socket(connection, sockets)};
    if (source->fd < 0 || curl_easy_getinfo(connection, CURLINFO_SCHEME, &scheme) != CURLE_OK || !scheme)
        return false;
    return str_eq_nocase(str_from(scheme), STR("http")) || source_lend_tls(source, connection);
}

void kube_source_close(struct kube_source *source)
{
    if (!source->ssl)
        return;
    source->tls->clear_error();
    source->tls->set_read_ahead(source->ssl, 0);
    source->tls->set0_rbio(source->ssl, source->reads);
    source->tls->set0_wbio(source->ssl, source->writes);
}

ssize_t kube_source_read(struct kube_source *source, char *bytes, size_t size)
{
    if (!source->ssl) {
        ssize_t count = recv(source->fd, bytes, size, MSG_DONTWAIT);
        bool later = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
        return count > 0 ? count : later ? 0 : -1;
    }
    source->tls->clear_error();
    int count = source->tls->read(source->ssl, bytes, (int)size);
    if (count > 0)
        return count;
    int failure = source->tls->get_error(source->ssl, count);
    return failure == SSL_ERROR_WANT_READ || failure == SSL_ERROR_WANT_WRITE ? 0 : -1;
}
