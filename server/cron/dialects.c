#include "cron/spec.h"

const struct dialect spec_dialects[CRON_DIALECTS] = {
    [CRON_ROBFIG] = {.library = "robfig/cron v3.0.1"},
    [CRON_GO_CRON] = {.library = "netresearch/go-cron v0.15.0",
                      .length_max = 1024,
                      .every_least = 1000000000,
                      .wraps = true,
                      .steps_fit = true,
                      .zone_checked = true,
                      .foreign_words = true,
                      .triggers = true,
                      .both_days = true,
                      .gap_runs_late = true,
                      .forgets_second = true},
};

const char *cron_library(enum cron_dialect dialect)
{
    return spec_dialects[dialect].library;
}
