/* The link between lathed and lathe-worker: length-prefixed frames on a stream socket.
 * Encoder and decoder do no I/O; a channel adds blocking sends and polled receives for the worker.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_LINK_LINK_H
#define CORE_LINK_LINK_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/strbuf.h"
#include "lathe/status.h"

/* A frame is a 16-byte header, little-endian, then `length` bytes of JSON (one object, UTF-8):
 *   u32 magic | u16 type | u16 version | u32 length | u32 sequence
 * sequence starts at 1 in each direction and grows by one per frame. Anything larger than the limit
 * is a file in the run directory, named in a frame with its SHA-256. */
#define LINK_MAGIC 0x4b4e4c4cu /* "LLNK" */
#define LINK_VERSION 1u
#define LINK_HEADER_BYTES 16u
#define LINK_PAYLOAD_MAX (1024u * 1024u)

/* The worker's end of the link is this descriptor. */
#define LINK_FD 3

/* A worker that is well sends some frame at least this often; three times this long without one
 * means it hangs. */
#define LINK_HEARTBEAT_MS 3000

/* Frame types. Payloads: core/worker/README.md. An unknown type is skipped by the receiver. */
enum link_type {
    /* worker -> server */
    LINK_HELLO = 1,      /* loaded, opened, spaces fit */
    LINK_PROGRESS = 2,   /* at most every 250 ms */
    LINK_METRICS = 3,    /* rows of history, batched, never thinned */
    LINK_EVAL = 4,       /* one evaluation */
    LINK_CHECKPOINT = 5, /* a checkpoint is durable */
    LINK_STATE = 6,      /* running, paused, stopping, suspended */
    LINK_DONE = 7,       /* last frame of a worker that ended well */
    LINK_ERROR = 8,      /* last frame of a worker that failed */
    LINK_LOG = 9,
    LINK_HEARTBEAT = 10,
    LINK_RESPONSE = 11,

    /* server -> worker */
    LINK_PAUSE = 32, /* finish the iteration, checkpoint, wait */
    LINK_RESUME = 33,
    LINK_STOP = 34,           /* finish the iteration, evaluate, make the artifact, end */
    LINK_CANCEL = 35,         /* end at once, nothing is written */
    LINK_CHECKPOINT_NOW = 36, /* at the next iteration boundary */
    LINK_SHUTDOWN = 37,       /* checkpoint and exit, to be resumed later; SIGTERM does the same */
    LINK_REQUEST = 38         /* role serve */
};

/* Name of a type for logs ("PROGRESS"); "UNKNOWN" for others. Thread: [any]. */
const char *link_type_name(uint32_t type);

/* One received frame. payload is NUL-terminated and valid until the next call on the decoder. */
struct link_frame {
    uint32_t type, sequence;
    const char *payload;
    size_t len_bytes;
};

/* Appends one frame to out and counts *sequence up. payload may be NULL when len_bytes is 0.
 * Errors: LATHE_E_LIMIT over LINK_PAYLOAD_MAX, LATHE_E_NOMEM; out is then unchanged. Thread: [any].
 */
int32_t link_encode(uint32_t *sequence, uint32_t type, const void *payload, size_t len_bytes,
                    struct strbuf *out) LATHE_MUST_USE;

/* Turns a byte stream into frames. Memory grows with the bytes that arrived, never with an
 * announced length. Storage from the caller. Thread: one at a time. */
struct link_decoder {
    char *data;
    size_t len_bytes, cap_bytes, pos;
    uint32_t last_sequence;
    int32_t failed; /* status that ended the stream, 0 = healthy */
    char saved;     /* byte that the terminating NUL of the last payload stands on */
    uint8_t saved_set;
};

void link_decoder_init(struct link_decoder *decoder);
void link_decoder_fini(struct link_decoder *decoder);

/* Adds received bytes. Errors: LATHE_E_NOMEM; LATHE_E_LIMIT when the caller feeds without taking
 * frames out (more than two full frames pending); the status of an earlier failure. */
int32_t link_decoder_feed(struct link_decoder *decoder, const void *data, size_t len_bytes,
                          struct lathe_error *err) LATHE_MUST_USE;

/* Takes the next frame out: 1 = *frame is set, 0 = more bytes are needed, negative = the stream is
 * broken for good (LATHE_E_CORRUPT bad magic or sequence, LATHE_E_VERSION, LATHE_E_LIMIT length).
 */
int32_t link_decoder_next(struct link_decoder *decoder, struct link_frame *frame,
                          struct lathe_error *err) LATHE_MUST_USE;

/* A link end with blocking sends. send may be called from several threads; poll from one. */
struct link_channel {
    int fd;
    int standalone; /* frames are printed as JSON lines instead; nothing is received */
    uint32_t sequence;
    int64_t last_send_ns;
    pthread_mutex_t send_lock; /* guards sequence, out, last_send_ns and the order of bytes on fd */
    struct strbuf out;
    struct link_decoder in;
};

/* Takes fd (a stream socket, made non-blocking). Errors: LATHE_E_IO, LATHE_E_INTERNAL. */
int32_t link_channel_open(struct link_channel *channel, int fd,
                          struct lathe_error *err) LATHE_MUST_USE;

/* Prints frames on fd as lines {"frame":"EVAL","data":{...}}. */
int32_t link_channel_open_lines(struct link_channel *channel, int fd,
                                struct lathe_error *err) LATHE_MUST_USE;
void link_channel_close(struct link_channel *channel); /* closes fd of a socket channel */

/* Sends one frame, waiting up to 30 s for a peer that does not read.
 * Errors: LATHE_E_UNAVAILABLE when the peer is gone, LATHE_E_TIMEOUT, LATHE_E_LIMIT, LATHE_E_NOMEM.
 */
int32_t link_send(struct link_channel *channel, uint32_t type, const char *payload,
                  size_t len_bytes, struct lathe_error *err) LATHE_MUST_USE;

/* Waits up to timeout_ms (0 = not at all, -1 = for ever) for a frame: 1 = *frame is set, 0 = none,
 * LATHE_E_UNAVAILABLE = the peer closed the link, other negative values = the stream is broken. A
 * signal ends the wait with 0. */
int32_t link_poll(struct link_channel *channel, int timeout_ms, struct link_frame *frame,
                  struct lathe_error *err) LATHE_MUST_USE;

/* Monotonic time of the last frame sent. Thread: [any]. */
int64_t link_last_send_ns(struct link_channel *channel);

#endif
