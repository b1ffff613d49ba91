/* Opening learners and moving policies in and out of files. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/learner.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "lathe/engine.h"

#define DESCRIBE_MAX (256u * 1024u)

int32_t setup_open(struct setup *setup, const struct wjob *job, const struct loaded *loaded,
                   struct control *control, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    memset(setup, 0, sizeof *setup);
    setup->job = job;
    setup->loaded = loaded;
    setup->control = control;
    if (job->env.name == NULL)
        return fail_field(err, LATHE_E_INVALID, "env", "job file: env is missing");
    st = load_component(loaded, LATHE_KIND_ENV, job->env.name, job->env.options, "env", &setup->env,
                        err);
    if (st == LATHE_OK && job->algorithm.name != NULL) {
        const struct lathe_algorithm *algorithm;

        st = load_component(loaded, LATHE_KIND_ALGORITHM, job->algorithm.name,
                            job->algorithm.options, "algorithm", &setup->algorithm, err);
        algorithm = st == LATHE_OK ? setup->algorithm.entry->vtable : NULL;
        if (algorithm != NULL && (algorithm->flags & LATHE_ALGO_NEEDS_ENGINE))
            st = load_component(loaded, LATHE_KIND_ENGINE, job->engine.name, job->engine.options,
                                "engine", &setup->engine, err);
    }
    if (st == LATHE_OK)
        st = shard_open(job->threads, &setup->shard, err);
    if (st != LATHE_OK)
        setup_close(setup);
    return st;
}

void setup_close(struct setup *setup)
{
    if (setup == NULL)
        return;
    shard_close(setup->shard);
    component_close(&setup->env);
    component_close(&setup->algorithm);
    component_close(&setup->engine);
    setup->shard = NULL;
}

int32_t setup_vec(const struct setup *setup, uint32_t n, struct vec **out, struct lathe_error *err)
{
    struct vec_args args = {
        setup->env.entry->vtable, setup->env.host, params_table(setup->env.params), setup->shard, n,
        setup->job->time_limit};
    int32_t st;

    control_busy(setup->control, 1);
    st = vec_open(&args, out, err);
    control_busy(setup->control, 0);
    return st;
}

static int32_t check_spaces(const struct setup *setup, const struct vec *vec,
                            const struct lathe_algorithm *vt, struct lathe_error *err)
{
    const struct lathe_space *obs = vec->spec->obs, *act = vec->spec->act;
    uint32_t need = 0;

    if (act->kind == LATHE_SPACE_DISCRETE)
        need = LATHE_ALGO_DISCRETE;
    else if (act->kind == LATHE_SPACE_BOX && act->dtype == LATHE_F32)
        need = LATHE_ALGO_CONTINUOUS;
    else if (act->kind == LATHE_SPACE_MULTIDISCRETE)
        need = LATHE_ALGO_MULTIDISCRETE;
    if (need == 0 || !(vt->flags & need))
        return fail_field(err, LATHE_E_UNSUPPORTED, "algorithm", "%s cannot choose actions of %s",
                          setup->algorithm.entry->name, vec->spec->id);
    if (setup->job->obs_norm && (obs->kind != LATHE_SPACE_BOX || obs->dtype != LATHE_F32))
        return fail_field(err, LATHE_E_UNSUPPORTED, "obs_norm",
                          "observations of %s are not a float32 box", vec->spec->id);
    return LATHE_OK;
}

int32_t learner_open(const struct setup *setup, const struct vec *vec, uint32_t n_envs,
                     int policy_only, struct learner *learner, struct lathe_error *err)
{
    const struct wjob *job = setup->job;
    const struct lathe_algorithm *vt = setup->algorithm.entry->vtable;
    struct lathe_algo_args args = {0};
    int32_t st;

    memset(learner, 0, sizeof *learner);
    if ((st = check_spaces(setup, vec, vt, err)) != LATHE_OK)
        return st;
    st = norm_init(&learner->norm, job->obs_norm, job->reward_norm, job->norm_gamma, n_envs,
                   job->obs_norm ? (uint32_t)space_flat_dim(vec->spec->obs) : 1);
    if (st != LATHE_OK)
        return fail(err, st, "normalizer");
    args.struct_size = sizeof args;
    args.flags = (job->episodic ? LATHE_RUN_EPISODIC : 0) |
                 (policy_only ? LATHE_RUN_POLICY_ONLY : 0) |
                 (job->fast ? LATHE_RUN_FAST_NUMERICS : 0);
    args.host = setup->algorithm.host;
    args.spec = vec->spec;
    args.params = params_table(setup->algorithm.params);
    args.engine = setup->engine.entry != NULL ? setup->engine.entry->vtable : NULL;
    args.n_envs = n_envs;
    args.threads = job->threads;
    args.n_mask = vec->n_mask;
    args.max_act_rows = n_envs > LEARNER_ACT_ROWS ? n_envs : LEARNER_ACT_ROWS;
    args.seed = job->seed;
    args.total_steps = job->episodic ? 0 : job->total;
    args.total_iterations = job->episodic ? job->total : 0;
    args.memory_limit_bytes = job->limits.memory_bytes;
    control_busy(setup->control, 1);
    st = vt->open(&args, err, &learner->self);
    control_busy(setup->control, 0);
    if (st != LATHE_OK) {
        norm_fini(&learner->norm);
        return st;
    }
    learner->vt = vt;
    learner->is_policy_only = policy_only;
    if (LATHE_CAN(vt, struct lathe_algorithm, extension)) {
        learner->export = vt->extension(learner->self, LATHE_ALGO_EXPORT);
        learner->slots = vt->extension(learner->self, LATHE_ALGO_SLOTS);
    }
    return LATHE_OK;
}

void learner_close(struct learner *learner)
{
    if (learner == NULL || learner->vt == NULL)
        return;
    learner->vt->close(learner->self);
    norm_fini(&learner->norm);
    memset(learner, 0, sizeof *learner);
}

void learner_put_norm(const struct learner *learner, struct ckpt_writer *writer)
{
    const struct norm *norm = &learner->norm;

    if (norm->obs) {
        ckpt_put1(writer, "norm/obs_mean", LATHE_F64, norm->obs_moments.dim,
                  norm->obs_moments.mean);
        ckpt_put1(writer, "norm/obs_var", LATHE_F64, norm->obs_moments.dim, norm->obs_moments.var);
        ckpt_put1(writer, "norm/obs_count", LATHE_F64, 1, &norm->obs_moments.count);
    }
    if (norm->reward) {
        ckpt_put1(writer, "norm/ret_mean", LATHE_F64, 1, norm->ret_moments.mean);
        ckpt_put1(writer, "norm/ret_var", LATHE_F64, 1, norm->ret_moments.var);
        ckpt_put1(writer, "norm/ret_count", LATHE_F64, 1, &norm->ret_moments.count);
    }
}

int32_t learner_get_norm(struct learner *learner, const struct ckpt_reader *reader,
                         struct lathe_error *err)
{
    struct norm *norm = &learner->norm;
    struct moments *m = &norm->obs_moments;
    int32_t st = LATHE_OK;

    if (norm->obs) {
        if ((st = ckpt_get1(reader, "norm/obs_mean", LATHE_F64, m->dim, m->mean, err)) == LATHE_OK)
            st = ckpt_get1(reader, "norm/obs_var", LATHE_F64, m->dim, m->var, err);
        if (st == LATHE_OK)
            st = ckpt_get1(reader, "norm/obs_count", LATHE_F64, 1, &m->count, err);
    }
    m = &norm->ret_moments;
    if (st == LATHE_OK && norm->reward && !learner->is_policy_only) {
        if ((st = ckpt_get1(reader, "norm/ret_mean", LATHE_F64, 1, m->mean, err)) == LATHE_OK)
            st = ckpt_get1(reader, "norm/ret_var", LATHE_F64, 1, m->var, err);
        if (st == LATHE_OK)
            st = ckpt_get1(reader, "norm/ret_count", LATHE_F64, 1, &m->count, err);
    }
    return st;
}

static void put_component_meta(struct ckpt_writer *w, const char *key, const struct component *c)
{
    /* only what was given: algorithms tell it from their defaults */
    json_t *options = params_to_json(c->params, 1, 0);
    char *text = json_dup_text(options, LATHE_JSON_SORTED, NULL);
    char name[32];

    ckpt_meta(w, key, c->entry->name);
    snprintf(name, sizeof name, "%s_options", key);
    if (text != NULL)
        ckpt_meta(w, name, text);
    mem_free(text);
    json_decref(options);
}

