/* Forward and backward passes of engine/cpu: which panel products run in which order. Summation
 * order: outputs and input gradients over ascending columns, weight gradients over ascending rows.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "cpu.h"

#define FORWARD_ROWS \
    48u /* rows taken through all layers at once: they stay in the first-level cache */
#define BACKWARD_ROWS 96u
#define NARROW_OUT 6u
#define NARROW_IN 256u

static uint32_t panel_width(uint32_t width, uint32_t col)
{
    return width - col < CPU_PANEL ? width - col : CPU_PANEL;
}

/* Rows [row, row + n) of one layer. */
static void forward_dense(const struct lathe_net *net, struct lathe_workspace *ws, uint32_t l,
                          uint32_t row, uint32_t n)
{
    const struct dense *d = &net->dense[l];
    const float *x = l == 0 ? ws->x : ws->h[l - 1];
    const size_t ldx = l == 0 ? ws->ldx : net->dense[l - 1].out_pad;
    const size_t at = (size_t)row * d->out_pad;
    struct gemm_panel p = {.m = n, .k = d->in, .a_row = ldx, .a_k = 1, .ldc = d->out_pad};
    uint32_t col;

    p.a = d->in == 0 ? net->p : x + row * ldx; /* k = 0: never read */
    for (col = 0; col < d->out_pad; col += CPU_PANEL) {
        p.width = panel_width(d->out_pad, col);
        p.b = net->p + d->w_off + (size_t)col * d->in;
        p.ldb = p.width;
        p.c = ws->h[l] + at + col;
        p.bias = net->p + d->b_off + col;
        net->kernels->gemm(&p);
    }
    if (d->activation != LATHE_ACTIVATION_IDENTITY)
        net->kernels->activate(d->activation, ws->h[l] + at,
                               ws->z[l] == NULL ? NULL : ws->z[l] + at, (size_t)n * d->out_pad);
}

const float *cpu_forward(struct lathe_net *net, struct lathe_workspace *ws, uint32_t rows,
                         const float *x, uint32_t ldx)
{
    uint32_t row, l;

    assert(rows <= ws->max_rows && ws->net == net);
    ws->x = x;
    ws->ldx = ldx;
    for (row = 0; row < rows; row += FORWARD_ROWS) {
        const uint32_t n = rows - row < FORWARD_ROWS ? rows - row : FORWARD_ROWS;
        for (l = 0; l < net->n_dense; l++)
            forward_dense(net, ws, l, row, n);
    }
    return ws->h[net->n_dense - 1];
}

/* Brings the transposed weights up to date. */
static void refresh(struct lathe_net *net)
{
    uint32_t l, i, j;

    for (l = 0; l < net->n_dense; l++) {
        const struct dense *d = &net->dense[l];
        for (j = 0; j < d->out; j += CPU_PANEL) {
            const uint32_t w = panel_width(d->out_pad, j);
            const uint32_t cols = d->out - j < w ? d->out - j : w;
            const float *from = net->p + d->w_off + (size_t)j * d->in;
            for (i = 0; i < d->in; i += CPU_PANEL) {
                const uint32_t wt = panel_width(d->in_pad, i);
                const uint32_t rows = d->in - i < wt ? d->in - i : wt;
                net->kernels->transpose(from + (size_t)i * w, w,
                                        net->wt + d->wt_off + (size_t)i * d->out + (size_t)j * wt,
                                        wt, rows, cols);
            }
        }
    }
    net->wt_stale = 0;
}

/* Weight gradient of a layer with few outputs, turned: rows of the product are the outputs, so that
 * no work goes into padding. The chains are those of weight_grad. x has in_pad columns. */
