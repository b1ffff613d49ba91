/* Checkpoints, the policy alone, and its description. Tensor names: policy/q.<layer>.<weight|bias>,
 * target/q..., adam_m/q..., adam_v/q..., dqn/..., replay/.... */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dqn.h"

#define N_COUNTERS 6u

struct tensor {
    char name[64];
    uint32_t layer, bias;
    uint64_t shape[2];
};

/* Tensor index i of the net; 0 when there is none. Weights and biases alternate. */
static int describe_tensor(const struct dqn *d, uint32_t i, const char *prefix, struct tensor *t)
{
    const uint32_t l = i / 2, h = d->cfg.n_hidden;

    if (l >= d->n_layers)
        return 0;
    t->layer = l;
    t->bias = i % 2;
    t->shape[0] = l < h    ? d->cfg.hidden[l]
                  : l == h ? d->heads.n_actions * d->heads.n_atoms
                           : d->heads.n_atoms;
    t->shape[1] = l == 0 ? d->dim : d->cfg.hidden[(l < h ? l : h) - 1];
    snprintf(t->name, sizeof t->name, "%s/q.%u.%s", prefix, l, t->bias ? "bias" : "weight");
    return 1;
}

/* Writes (w) or reads (r) the values `what` of a net. */
static int32_t move_net(struct dqn *d, struct lathe_net *net, uint32_t what, const char *prefix,
                        const struct lathe_writer *w, const struct lathe_reader *r)
{
    struct tensor t;
    uint32_t i;
    int32_t st = LATHE_OK;

    for (i = 0; st == LATHE_OK && describe_tensor(d, i, prefix, &t); i++) {
        const size_t n = (size_t)(t.bias ? t.shape[0] : t.shape[0] * t.shape[1]);
        float *buffer = malloc(n * sizeof *buffer);
        if (buffer == NULL)
            return LATHE_E_NOMEM;
        if (w != NULL) {
            st = d->engine->tensor_get(net, what, t.layer, t.bias, buffer);
            st =
                st != LATHE_OK ? st : w->put(w, t.name, LATHE_F32, t.bias ? 1 : 2, t.shape, buffer);
        } else {
            st = r->get(r, t.name, LATHE_F32, t.bias ? 1 : 2, t.shape, buffer);
            st = st != LATHE_OK ? st : d->engine->tensor_set(net, what, t.layer, t.bias, buffer);
        }
        free(buffer);
    }
    return st;
}

int32_t dqn_save_policy(void *self, const struct lathe_writer *w)
{
    struct dqn *d = self;

    return move_net(d, d->online, LATHE_TENSOR_PARAM, "policy", w, NULL);
}

int32_t dqn_load_policy(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    struct dqn *d = self;
    const int32_t st = move_net(d, d->online, LATHE_TENSOR_PARAM, "policy", NULL, r);

    if (st != LATHE_OK)
        return dqn_fail(err, st, "",
                        "the stored policy does not fit: network shape, or numbers that are not "
                        "finite");
    if (d->target != NULL)
        d->engine->polyak(d->target, d->online, 1.0);
    return LATHE_OK;
}

int32_t dqn_save(void *self, const struct lathe_writer *w)
{
    struct dqn *d = self;
    const uint64_t counters[N_COUNTERS] = {d->steps,       d->n_updates,  d->iterations,
                                           d->since_train, d->copies_due, d->upd.left};
    const uint64_t n_counters = N_COUNTERS, rows = d->n_envs;
    int32_t st;

    if (d->policy_only || d->upd.active || d->rows_seen > 0 ||
        (d->episodic && d->n_alive < d->n_envs))
        return LATHE_E_CONFLICT; /* only between steps, or iterations of EPISODIC runs */
    if ((st = dqn_save_policy(d, w)) != LATHE_OK ||
        (st = move_net(d, d->target, LATHE_TENSOR_PARAM, "target", w, NULL)) != LATHE_OK ||
        (st = move_net(d, d->online, LATHE_TENSOR_M, "adam_m", w, NULL)) != LATHE_OK ||
        (st = move_net(d, d->online, LATHE_TENSOR_V, "adam_v", w, NULL)) != LATHE_OK ||
        (st = w->put(w, "dqn/counters", LATHE_U64, 1, &n_counters, counters)) != LATHE_OK ||
        (st = w->put(w, "dqn/row_step", LATHE_U64, 1, &rows, d->row_step)) != LATHE_OK)
        return st;
    return kit_replay_save(d->replay, w);
}

