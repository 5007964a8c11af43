#include "backstop/base.h"

void shared_init(struct shared *shared, void (*destroy)(struct shared *))
{
    atomic_init(&shared->references, 1);
    shared->destroy = destroy;
}

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

struct shared *shared_slot_get(struct shared_slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    struct shared *held = shared_hold(slot->current);
    pthread_mutex_unlock(&slot->lock);
    return held;
}

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
