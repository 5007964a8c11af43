/* Private to the module pki: OpenSSL objects with their clean-up, PEM both ways. */
#ifndef BACKSTOP_PKI_PKI_H
#define BACKSTOP_PKI_PKI_H

#include <gnutls/x509.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "backstop/pki.h"

void pki_x509_cleanup(X509 **certificate);
void pki_key_cleanup(EVP_PKEY **key);
void pki_stack_cleanup(STACK_OF(X509) * *stack);
#define X509_SCOPED CLEANUP(pki_x509_cleanup) X509 *
#define KEY_SCOPED CLEANUP(pki_key_cleanup) EVP_PKEY *
#define X509_STACK_SCOPED CLEANUP(pki_stack_cleanup) STACK_OF(X509) *

/* "what: OpenSSL's own reason"; empties OpenSSL's error queue. */
bool pki_openssl_error(struct error *error, const char *what);

X509 *pki_certificate_from_pem(struct str pem, struct error *error); /* the first one */
STACK_OF(X509) * pki_certificates_from_pem(struct str pem);          /* all; NULL when there is none */
EVP_PKEY *pki_key_from_pem(struct str pem, struct error *error);
bool pki_certificate_to_pem(X509 *certificate, struct buf *out);
bool pki_key_to_pem(struct arena *arena, EVP_PKEY *key, struct str *out);
int64_t pki_time(const ASN1_TIME *time); /* Unix seconds; 0 when unreadable */

/* Certificates as GnuTLS reads them: it serves them, so it is awake anyway, while to wake
 * OpenSSL takes as long as the rest of a start and two megabytes. */

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
