/* SPDX-License-Identifier: Apache-2.0 */
/* Thinning of a series while it is read: groups of equal count become one point each. */

#include <math.h>

#include "plugins/storage/common/storage_common.h"

void storage_thin_start(struct storage_thin *thin, uint64_t total, uint32_t max_points,
                        lathe_series_visit visit, void *user)
{
    thin->visit = visit;
    thin->user = user;
    thin->group = max_points > 0 && total > max_points ? (total + max_points - 1) / max_points : 1;
    thin->in_group = thin->n_values = 0;
    thin->sum = 0;
    thin->n_block = 0;
}

static int32_t flush(struct storage_thin *thin)
{
    uint32_t n = thin->n_block;

    thin->n_block = 0;
    return n > 0 ? thin->visit(thin->user, thin->block, n) : LATHE_OK;
}

static int32_t emit(struct storage_thin *thin, int64_t step, double value)
{
    thin->block[thin->n_block].step = step;
    thin->block[thin->n_block].value = value;
    if (++thin->n_block < sizeof thin->block / sizeof thin->block[0])
        return LATHE_OK;
    return flush(thin);
}

/* The slot behind the block's end holds the step of the group's last point until the group ends. */
int32_t storage_thin_add(struct storage_thin *thin, int64_t step, double value)
{
    if (thin->group == 1)
        return emit(thin, step, value);
    if (!isnan(value)) {
        thin->sum += value;
        thin->n_values++;
    }
    thin->in_group++;
    thin->block[thin->n_block].step = step;
    if (thin->in_group < thin->group)
        return LATHE_OK;
    value = thin->n_values > 0 ? thin->sum / (double)thin->n_values : (double)NAN;
    thin->in_group = thin->n_values = 0;
    thin->sum = 0;
    return emit(thin, step, value);
}

int32_t storage_thin_finish(struct storage_thin *thin)
{
    int32_t st = LATHE_OK;

    if (thin->in_group > 0) {
        thin->in_group = 0;
        st = emit(thin, thin->block[thin->n_block].step,
                  thin->n_values > 0 ? thin->sum / (double)thin->n_values : (double)NAN);
    }
    return st == LATHE_OK ? flush(thin) : st;
}