static void narrow_grad(struct lathe_net *net, const struct dense *d, uint32_t rows, const float *x,
                        size_t ldx, const float *dy, uint32_t add)
{
    float turned[NARROW_OUT * NARROW_IN], *g = net->g + d->w_off;
    struct gemm_panel p = {.m = d->out, .k = rows, .add = add, .a = dy, .a_row = 1};
    uint32_t col, j, k;

    p.a_k = d->out_pad;
    p.ldb = ldx;
    p.ldc = d->in_pad;
    if (add) {
        memset(turned, 0, sizeof turned);
        for (k = 0; k < d->in; k++)
            for (j = 0; j < d->out; j++)
                turned[j * d->in_pad + k] = g[k * d->out_pad + j];
    }
    for (col = 0; col < d->in_pad; col += CPU_PANEL) {
        p.width = panel_width(d->in_pad, col);
        p.b = x + col;
        p.c = turned + col;
        net->kernels->gemm(&p);
    }
    for (k = 0; k < d->in; k++)
        for (j = 0; j < d->out; j++)
            g[k * d->out_pad + j] = turned[j * d->in_pad + k];
}

static void weight_grad(struct lathe_net *net, const struct dense *d, uint32_t rows, const float *x,
                        size_t ldx, const float *dy, uint32_t add)
{
    struct gemm_panel p = {.m = d->in, .a_row = 1, .a_k = ldx, .ldb = d->out_pad};
    uint32_t row, col;

    net->kernels->bias_grad(rows, d->out_pad, dy, d->out_pad, net->g + d->b_off, add);
    if (d != net->dense && d->out <= NARROW_OUT && d->in_pad <= NARROW_IN) { /* hidden x: padded */
        narrow_grad(net, d, rows, x, ldx, dy, add);
        return;
    }
    for (col = 0; col < d->out_pad && d->in > 0; col += CPU_PANEL) {
        p.width = panel_width(d->out_pad, col);
        p.c = net->g + d->w_off + (size_t)col * d->in;
        p.ldc = p.width;
        for (row = 0; row < rows; row += BACKWARD_ROWS) {
            p.k = rows - row < BACKWARD_ROWS ? rows - row : BACKWARD_ROWS;
            p.add = row > 0 || add;
            p.a = x + row * ldx;
            p.b = dy + (size_t)row * d->out_pad + col;
            net->kernels->gemm(&p);
        }
    }
}

static void input_grad(struct lathe_net *net, const struct dense *d, uint32_t rows, const float *dy,
                       float *dx, size_t ldx)
{
    struct gemm_panel p = {
        .m = rows, .k = d->out, .a = dy, .a_row = d->out_pad, .a_k = 1, .ldc = ldx};
    uint32_t col;

    for (col = 0; col < d->in_pad; col += CPU_PANEL) {
        p.width = panel_width(d->in_pad, col);
        p.b = net->wt + d->wt_off + (size_t)col * d->out;
        p.ldb = p.width;
        p.c = dx + col;
        net->kernels->gemm(&p);
    }
}

void cpu_backward(struct lathe_net *net, struct lathe_workspace *ws, uint32_t rows, const float *dy,
                  float *dx, uint32_t ldx, uint32_t flags)
{
    const uint32_t add = flags & LATHE_BACKWARD_ADD;
    const struct kernels *k = net->kernels;
    uint32_t l = net->n_dense;
    const float *d = dy;

    assert(rows <= ws->max_rows && ws->net == net);
    if (net->wt_stale)
        refresh(net);
    if (net->dense[l - 1].activation != LATHE_ACTIVATION_IDENTITY) {
        const size_t n = (size_t)rows * net->dense[l - 1].out_pad;
        memcpy(ws->d[l & 1u], dy, n * sizeof *dy);
        k->derive(net->dense[l - 1].activation, ws->d[l & 1u], ws->h[l - 1], ws->z[l - 1], n);
        d = ws->d[l & 1u];
    }
    while (l-- > 0) {
        const struct dense *dense = &net->dense[l];
        if (l == 0) {
            weight_grad(net, dense, rows, ws->x, ws->ldx, d, add);
            if (dx != NULL && dense->in > 0)
                input_grad(net, dense, rows, d, dx, ldx);
        } else {
            const size_t n = (size_t)rows * dense->in_pad;
            weight_grad(net, dense, rows, ws->h[l - 1], dense->in_pad, d, add);
            input_grad(net, dense, rows, d, ws->d[l & 1u], dense->in_pad);
            k->derive(net->dense[l - 1].activation, ws->d[l & 1u], ws->h[l - 1], ws->z[l - 1], n);
            d = ws->d[l & 1u];
        }
    }
}
