/* The quantile loss compiled for avx2; see quantile.inc. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#include "quantile.inc"
