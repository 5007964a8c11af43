/* Any bytes as a settings file: settings, or one error with its line. */
#include <string.h>

#include "backstop/settings.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {.position = -2};
    struct settings *settings = settings_parse((struct str){(const char *)data, size}, &error);
    if (!settings) {
        PROMISE(error.message[0] != '\0' && !strchr(error.message, '\n'), "message");
        PROMISE(str_utf8_valid(str_from(error.message)), "message is not UTF-8");
        PROMISE(error.position >= -1, "line %lld", (long long)error.position);
        return 0;
    }
    PROMISE(settings->system_namespace.len > 0, "no system namespace");
    PROMISE(settings->schedules_minimum_interval >= 0 && settings->upgrade_max_backup_age >= 0, "negative times");
    PROMISE(settings->upgrade_retry_after >= 0 && settings->upgrade_retry_after_failure >= 0, "negative times");
    PROMISE(settings->provider_exclusion_count == 0 || settings->provider_exclusions, "provider exclusions");
    shared_release(&settings->shared);
    return 0;
}
