/* Arenas: chunks of memory that are freed together, so that a review frees nothing by hand and
 * leaks nothing on the way out. A limit makes the memory of one request bounded; whoever exceeds
 * it fails once, at the end (arena_failed). And what is counted instead: snapshots that threads
 * share.
 *
 * A piece of memory is never given back singly: an array that grows leaves its old copies behind
 * until the arena goes. So limits count everything that was ever handed out, and a loop that
 * allocates in each round needs an arena of its own. */
#include <link.h>
#include <malloc.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backstop/base.h"

/* The first chunk is in the same block as the arena and fits into a page together with malloc's
 * own header: a plain review costs one malloc and one free. Texts of up to FORMATTED_ONCE bytes
 * are formatted on the stack and copied; only longer ones are formatted twice. */
enum { CHUNK_SIZE = 4096 - 128, ALIGNMENT = alignof(max_align_t), FORMATTED_ONCE = 512 };
#define ROUND_UP(size) (((size) + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1))

struct chunk {
    struct chunk *next;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

struct deferred {
    void (*release)(void *);
    void *object;
    struct deferred *next;
};

struct arena {
    struct chunk *chunks; /* newest first; the oldest stands behind the arena in the same block */
    struct deferred *deferred;
    size_t used, limit;
    size_t held, held_limit; /* elsewhere */
    bool failed, secret;
};

/* The arena stands at the start of its block, so that whoever holds it is seen to
 * hold the memory by leak checkers too. */
static struct chunk *arena_oldest_chunk(struct arena *arena)
{
    return (struct chunk *)(void *)((unsigned char *)arena + ROUND_UP(sizeof *arena));
}

struct arena *arena_new(size_t limit)
{
    struct arena *arena = malloc(ROUND_UP(sizeof *arena) + sizeof(struct chunk) + CHUNK_SIZE);
    if (!arena)
        return NULL;
    *arena = (struct arena){.chunks = arena_oldest_chunk(arena), .limit = limit, .held_limit = SIZE_MAX};
    *arena->chunks = (struct chunk){.size = CHUNK_SIZE};
    return arena;
}

struct arena *arena_new_secret(size_t limit)
{
    struct arena *arena = arena_new(limit);
    if (arena)
        arena->secret = true;
    return arena;
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    for (struct deferred *d = arena->deferred; d; d = d->next)
        d->release(d->object);
    for (struct chunk *chunk = arena->chunks; arena->secret && chunk; chunk = chunk->next)
        explicit_bzero(chunk->bytes, chunk->used);
    const struct chunk *oldest = arena_oldest_chunk(arena); /* part of the arena itself */
    for (struct chunk *chunk = arena->chunks, *next; chunk && chunk != oldest; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free(arena);
}

void arena_cleanup(struct arena **arena)
{
    arena_free(*arena);
}

/* What is larger than half a chunk gets a chunk of exactly its size, so that one large body does
 * not waste a whole one. It becomes the newest chunk, and what was left in the one before it
 * stays unused. */
static struct chunk *add_chunk(struct arena *arena, size_t size)
{
    size_t room = size > CHUNK_SIZE / 2 ? size : 2 * CHUNK_SIZE - sizeof(struct chunk);
    struct chunk *chunk = malloc(sizeof *chunk + room);
    if (!chunk)
        return NULL;
    *chunk = (struct chunk){.next = arena->chunks, .size = room};
    arena->chunks = chunk;
    return chunk;
}

/* The limit is checked against the size as asked for and `used` grows by the rounded one: the
 * last allocation may pass the limit by its rounding, never by more, and `used` is held at the
 * limit so that `limit - used` cannot wrap. */
void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT || size > arena->limit - arena->used) {
        arena->failed = true;
        return NULL;
    }
    size = ROUND_UP(size);
    struct chunk *chunk = arena->chunks;
    if (chunk->size - chunk->used < size && !(chunk = add_chunk(arena, size))) {
        arena->failed = true;
        return NULL;
    }
    void *memory = chunk->bytes + chunk->used;
    chunk->used += size;
    arena->used = size > arena->limit - arena->used ? arena->limit : arena->used + size;
    return memset(memory, 0, size);
}

void arena_limit_held(struct arena *arena, size_t limit)
{
    arena->held_limit = limit;
}

size_t arena_may_hold(const struct arena *arena)
{
    return arena->held < arena->held_limit ? arena->held_limit - arena->held : 0;
}

void arena_count_held(struct arena *arena, size_t bytes)
{
    arena->held += bytes;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        arena->failed = true;
        return NULL;
    }
    return arena_alloc(arena, bytes);
}

enum { ITEMS_FIRST = 8 };

/* `items` is the address of a typed pointer. It is read and written by memcpy, since a `void **`
 * to a `struct x *` may not be dereferenced (strict aliasing). */
bool arena_room(struct arena *arena, void *items, size_t len, size_t *cap, size_t size)
{
    if (len < *cap)
        return true;
    void *old, *larger = arena_array(arena, *cap ? *cap * 2 : ITEMS_FIRST, size);
    if (!larger)
        return false;
    memcpy(&old, items, sizeof old); /* the pointer's own type is the caller's */
    if (len)
        memcpy(larger, old, len * size);
    memcpy(items, &larger, sizeof larger);
    *cap = *cap ? *cap * 2 : ITEMS_FIRST;
    return true;
}

