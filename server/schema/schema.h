/* Private to the module schema: schemas as data, whether compiled in or read from a CRD. */
#ifndef BACKSTOP_SCHEMA_SCHEMA_H
#define BACKSTOP_SCHEMA_SCHEMA_H

#include "backstop/schema.h"

enum schema_type {
    SCHEMA_ANY,
    SCHEMA_OBJECT,
    SCHEMA_LIST,
    SCHEMA_TEXT,
    SCHEMA_INTEGER,
    SCHEMA_NUMBER,
    SCHEMA_BOOLEAN,
    SCHEMA_INT_OR_TEXT
};

/* One value's schema: the part of OpenAPI v3 that structural schemas have and that can be checked here. */
struct schema {
    enum schema_type type;
    bool nullable, open; /* open: fields that it does not name are kept (x-kubernetes-preserve-unknown-fields) */
    bool has_minimum, has_maximum;
    const char *format, *pattern;
    const char *const *values; /* of an enum */
    size_t value_count;
    double minimum, maximum;
    size_t min_length, max_length, min_items, max_items; /* max 0: none */
    const struct schema_field *fields;
    size_t field_count;
    const struct schema *items; /* of a list's items, or of the values of a map */
};
struct schema_field {
    const char *name;
    const struct schema *schema;
    unsigned releases; /* a bit for each release that has it so; 0: all */
    bool required;
};
/* The schema of one version of a kind: what stands beside apiVersion, kind and metadata. */
struct schema_kind {
    const char *group, *version, *kind;
    const struct schema *schema;
    const char *const *releases; /* whose bits its fields have, ended by NULL */
};
struct schema_crd {
    struct schema_kind kind;
    struct schema_crd *next;
};

/* The compiled-in schemas. */
const struct schema_kind *schema_kinds(size_t *count);
extern const struct schema schema_metadata; /* ObjectMeta */
/* The schema for an object of this version: of the set's CRDs first. *exact is false where only another version of
 * the kind is known. NULL when none is. */
const struct schema_kind *schema_find(const struct schema_set *set, struct str api_version, struct str kind,
                                      bool *exact);

/* A scalar against its schema. The absent text when it is fine. */
struct str schema_value_problem(struct arena *arena, const struct schema *schema, struct json_object *value);
/* "; did you mean ...", where the field belongs, or, where it is sure that there is none, what there is. */
struct str schema_hint(struct arena *arena, const struct schema_kind *kind, const struct schema *parent, struct str at,
                       struct str name, bool sure);

#endif
