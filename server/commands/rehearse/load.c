/* Where a rehearsal's Restore and contents come from.
 *
 * The Restore is a file's, or one that is made for the backup; the ConfigMaps that it names are
 * in the file or in the cluster. The contents are a file, or come from the object store as the
 * Velero CLI gets them: by a DownloadRequest, which Velero answers with a signed URL. */
#include <curl/curl.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "backstop/api.h"
#include "commands/rehearse/rehearse.h"

enum { FILE_LIMIT = 16 * 1024 * 1024, POLL_MS = 200, DOWNLOAD_SECONDS = 60, CONNECT_SECONDS = 20 };

static const struct kube_resource config_maps = {.group = STR_INIT(""),
                                                 .version = STR_INIT("v1"),
                                                 .plural = STR_INIT("configmaps"),
                                                 .kind = STR_INIT("ConfigMap"),
                                                 .namespaced = true};
#define VELERO_RESOURCE(a_plural, a_kind)                                                                              \
    {                                                                                                                  \
        .group = STR_INIT(GROUP_VELERO), .version = STR_INIT("v1"), .plural = STR_INIT(a_plural),                      \
        .kind = STR_INIT(a_kind), .namespaced = true                                                                   \
    }
static const struct kube_resource backups = VELERO_RESOURCE("backups", "Backup");
static const struct kube_resource locations = VELERO_RESOURCE("backupstoragelocations", "BackupStorageLocation");
static const struct kube_resource download_requests = VELERO_RESOURCE("downloadrequests", "DownloadRequest");

/* ---- the Restore --------------------------------------------------------------------------- */

/* As `velero restore create --from-backup` writes it. */
static bool restore_bare(struct rehearsal *rehearsal, struct str backup, struct error *error)
{
    struct json_object *metadata, *spec;
    struct json_object *tree = json_own(rehearsal->arena, json_object_new_object());
    rehearsal->tree = tree;
    bool made = json_put_text(tree, "apiVersion", STR(API_VELERO)) && json_put_text(tree, "kind", STR("Restore")) &&
                json_put_map(tree, "metadata", &metadata) &&
                json_put_text(metadata, "name", arena_join(rehearsal->arena, backup, "-", STR("rehearsed"))) &&
                json_put_text(metadata, "namespace", rehearsal->ns) && json_put_map(tree, "spec", &spec) &&
                json_put_text(spec, "backupName", backup);
    return made || error_set(error, 500, "out of memory");
}

/* ConfigMaps of the file stand in for those of the cluster. */
static struct json_object *restore_file_map(struct rehearsal *rehearsal, struct str name)
{
    struct json_object *maps = rehearsal->maps;
    for (size_t i = 0; i < json_len(maps); i++)
        if (str_eq(json_path_str(json_item(maps, i), "metadata.name"), name))
            return json_item(maps, i);
    return NULL;
}

/* "nightly" of "nightly-data.tar.gz", as `velero backup download` names the file. Only a name:
 * the contents decide. */
struct str rehearsal_contents_name(const char *path)
{
    static const char *const endings[] = {".gz", ".tar", "-data"};
    struct str name = str_from(path), folder;
    while (str_contains(name, STR("/")))
        str_cut(&name, '/', &folder);
    for (size_t i = 0; i < LENGTH_OF(endings); i++)
        if (str_ends(name, str_from(endings[i])))
            name = str_slice(name, 0, name.len - strlen(endings[i]));
    return name_is_dns_subdomain(name) ? name : STR("backup");
}

