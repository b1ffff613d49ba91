/* engine/cpu against a naive reference in the declared summation order, finite differences in
 * double, and itself on other instruction sets, row cuts and thread counts. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lathe/engine.h"
#include "lathe/plugin.h"
#include "lathe/rng.h"

#define ROWS 101u
#define LDX 16u

static const struct lathe_engine *engine;

static float draw(uint32_t i)
{
    uint32_t x[4];

    lathe_philox(7, 1, i, 0, 0, x);
    return lathe_u32_to_f32(x[0]) * 2.0f - 1.0f;
}

/* in -> 70 -> 33 -> two heads (3 + 1) */
struct shape {
    struct lathe_layer l[4];
    const struct lathe_layer *list[5];
};

static void shape_init(struct shape *s, uint32_t in, uint32_t activation)
{
    const struct lathe_layer l[4] = {
        {sizeof l[0], 0, in, 70, activation, LATHE_INIT_NORMAL, 0.4},
        {sizeof l[0], 0, 70, 33, activation, LATHE_INIT_UNIFORM, 1.5},
        {sizeof l[0], 0, 33, 3, LATHE_ACTIVATION_IDENTITY, LATHE_INIT_ORTHOGONAL, 1.0},
        {sizeof l[0], LATHE_LAYER_JOIN, 33, 1, LATHE_ACTIVATION_IDENTITY, LATHE_INIT_NORMAL, 0.1}};
    uint32_t i;

    memcpy(s->l, l, sizeof l);
    for (i = 0; i < 4; i++)
        s->list[i] = &s->l[i];
    s->list[4] = NULL;
}

struct rig {
    struct lathe_engine_self *self;
    struct lathe_net *net;
    struct lathe_workspace *ws;
    float x[ROWS * LDX], dy[ROWS * 16], dx[ROWS * LDX];
};

static int rig_open(struct rig *r, uint32_t isa, uint32_t activation)
{
    struct lathe_engine_args args = {sizeof args, 0, NULL, 1, isa};
    struct lathe_net_args na = {sizeof na, 0, NULL, 5, 0, 0};
    struct shape s;
    uint32_t i, j;

    memset(r, 0, sizeof *r);
    if (engine->open(&args, NULL, &r->self) != LATHE_OK)
        return 0;
    shape_init(&s, 5, activation);
    na.layers = s.list;
    assert_int_equal(engine->net_open(r->self, &na, NULL, &r->net), LATHE_OK);
    assert_int_equal(engine->workspace_open(r->net, ROWS, NULL, &r->ws), LATHE_OK);
    assert_int_equal(engine->stride(r->net), 16);
    for (i = 0; i < ROWS; i++) {
        for (j = 0; j < 5; j++)
            r->x[i * LDX + j] = draw(i * 5 + j);
        for (j = 0; j < 4; j++)
            r->dy[i * 16 + j] = draw(10000 + i * 4 + j);
    }
    return 1;
}

static void rig_close(struct rig *r)
{
    engine->workspace_close(r->ws);
    engine->net_close(r->net);
    engine->close(r->self);
}

static double act(uint32_t kind, double z)
{
    switch (kind) {
    case LATHE_ACTIVATION_TANH:
        return tanh(z);
    case LATHE_ACTIVATION_RELU:
        return z > 0 ? z : 0;
    case LATHE_ACTIVATION_GELU:
        return 0.5 * z * (1 + tanh(0.79788456080286536 * (z + 0.044715 * z * z * z)));
    default:
        return z;
    }
}

struct ref {
    double w1[70 * 5], b1[70], w2[33 * 70], b2[33], w3[4 * 33], b3[4];
};

static void get(const struct lathe_net *net, uint32_t layer, uint32_t bias, double *out, size_t n)
{
    float f[70 * 70];
    size_t i;

    assert_int_equal(engine->tensor_get(net, LATHE_TENSOR_PARAM, layer, bias, f), LATHE_OK);
    for (i = 0; i < n; i++)
        out[i] = (double)f[i];
}

static void ref_load(struct ref *p, const struct lathe_net *net)
{
    get(net, 0, 0, p->w1, 350);
    get(net, 0, 1, p->b1, 70);
    get(net, 1, 0, p->w2, 33 * 70);
    get(net, 1, 1, p->b2, 33);
    get(net, 2, 0, p->w3, 3 * 33);
    get(net, 2, 1, p->b3, 3);
    get(net, 3, 0, p->w3 + 3 * 33, 33);
    get(net, 3, 1, p->b3 + 3, 1);
}

