/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a connection: heads, bodies, pipelines, upgrades. The first byte says where to cut. */
#include "tests/fuzz/http_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 && size < 200000)
        http_fuzz_run(data + 1, size - 1, data[0]);
    return 0;
}
