/* Any bytes as a kubeconfig: a configuration, or one error that names what is wrong. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "kube/kube.h"

enum { ARENA = 64 * 1024 * 1024 };

static void check_text(struct str text)
{
    PROMISE(!text.len || (text.ptr && text.ptr[text.len] == '\0') || memchr(text.ptr, '/', text.len),
            "not terminated: %.*s", STR_ARG(text));
}

static void check_config(const struct kube_config *config)
{
    const struct str texts[] = {config->tls_server_name,
                                config->proxy,
                                config->ca_file,
                                config->client_cert_file,
                                config->client_cert_data,
                                config->token,
                                config->username,
                                config->client_key_file,
                                config->client_key_data,
                                config->ca_data,
                                config->password,
                                config->token_file,
                                config->ns};
    PROMISE(config->server.len > 0, "a configuration without a server");
    for (size_t i = 0; i < LENGTH_OF(texts); i++)
        check_text(texts[i]);
    for (size_t i = 0; config->exec && i < config->exec->args.len; i++)
        check_text(config->exec->args.items[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const contexts[] = {NULL, "a", "b"};
    static int file = -1;
    static char path[64];
    if (file < 0) {
        file = memfd_create("kubeconfig", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    PROMISE(file >= 0 && ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size, "no file");
    for (size_t i = 0; i < LENGTH_OF(contexts); i++) {
        ARENA_SCOPED arena = arena_new(ARENA);
        struct kube_config config = {.insecure = false};
        struct kube_options options = {.context = contexts[i]};
        struct error error = {0};
        if (kube_config_from_kubeconfig(arena, path, &options, &config, &error))
            check_config(&config);
        else
            PROMISE(error.message[0] != '\0', "no reason");
    }
    return 0;
}
