/* Version of the SDK and of its binary interface: the only place where either is written.
 * Threads: constants only. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_VERSION_H
#define LATHE_VERSION_H

#define LATHE_VERSION_MAJOR 1
#define LATHE_VERSION_MINOR 0
#define LATHE_VERSION_PATCH 0
#define LATHE_VERSION_STRING "1.0.0"

/* Binary interface. A new major breaks plugins and renames the entry table; a new minor only
 * appends. */
#define LATHE_ABI_MAJOR 1
#define LATHE_ABI_MINOR 0

#endif
