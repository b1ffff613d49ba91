/* Squashed Gaussians compiled for portable; see squashed.inc. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#include "squashed.inc"
