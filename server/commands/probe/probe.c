/* `backstop probe`: whether a running webhook answers as kube-apiserver would need it, by one
 * review that it must deny; and, asked to, the switch from Ignore to Fail.
 *
 * A review that is denied proves more than a health check does: DNS or the Service, TLS with the
 * CA of the configuration, the name in the certificate, the path, and that policies run behind
 * it. The answer must repeat a random uid and name the field that is wrong, so that a proxy with
 * a page for everything does not pass. */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "backstop/admission.h"
#include "backstop/api.h"
#include "backstop/certificates.h"
#include "backstop/cli.h"
#include "backstop/grammar.h"
#include "backstop/kube.h"
#include "backstop/pki.h"
#include "commands/commands.h"
#include "commands/facts_open.h"

/* Where to ask, and how to know that it is the right one. */
struct probe_target {
    struct str host, port;  /* to connect to */
    struct str server_name; /* in SNI, and in the certificate */
    struct str path;
    struct str ca;   /* PEM; absent: the system's */
    int64_t timeout; /* seconds, for everything */
};
struct probe_answer {
    long status; /* of HTTP */
    struct str body;
    int64_t took_us;
    int64_t expires; /* of the certificate; 0 when it could not be read */
};

enum { ANSWER_LIMIT = 1024 * 1024 };

/* Less than what came tells curl to give up. */
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
 * kube-apiserver does with clientConfig.service. No proxy, whatever the environment says, as
 * kube-apiserver uses none for a Service. HTTP/1.1 and TLS 1.2 or newer are what the webhook
 * speaks. */
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

