/* Which quantile losses this CPU can run. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/quantile.h"
#include "kit/rows.h"
#include "lathe/engine.h"

double kit_quantile_portable(uint32_t n, const float *theta, uint32_t m, const float *goal,
                             int32_t huber, float *grad);
#if defined(__x86_64__)
double kit_quantile_avx2(uint32_t n, const float *theta, uint32_t m, const float *goal,
                         int32_t huber, float *grad);
double kit_quantile_avx512(uint32_t n, const float *theta, uint32_t m, const float *goal,
                           int32_t huber, float *grad);
#endif

kit_quantile_fn kit_quantile_get(uint32_t isa)
{
    const struct kit_rows *rows = kit_rows_get(isa);

#if defined(__x86_64__)
    if (rows != NULL && rows == kit_rows_get(LATHE_ISA_AVX512))
        return kit_quantile_avx512;
    if (rows != NULL && rows == kit_rows_get(LATHE_ISA_AVX2))
        return kit_quantile_avx2;
#endif
    return rows != NULL ? kit_quantile_portable : NULL;
}
