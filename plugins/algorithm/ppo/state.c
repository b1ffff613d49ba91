/* Checkpoints, the policy alone, and its description. Tensor names:
 * policy/<net>.<layer>.<weight|bias>, adam_m/..., adam_v/..., ppo/.... */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ppo.h"

struct tensor {
    char name[64];
    uint32_t layer, bias, ndim;
    uint64_t shape[2];
};

/* Tensor index i of a net; 0 when there is none. Weights and biases alternate. */
static int describe_tensor(const struct ppo *p, const char *net, uint32_t i, const char *prefix,
                           struct tensor *t)
{
    const int actor = strcmp(net, "actor") == 0, critic = strcmp(net, "critic") == 0;
    const uint32_t layers = actor ? p->n_layers_a : critic ? p->n_layers_c : 1u;
    const uint32_t l = i / 2, h = p->cfg.n_hidden;
    uint32_t out;

    if (l >= layers)
        return 0;
    out = l < h ? p->cfg.hidden[l] : actor && l == h ? p->n_out : 1u;
    if (!actor && !critic)
        out = p->n_out;
    t->layer = l;
    t->bias = i % 2;
    t->ndim = t->bias ? 1 : 2;
    t->shape[0] = out;
    t->shape[1] = l == 0 ? p->dim : p->cfg.hidden[(l < h ? l : h) - 1];
    snprintf(t->name, sizeof t->name, "%s/%s.%u.%s", prefix, net, l, t->bias ? "bias" : "weight");
    if (!actor && !critic) {
        snprintf(t->name, sizeof t->name, "%s/log_std", prefix);
        if (p->trunk != NULL) {
            t->ndim = 2;
            t->shape[0] = p->n_feat;
            t->shape[1] = p->n_out;
        }
    }
    return 1;
}

static size_t count(const struct tensor *t)
{
    return (size_t)(t->ndim == 1 ? t->shape[0] : t->shape[0] * t->shape[1]);
}

