/* FMA peak compiled for avx512; see bench_peak.inc. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#include "bench_peak.inc"
