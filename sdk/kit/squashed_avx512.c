/* Squashed Gaussians compiled for avx512; see squashed.inc. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#include "squashed.inc"
