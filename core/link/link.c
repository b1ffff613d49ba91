/* Frames of the link: encoding and decoding without I/O. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/link/link.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

#define PENDING_MAX (2u * (LINK_PAYLOAD_MAX + LINK_HEADER_BYTES))

static void put_u16(unsigned char *out, uint32_t v)
{
    out[0] = (unsigned char)(v & 0xffu);
    out[1] = (unsigned char)(v >> 8 & 0xffu);
}

static void put_u32(unsigned char *out, uint32_t v)
{
    put_u16(out, v & 0xffffu);
    put_u16(out + 2, v >> 16);
}

static uint32_t get_u16(const unsigned char *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8;
}

static uint32_t get_u32(const unsigned char *in)
{
    return get_u16(in) | get_u16(in + 2) << 16;
}

const char *link_type_name(uint32_t type)
{
    switch (type) {
    case LINK_HELLO:
        return "HELLO";
    case LINK_PROGRESS:
        return "PROGRESS";
    case LINK_METRICS:
        return "METRICS";
    case LINK_EVAL:
        return "EVAL";
    case LINK_CHECKPOINT:
        return "CHECKPOINT";
    case LINK_STATE:
        return "STATE";
    case LINK_DONE:
        return "DONE";
    case LINK_ERROR:
        return "ERROR";
    case LINK_LOG:
        return "LOG";
    case LINK_HEARTBEAT:
        return "HEARTBEAT";
    case LINK_RESPONSE:
        return "RESPONSE";
    case LINK_PAUSE:
        return "PAUSE";
    case LINK_RESUME:
        return "RESUME";
    case LINK_STOP:
        return "STOP";
    case LINK_CANCEL:
        return "CANCEL";
    case LINK_CHECKPOINT_NOW:
        return "CHECKPOINT_NOW";
    case LINK_SHUTDOWN:
        return "SHUTDOWN";
    case LINK_REQUEST:
        return "REQUEST";
    default:
        return "UNKNOWN";
    }
}

int32_t link_encode(uint32_t *sequence, uint32_t type, const void *payload, size_t len_bytes,
                    struct strbuf *out)
{
    unsigned char header[LINK_HEADER_BYTES];

    if (len_bytes > LINK_PAYLOAD_MAX)
        return LATHE_E_LIMIT;
    if (!strbuf_reserve(out, LINK_HEADER_BYTES + len_bytes))
        return LATHE_E_NOMEM;
    put_u32(header, LINK_MAGIC);
    put_u16(header + 4, type);
    put_u16(header + 6, LINK_VERSION);
    put_u32(header + 8, (uint32_t)len_bytes);
    put_u32(header + 12, ++*sequence);
    strbuf_add(out, header, sizeof header);
    if (len_bytes > 0)
        strbuf_add(out, payload, len_bytes);
    return LATHE_OK;
}

void link_decoder_init(struct link_decoder *decoder)
{
    memset(decoder, 0, sizeof *decoder);
}

void link_decoder_fini(struct link_decoder *decoder)
{
    mem_free(decoder->data);
    memset(decoder, 0, sizeof *decoder);
}

/* Puts the byte back that the NUL of the last payload replaced. */
static void restore_saved(struct link_decoder *decoder)
{
    if (decoder->saved_set) {
        decoder->data[decoder->pos] = decoder->saved;
        decoder->saved_set = 0;
    }
}

static int32_t grow(struct link_decoder *decoder, size_t extra)
{
    size_t need = decoder->len_bytes + extra + 1; /* + 1: the NUL behind the last payload */
    size_t cap = decoder->cap_bytes > 0 ? decoder->cap_bytes : 4096;
    char *data;

    while (cap < need)
        cap *= 2;
    if (cap == decoder->cap_bytes)
        return LATHE_OK;
    data = mem_realloc(decoder->data, cap, 1);
    if (data == NULL)
        return LATHE_E_NOMEM;
    decoder->data = data;
    decoder->cap_bytes = cap;
    return LATHE_OK;
}

int32_t link_decoder_feed(struct link_decoder *decoder, const void *data, size_t len_bytes,
                          struct lathe_error *err)
{
    if (decoder->failed != LATHE_OK)
        return fail(err, decoder->failed, "link: the stream is broken");
    restore_saved(decoder);
    if (decoder->pos > 0) {
        memmove(decoder->data, decoder->data + decoder->pos, decoder->len_bytes - decoder->pos);
        decoder->len_bytes -= decoder->pos;
        decoder->pos = 0;
    }
    if (len_bytes > PENDING_MAX || decoder->len_bytes + len_bytes > PENDING_MAX)
        return fail(err, LATHE_E_LIMIT, "link: %zu bytes pending", decoder->len_bytes + len_bytes);
    if (grow(decoder, len_bytes) != LATHE_OK)
        return fail(err, LATHE_E_NOMEM, "link: receive buffer");
    if (len_bytes > 0)
        memcpy(decoder->data + decoder->len_bytes, data, len_bytes);
    decoder->len_bytes += len_bytes;
    return LATHE_OK;
}

static int32_t check_header(struct link_decoder *decoder, const unsigned char *header,
                            struct lathe_error *err)
{
    if (get_u32(header) != LINK_MAGIC)
        return fail(err, LATHE_E_CORRUPT, "link: frame %u has a wrong magic",
                    decoder->last_sequence + 1);
    if (get_u16(header + 6) != LINK_VERSION)
        return fail(err, LATHE_E_VERSION, "link: frame version %u, this side speaks %u",
                    get_u16(header + 6), LINK_VERSION);
    if (get_u32(header + 8) > LINK_PAYLOAD_MAX)
        return fail(err, LATHE_E_LIMIT, "link: frame of %u bytes, limit %u", get_u32(header + 8),
                    LINK_PAYLOAD_MAX);
    if (get_u32(header + 12) != decoder->last_sequence + 1)
        return fail(err, LATHE_E_CORRUPT, "link: frame %u where %u was due", get_u32(header + 12),
                    decoder->last_sequence + 1);
    return LATHE_OK;
}

int32_t link_decoder_next(struct link_decoder *decoder, struct link_frame *frame,
                          struct lathe_error *err)
{
    const unsigned char *header;
    size_t have, len;
    int32_t st;

    if (decoder->failed != LATHE_OK)
        return fail(err, decoder->failed, "link: the stream is broken");
    restore_saved(decoder);
    have = decoder->len_bytes - decoder->pos;
    if (have < LINK_HEADER_BYTES)
        return 0;
    header = (const unsigned char *)decoder->data + decoder->pos;
    if ((st = check_header(decoder, header, err)) != LATHE_OK) {
        decoder->failed = st;
        return st;
    }
    len = get_u32(header + 8);
    if (have < LINK_HEADER_BYTES + len)
        return 0;
    frame->type = get_u16(header + 4);
    frame->sequence = ++decoder->last_sequence;
    frame->payload = decoder->data + decoder->pos + LINK_HEADER_BYTES;
    frame->len_bytes = len;
    decoder->pos += LINK_HEADER_BYTES + len;
    decoder->saved = decoder->data[decoder->pos];
    decoder->saved_set = 1;
    decoder->data[decoder->pos] = '\0';
    return 1;
}