/* One POST over TLS, verified. The message of a failure says what to look at. */
static bool probe_post(struct arena *arena, const struct probe_target *target, struct str body,
                       struct probe_answer *answer, struct error *error)
{
    char words[CURL_ERROR_SIZE] = "";
    if (!kube_load_curl(error))
        return false;
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
    if (code != CURLE_OK) {
        const char *hint = "";
        for (size_t i = 0; i < LENGTH_OF(hints); i++)
            if (hints[i].code == code)
                hint = hints[i].hint;
        return error_set(error, 0, "%.*s at %.*s:%.*s: %s%s%s", STR_ARG(target->server_name), STR_ARG(target->host),
                         STR_ARG(target->port), *words ? words : curl_easy_strerror(code), *hint ? "; " : "", hint);
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    answer->body = arena_copy(arena, buf_str(&received));
    answer->expires = probe_expiry(curl);
    return true;
}

/* By the path: the names of the webhooks are the chart's. */
static struct json_object *webhook_for(struct json_object *configuration, struct str path)
{
    struct json_object *webhooks = json_get(configuration, "webhooks");
    for (size_t i = 0; i < json_len(webhooks); i++) {
        struct json_object *client = json_get(json_item(webhooks, i), "clientConfig");
        if (str_eq(json_path_str(client, "service.path"), path))
            return client;
    }
    return NULL;
}

/* What options gave is kept: with a port-forward the address is another, and the name and the CA
 * are those of the cluster. */
static bool probe_config_fill_target(struct arena *arena, struct json_object *client, struct str name,
                                     struct probe_target *target, struct error *error)
{
    struct json_object *service = json_get(client, "service"), *port = json_get(service, "port");
    struct str bundle = json_get_str(client, "caBundle");
    if (!client)
        return error_set(error, 0, "ValidatingWebhookConfiguration %.*s calls no Service at %.*s", STR_ARG(name),
                         STR_ARG(target->path));
    target->ca = base64_decode(arena, bundle);
    if (!target->ca.len)
        return error_set(error, 0,
                         "ValidatingWebhookConfiguration %.*s: its caBundle is %s, so kube-apiserver cannot trust the "
                         "webhook",
                         STR_ARG(name), bundle.len ? "not base64" : "empty");
    int64_t number = json_object_is_type(port, json_type_int) ? json_object_get_int64(port) : 443;
    if (!target->server_name.len)
        target->server_name = arena_printf(arena, "%.*s.%.*s.svc", STR_ARG(json_get_str(service, "name")),
                                           STR_ARG(json_get_str(service, "namespace")));
    if (!target->port.len)
        target->port = arena_printf(arena, "%lld", (long long)number);
    return true;
}

/* It serves no Management, in whatever version: most likely not the cluster that was meant. */
static bool lacks_k0rdent(struct kube_client *client)
{
    const char *version;
    struct error error;
    return !kube_served_version(client, STR(GROUP_K0RDENT), STR("managements"), versions_of_k0rdent, &version,
                                &error) &&
           error.code == 404;
}

/* Fills CA, server name and path, and what of host and port is absent, from the
 * ValidatingWebhookConfiguration of this name. */
static bool probe_from_configuration(struct arena *arena, const struct connection *connection, struct str name,
                                     struct probe_target *target, struct error *error)
{
    struct kube_options wanted = connection_access(connection);
    if (!wanted.timeout_seconds)
        wanted.timeout_seconds = (unsigned)target->timeout;
    const struct kube_resource resource = {.group = STR(GROUP_ADMISSION),
                                           .version = STR("v1"),
                                           .plural = STR("validatingwebhookconfigurations"),
                                           .kind = STR("ValidatingWebhookConfiguration")};
    struct json_object *configuration = NULL;
    struct kube_client *client = kube_open(&wanted, error);
    if (!client)
        return false;
    bool got = kube_get(client, arena, &resource, (struct str){NULL, 0}, name, &configuration, error);
    if (!got && error->code == 404 && lacks_k0rdent(client))
        error_set(error, 404, NO_K0RDENT, STR_ARG(str_from(kube_server(client))));
    else if (!got)
        error_wrap(error, "%s", kube_server(client));
    kube_close(client);
    return got && probe_config_fill_target(arena, webhook_for(configuration, target->path), name, target, error);
}

enum { MEMORY_LIMIT = 64 * 1024 * 1024, CA_LIMIT = 4 * 1024 * 1024, TIMEOUT_MAX = 300 };

#define DEFAULT_NAME "backstop.backstop-system.svc"
#define BAD_SCHEDULE "0 9 * * 7" /* day-of-week 7: robfig/cron takes 0 to 6 */

struct probe_options {
    const char *address, *server_name, *ca, *configuration;
    struct connection connection;
    bool via_configuration, enforce;
    int64_t timeout, now;
};

static const struct option options[] = {
    {"address", 0, OPTION_TEXT, "HOST:PORT", "address to connect to (the server name, port 443)",
     offsetof(struct probe_options, address)},
    {"server-name", 0, OPTION_TEXT, "NAME", "name that the certificate must be valid for (" DEFAULT_NAME ")",
     offsetof(struct probe_options, server_name)},
    {"ca", 0, OPTION_TEXT, "FILE", "trusted CAs in PEM (the system's)", offsetof(struct probe_options, ca)},
    {"via-configuration", 0, OPTION_FLAG, NULL, "take CA, server name and port from the webhook configuration",
     offsetof(struct probe_options, via_configuration)},
    {"configuration", 0, OPTION_TEXT, "NAME", "name of the ValidatingWebhookConfiguration (backstop)",
     offsetof(struct probe_options, configuration)},
    {"enforce", 0, OPTION_FLAG, NULL, "then let the webhooks fail closed (set failurePolicy)",
     offsetof(struct probe_options, enforce)},
    {"timeout", 0, OPTION_DURATION, "DURATION", "time limit of the whole probe (10s)",
     offsetof(struct probe_options, timeout)},
    {"now", 0, OPTION_TIME, "TIME", "current time to assume for the certificate's expiry (now)",
     offsetof(struct probe_options, now)},
};

static const char details[] =
    "Checks a running webhook as kube-apiserver uses it: connects, verifies the certificate\n"
    "against the CA and the server name, and sends one review, a dry run of a ManagementBackup\n"
    "with an invalid schedule (\"" BAD_SCHEDULE "\"). A working webhook denies it and names the schedule.\n"
    "Nothing is created or changed.\n"
    "\n"
    "With --via-configuration (also implied by --kubeconfig, --context and --configuration) the\n"
    "CA bundle, server name and port are read from the webhook configuration, so the bundle is\n"
    "verified too. From outside the cluster, use a port-forward and --address.\n"
    "\n"
    "Prints one line with the certificate's expiry.\n"
    "\n"
    "With --enforce the API server is then asked to create that ManagementBackup as a dry run. If it\n"
    "passes on the webhook's denial, the webhooks named in the annotation\n" ANNOTATION_FAIL_CLOSED
    " of the configurations get\n"
    "failurePolicy Fail. Until then they are Ignore, so a failed install blocks nothing. The chart's\n"
    "Job runs this after each install and upgrade.\n"
    "\n"
    "Exit status: 0 the webhook works, 1 it does not, 2 wrong usage, or a file or the webhook\n"
    "configuration cannot be read.\n"
    "\n"
    "Examples:\n"
    "  backstop probe --via-configuration\n"
    "  backstop probe --via-configuration --enforce\n"
    "  backstop probe --address 127.0.0.1:9443 --server-name localhost --ca build/certs/ca.crt\n"
    "  kubectl -n backstop-system port-forward service/backstop 9443:443 &\n"
    "  backstop probe --via-configuration --address 127.0.0.1:9443";

/* ---- the review ------------------------------------------------------------------ */

static const struct rule *asked_rule(void)
{
    return admission_rule_for_object(STR(GROUP_K0RDENT), STR("ManagementBackup"), OPERATION_CREATE, 0);
}

/* Nobody who does not read the review can answer with this. */
static struct str fresh_uid(struct arena *arena)
{
    uint32_t random[4];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return (struct str){NULL, 0};
    return arena_printf(arena, "%08" PRIx32 "-%04" PRIx32 "-4%03" PRIx32 "-8%03" PRIx32 "-%08" PRIx32 "0000", random[0],
                        random[1] >> 16, random[1] & 0xFFF, random[2] & 0xFFF, random[3]);
}

static struct str review_text(struct arena *arena, struct str uid)
{
    return arena_printf(
        arena,
        "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"uid\":\"%.*s\","
        "\"kind\":{\"group\":\"k0rdent.mirantis.com\",\"version\":\"v1beta1\",\"kind\":\"ManagementBackup\"},"
        "\"resource\":{\"group\":\"k0rdent.mirantis.com\",\"version\":\"v1beta1\",\"resource\":\"managementbackups\"},"
        "\"name\":\"backstop-probe\",\"operation\":\"CREATE\",\"userInfo\":{\"username\":\"backstop-probe\"},"
        "\"object\":{\"apiVersion\":\"k0rdent.mirantis.com/v1beta1\",\"kind\":\"ManagementBackup\","
        "\"metadata\":{\"name\":\"backstop-probe\"},\"spec\":{\"schedule\":\"" BAD_SCHEDULE "\"}},"
        "\"oldObject\":null,\"dryRun\":true}}",
        STR_ARG(uid));
}

/* ---- the answer -------------------------------------------------------------------- */

static bool probe_judge_answer(struct arena *arena, const struct probe_answer *answer, struct str uid,
                               struct error *error)
{
    struct error reason;
    struct json_object *review = json_build(arena, str_trim(answer->body), &reason);
    struct str answered = json_path_str(review, "response.uid"), message = json_path_str(review, "message");
    if (answer->status != 200) /* a webhook says why as a metav1.Status */
        return error_set(error, 0, "answers HTTP %ld%s%.*s: is %.*s backstop's?", answer->status,
                         message.len ? ", " : "", STR_ARG(message.len ? arena_quote(arena, message) : message),
                         STR_ARG(str_from(asked_rule()->path)));
    if (!review || !str_is(json_get_str(review, "kind"), "AdmissionReview"))
        return error_set(error, 0, "answers, but not with an AdmissionReview: is it backstop?");
    if (!str_eq(answered, uid))
        return error_set(error, 0, "answers for uid %.*s instead of the one it was asked with",
                         STR_ARG(arena_quote(arena, answered)));
    struct json_object *response = json_get(review, "response");
    struct str said = json_path_str(response, "status.message");
    if (json_get_bool(response, "allowed"))
        return error_set(error, 0, "admits the schedule \"" BAD_SCHEDULE "\": does it run backstop's policies?");
    if (!str_contains(said, STR("spec.schedule")))
        return error_set(error, 0, "denies, but not for the schedule: %.*s", STR_ARG(arena_quote(arena, said)));
    return true;
}

static struct str expiry_text(struct arena *arena, int64_t expires, int64_t now)
{
    char when[TIME_TEXT_SIZE], left[TIME_TEXT_SIZE];
    if (expires == 0)
        return STR("the certificate's expiry could not be read");
    duration_format(expires > now ? expires - now : now - expires, left);
    return arena_printf(arena, "the certificate expires %s (%s%s%s)", time_format(expires, 0, when),
                        expires > now ? "in " : "", left, expires > now ? "" : " ago");
}

/* ---- asking --------------------------------------------------------------------------- */

/* "127.0.0.1:9443", "[::1]:9443", "webhook.example": a host without a port gets 443. Nothing
 * that could begin another part of a URL may be in the host, for it becomes one. */
static bool probe_split_address(struct str text, struct probe_target *target)
{
    int64_t number;
    if (!str_split_host_port(text, &target->host, &target->port))
        return false;
    if (!target->port.ptr)
        target->port = STR("443");
    for (size_t i = 0; i < target->host.len; i++) {
        char c = target->host.ptr[i];
        if (c <= ' ' || c > '~' || strchr("/@?#%\"\\", c))
            return false;
    }
    return target->host.len && str_to_int64(target->port, &number) && number > 0 && number < 65536;
}

static bool is_host_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
        if (!fits)
            return false;
    }
    return name.len > 0 && name.len <= DNS_SUBDOMAIN_MAX && name.ptr[0] != '-' && name.ptr[0] != '.';
}

