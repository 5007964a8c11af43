/* The last decisions that did something, for the status page. */
#include <stdio.h>

#include "commands/serve/page.h"

/* Cut between characters, with an ellipsis. */
static void decisions_keep_text(char *out, size_t size, struct str text)
{
    size_t length = text.len;
    if (length >= size)
        for (length = size - 4; length > 0 && ((unsigned char)text.ptr[length] & 0xC0) == 0x80;)
            length--;
    snprintf(out, size, "%.*s%s", (int)length, length ? text.ptr : "", length < text.len ? "..." : "");
}

/* Whoever can reach the page may read it, so people are named only when that is wanted. */
static struct str user_of(const struct decisions *decisions, const struct request *request)
{
    if (decisions->users || str_starts(request->user, STR("system:")))
        return request->user;
    return request->user.len ? STR("a user") : STR("");
}

static struct str why_of(struct arena *arena, const struct decision *decision)
{
    struct str why = decision->denied ? decision_message(decision) : STR("");
    for (size_t i = 0; i < decision->warnings.len && why.len < sizeof((struct kept_decision *)0)->why; i++)
        why =
            arena_printf(arena, "%.*s%s%.*s", STR_ARG(why), why.len ? "; " : "", STR_ARG(decision->warnings.items[i]));
    return why;
}

static bool through_the_gate(const struct decision *decision)
{
    for (size_t i = 0; i < decision->audit.len; i++)
        if (str_is(decision->audit.items[i].key, "upgrade-gate"))
            return true;
    return false;
}

void serve_page_record(struct service *service, const struct review *review, const char *outcome)
{
    const struct request *request = &review->request;
    const struct decision *decision = &review->decision;
    if (!service->page)
        return;
    bool nothing = !decision->denied && !decision->warnings.len && !decision->patch.len;
    if (nothing && !through_the_gate(decision))
        return;
    struct decisions *decisions = &service->page->decisions;
    struct str why = why_of(decision->arena, decision);
    pthread_mutex_lock(&decisions->lock);
    struct kept_decision *kept = &decisions->kept[decisions->count++ % DECISIONS];
    *kept = (struct kept_decision){.at = request->now,
                                   .operation = request->operation ? operation_name(request->operation) : "",
                                   .outcome = outcome,
                                   .dry_run = request->dry_run};
    decisions_keep_text(kept->user, sizeof kept->user, user_of(decisions, request));
    decisions_keep_text(kept->kind, sizeof kept->kind, request->kind);
    decisions_keep_text(kept->ns, sizeof kept->ns, request->ns);
    decisions_keep_text(kept->name, sizeof kept->name, request->name);
    decisions_keep_text(kept->why, sizeof kept->why, why);
    pthread_mutex_unlock(&decisions->lock);
}

static struct str decisions_copy_text(struct arena *arena, const char *text)
{
    return arena_copy(arena, str_from(text));
}

struct status_decision *decisions_list(struct decisions *decisions, struct arena *arena, size_t *count)
{
    struct status_decision *list = arena_array(arena, DECISIONS, sizeof *list);
    pthread_mutex_lock(&decisions->lock);
    *count = decisions->count < DECISIONS ? decisions->count : DECISIONS;
    for (size_t i = 0; list && i < *count; i++) {
        const struct kept_decision *kept = &decisions->kept[(decisions->count - 1 - i) % DECISIONS];
        list[i] = (struct status_decision){.at = kept->at,
                                           .user = decisions_copy_text(arena, kept->user),
                                           .operation = str_from(kept->operation),
                                           .kind = decisions_copy_text(arena, kept->kind),
                                           .ns = decisions_copy_text(arena, kept->ns),
                                           .name = decisions_copy_text(arena, kept->name),
                                           .outcome = str_from(kept->outcome),
                                           .why = decisions_copy_text(arena, kept->why),
                                           .dry_run = kept->dry_run};
    }
    pthread_mutex_unlock(&decisions->lock);
    return list;
}
