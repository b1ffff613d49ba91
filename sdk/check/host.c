/* See host.h. Log lines go to stderr when LATHE_CHECK_LOG is set, else nowhere. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/check/host.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/config/params.h"

static const void *no_service(const struct lathe_host *host, const char *id)
{
    (void)host;
    (void)id;
    return NULL;
}

static void log_line(const struct lathe_host *host, int32_t level, const char *msg,
                     const struct lathe_field *const *fields)
{
    (void)host;
    (void)fields;
    if (getenv("LATHE_CHECK_LOG") != NULL)
        fprintf(stderr, "plugin log, level %d: %s\n", level, msg);
}

const struct lathe_host *kit_host(void)
{
    static const struct lathe_host host = {sizeof host, LATHE_ABI_MAJOR, LATHE_ABI_MINOR,
                                           NULL,        no_service,      log_line};
    return &host;
}

int32_t kit_params_open(struct kit_params *out, const struct lathe_component *component,
                        const char *options_json, struct lathe_error *err)
{
    json_error_t at;
    struct params *params = NULL;
    json_t *values = json_loads(options_json, JSON_REJECT_DUPLICATES, &at);

    if (values == NULL || !json_is_object(values)) {
        json_decref(values);
        return fail(err, LATHE_E_INVALID, "--options is not a JSON object");
    }
    int32_t st = params_new(component->options, values, &params, err);
    json_decref(values);
    if (st != LATHE_OK)
        return st;
    out->impl = params;
    out->view = params_table(params);
    return LATHE_OK;
}

void kit_params_close(struct kit_params *params)
{
    params_free(params->impl);
    params->impl = NULL;
    params->view = NULL;
}
