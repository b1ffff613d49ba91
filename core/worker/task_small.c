/* The built-in tasks rl.evaluate and env.solve: one piece of work, nothing to resume. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/worker/eval.h"
#include "core/worker/task.h"

/* DONE with the result, through a file when it is larger than a frame. */
static int32_t done_or_file(struct report *report, const struct wjob *job, const struct strbuf *out,
                            struct lathe_error *err)
{
    char path[4096], hex[65], small[256];
    int32_t st;

    if (out->failed)
        return fail(err, LATHE_E_NOMEM, "result");
    if (out->len_bytes < LINK_PAYLOAD_MAX - 256) {
        task_done(report, "completed", 0, out->data);
        return LATHE_OK;
    }
    if ((st = path_join(path, sizeof path, job->dir, "result.json", err)) != LATHE_OK)
        return st;
    if ((st = io_write_file(path, out->data, out->len_bytes, 0600, err)) != LATHE_OK)
        return st;
    sha256_hex(out->data, out->len_bytes, hex);
    snprintf(small, sizeof small, "{\"file\":\"result.json\",\"sha256\":\"%s\",\"size_bytes\":%zu}",
             hex, out->len_bytes);
    task_done(report, "completed", 0, small);
    return LATHE_OK;
}

static int32_t play(struct setup *setup, struct learner *learner, struct strbuf *out,
                    struct lathe_error *err)
{
    const struct wjob *job = setup->job;
    struct eval_at at = {0, 0, 0, 1};
    struct eval_summary summary;
    struct evaluator ev;
    int32_t st = evaluator_open(&ev, setup, learner, err);

    if (st != LATHE_OK)
        return st;
    if (job->policy != NULL)
        st = policy_load(setup, ev.vec, learner, job->policy, err);
    if (st == LATHE_OK)
        st = eval_run(&ev, &job->evaluate, job->evaluate.episodes, &at, out, &summary, err);
    evaluator_close(&ev);
    return st;
}

static int32_t evaluate_work(struct setup *setup, struct strbuf *out, struct lathe_error *err)
{
    struct learner learner = {0};
    struct vec *vec = NULL;
    int32_t st;

    if (setup->algorithm.entry == NULL)
        return fail_field(err, LATHE_E_INVALID, "algorithm", "job file: algorithm is missing");
    if ((st = setup_vec(setup, 1, &vec, err)) != LATHE_OK)
        return st;
    st = learner_open(setup, vec, 1, 1, &learner, err);
    if (st == LATHE_OK)
        st = play(setup, &learner, out, err);
    learner_close(&learner);
    vec_close(vec);
    return st;
}

static int32_t solve_work(struct setup *setup, struct strbuf *out, struct lathe_error *err)
{
    struct vec *vec = NULL;
    int32_t st = setup_vec(setup, 1, &vec, err);

    if (st != LATHE_OK)
        return st;
    control_busy(setup->control, 1);
    st = vec_solve(vec, setup->job->solve, out, err);
    control_busy(setup->control, 0);
    vec_close(vec);
    return st;
}

static int run_small(const struct wjob *job, const struct loaded *loaded, struct control *control,
                     struct report *report,
                     int32_t (*fn)(struct setup *, struct strbuf *, struct lathe_error *))
{
    struct setup setup;
    struct strbuf out;
    struct lathe_error err = {0};
    const char *id = "invalid_option";
    int32_t st = setup_open(&setup, job, loaded, control, &err);

    strbuf_init(&out);
    if (st == LATHE_OK) {
        id = "plugin_error";
        task_hello(job, loaded, report);
        st = fn(&setup, &out, &err);
        if (st == LATHE_OK)
            st = done_or_file(report, job, &out, &err);
        setup_close(&setup);
    }
    if (st != LATHE_OK && st != LATHE_E_CANCELLED)
        report_error(report, id, &err, 0, "");
    strbuf_fini(&out);
    return st == LATHE_OK || st == LATHE_E_CANCELLED ? 0 : 1;
}

int evaluate_run(const struct wjob *job, const struct loaded *loaded, struct control *control,
                 struct report *report)
{
    return run_small(job, loaded, control, report, evaluate_work);
}

int solve_run(const struct wjob *job, const struct loaded *loaded, struct control *control,
              struct report *report)
{
    return run_small(job, loaded, control, report, solve_work);
}
