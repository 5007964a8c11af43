/* The client: configuration, current credentials and a pool of connections.
 *
 * One client is shared by all threads: informers, workers that do uncached reads, the recorder
 * of Events. What it holds is immutable after kube_open, except for what `lock` guards. Requests
 * that need a fresh credential at the same moment wait for one refresh. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kube/kube.h"

enum {
    CLIENT_BYTES_MAX = 8 * 1024 * 1024,
    TIMEOUT_DEFAULT = 10,
    TOKEN_BYTES_MAX = 64 * 1024,
    TOKEN_READ_SECONDS = 60,
    PLUGIN_SECONDS = 20,
    CLOCK_TOLERANCE = 60
};
/* A plugin that failed is not run again for this long: each of many waiting requests would
 * otherwise wait its full time. */
#define PLUGIN_AGAIN_NS INT64_C(5000000000)

/* The configuration is read once. Files that it names (CA, client certificate, token) are read
 * again when they are used; a kubeconfig that changes needs a new client, see kube_files. */
struct kube_client *kube_open(const struct kube_options *options, struct error *error)
{
    if (!kube_load_curl(error))
        return NULL;
    struct arena *arena = arena_new(CLIENT_BYTES_MAX);
    struct kube_client *client = arena ? arena_alloc(arena, sizeof *client) : NULL;
    if (!client) {
        arena_free(arena);
        return error_null(error, 500, "out of memory");
    }
    client->arena = arena;
    client->timeout = options->timeout_seconds ? options->timeout_seconds : TIMEOUT_DEFAULT;
    client->user_agent = arena_copy(arena, str_from(options->user_agent ? options->user_agent : "backstop"));
    client->random = (uint64_t)time_monotonic_ns() ^ (uint64_t)getpid() << 32;
    pthread_mutex_init(&client->lock, NULL);
    bool loaded = kube_config_load(arena, options, &client->config, error);
    /* Without the part that did not fit it would be another configuration: no impersonation, say. */
    if (loaded && arena_failed(arena))
        loaded = error_set(error, 500, "out of memory, or the kubeconfig is too large");
    if (loaded && client->config.exec)
        loaded = kube_exec_installed(client->config.exec, error);
    if (loaded)
        return client;
    kube_close(client);
    return NULL;
}

void kube_close(struct kube_client *client)
{
    if (!client)
        return;
    while (client->idle_count)
        curl_easy_cleanup(client->idle[--client->idle_count]);
    arena_free(client->credentials_arena);
    pthread_mutex_destroy(&client->lock);
    arena_free(client->arena);
}

void kube_interrupt(struct kube_client *client, int64_t when_ns)
{
    atomic_store(&client->interrupt_ns, when_ns);
}

/* Two ways to end a request from outside: for the whole client at a time (shutdown), and for
 * this call alone. */
bool kube_call_given_up(const struct kube_client *client, const struct kube_call *call)
{
    int64_t when = atomic_load(&client->interrupt_ns);
    return (when && time_monotonic_ns() >= when) || (call && call->cancelled && atomic_load(call->cancelled));
}

const char *kube_server(const struct kube_client *client)
{
    return client->config.server.ptr;
}

/* From the Date header of answers. Differences within CLOCK_TOLERANCE are those of any two
 * machines, and of the seconds that a request takes. */
int64_t kube_clock_ahead(const struct kube_client *client)
{
    int64_t ahead = atomic_load(&client->clock_ahead);
    return ahead > CLOCK_TOLERANCE || ahead < -CLOCK_TOLERANCE ? ahead : 0;
}

unsigned kube_timeout(const struct kube_client *client)
{
    return client->timeout;
}

/* xorshift64*: jitter needs no better. */
double kube_random(struct kube_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->random ^= client->random >> 12;
    client->random ^= client->random << 25;
    client->random ^= client->random >> 27;
    uint64_t value = client->random * UINT64_C(2685821657736338717);
    pthread_mutex_unlock(&client->lock);
    return (double)(value >> 11) / 9007199254740992.0;
}

/* A handle keeps its connection open after curl_easy_reset, so that most requests need no
 * handshake. */
CURL *kube_connection_take(struct kube_client *client)
{
    pthread_mutex_lock(&client->lock);
    CURL *connection = client->idle_count ? client->idle[--client->idle_count] : NULL;
    pthread_mutex_unlock(&client->lock);
    if (!connection)
        return curl_easy_init();
    curl_easy_reset(connection);
    return connection;
}

