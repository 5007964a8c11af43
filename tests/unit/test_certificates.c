/* Rotation of managed certificates as a simulation, and pairs from files. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backstop/telemetry.h"
#include "certificates/certificates.h"
#include "suite.h"

enum { NOW = 1795230000, LEAF = 900, CA = 2700, MEMORY = 64 * 1024 * 1024 };

static const char *const names[] = {"b", "b.ns", "b.ns.svc", "b.ns.svc.cluster.local", NULL};

static struct rotation at(int64_t now)
{
    return (struct rotation){.names = names, .leaf_seconds = LEAF, .ca_seconds = CA, .now = now};
}

static unsigned turn(struct arena *arena, const struct rotation *rotation, struct content *content)
{
    struct error error;
    unsigned changes = 0;
    CU_ASSERT_FATAL(rotate(arena, rotation, content, &changes, &error));
    return changes;
}

static void test_first_and_steady(void)
{
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct content content = {.secret = NULL};
    struct rotation rotation = at(NOW);
    CU_ASSERT_EQUAL(turn(arena, &rotation, &content), ROTATED_CA | ROTATED_SERVING);
    CU_ASSERT(rotation_usable(&rotation, &content.serving, content.ca.certificate));
    CU_ASSERT_EQUAL(content.previous.len, 0);
    CU_ASSERT_EQUAL(turn(arena, &rotation, &content), 0);
    int64_t due = rotation_due(&rotation, &content);
    CU_ASSERT(due > NOW + LEAF / 2 && due < NOW + LEAF * 3 / 4);
    rotation.now = due - 1;
    CU_ASSERT_EQUAL(turn(arena, &rotation, &content), 0);
    rotation.now = due;
    CU_ASSERT_EQUAL(turn(arena, &rotation, &content), ROTATED_SERVING);
}

/* The order that keeps every call alive: announce, only then serve, then forget. */
static void test_a_new_ca_is_announced_first(void)
{
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct content content = {.secret = NULL};
    struct rotation rotation = at(NOW);
    turn(arena, &rotation, &content);
    struct str old = content.ca.certificate;
    while (str_eq(content.ca.certificate, old)) {
        rotation.now = rotation_due(&rotation, &content);
        CU_ASSERT_FATAL(rotation.now < NOW + CA);
        turn(arena, &rotation, &content);
    }
    CU_ASSERT(rotation.now <= NOW + CA * 3 / 4);
    CU_ASSERT(pki_bundle_has(content.previous, old));
    CU_ASSERT(rotation_usable(&rotation, &content.serving, old));
    CU_ASSERT_FALSE(rotation_usable(&rotation, &content.serving, content.ca.certificate));
    CU_ASSERT_EQUAL(turn(arena, &rotation, &content), 0);
    CU_ASSERT(rotation_due(&rotation, &content) <= rotation.now + 1);
    rotation.announced = true;
    CU_ASSERT_EQUAL(turn(arena, &rotation, &content), ROTATED_SERVING);
    CU_ASSERT(rotation_usable(&rotation, &content.serving, content.ca.certificate));
    CU_ASSERT(content.previous.len > 0);
    rotation.now += LEAF * 2 / 3 - 60;
    CU_ASSERT_EQUAL(turn(arena, &rotation, &content) & ROTATED_PREVIOUS, 0);
    rotation.now += LEAF;
    turn(arena, &rotation, &content);
    CU_ASSERT(turn(arena, &rotation, &content) & ROTATED_PREVIOUS);
    CU_ASSERT_EQUAL(content.previous.len, 0);
}

/* A leaf of the old CA near its end is replaced even when nobody could be told. */
static void test_unannounced_for_too_long(void)
{
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct content content = {.secret = NULL};
    struct rotation rotation = at(NOW);
    turn(arena, &rotation, &content);
    struct pki_facts serving;
    struct error error;
    while (!(turn(arena, &rotation, &content) & ROTATED_CA))
        rotation.now = rotation_due(&rotation, &content);
    CU_ASSERT(rotation.now > NOW);
    CU_ASSERT_FATAL(pki_read(content.serving.certificate, &serving, &error));
    rotation.now = serving.not_after - LEAF / 5;
    CU_ASSERT_EQUAL(turn(arena, &rotation, &content), 0);
    rotation.now = serving.not_after - LEAF / 20;
    CU_ASSERT_EQUAL(turn(arena, &rotation, &content), ROTATED_SERVING);
}

