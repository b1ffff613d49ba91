/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, their memory, and lists of them. */

#include <stdalign.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/store/store_internal.h"

#define HEAD_BYTES 16u /* keeps what follows aligned */

void *arena_alloc(struct store_arena *arena, size_t n, size_t size)
{
    struct store_block *block;
    size_t bytes, total;

    if (!size_mul(n, size, &bytes) || !size_add(bytes, HEAD_BYTES, &total))
        return NULL;
    if ((block = mem_zalloc(1, total)) == NULL)
        return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->bytes += total;
    return (char *)block + HEAD_BYTES;
}

char *arena_strdup(struct store_arena *arena, const char *prefix, const char *text)
{
    size_t head = strlen(prefix), len = strlen(text);
    char *out = arena_alloc(arena, 1, head + len + 1);

    if (out == NULL)
        return NULL;
    memcpy(out, prefix, head);
    memcpy(out + head, text, len + 1);
    return out;
}

void arena_fini(struct store_arena *arena)
{
    while (arena->blocks != NULL) {
        struct store_block *block = arena->blocks;

        arena->blocks = block->next;
        mem_free(block);
    }
    arena->bytes = 0;
}

struct store_req *req_new(enum store_kind kind, const struct lathe_store_call *call)
{
    struct store_req *req = mem_new(struct store_req);

    if (req == NULL) {
        if (call != NULL && call->drop != NULL)
            call->drop(call->user);
        return NULL;
    }
    req->kind = kind;
    if (call != NULL) {
        req->call.done = call->done;
        req->call.drop = call->drop;
        req->call.user = call->user;
    }
    return req;
}

void req_end(struct store_req *req, int with_done)
{
    if (with_done && req->kind == STORE_TS_OPEN)
        service_ts_learn(req);
    if (with_done && req->call.done != NULL) {
        req->result.struct_size = sizeof req->result;
        req->result.error = &req->error;
        req->call.done(req->call.user, req->status, &req->result);
    }
    if (req->call.drop != NULL)
        req->call.drop(req->call.user);
    arena_fini(&req->args);
    arena_fini(&req->results);
    mem_free(req->docs);
    mem_free(req->points);
    mem_free(req->series);
    mem_free(req->ts_points);
    mem_free(req->ts_buckets);
    mem_free(req);
}

void list_init(struct store_list *list)
{
    list->head = NULL;
    list->tail = &list->head;
    list->n = 0;
}

void list_add(struct store_list *list, struct store_req *req)
{
    req->next = NULL;
    *list->tail = req;
    list->tail = &req->next;
    list->n++;
}

void list_move(struct store_list *to, struct store_list *from)
{
    if (from->head == NULL)
        return;
    *to->tail = from->head;
    to->tail = from->tail;
    to->n += from->n;
    list_init(from);
}
