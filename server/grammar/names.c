#include "backstop/grammar.h"

/* apimachinery pkg/api/validate/content: names that objects and labels may have. */

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool name_is_dns_label(struct str text)
{
    if (text.len == 0 || text.len > DNS_LABEL_MAX || !is_lower_or_digit(text.ptr[0]) ||
        !is_lower_or_digit(text.ptr[text.len - 1]))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_lower_or_digit(text.ptr[i]) && text.ptr[i] != '-')
            return false;
    return true;
}

bool name_is_dns_subdomain(struct str text)
{
    struct str rest = text, part;
    if (text.len == 0 || text.len > DNS_SUBDOMAIN_MAX)
        return false;
    while (str_cut(&rest, '.', &part)) {
        if (part.len == 0 || !is_lower_or_digit(part.ptr[0]) || !is_lower_or_digit(part.ptr[part.len - 1]))
            return false;
        for (size_t i = 0; i < part.len; i++)
            if (!is_lower_or_digit(part.ptr[i]) && part.ptr[i] != '-')
                return false;
    }
    return true;
}

bool label_value_is_valid(struct str text)
{
    if (text.len == 0)
        return true;
    if (text.len > DNS_LABEL_MAX || !char_is_alphanumeric(text.ptr[0]) || !char_is_alphanumeric(text.ptr[text.len - 1]))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!char_is_alphanumeric(text.ptr[i]) && text.ptr[i] != '-' && text.ptr[i] != '_' && text.ptr[i] != '.')
            return false;
    return true;
}

bool label_key_is_valid(struct str text)
{
    struct str name = text, prefix;
    if (!str_contains(text, STR("/")))
        return text.len && label_value_is_valid(text);
    return str_cut(&name, '/', &prefix) && name_is_dns_subdomain(prefix) && name.len && label_value_is_valid(name);
}
