/* Which kernels this CPU can run. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels.h"
#include "lathe/engine.h"

#if defined(__x86_64__)
static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
#endif

const struct kernels *kernels_get(uint32_t isa)
{
#if defined(__x86_64__)
    if ((isa == LATHE_ISA_AUTO || isa == LATHE_ISA_AVX512) && has_avx512())
        return &kernels_avx512;
    if ((isa == LATHE_ISA_AUTO || isa == LATHE_ISA_AVX2) && has_avx2())
        return &kernels_avx2;
#endif
    return isa == LATHE_ISA_AUTO || isa == LATHE_ISA_PORTABLE ? &kernels_portable : NULL;
}