static void put_policy_meta(const struct setup *setup, const struct vec *vec,
                            const struct learner *learner, struct ckpt_writer *w)
{
    struct strbuf describe;
    char text[32];

    ckpt_meta(w, "format", POLICY_FORMAT);
    put_component_meta(w, "env", &setup->env);
    put_component_meta(w, "algorithm", &setup->algorithm);
    snprintf(text, sizeof text, "%u", vec->spec->version);
    ckpt_meta(w, "env_version", text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)setup->job->seed);
    ckpt_meta(w, "seed", text);
    ckpt_meta(w, "obs_norm", learner->norm.obs ? "true" : "false");
    ckpt_meta(w, "content", learner->export != NULL ? "policy" : "full");
    strbuf_init(&describe);
    policy_describe(learner, &describe);
    if (!describe.failed)
        ckpt_meta(w, "describe", describe.data);
    strbuf_fini(&describe);
}

int32_t policy_save(const struct setup *setup, const struct vec *vec, struct learner *learner,
                    const char *path, struct policy_file *out, struct lathe_error *err)
{
    struct ckpt_writer w;
    int32_t st;

    if ((st = ckpt_writer_open(&w, path, err)) != LATHE_OK)
        return st;
    put_policy_meta(setup, vec, learner, &w);
    learner_put_norm(learner, &w);
    if (learner->export != NULL) {
        st = learner->export->save_policy(learner->self, &w.writer);
    } else {
        w.prefix = "algo/";
        st = learner->vt->save(learner->self, &w.writer);
    }
    if (st != LATHE_OK) {
        ckpt_writer_abandon(&w);
        return fail(err, st, "%s could not save its policy: %s", setup->algorithm.entry->name,
                    lathe_status_name(st));
    }
    return ckpt_writer_close(&w, out->weights_sha256, out->file_sha256, &out->size_bytes, err);
}