/* Whatever is lost or damaged, what is served goes on being valid under what is announced. */
static void test_damage(void)
{
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct content good = {.secret = NULL}, other = {.secret = NULL};
    struct rotation rotation = at(NOW);
    turn(arena, &rotation, &good);
    turn(arena, &rotation, &other);
    const struct str junk[] = {STR(""), STR("junk"),
                               STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                               other.ca.certificate, other.ca.key};
    for (size_t i = 0; i < LENGTH_OF(junk); i++)
        for (unsigned mask = 1; mask < 32; mask++) {
            struct content content = good;
            struct str *const parts[] = {&content.ca.certificate, &content.ca.key, &content.serving.certificate,
                                         &content.serving.key, &content.previous};
            for (size_t part = 0; part < LENGTH_OF(parts); part++)
                if (mask & 1u << part)
                    *parts[part] = junk[i];
            struct rotation held = at(NOW + 10);
            held.held = &good.serving;
            held.held_ca = good.ca.certificate;
            turn(arena, &held, &content);
            struct str bundle = pki_bundle_join(arena, content.ca.certificate, content.previous, held.now);
            CU_ASSERT(rotation_usable(&held, &content.serving, bundle));
            CU_ASSERT(pki_bundle_has(bundle, content.ca.certificate));
            /* With a new CA the old leaf stays until the new CA is announced. */
            if (!str_eq(content.ca.certificate, good.ca.certificate))
                CU_ASSERT(rotation_usable(&held, &good.serving, bundle));
            unsigned again = turn(arena, &held, &content);
            CU_ASSERT_EQUAL(again & (ROTATED_CA | ROTATED_SERVING), 0);
        }
}

/* Three months of many rotations in small steps: always usable, never stuck. */
static void test_long_run(void)
{
    struct content content = {.secret = NULL};
    struct arena *arenas[2] = {arena_new(MEMORY), NULL};
    int issued = 0, cas = 0;
    int64_t ca_since = 0;
    struct str last = {NULL, 0};
    for (int64_t now = NOW; now < NOW + 12 * CA; now += 60) {
        struct rotation rotation = at(now);
        rotation.jitter = 0.5;
        rotation.announced = now - ca_since > rotation_settle_seconds(LEAF);
        unsigned changes = turn(arenas[0], &rotation, &content);
        issued += (changes & ROTATED_SERVING) != 0;
        cas += (changes & ROTATED_CA) != 0;
        if (!str_eq(last, content.ca.certificate))
            ca_since = now;
        last = content.ca.certificate;
        struct str bundle = pki_bundle_join(arenas[0], content.ca.certificate, content.previous, now);
        CU_ASSERT_FATAL(rotation_usable(&rotation, &content.serving, bundle));
    }
    CU_ASSERT(cas >= 12 && cas <= 20);
    CU_ASSERT(issued >= 36 && issued <= 80);
    arena_free(arenas[0]);
}

static void test_service_names(void)
{
    struct certificates_service service;
    struct error error;
    static const char *const wrong[] = {"", "b", "b.", ".n", "b.n.x", "b.n.svc.", "B.n", "b.n.svc..x", "b_c.n", "-b.n"};
    CU_ASSERT_FATAL(certificates_service_parse(STR("backstop.kcm-system"), &service, &error));
    ASSERT_TEXT(str_from(service.names[3]), "backstop.kcm-system.svc.cluster.local");
    CU_ASSERT_FATAL(certificates_service_parse(STR("b.n.svc.corp.example"), &service, &error));
    ASSERT_TEXT(str_from(service.names[3]), "b.n.svc.corp.example");
    ASSERT_TEXT(str_from(service.names[2]), "b.n.svc");
    for (size_t i = 0; i < LENGTH_OF(wrong); i++)
        CU_ASSERT_FALSE(certificates_service_parse(str_from(wrong[i]), &service, &error));
}

/* ---- files -------------------------------------------------------------------------- */

struct taken {
    pthread_mutex_t lock;
    int count;
    char certificate[8192];
    bool refuse;
};

static bool use(void *context, struct str certificate, struct str key, struct error *error)
{
    struct taken *taken = context;
    (void)key;
    pthread_mutex_lock(&taken->lock);
    taken->count++;
    snprintf(taken->certificate, sizeof taken->certificate, "%.*s", STR_ARG(certificate));
    pthread_mutex_unlock(&taken->lock);
    return !taken->refuse || error_set(error, 0, "refused");
}

static int count_of(struct taken *taken)
{
    pthread_mutex_lock(&taken->lock);
    int count = taken->count;
    pthread_mutex_unlock(&taken->lock);
    return count;
}

