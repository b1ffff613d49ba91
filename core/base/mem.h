/* The one allocation wrapper: overflow-checked, and tests can make the n-th allocation fail. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_BASE_MEM_H
#define CORE_BASE_MEM_H

#include <stddef.h>

#include "lathe/abi.h"

/* All return NULL on failure. mem_new is zeroed. Thread: [any]. */
void *mem_alloc(size_t len_bytes);
void *mem_zalloc(size_t n, size_t size_bytes);
void *mem_realloc(void *ptr, size_t n, size_t size_bytes);    /* NULL: ptr is unchanged */
void *mem_aligned(size_t align, size_t n, size_t size_bytes); /* zeroed; release with mem_free */
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len_bytes);
void *mem_dup(const void *data, size_t len_bytes);
void mem_free(void *ptr);
#define mem_new(type) ((type *)mem_zalloc(1, sizeof(type)))

/* a * b into *out; 0 and *out untouched on overflow. */
int size_mul(size_t a, size_t b, size_t *out) LATHE_MUST_USE;
int size_add(size_t a, size_t b, size_t *out) LATHE_MUST_USE;

/* Tests: the n-th allocation from now fails (0 = never). */
void mem_fail_after(unsigned long n);

#endif