static void ref_forward(const struct ref *p, uint32_t kind, const double *x, double *y)
{
    double h1[70], h2[33];
    int i, j;

    for (i = 0; i < 70; i++) {
        double z = p->b1[i];
        for (j = 0; j < 5; j++)
            z += p->w1[i * 5 + j] * x[j];
        h1[i] = act(kind, z);
    }
    for (i = 0; i < 33; i++) {
        double z = p->b2[i];
        for (j = 0; j < 70; j++)
            z += p->w2[i * 70 + j] * h1[j];
        h2[i] = act(kind, z);
    }
    for (i = 0; i < 4; i++) {
        y[i] = p->b3[i];
        for (j = 0; j < 33; j++)
            y[i] += p->w3[i * 33 + j] * h2[j];
    }
}

/* Sum over rows of dy . y. */
static double objective(const struct ref *p, uint32_t kind, const struct rig *r, uint32_t moved,
                        double h)
{
    double total = 0, x[5], y[4];
    uint32_t i, j;

    for (i = 0; i < ROWS; i++) {
        for (j = 0; j < 5; j++)
            x[j] = (double)r->x[i * LDX + j] + (moved == i * 5 + j ? h : 0);
        ref_forward(p, kind, x, y);
        for (j = 0; j < 4; j++)
            total += (double)r->dy[i * 16 + j] * y[j];
    }
    return total;
}

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-4 * (1.0 + fabs(want))))
        print_message("got %.9g, want %.9g\n", got, want);
    assert_true(fabs(got - want) <= 1e-4 * (1.0 + fabs(want)));
}

static void check_params(struct rig *r, struct ref *p, uint32_t kind, uint32_t layer, uint32_t bias,
                         double *values)
{
    float grad[70 * 70];
    size_t i, n = bias ? (size_t[]){70, 33, 3, 1}[layer] : (size_t[]){350, 2310, 99, 33}[layer];

    assert_int_equal(engine->tensor_get(r->net, LATHE_TENSOR_GRAD, layer, bias, grad), LATHE_OK);
    for (i = 0; i<n; i += n> 40 ? 17 : 1) {
        const double keep = values[i];
        double up;
        values[i] = keep + 1e-5;
        up = objective(p, kind, r, UINT32_MAX, 0);
        values[i] = keep - 1e-5;
        near((double)grad[i], (up - objective(p, kind, r, UINT32_MAX, 0)) / 2e-5);
        values[i] = keep;
    }
}

static void gradients_match_finite_differences(void **state)
{
    static struct rig r;
    static struct ref p;
    uint32_t kind, i, j;

    (void)state;
    for (kind = LATHE_ACTIVATION_IDENTITY; kind <= LATHE_ACTIVATION_GELU; kind++) {
        const float *y;
        double x[5], want[4];
        assert_true(rig_open(&r, LATHE_ISA_AUTO, kind));
        ref_load(&p, r.net);
        y = engine->forward(r.net, r.ws, ROWS, r.x, LDX);
        for (i = 0; i < ROWS; i++) {
            for (j = 0; j < 5; j++)
                x[j] = (double)r.x[i * LDX + j];
            ref_forward(&p, kind, x, want);
            for (j = 0; j < 16; j++)
                near((double)y[i * 16 + j], j < 4 ? want[j] : 0.0);
        }
        engine->backward(r.net, r.ws, ROWS, r.dy, r.dx, LDX, 0);
        if (kind == LATHE_ACTIVATION_RELU) { /* kinks: differences only where no unit flips */
            rig_close(&r);
            continue;
        }
        check_params(&r, &p, kind, 0, 0, p.w1);
        check_params(&r, &p, kind, 0, 1, p.b1);
        check_params(&r, &p, kind, 1, 0, p.w2);
        check_params(&r, &p, kind, 1, 1, p.b2);
        check_params(&r, &p, kind, 2, 0, p.w3);
        check_params(&r, &p, kind, 2, 1, p.b3);
        check_params(&r, &p, kind, 3, 0, p.w3 + 99);
        check_params(&r, &p, kind, 3, 1, p.b3 + 3);
        for (i = 0; i < 5 * ROWS; i += 13)
            near((double)r.dx[i / 5 * LDX + i % 5],
                 (objective(&p, kind, &r, i, 1e-5) - objective(&p, kind, &r, i, -1e-5)) / 2e-5);
        rig_close(&r);
    }
}

static void all_params(const struct lathe_net *net, uint32_t what, float *out)
{
    uint32_t l;

    memset(out, 0, 4096 * sizeof *out);
    for (l = 0; l < 4; l++) {
        assert_int_equal(engine->tensor_get(net, what, l, 0, out), LATHE_OK);
        out += (size_t[]){350, 2310, 99, 33}[l];
        assert_int_equal(engine->tensor_get(net, what, l, 1, out), LATHE_OK);
        out += (size_t[]){70, 33, 3, 1}[l];
    }
}

