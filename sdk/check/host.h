/* The host a plugin sees inside the kit: logs to stderr on request, offers no services. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SDK_CHECK_HOST_H
#define SDK_CHECK_HOST_H

#include "lathe/plugin.h"

const struct lathe_host *kit_host(void);

/* Checked options of a component for the length of one open call. */
struct kit_params {
    void *impl;
    const struct lathe_params *view;
};
int32_t kit_params_open(struct kit_params *out, const struct lathe_component *component,
                        const char *options_json, struct lathe_error *err) LATHE_MUST_USE;
void kit_params_close(struct kit_params *params);

#endif
