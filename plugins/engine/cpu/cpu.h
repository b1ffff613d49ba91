/* Types shared by the files of engine/cpu: the engine, a net's arena, a workspace. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CPU_H
#define ENGINE_CPU_H

#include "kernels.h"
#include "lathe/engine.h"

#define CPU_MAX_WIDTH 65536u
#define CPU_MAX_LAYERS 64u
#define CPU_PANEL 64u

/* One dense product: a layer together with the layers JOINed to it. Offsets count floats in the
 * parameter arrays. Weights lie in column panels of 64 (the last may be narrower): panel q starts
 * at w_off + q * 64 * in and holds [in][panel width]; wt is the transposed copy in the same shape.
 */
struct dense {
    uint32_t in, in_pad, out, out_pad, activation;
    size_t w_off, b_off, wt_off;
};

/* Where layer i of the specification lies: columns [col, col + out) of a dense. */
struct part {
    uint32_t dense, col, out;
};

struct lathe_net {
    const struct kernels *kernels;
    uint32_t n_dense, n_parts;
    struct dense *dense;
    struct part *parts;
    float *arena; /* one allocation for the five arrays below */
    float *p, *g, *m, *v, *wt;
    size_t n_params, n_wt; /* floats, multiples of 16 */
    uint64_t step;
    int32_t wt_stale; /* wt does not match p */
};

struct lathe_workspace {
    const struct lathe_net *net;
    uint32_t max_rows;
    float *arena;
    float **h, **z; /* [n_dense] outputs; inputs of GELU, else NULL */
    float *d[2];    /* gradients of one dense's outputs */
    const float *x; /* borrowed by the last forward */
    uint32_t ldx;
};

struct group;

struct lathe_engine_self {
    const struct kernels *kernels;
    const struct lathe_host *host;
    struct group *group; /* NULL with one thread */
};

/* 64-byte aligned zeroed floats, or NULL. */
float *cpu_floats(size_t n);

/* net.c */
int32_t cpu_net_open(struct lathe_engine_self *self, const struct lathe_net_args *args,
                     struct lathe_error *err, struct lathe_net **net);
void cpu_net_close(struct lathe_net *net);
int32_t cpu_workspace_open(struct lathe_net *net, uint32_t max_rows, struct lathe_error *err,
                           struct lathe_workspace **ws);
void cpu_workspace_close(struct lathe_workspace *ws);
int32_t cpu_tensor_get(const struct lathe_net *net, uint32_t what, uint32_t layer, uint32_t bias,
                       float *out);
int32_t cpu_tensor_set(struct lathe_net *net, uint32_t what, uint32_t layer, uint32_t bias,
                       const float *in);
int32_t cpu_fail(struct lathe_error *err, int32_t code, const char *text);

/* pass.c */
const float *cpu_forward(struct lathe_net *net, struct lathe_workspace *ws, uint32_t rows,
                         const float *x, uint32_t ldx);
void cpu_backward(struct lathe_net *net, struct lathe_workspace *ws, uint32_t rows, const float *dy,
                  float *dx, uint32_t ldx, uint32_t flags);

/* init.c: draws the weights of one layer into w [out][in] and b [out]. */
int32_t cpu_init_layer(const struct lathe_layer *layer, uint64_t seed, uint32_t seed_row,
                       uint32_t index, float *w, float *b);

/* optim.c */
double cpu_optim(struct lathe_engine_self *self, struct lathe_net *const *nets, uint32_t n,
                 const struct lathe_optim *optim);
void cpu_polyak(struct lathe_net *dst, const struct lathe_net *src, double tau);

/* group.c */
int32_t group_open(uint32_t helpers, struct group **group);
void group_close(struct group *group);
void group_run(struct group *group, void (*call)(void *user, uint32_t index), void *user,
               uint32_t n);

#endif
