/* The quantile loss compiled for portable; see quantile.inc. */
/* SPDX-License-Identifier: Apache-2.0 */
/* lathe-lint: kernel */
#include "quantile.inc"