static int32_t load_replay(struct dqn *d, const struct lathe_reader *r, struct lathe_error *err)
{
    const int32_t st = kit_replay_load(d->replay, r);
    uint64_t i;

    if (st == LATHE_E_NOT_FOUND) {
        d->upd.left = 0;
        if (d->host != NULL)
            d->host->log(d->host, LATHE_LOG_WARN,
                         "checkpoint without replay memory: the run goes on, but not exactly",
                         NULL);
        return LATHE_OK;
    }
    if (st != LATHE_OK)
        return dqn_fail(err, st, "buffer_size",
                        "the stored replay memory is damaged or was made with another size");
    for (i = 0; i < kit_replay_size(d->replay); i++) {
        int32_t a;
        memcpy(&a, kit_replay_act(d->replay, i), sizeof a);
        if (a < 0 || (uint32_t)a >= d->heads.n_actions)
            return dqn_fail(err, LATHE_E_CORRUPT, "", "the stored replay memory is damaged");
    }
    return LATHE_OK;
}

int32_t dqn_load(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    struct dqn *d = self;
    uint64_t counters[N_COUNTERS];
    const uint64_t n_counters = N_COUNTERS, rows = d->n_envs;
    int32_t st = dqn_load_policy(d, r, err);

    if (st != LATHE_OK || d->policy_only)
        return st;
    if ((st = move_net(d, d->target, LATHE_TENSOR_PARAM, "target", NULL, r)) != LATHE_OK ||
        (st = move_net(d, d->online, LATHE_TENSOR_M, "adam_m", NULL, r)) != LATHE_OK ||
        (st = move_net(d, d->online, LATHE_TENSOR_V, "adam_v", NULL, r)) != LATHE_OK ||
        (st = r->get(r, "dqn/counters", LATHE_U64, 1, &n_counters, counters)) != LATHE_OK ||
        (st = r->get(r, "dqn/row_step", LATHE_U64, 1, &rows, d->row_step)) != LATHE_OK)
        return dqn_fail(err, st, "",
                        "the checkpoint lacks learner state or was made with another number of "
                        "environments");
    d->steps = counters[0];
    d->n_updates = counters[1];
    d->iterations = counters[2];
    d->since_train = counters[3];
    d->copies_due = counters[4];
    memset(&d->upd, 0, sizeof d->upd);
    d->upd.left = counters[5];
    d->engine->step_set(d->online, d->n_updates);
    dqn_start_episodes(d);
    return load_replay(d, r, err);
}

/* Appends text; 0 when the buffer is full. */
static int append(char *json, uint64_t cap, size_t *at, const char *text)
{
    const size_t n = strlen(text);

    if (*at + n + 1 > cap)
        return 0;
    memcpy(json + *at, text, n + 1);
    *at += n;
    return 1;
}

int32_t dqn_describe(void *self, char *json, uint64_t cap_bytes)
{
    static const char *const names[] = {"identity", "tanh", "relu", "gelu"};
    const struct dqn *d = self;
    struct tensor t;
    char text[320];
    size_t at = 0;
    uint32_t i;

    snprintf(text, sizeof text,
             "{\"kind\":\"mlp\",\"distribution\":\"greedy\",\"inputs\":%u,\"outputs\":%u,"
             "\"atoms\":%u,\"dueling\":%s,\"reward_scale\":%.17g,\"layers\":[",
             d->dim, d->heads.n_actions, d->heads.n_atoms, d->heads.dueling ? "true" : "false",
             d->cfg.reward_scale);
    if (!append(json, cap_bytes, &at, text))
        return LATHE_E_LIMIT;
    for (i = 0; describe_tensor(d, i, "policy", &t); i += 2) {
        snprintf(text, sizeof text,
                 "%s{\"in\":%llu,\"out\":%llu,\"activation\":\"%s\",\"tensor\":\"policy/q.%u\"%s}",
                 i == 0 ? "" : ",", (unsigned long long)t.shape[1], (unsigned long long)t.shape[0],
                 t.layer >= d->cfg.n_hidden ? "identity" : names[d->cfg.activation], t.layer,
                 t.layer > d->cfg.n_hidden ? ",\"joined\":true" : "");
        if (!append(json, cap_bytes, &at, text))
            return LATHE_E_LIMIT;
    }
    return append(json, cap_bytes, &at, "]}") ? LATHE_OK : LATHE_E_LIMIT;
}
