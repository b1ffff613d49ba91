/* Kind "lathe.engine/1": neural networks for algorithms: forward, backward, optimizer, tensors.
 * Threads: [learn]; forward and backward also inside group(), where each net and workspace is used
 * by one call at a time. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_ENGINE_H
#define LATHE_ENGINE_H

#include "lathe/host.h"

#define LATHE_KIND_ENGINE "lathe.engine/1"

/* Flags of struct lathe_engine_args. */
#define LATHE_ENGINE_FAST \
    1u /* thread-dependent sums and BLAS allowed; default: equal bits everywhere */

/* Instruction sets, for tests and measurements. Results of the strict mode do not depend on them.
 */
#define LATHE_ISA_AUTO 0
#define LATHE_ISA_PORTABLE 1
#define LATHE_ISA_AVX2 2
#define LATHE_ISA_AVX512 3

/* Activations. GELU is the tanh form. */
#define LATHE_ACTIVATION_IDENTITY 0
#define LATHE_ACTIVATION_TANH 1
#define LATHE_ACTIVATION_RELU 2
#define LATHE_ACTIVATION_GELU 3

/* Initializers; draws come from the Philox init stream (1) with the run's seed. */
#define LATHE_INIT_CONSTANT 0   /* weights 0, biases gain */
#define LATHE_INIT_ORTHOGONAL 1 /* gain times the sign-fixed Q of a normal matrix, biases 0 */
#define LATHE_INIT_UNIFORM 2    /* weights and biases uniform in +-gain / sqrt(in) */
#define LATHE_INIT_NORMAL 3     /* weights normal with standard deviation gain, biases 0 */

/* This layer has the input of the layer before it; its outputs stand behind that layer's outputs.
 * So two heads on one trunk are two layers, the second with JOIN. Activations must be equal. */
#define LATHE_LAYER_JOIN 1u

/* One dense layer. in 0 makes a plain parameter vector: the biases, equal for every row. */
struct lathe_layer {
    uint32_t struct_size, flags;
    uint32_t in, out;
    uint32_t activation, init;
    double gain;
};

struct lathe_engine_args {
    uint32_t struct_size, flags;
    const struct lathe_host *host; /* or NULL */
    uint32_t threads;              /* cores that group() may use, >= 1 */
    uint32_t isa;                  /* LATHE_ISA_* */
};

/* Arguments of net_open; borrowed until it returns. seed_row tells nets of one run apart. */
struct lathe_net_args {
    uint32_t struct_size, flags;
    const struct lathe_layer *const *layers; /* NULL-terminated */
    uint64_t seed;
    uint32_t seed_row, reserved0;
};

/* Optimizer rules. Both scale all gradients by min(1, max_norm / (norm + 1e-6)) first, norm over
 * every net of the call in double; max_norm 0 leaves them. */
#define LATHE_OPTIM_ADAM 0 /* p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps) */
/* TF form: v starts at 1, decay beta2, p -= lr * g / sqrt(v + eps) */
#define LATHE_OPTIM_RMSPROP 1
#define LATHE_OPTIM_SGD 2 /* p -= lr * g */
struct lathe_optim {
    uint32_t struct_size, rule;
    double lr, beta1, beta2, eps, max_norm;
};

/* Which values of a tensor. */
#define LATHE_TENSOR_PARAM 0
#define LATHE_TENSOR_GRAD 1
#define LATHE_TENSOR_M 2 /* first moment */
#define LATHE_TENSOR_V 3 /* second moment */

/* backward: add to the gradients of the call before instead of starting at 0. Adding row blocks one
 * after the other gives the bits of one call with all rows. */
#define LATHE_BACKWARD_ADD 1u

struct lathe_engine_self;
struct lathe_net;
struct lathe_workspace;

struct lathe_engine {
    uint32_t struct_size, flags;

    /* How well this engine suits the machine; 0 = cannot run here. Thread: [any]. Since 1.0. */
    uint32_t (*score)(void);

