/* Facts from files, and objects kept in memory beside them. */
#ifndef BACKSTOP_INVENTORY_FILES_FILES_H
#define BACKSTOP_INVENTORY_FILES_FILES_H

#include "inventory/inventory.h"

/* ---- records in order ----------------------------------------------------- */

struct record_list {
    struct record **items; /* held */
    size_t len, cap;
};
bool record_list_sink(void *list, struct record *record, struct error *error); /* a record_sink */
void record_list_clear(struct record_list *list);

/* ---- load: one file's content --------------------------------------------- */

/* A document or an item of a List that holds no more than facts: by the digest of its text. */
struct load_piece {
    uint64_t digest;
    size_t first, count; /* its facts, in the list of all */
};
/* The facts of a file, and the texts that they came from: one that comes again is not read again. */
struct loaded {
    struct record_list records;
    struct load_pieces {
        struct load_piece *items; /* by digest, once it is loaded */
        size_t len, cap;
    } pieces;
};
/* Fills `loaded`, which is empty. `before`: what was loaded of that file the last time, with this extractor; NULL: nothing,
 * and what is read is not for a next time. On failure the message says why, error->position is the line (or -1), and it is
 * empty. */
bool load_file(const struct extractor *extractor, const char *path, const struct loaded *before, struct loaded *loaded,
               struct error *error) MUST_CHECK;
void loaded_clear(struct loaded *loaded);

enum { LOAD_WHOLE = 64 << 10, LOAD_LIMIT = 256 << 20 }; /* read at once below, refused above */
enum { DOCUMENT_LIMIT = 1 << 30 };                      /* of memory, for what one piece becomes */

struct load {
    const struct extractor *extractor;
    const struct loaded *before; /* NULL: pieces are not kept */
    struct record_list *records;
    struct load_pieces *pieces;
    struct error *error;
};
/* Text that is read by itself: a document, an item of a List ("- ..."), or what
 * remains of a List without its items. */
enum piece { PIECE_DOCUMENT, PIECE_ITEM, PIECE_LIST };

/* ---- sources: the files that are named, or stand in named folders --------- */

struct sources;
struct sources *sources_new(const char *const *paths, size_t count) MUST_CHECK;
void sources_free(struct sources *sources); /* NULL is fine */
/* Fails when a named path cannot be opened. */
bool sources_check(const struct sources *sources, struct error *error) MUST_CHECK;
/* Loads what changed since the last time; a file that fails keeps its last good
 * facts. True when the facts may differ. */
bool sources_reload(struct sources *sources, const struct extractor *extractor, inventory_problem_fn *problem,
                    void *context);
bool sources_put(const struct sources *sources, struct inventory_builder *builder) MUST_CHECK;
/* Reads all files again for evidence: the extractor has where it goes. */
bool sources_look(const struct sources *sources, const struct extractor *extractor, struct error *error) MUST_CHECK;
size_t sources_problems(const struct sources *sources);
/* Whether something could not be read for want of memory, descriptors or permission: then
 * reading again may help although no file changes. */
bool sources_unread(const struct sources *sources);

/* ---- simulate: created objects that live in memory ------------------------ */

struct simulation {
    struct simulated *first;
    size_t count;
    int64_t seconds; /* until a backup completes; -1: never */
};
/* Keeps a copy of the object as of `now`. */
bool simulation_add(struct simulation *simulation, struct json_object *object, int64_t now,
                    struct error *error) MUST_CHECK;
/* Brings every object to what it is at `now`. True when one of them changed. */
bool simulation_advance(struct simulation *simulation, const struct extractor *extractor,
                        const struct inventory *inventory, int64_t now);
/* The files' own objects win. */
bool simulation_put(const struct simulation *simulation, struct inventory_builder *builder) MUST_CHECK;
void simulation_clear(struct simulation *simulation);

#endif
