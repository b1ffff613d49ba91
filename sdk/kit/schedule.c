/* Schedules: constant, linear, cosine. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/schedule.h"

#include <math.h>
#include <string.h>

double kit_schedule(const struct kit_schedule *s, double progress)
{
    double x = s->fraction > 0 ? progress / s->fraction : 1.0;

    x = x < 0 ? 0 : x > 1 ? 1 : x;
    switch (s->kind) {
    case KIT_SCHEDULE_LINEAR:
        return s->a + (s->b - s->a) * x;
    case KIT_SCHEDULE_COSINE:
        return s->b + (s->a - s->b) * 0.5 * (1.0 + cos(3.14159265358979323846 * x));
    default:
        return s->a;
    }
}

int32_t kit_schedule_kind(const char *name)
{
    static const char *const names[] = {"constant", "linear", "cosine"};
    int32_t i;

    for (i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}
