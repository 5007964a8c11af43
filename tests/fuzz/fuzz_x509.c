/* Any bytes as PEM, and as the DER inside one: what is read of a certificate has an end
 * and no control bytes, and a bundle keeps only what can be read again. */
#include <openssl/evp.h>

#include "backstop/pki.h"
#include "fuzz.h"

enum { ARENA = 64 * 1024 * 1024 };

static struct str as_pem(struct arena *arena, const uint8_t *data, size_t size)
{
    unsigned char *text = arena_alloc(arena, size / 3 * 4 + 8);
    PROMISE(text, "memory");
    EVP_EncodeBlock(text, data, (int)size);
    return arena_printf(arena, "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n", (char *)text);
}

static void check_facts(const struct pki_facts *facts)
{
    const char *const texts[] = {facts->subject, facts->issuer, facts->serial, facts->key_type, facts->dns_names};
    const size_t sizes[] = {sizeof facts->subject, sizeof facts->issuer, sizeof facts->serial, sizeof facts->key_type,
                            sizeof facts->dns_names};
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        PROMISE(memchr(texts[i], '\0', sizes[i]), "text %zu has no end", i);
        for (const char *c = texts[i]; *c; c++)
            PROMISE((unsigned char)*c >= ' ' && *c != 0x7f, "a control byte in text %zu", i);
    }
}

static void check_pem(struct arena *arena, struct str pem)
{
    static const char *const names[] = {"backstop.backstop-system.svc", NULL};
    struct error error = {0};
    struct pki_facts facts;
    if (!pki_read(pem, &facts, &error)) {
        PROMISE(error.message[0] != '\0', "no reason");
    } else {
        check_facts(&facts);
    }
    struct str joined = pki_bundle_join(arena, pem, pem, FUZZ_NOW);
    /* Facts are read by GnuTLS, bundles by OpenSSL; neither takes all that the other does. */
    if (joined.len) {
        PROMISE(pki_bundle_has(pem, joined), "a certificate from elsewhere");
        PROMISE(str_eq(pki_bundle_join(arena, joined, joined, FUZZ_NOW), joined), "joined again it is another");
    }
    const struct pki_pair pair = {pem, pem};
    if (!pki_verify(&pair, pem, names, FUZZ_NOW, &error))
        PROMISE(error.message[0] != '\0', "no reason");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct str text = {(const char *)data, size};
    check_pem(arena, str_starts(text, STR("-----")) ? text : as_pem(arena, data, size < 65536 ? size : 65536));
    return 0;
}
