/* A net of dense layers that knows its shape, so that it can be saved and described. Threads: as
 * the engine's calls. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_MLP_H
#define KIT_MLP_H

#include "lathe/algorithm.h"
#include "lathe/engine.h"

#define KIT_MLP_LAYERS 10u

struct kit_mlp {
    const struct lathe_engine *engine;
    struct lathe_net *net;
    uint32_t n_layers, in[KIT_MLP_LAYERS], out[KIT_MLP_LAYERS], activation[KIT_MLP_LAYERS];
};

/* Opens the net that args describes; at most KIT_MLP_LAYERS layers. Errors: as net_open. */
LATHE_MUST_USE int32_t kit_mlp_open(struct kit_mlp *m, const struct lathe_engine *engine,
                                    struct lathe_engine_self *self,
                                    const struct lathe_net_args *args, struct lathe_error *err);
void kit_mlp_close(struct kit_mlp *m);

/* Where the tensors of a net go: "<prefix>/<name>.<first + layer>.weight" and ".bias"; a parameter
 * vector is "<prefix>/<name>". what: LATHE_TENSOR_*. */
struct kit_mlp_names {
    const char *prefix, *name;
    uint32_t first, what;
};

/* A net that is not open has no tensors. */
LATHE_MUST_USE int32_t kit_mlp_save(const struct kit_mlp *m, const struct kit_mlp_names *names,
                                    const struct lathe_writer *w);
LATHE_MUST_USE int32_t kit_mlp_load(const struct kit_mlp *m, const struct kit_mlp_names *names,
                                    const struct lathe_reader *r);

/* Text that grows inside a caller's buffer; full once something did not fit. */
struct kit_text {
    char *at;
    uint64_t cap, len;
    int32_t full;
};

void kit_text_add(struct kit_text *t, const char *format, ...) LATHE_PRINTF(2, 3);
/* The first n_layers layers as JSON objects, separated (and, with comma, preceded) by commas. */
void kit_mlp_describe(const struct kit_mlp *m, uint32_t n_layers, const struct kit_mlp_names *names,
                      int32_t comma, struct kit_text *t);

#endif
