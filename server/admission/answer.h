/* Private to the module admission. */
#ifndef BACKSTOP_ADMISSION_ANSWER_H
#define BACKSTOP_ADMISSION_ANSWER_H

#include "backstop/admission.h"

/* Kubernetes' StatusReason for a code (k8s.io/apimachinery meta/v1 types.go). */
const char *status_reason(int code);

enum { UID_LIMIT = 256 }; /* bytes; the API server sends 36 */
/* What an answer needs, from a body that could not be read whole. Absent when not found. */
struct salvage {
    struct str uid, api_version;
};

#endif
