/* The names under which the API server and others call a Service. */
#include <stdio.h>

#include "backstop/grammar.h"
#include "certificates/certificates.h"

static bool is_domain(struct str text)
{
    struct str label;
    bool fine = text.len > 0 && text.len < 128;
    while (fine && str_cut(&text, '.', &label))
        fine = name_is_dns_label(label);
    return fine;
}

bool certificates_service_parse(struct str text, struct certificates_service *service, struct error *error)
{
    struct str rest = text, name = {0}, ns = {0}, svc = {0}, domain = STR("cluster.local");
    str_cut(&rest, '.', &name);
    str_cut(&rest, '.', &ns);
    bool plain = !rest.len;
    if (!plain) {
        str_cut(&rest, '.', &svc);
        domain = rest;
    }
    if (!name_is_dns_label(name) || !name_is_dns_label(ns) || (!plain && !str_is(svc, "svc")) || !is_domain(domain))
        return error_set(error, 0, "\"%.*s\": expected NAME.NAMESPACE, as backstop.backstop-system",
                         STR_ARG(str_slice(text, 0, 128)));
    *service = (struct certificates_service){.names = {NULL}};
    snprintf(service->name, sizeof service->name, "%.*s", STR_ARG(name));
    snprintf(service->ns, sizeof service->ns, "%.*s", STR_ARG(ns));
    snprintf(service->full[0], sizeof service->full[0], "%s", service->name);
    snprintf(service->full[1], sizeof service->full[1], "%s.%s", service->name, service->ns);
    snprintf(service->full[2], sizeof service->full[2], "%s.%s.svc", service->name, service->ns);
    snprintf(service->full[3], sizeof service->full[3], "%s.%s.svc.%.*s", service->name, service->ns, STR_ARG(domain));
    for (size_t i = 0; i < LENGTH_OF(service->full); i++)
        service->names[i] = service->full[i];
    return true;
}