static void put(const char *folder, const char *name, struct str text)
{
    char path[256], beside[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(beside, sizeof beside, "%s/.%s", folder, name);
    FILE *file = fopen(beside, "w");
    CU_ASSERT_FATAL(file != NULL);
    fwrite(text.ptr, 1, text.len, file);
    fclose(file);
    rename(beside, path);
}

static bool eventually(struct certificates *certificates, const char *said)
{
    char reason[1500] = "";
    for (int i = 0; i < 500; i++) {
        const struct timespec tick = {0, 20000000};
        certificates_ready(certificates, reason, sizeof reason);
        if (strstr(reason, said) && (said[0] || !reason[0]))
            return true;
        nanosleep(&tick, NULL);
    }
    fprintf(stderr, "\n    expected %s, got %s\n", said, reason);
    return false;
}

static void test_files(void)
{
    char folder[] = "/tmp/backstop-certificates-XXXXXX", certificate[300], key[300], reason[1500];
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct content first = {.secret = NULL}, second = {.secret = NULL}, expired = {.secret = NULL};
    struct rotation now = at(time_now()), past = at(time_now() - 10 * CA);
    struct taken taken = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct error error;
    turn(arena, &now, &first);
    turn(arena, &now, &second);
    turn(arena, &past, &expired);
    CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
    snprintf(certificate, sizeof certificate, "%s/tls.crt", folder);
    snprintf(key, sizeof key, "%s/tls.key", folder);
    const struct certificates_options options = {
        .use = use, .context = &taken, .names = names, .certificate_file = certificate, .key_file = key};
    log_set_level(LOG_ERROR + 1);

    CU_ASSERT(certificates_from_files(&options, &error) == NULL); /* no files */
    put(folder, "tls.crt", first.serving.certificate);
    put(folder, "tls.key", second.serving.key);
    CU_ASSERT(certificates_from_files(&options, &error) == NULL);
    CU_ASSERT(strstr(error.message, "does not match") != NULL);

    put(folder, "tls.crt", expired.serving.certificate);
    put(folder, "tls.key", expired.serving.key);
    struct certificates *certificates = certificates_from_files(&options, &error);
    CU_ASSERT_FATAL(certificates != NULL);
    CU_ASSERT_FALSE(certificates_ready(certificates, reason, sizeof reason));
    CU_ASSERT(strstr(reason, "expired at") != NULL && count_of(&taken) == 0);

    put(folder, "tls.key", first.serving.key);
    put(folder, "tls.crt", first.serving.certificate);
    CU_ASSERT(eventually(certificates, ""));
    CU_ASSERT(certificates_ready(certificates, reason, sizeof reason));
    pthread_mutex_lock(&taken.lock);
    ASSERT_TEXT(first.serving.certificate, taken.certificate);
    pthread_mutex_unlock(&taken.lock);

    put(folder, "tls.crt", STR("junk"));
    CU_ASSERT(eventually(certificates, "serving the last good certificate: the certificate: not a PEM certificate"));
    CU_ASSERT(certificates_ready(certificates, reason, sizeof reason));
    put(folder, "tls.crt", second.serving.certificate);
    CU_ASSERT(eventually(certificates, "does not match"));
    put(folder, "tls.key", second.serving.key);
    CU_ASSERT(eventually(certificates, ""));
    pthread_mutex_lock(&taken.lock);
    ASSERT_TEXT(second.serving.certificate, taken.certificate);
    pthread_mutex_unlock(&taken.lock);
    unlink(key);
    CU_ASSERT(eventually(certificates, "No such file"));
    CU_ASSERT(certificates_ready(certificates, reason, sizeof reason));
    certificates_close(certificates);
    log_set_level(LOG_INFO);
    unlink(certificate);
    rmdir(folder);
}

/* Its clock may be behind that of who issued it: then time alone puts it right. */
static void test_not_valid_yet(void)
{
    char folder[] = "/tmp/backstop-certificates-XXXXXX", certificate[300], key[300], reason[1500];
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct content soon = {.secret = NULL};
    struct rotation ahead = at(time_now() + LEAF / 20 + 2); /* issued to be valid since a twentieth before */
    struct taken taken = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct error error;
    turn(arena, &ahead, &soon);
    CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
    snprintf(certificate, sizeof certificate, "%s/tls.crt", folder);
    snprintf(key, sizeof key, "%s/tls.key", folder);
    put(folder, "tls.crt", soon.serving.certificate);
    put(folder, "tls.key", soon.serving.key);
    const struct certificates_options options = {
        .use = use, .context = &taken, .names = names, .certificate_file = certificate, .key_file = key};
    log_set_level(LOG_ERROR + 1);
    struct certificates *certificates = certificates_from_files(&options, &error);
    CU_ASSERT_FATAL(certificates != NULL);
    if (!certificates_ready(certificates, reason, sizeof reason)) /* else the machine is very slow */
        CU_ASSERT(strstr(reason, "not valid before") != NULL);
    CU_ASSERT(eventually(certificates, "") || eventually(certificates, "")); /* 20 s for what takes 5 */
    CU_ASSERT(certificates_ready(certificates, reason, sizeof reason));
    certificates_close(certificates);
    log_set_level(LOG_INFO);
    unlink(certificate);
    unlink(key);
    rmdir(folder);
}

SUITE(certificates, {"the first pair, then nothing until it is due", test_first_and_steady},
      {"a new CA is announced before it is used", test_a_new_ca_is_announced_first},
      {"a CA that could not be announced", test_unannounced_for_too_long}, {"any damage is made good", test_damage},
      {"many lifetimes", test_long_run}, {"names of a Service", test_service_names}, {"pairs from files", test_files},
      {"a pair that is not valid yet is taken once it is", test_not_valid_yet})
