/* The words of Velero's API that decisions rest on, each table once.
 *
 * Nothing else in the tree compares a phase with a text of its own: a new phase of Velero is a
 * row here. An unknown one is PHASE_UNKNOWN and never counts as finished or usable; in the order
 * of phases it ranks as in progress. */
#include <inttypes.h>
#include <stdio.h>

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
/* Its place in the table above. */
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

/* Not only the final phase: WaitingForPluginOperationsPartiallyFailed and
 * FinalizingPartiallyFailed are still running, and can no longer end Completed. */
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

/* Velero's controllers treat a missing phase as New. */
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

/* kcm's areAnyBackupsProgressing: it starts no scheduled backup while one is in either of these.
 * An empty phase, Queued and ReadyToStart do not count there, so they do not here. */
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

bool api_velero_has_types(struct str group, struct str version)
{
    static const struct {
        const char *group, *version;
    } known[] = {{"", "v1"},
                 {"apps", "v1"},
                 {"batch", "v1"},
                 {GROUP_VELERO, "v1"},
                 {GROUP_VELERO, "v2alpha1"},
                 {"snapshot.storage.k8s.io", "v1"},
                 {"groupsnapshot.storage.k8s.io", "v1beta2"}};
    for (size_t i = 0; i < LENGTH_OF(known); i++)
        if (str_is(group, known[i].group) && (version.len == 0 || str_is(version, known[i].version)))
            return true;
    return false;
}

/* ---- what a rehearsal leaves on a Backup ------------------------------------------------ */

static const char *const verdict_names[] = {
    [REHEARSAL_RESTORABLE] = "restorable", [REHEARSAL_INCOMPLETE] = "incomplete", [REHEARSAL_UNKNOWN] = "unknown"};

const char *rehearsal_verdict_name(enum rehearsal_verdict verdict)
{
    return verdict_names[verdict];
}

const char *rehearsal_record_write(const struct rehearsal_record *record, char out[REHEARSAL_RECORD_SIZE])
{
    char when[TIME_TEXT_SIZE];
    snprintf(out, REHEARSAL_RECORD_SIZE,
             "%s %s objects=%" PRId64 " skipped=%" PRId64 " refused=%" PRId64 " unknown=%" PRId64,
             time_format(record->at, 0, when), verdict_names[record->verdict], record->objects, record->skipped,
             record->refused, record->unknown);
    return out;
}

/* One "key=N". False when it is no such thing; a key that is not known is passed over. A later
 * release may write more counts; an older one then reads those that it knows. */
static bool record_read_count(struct str word, struct rehearsal_record *record, unsigned *seen)
{
    const struct {
        const char *key;
        int64_t *place;
    } counts[] = {{"objects", &record->objects},
                  {"skipped", &record->skipped},
                  {"refused", &record->refused},
                  {"unknown", &record->unknown}};
    struct str value = word, key;
    int64_t number;
    if (!str_cut(&value, '=', &key) || !value.ptr || !str_to_int64(value, &number) || number < 0)
        return false;
    for (size_t i = 0; i < LENGTH_OF(counts); i++) {
        if (!str_is(key, counts[i].key))
            continue;
        if (*seen & 1U << i)
            return false;
        *counts[i].place = number;
        *seen |= 1U << i;
    }
    return true;
}

/* "restorable" is nothing that the counts may contradict. */
static bool record_is_consistent(const struct rehearsal_record *record)
{
    if (record->skipped > record->objects || record->refused > record->objects || record->unknown > record->objects)
        return false;
    return record->verdict != REHEARSAL_RESTORABLE || (record->refused == 0 && record->unknown == 0);
}

/* The annotation can be written by anybody who may edit the Backup. It is believed only if it is
 * whole, has each count once, and does not contradict itself. */
bool rehearsal_record_read(struct str text, struct rehearsal_record *record)
{
    enum { ALL_SEEN = 0xF };
    struct str rest = text, word;
    unsigned seen = 0;
    bool named = false;
    *record = (struct rehearsal_record){.at = 0};
    if (!str_cut(&rest, ' ', &word) || !time_parse(word, &record->at) || !str_cut(&rest, ' ', &word))
        return false;
    for (size_t i = 0; i < LENGTH_OF(verdict_names); i++)
        if (str_is(word, verdict_names[i])) {
            record->verdict = (enum rehearsal_verdict)i;
            named = true;
        }
    while (named && rest.ptr) {
        if (!str_cut(&rest, ' ', &word) || !record_read_count(word, record, &seen))
            return false;
    }
    return named && seen == ALL_SEEN && record_is_consistent(record);
}