static bool via_configuration(const struct probe_options *values)
{
    return values->via_configuration || values->enforce || connection_given(&values->connection) ||
           values->configuration;
}

/* What the options and the configuration say together. The file of --ca goes before the bundle
 * of the configuration. */
static bool find_target(struct arena *arena, const struct probe_options *values, struct probe_target *target,
                        struct error *error)
{
    target->path = str_from(asked_rule()->path);
    target->timeout = values->timeout;
    target->server_name = str_from(values->server_name);
    if (values->address && !probe_split_address(str_from(values->address), target))
        return error_set(error, 0, "--address %s: expected HOST:PORT", values->address);
    struct str name = str_from(values->configuration ? values->configuration : "backstop");
    if (via_configuration(values) && !probe_from_configuration(arena, &values->connection, name, target, error))
        return false;
    if (values->ca && !file_read(arena, values->ca, CA_LIMIT, &target->ca, error))
        return false;
    if (values->ca && !str_contains(target->ca, STR("-----BEGIN CERTIFICATE-----")))
        return error_set(error, 0, "--ca %s: there is no PEM certificate in it", values->ca);
    if (!target->server_name.len)
        target->server_name = STR(DEFAULT_NAME);
    if (!is_host_name(target->server_name))
        return error_set(error, 0, "--server-name %.*s: expected a host name",
                         STR_ARG(arena_quote(arena, target->server_name)));
    if (!target->host.len)
        target->host = target->server_name;
    if (!target->port.len)
        target->port = STR("443");
    return true;
}

