/* Which kernels of squashed Gaussians this CPU can run. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/squashed.h"
#include "lathe/engine.h"

extern const struct kit_squashed_rows kit_squashed_portable;
#if defined(__x86_64__)
extern const struct kit_squashed_rows kit_squashed_avx2, kit_squashed_avx512;
#endif

const struct kit_squashed_rows *kit_squashed_get(uint32_t isa)
{
#if defined(__x86_64__)
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const int avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512bw");
    if ((isa == LATHE_ISA_AUTO || isa == LATHE_ISA_AVX512) && avx512)
        return &kit_squashed_avx512;
    if ((isa == LATHE_ISA_AUTO || isa == LATHE_ISA_AVX2) && avx2)
        return &kit_squashed_avx2;
#endif
    return isa == LATHE_ISA_AUTO || isa == LATHE_ISA_PORTABLE ? &kit_squashed_portable : NULL;
}
