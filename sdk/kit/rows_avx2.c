/* Row kernels compiled for avx2; see rows.inc. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#include "rows.inc"