static int not_serving(const struct command *command, struct error *error)
{
    (void)command_fail(command, "%s", error->message);
    return EXIT_DENIED;
}

/* webhooks_enforce asks the API server to create the bad object as a dry run: only when the API
 * server itself passes the denial on does the change to Fail make nothing unreachable. */
static int probe_enforce(const struct command *command, const struct probe_options *values)
{
    struct error error;
    struct enforcement done;
    struct kube_options wanted = connection_access(&values->connection);
    if (!wanted.timeout_seconds)
        wanted.timeout_seconds = (unsigned)values->timeout + 10; /* its own call of the webhook may take ten */
    struct kube_client *client = kube_open(&wanted, &error);
    if (!client)
        return command_fail(command, "%s", error.message);
    bool fine = webhooks_enforce(client, values->configuration ? values->configuration : "backstop", &done, &error);
    kube_close(client);
    if (done.absent) /* before k0rdent, or on a regional cluster: no reason to fail an install */
        printf("%s. Run helm upgrade once they are, or set webhooks.enforce=atOnce\n", error.message);
    else if (!fine)
        return not_serving(command, &error);
    else if (done.open)
        printf("the API server calls it: %zu webhook%s closed now\n", done.closed,
               done.closed == 1 ? " fails" : "s fail");
    else
        printf("the webhooks that are to fail closed do so already\n");
    return EXIT_OK;
}

