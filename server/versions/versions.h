/* versions, private: the table of releases. */
#ifndef BACKSTOP_VERSIONS_VERSIONS_H
#define BACKSTOP_VERSIONS_VERSIONS_H

#include "backstop/versions.h"

struct release_number {
    int major, minor, patch;
};

/* Releases from `first` to `last`, which behave the same. */
struct release_row {
    enum product product;
    const char *name; /* "1.18.0 to 1.18.2" */
    struct release_number first, last;
    enum cron_dialect cron;
    unsigned features; /* bit set of enum feature */
};
const struct release_row *release_rows(size_t *count);
/* What the documentation says of a feature. */
const char *feature_words(enum feature feature);
enum product feature_product(enum feature feature);
const char *product_words(enum product product); /* "Velero", "k0rdent" */

#endif