/* Three optimizer steps; cut splits the backward pass into blocks of rows. */
static void train(struct rig *r, uint32_t cut, float *params)
{
    struct lathe_optim o = {sizeof o, LATHE_OPTIM_ADAM, 1e-2, 0.9, 0.999, 1e-5, 0.5};
    uint32_t step, row;

    for (step = 0; step < 3; step++) {
        for (row = 0; row < ROWS; row += cut) {
            const uint32_t left = ROWS - row, n = left < cut ? left : cut;
            engine->forward(r->net, r->ws, n, r->x + row * LDX, LDX);
            engine->backward(r->net, r->ws, n, r->dy + row * 16, NULL, 0,
                             row == 0 ? 0 : LATHE_BACKWARD_ADD);
        }
        assert_true(engine->optim(r->self, &r->net, 1, &o) > 0.5);
    }
    all_params(r->net, LATHE_TENSOR_PARAM, params);
}

static void bits_are_equal_for_every_isa_and_row_cut(void **state)
{
    static struct rig r;
    static float first[4096], other[4096];
    uint32_t kind, isa, n = 0;

    (void)state;
    for (kind = LATHE_ACTIVATION_TANH; kind <= LATHE_ACTIVATION_GELU; kind++) {
        for (isa = LATHE_ISA_PORTABLE; isa <= LATHE_ISA_AVX512; isa++) {
            if (!rig_open(&r, isa, kind))
                continue;
            assert_int_equal(engine->isa(r.self), isa);
            train(&r, isa == LATHE_ISA_PORTABLE ? ROWS : 7u * isa, n == 0 ? first : other);
            if (n++ > 0)
                assert_memory_equal(first, other, sizeof first);
            rig_close(&r);
        }
        n = 0;
    }
}

static void adam_matches_double_reference(void **state)
{
    static struct rig r;
    static float before[4096], grad[4096], after[4096];
    struct lathe_optim o = {sizeof o, LATHE_OPTIM_ADAM, 1e-2, 0.9, 0.999, 1e-5, 0.5};
    double norm = 0, clip, got;
    uint32_t i;

    (void)state;
    assert_true(rig_open(&r, LATHE_ISA_AUTO, LATHE_ACTIVATION_TANH));
    engine->forward(r.net, r.ws, ROWS, r.x, LDX);
    engine->backward(r.net, r.ws, ROWS, r.dy, NULL, 0, 0);
    all_params(r.net, LATHE_TENSOR_PARAM, before);
    all_params(r.net, LATHE_TENSOR_GRAD, grad);
    got = engine->optim(r.self, &r.net, 1, &o);
    all_params(r.net, LATHE_TENSOR_PARAM, after);
    for (i = 0; i < 2899; i++)
        norm += (double)grad[i] * (double)grad[i];
    norm = sqrt(norm);
    near(got, norm);
    clip = 0.5 / (norm + 1e-6);
    for (i = 0; i < 2899; i++) {
        const double g = (double)grad[i] * clip, step = 1e-2 * g / (fabs(g) + 1e-5);
        assert_true(fabs((double)after[i] - ((double)before[i] - step)) < 1e-6);
    }
    assert_int_equal(engine->step_get(r.net), 1);
    rig_close(&r);
}

static void non_finite_gradient_changes_nothing(void **state)
{
    static struct rig r;
    static float before[4096], after[4096];
    struct lathe_optim o = {sizeof o, LATHE_OPTIM_ADAM, 1e-2, 0.9, 0.999, 1e-5, 0.5};

    (void)state;
    assert_true(rig_open(&r, LATHE_ISA_AUTO, LATHE_ACTIVATION_TANH));
    all_params(r.net, LATHE_TENSOR_PARAM, before);
    r.x[3] = NAN;
    engine->forward(r.net, r.ws, ROWS, r.x, LDX);
    engine->backward(r.net, r.ws, ROWS, r.dy, NULL, 0, 0);
    assert_true(isfinite(engine->optim(r.self, &r.net, 1, &o)) == 0);
    all_params(r.net, LATHE_TENSOR_PARAM, after);
    assert_memory_equal(before, after, sizeof before);
    rig_close(&r);
}

