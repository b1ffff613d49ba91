/* Bounded box actions: learners work in [-1, 1], environments in their own bounds. Threads: [any].
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_BOX_H
#define KIT_BOX_H

#include "lathe/space.h"

#define KIT_BOX_MAX 4096u

/* Borrowed from the space, which must outlive it. */
struct kit_box {
    uint32_t n;
    const struct lathe_space *space;
};

/* Returns 1, or 0 when the space is no float32 BOX of 1 .. KIT_BOX_MAX numbers with finite bounds
 * low < high. */
int32_t kit_box_init(struct kit_box *b, const struct lathe_space *space);

double kit_box_low(const struct kit_box *b, uint32_t i);
double kit_box_high(const struct kit_box *b, uint32_t i);

/* Writes n float32 numbers in bounds from n numbers in [-1, 1] (others are clipped). */
void kit_box_emit(const struct kit_box *b, const float *unit, void *out);

#endif