/* EXIT_USAGE while nothing could be asked, EXIT_DENIED once the webhook was asked and did not do
 * well: scripts tell "cannot say" from "does not work" by it. */
static int probe_webhook(const struct command *command, const struct probe_options *values)
{
    struct error error;
    struct probe_target target = {0};
    struct probe_answer answer = {0};
    ARENA_SCOPED arena = arena_new(MEMORY_LIMIT);
    struct str uid = arena ? fresh_uid(arena) : (struct str){NULL, 0};
    if (!uid.ptr)
        return command_fail(command, "out of memory");
    if (!find_target(arena, values, &target, &error))
        return command_fail(command, "%s", error.message);
    if (!probe_post(arena, &target, review_text(arena, uid), &answer, &error))
        return not_serving(command, &error);
    if (!probe_judge_answer(arena, &answer, uid, &error)) {
        error_wrap(&error, "%.*s at %.*s:%.*s", STR_ARG(target.server_name), STR_ARG(target.host),
                   STR_ARG(target.port));
        return not_serving(command, &error);
    }
    struct str expires = expiry_text(arena, answer.expires, values->now);
    printf("%.*s at %.*s:%.*s serves: it denied a bad schedule in %lld.%lld ms; %.*s\n", STR_ARG(target.server_name),
           STR_ARG(target.host), STR_ARG(target.port), (long long)(answer.took_us / 1000),
           (long long)(answer.took_us / 100 % 10), STR_ARG(expires));
    int code = values->enforce ? probe_enforce(command, values) : EXIT_OK;
    return fflush(stdout) == 0 ? code : command_fail_output(command);
}

static int probe_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    struct probe_options *values = context;
    (void)operands, (void)operand_count;
    if (values->timeout < 1 || values->timeout > TIMEOUT_MAX)
        return command_fail(command, "--timeout: expected 1s to 5m");
    values->now = command_now(values->now);
    return probe_webhook(command, values);
}

const struct command command_probe = {
    .name = "probe",
    .summary = "check over TLS that a running webhook answers",
    .details = details,
    .options = options,
    .option_count = LENGTH_OF(options),
    .asks_cluster = true,
    .connection = offsetof(struct probe_options, connection),
    .body = probe_execute,
    COMMAND_DEFAULTS(struct probe_options, .timeout = 10, .now = INT64_MIN),
};
