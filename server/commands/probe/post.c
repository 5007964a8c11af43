#include "commands/probe/probe.h"

#include <curl/curl.h>
#include <string.h>

#include "backstop/pki.h"

enum { ANSWER_LIMIT = 1024 * 1024 };

static size_t probe_receive(char *data, size_t size, size_t count, void *out)
{
    struct buf *body = out;
    buf_add(body, (struct str){data, size * count});
    return body->failed ? 0 : size * count;
}

/* What to look at; curl's own words say what happened. */
static const struct {
    CURLcode code;
    const char *hint;
} hints[] = {
    {CURLE_COULDNT_RESOLVE_HOST, "a Service's name is known inside the cluster only; elsewhere give --address"},
    {CURLE_COULDNT_CONNECT, "is it running, and is this the port it listens on?"},
    {CURLE_OPERATION_TIMEDOUT, "is a network policy or a firewall between?"},
    {CURLE_PEER_FAILED_VERIFICATION, "kube-apiserver would refuse it too: compare --ca, --server-name and the clock"},
    {CURLE_SSL_CONNECT_ERROR, "does it speak TLS on this port?"},
    {CURLE_SSL_CACERT_BADFILE, "--ca must be PEM certificates"},
    {CURLE_GOT_NOTHING, "does it speak HTTPS on this port?"},
};

static bool probe_fail(CURLcode code, const char *words, const struct probe_target *target, struct error *error)
{
    const char *hint = "";
    for (size_t i = 0; i < LENGTH_OF(hints); i++)
        if (hints[i].code == code)
            hint = hints[i].hint;
    return error_set(error, 0, "%.*s at %.*s:%.*s: %s%s%s", STR_ARG(target->server_name), STR_ARG(target->host),
                     STR_ARG(target->port), *words ? words : curl_easy_strerror(code), *hint ? "; " : "", hint);
}

/* The leaf's dates, from the PEM that curl keeps of the chain. */
static int64_t probe_expiry(CURL *curl)
{
    struct curl_certinfo *chain = NULL;
    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain || chain->num_of_certs < 1)
        return 0;
    for (const struct curl_slist *line = chain->certinfo[0]; line; line = line->next) {
        struct pki_facts facts;
        struct error ignored;
        struct str text = str_from(line->data);
        if (str_starts(text, STR("Cert:")) && pki_read(str_slice(text, 5, text.len), &facts, &ignored))
            return facts.not_after;
    }
    return 0;
}

static void curl_cleanup(CURL **curl)
{
    if (*curl)
        curl_easy_cleanup(*curl);
}

static void slist_cleanup(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

/* The server name is asked for and verified, whatever address is connected to: what
 * kube-apiserver does with clientConfig.service. */
static void set_up(CURL *curl, const struct probe_target *target, const char *url, struct curl_slist *connect_to,
                   struct curl_slist *headers, struct str body)
{
    struct curl_blob ca = {.data = text_for_reader(target->ca.ptr), .len = target->ca.len, .flags = CURL_BLOB_COPY};
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECT_TO, connect_to);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)target->timeout);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
    if (target->ca.len)
        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &ca);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "backstop-probe/" BACKSTOP_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.ptr);
}

bool probe_post(struct arena *arena, const struct probe_target *target, struct str body, struct probe_answer *answer,
                struct error *error)
{
    char words[CURL_ERROR_SIZE] = "";
    CLEANUP(curl_cleanup) CURL *curl = curl_easy_init();
    CLEANUP(slist_cleanup) struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    bool bracket = memchr(target->host.ptr, ':', target->host.len) != NULL;
    struct str address = arena_printf(arena, "::%s%.*s%s:%.*s", bracket ? "[" : "", STR_ARG(target->host),
                                      bracket ? "]" : "", STR_ARG(target->port));
    struct str url = arena_printf(arena, "https://%.*s:%.*s%.*s?timeout=%llds", STR_ARG(target->server_name),
                                  STR_ARG(target->port), STR_ARG(target->path), (long long)target->timeout);
    CLEANUP(slist_cleanup) struct curl_slist *connect_to = address.ptr ? curl_slist_append(NULL, address.ptr) : NULL;
    BUF_SCOPED received;
    buf_init(&received, ANSWER_LIMIT);
    if (!curl || !headers || !connect_to || !url.ptr)
        return error_set(error, 0, "out of memory");
    set_up(curl, target, url.ptr, connect_to, headers, body);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, probe_receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
    int64_t before = time_monotonic_ns();
    CURLcode code = curl_easy_perform(curl);
    answer->took_us = (time_monotonic_ns() - before) / 1000;
    if (received.failed)
        return error_set(error, 0, "its answer is larger than any answer to this review: is it backstop?");
    if (code != CURLE_OK)
        return probe_fail(code, words, target, error);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    answer->body = arena_copy(arena, buf_str(&received));
    answer->expires = probe_expiry(curl);
    return true;
}
