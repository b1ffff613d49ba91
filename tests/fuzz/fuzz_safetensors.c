/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes either are refused or describe tensors that lie inside them. */

#include <stdlib.h>

#include "core/artifact/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct safetensors_reader *r = NULL;
    const struct safetensor *t;
    uint64_t sum = 0;

    if (safetensors_reader_open_memory(data, size, &r, NULL) != LATHE_OK)
        return 0;
    for (size_t i = 0; (t = safetensors_reader_at(r, i)) != NULL; i++) {
        if (safetensors_reader_find(r, t->name) != t)
            abort();
        if (t->n_elements * safetensors_dtype_size(t->dtype) != t->len_bytes)
            abort();
        for (size_t j = 0; j < t->len_bytes; j++)
            sum += ((const uint8_t *)t->data)[j];
    }
    (void)safetensors_reader_meta(r, "format");
    safetensors_reader_close(r);
    return sum == UINT64_MAX; /* never: the sum keeps the reads */
}
