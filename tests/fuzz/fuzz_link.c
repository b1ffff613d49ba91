/* Any bytes in any cut: the decoder answers frames, a need for more, or one final failure. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/link/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
    struct link_decoder decoder;
    struct link_frame frame;
    size_t at = 1, cut = len_bytes > 0 ? (size_t)data[0] + 1 : 1;

    link_decoder_init(&decoder);
    while (at < len_bytes) {
        size_t n = len_bytes - at < cut ? len_bytes - at : cut;
        int32_t st;

        if (link_decoder_feed(&decoder, data + at, n, NULL) != LATHE_OK)
            break;
        at += n;
        while ((st = link_decoder_next(&decoder, &frame, NULL)) == 1)
            if (strlen(frame.payload) > frame.len_bytes)
                abort();
        if (st < 0 && link_decoder_feed(&decoder, data, 0, NULL) != st)
            abort();
    }
    link_decoder_fini(&decoder);
    return 0;
}
