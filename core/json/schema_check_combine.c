/* Validation by combinations: $ref, allOf, anyOf, oneOf, not, if. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/mem.h"
#include "core/json/schema_check.h"

int check_in_place(struct check *ck, const struct node *node, const struct subject *subject,
                   struct seen *seen)
{
    struct seen own = {NULL, 0};
    int ok;

    if (seen == NULL)
        return check_node(ck, node, subject, NULL);
    if ((ck->status = seen_open(&own, subject->value)) != LATHE_OK)
        return 0;
    ok = check_node(ck, node, subject, &own);
    for (size_t i = 0; ok && i < own.n / 8 + 1; i++)
        seen->bits[i] |= own.bits[i];
    seen_close(&own);
    return ok;
}

/* As check_in_place without reporting. */
static int probe(struct check *ck, const struct node *node, const struct subject *subject,
                 struct seen *seen)
{
    struct schema_report *report = ck->report;
    int ok;

    ck->report = NULL;
    ok = check_in_place(ck, node, subject, seen);
    ck->report = report;
    return ok;
}

/* Did the value fail this branch by its very kind: type, const or enum of the value itself, or
 * (with deep) a const member, which is how variants are told apart? */
static int fails_by_kind(const struct schema_report *report, size_t depth, int deep)
{
    for (size_t i = 0; i < report->n; i++) {
        const char *keyword = report->items[i].keyword;
        size_t at = json_array_size(report->items[i].path);
        int is_const = strcmp(keyword, "const") == 0;

        if (at == depth &&
            (is_const || strcmp(keyword, "type") == 0 || strcmp(keyword, "enum") == 0))
            return 1;
        if (deep && at == depth + 1 && is_const)
            return 1;
    }
    return 0;
}

/* The branch that was plainly meant, or n when there is none. */
static size_t meant_branch(const struct node_list *list, const struct schema_report *reports,
                           size_t depth)
{
    for (int pass = 0; pass < 3; pass++) {
        size_t n_found = 0, found = list->n;

        for (size_t i = 0; i < list->n; i++) {
            /* Last resort: the only branch that is not just "null". */
            int fits = pass < 2 ? !fails_by_kind(&reports[i], depth, pass)
                                : list->items[i]->types != TYPE_NULL;
            if (fits) {
                found = i;
                n_found++;
            }
        }
        if (n_found == 1)
            return found;
    }
    return list->n;
}

static size_t depth_of(const struct place *place)
{
    size_t depth = 0;

    for (; place->up != NULL; place = place->up)
        depth++;
    return depth;
}

/* Runs every branch into its own report. Returns how many are valid. */
static size_t run_branches(struct check *ck, const struct node_list *list,
                           const struct subject *subject, struct seen *seen,
                           struct schema_report *reports)
{
    struct schema_report *report = ck->report;
    size_t n_valid = 0;

    for (size_t i = 0; i < list->n && ck->status == LATHE_OK; i++) {
        ck->report = reports != NULL ? &reports[i] : NULL;
        if (check_in_place(ck, list->items[i], subject, seen))
            n_valid++;
    }
    ck->report = report;
    return n_valid;
}

static int report_branches(struct check *ck, const struct node *node, const char *keyword,
                           const struct subject *subject, struct schema_report *reports)
{
    const struct node_list *list = strcmp(keyword, "anyOf") == 0 ? &node->any_of : &node->one_of;
    size_t meant = meant_branch(list, reports, depth_of(subject->place));

    if (meant == list->n || reports[meant].n == 0)
        return violate(ck, node, keyword, subject, "matches none of the %zu allowed forms",
                       list->n);
    if (ck->status == LATHE_OK)
        ck->status = report_move(ck->report, ck->max, &reports[meant]);
    return 0;
}

static int check_branches(struct check *ck, const struct node *node, const char *keyword,
                          const struct subject *subject, struct seen *seen)
{
    int is_one = strcmp(keyword, "oneOf") == 0;
    const struct node_list *list = is_one ? &node->one_of : &node->any_of;
    struct schema_report *reports = NULL;
    size_t n_valid;
    int ok = 1;

    if (list->n == 0)
        return 1;
    if (ck->report != NULL && (reports = mem_zalloc(list->n, sizeof *reports)) == NULL) {
        ck->status = LATHE_E_NOMEM;
        return 0;
    }
    n_valid = run_branches(ck, list, subject, seen, reports);
    if (n_valid == 0)
        ok = reports != NULL ? report_branches(ck, node, keyword, subject, reports) : 0;
    else if (is_one && n_valid > 1)
        ok = violate(ck, node, keyword, subject, "matches %zu forms where only one is allowed",
                     n_valid);
    for (size_t i = 0; reports != NULL && i < list->n; i++)
        schema_report_fini(&reports[i]);
    mem_free(reports);
    return ok;
}

static int check_condition(struct check *ck, const struct node *node, const struct subject *subject,
                           struct seen *seen)
{
    const struct node *branch;

    if (node->children[CHILD_IF] == NULL)
        return 1;
    branch = node->children[probe(ck, node->children[CHILD_IF], subject, seen) ? CHILD_THEN
                                                                               : CHILD_ELSE];
    return branch == NULL || check_in_place(ck, branch, subject, seen);
}

static int check_not(struct check *ck, const struct node *node, const struct subject *subject,
                     struct seen *seen)
{
    (void)seen; /* what a negated schema saw does not count */
    if (node->children[CHILD_NOT] == NULL || !probe(ck, node->children[CHILD_NOT], subject, NULL))
        return 1;
    return violate(ck, node, "not", subject, "has a form that is not allowed");
}

static int check_all(struct check *ck, const struct node *node, const struct subject *subject,
                     struct seen *seen)
{
    int ok = node->ref == NULL || check_in_place(ck, node->ref, subject, seen);

    for (size_t i = 0; i < node->all_of.n && (ok || !check_must_stop(ck)); i++) {
        if (!check_in_place(ck, node->all_of.items[i], subject, seen))
            ok = 0;
    }
    return ok;
}

int check_combined(struct check *ck, const struct node *node, const struct subject *subject,
                   struct seen *seen)
{
    int ok = check_all(ck, node, subject, seen);

    if ((ok || !check_must_stop(ck)) && !check_branches(ck, node, "anyOf", subject, seen))
        ok = 0;
    if ((ok || !check_must_stop(ck)) && !check_branches(ck, node, "oneOf", subject, seen))
        ok = 0;
    if ((ok || !check_must_stop(ck)) && !check_not(ck, node, subject, seen))
        ok = 0;
    if ((ok || !check_must_stop(ck)) && !check_condition(ck, node, subject, seen))
        ok = 0;
    return ok;
}
