/* Manifests that are not files. */
#ifndef BACKSTOP_COMMANDS_MANIFEST_FETCH_H
#define BACKSTOP_COMMANDS_MANIFEST_FETCH_H

#include "backstop/base.h"

/* What stands at a URL, as `kubectl apply -f URL` reads it: redirects are followed, a server's
 * error (5xx) is tried three times. The text is the arena's. */
bool manifest_fetch_url(struct arena *arena, const char *url, size_t limit, struct str *text,
                        struct error *error) MUST_CHECK;
/* What `kubectl kustomize FOLDER` prints on standard output; its complaints go to ours. */
bool manifest_fetch_kustomization(struct arena *arena, const char *folder, size_t limit, struct str *text,
                                  struct error *error) MUST_CHECK;

#endif
