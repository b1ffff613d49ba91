/* SPDX-License-Identifier: Apache-2.0 */
/* Static files below one directory: no way out of it, types by suffix, ETag, sendfile. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/http/conn.h"

#define PATH_CAP 1024

static const char *type_of(const char *path)
{
    static const struct {
        const char *suffix, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".json", "application/json"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".txt", "text/plain; charset=utf-8"},
        {".map", "application/json"},
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(dot, types[i].suffix) == 0)
            return types[i].type;
    return "application/octet-stream";
}

/* Plain components only: no "..", no hidden files, no backslash. */
static int is_safe(const char *rel)
{
    if (*rel == '\0' || *rel == '/' || strchr(rel, '\\') != NULL)
        return 0;
    for (const char *at = rel; at != NULL; at = strchr(at, '/')) {
        at += *at == '/';
        if (*at == '.' || *at == '/' || *at == '\0')
            return 0;
    }
    return 1;
}

/* Opens root/rel without following a link in the last component, and checks that it is a file. */
static int open_file(const char *root, const char *rel, struct stat *info)
{
    char path[PATH_CAP];
    int fd;

    if (!is_safe(rel) || snprintf(path, sizeof path, "%s/%s", root, rel) >= PATH_CAP)
        return -1;
    if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) < 0)
        return -1;
    if (fstat(fd, info) != 0 || !S_ISREG(info->st_mode)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void send_file(struct lathe_request *req, int fd, const char *rel, int64_t size)
{
    struct http_conn *conn = req->conn;
    struct evbuffer_file_segment *segment = NULL;

    if (size > 0 && !req->is_head) {
        /* TLS has to see the bytes, plain sockets use sendfile */
        unsigned flags = EVBUF_FS_CLOSE_ON_FREE | (conn->tls ? EVBUF_FS_DISABLE_SENDFILE : 0);

        segment = evbuffer_file_segment_new(fd, 0, size, flags);
        if (segment == NULL) {
            close(fd);
            (void)problem_simple(req, 500, "io", "The file cannot be read");
            return;
        }
    } else {
        close(fd);
    }
    if (reply_head(req, 200, type_of(rel), size) != LATHE_OK ||
        (segment != NULL && evbuffer_add_file_segment(conn->out, segment, 0, size) != 0)) {
        if (segment != NULL)
            evbuffer_file_segment_free(segment);
        conn_close(conn);
        return;
    }
    if (segment != NULL)
        evbuffer_file_segment_free(segment);
    reply_done(req, (uint64_t)size);
}

int files_serve(struct lathe_request *req, const char *root, const char *rel, const char *cache)
{
    const char *known = request_header(req, HDR_IF_NONE_MATCH);
    struct stat info;
    char etag[64];
    int fd;

    if (root == NULL || (fd = open_file(root, rel, &info)) < 0)
        return 0;
    snprintf(etag, sizeof etag, "\"%llx-%llx\"", (unsigned long long)info.st_mtime,
             (unsigned long long)info.st_size);
    (void)reply_add_header(req, "ETag", etag);
    (void)reply_add_header(req, "Cache-Control", cache);
    if (known != NULL && (strcmp(known, "*") == 0 || strstr(known, etag) != NULL)) {
        close(fd);
        (void)reply_send(req, 304, NULL, NULL, 0);
        return 1;
    }
    send_file(req, fd, rel, info.st_size);
    return 1;
}
