/* `backstop certs renew`: the certificates of a webhook whose own account may not write them. */
#include <stdio.h>
#include <time.h>

#include "backstop/certificates.h"
#include "backstop/kube.h"
#include "commands/certs/certs.h"

static void renew_print(const struct certs_options *values, const struct certificates_service *service,
                        const struct certificates_renewal *done)
{
    char until[TIME_TEXT_SIZE];
    printf("Secret %s/%s: %s; valid until %s\n", service->ns, values->secret,
           done->ca        ? "CA and serving certificate issued"
           : done->serving ? "serving certificate issued"
           : done->changed ? "previous CA removed"
                           : "nothing was due",
           time_format(done->until, 0, until));
    printf("caBundle of %zu webhooks: %s\n", done->webhooks, done->announced ? "written" : "current");
}

int certs_renew(const struct command *command, const struct certs_options *values)
{
    struct certificates_service service;
    struct error error;
    if (!certificates_service_parse(str_from(values->service), &service, &error))
        return command_fail(command, "--service %s", error.message);
    const struct kube_options access = connection_access(&values->connection);
    struct kube_client *client = kube_open(&access, &error);
    if (!client)
        return command_fail(command, "%s", error.message);
    const struct certificates_options wanted = {.names = service.names,
                                                .kube = client,
                                                .ns = service.ns,
                                                .secret = values->secret,
                                                .service = service.name,
                                                .configurations = values->configurations,
                                                .leaf_seconds = values->lifetime,
                                                .ca_seconds = values->ca_lifetime ? values->ca_lifetime
                                                                                  : values->lifetime * CERTS_CA_FACTOR};
    struct certificates_renewal done;
    int64_t until = time_monotonic_ns() + values->wait * INT64_C(1000000000);
    /* What the same `kubectl apply` brings (the configurations, the roles) may come after the Job. */
    bool fine;
    while (
        !(fine = certificates_renew(&wanted, &done, &error) &&
                 (done.webhooks || error_set(&error, 0, "no webhook in the configurations named %s calls Service %s/%s",
                                             values->configurations, service.ns, service.name))) &&
        time_monotonic_ns() < until)
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    kube_close(client);
    if (fine)
        renew_print(values, &service, &done);
    else
        (void)command_fail(command, "%s", error.message);
    return !fine ? EXIT_DENIED : fflush(stdout) == 0 ? EXIT_OK : command_fail_output(command);
}
