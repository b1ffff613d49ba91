/* The allocation wrapper. One counter lets a test fail the n-th allocation; nothing else is shared.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Allocations left until the one that fails; 0 means never. Atomic because any thread allocates. */
static atomic_ulong fail_countdown;

static int must_fail(void)
{
    unsigned long left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

    while (left != 0) {
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
            return left == 1;
    }
    return 0;
}

void mem_fail_after(unsigned long n)
{
    atomic_store(&fail_countdown, n);
}

int size_mul(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b)
        return 0;
    *out = a * b;
    return 1;
}

int size_add(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return 0;
    *out = a + b;
    return 1;
}

void *mem_alloc(size_t len_bytes)
{
    if (must_fail())
        return NULL;
    return malloc(len_bytes != 0 ? len_bytes : 1);
}

void *mem_zalloc(size_t n, size_t size_bytes)
{
    size_t total;

    if (!size_mul(n, size_bytes, &total) || must_fail())
        return NULL;
    return calloc(1, total != 0 ? total : 1);
}

void *mem_realloc(void *ptr, size_t n, size_t size_bytes)
{
    size_t total;

    if (!size_mul(n, size_bytes, &total) || must_fail())
        return NULL;
    return realloc(ptr, total != 0 ? total : 1);
}

void *mem_aligned(size_t align, size_t n, size_t size_bytes)
{
    void *ptr = NULL;
    size_t total;

    if (!size_mul(n, size_bytes, &total) || must_fail())
        return NULL;
    if (posix_memalign(&ptr, align, total != 0 ? total : 1) != 0)
        return NULL;
    memset(ptr, 0, total);
    return ptr;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t len_bytes)
{
    size_t len = strnlen(text, len_bytes);
    char *copy = mem_alloc(len + 1);

    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

void *mem_dup(const void *data, size_t len_bytes)
{
    void *copy = mem_alloc(len_bytes);

    if (copy != NULL && len_bytes != 0)
        memcpy(copy, data, len_bytes);
    return copy;
}

void mem_free(void *ptr)
{
    free(ptr);
}