void kube_connection_give(struct kube_client *client, CURL *connection)
{
    pthread_mutex_lock(&client->lock);
    bool kept = client->idle_count < LENGTH_OF(client->idle);
    if (kept)
        client->idle[client->idle_count++] = connection;
    pthread_mutex_unlock(&client->lock);
    if (!kept)
        curl_easy_cleanup(connection);
}

static bool read_token(struct arena *arena, const char *path, struct str *token, struct error *error)
{
    struct str text;
    if (!file_read(arena, path, TOKEN_BYTES_MAX, &text, error))
        return false;
    *token = str_trim(text);
    return token->len || error_set(error, 0, "the token file %s is empty", path);
}

struct refresh {
    const struct kube_client *client;
    const struct kube_call *call;
};

static bool refresh_given_up(void *context)
{
    const struct refresh *refresh = context;
    return kube_call_given_up(refresh->client, refresh->call);
}

/* Who has waited while the plugin failed for somebody else, or comes right after, gets that failure: one
 * request after the other would wait for a plugin that hangs. */
static bool refresh_from_plugin(struct kube_client *client, const struct kube_call *call, int64_t since_ns,
                                struct arena *arena, struct kube_credentials *fresh, struct error *error)
{
    struct refresh refresh = {client, call};
    const struct kube_exec_wait wait = {PLUGIN_SECONDS, refresh_given_up, &refresh};
    if (client->refused_ns && since_ns - client->refused_ns < PLUGIN_AGAIN_NS) {
        *error = client->refusal;
        return false;
    }
    if (kube_call_given_up(client, call))
        return error_set(error, 0, "%s: request cancelled", client->config.server.ptr);
    if (kube_exec_run(arena, client->config.exec, &wait, fresh, error))
        return true;
    if (!kube_call_given_up(client, call)) {
        client->refused_ns = time_monotonic_ns();
        client->refusal = *error;
    }
    return false;
}

/* The lock is held: a plugin or a file is asked once for all threads. */
static bool client_refresh(struct kube_client *client, const struct kube_call *call, int64_t since_ns,
                           struct error *error)
{
    struct arena *arena = arena_new(CLIENT_BYTES_MAX);
    struct kube_credentials fresh = {.expires = 0};
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (client->config.exec) {
        if (!refresh_from_plugin(client, call, since_ns, arena, &fresh, error)) {
            arena_free(arena);
            return false;
        }
    } else {
        /* As client-go: a token file that cannot be read just now, or is being written, leaves
         * the old token in force. */
        if (!read_token(arena, client->config.token_file.ptr, &fresh.token, error)) {
            arena_free(arena);
            return client->credentials.token.len > 0;
        }
        fresh.expires = time_now() + TOKEN_READ_SECONDS;
    }
    /* Replaces the credentials; the lock is held. */
    arena_free(client->credentials_arena);
    client->credentials_arena = arena;
    client->credentials = fresh;
    return true;
}

void kube_credentials_forget(struct kube_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->credentials.expires = 1;
    pthread_mutex_unlock(&client->lock);
}

/* A plugin's credential is renewed ten seconds before it expires, since the request still has to
 * arrive; a token file is read every TOKEN_READ_SECONDS, as client-go does (kubelet rotates it
 * in place). The texts are copied: another thread may renew them meanwhile. */
bool kube_credentials_now(struct kube_client *client, const struct kube_call *call, struct arena *arena,
                          struct kube_credentials *credentials, struct error *error)
{
    const struct kube_config *config = &client->config;
    const int64_t since_ns = time_monotonic_ns();
    bool renewable = config->exec || config->token_file.len;
    pthread_mutex_lock(&client->lock);
    bool stale = !client->credentials_arena ||
                 (client->credentials.expires && client->credentials.expires <= time_now() + (config->exec ? 10 : 0));
    bool good = !renewable || !stale || client_refresh(client, call, since_ns, error);
    if (good && renewable) {
        credentials->token = arena_copy(arena, client->credentials.token);
        credentials->client_cert = arena_copy(arena, client->credentials.client_cert);
        credentials->client_key = arena_copy(arena, client->credentials.client_key);
    } else if (good) {
        credentials->token = config->token;
    }
    pthread_mutex_unlock(&client->lock);
    return good;
}