bool array_room(void *items, size_t len, size_t *cap, size_t size)
{
    if (len < *cap)
        return true;
    void *old;
    memcpy(&old, items, sizeof old);
    void *larger = reallocarray(old, *cap ? *cap * 2 : ITEMS_FIRST, size);
    if (!larger)
        return false;
    memcpy(items, &larger, sizeof larger);
    *cap = *cap ? *cap * 2 : ITEMS_FIRST;
    /* cppcheck-suppress memleak ; the caller's pointer holds it */
    return true;
}

struct str arena_copy(struct arena *arena, struct str text)
{
    char *copy = text.len < SIZE_MAX ? arena_alloc(arena, text.len + 1) : NULL;
    if (!copy)
        return (struct str){NULL, 0};
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    return (struct str){copy, text.len};
}

struct str arena_join(struct arena *arena, struct str a, const char *between, struct str b)
{
    size_t middle = strlen(between);
    char *text = arena_alloc(arena, a.len + middle + b.len + 1);
    if (!text)
        return (struct str){NULL, 0};
    memcpy(text, a.ptr ? a.ptr : "", a.len);
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the arena's memory is zeroed */
    memcpy(text + a.len, between, middle);
    memcpy(text + a.len + middle, b.ptr ? b.ptr : "", b.len);
    return (struct str){text, a.len + middle + b.len};
}

struct str arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    char most[FORMATTED_ONCE]; /* nearly every text fits, and need not be formatted twice */
    va_list again;
    va_copy(again, args);
    int length = text_vformat(most, sizeof most, format, args);
    char *text = length >= 0 ? arena_alloc(arena, (size_t)length + 1) : NULL;
    if (text && (size_t)length < sizeof most)
        memcpy(text, most, (size_t)length + 1);
    else if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return (struct str){text, text ? (size_t)length : 0};
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

/* The record itself lives in the arena, so it may fail. The object is then released at once: the
 * caller has given it away and will not free it. */
bool arena_defer(struct arena *arena, void (*release)(void *), void *object)
{
    struct deferred *deferred = arena_alloc(arena, sizeof *deferred);
    if (!deferred) {
        release(object);
        return false;
    }
    *deferred = (struct deferred){release, object, arena->deferred};
    arena->deferred = deferred;
    return true;
}

struct str arena_keep_buf(struct arena *arena, struct buf *buf)
{
    char *data = buf->failed || !buf->data ? NULL : realloc(buf->data, buf->len + 1); /* buffers grow by doubling */
    struct str text = {data, data ? buf->len : 0};
    if (!data)
        return buf->failed || buf->data ? (struct str){NULL, 0} : STR("");
    *buf = (struct buf){.limit = buf->limit};
    return arena_defer(arena, free, data) ? text : (struct str){NULL, 0};
}

struct str arena_text(struct arena *arena, const struct buf *buf)
{
    if (buf->failed)
        arena->failed = true;
    return buf_str(buf);
}

bool arena_failed(const struct arena *arena)
{
    return arena->failed;
}

void arena_fail(struct arena *arena)
{
    arena->failed = true;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}

/* The sanitizers replace malloc; glibc's malloc_trim would then trim a heap that nobody uses. */
void memory_trim(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    malloc_trim(0);
#endif
}

/* What was written is in segments that may be written, and stays: the file does not have it. */
static int program_unmap(struct dl_phdr_info *object, size_t size, void *context)
{
    (void)size, (void)context;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t begin = object->dlpi_addr + segment->p_vaddr, end = begin + segment->p_memsz;
        begin &= ~(page - 1);
        if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
            (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

void memory_trim_program(void)
{
    (void)dl_iterate_phdr(program_unmap, NULL);
}

void shared_init(struct shared *shared, void (*destroy)(struct shared *))
{
    atomic_init(&shared->references, 1);
    shared->destroy = destroy;
}

/* Relaxed is enough to count up: whoever holds a reference already sees the snapshot. The
 * release that counts down to zero must see everything that other threads did with it before,
 * hence acquire and release there. */
struct shared *shared_hold(struct shared *shared)
{
    if (shared)
        atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

void shared_release(struct shared *shared)
{
    if (shared && atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) == 1 && shared->destroy)
        shared->destroy(shared);
}

void shared_slot_init(struct shared_slot *slot)
{
    pthread_mutex_init(&slot->lock, NULL);
    slot->current = NULL;
}

/* Reading the pointer and counting it must be one step: between the two another thread could
 * swap the snapshot and release its last reference. The lock is held for these few instructions
 * only. */
struct shared *shared_slot_get(struct shared_slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    struct shared *held = shared_hold(slot->current);
    pthread_mutex_unlock(&slot->lock);
    return held;
}

/* The old snapshot is released outside of the lock: if this was its last reference, its
 * destruction takes time that readers would wait for. */
void shared_slot_set(struct shared_slot *slot, struct shared *fresh)
{
    pthread_mutex_lock(&slot->lock);
    struct shared *stale = slot->current;
    slot->current = fresh;
    pthread_mutex_unlock(&slot->lock);
    shared_release(stale);
}

void shared_slot_dispose(struct shared_slot *slot)
{
    shared_release(slot->current);
    slot->current = NULL;
    pthread_mutex_destroy(&slot->lock);
}
