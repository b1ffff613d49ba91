/* Binary-interface helpers: export, field presence, data-model tag.
 * Threads: macros only. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_ABI_H
#define LATHE_ABI_H

#include <stddef.h>
#include <stdint.h>

#include "lathe/version.h"

#if defined(__GNUC__) || defined(__clang__)
#define LATHE_EXPORT __attribute__((visibility("default")))
#define LATHE_MUST_USE __attribute__((warn_unused_result))
#define LATHE_PRINTF(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))
#define LATHE_UNUSED __attribute__((unused))
#else
#define LATHE_EXPORT
#define LATHE_MUST_USE
#define LATHE_PRINTF(fmt_index, first_arg)
#define LATHE_UNUSED
#endif

/* First field of the entry table: "LATH" in little-endian byte order. */
#define LATHE_MAGIC 0x4854414cu

/* Does the struct behind ptr reach far enough to hold field? Either side asks this before it reads
 * a field that is newer than 1.0. Sizes are compared with >=, never ==. */
#define LATHE_HAS(ptr, type, field) \
    ((ptr)->struct_size >= offsetof(type, field) + sizeof(((const type *)0)->field))

/* Present and not NULL: the test for an optional function. */
#define LATHE_CAN(ptr, type, field) (LATHE_HAS(ptr, type, field) && (ptr)->field != NULL)

/* Alignment probes; a file built with -fpack-struct or another data model gets another tag. */
struct lathe_abi_align_ptr {
    char c;
    void *p;
};
struct lathe_abi_align_u64 {
    char c;
    uint64_t u;
};
struct lathe_abi_align_double {
    char c;
    double d;
};

/* Pointer size, long size, and offsets of a pointer, a uint64_t and a double behind one char. */
#define LATHE_ABI_TAG                                          \
    ((uint32_t)sizeof(void *) | (uint32_t)sizeof(long) << 6 |  \
     (uint32_t)offsetof(struct lathe_abi_align_ptr, p) << 12 | \
     (uint32_t)offsetof(struct lathe_abi_align_u64, u) << 18 | \
     (uint32_t)offsetof(struct lathe_abi_align_double, d) << 24)

#endif
