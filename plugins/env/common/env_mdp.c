/* Table-driven finite environments: reset, step, model, mask. The tables come from the plugin. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/env_mdp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct env_mdp_cell *cell_of(const struct env_mdp *m, uint32_t state, uint32_t action)
{
    return &m->cells[(size_t)state * m->n_actions + action];
}

static uint32_t model_transitions(void *batch, uint32_t state, uint32_t action,
                                  struct lathe_outcome *out, uint32_t cap)
{
    const struct env_mdp *m = batch;
    const struct env_mdp_cell *c;

    if (state >= m->n_states || action >= m->n_actions)
        return 0;
    c = cell_of(m, state, action);
    if (c->n <= cap)
        memcpy(out, c->out, c->n * sizeof *out);
    return c->n;
}

static uint32_t model_start(void *batch, struct lathe_outcome *out, uint32_t cap)
{
    const struct env_mdp *m = batch;
    uint32_t n = 0, k = 0;

    for (uint32_t s = 0; s < m->n_states; s++)
        n += m->start[s] > 0;
    for (uint32_t s = 0; n <= cap && s < m->n_states; s++)
        if (m->start[s] > 0)
            out[k++] = (struct lathe_outcome){m->start[s], 0.0, s, 0};
    return n;
}

int32_t env_mdp_init(struct env_mdp *m, const struct lathe_env_args *args, uint32_t n_states,
                     uint32_t n_actions, uint32_t n_extra, struct lathe_error *err)
{
    int32_t st = env_base_init(&m->base, args->n_envs, 0, 2 + n_extra, err);

    if (st != LATHE_OK)
        return st;
    m->base.n_states = m->n_states = n_states;
    m->n_actions = n_actions;
    m->cells = env_alloc((size_t)n_states * n_actions, sizeof *m->cells);
    m->start = env_alloc(n_states, sizeof *m->start);
    if (m->cells == NULL || m->start == NULL) {
        env_mdp_fini(m);
        return env_fail(err, LATHE_E_NOMEM, "", "no memory for a model of %u states", n_states);
    }
    m->obs = env_discrete(n_states, 0);
    m->act = env_discrete(n_actions, 0);
    m->base.spec.flags = LATHE_ENV_FINITE;
    m->base.spec.obs_stride = m->base.spec.act_stride = 4;
    m->base.spec.obs = &m->obs;
    m->base.spec.act = &m->act;
    m->model = (struct lathe_env_model){sizeof m->model,   n_states,   n_actions, 0,
                                        model_transitions, model_start};
    m->mask = (struct lathe_env_mask){sizeof m->mask, n_actions};
    return LATHE_OK;
}

void env_mdp_fini(struct env_mdp *m)
{
    free(m->cells);
    free(m->start);
    free(m->allowed);
    env_base_fini(&m->base);
}

void env_mdp_add(struct env_mdp *m, uint32_t state, uint32_t action, struct lathe_outcome outcome)
{
    struct env_mdp_cell *c = &m->cells[(size_t)state * m->n_actions + action];

    assert(c->n < ENV_MDP_MAX_OUTCOMES && outcome.next_state < m->n_states);
    c->out[c->n++] = outcome;
}

const struct lathe_env_spec *env_mdp_spec(void *batch)
{
    return &((struct env_mdp *)batch)->base.spec;
}

static void observe(const struct env_mdp *m, uint32_t i, const struct lathe_env_io *io)
{
    const int32_t s = m->base.i32[0][i];

    ((int32_t *)io->obs)[i] = s;
    if (io->mask != NULL && m->allowed != NULL)
        memcpy(io->mask + (size_t)i * m->n_actions, m->allowed + (size_t)s * m->n_actions,
               m->n_actions);
}

static void start_row(void *batch, uint32_t i, const struct lathe_env_io *io)
{
    struct env_mdp *m = batch;

    m->base.i32[0][i] = (int32_t)lathe_pcg64_categorical(&m->base.rng[i], m->start, m->n_states);
    m->base.i32[1][i] = -1;
    if (m->hooks.started != NULL)
        m->hooks.started(m, i);
    observe(m, i, io);
}

int32_t env_mdp_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                      const struct lathe_env_io *io)
{
    return env_reset_rows(batch, first, count, rows, io, start_row);
}

/* categorical() over the outcomes of one cell */
static const struct lathe_outcome *draw(const struct env_mdp_cell *c, struct lathe_pcg64 *rng)
{
    const double u = lathe_pcg64_double(rng);
    double sum = 0.0;

    for (uint32_t k = 0; k < c->n; k++) {
        sum += c->out[k].probability;
        if (sum > u)
            return &c->out[k];
    }
    return &c->out[0];
}

int32_t env_mdp_step(void *batch, uint32_t first, uint32_t count, const struct lathe_env_io *io)
{
    struct env_mdp *m = batch;
    const int32_t *act = io->act;
    int32_t *state = m->base.i32[0], *last = m->base.i32[1];
    int32_t st = LATHE_OK;

    for (uint32_t i = first; i < first + count; i++) {
        const struct lathe_outcome *o;
        int32_t next;
        if (act[i] < 0 || (uint32_t)act[i] >= m->n_actions || (uint32_t)state[i] >= m->n_states) {
            st = LATHE_E_INVALID;
            continue;
        }
        o = draw(cell_of(m, (uint32_t)state[i], (uint32_t)act[i]), &m->base.rng[i]);
        next = (int32_t)o->next_state;
        if (m->hooks.moved != NULL)
            next = m->hooks.moved(m, i, state[i], next);
        state[i] = next;
        last[i] = act[i];
        io->reward[i] = (float)o->reward;
        io->terminated[i] = (uint8_t)o->terminated;
        io->truncated[i] = 0;
        observe(m, i, io);
    }
    return st;
}

const void *env_mdp_extension(void *batch, const char *id)
{
    struct env_mdp *m = batch;

    if (strcmp(id, LATHE_ENV_SNAPSHOT) == 0)
        return &m->base.snapshot;
    if (strcmp(id, LATHE_ENV_MODEL) == 0 && m->model.n_states != 0)
        return &m->model;
    if (strcmp(id, LATHE_ENV_MASK) == 0 && m->allowed != NULL)
        return &m->mask;
    if (strcmp(id, LATHE_ENV_DESCRIBE) == 0 && m->describe.struct_size != 0)
        return &m->describe;
    if (strcmp(id, LATHE_ENV_RENDER) == 0 && m->render.struct_size != 0)
        return &m->render;
    return NULL;
}