/* Writes (w) or reads (r) the values `what` of one net. */
static int32_t move_net(struct ppo *p, struct lathe_net *net, const char *name, uint32_t what,
                        const char *prefix, const struct lathe_writer *w,
                        const struct lathe_reader *r)
{
    struct tensor t;
    uint32_t i;
    int32_t st = LATHE_OK;

    for (i = net == p->log_std ? 1 : 0; net != NULL && describe_tensor(p, name, i, prefix, &t);
         i++) {
        float *buffer = malloc((count(&t) + 1) * sizeof *buffer);
        /* with gSDE the actor's hidden layers are another net */
        const int split = net == p->actor && p->trunk != NULL;
        struct lathe_net *from = split && t.layer < p->cfg.n_hidden ? p->trunk : net;
        const uint32_t layer = t.layer - (split && from == net ? p->cfg.n_hidden : 0);
        if (buffer == NULL)
            return LATHE_E_NOMEM;
        if (w != NULL) {
            st = p->engine->tensor_get(from, what, layer, t.bias, buffer);
            st = st != LATHE_OK ? st : w->put(w, t.name, LATHE_F32, t.ndim, t.shape, buffer);
        } else {
            st = r->get(r, t.name, LATHE_F32, t.ndim, t.shape, buffer);
            st = st != LATHE_OK ? st : p->engine->tensor_set(from, what, layer, t.bias, buffer);
        }
        free(buffer);
        if (st != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

static int32_t move_all(struct ppo *p, uint32_t what, const char *prefix,
                        const struct lathe_writer *w, const struct lathe_reader *r)
{
    int32_t st = move_net(p, p->actor, "actor", what, prefix, w, r);

    if (st == LATHE_OK)
        st = move_net(p, p->critic, "critic", what, prefix, w, r);
    if (st == LATHE_OK)
        st = move_net(p, p->log_std, "log_std", what, prefix, w, r);
    return st;
}

int32_t ppo_save_policy(void *self, const struct lathe_writer *w)
{
    return move_all(self, LATHE_TENSOR_PARAM, "policy", w, NULL);
}

int32_t ppo_load_policy(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    const int32_t st = move_all(self, LATHE_TENSOR_PARAM, "policy", NULL, r);

    return st == LATHE_OK ? st
                          : ppo_fail(err, st, "",
                                     "the stored policy does not fit: network shape, "
                                     "or numbers that are not finite");
}

#define N_COUNTERS 4u

int32_t ppo_save(void *self, const struct lathe_writer *w)
{
    struct ppo *p = self;
    const uint64_t counters[N_COUNTERS] = {p->steps, p->iterations, p->n_updates,
                                           p->engine->step_get(p->actor)};
    const uint64_t n_counters = N_COUNTERS, rows = p->n_envs;
    int32_t st;

    if (p->policy_only || p->upd.active || p->roll.n > 0 || p->roll.rows_seen > 0)
        return LATHE_E_CONFLICT; /* only between iterations */
    if ((st = ppo_save_policy(p, w)) != LATHE_OK ||
        (st = move_all(p, LATHE_TENSOR_M, "adam_m", w, NULL)) != LATHE_OK ||
        (st = move_all(p, LATHE_TENSOR_V, "adam_v", w, NULL)) != LATHE_OK ||
        (st = w->put(w, "ppo/counters", LATHE_U64, 1, &n_counters, counters)) != LATHE_OK)
        return st;
    return w->put(w, "ppo/row_step", LATHE_U64, 1, &rows, p->roll.row_step);
}

int32_t ppo_load(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    struct ppo *p = self;
    uint64_t counters[N_COUNTERS];
    const uint64_t n_counters = N_COUNTERS, rows = p->n_envs;
    int32_t st = ppo_load_policy(p, r, err);

    if (st != LATHE_OK || p->policy_only)
        return st;
    if ((st = move_all(p, LATHE_TENSOR_M, "adam_m", NULL, r)) != LATHE_OK ||
        (st = move_all(p, LATHE_TENSOR_V, "adam_v", NULL, r)) != LATHE_OK ||
        (st = r->get(r, "ppo/counters", LATHE_U64, 1, &n_counters, counters)) != LATHE_OK ||
        (st = r->get(r, "ppo/row_step", LATHE_U64, 1, &rows, p->roll.row_step)) != LATHE_OK)
        return ppo_fail(err, st, "",
                        "the checkpoint lacks learner state or was made with another "
                        "number of environments");
    p->steps = counters[0];
    p->iterations = counters[1];
    p->n_updates = counters[2];
    p->engine->step_set(p->actor, counters[3]);
    if (p->trunk != NULL)
        p->engine->step_set(p->trunk, counters[3]);
    if (p->critic != NULL)
        p->engine->step_set(p->critic, counters[3]);
    if (p->log_std != NULL)
        p->engine->step_set(p->log_std, counters[3]);
    p->upd.active = 0;
    ppo_rollout_reset(p);
    return LATHE_OK;
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

static int append_layers(const struct ppo *p, const char *net, char *json, uint64_t cap, size_t *at)
{
    static const char *const names[] = {"identity", "tanh", "relu", "gelu"};
    struct tensor t;
    uint32_t i;

    for (i = 0; describe_tensor(p, net, i, "policy", &t); i += 2) {
        char text[192];
        const int head = t.layer >= p->cfg.n_hidden;
        snprintf(text, sizeof text,
                 "%s{\"in\":%llu,\"out\":%llu,\"activation\":\"%s\",\"tensor\":\"policy/%s.%u\"%s}",
                 i == 0 ? "" : ",", (unsigned long long)t.shape[1], (unsigned long long)t.shape[0],
                 head ? "identity" : names[p->cfg.activation], net, t.layer,
                 t.layer > p->cfg.n_hidden ? ",\"joined\":true" : "");
        if (!append(json, cap, at, text))
            return 0;
    }
    return 1;
}

int32_t ppo_describe(void *self, char *json, uint64_t cap_bytes)
{
    const struct ppo *p = self;
    char text[256];
    size_t at = 0;
    int ok;

    snprintf(text, sizeof text,
             "{\"kind\":\"mlp\",\"distribution\":\"%s\",\"inputs\":%u,\"outputs\":%u,"
             "\"parts\":%u,\"state_dependent_noise\":%s,"
             "\"shared_trunk\":%s,\"reward_scale\":%.17g,\"layers\":[",
             p->discrete ? "categorical" : "gaussian", p->dim, p->n_out, p->n_parts,
             p->trunk != NULL ? "true" : "false", p->cfg.shared ? "true" : "false",
             p->cfg.reward_scale);
    ok = append(json, cap_bytes, &at, text) && append_layers(p, "actor", json, cap_bytes, &at) &&
         append(json, cap_bytes, &at, "]");
    if (ok && p->critic != NULL)
        ok = append(json, cap_bytes, &at, ",\"value_layers\":[") &&
             append_layers(p, "critic", json, cap_bytes, &at) && append(json, cap_bytes, &at, "]");
    return ok && append(json, cap_bytes, &at, "}") ? LATHE_OK : LATHE_E_LIMIT;
}
