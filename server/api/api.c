/* The words of Velero's API that decisions rest on, each table once. */
#include "backstop/api.h"

/* In the order a backup goes through them. */
static const struct {
    const char *name;
    enum phase phase;
} phases[] = {
    {"", PHASE_WAITING},
    {"New", PHASE_WAITING},
    {"Queued", PHASE_WAITING},
    {"ReadyToStart", PHASE_WAITING},
    {"InProgress", PHASE_RUNNING},
    {"WaitingForPluginOperations", PHASE_RUNNING},
    {"WaitingForPluginOperationsPartiallyFailed", PHASE_RUNNING},
    {"Finalizing", PHASE_RUNNING},
    {"FinalizingPartiallyFailed", PHASE_RUNNING},
    {"Completed", PHASE_COMPLETED},
    {"PartiallyFailed", PHASE_PARTIALLY_FAILED},
    {"Failed", PHASE_FAILED},
    {"FailedValidation", PHASE_REFUSED},
    {"Deleting", PHASE_DELETING},
};
enum { IN_PROGRESS = 4 };

const char *const versions_of_k0rdent[] = {"v1beta1", "v1alpha1", NULL};
const char *const versions_of_velero[] = {"v1", NULL};

static size_t phase_index(struct str text)
{
    size_t i = 0;
    while (i < LENGTH_OF(phases) && !str_is(text, phases[i].name))
        i++;
    return i;
}

enum phase phase_of(struct str text)
{
    size_t i = phase_index(text);
    return i < LENGTH_OF(phases) ? phases[i].phase : PHASE_UNKNOWN;
}

bool phase_is(struct str text, enum phase phase)
{
    return phase_of(text) == phase;
}

bool phase_has_failed(struct str text)
{
    enum phase phase = phase_of(text);
    return phase == PHASE_PARTIALLY_FAILED || phase == PHASE_FAILED || phase == PHASE_REFUSED;
}

bool phase_has_errors(struct str text)
{
    return str_ends(text, STR("PartiallyFailed"));
}

unsigned phase_rank(struct str text)
{
    size_t i = phase_index(text);
    return (unsigned)(i < LENGTH_OF(phases) ? i : IN_PROGRESS);
}

bool phase_is_new(struct str text)
{
    return text.len == 0 || str_is(text, "New");
}

struct str phase_name(struct str text)
{
    return text.len ? text : STR("New");
}

bool phase_is_processed(struct str text)
{
    return str_is(text, "Processed");
}

bool phase_is_in_progress(struct str text)
{
    return str_is(text, phases[IN_PROGRESS].name);
}

bool phase_holds_kcm(struct str text)
{
    return str_is(text, "New") || phase_is_in_progress(text);
}

struct str api_version_group(struct str api_version, struct str *version)
{
    struct str group, rest = api_version;
    bool named = str_cut(&rest, '/', &group) && rest.ptr;
    if (version)
        *version = named ? rest : api_version;
    return named ? group : STR("");
}