/* An operand goes before the backup that the file names, so that one file serves for any backup. */
bool rehearsal_load_restore(struct rehearsal *rehearsal, const char *file, struct str backup, struct error *error)
{
    struct str text;
    struct yaml_document *documents = NULL;
    rehearsal->maps = json_own(rehearsal->arena, json_object_new_array());
    if (!file)
        return restore_bare(rehearsal, backup, error);
    if (!file_read(rehearsal->arena, file, FILE_LIMIT, &text, error) ||
        !yaml_load(rehearsal->arena, text, &(struct yaml_options){0}, &documents, error))
        return error_wrap(error, "%s", file);
    for (const struct yaml_document *each = documents; each; each = each->next) {
        struct str kind = json_get_str(each->tree, "kind");
        if (str_is(kind, "ConfigMap") && !json_append(rehearsal->maps, json_object_get(each->tree)))
            return error_set(error, 500, "out of memory");
        if (!str_is(kind, "Restore"))
            continue;
        if (rehearsal->tree)
            return error_set(error, 422, "%s: there are several Restores; rehearse one at a time", file);
        rehearsal->tree = each->tree;
    }
    if (!rehearsal->tree)
        return error_set(error, 422, "%s: there is no Restore", file);
    struct json_object *spec = json_get(rehearsal->tree, "spec");
    if (backup.len && !json_put_text(spec, "backupName", backup))
        return error_set(error, 422, "%s: the Restore has no spec", file);
    return true;
}

/* What the ConfigMap of this name holds under its one key (rules of Velero's: modifiers,
 * policies). Exactly one key, as Velero demands of both. */
static bool restore_config(struct rehearsal *rehearsal, struct str name, const char *field, struct json_object **out,
                           struct error *error)
{
    struct str content = {NULL, 0};
    struct yaml_document *document = NULL;
    struct json_object *map = restore_file_map(rehearsal, name);
    if (!map && !rehearsal->client)
        return error_set(error, 422,
                         "spec.%s: ConfigMap \"%.*s\" is not in the file of --restore, and no cluster is asked", field,
                         STR_ARG(str_utf8_head(name, 100)));
    if (!map && !kube_get(rehearsal->client, rehearsal->arena, &config_maps, rehearsal->ns, name, &map, error))
        return error_wrap(error, "spec.%s", field);
    struct json_object *data = json_get(map, "data");
    json_foreach(data, key, value)
    {
        content = json_str(value);
    }
    if (json_member_count(data) != 1)
        return error_set(error, 422, "Velero refuses this Restore: ConfigMap \"%.*s\" has %zu keys, not one",
                         STR_ARG(str_utf8_head(name, 100)), json_member_count(data));
    if (!yaml_load(rehearsal->arena, content, &(struct yaml_options){0}, &document, error))
        return error_wrap(error, "spec.%s: ConfigMap \"%.*s\"", field, STR_ARG(str_utf8_head(name, 100)));
    *out = document ? document->tree : NULL;
    return true;
}

static bool restore_reference(struct rehearsal *rehearsal, const char *field, struct json_object **out,
                              struct error *error)
{
    struct json_object *reference = json_get(rehearsal->restore.spec, field);
    struct str kind = json_get_str(reference, "kind"), name = json_get_str(reference, "name");
    if (!reference || !str_eq_nocase(kind, STR("configmap")))
        return true; /* another kind is passed over by Velero, too */
    return restore_config(rehearsal, name, field, out, error);
}

struct newest {
    struct arena *arena;
    struct str name, started;
};

static bool newest_take(void *context, struct json_object *backup, struct error *error)
{
    struct newest *newest = context;
    struct str started = json_path_str(backup, "status.startTimestamp");
    (void)error;
    if (phase_is(json_path_str(backup, "status.phase"), PHASE_COMPLETED) &&
        (newest->name.len == 0 || str_cmp(started, newest->started) > 0)) {
        newest->name = arena_copy(newest->arena, json_path_str(backup, "metadata.name"));
        newest->started = arena_copy(newest->arena, started);
    }
    return true;
}

/* mostRecentCompletedBackup */
static bool restore_of_schedule(struct rehearsal *rehearsal, struct str schedule, struct error *error)
{
    struct newest newest = {.arena = rehearsal->arena};
    const struct kube_list_options options = {
        .ns = rehearsal->ns, .label_selector = arena_join(rehearsal->arena, STR(LABEL_SCHEDULE_NAME), "=", schedule)};
    if (!rehearsal->client)
        return true; /* the contents are at hand */
    if (!kube_list(rehearsal->client, rehearsal->arena, &backups, &options, newest_take, &newest, NULL, error))
        return false;
    if (newest.name.len == 0)
        return error_set(error, 422, "Velero refuses this Restore: Schedule \"%.*s\" has no completed Backup",
                         STR_ARG(str_utf8_head(schedule, 100)));
    rehearsal->restore.backup = newest.name;
    return true;
}

