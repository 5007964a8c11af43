#include "settings.h"

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 1123 label, as Kubernetes checks names of namespaces. */
static bool is_label(struct str text)
{
    if (!text.len || text.len > 63 || !is_lower_or_digit(text.ptr[0]) || !is_lower_or_digit(text.ptr[text.len - 1]))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_lower_or_digit(text.ptr[i]) && text.ptr[i] != '-')
            return false;
    return true;
}

static bool is_subdomain(struct str text)
{
    struct str part;
    if (!text.len || text.len > 253)
        return false;
    while (str_cut(&text, '.', &part))
        if (!is_label(part))
            return false;
    return true;
}

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
        if (str_starts(text, types[i]) && is_label(str_slice(text, types[i].len, text.len)))
            return true;
    return false;
}

/* Velero also takes short names, but a name it cannot resolve is compared with
 * plural.group, so only that form works before the provider is installed. */
static bool is_resource(struct str text)
{
    struct str rest = text, resource;
    str_cut(&rest, '.', &resource);
    return rest.ptr && is_label(resource) && is_subdomain(rest);
}

static bool is_account(struct str text)
{
    struct str rest = text, head;
    str_cut(&rest, ':', &head);
    return rest.ptr ? is_label(head) && is_subdomain(rest) : is_subdomain(head);
}

#define LABEL "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define SUBDOMAIN LABEL "(\\." LABEL ")*"

const struct text_rule rule_namespace = {
    "^" LABEL "$", "the name of a namespace (lower-case letters, digits and -, at most 63)", is_label};
const struct text_rule rule_zone = {"^[^/\\\\\\s][^\\s]*$", "the name of a time zone, such as UTC or Europe/Berlin",
                                    is_zone};
const struct text_rule rule_provider = {
    "^(infrastructure|bootstrap|control-plane|ipam|addon|runtime-extension)-" LABEL "$",
    "the name of a Cluster API provider, such as infrastructure-azure", is_provider};
const struct text_rule rule_component = {
    "^" LABEL "$", "the name of a provider in Management.spec.providers, such as cluster-api-provider-azure", is_label};
const struct text_rule rule_resource = {"^" LABEL "\\." SUBDOMAIN "$",
                                        "plural.group, such as virtualnetworks.network.azure.com", is_resource};
const struct text_rule rule_account = {"^(" LABEL ":)?" SUBDOMAIN "$",
                                       "the name of a service account, or NAMESPACE:NAME", is_account};
