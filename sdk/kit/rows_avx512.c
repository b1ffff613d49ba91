/* Row kernels compiled for avx512; see rows.inc. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#include "rows.inc"
