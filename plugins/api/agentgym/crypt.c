/* Hashes, base64, sealed secrets and random numbers, all by OpenSSL. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

#define NONCE_BYTES 12
#define TAG_BYTES 16
#define SEALED_MAX 1024

static void hex(char *out, const unsigned char *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    size_t i;

    for (i = 0; i < len; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * len] = '\0';
}

static int unhex(unsigned char *out, size_t cap, const char *text, size_t *len)
{
    size_t i, n = strlen(text);

    if (n % 2 || n / 2 > cap || strspn(text, "0123456789abcdef") != n)
        return 0;
    for (i = 0; i < n / 2; i++) {
        const char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};

        out[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    *len = n / 2;
    return 1;
}

void sha256_hex(char out[65], const void *data, size_t len_bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;

    if (!EVP_Digest(data, len_bytes, digest, &len, EVP_sha256(), NULL))
        len = 0;
    hex(out, digest, len > 32 ? 32 : len);
}

char *base64_encode(const void *data, size_t len_bytes)
{
    char *out;

    if (len_bytes > (1u << 30) || !(out = malloc((len_bytes + 2) / 3 * 4 + 1)))
        return NULL;
    EVP_EncodeBlock((unsigned char *)out, data, (int)len_bytes);
    return out;
}

int32_t base64_decode(const char *text, void **data, size_t *len)
{
    size_t n = strlen(text), pad = 0;
    unsigned char *out;
    int got;

    if (n % 4 || n > (1u << 30))
        return LATHE_E_INVALID;
    if (!(out = malloc(n / 4 * 3 + 1)))
        return LATHE_E_NOMEM;
    if (n)
        pad = (size_t)(text[n - 1] == '=') + (size_t)(text[n - 2] == '=');
    got = EVP_DecodeBlock(out, (const unsigned char *)text, (int)n);
    if (got < 0 || (size_t)got < pad) {
        free(out);
        return LATHE_E_INVALID;
    }
    *data = out;
    *len = (size_t)got - pad;
    return LATHE_OK;
}

int32_t seal(const unsigned char key[32], const char *text, struct text *out)
{
    unsigned char box[NONCE_BYTES + SEALED_MAX + TAG_BYTES];
    char digits[2 * sizeof box + 1];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    size_t len = strlen(text);
    int n = 0, ok;

    ok =
        ctx && len <= SEALED_MAX && RAND_bytes(box, NONCE_BYTES) == 1 &&
        EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, box) == 1 &&
        EVP_EncryptUpdate(ctx, box + NONCE_BYTES, &n, (const unsigned char *)text, (int)len) == 1 &&
        EVP_EncryptFinal_ex(ctx, box + NONCE_BYTES + n, &n) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, box + NONCE_BYTES + len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!ok)
        return LATHE_E_INTERNAL;
    hex(digits, box, NONCE_BYTES + len + TAG_BYTES);
    text_adds(out, digits);
    return out->failed ? LATHE_E_NOMEM : LATHE_OK;
}

int32_t unseal(const unsigned char key[32], const char *sealed, char *out, size_t cap)
{
    unsigned char box[NONCE_BYTES + SEALED_MAX + TAG_BYTES];
    EVP_CIPHER_CTX *ctx;
    size_t len = 0, body;
    int n = 0, ok;

    if (!unhex(box, sizeof box, sealed, &len) || len < NONCE_BYTES + TAG_BYTES)
        return LATHE_E_CORRUPT;
    body = len - NONCE_BYTES - TAG_BYTES;
    if (body + 1 > cap)
        return LATHE_E_LIMIT;
    ctx = EVP_CIPHER_CTX_new();
    ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, box) == 1 &&
         EVP_DecryptUpdate(ctx, (unsigned char *)out, &n, box + NONCE_BYTES, (int)body) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, box + NONCE_BYTES + body) == 1 &&
         EVP_DecryptFinal_ex(ctx, (unsigned char *)out + n, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    out[ok ? body : 0] = '\0';
    return ok ? LATHE_OK : LATHE_E_CORRUPT;
}

int64_t random_seed(void)
{
    uint64_t draw = 0;

    if (RAND_bytes((unsigned char *)&draw, sizeof draw) != 1)
        draw = 0;
    return (int64_t)(draw >> 11);
}

void random_hex(char out[33])
{
    unsigned char draw[16] = {0};

    if (RAND_bytes(draw, sizeof draw) != 1)
        memset(draw, 0, sizeof draw);
    hex(out, draw, sizeof draw);
}
