#include "backstop/grammar.h"
#include "settings/settings.h"

/* Go's time.LoadLocation refuses these; whether the zone exists is known only
 * where schedules are read. */
static bool is_zone(struct str text)
{
    if (!text.len || text.ptr[0] == '/' || text.ptr[0] == '\\' || str_contains(text, STR("..")))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

/* The provider types of Cluster API (cmd/clusterctl/api/v1alpha3/provider_type.go). */
static bool is_provider(struct str text)
{
    static const struct str types[] = {STR_INIT("infrastructure-"), STR_INIT("bootstrap-"),
                                       STR_INIT("control-plane-"),  STR_INIT("ipam-"),
                                       STR_INIT("addon-"),          STR_INIT("runtime-extension-")};
    for (size_t i = 0; i < LENGTH_OF(types); i++)
        if (str_starts(text, types[i]) && name_is_dns_label(str_slice(text, types[i].len, text.len)))
            return true;
    return false;
}

/* Velero also takes short names, but a name it cannot resolve is compared with
 * plural.group, so only that form works before the provider is installed. */
static bool is_resource(struct str text)
{
    struct str rest = text, resource;
    str_cut(&rest, '.', &resource);
    return rest.ptr && name_is_dns_label(resource) && name_is_dns_subdomain(rest);
}

static bool is_account(struct str text)
{
    struct str rest = text, head;
    str_cut(&rest, ':', &head);
    return rest.ptr ? name_is_dns_label(head) && name_is_dns_subdomain(rest) : name_is_dns_subdomain(head);
}

/* "batch/v1", "v1". */
static bool is_api_version(struct str text)
{
    struct str version = text, group;
    str_cut(&version, '/', &group);
    return version.ptr ? name_is_dns_subdomain(group) && name_is_dns_label(version) : name_is_dns_label(group);
}

static bool is_kind_name(struct str text)
{
    if (!text.len || text.len > 63 || text.ptr[0] < 'A' || text.ptr[0] > 'Z')
        return false;
    for (size_t i = 1; i < text.len; i++)
        if (!char_is_alphanumeric(text.ptr[i]))
            return false;
    return true;
}

/* Audit annotations are named "evidence-NAME", in at most 63 characters. */
static bool is_evidence_name(struct str text)
{
    return text.len <= 40 && name_is_dns_label(text);
}

/* It stands in messages as it is. */
static bool is_hint(struct str text)
{
    if (!text.len || text.len > 200)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

static bool is_manager(struct str text)
{
    return text.len <= 128 && is_hint(text);
}

static bool is_path(struct str text)
{
    return text.len <= 200 && json_select_valid(text);
}

static bool is_short(struct str text)
{
    return text.len > 0 && text.len <= 1000;
}

/* As much of a version as a table of releases can be asked with; empty where none is given. */
static bool is_group_version(struct str text)
{
    struct str rest = text, major, minor;
    int64_t number;
    if (!text.len)
        return true;
    if (text.len > 64 || !is_hint(text) || str_contains(text, STR(" ")))
        return false;
    if (text.ptr[0] == 'v' || text.ptr[0] == 'V')
        rest = str_slice(text, 1, text.len);
    if (!str_cut(&rest, '.', &major) || !str_to_int64(major, &number) || !str_cut(&rest, '.', &minor))
        return false;
    return minor.len && minor.ptr[0] >= '0' && minor.ptr[0] <= '9';
}

#define LABEL "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define SUBDOMAIN LABEL "(\\." LABEL ")*"

const struct text_rule rule_namespace = {"^" LABEL "$", "a namespace (lower-case letters, digits and -, at most 63)",
                                         name_is_dns_label};
const struct text_rule rule_zone = {"^[^/\\\\\\s][^\\s]*$", "a time zone, such as UTC or Europe/Berlin", is_zone};
const struct text_rule rule_provider = {
    "^(infrastructure|bootstrap|control-plane|ipam|addon|runtime-extension)-" LABEL "$",
    "the name of a Cluster API provider, such as infrastructure-azure", is_provider};
const struct text_rule rule_component = {
    "^" LABEL "$", "the name of a provider in Management.spec.providers, such as cluster-api-provider-azure",
    name_is_dns_label};
const struct text_rule rule_resource = {"^" LABEL "\\." SUBDOMAIN "$",
                                        "plural.group, such as virtualnetworks.network.azure.com", is_resource};
const struct text_rule rule_account = {"^(" LABEL ":)?" SUBDOMAIN "$",
                                       "the name of a service account, or NAMESPACE:NAME", is_account};

/* As the API server takes it (apimachinery's ValidateFieldManager). */
const struct text_rule rule_manager = {"^[ -~]{1,128}$",
                                       "a field manager, as managedFields name it, such as velero-server", is_manager};

const struct text_rule rule_name = {"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$",
                                    "a short name (lower-case letters, digits and -, at most 40)", is_evidence_name};
const struct text_rule rule_api_version = {"^(" SUBDOMAIN "/)?" LABEL "$",
                                           "an apiVersion, such as actions.kio.kasten.io/v1alpha1 or batch/v1",
                                           is_api_version};
const struct text_rule rule_kind = {"^[A-Z][A-Za-z0-9]*$", "a kind, such as RunAction", is_kind_name};
const struct text_rule rule_plural = {
    "^" LABEL "$", "a plural as in kubectl get, such as runactions, without its group", name_is_dns_label};
const struct text_rule rule_path = {"^[^.\\[\\]=\\s]+(\\.[^.\\[\\]=\\s]+|\\[[^\\]]+\\])*$",
                                    "a path such as status.state or status.conditions[type=Complete].status", is_path};
const struct text_rule rule_hint = {"^[ -~]{1,200}$", "a line of at most 200 plain characters", is_hint};
const struct text_rule rule_selector = {
    "^.{1,1000}$", "a label selector as for kubectl -l, such as \"app=etcd,tier in (a,b)\"", is_short};
const struct text_rule rule_version = {"^([vV]?[0-9]+\\.[0-9][!-~]*)?$", "a version, such as 1.18.3", is_group_version};
