/* Checkpoints, the policy alone, and its description. Tensors: policy/actor.<layer> (hidden layers,
 * mean, log deviation), policy/log_std with state-dependent noise, value/q<i>, target/q<i>,
 * adam_m/..., adam_v/..., sac/.... */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sac.h"

struct entry {
    const struct kit_mlp *m;
    struct kit_mlp_names names;
};

#define MAX_ENTRIES 24u

static void add(struct entry *list, uint32_t *n, const struct kit_mlp *m, const char *prefix,
                const char *name, uint32_t first, uint32_t what)
{
    const struct entry e = {m, {prefix, name, first, what}};

    list[(*n)++] = e;
}

static void add_actor(const struct sac *s, struct entry *list, uint32_t *n, const char *prefix,
                      uint32_t what)
{
    add(list, n, &s->nets.trunk, prefix, "actor", 0, what);
    add(list, n, &s->nets.head, prefix, "actor", s->nets.trunk.n_layers, what);
    add(list, n, &s->nets.log_std, prefix, "log_std", 0, what);
}

/* Everything beyond the policy. */
static uint32_t entries(const struct sac *s, struct entry *list)
{
    static const char *const prefix[] = {"adam_m", "adam_v"};
    static const char *const q[] = {"q0", "q1"};
    const struct sac_nets *nets = &s->nets;
    uint32_t n = 0, i, k;

    for (i = 0; i < 2; i++) {
        add(list, &n, &nets->q[i], "value", q[i], 0, LATHE_TENSOR_PARAM);
        add(list, &n, &nets->target[i], "target", q[i], 0, LATHE_TENSOR_PARAM);
    }
    add(list, &n, &nets->log_alpha, "value", "log_ent_coef", 0, LATHE_TENSOR_PARAM);
    for (k = 0; k < 2; k++) {
        const uint32_t what = k == 0 ? LATHE_TENSOR_M : LATHE_TENSOR_V;
        add_actor(s, list, &n, prefix[k], what);
        for (i = 0; i < 2; i++)
            add(list, &n, &nets->q[i], prefix[k], q[i], 0, what);
        add(list, &n, &nets->log_alpha, prefix[k], "log_ent_coef", 0, what);
    }
    return n;
}

static int32_t move(const struct entry *list, uint32_t n, const struct lathe_writer *w,
                    const struct lathe_reader *r)
{
    int32_t st = LATHE_OK;
    uint32_t i;

    for (i = 0; i < n && st == LATHE_OK; i++)
        st = w != NULL ? kit_mlp_save(list[i].m, &list[i].names, w)
                       : kit_mlp_load(list[i].m, &list[i].names, r);
    return st;
}

int32_t sac_save_policy(void *self, const struct lathe_writer *w)
{
    struct entry list[MAX_ENTRIES];
    uint32_t n = 0;

    add_actor(self, list, &n, "policy", LATHE_TENSOR_PARAM);
    return move(list, n, w, NULL);
}

int32_t sac_load_policy(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    struct sac *s = self;
    struct entry list[MAX_ENTRIES];
    uint32_t n = 0;
    int32_t st;

    add_actor(s, list, &n, "policy", LATHE_TENSOR_PARAM);
    st = move(list, n, NULL, r);
    return st == LATHE_OK ? st
                          : kit_off_policy_fail(&s->base, err, st, "",
                                                "the stored policy does not fit: network shape, "
                                                "or numbers that are not finite");
}

#define N_STEPS 3u

/* Optimizer steps of actor, critics, entropy coefficient. */
static void steps_get(const struct sac *s, uint64_t steps[N_STEPS])
{
    const struct lathe_engine *e = s->base.engine;

    steps[0] = e->step_get(s->nets.trunk.net);
    steps[1] = e->step_get(s->nets.q[0].net);
    steps[2] = s->cfg.auto_alpha ? e->step_get(s->nets.log_alpha.net) : 0;
}

