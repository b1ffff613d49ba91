/* SPDX-License-Identifier: Apache-2.0 */
/* TLS contexts of listeners: certificate, key, 1.2 and newer, no renegotiation. */
#include <openssl/err.h>

#include "core/base/fail.h"
#include "core/http/server.h"

static int32_t tls_fail(struct lathe_error *err, const char *what, const char *file)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return fail(err, LATHE_E_IO, "%s %s: %s", what, file, reason ? reason : "unknown error");
}

int32_t tls_open(const char *cert, const char *key, SSL_CTX **out, struct lathe_error *err)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    int32_t st = LATHE_OK;

    if (tls == NULL)
        return fail(err, LATHE_E_NOMEM, "set up TLS: out of memory");
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_id_context(tls, (const unsigned char *)"lathe", 5);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_use_certificate_chain_file(tls, cert) != 1)
        st = tls_fail(err, "read the TLS certificate", cert);
    else if (SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        st = tls_fail(err, "read the TLS key", key);
    else if (SSL_CTX_check_private_key(tls) != 1)
        st = tls_fail(err, "the TLS key does not belong to", cert);
    if (st != LATHE_OK) {
        SSL_CTX_free(tls);
        return st;
    }
    *out = tls;
    return LATHE_OK;
}