    /* Makes an engine with threads - 1 helper threads. Memory: closed by close(), after everything
     * made from it. Errors: LATHE_E_UNSUPPORTED for an isa this CPU lacks, LATHE_E_NOMEM.
     * Since 1.0. */
    int32_t (*open)(const struct lathe_engine_args *args, struct lathe_error *err,
                    struct lathe_engine_self **self);
    void (*close)(struct lathe_engine_self *self);

    /* Makes a network and draws its weights. Errors: LATHE_E_INVALID when widths do not chain or
     * exceed 65536, LATHE_E_NOMEM. Since 1.0. */
    int32_t (*net_open)(struct lathe_engine_self *self, const struct lathe_net_args *args,
                        struct lathe_error *err, struct lathe_net **net);
    void (*net_close)(struct lathe_net *net);

    /* Activations for up to max_rows rows of one net. Since 1.0. */
    int32_t (*workspace_open)(struct lathe_net *net, uint32_t max_rows, struct lathe_error *err,
                              struct lathe_workspace **ws);
    void (*workspace_close)(struct lathe_workspace *ws);

    /* Floats per output row: the outputs rounded up to a multiple of 16. Since 1.0. */
    uint32_t (*stride)(const struct lathe_net *net);

    /* Runs rows inputs (x: row-major, ldx floats apart) through the net. Returns the outputs,
     * stride() floats per row, unused columns 0. Memory: the result is the workspace's until the
     * next call with it; x stays borrowed until the matching backward. rows <= max_rows. Since 1.0.
     */
    const float *(*forward)(struct lathe_net *net, struct lathe_workspace *ws, uint32_t rows,
                            const float *x, uint32_t ldx);

    /* Gradients of the parameters for the output gradients dy (stride() floats per row, unused
     * columns 0) of the last forward with ws. dx (ldx floats per row, ldx a multiple of 16, or
     * NULL) takes the gradient of the inputs. flags: LATHE_BACKWARD_ADD. Since 1.0. */
    void (*backward)(struct lathe_net *net, struct lathe_workspace *ws, uint32_t rows,
                     const float *dy, float *dx, uint32_t ldx, uint32_t flags);

    /* One optimizer step over n nets. Returns the global gradient norm before clipping; when it is
     * not finite, nothing is changed. Since 1.0. */
    double (*optim)(struct lathe_engine_self *self, struct lathe_net *const *nets, uint32_t n,
                    const struct lathe_optim *optim);

    /* dst = tau * src + (1 - tau) * dst, tensor by tensor; nets of equal shape. Since 1.0. */
    void (*polyak)(struct lathe_net *dst, const struct lathe_net *src, double tau);

    /* Copies one tensor of layer index layer: bias 0 = weights [out][in], bias 1 = biases [out].
     * Errors: LATHE_E_NOT_FOUND; tensor_set: LATHE_E_CORRUPT for a non-finite number. Since 1.0. */
    int32_t (*tensor_get)(const struct lathe_net *net, uint32_t what, uint32_t layer, uint32_t bias,
                          float *out);
    int32_t (*tensor_set)(struct lathe_net *net, uint32_t what, uint32_t layer, uint32_t bias,
                          const float *in);

    /* Optimizer steps taken so far: Adam's t. Since 1.0. */
    uint64_t (*step_get)(const struct lathe_net *net);
    void (*step_set)(struct lathe_net *net, uint64_t step);

    /* Runs call(user, 0) .. call(user, n - 1), each once, possibly on different cores, and returns
     * when all are done. The calls must be independent of each other. Since 1.0. */
    void (*group)(struct lathe_engine_self *self, void (*call)(void *user, uint32_t index),
                  void *user, uint32_t n);

    /* The instruction set in use: LATHE_ISA_*. Since 1.0. */
    uint32_t (*isa)(const struct lathe_engine_self *self);

    const void *(*extension)(struct lathe_engine_self *self, const char *id);
};

#endif
