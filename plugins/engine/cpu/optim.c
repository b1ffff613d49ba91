/* Optimizer steps: global norm clip over several nets, then one fused pass per net. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "cpu.h"

#define OPTIM_MAX_NETS 16u

struct optim_job {
    struct lathe_net *const *nets;
    const struct lathe_optim *optim;
    double squares[OPTIM_MAX_NETS];
    float clip;
};

static void norm_one(void *user, uint32_t i)
{
    struct optim_job *job = user;
    const struct lathe_net *net = job->nets[i];

    job->squares[i] = net->kernels->sum_squares(net->g, net->n_params);
}

static void start_rmsprop(struct lathe_net *net)
{
    size_t i;

    for (i = 0; i < net->n_params; i++)
        net->v[i] = 1.0f;
}

static void step_one(void *user, uint32_t i)
{
    struct optim_job *job = user;
    const struct lathe_optim *o = job->optim;
    struct lathe_net *net = job->nets[i];
    struct adam_scalars s = {.clip = job->clip, .eps = (float)o->eps, .step = (float)o->lr};

    s.beta1 = (float)o->beta1;
    s.beta2 = (float)o->beta2;
    if (o->rule == LATHE_OPTIM_RMSPROP && net->step == 0)
        start_rmsprop(net);
    net->step++;
    net->wt_stale = 1;
    switch (o->rule) {
    case LATHE_OPTIM_ADAM:
        s.step = (float)(o->lr / (1.0 - pow(o->beta1, (double)net->step)));
        s.root = (float)(1.0 / sqrt(1.0 - pow(o->beta2, (double)net->step)));
        net->kernels->adam(&s, net->p, net->g, net->m, net->v, net->n_params);
        break;
    case LATHE_OPTIM_RMSPROP:
        net->kernels->rmsprop(&s, net->p, net->g, net->v, net->n_params);
        break;
    default:
        net->kernels->axpy((float)(-o->lr) * s.clip, net->p, net->g, net->n_params);
        break;
    }
}

double cpu_optim(struct lathe_engine_self *self, struct lathe_net *const *nets, uint32_t n,
                 const struct lathe_optim *optim)
{
    struct optim_job job = {.nets = nets, .optim = optim, .clip = 1.0f};
    double norm = 0;
    uint32_t i;

    n = n > OPTIM_MAX_NETS ? OPTIM_MAX_NETS : n;
    for (i = 0; i < n; i++) { /* short: not worth a second core */
        norm_one(&job, i);
        norm += job.squares[i];
    }
    norm = sqrt(norm);
    if (!isfinite(norm))
        return norm;
    if (optim->max_norm > 0 && optim->max_norm / (norm + 1e-6) < 1.0)
        job.clip = (float)(optim->max_norm / (norm + 1e-6));
    if (self->group != NULL && n > 1)
        group_run(self->group, step_one, &job, n);
    else
        for (i = 0; i < n; i++)
            step_one(&job, i);
    return norm;
}

void cpu_polyak(struct lathe_net *dst, const struct lathe_net *src, double tau)
{
    if (tau >= 1.0)
        memcpy(dst->p, src->p, dst->n_params * sizeof *dst->p);
    else
        dst->kernels->blend((float)tau, dst->p, src->p, dst->n_params);
    dst->wt_stale = 1;
}
