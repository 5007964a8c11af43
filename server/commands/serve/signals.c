/* What the process is told while it serves: to read its files anew, and to stop. */
#include <signal.h>
#include <time.h>

#include "commands/serve/serve.h"

static void serving_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

void serve_signals_block(void)
{
    sigset_t signals;
    serving_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

/* Files reload by themselves when they change; SIGHUP is for the file systems that do not tell
 * (they are looked at every half minute), and after a fault that is over. */
static void reload_all(struct service *service)
{
    settings_source_reload(&service->settings);
    certificates_reload(service->certificates);
    if (service->facts)
        facts_reload(service->facts);
}

bool serve_signals_wait(struct service *service, int64_t seconds)
{
    int64_t deadline = time_monotonic_ns() + seconds * 1000000000;
    sigset_t signals;
    serving_signals(&signals);
    for (;;) {
        int64_t left = deadline - time_monotonic_ns();
        if (seconds >= 0 && left <= 0)
            return false;
        struct timespec timeout = {left / 1000000000, left % 1000000000};
        int signal = seconds < 0 ? sigwaitinfo(&signals, NULL) : sigtimedwait(&signals, NULL, &timeout);
        if (signal == SIGHUP) {
            reload_all(service);
        } else if (signal > 0) {
            return true;
        }
    }
}
