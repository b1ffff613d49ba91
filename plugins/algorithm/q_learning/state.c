/* Checkpoints and the table as a policy. Tensors: policy/q [states][actions], policy/q2 (double Q),
 * policy/keys [states][key_dims] of hashed tables; q_learning/... for the rest. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "q_learning.h"

#define N_COUNTERS 2u

int32_t q_save_policy(void *self, const struct lathe_writer *w)
{
    const struct q_self *q = self;
    const struct table *t = &q->table;
    const uint64_t shape[2] = {t->n, t->n_actions}, keys[2] = {t->n, t->key_dims};
    int32_t st = w->put(w, "policy/q", LATHE_F64, 2, shape, t->q[0]);

    if (st == LATHE_OK && t->n_tables == 2)
        st = w->put(w, "policy/q2", LATHE_F64, 2, shape, t->q[1]);
    if (st == LATHE_OK && !t->dense)
        st = w->put(w, "policy/keys", LATHE_F32, 2, keys, t->keys);
    return st;
}

static int all_finite(const double *v, uint64_t n)
{
    uint64_t i;

    for (i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return 0;
    return 1;
}

static int32_t read_table(struct q_self *q, const struct lathe_reader *r)
{
    struct table *t = &q->table;
    uint64_t shape[8], want[2], keys[2];
    uint32_t dtype, k;
    int32_t st = r->shape(r, "policy/q", &dtype, shape);

    if (st < 0)
        return st;
    if (st != 2 || shape[1] != t->n_actions || shape[0] > t->max_states ||
        (t->dense && shape[0] != t->n))
        return LATHE_E_CORRUPT;
    if (!t->dense && (st = table_reserve(t, (uint32_t)shape[0])) != LATHE_OK)
        return st;
    want[0] = keys[0] = shape[0];
    want[1] = t->n_actions;
    keys[1] = t->key_dims;
    for (k = 0; k < t->n_tables; k++) {
        st = r->get(r, k == 0 ? "policy/q" : "policy/q2", LATHE_F64, 2, want, t->q[k]);
        if (st != LATHE_OK)
            return st;
        if (!all_finite(t->q[k], want[0] * want[1]))
            return LATHE_E_CORRUPT;
    }
    if (!t->dense && (st = r->get(r, "policy/keys", LATHE_F32, 2, keys, t->keys)) != LATHE_OK)
        return st;
    table_index(t, (uint32_t)shape[0]);
    return LATHE_OK;
}

int32_t q_load_policy(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    const int32_t st = read_table(self, r);

    return st == LATHE_OK ? st
                          : q_fail(err, st, "", "the stored table does not fit this environment");
}

int32_t q_save(void *self, const struct lathe_writer *w)
{
    const struct q_self *q = self;
    const uint64_t counters[N_COUNTERS] = {q->steps, q->iterations}, n = N_COUNTERS;
    const uint64_t rows = q->n_envs;
    int32_t st;

    if (q->policy_only || (q->episodic && q->n_alive != q->n_envs))
        return LATHE_E_CONFLICT;
    if ((st = q_save_policy(self, w)) != LATHE_OK ||
        (st = w->put(w, "q_learning/counters", LATHE_U64, 1, &n, counters)) != LATHE_OK ||
        (st = w->put(w, "q_learning/row_step", LATHE_U64, 1, &rows, q->row_step)) != LATHE_OK)
        return st;
    return w->put(w, "q_learning/next_act", LATHE_I32, 1, &rows, q->next_act);
}

int32_t q_load(void *self, const struct lathe_reader *r, struct lathe_error *err)
{
    struct q_self *q = self;
    uint64_t counters[N_COUNTERS];
    const uint64_t n = N_COUNTERS, rows = q->n_envs;
    uint32_t i;
    int32_t st = q_load_policy(self, r, err);

    if (st != LATHE_OK || q->policy_only)
        return st;
    if ((st = r->get(r, "q_learning/counters", LATHE_U64, 1, &n, counters)) != LATHE_OK ||
        (st = r->get(r, "q_learning/row_step", LATHE_U64, 1, &rows, q->row_step)) != LATHE_OK ||
        (st = r->get(r, "q_learning/next_act", LATHE_I32, 1, &rows, q->next_act)) != LATHE_OK)
        return q_fail(err, st, "", "the checkpoint was made with another number of environments");
    for (i = 0; i < q->n_envs; i++)
        if (q->next_act[i] >= (int32_t)q->n_actions)
            return q_fail(err, LATHE_E_CORRUPT, "", "the checkpoint holds an impossible action");
    q->steps = counters[0];
    q->iterations = counters[1];
    q_start_episodes(q);
    return LATHE_OK;
}

int32_t q_describe(void *self, char *json, uint64_t cap_bytes)
{
    const struct q_self *q = self;
    const int n = snprintf(json, cap_bytes,
                           "{\"kind\":\"table\",\"keys\":\"%s\",\"states\":%u,\"actions\":%u,"
                           "\"key_dims\":%u,\"bin_width\":%.17g,\"q_init\":%.17g,\"tables\":%u}",
                           q->table.dense ? "index" : "observation", q->table.n, q->n_actions,
                           q->table.dense ? 0u : q->table.key_dims, q->table.bin_width,
                           q->table.q_init, q->table.n_tables);

    return n >= 0 && (uint64_t)n < cap_bytes ? LATHE_OK : LATHE_E_LIMIT;
}
