/* SPDX-License-Identifier: Apache-2.0 */
/* Frames after a good handshake. */
#include <string.h>

#include "tests/fuzz/http_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] =
        "GET /ws/echo/a HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
        "Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static uint8_t text[sizeof head + 65536];

    if (size < 1 || size > 65536)
        return 0;
    memcpy(text, head, sizeof head - 1);
    memcpy(text + sizeof head - 1, data + 1, size - 1);
    http_fuzz_run(text, sizeof head - 1 + size - 1, sizeof head - 1 + data[0]);
    return 0;
}
