/* Private to schema_check*.c: the state of one validation. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_JSON_SCHEMA_CHECK_H
#define CORE_JSON_SCHEMA_CHECK_H

#include "core/json/schema_node.h"

struct check {
    const struct schema_set *set;
    struct schema_report *report; /* NULL: only the answer matters, stop at the first violation */
    size_t max;
    unsigned depth, steps_left;
    int32_t status; /* not OK: give up */
};

/* One bit per member or element that some keyword has looked at; bits NULL: nobody asks. */
struct seen {
    unsigned char *bits;
    size_t n;
};

/* The value under test. */
struct subject {
    const json_t *value;
    const struct place *place;
};

/* 1 when valid. Marks what it looked at in seen (may be NULL). */
int check_node(struct check *ck, const struct node *node, const struct subject *subject,
               struct seen *seen);
/* Adds a violation of keyword; always 0. */
int violate(struct check *ck, const struct node *node, const char *keyword,
            const struct subject *subject, const char *fmt, ...) LATHE_PRINTF(5, 6);
/* Must the caller stop after an invalid part? */
int check_must_stop(const struct check *ck);

int check_array(struct check *ck, const struct node *node, const struct subject *subject,
                struct seen *seen);
int check_object(struct check *ck, const struct node *node, const struct subject *subject,
                 struct seen *seen);
int check_unevaluated(struct check *ck, const struct node *node, const struct subject *subject,
                      struct seen *seen);
int check_combined(struct check *ck, const struct node *node, const struct subject *subject,
                   struct seen *seen);
/* check_node on the same value, marking seen only when it is valid. */
int check_in_place(struct check *ck, const struct node *node, const struct subject *subject,
                   struct seen *seen);

void seen_mark(struct seen *seen, size_t index);
int seen_has(const struct seen *seen, size_t index);
int32_t seen_open(struct seen *seen, const json_t *value);
void seen_close(struct seen *seen);

#endif
