/* Job files and checkpoint files from anywhere: read whole or refused, never trusted. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/worker/ckpt.h"
#include "core/worker/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes);

static void read_checkpoint(const uint8_t *data, size_t len_bytes)
{
    struct ckpt_reader reader;
    uint64_t counters[6];
    char path[64];
    int fd = memfd_create("ckpt", MFD_CLOEXEC);

    if (fd < 0)
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, len_bytes) == (ssize_t)len_bytes &&
        ckpt_reader_open(&reader, path, "lathe.checkpoint/1", NULL) == LATHE_OK) {
        if (ckpt_get1(&reader, "host/counters", LATHE_U64, 6, counters, NULL) == LATHE_OK &&
            counters[0] == 0xdeadbeef)
            puts("found");
        ckpt_reader_close(&reader);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
    struct wjob job;

    if (len_bytes > 0 && data[0] == '{') {
        if (wjob_parse((const char *)data, len_bytes, &job, NULL) == LATHE_OK)
            wjob_close(&job);
        return 0;
    }
    read_checkpoint(data, len_bytes);
    return 0;
}