static void orthogonal_rows_are_orthonormal(void **state)
{
    struct lathe_engine_args args = {sizeof args, 0, NULL, 1, LATHE_ISA_AUTO};
    struct lathe_layer l = {sizeof l, 0, 64, 20, LATHE_ACTIVATION_TANH, LATHE_INIT_ORTHOGONAL, 1.5};
    const struct lathe_layer *list[2] = {&l, NULL};
    struct lathe_net_args na = {sizeof na, 0, list, 3, 0, 0};
    struct lathe_engine_self *self;
    struct lathe_net *net;
    float w[64 * 20];
    size_t i, j, k;

    (void)state;
    assert_int_equal(engine->open(&args, NULL, &self), LATHE_OK);
    assert_int_equal(engine->net_open(self, &na, NULL, &net), LATHE_OK);
    engine->tensor_get(net, LATHE_TENSOR_PARAM, 0, 0, w);
    for (i = 0; i < 20; i++)
        for (j = 0; j < 20; j++) {
            double dot = 0;
            for (k = 0; k < 64; k++)
                dot += (double)w[i * 64 + k] * (double)w[j * 64 + k];
            near(dot, i == j ? 2.25 : 0.0);
        }
    engine->net_close(net);
    engine->close(self);
}

static void normal_and_uniform_have_their_moments(void **state)
{
    static struct rig r;
    float w[70 * 70];
    double sum = 0, squares = 0, top = 0;
    int i;

    (void)state;
    assert_true(rig_open(&r, LATHE_ISA_AUTO, LATHE_ACTIVATION_TANH));
    engine->tensor_get(r.net, LATHE_TENSOR_PARAM, 0, 0, w);
    for (i = 0; i < 350; i++) {
        sum += (double)w[i];
        squares += (double)w[i] * (double)w[i];
    }
    assert_true(fabs(sum / 350) < 0.08 && fabs(sqrt(squares / 350) - 0.4) < 0.05);
    engine->tensor_get(r.net, LATHE_TENSOR_PARAM, 1, 0, w);
    for (i = 0; i < 2310; i++)
        top = fabs((double)w[i]) > top ? fabs((double)w[i]) : top;
    assert_true(top <= 1.5 / sqrt(70.0) && top > 1.49 / sqrt(70.0));
    rig_close(&r);
}

struct count {
    uint32_t n[8];
};

static void count_one(void *user, uint32_t i)
{
    ((struct count *)user)->n[i]++;
}

static void group_runs_every_call_once(void **state)
{
    struct lathe_engine_args args = {sizeof args, 0, NULL, 3, LATHE_ISA_AUTO};
    struct lathe_engine_self *self;
    struct count c = {{0}};
    int i, round;

    (void)state;
    assert_int_equal(engine->open(&args, NULL, &self), LATHE_OK);
    for (round = 0; round < 2000; round++)
        engine->group(self, count_one, &c, 8);
    for (i = 0; i < 8; i++)
        assert_true(c.n[i] == 2000u);
    engine->close(self);
}

static void bad_layer_lists_are_refused(void **state)
{
    struct lathe_engine_args args = {sizeof args, 0, NULL, 1, LATHE_ISA_AUTO};
    struct lathe_engine_self *self;
    struct lathe_net_args na = {sizeof na, 0, NULL, 5, 0, 0};
    struct lathe_error err;
    struct lathe_net *net;
    struct shape s;

    (void)state;
    assert_int_equal(engine->open(&args, NULL, &self), LATHE_OK);
    shape_init(&s, 5, LATHE_ACTIVATION_TANH);
    na.layers = s.list;
    s.l[1].in = 69;
    assert_int_equal(engine->net_open(self, &na, &err, &net), LATHE_E_INVALID);
    s.l[1].in = 70;
    s.l[2].out = 0;
    assert_int_equal(engine->net_open(self, &na, &err, &net), LATHE_E_INVALID);
    s.list[0] = NULL;
    assert_int_equal(engine->net_open(self, &na, &err, &net), LATHE_E_INVALID);
    engine->close(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_finite_differences),
        cmocka_unit_test(bits_are_equal_for_every_isa_and_row_cut),
        cmocka_unit_test(adam_matches_double_reference),
        cmocka_unit_test(non_finite_gradient_changes_nothing),
        cmocka_unit_test(orthogonal_rows_are_orthonormal),
        cmocka_unit_test(normal_and_uniform_have_their_moments),
        cmocka_unit_test(group_runs_every_call_once),
        cmocka_unit_test(bad_layer_lists_are_refused),
    };
    void *file = dlopen(LATHE_BINARY_DIR "/plugins/engine_cpu.so", RTLD_NOW | RTLD_LOCAL);
    const struct lathe_plugin *plugin = file ? dlsym(file, "lathe_plugin_v1") : NULL;

    if (plugin == NULL)
        return 2;
    engine = plugin->components[0]->vtable;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