/* Offline a Restore may do without a backup's name: the contents are at hand. */
bool rehearsal_read_restore(struct rehearsal *rehearsal, struct error *error)
{
    struct rehearse_restore *restore = &rehearsal->restore;
    if (!rehearse_restore_read(restore, rehearsal->arena, rehearsal->tree, error))
        return false;
    restore->order = rehearsal->order;
    struct str schedule = json_get_str(restore->spec, "scheduleName");
    if (schedule.len && restore->backup.len)
        return error_set(error, 422, "Velero refuses this Restore: it has backupName and scheduleName");
    if (schedule.len && !restore_of_schedule(rehearsal, schedule, error))
        return false;
    if (restore->backup.len == 0 && rehearsal->client)
        return error_set(error, 422, "Velero refuses this Restore: it has no backupName");
    return restore_reference(rehearsal, "resourceModifier", &restore->modifier, error) &&
           restore_reference(rehearsal, "resourcePolicy", &restore->policy, error);
}

/* ---- the contents --------------------------------------------------------------------------- */

struct backup_names {
    struct arena *arena;
    struct strlist names;
};

static bool backup_names_take(void *context, struct json_object *backup, struct error *error)
{
    struct backup_names *found = context;
    (void)error;
    strlist_add(found->arena, &found->names, arena_copy(found->arena, json_path_str(backup, "metadata.name")));
    return true;
}

/* Whether there is a Velero at all tells a wrong context from a wrong name. */
static bool download_no_backup(struct rehearsal *rehearsal, struct error *error)
{
    struct error reason;
    struct str name = rehearsal->restore.backup;
    struct backup_names found = {.arena = rehearsal->arena};
    const struct kube_list_options options = {.ns = rehearsal->ns, .metadata_only = true};
    if (!kube_list(rehearsal->client, rehearsal->arena, &backups, &options, backup_names_take, &found, NULL, &reason))
        return error_set(error, 404, "there is no Velero in %.*s (%s): is --context right, and --namespace?",
                         STR_ARG(rehearsal->ns), reason.message);
    struct str near = str_nearest(name, found.names.items, found.names.len);
    return error_set(error, 404, "Backup \"%.*s\" is not in %.*s, which has %zu%s%.*s%s",
                     STR_ARG(str_utf8_head(name, 253)), STR_ARG(rehearsal->ns), found.names.len,
                     near.len ? "; did you mean \"" : "", STR_ARG(near),
                     near.len ? "\"?" : "; see: kubectl get backups.velero.io -A");
}

/* A backup that did not complete may be rehearsed for what it has, with a note. */
static bool download_check_backup(struct rehearsal *rehearsal, struct json_object **backup, struct error *error)
{
    struct str name = rehearsal->restore.backup;
    bool found = kube_get(rehearsal->client, rehearsal->arena, &backups, rehearsal->ns, name, backup, error);
    if (!found && error->code == 404)
        return download_no_backup(rehearsal, error);
    if (!found)
        return error_wrap(error, "Backup %.*s/%.*s", STR_ARG(rehearsal->ns), STR_ARG(str_utf8_head(name, 253)));
    rehearsal->uid = arena_copy(rehearsal->arena, json_path_str(*backup, "metadata.uid"));
    struct str phase = json_path_str(*backup, "status.phase");
    if (phase_is(phase, PHASE_WAITING) || phase_is(phase, PHASE_RUNNING) || phase_is(phase, PHASE_REFUSED))
        return error_set(error, 422, "Backup %.*s is %.*s: it has no contents", STR_ARG(str_utf8_head(name, 253)),
                         STR_ARG(phase.len ? phase : STR("New")));
    if (!phase_is(phase, PHASE_COMPLETED))
        strlist_add(rehearsal->arena, &rehearsal->notes,
                    arena_printf(rehearsal->arena, "the backup is %.*s: what it lacks cannot be rehearsed",
                                 STR_ARG(shown(rehearsal->arena, phase))));
    return true;
}

