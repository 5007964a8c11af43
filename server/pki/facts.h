/* Certificates as GnuTLS reads them: it serves them, so it is awake anyway, while to wake
 * OpenSSL takes as long as the rest of a start and two megabytes. */
#ifndef BACKSTOP_PKI_FACTS_H
#define BACKSTOP_PKI_FACTS_H

#include <gnutls/x509.h>

#include "backstop/pki.h"

void facts_certificate_cleanup(gnutls_x509_crt_t *certificate);
void facts_key_cleanup(gnutls_x509_privkey_t *key);
#define CERTIFICATE_SCOPED CLEANUP(facts_certificate_cleanup) gnutls_x509_crt_t
#define PRIVATE_KEY_SCOPED CLEANUP(facts_key_cleanup) gnutls_x509_privkey_t

/* The first certificate, the key; NULL with the error filled. */
gnutls_x509_crt_t facts_certificate(struct str pem, struct error *error);
gnutls_x509_privkey_t facts_key(struct str pem, struct error *error);
void facts_of(gnutls_x509_crt_t certificate, struct pki_facts *facts);
/* Whether it may be served: it has no purposes, or serverAuth is one of them. */
bool facts_for_servers(gnutls_x509_crt_t certificate);
/* Why a text that should hold a private key does not. */
bool facts_key_fits(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key);

#endif
