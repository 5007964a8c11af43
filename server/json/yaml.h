/* YAML inside the module json: a text becomes nodes (yaml_parse.c, or yaml_json.c
 * when it is JSON), nodes become json-c trees (yaml_decode.c), and lines are found
 * by walking the nodes again (yaml.c). Plain documents become JSON without either (yaml_text.c). */
#ifndef BACKSTOP_JSON_YAML_H
#define BACKSTOP_JSON_YAML_H

#include "json/json.h"

/* ---- nodes ---------------------------------------------------------------- */

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING, NODE_ALIAS };

struct yaml_node {
    enum node_kind kind;
    bool implicit; /* a plain scalar without a tag: its text decides the type */
    bool open;     /* being decoded: an alias to it would contain itself */
    unsigned line;
    struct str tag;                  /* in its long form, or absent */
    struct str value;                /* of a scalar; of an alias the anchor's name */
    struct yaml_node *target;        /* of an alias */
    struct yaml_node *parent, *next; /* a mapping's keys and values alternate */
    struct yaml_node *first, *last;
    size_t count; /* of children */
};

/* The documents of a text while they are read. */
struct yaml_reader {
    struct arena *arena;
    struct error *error;
    struct yaml_options options; /* every limit set */
    struct yaml_document **link; /* where the next document goes */
    struct yaml_document *document;
    struct yaml_node *container; /* the innermost open one */
    unsigned depth;
    size_t count; /* nodes of the document */
};

bool yaml_document_open(struct yaml_reader *reader, unsigned line);
/* Adds a node to the open container, or as the document's root. A sequence or a
 * mapping is then open itself, until yaml_node_close. NULL when a limit is hit. */
struct yaml_node *yaml_node_add(struct yaml_reader *reader, enum node_kind kind, unsigned line);
void yaml_node_close(struct yaml_reader *reader);
bool yaml_memory(struct yaml_reader *reader, unsigned line);

/* The options with every limit set; NULL stands for none. */
struct yaml_options yaml_limits(const struct yaml_options *options);
bool yaml_looks_like_json(struct str text);

/* Through libyaml; through the JSON scanner. */
bool yaml_parse(struct yaml_reader *reader, struct str text);
bool yaml_parse_json(struct yaml_reader *reader, struct str text);
/* The tree of the document's nodes. */
bool yaml_decode(struct yaml_reader *reader, struct yaml_document *document);

/* `<<`, which puts another mapping's members here. */
bool yaml_is_merge(const struct yaml_node *key);

/* ---- scalars -------------------------------------------------------------- */

enum scalar_kind {
    SCALAR_NULL,
    SCALAR_BOOL,
    SCALAR_INTEGER,
    SCALAR_NATURAL,
    SCALAR_FLOAT,
    SCALAR_TIMESTAMP,
    SCALAR_STRING
};

struct yaml_scalar {
    enum scalar_kind kind;
    bool truth;
    int64_t integer;
    uint64_t natural; /* integers above INT64_MAX */
    double real;
    struct str text; /* of strings and timestamps */
};

/* What a plain text stands for, after go-yaml v2's resolve(). False when the arena is full. */
bool yaml_resolve(struct arena *arena, struct str text, struct yaml_scalar *scalar);
/* The same for a node, which may be quoted or tagged. */
bool yaml_resolve_node(struct arena *arena, const struct yaml_node *node, struct yaml_scalar *scalar,
                       struct error *error);
bool yaml_scalar_finite(const struct yaml_scalar *scalar);

#endif
