/* Row kernels compiled for portable; see rows.inc. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#include "rows.inc"