/* 404 where the Backup was read a moment ago: its namespace is there, so the kind is what is missing. */
static bool download_no_requests(const struct rehearsal *rehearsal, struct error *error)
{
    return error_set(
        error, 404,
        "this cluster does not serve downloadrequests.velero.io, by which Velero hands out the contents of "
        "Backup %.*s. Install the missing CRD, or download BACKUP.tar.gz from the object store and pass it: "
        "--contents FILE",
        STR_ARG(str_utf8_head(rehearsal->restore.backup, 253)));
}

/* Named as the CLI names it, after the backup and with random digits. Velero deletes the request
 * when its URL has expired. */
static bool download_request(struct rehearsal *rehearsal, struct str *url, struct error *error)
{
    struct arena *arena = rehearsal->arena;
    struct json_object *metadata, *spec, *target, *request = json_own(arena, json_object_new_object());
    unsigned char random[8];
    BUF_SCOPED name;
    buf_init(&name, 512);
    if (getentropy(random, sizeof random) != 0)
        return error_set(error, 500, "no random bytes");
    buf_printf(&name, "%.*s-", STR_ARG(str_slice(rehearsal->restore.backup, 0, 230)));
    for (size_t i = 0; i < sizeof random; i++)
        buf_printf(&name, "%02x", random[i]);
    bool made = json_put_text(request, "apiVersion", STR(API_VELERO)) &&
                json_put_text(request, "kind", STR("DownloadRequest")) &&
                json_put_map(request, "metadata", &metadata) && json_put_text(metadata, "name", buf_str(&name)) &&
                json_put_text(metadata, "namespace", rehearsal->ns) && json_put_map(request, "spec", &spec) &&
                json_put_map(spec, "target", &target) && json_put_text(target, "kind", STR("BackupContents")) &&
                json_put_text(target, "name", rehearsal->restore.backup);
    if (!made)
        return error_set(error, 500, "out of memory");
    if (!kube_create(rehearsal->client, arena, &download_requests, rehearsal->ns, request, NULL, error))
        return error->code == 404 ? download_no_requests(rehearsal, error) : false;
    for (int64_t until = time_monotonic_ns() + NS_PER_SECOND * DOWNLOAD_SECONDS; time_monotonic_ns() < until;) {
        struct json_object *answer;
        if (!kube_get(rehearsal->client, arena, &download_requests, rehearsal->ns, buf_str(&name), &answer, error))
            return false;
        *url = json_path_str(answer, "status.downloadURL");
        if (url->len)
            return true;
        time_sleep_ms(POLL_MS);
    }
    return error_set(
        error, 504,
        "Velero has not answered DownloadRequest %.*s for %d s: is it running, and is the storage location "
        "available? See: kubectl -n %.*s logs deployment/velero",
        STR_ARG(buf_str(&name)), DOWNLOAD_SECONDS, STR_ARG(rehearsal->ns));
}

struct download {
    int fd;
    uint64_t got, limit;
    int error;
};

/* Less than what came tells curl to give up; the reason is kept beside. */
static size_t download_take(char *bytes, size_t size, size_t count, void *context)
{
    struct download *download = context;
    size_t length = size * count;
    if (download->got + length > download->limit) {
        download->error = EFBIG;
        return 0;
    }
    if (!fd_write(download->fd, (struct str){bytes, length})) {
        download->error = errno;
        return 0;
    }
    download->got += length;
    return length;
}

/* The storage location's own CA, as the Velero CLI takes it. */
static struct str location_ca(struct rehearsal *rehearsal, struct json_object *backup)
{
    struct error ignored;
    struct json_object *location = NULL;
    if (!kube_get(rehearsal->client, rehearsal->arena, &locations, rehearsal->ns,
                  json_path_str(backup, "spec.storageLocation"), &location, &ignored))
        return (struct str){NULL, 0};
    return base64_decode(rehearsal->arena, json_path_str(location, "spec.objectStorage.caCert"));
}

