/* Checkpoints, the policy alone, and its description. Tensors: policy/actor.<layer>, value/q<i>,
 * target/actor, target/q<i>, adam_m/..., adam_v/..., <name>/.... */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "td3.h"

static int32_t move(const struct kit_mlp *m, const struct kit_mlp_names *names,
                    const struct lathe_writer *w, const struct lathe_reader *r)
{
    return w != NULL ? kit_mlp_save(m, names, w) : kit_mlp_load(m, names, r);
}

/* Everything beyond the policy's weights. */
static int32_t move_all(const struct td3 *t, const struct lathe_writer *w,
                        const struct lathe_reader *r)
{
    static const char *const q[] = {"q0", "q1"};
    const struct td3_nets *n = &t->nets;
    int32_t st = LATHE_OK;
    uint32_t i, k;

    for (k = 0; k < 4 && st == LATHE_OK; k++) {
        static const char *const prefix[] = {"value", "target", "adam_m", "adam_v"};
        static const uint32_t what[] = {LATHE_TENSOR_PARAM, LATHE_TENSOR_PARAM, LATHE_TENSOR_M,
                                        LATHE_TENSOR_V};
        struct kit_mlp_names names = {prefix[k], "actor", 0, what[k]};
        if (k > 0) /* the actor's weights are the policy */
            st = move(k == 1 ? &n->actor_target : &n->actor, &names, w, r);
        for (i = 0; i < t->cfg.n_critics && st == LATHE_OK; i++) {
            names.name = q[i];
            st = move(k == 1 ? &n->q_target[i] : &n->q[i], &names, w, r);
        }
    }
    return st;
}

static const struct kit_mlp_names policy_names = {"policy", "actor", 0, LATHE_TENSOR_PARAM};

int32_t td3_save_policy(void *self, const struct lathe_writer *w)
{
    return kit_mlp_save(&((struct td3 *)self)->nets.actor, &policy_names, w);
}

int32_t td3_load_policy(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    struct td3 *t = self;
    const int32_t st = kit_mlp_load(&t->nets.actor, &policy_names, r);

    return st == LATHE_OK ? st
                          : kit_off_policy_fail(&t->base, err, st, "",
                                                "the stored policy does not fit: network shape, "
                                                "or numbers that are not finite");
}

#define N_STEPS 2u

int32_t td3_save(void *self, const struct lathe_writer *w)
{
    struct td3 *t = self;
    const struct kit_off_policy *b = &t->base;
    const uint64_t shape[2] = {b->n_envs, b->n_act}, n_steps = N_STEPS;
    const uint64_t steps[N_STEPS] = {b->engine->step_get(t->nets.actor.net),
                                     b->policy_only ? 0 : b->engine->step_get(t->nets.q[0].net)};
    char name[64];
    int32_t st = kit_off_policy_save(b, w);

    if (st != LATHE_OK || (st = td3_save_policy(t, w)) != LATHE_OK ||
        (st = move_all(t, w, NULL)) != LATHE_OK)
        return st;
    snprintf(name, sizeof name, "%s/optimizer_steps", b->name);
    if ((st = w->put(w, name, LATHE_U64, 1, &n_steps, steps)) != LATHE_OK)
        return st;
    snprintf(name, sizeof name, "%s/noise", b->name);
    return w->put(w, name, LATHE_F32, 2, shape, t->ou);
}

int32_t td3_load(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    struct td3 *t = self;
    struct kit_off_policy *b = &t->base;
    const uint64_t shape[2] = {b->n_envs, b->n_act}, n_steps = N_STEPS;
    uint64_t steps[N_STEPS];
    char name[64];
    uint32_t i;
    int32_t st = td3_load_policy(t, r, err);

    if (st != LATHE_OK || b->policy_only)
        return st;
    st = move_all(t, NULL, r);
    snprintf(name, sizeof name, "%s/optimizer_steps", b->name);
    if (st == LATHE_OK)
        st = r->get(r, name, LATHE_U64, 1, &n_steps, steps);
    snprintf(name, sizeof name, "%s/noise", b->name);
    if (st == LATHE_OK)
        st = r->get(r, name, LATHE_F32, 2, shape, t->ou);
    if (st == LATHE_OK)
        st = kit_off_policy_load(b, r);
    if (st != LATHE_OK)
        return kit_off_policy_fail(b, err, st, "",
                                   "the checkpoint lacks learner state, or was made with another "
                                   "number of environments or size of replay memory");
    b->engine->step_set(t->nets.actor.net, steps[0]);
    for (i = 0; i < t->cfg.n_critics; i++)
        b->engine->step_set(t->nets.q[i].net, steps[1]);
    memset(&t->upd, 0, sizeof t->upd);
    return LATHE_OK;
}

int32_t td3_describe(void *self, char *json, uint64_t cap_bytes)
{
    const struct td3 *t = self;
    const struct kit_box *box = &t->base.box;
    struct kit_text text = {json, cap_bytes, 0, 0};
    uint32_t i;

    kit_text_add(&text,
                 "{\"kind\":\"mlp\",\"distribution\":\"deterministic\",\"inputs\":%u,"
                 "\"outputs\":%u,\"layers\":[",
                 t->base.dim, t->base.n_act);
    kit_mlp_describe(&t->nets.actor, t->nets.actor.n_layers, &policy_names, 0, &text);
    kit_text_add(&text, "],\"bounds\":[");
    for (i = 0; i < box->n; i++)
        kit_text_add(&text, "%s[%.17g,%.17g]", i > 0 ? "," : "", kit_box_low(box, i),
                     kit_box_high(box, i));
    kit_text_add(&text, "]}");
    return text.full ? LATHE_E_LIMIT : LATHE_OK;
}
