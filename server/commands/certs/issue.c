/* `backstop certs issue`: a CA and a serving pair in a folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backstop/certificates.h"
#include "backstop/pki.h"
#include "commands/certs/certs.h"

enum { SKEW = 300, KEY_MODE = 0600, CERTIFICATE_MODE = 0644, PATH_SIZE = 4096 };

static bool certs_issue_path_of(char out[PATH_SIZE], const char *folder, const char *name, struct error *error)
{
    if (snprintf(out, PATH_SIZE, "%s/%s", folder, name) < PATH_SIZE)
        return true;
    return error_set(error, 0, "the folder's name is too long");
}

/* Written beside and renamed, so that nobody reads half of it; a key is never readable by others. */
static bool write_file(const char *folder, const char *name, struct str text, mode_t mode, struct error *error)
{
    char path[PATH_SIZE], beside[PATH_SIZE], words[128], temporary[64];
    snprintf(temporary, sizeof temporary, ".%s.new", name);
    if (!certs_issue_path_of(path, folder, name, error) || !certs_issue_path_of(beside, folder, temporary, error))
        return false;
    unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool written = fd >= 0 && fchmod(fd, mode) == 0 && write_all(fd, text);
    if (fd >= 0 && close(fd) != 0)
        written = false;
    if (written && rename(beside, path) == 0)
        return true;
    int reason = errno;
    unlink(beside);
    return error_set(error, 0, "cannot write %s: %s", path, strerror_r(reason, words, sizeof words));
}

/* The names as the profile wants them: --name, or localhost and the Service's. */
static const char **names_of(struct arena *arena, const struct option_list *given, const char *const *defaults)
{
    size_t count = given->len;
    while (!given->len && defaults[count])
        count++;
    const char **names = arena_array(arena, count + 1, sizeof(char *));
    for (size_t i = 0; names && i < count; i++)
        names[i] = given->len ? given->items[i] : defaults[i];
    return names;
}

/* The folder's own CA when its key was kept, else a new one. */
static bool get_ca(struct arena *arena, const char *folder, const struct pki_profile *profile, struct pki_pair *ca,
                   bool *fresh, struct error *error)
{
    char certificate[PATH_SIZE], key[PATH_SIZE];
    if (!certs_issue_path_of(certificate, folder, "ca.crt", error) ||
        !certs_issue_path_of(key, folder, "ca.key", error))
        return false;
    *fresh = access(key, F_OK) != 0;
    if (*fresh)
        return pki_issue_ca(arena, profile, ca, error);
    if (!file_read(arena, certificate, CERTS_PEM_LIMIT, &ca->certificate, error) ||
        !file_read(arena, key, CERTS_PEM_LIMIT, &ca->key, error))
        return false;
    return true;
}

static bool write_folder(const char *folder, const struct pki_pair *ca, bool ca_key, const struct pki_pair *serving,
                         struct error *error)
{
    return write_file(folder, "ca.crt", ca->certificate, CERTIFICATE_MODE, error) &&
           (!ca_key || write_file(folder, "ca.key", ca->key, KEY_MODE, error)) &&
           write_file(folder, "tls.key", serving->key, KEY_MODE, error) &&
           write_file(folder, "tls.crt", serving->certificate, CERTIFICATE_MODE, error);
}

static bool certs_issue_pair(struct arena *arena, const struct certs_options *options, const char *folder,
                             struct error *error)
{
    static const char *const loopback[] = {"127.0.0.1", "::1", NULL};
    struct certificates_service service;
    int64_t now = options->at >= 0 ? options->at : time_now();
    if (!certificates_service_parse(str_from(options->service), &service, error))
        return error_wrap(error, "--service");
    const char *const defaults[] = {"localhost",     service.full[0], service.full[1],
                                    service.full[2], service.full[3], NULL};
    const char **names = names_of(arena, &options->names, defaults);
    const char **addresses = names_of(arena, &options->addresses, loopback);
    if (!names || !addresses)
        return error_set(error, 0, "out of memory");
    const struct pki_profile authority = {
        .common_name = "backstop CA", .not_before = now - SKEW, .not_after = now + CERTS_CA_FACTOR * options->lifetime};
    const struct pki_profile profile = {.common_name = names[0],
                                        .dns_names = names,
                                        .addresses = addresses,
                                        .not_before = now - SKEW,
                                        .not_after = now + options->lifetime};
    struct pki_pair ca = {0}, serving = {0};
    bool fresh = true;
    return get_ca(arena, folder, &authority, &ca, &fresh, error) &&
           pki_issue_serving(arena, &profile, &ca, &serving, error) &&
           write_folder(folder, &ca, fresh && options->keep_ca_key, &serving, error);
}

/* A webhook may be serving with it. Where the CA's key was kept, signing again is what it is kept for. */
static bool has_pair(const char *folder)
{
    struct error ignored;
    char key[PATH_SIZE], ca_key[PATH_SIZE];
    return certs_issue_path_of(key, folder, "tls.key", &ignored) &&
           certs_issue_path_of(ca_key, folder, "ca.key", &ignored) && access(key, F_OK) == 0 &&
           access(ca_key, F_OK) != 0;
}

int certs_issue(const struct command *command, const struct certs_options *options, const char *folder)
{
    struct error error;
    char words[128];
    ARENA_SCOPED arena = arena_new_secret((size_t)8 * CERTS_PEM_LIMIT);
    if (!arena)
        return command_fail(command, "out of memory");
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return command_fail(command, "cannot make the folder %s: %s", folder, strerror_r(errno, words, sizeof words));
    if (!options->force && has_pair(folder))
        return command_fail(command, "%s holds a certificate already; to replace it: --force", folder);
    if (!certs_issue_pair(arena, options, folder, &error))
        return command_fail(command, "%s", error.message);
    printf("%s: ca.crt tls.crt tls.key\n", folder);
    return EXIT_OK;
}