/* 1 when the file's policy fits this job: same algorithm, same environment dynamics. */
static int32_t check_policy(const struct setup *setup, const struct vec *vec,
                            const struct learner *learner, const struct ckpt_reader *r,
                            struct lathe_error *err)
{
    const char *algorithm = ckpt_get_meta(r, "algorithm"), *env = ckpt_get_meta(r, "env");
    int has_norm = strcmp(ckpt_get_meta(r, "obs_norm"), "true") == 0;
    char version[16];

    snprintf(version, sizeof version, "%u", vec->spec->version);
    if (strcmp(algorithm, setup->algorithm.entry->name) != 0)
        return fail(err, LATHE_E_CONFLICT, "the policy is one of %s, not of %s", algorithm,
                    setup->algorithm.entry->name);
    if (strcmp(env, setup->env.entry->name) != 0 ||
        strcmp(ckpt_get_meta(r, "env_version"), version) != 0)
        return fail(err, LATHE_E_CONFLICT, "the policy is for %s version %s, not %s version %s",
                    env, ckpt_get_meta(r, "env_version"), setup->env.entry->name, version);
    if (has_norm != learner->norm.obs)
        return fail_field(err, LATHE_E_CONFLICT, "obs_norm", "the policy was trained %s obs_norm",
                          has_norm ? "with" : "without");
    return LATHE_OK;
}

int32_t policy_load(const struct setup *setup, const struct vec *vec, struct learner *learner,
                    const char *path, struct lathe_error *err)
{
    struct ckpt_reader r;
    int32_t st;

    if ((st = ckpt_reader_open(&r, path, POLICY_FORMAT, err)) != LATHE_OK)
        return st;
    if ((st = check_policy(setup, vec, learner, &r, err)) != LATHE_OK)
        goto out;
    if ((st = learner_get_norm(learner, &r, err)) != LATHE_OK)
        goto out;
    if (strcmp(ckpt_get_meta(&r, "content"), "full") == 0) {
        r.prefix = "algo/";
        st = learner->vt->load(learner->self, &r.reader, err);
    } else if (learner->export != NULL) {
        st = learner->export->load_policy(learner->self, &r.reader, err);
    } else {
        st =
            fail(err, LATHE_E_UNSUPPORTED, "%s cannot load a policy", setup->algorithm.entry->name);
    }
out:
    ckpt_reader_close(&r);
    return st;
}

void policy_describe(const struct learner *learner, struct strbuf *out)
{
    char *text = learner->export != NULL ? mem_alloc(DESCRIBE_MAX) : NULL;

    if (text != NULL && learner->export->describe(learner->self, text, DESCRIBE_MAX) == LATHE_OK)
        strbuf_adds(out, text);
    else
        strbuf_adds(out, "null");
    mem_free(text);
}
