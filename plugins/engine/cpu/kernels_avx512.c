/* Kernels of engine/cpu compiled for avx512; see kernels.inc. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#include "kernels.inc"
