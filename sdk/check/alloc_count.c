/* Counts allocations by standing in front of the C library's allocator, so that "step does not
 * allocate" is a measurement. Sanitizer builds keep their own allocator and are not counted. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "sdk/check/check.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COUNTED 0
#endif
#endif
#ifndef COUNTED
#if defined(__GLIBC__)
#define COUNTED 1
#else
#define COUNTED 0
#endif
#endif

#if COUNTED
/* The real entry points of glibc. */
extern void *__libc_malloc(size_t len_bytes);
extern void *__libc_calloc(size_t n, size_t size_bytes);
extern void *__libc_realloc(void *ptr, size_t len_bytes);

static atomic_uint_fast64_t n_allocations; /* the process's allocator is global by nature */

LATHE_EXPORT void *malloc(size_t size)
{
    atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed);
    return __libc_malloc(size);
}

LATHE_EXPORT void *calloc(size_t nmemb, size_t size)
{
    atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed);
    return __libc_calloc(nmemb, size);
}

LATHE_EXPORT void *realloc(void *ptr, size_t size)
{
    atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed);
    return __libc_realloc(ptr, size);
}

uint64_t check_allocations(void)
{
    return atomic_load_explicit(&n_allocations, memory_order_relaxed);
}
#else
uint64_t check_allocations(void)
{
    return UINT64_MAX;
}
#endif
