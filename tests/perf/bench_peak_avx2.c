/* FMA peak compiled for avx2; see bench_peak.inc. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#include "bench_peak.inc"
