/* libcurl brings some 20 libraries (TLS, LDAP, Kerberos, SSH): milliseconds and megabytes of
 * every start. Whoever asks no cluster and no URL does not need it, so it is loaded when it is
 * first needed: the functions below take the place of the library's, and pass each call on.
 *
 * The library calls keep libcurl's names and types, so exchange.c is ordinary libcurl code, and
 * a function that is used without being listed here fails to link. The image's binary has a
 * slim libcurl in it instead (hack/slim-curl.sh). */
#include <curl/curl.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdarg.h>

#include "kube/kube.h"

#ifdef BACKSTOP_CURL_LINKED

const struct kube_tls *kube_tls(void)
{
    static const struct kube_tls tls = {
        .read = SSL_read,
        .get_error = SSL_get_error,
        .get_rbio = SSL_get_rbio,
        .get_wbio = SSL_get_wbio,
        .set0_rbio = SSL_set0_rbio,
        .set0_wbio = SSL_set0_wbio,
        .set_read_ahead = SSL_set_read_ahead,
        .set_read_buffer = SSL_set_default_read_buffer_len,
        .new_socket = BIO_new_socket,
        .up_ref = BIO_up_ref,
        .clear_error = ERR_clear_error,
    };
    return &tls;
}

static void curl_load(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool kube_load_curl(struct error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)error;
    pthread_once(&once, curl_load);
    return true;
}

#else

#define LIBRARY "libcurl.so.4"
#define LOADED(name) __typeof__ (&curl_##name)(name)

static struct {
    LOADED(global_init);
    LOADED(getdate);
    LOADED(easy_init);
    LOADED(easy_setopt);
    LOADED(easy_perform);
    LOADED(easy_getinfo);
    LOADED(easy_header);
    LOADED(easy_strerror);
    LOADED(easy_reset);
    LOADED(easy_cleanup);
    LOADED(slist_append);
    LOADED(slist_free_all);
} curl;

static struct kube_tls tls; /* of the library that libcurl brings */
static bool tls_loaded;

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static struct error curl_missing; /* why it is not loaded */

#define FUNCTION(name)                                                                                                 \
    {                                                                                                                  \
        "curl_" #name, &curl.name                                                                                      \
    }

static void curl_load(void)
{
    static const struct library_function functions[] = {
        FUNCTION(global_init),  FUNCTION(getdate),      FUNCTION(easy_init),    FUNCTION(easy_setopt),
        FUNCTION(easy_perform), FUNCTION(easy_getinfo), FUNCTION(easy_header),  FUNCTION(easy_strerror),
        FUNCTION(easy_reset),   FUNCTION(easy_cleanup), FUNCTION(slist_append), FUNCTION(slist_free_all),
    };
    /* Found through libcurl, which alone knows which libssl it uses. One that uses none is no error: it reads all itself. */
    static const struct library_function of_tls[] = {
        {"SSL_read", &tls.read},
        {"SSL_get_error", &tls.get_error},
        {"SSL_get_rbio", &tls.get_rbio},
        {"SSL_get_wbio", &tls.get_wbio},
        {"SSL_set0_rbio", &tls.set0_rbio},
        {"SSL_set0_wbio", &tls.set0_wbio},
        {"SSL_set_read_ahead", &tls.set_read_ahead},
        {"SSL_set_default_read_buffer_len", &tls.set_read_buffer},
        {"BIO_new_socket", &tls.new_socket},
        {"BIO_up_ref", &tls.up_ref},
        {"ERR_clear_error", &tls.clear_error},
    };
    struct error ignored;
    if (library_load(LIBRARY, functions, LENGTH_OF(functions), &curl_missing)) {
        curl.global_init(CURL_GLOBAL_DEFAULT);
        tls_loaded = library_load(LIBRARY, of_tls, LENGTH_OF(of_tls), &ignored);
    } else
        error_wrap(&curl_missing, "the HTTPS client (Debian: libcurl4)");
}

bool kube_load_curl(struct error *error)
{
    pthread_once(&curl_once, curl_load);
    if (!curl_missing.message[0])
        return true;
    *error = curl_missing;
    return false;
}

const struct kube_tls *kube_tls(void)
{
    return tls_loaded ? &tls : NULL;
}

CURL *curl_easy_init(void)
{
    return curl.easy_init();
}

/* An option's number says what it takes. */
CURLcode(curl_easy_setopt)(CURL *handle, CURLoption option, ...)
{
    va_list arguments;
    va_start(arguments, option);
    CURLcode code;
    if ((long)option < CURLOPTTYPE_OBJECTPOINT)
        code = curl.easy_setopt(handle, option, va_arg(arguments, long)); /* NOLINT(bugprone-branch-clone) */
    else if ((long)option >= CURLOPTTYPE_OFF_T && (long)option < CURLOPTTYPE_BLOB)
        code = curl.easy_setopt(handle, option, va_arg(arguments, curl_off_t));
    else
        code = curl.easy_setopt(handle, option, va_arg(arguments, void *));
    va_end(arguments);
    return code;
}

/* All take a pointer to what is filled. */
CURLcode(curl_easy_getinfo)(CURL *handle, CURLINFO info, ...)
{
    va_list arguments;
    va_start(arguments, info);
    CURLcode code = curl.easy_getinfo(handle, info, va_arg(arguments, void *));
    va_end(arguments);
    return code;
}

CURLcode curl_easy_perform(CURL *handle)
{
    return curl.easy_perform(handle);
}

CURLHcode curl_easy_header(CURL *handle, const char *name, size_t index, unsigned origin, int request,
                           struct curl_header **header)
{
    return curl.easy_header(handle, name, index, origin, request, header);
}

const char *curl_easy_strerror(CURLcode code)
{
    return curl.easy_strerror(code);
}

void curl_easy_reset(CURL *handle)
{
    curl.easy_reset(handle);
}

void curl_easy_cleanup(CURL *handle)
{
    if (handle)
        curl.easy_cleanup(handle);
}

struct curl_slist *curl_slist_append(struct curl_slist *list, const char *text)
{
    return curl.slist_append(list, text);
}

void curl_slist_free_all(struct curl_slist *list)
{
    if (list)
        curl.slist_free_all(list);
}

time_t curl_getdate(const char *text, const time_t *unused)
{
    return curl.getdate(text, unused);
}

#endif
