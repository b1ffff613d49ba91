/* SHA-256 over libcrypto, CRC-32, hex, base64, constant-time comparison. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fail.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int32_t sha256_open(struct sha256 *sha)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    sha->impl = NULL;
    if (ctx == NULL)
        return LATHE_E_NOMEM;
    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return LATHE_E_INTERNAL;
    }
    sha->impl = ctx;
    return LATHE_OK;
}

void sha256_add(struct sha256 *sha, const void *data, size_t len_bytes)
{
    if (sha->impl != NULL && len_bytes != 0 && EVP_DigestUpdate(sha->impl, data, len_bytes) != 1) {
        EVP_MD_CTX_free(sha->impl);
        sha->impl = NULL; /* close then yields "" */
    }
}

void sha256_close_hex(struct sha256 *sha, char hex[65])
{
    unsigned char digest[32];

    if (hex != NULL)
        hex[0] = '\0';
    if (sha->impl == NULL)
        return;
    if (hex != NULL && EVP_DigestFinal_ex(sha->impl, digest, NULL) == 1)
        hex_encode(digest, sizeof digest, hex);
    EVP_MD_CTX_free(sha->impl);
    sha->impl = NULL;
}

void sha256_hex(const void *data, size_t len_bytes, char hex[65])
{
    struct sha256 sha;

    hex[0] = '\0';
    if (sha256_open(&sha) != LATHE_OK)
        return;
    sha256_add(&sha, data, len_bytes);
    sha256_close_hex(&sha, hex);
}

int32_t sha256_file_hex(const char *path, char hex[65], struct lathe_error *err)
{
    unsigned char block[65536];
    struct sha256 sha = {NULL};
    int32_t st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return fail_errno(err, errno, "open %s", path);
    if ((st = sha256_open(&sha)) != LATHE_OK) {
        fail(err, st, "hash %s: no memory", path);
        goto out;
    }
    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            st = fail_errno(err, errno, "read %s", path);
        if (n <= 0)
            break;
        sha256_add(&sha, block, (size_t)n);
    }
    if (st == LATHE_OK) {
        sha256_close_hex(&sha, hex);
        if (hex[0] == '\0')
            st = fail(err, LATHE_E_INTERNAL, "hash %s: the digest failed", path);
    }
out:
    sha256_close_hex(&sha, NULL);
    close(fd);
    return st;
}

uint32_t crc32_add(uint32_t crc, const void *data, size_t len_bytes)
{
    const unsigned char *s = data;

    crc = ~crc;
    for (size_t i = 0; i < len_bytes; i++) {
        crc ^= s[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

void hex_encode(const void *data, size_t len_bytes, char *out)
{
    const unsigned char *s = data;

    for (size_t i = 0; i < len_bytes; i++) {
        *out++ = hex_digits[s[i] >> 4];
        *out++ = hex_digits[s[i] & 15];
    }
    *out = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(const char *hex, size_t hex_len, void *out)
{
    unsigned char *to = out;

    if (hex_len % 2 != 0)
        return 0;
    for (size_t i = 0; i < hex_len; i += 2) {
        int hi = hex_value(hex[i]);
        int lo = hex_value(hex[i + 1]);
        if (hi < 0 || lo < 0)
            return 0;
        *to++ = (unsigned char)(hi << 4 | lo);
    }
    return 1;
}

size_t base64_len(size_t len_bytes)
{
    return (len_bytes + 2) / 3 * 4 + 1;
}

void base64_encode(const void *data, size_t len_bytes, char *out)
{
    const unsigned char *s = data;

    for (size_t i = 0; i < len_bytes; i += 3) {
        size_t left = len_bytes - i;
        uint32_t v = (uint32_t)s[i] << 16 | (left > 1 ? (uint32_t)s[i + 1] << 8 : 0) |
                     (left > 2 ? (uint32_t)s[i + 2] : 0);
        *out++ = base64_digits[v >> 18];
        *out++ = base64_digits[v >> 12 & 63];
        *out++ = left > 1 ? base64_digits[v >> 6 & 63] : '=';
        *out++ = left > 2 ? base64_digits[v & 63] : '=';
    }
    *out = '\0';
}

static int base64_value(char c)
{
    const char *at = c != '\0' ? strchr(base64_digits, c) : NULL;

    return at != NULL ? (int)(at - base64_digits) : -1;
}

long base64_decode(const char *text, size_t text_len, void *out, size_t cap)
{
    unsigned char *to = out;
    size_t len = 0;

    if (text_len % 4 != 0)
        return -1;
    for (size_t i = 0; i < text_len; i += 4) {
        int last = i + 4 == text_len;
        int pad = last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
        size_t n = 3 - (size_t)pad;
        uint32_t v = 0;

        for (int k = 0; k < 4; k++) {
            int d = k < 4 - pad ? base64_value(text[i + (size_t)k]) : 0;
            if (d < 0)
                return -1;
            v = v << 6 | (uint32_t)d;
        }
        /* Bits under the padding must be zero: one text per value. */
        if (len + n > cap || (pad == 1 && (v & 0xff) != 0) || (pad == 2 && (v & 0xffff) != 0))
            return -1;
        for (size_t k = 0; k < n; k++)
            to[len++] = (unsigned char)(v >> (16 - 8 * k));
    }
    return (long)len;
}

int bytes_equal_ct(const void *a, const void *b, size_t len_bytes)
{
    return CRYPTO_memcmp(a, b, len_bytes) == 0;
}
