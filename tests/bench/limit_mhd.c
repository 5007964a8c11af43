/* limit_mhd ADDR:PORT CERT KEY: what libmicrohttpd and GnuTLS allow at best. It reads
 * each body to its end and answers the same AdmissionReview to all, with the TLS
 * parameters of backstop, so that what backstop adds is all that differs. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITIES                                                                                                     \
    "NONE:+MAC-ALL:+SIGN-ALL:+CTYPE-X509:+COMP-NULL:+GROUP-X25519:+GROUP-SECP256R1:+ECDHE-ECDSA"                       \
    ":+AES-128-GCM:+AES-256-GCM:%SERVER_PRECEDENCE:%NO_TICKETS:+VERS-TLS1.3"

static char answer[] =
    "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"response\":{\"uid\":"
    "\"705ab4f5-6393-11e8-b7cc-42010a800002\",\"allowed\":true,\"auditAnnotations\":{\"decision\":\"allowed\"},"
    "\"warnings\":[\"spec.schedule: \\\"15 */6 * * 1-5\\\" runs at 00:15, 06:15, 12:15 and 18:15 on weekdays; next "
    "Mon 2026-11-23 00:15, Mon 2026-11-23 06:15, Mon 2026-11-23 12:15 UTC\"]}}\n";
static struct MHD_Response *response;

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *size, void **begun)
{
    static char mark;
    (void)context;
    (void)url;
    (void)method;
    (void)version;
    (void)data;
    if (!*begun) {
        *begun = &mark;
        return MHD_YES;
    }
    if (!*size)
        return MHD_queue_response(connection, MHD_HTTP_OK, response);
    *size = 0;
    return MHD_YES;
}

static char *read_file(const char *path)
{
    enum { MOST = 64 * 1024 };
    char *text = calloc(1, MOST);
    FILE *file = fopen(path, "rb");
    if (!text || !file || !fread(text, 1, MOST - 1, file)) {
        fprintf(stderr, "limit_mhd: cannot read %s\n", path);
        exit(1);
    }
    fclose(file);
    return text;
}

int main(int argc, char **argv)
{
    char *colon = argc == 4 ? strchr(argv[1], ':') : NULL;
    if (!colon) {
        fprintf(stderr, "usage: limit_mhd ADDR:PORT CERT KEY\n");
        return 2;
    }
    *colon = '\0';
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)strtol(colon + 1, NULL, 10))};
    inet_pton(AF_INET, argv[1], &address.sin_addr);
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    response = MHD_create_response_from_buffer(sizeof answer - 1, answer, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/json");
    /* poll, because with epoll libmicrohttpd spins while a handshake waits for the client. */
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR, &address,
        MHD_OPTION_HTTPS_MEM_CERT, read_file(argv[2]), MHD_OPTION_HTTPS_MEM_KEY, read_file(argv[3]),
        MHD_OPTION_HTTPS_PRIORITIES, PRIORITIES, MHD_OPTION_CONNECTION_LIMIT, 1024u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)8 * 1024 /* as backstop: libmicrohttpd clears it for every request */, MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "limit_mhd: cannot start\n");
        return 1;
    }
    int signal;
    sigwait(&stop, &signal);
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return 0;
}
