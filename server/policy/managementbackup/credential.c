/* A Credential whose identity no backup by kcm would contain: they select by labels, and kcm labels the Credential, but
 * not what it refers to (internal/controller/backup/collect.go). Off unless the settings ask for it. */
#include "backstop/policy.h"
#include "policy/checks.h"

static void credential_judge(const struct request *request, const struct settings *settings, struct decision *decision,
                             struct str ns, struct str name)
{
    struct arena *arena = request->arena;
    const char *field = "spec.identityRef.name";
    struct str problem =
        arena_printf(arena, "no management backup contains Secret %.*s, which lacks label " LABEL_COMPONENT "=kcm",
                     STR_ARG(arena_quote(arena, name)));
    judge_value(decision, settings->credentials_not_backed_up, field, name,
                "%.*s. Add it: kubectl -n %.*s label secret %.*s " LABEL_COMPONENT "=kcm", STR_ARG(problem),
                STR_ARG(words_name(arena, ns)), STR_ARG(words_name(arena, name)));
}

/* Only Secrets of the system namespace are cached, and no identities: the webhook has no right to read them. */
void policy_credential(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct decision *decision)
{
    struct arena *arena = request->arena;
    bool create = request->operation == OPERATION_CREATE || !request->old_object;
    struct str kind = object_text(request, request->object, "spec.identityRef.kind");
    struct str name = object_text(request, request->object, "spec.identityRef.name");
    struct str ns = object_text(request, request->object, "spec.identityRef.namespace");
    if (settings->credentials_not_backed_up == VERDICT_ALLOW || !name.len || !kind.len ||
        (!create && !request_changes(request, "spec.identityRef")))
        return;
    ns = ns.len ? ns : request->ns;
    const struct secret *secret = str_is(kind, "Secret") ? inventory_secret(inventory, ns, name) : NULL;
    if (secret && policy_backup_selects(secret->meta.labels))
        return;
    if (secret)
        credential_judge(request, settings, decision, ns, name);
    else
        decision_warn(
            decision,
            "spec.identityRef: %.*s %.*s and its Secret are in management backups only with label " LABEL_COMPONENT
            "=kcm (not checked). List what is left out: kubectl backstop status",
            STR_ARG(shown(arena, kind)), STR_ARG(arena_quote(arena, name)));
}
