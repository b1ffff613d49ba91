/* Action boxes and their affine map from [-1, 1]. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/box.h"

#include <math.h>
#include <string.h>

double kit_box_low(const struct kit_box *b, uint32_t i)
{
    return b->space->low[b->space->flags & LATHE_SPACE_ONE_BOUND ? 0 : i];
}

double kit_box_high(const struct kit_box *b, uint32_t i)
{
    return b->space->high[b->space->flags & LATHE_SPACE_ONE_BOUND ? 0 : i];
}

int32_t kit_box_init(struct kit_box *b, const struct lathe_space *space)
{
    uint64_t n = 1;
    uint32_t i;

    memset(b, 0, sizeof *b);
    if (space->kind != LATHE_SPACE_BOX || space->dtype != LATHE_F32 || space->low == NULL ||
        space->high == NULL)
        return 0;
    for (i = 0; i < space->ndim && i < 6; i++) {
        n *= space->shape[i];
        if (n == 0 || n > KIT_BOX_MAX)
            return 0;
    }
    b->n = (uint32_t)n;
    b->space = space;
    for (i = 0; i < b->n; i++)
        if (!isfinite(kit_box_low(b, i)) || !isfinite(kit_box_high(b, i)) ||
            kit_box_low(b, i) >= kit_box_high(b, i))
            return 0;
    return 1;
}

void kit_box_emit(const struct kit_box *b, const float *unit, void *out)
{
    uint32_t i;

    for (i = 0; i < b->n; i++) {
        const double low = kit_box_low(b, i), high = kit_box_high(b, i);
        const double a = unit[i] < -1.0f ? -1.0 : unit[i] > 1.0f ? 1.0 : (double)unit[i];
        const double v = low + 0.5 * (a + 1.0) * (high - low);
        const float f = (float)(v < low ? low : v > high ? high : v);
        memcpy((unsigned char *)out + (size_t)i * sizeof f, &f, sizeof f);
    }
}