/* A limit on silence and none on the whole: large backups take long. The signed URL is a secret
 * for a while, so it is in no message. */
static bool download_fetch(const char *url, const struct download_options *options, struct str ca,
                           struct download *download, struct error *error)
{
    char reason[CURL_ERROR_SIZE] = "";
    char buffer[128];
    long status = 0;
    CURL *curl = curl_easy_init();
    if (!curl)
        return error_set(error, 500, "out of memory");
    struct curl_blob blob = {text_for_reader(ca.ptr), ca.len, CURL_BLOB_COPY};
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)DOWNLOAD_SECONDS);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "backstop/" BACKSTOP_VERSION);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, download_take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, download);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, options->insecure ? 0L : 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, options->insecure ? 0L : 2L);
    if (options->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file);
    else if (ca.len)
        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (download->error == EFBIG)
        return error_set(error, 413, "the backup's contents are larger than --max-size");
    if (download->error)
        return error_set(error, 500, "the temporary file for the contents cannot be written (see TMPDIR): %s",
                         strerror_r(download->error, buffer, sizeof buffer));
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return error_set(error, 502, "the object store's certificate is not trusted: %s; see --ca-file", reason);
    if (code != CURLE_OK)
        return error_set(error, 502, "the contents cannot be downloaded: %s",
                         *reason ? reason : curl_easy_strerror(code));
    return status == 200 ||
           error_set(error, 502, "the contents cannot be downloaded: the object store answers HTTP %ld", status);
}

/* A temporary file without a name, which is gone with its descriptor; the caller closes it. -1
 * with the error. */
int rehearsal_download(struct rehearsal *rehearsal, const struct download_options *options, uint64_t limit,
                       struct error *error)
{
    struct str url = {NULL, 0};
    struct json_object *backup = NULL;
    if (!download_check_backup(rehearsal, &backup, error) || !download_request(rehearsal, &url, error))
        return -1;
    struct download download = {.fd = rehearse_temporary_file(error), .limit = limit};
    if (download.fd < 0)
        return -1;
    struct str ca = options->ca_file ? (struct str){NULL, 0} : location_ca(rehearsal, backup);
    struct str plain = arena_copy(rehearsal->arena, url);
    if (plain.ptr && download_fetch(plain.ptr, options, ca, &download, error) && lseek(download.fd, 0, SEEK_SET) == 0)
        return download.fd;
    fd_close(&download.fd);
    return -1;
}

/* ---- what is left on the Backup -------------------------------------------------------------- */

bool rehearsal_record(struct rehearsal *rehearsal, const struct rehearsal_summary *summary, int64_t now,
                      struct error *error)
{
    char text[REHEARSAL_RECORD_SIZE];
    struct json_object *metadata, *annotations, *patch = json_own(rehearsal->arena, json_object_new_object());
    const struct rehearsal_record record = {
        .at = now,
        .verdict = summary->verdict,
        .objects = (int64_t)summary->total,
        .skipped = (int64_t)summary->counts[REHEARSE_SKIPPED],
        .refused = (int64_t)(summary->counts[REHEARSE_REFUSED] + summary->unmodified),
        .unknown = (int64_t)(summary->counts[REHEARSE_UNKNOWN] + summary->counts[REHEARSE_PENDING])};
    /* The uid makes the API server refuse where another Backup has the name by now. */
    bool made = json_put_map(patch, "metadata", &metadata) && json_put_text(metadata, "uid", rehearsal->uid) &&
                json_put_map(metadata, "annotations", &annotations) &&
                json_put_text(annotations, ANNOTATION_REHEARSED, str_from(rehearsal_record_write(&record, text)));
    if (!made)
        return error_set(error, 500, "out of memory");
    return kube_merge_patch(rehearsal->client, rehearsal->arena, &backups, rehearsal->ns, rehearsal->restore.backup,
                            patch, STR("backstop-rehearse"), error) ||
           error_wrap(error, "the rehearsal was not recorded");
}
