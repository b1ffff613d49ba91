/* The build-id note of an ELF file of this machine's class, read without loading the file. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/registry/negotiate.h"

#define NOTE_MAX 4096
#define PHDR_MAX 256

/* Exactly len bytes at offset, or 0. */
static int read_at(int fd, uint64_t offset, void *out, size_t len)
{
    if (offset > (uint64_t)1 << 40)
        return 0;
    return pread(fd, out, len, (off_t)offset) == (ssize_t)len;
}

static size_t align4(size_t n)
{
    return (n + 3u) & ~(size_t)3u;
}

/* Finds NT_GNU_BUILD_ID among the notes in data. */
static int note_find(const unsigned char *data, size_t len, char out[PLUGIN_BUILD_ID_MAX])
{
    size_t at = 0;
    while (len - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, data + at, sizeof note);
        at += sizeof note;
        if (note.n_namesz > len - at)
            return 0;
        const unsigned char *name = data + at;
        size_t step = align4(note.n_namesz);
        if (step > len - at || note.n_descsz > len - at - step)
            return 0;
        const unsigned char *desc = data + at + step;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(name, "GNU", 4) == 0 &&
            note.n_descsz * 2u < PLUGIN_BUILD_ID_MAX) {
            hex_encode(desc, note.n_descsz, out);
            return 1;
        }
        step += align4(note.n_descsz);
        if (step > len - at)
            return 0;
        at += step;
    }
    return 0;
}

static int32_t elf_scan(int fd, const char *path, char out[PLUGIN_BUILD_ID_MAX],
                        struct lathe_error *err)
{
    Elf64_Ehdr header;
    unsigned char notes[NOTE_MAX];

    if (!read_at(fd, 0, &header, sizeof header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return fail(err, LATHE_E_CORRUPT, "%s is no ELF file", path);
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr) ||
        header.e_phnum > PHDR_MAX)
        return fail(err, LATHE_E_CORRUPT, "%s is no 64-bit ELF file", path);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        if (!read_at(fd, header.e_phoff + (uint64_t)i * sizeof segment, &segment, sizeof segment))
            return fail(err, LATHE_E_CORRUPT, "%s is cut short", path);
        if (segment.p_type != PT_NOTE || segment.p_filesz > NOTE_MAX)
            continue;
        if (read_at(fd, segment.p_offset, notes, segment.p_filesz) &&
            note_find(notes, segment.p_filesz, out))
            return LATHE_OK;
    }
    return LATHE_OK;
}

int32_t elf_build_id(const char *path, char out[PLUGIN_BUILD_ID_MAX], struct lathe_error *err)
{
    int32_t st;
    int fd;

    out[0] = '\0';
    if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return fail_errno(err, errno, "open %s", path);
    st = elf_scan(fd, path, out, err);
    close(fd);
    return st;
}
