/* Reading a shared object without loading it: exported and imported symbols, segment permissions.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SDK_CHECK_ELF_SCAN_H
#define SDK_CHECK_ELF_SCAN_H

#include "lathe/status.h"

/* Called for every named dynamic symbol; defined is 0 for an import. */
typedef void (*elf_symbol_fn)(void *user, const char *name, int defined);

struct elf_facts {
    uint32_t n_writable_code; /* segments that are writable and executable */
    uint32_t has_relro, has_now, has_nodelete;
    uint32_t text_relocations;
};

/* Errors: LATHE_E_CORRUPT for anything but a well-formed 64-bit little-endian shared object. */
int32_t elf_scan(const char *path, elf_symbol_fn fn, void *user, struct elf_facts *facts,
                 struct lathe_error *err) LATHE_MUST_USE;

#endif
