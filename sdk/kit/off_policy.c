/* The common half of soft actor-critic, TD3 and DDPG. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/off_policy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kit/schedule.h"
#include "lathe/params.h"
#include "lathe/rng.h"

#define POLL_NS 500000u

int32_t kit_off_policy_fail(const struct kit_off_policy *b, struct lathe_error *err, int32_t code,
                            const char *field, const char *text)
{
    if (err != NULL) {
        memset(err, 0, sizeof *err);
        err->code = code;
        snprintf(err->text, sizeof err->text, "%s: %s", b->name, text);
        snprintf(err->field, sizeof err->field, "%s", field);
    }
    return code;
}

static uint32_t choice(const char *const *names, const char *value)
{
    uint32_t i;

    for (i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], value) == 0)
            return i;
    return 0;
}

static int32_t configure(struct kit_off_policy *b, const struct lathe_params *o,
                         struct lathe_error *err)
{
    static const char *const activations[] = {"identity", "tanh", "relu", "gelu", NULL};
    static const char *const isas[] = {"auto", "portable", "avx2", "avx512", NULL};
    struct kit_off_policy_config *c = &b->cfg;
    double list[KIT_OFF_POLICY_HIDDEN];
    uint32_t i;

    c->learning_rate = o->get_float(o, "learning_rate");
    c->gamma = o->get_float(o, "gamma");
    c->tau = o->get_float(o, "tau");
    c->buffer_size = (uint64_t)o->get_int(o, "buffer_size");
    c->learning_starts = (uint64_t)o->get_int(o, "learning_starts");
    c->train_freq = (uint64_t)o->get_int(o, "train_freq");
    c->gradient_steps = o->get_int(o, "gradient_steps");
    c->batch_size = (uint32_t)o->get_int(o, "batch_size");
    c->n_step = (uint32_t)o->get_int(o, "n_step");
    c->lr_schedule = kit_schedule_kind(o->get_string(o, "lr_schedule"));
    c->activation = choice(activations, o->get_string(o, "activation"));
    c->isa = choice(isas, o->get_string(o, "isa"));
    c->n_hidden = o->get_list(o, "net_arch", list, KIT_OFF_POLICY_HIDDEN);
    if (c->n_hidden == 0 || c->n_hidden > KIT_OFF_POLICY_HIDDEN)
        return kit_off_policy_fail(b, err, LATHE_E_INVALID, "net_arch",
                                   "net_arch needs 1 to 8 widths");
    for (i = 0; i < c->n_hidden; i++) {
        if (list[i] < 1 || list[i] > 4096 || list[i] != floor(list[i]))
            return kit_off_policy_fail(b, err, LATHE_E_INVALID, "net_arch",
                                       "widths are integers from 1 to 4096");
        c->hidden[i] = (uint32_t)list[i];
    }
    return LATHE_OK;
}

int32_t kit_off_policy_open(struct kit_off_policy *b, const char *name,
                            const struct lathe_algo_args *args, struct lathe_error *err)
{
    b->name = name;
    b->host = args->host;
    b->n_envs = args->n_envs > 0 ? args->n_envs : 1;
    b->threads = args->threads;
    b->seed = args->seed;
    b->total_steps = args->total_steps;
    b->memory_limit = args->memory_limit_bytes;
    b->policy_only = (args->flags & LATHE_RUN_POLICY_ONLY) != 0;
    b->obs_stride = args->spec->obs_stride;
    b->act_stride = args->spec->act_stride;
    if (args->engine == NULL)
        return kit_off_policy_fail(b, err, LATHE_E_INVALID, "engine", "an engine is needed");
    if (args->flags & LATHE_RUN_EPISODIC)
        return kit_off_policy_fail(b, err, LATHE_E_UNSUPPORTED, "",
                                   "whole-episode runs are for learners of discrete actions");
    if (!kit_flat_init(&b->flat, args->spec->obs))
        return kit_off_policy_fail(b, err, LATHE_E_UNSUPPORTED, "",
                                   "the observations cannot be flattened");
    if (!kit_box_init(&b->box, args->spec->act))
        return kit_off_policy_fail(b, err, LATHE_E_UNSUPPORTED, "",
                                   "actions must be a float32 BOX with finite bounds");
    if (args->n_mask > 0)
        return kit_off_policy_fail(b, err, LATHE_E_UNSUPPORTED, "", "box actions cannot be masked");
    b->dim = b->flat.dim;
    b->n_act = b->box.n;
    if ((uint64_t)b->dim + b->n_act > 65536)
        return kit_off_policy_fail(b, err, LATHE_E_UNSUPPORTED, "",
                                   "observation and action have more than 65536 numbers");
    b->ld = (b->dim + b->n_act + 15u) & ~15u;
    b->engine = args->engine;
    return configure(b, args->params, err);
}

static int32_t open_memory(struct kit_off_policy *b, struct lathe_error *err)
{
    const struct kit_replay_args args = {.capacity = b->cfg.buffer_size,
                                         .n_streams = b->n_envs,
                                         .obs_dim = b->dim,
                                         .act_bytes = b->n_act * (uint32_t)sizeof(float),
                                         .seed = b->seed,
                                         .max_memory_bytes = b->memory_limit};
    int32_t st = kit_replay_open(&args, &b->replay);

    if (st == LATHE_OK)
        st = kit_replay_batch_open(b->replay, b->cfg.batch_size, &b->batch);
    if (st == LATHE_E_LIMIT)
        return kit_off_policy_fail(b, err, st, "buffer_size",
                                   "the replay memory exceeds the run's memory limit");
    b->x = aligned_alloc(64, (size_t)b->cfg.batch_size * b->ld * sizeof *b->x);
    b->row_step = calloc(b->n_envs, sizeof *b->row_step);
    b->pending = calloc((size_t)b->n_envs * b->n_act, sizeof *b->pending);
    if (st != LATHE_OK || b->x == NULL || b->row_step == NULL || b->pending == NULL)
        return kit_off_policy_fail(b, err, LATHE_E_NOMEM, "buffer_size",
                                   "no memory for the replay memory");
    memset(b->x, 0, (size_t)b->cfg.batch_size * b->ld * sizeof *b->x);
    return LATHE_OK;
}

int32_t kit_off_policy_start(struct kit_off_policy *b, struct lathe_error *err)
{
    const struct lathe_engine_args args = {sizeof args, 0, b->host,
                                           b->threads < 2 || b->policy_only ? 1u : 2u, b->cfg.isa};
    const int32_t st = b->engine->open(&args, err, &b->es);

    if (st != LATHE_OK)
        return st;
    b->x_act = calloc((size_t)KIT_OFF_POLICY_BLOCK * b->ld, sizeof *b->x_act);
    if (b->x_act == NULL)
        return kit_off_policy_fail(b, err, LATHE_E_NOMEM, "", "no memory");
    return b->policy_only ? LATHE_OK : open_memory(b, err);
}

void kit_off_policy_close(struct kit_off_policy *b)
{
    kit_replay_batch_close(&b->batch);
    kit_replay_close(b->replay);
    free(b->x);
    free(b->x_act);
    free(b->row_step);
    free(b->pending);
    if (b->engine != NULL)
        b->engine->close(b->es);
}

static void add_layer(struct lathe_layer *l, uint32_t in, uint32_t out, uint32_t activation)
{
    memset(l, 0, sizeof *l);
    l->struct_size = sizeof *l;
    l->in = in;
    l->out = out;
    l->activation = activation;
    l->init = LATHE_INIT_UNIFORM;
    l->gain = 1.0;
}

int32_t kit_off_policy_net_open(const struct kit_off_policy *b,
                                const struct kit_off_policy_net *shape, struct kit_mlp *m,
                                struct lathe_error *err)
{
    struct lathe_layer layers[KIT_MLP_LAYERS];
    const struct lathe_layer *list[KIT_MLP_LAYERS + 1];
    const struct lathe_net_args args = {sizeof args, 0, list, b->seed, shape->seed_row, 0};
    uint32_t i, n = 0, in = shape->in;

    for (i = 0; (shape->trunk & 1u) && i < b->cfg.n_hidden; i++) {
        add_layer(&layers[n++], in, b->cfg.hidden[i], b->cfg.activation);
        in = b->cfg.hidden[i];
    }
    for (i = 0; (shape->trunk & 2u) && i < shape->heads; i++) {
        add_layer(&layers[n], in, shape->out, shape->head_activation);
        layers[n++].flags = i > 0 ? LATHE_LAYER_JOIN : 0;
    }
    for (i = 0; i < n; i++)
        list[i] = &layers[i];
    list[n] = NULL;
    return kit_mlp_open(m, b->engine, b->es, &args, err);
}

uint32_t kit_off_policy_chunks(const struct kit_off_policy *b)
{
    return (b->cfg.batch_size + KIT_OFF_POLICY_CHUNK - 1) / KIT_OFF_POLICY_CHUNK;
}

uint32_t kit_off_policy_rows(const struct kit_off_policy *b, uint32_t c)
{
    const uint32_t left = b->cfg.batch_size - c * KIT_OFF_POLICY_CHUNK;

    return left < KIT_OFF_POLICY_CHUNK ? left : KIT_OFF_POLICY_CHUNK;
}

void kit_normals(uint64_t key, uint32_t stream, uint32_t row, uint64_t step, uint32_t block,
                 uint32_t n, float *out)
{
    uint32_t x[4] = {0}, i;

    for (i = 0; i < n; i += 2) {
        float z[2];
        if (i % 4 == 0)
            lathe_philox(key, stream, row, step, block + i / 4, x);
        lathe_normal_pair(x[i % 4], x[i % 4 + 1], z);
        out[i] = z[0];
        if (i + 1 < n)
            out[i + 1] = z[1];
    }
}

void kit_uniforms(uint64_t key, uint32_t stream, uint32_t row, uint64_t step, uint32_t n,
                  float *out)
{
    uint32_t x[4] = {0}, i;

    for (i = 0; i < n; i++) {
        if (i % 4 == 0)
            lathe_philox(key, stream, row, step, i / 4, x);
        out[i] = 2.0f * lathe_u32_to_f32(x[i % 4]) - 1.0f;
    }
}

void kit_off_policy_flatten(const struct kit_off_policy *b, const void *obs, size_t row, float *x)
{
    kit_flatten(&b->flat, (const unsigned char *)obs + row * b->obs_stride, x);
}

void kit_off_policy_emit(const struct kit_off_policy *b, const float *unit, void *act, size_t row)
{
    kit_box_emit(&b->box, unit, (unsigned char *)act + row * b->act_stride);
}

int32_t kit_off_policy_may_explore(const struct kit_off_policy *b, const struct lathe_obs *obs)
{
    return b->policy_only || b->left > 0 || obs->first + obs->count > b->n_envs ? LATHE_E_CONFLICT
                                                                                : LATHE_OK;
}

int32_t kit_off_policy_warm_up(const struct kit_off_policy *b, uint64_t row_step)
{
    return row_step * b->n_envs < b->cfg.learning_starts;
}

int32_t kit_off_policy_observe(struct kit_off_policy *b, const struct lathe_transition *tr)
{
    uint32_t i;

    if (b->policy_only || b->left > 0 || tr->first + tr->count > b->n_envs)
        return LATHE_E_CONFLICT;
    for (i = tr->first; i < tr->first + tr->count; i++) {
        const int32_t ended = tr->terminated[i] || tr->truncated[i];
        struct kit_replay_slot slot;
        kit_replay_slot(b->replay, &slot);
        memcpy(slot.act, b->pending + (size_t)i * b->n_act, b->n_act * sizeof *b->pending);
        kit_off_policy_flatten(b, tr->obs, i, slot.obs);
        kit_off_policy_flatten(b, ended ? tr->final_obs : tr->next_obs, i, slot.next_obs);
        kit_replay_commit(b->replay, i, tr->reward[i], tr->terminated[i], tr->truncated[i]);
        b->steps++;
    }
    b->rows_seen += tr->count;
    if (b->rows_seen < b->n_envs)
        return LATHE_OK;
    b->rows_seen = 0;
    if (++b->since_train < b->cfg.train_freq)
        return LATHE_OK;
    b->since_train = 0;
    if (b->steps <= b->cfg.learning_starts)
        return LATHE_OK;
    b->left =
        b->cfg.gradient_steps < 0 ? b->cfg.train_freq * b->n_envs : (uint64_t)b->cfg.gradient_steps;
    return b->left > 0 ? LATHE_UPDATE_DUE : LATHE_OK;
}

void kit_off_policy_sample(struct kit_off_policy *b, uint64_t draw)
{
    const float *act = b->batch.act;
    uint32_t i;

    kit_replay_sample(b->replay, &b->batch, b->cfg.batch_size, draw, 0);
    kit_replay_gather(b->replay, &b->batch, b->cfg.n_step, b->cfg.gamma);
    for (i = 0; i < b->batch.n; i++) {
        float *x = b->x + (size_t)i * b->ld;
        memcpy(x, b->batch.obs + (size_t)i * b->dim, b->dim * sizeof *x);
        memcpy(x + b->dim, act + (size_t)i * b->n_act, b->n_act * sizeof *x);
    }
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void begin(struct kit_off_policy *b)
{
    const struct kit_schedule s = {(uint32_t)b->cfg.lr_schedule, 0, 1.0, 0.0, 1.0};
    const double total = (double)b->total_steps;

    b->lr_share = kit_schedule(&s, b->total_steps > 0 ? (double)b->steps / total : 0.0);
    b->active = 1;
}

int32_t kit_off_policy_update(struct kit_off_policy *b, const struct lathe_budget *budget,
                              int32_t (*slice)(void *self), void *self, struct lathe_error *err)
{
    const uint64_t end = budget->max_ns > 0 ? now_ns() + budget->max_ns : UINT64_MAX;
    uint64_t polled = 0;

    if (b->policy_only || b->left == 0)
        return kit_off_policy_fail(b, err, LATHE_E_CONFLICT, "", "no update is due");
    if (!b->active)
        begin(b);
    do {
        const uint64_t now = now_ns();
        if (now - polled > POLL_NS) {
            polled = now;
            if (budget->cancelled != NULL && budget->cancelled(budget->user))
                return kit_off_policy_fail(b, err, LATHE_E_CANCELLED, "", "update cancelled");
        }
        if (now >= end)
            return LATHE_AGAIN;
        if (slice(self) != LATHE_OK)
            return kit_off_policy_fail(
                b, err, LATHE_E_INTERNAL, "",
                "the loss is not finite; rewards or the learning rate may be too large");
    } while (b->left > 0);
    b->active = 0;
    return LATHE_OK;
}

#define N_COUNTERS 3u

int32_t kit_off_policy_save(const struct kit_off_policy *b, const struct lathe_writer *w)
{
    const uint64_t counters[N_COUNTERS] = {b->steps, b->n_updates, b->since_train};
    const uint64_t n = N_COUNTERS, rows = b->n_envs;
    char name[64];
    int32_t st;

    if (b->policy_only || b->left > 0 || b->rows_seen > 0)
        return LATHE_E_CONFLICT; /* only between steps */
    snprintf(name, sizeof name, "%s/counters", b->name);
    if ((st = w->put(w, name, LATHE_U64, 1, &n, counters)) != LATHE_OK)
        return st;
    snprintf(name, sizeof name, "%s/row_step", b->name);
    if ((st = w->put(w, name, LATHE_U64, 1, &rows, b->row_step)) != LATHE_OK)
        return st;
    return kit_replay_save(b->replay, w);
}

int32_t kit_off_policy_load(struct kit_off_policy *b, const struct lathe_reader *r)
{
    uint64_t counters[N_COUNTERS];
    const uint64_t n = N_COUNTERS, rows = b->n_envs;
    char name[64];
    int32_t st;

    snprintf(name, sizeof name, "%s/counters", b->name);
    if ((st = r->get(r, name, LATHE_U64, 1, &n, counters)) != LATHE_OK)
        return st;
    snprintf(name, sizeof name, "%s/row_step", b->name);
    if ((st = r->get(r, name, LATHE_U64, 1, &rows, b->row_step)) != LATHE_OK)
        return st;
    b->steps = counters[0];
    b->n_updates = counters[1];
    b->since_train = counters[2];
    b->rows_seen = 0;
    b->active = 0;
    b->left = 0;
    st = kit_replay_load(b->replay, r);
    if (st == LATHE_E_NOT_FOUND && b->host != NULL)
        b->host->log(b->host, LATHE_LOG_WARN,
                     "checkpoint without replay memory: the run goes on, but not exactly", NULL);
    return st == LATHE_E_NOT_FOUND ? LATHE_OK : st;
}
