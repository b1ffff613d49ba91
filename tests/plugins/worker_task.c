/* Fixture: a task that counts to spec.total, a few steps per slice, and can be resumed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/plugin.h"
#include "lathe/task.h"

struct counting {
    const struct lathe_run_service *run;
    const struct lathe_metrics_service *metrics;
    uint64_t at, total, sum;
};

static int32_t counting_open(const struct lathe_task_args *args, struct lathe_error *err,
                             void **task)
{
    struct counting *c = calloc(1, sizeof *c);
    unsigned long long total = 0;

    if (c == NULL)
        return LATHE_E_NOMEM;
    if (sscanf(args->spec, "{\"total\":%llu", &total) != 1) {
        if (err != NULL) {
            err->code = LATHE_E_INVALID;
            snprintf(err->text, sizeof err->text, "total is missing");
            snprintf(err->field, sizeof err->field, "spec.total");
        }
        free(c);
        return LATHE_E_INVALID;
    }
    c->total = total;
    c->run = args->host->get_service(args->host, LATHE_SERVICE_RUN);
    c->metrics = args->host->get_service(args->host, LATHE_SERVICE_METRICS);
    LATHE_LOG(args->host, LATHE_LOG_INFO, "counting", LATHE_F_INT("total", (int64_t)total));
    *task = c;
    return LATHE_OK;
}

static int32_t counting_slice(void *task, const struct lathe_budget *budget,
                              struct lathe_error *err)
{
    struct counting *c = task;
    int i;

    (void)budget;
    (void)err;
    for (i = 0; i < 3 && c->at < c->total; i++) {
        c->at++;
        c->sum += c->at * c->run->seed(c->run);
        c->metrics->put(c->metrics, "count/sum", c->at, (double)c->sum);
        if (c->run->point(c->run) != LATHE_OK)
            break;
    }
    return c->at < c->total ? LATHE_AGAIN : LATHE_OK;
}

static void counting_progress(void *task, uint64_t *current, uint64_t *total)
{
    struct counting *c = task;

    *current = c->at;
    *total = c->total;
}

static int32_t counting_save(void *task, const struct lathe_writer *w)
{
    struct counting *c = task;
    const uint64_t two = 2;
    const uint64_t state[2] = {c->at, c->sum};

    return w->put(w, "state", LATHE_U64, 1, &two, state);
}

static int32_t counting_load(void *task, const struct lathe_reader *r, struct lathe_error *err)
{
    struct counting *c = task;
    const uint64_t two = 2;
    uint64_t state[2];
    int32_t st = r->get(r, "state", LATHE_U64, 1, &two, state);

    (void)err;
    if (st == LATHE_OK) {
        c->at = state[0];
        c->sum = state[1];
    }
    return st;
}

static int32_t counting_result(void *task, char *json, uint64_t cap_bytes, struct lathe_error *err)
{
    struct counting *c = task;
    int n = snprintf(json, cap_bytes, "{\"at\":%llu,\"sum\":%llu}", (unsigned long long)c->at,
                     (unsigned long long)c->sum);

    (void)err;
    return n > 0 && (uint64_t)n < cap_bytes ? LATHE_OK : LATHE_E_LIMIT;
}

static const struct lathe_task counting = {
    sizeof counting, LATHE_TASK_RESUMABLE, counting_open,   counting_slice, counting_progress,
    counting_save,   counting_load,        counting_result, free,           NULL};

LATHE_PLUGIN_SINGLE("org.lathe.test.count", "1.0.0", "Apache-2.0", "Counts.", LATHE_KIND_TASK,
                    "test.count", &counting, NULL);
