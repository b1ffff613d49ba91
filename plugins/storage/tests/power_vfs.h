/* A file system for SQLite that can lose its power or fill up at any operation. What was written
 * after the last sync of a file is lost in part when the power goes. For tests; one at a time. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POWER_VFS_H
#define POWER_VFS_H

#include <stdint.h>

/* Becomes the default file system of SQLite in this process. */
void power_install(void);
/* Full power; forgets every file. After n_ops writes, syncs and truncations the power goes and
 * every operation fails; UINT64_MAX: never. */
void power_on(uint64_t n_ops);
/* Writes that make a file longer fail from now on (or work again). */
void power_set_full(int full);
/* Operations since power_on. */
uint64_t power_ops(void);
int power_is_off(void);
/* Writes into dir what the disk holds after the power went: of each file what was synced, and of
 * the later writes those that rng picks. 0 on failure. */
int power_restore(const char *dir, uint64_t rng);

#endif