static void steps_set(struct sac *s, const uint64_t steps[N_STEPS])
{
    const struct lathe_engine *e = s->base.engine;
    const struct sac_nets *n = &s->nets;

    e->step_set(n->trunk.net, steps[0]);
    e->step_set(n->head.net, steps[0]);
    if (s->cfg.sde)
        e->step_set(n->log_std.net, steps[0]);
    e->step_set(n->q[0].net, steps[1]);
    e->step_set(n->q[1].net, steps[1]);
    if (s->cfg.auto_alpha)
        e->step_set(n->log_alpha.net, steps[2]);
}

int32_t sac_save(void *self, const struct lathe_writer *w)
{
    struct sac *s = self;
    const uint64_t shape[3] = {s->base.n_envs, s->base.n_act, s->nets.features};
    const uint64_t n_steps = N_STEPS;
    uint64_t steps[N_STEPS];
    struct entry list[MAX_ENTRIES];
    int32_t st = kit_off_policy_save(&s->base, w);

    if (st != LATHE_OK || (st = sac_save_policy(s, w)) != LATHE_OK ||
        (st = move(list, entries(s, list), w, NULL)) != LATHE_OK)
        return st;
    steps_get(s, steps);
    if ((st = w->put(w, "sac/optimizer_steps", LATHE_U64, 1, &n_steps, steps)) != LATHE_OK)
        return st;
    return s->cfg.sde ? w->put(w, "sac/noise_matrices", LATHE_F32, 3, shape, s->row_theta) : st;
}

int32_t sac_load(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    struct sac *s = self;
    const uint64_t shape[3] = {s->base.n_envs, s->base.n_act, s->nets.features};
    const uint64_t n_steps = N_STEPS;
    uint64_t steps[N_STEPS];
    struct entry list[MAX_ENTRIES];
    int32_t st = sac_load_policy(s, r, err);

    if (st != LATHE_OK || s->base.policy_only)
        return st;
    st = move(list, entries(s, list), NULL, r);
    if (st == LATHE_OK)
        st = r->get(r, "sac/optimizer_steps", LATHE_U64, 1, &n_steps, steps);
    if (st == LATHE_OK && s->cfg.sde)
        st = r->get(r, "sac/noise_matrices", LATHE_F32, 3, shape, s->row_theta);
    if (st == LATHE_OK)
        st = kit_off_policy_load(&s->base, r);
    if (st != LATHE_OK)
        return kit_off_policy_fail(&s->base, err, st, "",
                                   "the checkpoint lacks learner state, or was made with another "
                                   "number of environments or size of replay memory");
    steps_set(s, steps);
    memset(&s->upd, 0, sizeof s->upd);
    return LATHE_OK;
}

int32_t sac_describe(void *self, char *json, uint64_t cap_bytes)
{
    const struct sac *s = self;
    const struct kit_box *box = &s->base.box;
    const struct kit_mlp_names trunk = {"policy", "actor", 0, LATHE_TENSOR_PARAM};
    const struct kit_mlp_names head = {"policy", "actor", s->nets.trunk.n_layers,
                                       LATHE_TENSOR_PARAM};
    struct kit_text t = {json, cap_bytes, 0, 0};
    uint32_t i;

    kit_text_add(&t,
                 "{\"kind\":\"mlp\",\"distribution\":\"squashed_gaussian\",\"inputs\":%u,"
                 "\"outputs\":%u,\"squash\":\"tanh\",\"mean_limit\":%s,\"layers\":[",
                 s->base.dim, s->base.n_act, s->cfg.sde ? "2" : "null");
    kit_mlp_describe(&s->nets.trunk, s->nets.trunk.n_layers, &trunk, 0, &t);
    kit_mlp_describe(&s->nets.head, 1, &head, 1, &t);
    kit_text_add(&t, "],\"bounds\":[");
    for (i = 0; i < box->n; i++)
        kit_text_add(&t, "%s[%.17g,%.17g]", i > 0 ? "," : "", kit_box_low(box, i),
                     kit_box_high(box, i));
    kit_text_add(&t, "]}");
    return t.full ? LATHE_E_LIMIT : LATHE_OK;
}
