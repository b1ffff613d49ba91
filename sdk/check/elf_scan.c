/* Walks section headers and the dynamic table of an ELF file. Every offset is checked against the
 * file, since the file is what is under test. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/check/elf_scan.h"

#include <elf.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/mem.h"

#define ELF_MAX_BYTES ((size_t)256 << 20)

struct image {
    const char *data;
    size_t len_bytes;
};

/* The bytes [offset, offset + len) when they lie in the file and are aligned for a header, else
 * NULL. */
static const void *at(const struct image *image, uint64_t offset, uint64_t len)
{
    if (offset > image->len_bytes || len > image->len_bytes - offset || offset % 4 != 0)
        return NULL;
    return image->data + offset;
}

static void scan_segments(const struct image *image, const Elf64_Ehdr *eh, struct elf_facts *facts)
{
    for (uint32_t i = 0; i < eh->e_phnum; i++) {
        const Elf64_Phdr *ph = at(image, eh->e_phoff + (uint64_t)i * sizeof *ph, sizeof *ph);
        if (ph == NULL)
            return;
        if (ph->p_type == PT_LOAD && (ph->p_flags & PF_W) && (ph->p_flags & PF_X))
            facts->n_writable_code++;
        if (ph->p_type == PT_GNU_RELRO)
            facts->has_relro = 1;
        if (ph->p_type != PT_DYNAMIC)
            continue;
        for (uint64_t off = 0; off + sizeof(Elf64_Dyn) <= ph->p_filesz; off += sizeof(Elf64_Dyn)) {
            const Elf64_Dyn *dyn = at(image, ph->p_offset + off, sizeof *dyn);
            if (dyn == NULL || dyn->d_tag == DT_NULL)
                break;
            if (dyn->d_tag == DT_FLAGS_1 && (dyn->d_un.d_val & DF_1_NODELETE))
                facts->has_nodelete = 1;
            if ((dyn->d_tag == DT_FLAGS && (dyn->d_un.d_val & DF_BIND_NOW)) ||
                (dyn->d_tag == DT_FLAGS_1 && (dyn->d_un.d_val & DF_1_NOW)))
                facts->has_now = 1;
            if (dyn->d_tag == DT_TEXTREL)
                facts->text_relocations = 1;
        }
    }
}

static int32_t scan_symbols(const struct image *image, const Elf64_Shdr *symtab,
                            const Elf64_Shdr *strtab, elf_symbol_fn fn, void *user,
                            struct lathe_error *err)
{
    const char *names = at(image, strtab->sh_offset & ~(uint64_t)3, 0);
    uint64_t n = symtab->sh_size / sizeof(Elf64_Sym);

    if (names == NULL || strtab->sh_offset > image->len_bytes ||
        strtab->sh_size > image->len_bytes - strtab->sh_offset || strtab->sh_size == 0 ||
        image->data[strtab->sh_offset + strtab->sh_size - 1] != '\0')
        return fail(err, LATHE_E_CORRUPT, "the symbol names lie outside of the file");
    names = image->data + strtab->sh_offset;
    for (uint64_t i = 1; i < n; i++) {
        const Elf64_Sym *sym = at(image, symtab->sh_offset + i * sizeof *sym, sizeof *sym);
        if (sym == NULL || sym->st_name >= strtab->sh_size)
            return fail(err, LATHE_E_CORRUPT, "symbol %llu lies outside of the file",
                        (unsigned long long)i);
        unsigned type = ELF64_ST_TYPE(sym->st_info);
        if (names[sym->st_name] != '\0' &&
            (type == STT_FUNC || type == STT_OBJECT || type == STT_NOTYPE || type == STT_TLS ||
             type == STT_GNU_IFUNC))
            fn(user, names + sym->st_name, sym->st_shndx != SHN_UNDEF);
    }
    return LATHE_OK;
}

static int32_t scan_image(const struct image *image, elf_symbol_fn fn, void *user,
                          struct elf_facts *facts, struct lathe_error *err)
{
    const Elf64_Ehdr *eh = at(image, 0, sizeof *eh);

    if (eh == NULL || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
        eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
        eh->e_type != ET_DYN || eh->e_phentsize != sizeof(Elf64_Phdr))
        return fail(err, LATHE_E_CORRUPT, "not a 64-bit little-endian shared object");
    scan_segments(image, eh, facts);
    for (uint32_t i = 0; i < eh->e_shnum; i++) {
        const Elf64_Shdr *sh = at(image, eh->e_shoff + (uint64_t)i * sizeof *sh, sizeof *sh);
        if (sh == NULL)
            return fail(err, LATHE_E_CORRUPT, "section %u lies outside of the file", i);
        if (sh->sh_type != SHT_DYNSYM)
            continue;
        const Elf64_Shdr *str =
            at(image, eh->e_shoff + (uint64_t)sh->sh_link * sizeof *str, sizeof *str);
        if (str == NULL)
            return fail(err, LATHE_E_CORRUPT, "the symbol names lie outside of the file");
        return scan_symbols(image, sh, str, fn, user, err);
    }
    return fail(err, LATHE_E_CORRUPT, "the file has no dynamic symbols");
}

int32_t elf_scan(const char *path, elf_symbol_fn fn, void *user, struct elf_facts *facts,
                 struct lathe_error *err)
{
    struct image image = {0};
    char *data = NULL;
    int32_t st = io_read_file(path, ELF_MAX_BYTES, &data, &image.len_bytes, err);

    if (st != LATHE_OK)
        return st;
    image.data = data;
    memset(facts, 0, sizeof *facts);
    st = scan_image(&image, fn, user, facts, err);
    mem_free(data);
    return st;
}
