/* Layout: [front canaries | data | up to 63 slack canaries][page without access]. Data starts on a
 * multiple of 64, so its end may lie up to 63 bytes before the page; canaries cover that gap. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/check/guard.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_ALIGN 64u
#define GUARD_CANARY 0xa5

int guard_open(struct guard *guard, size_t len_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t padded = (len_bytes + GUARD_ALIGN - 1) / GUARD_ALIGN * GUARD_ALIGN;
    size_t usable = (padded + GUARD_ALIGN + page - 1) / page * page;

    memset(guard, 0, sizeof *guard);
    if (padded < len_bytes || usable < padded)
        return 0;
    void *map =
        mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return 0;
    if (mprotect((char *)map + usable, page, PROT_NONE) != 0) {
        munmap(map, usable + page);
        return 0;
    }
    guard->map = map;
    guard->map_bytes = usable + page;
    guard->padded_bytes = padded;
    guard->len_bytes = len_bytes;
    guard->data = (char *)map + usable - padded;
    guard_arm(guard);
    return 1;
}

void guard_close(struct guard *guard)
{
    if (guard->map != NULL)
        munmap(guard->map, guard->map_bytes);
    memset(guard, 0, sizeof *guard);
}

void guard_readonly(struct guard *guard, int readonly)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    mprotect(guard->map, guard->map_bytes - page, readonly ? PROT_READ : PROT_READ | PROT_WRITE);
}

void guard_arm(struct guard *guard)
{
    char *front = guard->map, *data = guard->data;
    memset(front, GUARD_CANARY, (size_t)(data - front));
    memset(data + guard->len_bytes, GUARD_CANARY, guard->padded_bytes - guard->len_bytes);
}

static int all_canaries(const unsigned char *from, const unsigned char *to)
{
    for (; from < to; from++)
        if (*from != GUARD_CANARY)
            return 0;
    return 1;
}

int guard_intact(const struct guard *guard)
{
    const unsigned char *front = guard->map, *data = guard->data;
    return all_canaries(front, data) &&
           all_canaries(data + guard->len_bytes, data + guard->padded_bytes);
}
