/* Buffers that end at a page without access, with canaries in the slack, and optional read-only
 * mode. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SDK_CHECK_GUARD_H
#define SDK_CHECK_GUARD_H

#include <stddef.h>

#include "lathe/abi.h"

struct guard {
    void *data; /* len_bytes, aligned to 64; the byte after the padded end faults */
    size_t len_bytes, padded_bytes, map_bytes;
    void *map;
};

int guard_open(struct guard *guard, size_t len_bytes); /* 1 on success; data is zeroed */
void guard_close(struct guard *guard);
void guard_readonly(struct guard *guard, int readonly);
/* Refills the bytes around data with canaries. */
void guard_arm(struct guard *guard);
/* 1 while every canary is as guard_arm left it. */
int guard_intact(const struct guard *guard);

#endif
