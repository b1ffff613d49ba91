/* SPDX-License-Identifier: Apache-2.0 */
/* What reading and writing safetensors share: the table of element types. */

#include "core/artifact/safetensors.h"

#include <string.h>

struct dtype {
    uint32_t id, size_bytes;
    const char *name;
};

static const struct dtype dtypes[] = {{SAFETENSORS_F64, 8, "F64"}, {SAFETENSORS_F32, 4, "F32"},
                                      {SAFETENSORS_I64, 8, "I64"}, {SAFETENSORS_I32, 4, "I32"},
                                      {SAFETENSORS_U8, 1, "U8"},   {SAFETENSORS_U32, 4, "U32"},
                                      {SAFETENSORS_U64, 8, "U64"}};

#define N_DTYPES (sizeof dtypes / sizeof dtypes[0])

size_t safetensors_dtype_size(uint32_t dtype)
{
    for (size_t i = 0; i < N_DTYPES; i++)
        if (dtypes[i].id == dtype)
            return dtypes[i].size_bytes;
    return 0;
}

const char *safetensors_dtype_name(uint32_t dtype)
{
    for (size_t i = 0; i < N_DTYPES; i++)
        if (dtypes[i].id == dtype)
            return dtypes[i].name;
    return NULL;
}

uint32_t safetensors_dtype_parse(const char *name)
{
    for (size_t i = 0; i < N_DTYPES; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return dtypes[i].id;
    return 0;
}
