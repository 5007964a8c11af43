/* pki: X.509, read by GnuTLS, issued and traced to a CA by OpenSSL. Verifies what the webhook serves; keeps
 * bundles. Knows nothing of Kubernetes, files or HTTP: PEM in, PEM out. */
#ifndef BACKSTOP_PKI_H
#define BACKSTOP_PKI_H

#include "backstop/base.h"

/* A certificate and its private key as PEM; borrowed, from a secret arena where it is ours. */
struct pki_pair {
    struct str certificate; /* may be a chain, leaf first */
    struct str key;         /* PKCS#8 */
};

struct pki_profile {
    const char *common_name;
    const char *const *dns_names;  /* SANs, NULL-terminated; NULL for a CA */
    const char *const *addresses;  /* IP SANs, NULL-terminated, or NULL */
    int64_t not_before, not_after; /* Unix seconds */
};
/* The pair is in the arena, which should be a secret one. ECDSA P-256, random 128-bit serial, SHA-256. A CA: CA:TRUE pathlen 0, keyCertSign
 * and cRLSign. A serving certificate: CA:FALSE, digitalSignature, serverAuth. */
bool pki_issue_ca(struct arena *arena, const struct pki_profile *profile, struct pki_pair *ca,
                  struct error *error) MUST_CHECK;
/* A leaf for the profile's names with a new P-256 key, signed by this CA; 422 when the CA's key is not its
 * certificate's. */
bool pki_issue_serving(struct arena *arena, const struct pki_profile *profile, const struct pki_pair *ca,
                       struct pki_pair *serving, struct error *error) MUST_CHECK;

struct pki_facts {
    int64_t not_before, not_after;
    char subject[256], issuer[256], serial[64];
    bool is_ca, self_signed;
    char key_type[48];    /* "ECDSA P-256", "RSA 2048" */
    char dns_names[1024]; /* comma-separated SANs */
};
/* What a certificate says of itself. Nothing is verified. */
bool pki_read(struct str certificate, struct pki_facts *facts, struct error *error) MUST_CHECK;

/* Everything that must hold before a pair is served: the key fits, dates hold at
 * `now`, serverAuth is allowed, each dns_name (NULL-terminated, may be NULL) is
 * covered by a SAN, and, when a bundle is given, the chain leads to it. The
 * message says which of these failed, with the certificate's own values. */
bool pki_verify(const struct pki_pair *pair, struct str ca_bundle, const char *const *dns_names, int64_t now,
                struct error *error) MUST_CHECK;
/* The same without names and bundle, and what the certificate says of itself: a start reads it once. */
bool pki_verify_facts(const struct pki_pair *pair, int64_t now, struct pki_facts *facts,
                      struct error *error) MUST_CHECK;

/* When to renew: at two thirds of the lifetime, moved by up to a twentieth of it by `jitter` (0-1). */
int64_t pki_renewal_time(const struct pki_facts *facts, double jitter);
/* The certificates of both bundles, each once, expired ones left out; PEM in the arena. */
struct str pki_bundle_join(struct arena *arena, struct str first, struct str second, int64_t now);
bool pki_bundle_has(struct str bundle, struct str certificate);

#endif
