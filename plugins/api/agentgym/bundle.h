/* What a bundle says about the weights of a model file. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLUGINS_API_AGENTGYM_BUNDLE_H
#define PLUGINS_API_AGENTGYM_BUNDLE_H

#include "plugins/api/agentgym/gym.h"

/* The header of a model file, and where its tensors begin; NULL when it is none. The caller
 * releases. */
struct lathe_json *bundle_header(const struct api_kit *kit, const unsigned char *file, uint64_t len,
                                 uint64_t *tensors_at);

/* Writes "network" (or "table"), "weights_base64" and "weights_sha256". A network of float32 layers
 * is given layer by layer, weights [out][in] before biases; anything else as the whole file. */
void bundle_weights_write(const struct api_kit *kit, struct jw *w, const unsigned char *file,
                          uint64_t len);

/* Makes a model file from weights in layer order: *data (free()) is replaced. Weights that came as
 * the whole file stay as they are. Errors: LATHE_E_INVALID when layers, header and weights do not
 * fit together; LATHE_E_NOMEM. */
int32_t bundle_file_make(const struct api_kit *kit, const struct lathe_json *network,
                         unsigned char **data, size_t *len);

#endif
