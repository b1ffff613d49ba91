/* Validation of members and elements, and what is left over (unevaluated). */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/json/schema_check.h"

static json_t *mutable_json(const json_t *value)
{
    union {
        const json_t *in;
        json_t *out;
    } pun = {value};

    return pun.out;
}

/* --- arrays ---------------------------------------------------------------------------------- */

static int check_element(struct check *ck, const struct node *node, const struct subject *array,
                         size_t index)
{
    struct place place = {array->place, NULL, index};
    struct subject element = {json_array_get(array->value, index), &place};

    return check_node(ck, node, &element, NULL);
}

static int check_contains(struct check *ck, const struct node *node, const struct subject *subject,
                          struct seen *seen)
{
    int64_t low = node->sizes[SIZE_MIN_CONTAINS], high = node->sizes[SIZE_MAX_CONTAINS], n = 0;
    struct schema_report *report = ck->report;

    ck->report = NULL; /* an element that does not match is no violation */
    for (size_t i = 0; i < json_array_size(subject->value) && ck->status == LATHE_OK; i++) {
        if (check_element(ck, node->children[CHILD_CONTAINS], subject, i)) {
            seen_mark(seen, i);
            n++;
        }
    }
    ck->report = report;
    if (low < 0 && n == 0)
        return violate(ck, node, "contains", subject, "must contain a matching element");
    if (n < low)
        return violate(ck, node, "minContains", subject, "must contain %lld matching elements",
                       (long long)low);
    if (high >= 0 && n > high)
        return violate(ck, node, "maxContains", subject,
                       "must not contain more than %lld matching elements", (long long)high);
    return 1;
}

static int check_unique(struct check *ck, const struct node *node, const struct subject *subject)
{
    size_t pair[2];
    int found = find_equal_elements(subject->value, pair, &ck->steps_left);

    if (found < 0) {
        ck->status = found == -1 ? LATHE_E_NOMEM : LATHE_E_LIMIT;
        return 0;
    }
    if (found == 0)
        return 1;
    return violate(ck, node, "uniqueItems", subject, "must not repeat elements: %zu equals %zu",
                   pair[0], pair[1]);
}

static int check_elements(struct check *ck, const struct node *node, const struct subject *subject,
                          struct seen *seen)
{
    int ok = 1;

    for (size_t i = 0; i < json_array_size(subject->value); i++) {
        const struct node *child =
            i < node->prefix.n ? node->prefix.items[i] : node->children[CHILD_ITEMS];
        if (child == NULL)
            break;
        if (!check_element(ck, child, subject, i)) {
            ok = 0;
            if (check_must_stop(ck))
                break;
        }
        seen_mark(seen, i);
    }
    return ok;
}

int check_array(struct check *ck, const struct node *node, const struct subject *subject,
                struct seen *seen)
{
    int64_t n = (int64_t)json_array_size(subject->value);
    int64_t low = node->sizes[SIZE_MIN_ITEMS], high = node->sizes[SIZE_MAX_ITEMS];
    int ok = 1;

    if (n < low)
        ok = violate(ck, node, "minItems", subject, "must have at least %lld elements",
                     (long long)low);
    if (high >= 0 && n > high)
        ok = violate(ck, node, "maxItems", subject, "must have at most %lld elements",
                     (long long)high);
    if (node->is_unique && (ok || !check_must_stop(ck)) && !check_unique(ck, node, subject))
        ok = 0;
    if ((ok || !check_must_stop(ck)) && !check_elements(ck, node, subject, seen))
        ok = 0;
    if (node->children[CHILD_CONTAINS] != NULL && (ok || !check_must_stop(ck)) &&
        !check_contains(ck, node, subject, seen))
        ok = 0;
    return ok;
}

/* --- objects --------------------------------------------------------------------------------- */

static const struct node *find_named(const struct named_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].name, name) == 0)
            return list->items[i].node;
    }
    return NULL;
}

/* A schema that is plain false forbids the member itself: the keyword above it says why. */
static int check_member(struct check *ck, const struct node *node, const struct node *child,
                        const struct subject *member, const char *keyword)
{
    if (child->fixed == 0)
        return violate(ck, node, keyword, member, "is not allowed");
    return check_node(ck, child, member, NULL);
}

/* properties, patternProperties and additionalProperties for one member. *known: any applied. */
static int check_one_member(struct check *ck, const struct node *node, const struct subject *member,
                            const char *name, int *known)
{
    const struct node *child = find_named(&node->properties, name);
    int ok = 1;

    *known = child != NULL;
    if (child != NULL)
        ok = check_member(ck, node, child, member, "properties");
    for (size_t i = 0; i < node->patterns.n && (ok || !check_must_stop(ck)); i++) {
        const struct named_node *item = &node->patterns.items[i];
        int match = pattern_match(item->pattern, name, strlen(name));
        if (match < 0)
            ok = violate(ck, node, "patternProperties", member,
                         "has a name that cannot be compared within the limits");
        if (match <= 0)
            continue;
        *known = 1;
        if (!check_member(ck, node, item->node, member, "patternProperties"))
            ok = 0;
    }
    if (!*known && node->children[CHILD_ADDITIONAL] != NULL) {
        *known = 1;
        ok = check_member(ck, node, node->children[CHILD_ADDITIONAL], member,
                          "additionalProperties");
    }
    return ok;
}

static int check_name(struct check *ck, const struct node *node, const struct place *place,
                      const char *name)
{
    json_t *text = json_string(name);
    struct subject subject = {text, place};
    int ok;

    if (text == NULL) {
        ck->status = LATHE_E_NOMEM;
        return 0;
    }
    ok = check_member(ck, node, node->children[CHILD_NAMES], &subject, "propertyNames");
    json_decref(text);
    return ok;
}

static int check_members(struct check *ck, const struct node *node, const struct subject *subject,
                         struct seen *seen)
{
    const char *name;
    json_t *value;
    size_t i = 0;
    int ok = 1;

    if (node->properties.n == 0 && node->patterns.n == 0 &&
        node->children[CHILD_ADDITIONAL] == NULL && node->children[CHILD_NAMES] == NULL)
        return 1;
    json_object_foreach(mutable_json(subject->value), name, value)
    {
        struct place place = {subject->place, name, 0};
        struct subject member = {value, &place};
        int known = 0;

        if (!check_one_member(ck, node, &member, name, &known))
            ok = 0;
        if (known)
            seen_mark(seen, i);
        i++;
        if (!ok && check_must_stop(ck))
            break;
        if (node->children[CHILD_NAMES] != NULL && !check_name(ck, node, &place, name))
            ok = 0;
        if (!ok && check_must_stop(ck))
            break;
    }
    return ok;
}

/* Reports each of names that subject lacks. */
static int check_present(struct check *ck, const struct node *node, const struct subject *subject,
                         const json_t *names, const char *keyword)
{
    int ok = 1;

    for (size_t i = 0; i < json_array_size(names) && (ok || !check_must_stop(ck)); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        struct place place = {subject->place, name, 0};
        struct subject missing = {subject->value, &place};

        if (json_object_get(subject->value, name) == NULL)
            ok = violate(ck, node, keyword, &missing, "is required");
    }
    return ok;
}

static int check_dependent(struct check *ck, const struct node *node, const struct subject *subject,
                           struct seen *seen)
{
    const char *name;
    json_t *names;
    int ok = 1;

    json_object_foreach(mutable_json(node->dependent_required), name, names)
    {
        if (json_object_get(subject->value, name) != NULL &&
            !check_present(ck, node, subject, names, "dependentRequired"))
            ok = 0;
    }
    for (size_t i = 0; i < node->dependent_schemas.n && (ok || !check_must_stop(ck)); i++) {
        const struct named_node *item = &node->dependent_schemas.items[i];
        if (json_object_get(subject->value, item->name) != NULL &&
            !check_in_place(ck, item->node, subject, seen))
            ok = 0;
    }
    return ok;
}

int check_object(struct check *ck, const struct node *node, const struct subject *subject,
                 struct seen *seen)
{
    int64_t n = (int64_t)json_object_size(subject->value);
    int64_t low = node->sizes[SIZE_MIN_PROPERTIES], high = node->sizes[SIZE_MAX_PROPERTIES];
    int ok = 1;

    if (n < low)
        ok = violate(ck, node, "minProperties", subject, "must have at least %lld members",
                     (long long)low);
    if (high >= 0 && n > high)
        ok = violate(ck, node, "maxProperties", subject, "must have at most %lld members",
                     (long long)high);
    if ((ok || !check_must_stop(ck)) && !check_members(ck, node, subject, seen))
        ok = 0;
    if ((ok || !check_must_stop(ck)) &&
        !check_present(ck, node, subject, node->required, "required"))
        ok = 0;
    if ((ok || !check_must_stop(ck)) && !check_dependent(ck, node, subject, seen))
        ok = 0;
    return ok;
}

/* --- what no other keyword looked at -----------------------------------------------------------
 */

static int check_left_items(struct check *ck, const struct node *node,
                            const struct subject *subject, struct seen *seen)
{
    int ok = 1;

    for (size_t i = 0; i < json_array_size(subject->value); i++) {
        struct place place = {subject->place, NULL, i};
        struct subject element = {json_array_get(subject->value, i), &place};

        if (seen_has(seen, i))
            continue;
        seen_mark(seen, i);
        if (!check_member(ck, node, node->children[CHILD_UNEVALUATED_ITEMS], &element,
                          "unevaluatedItems"))
            ok = 0;
        if (!ok && check_must_stop(ck))
            break;
    }
    return ok;
}

static int check_left_members(struct check *ck, const struct node *node,
                              const struct subject *subject, struct seen *seen)
{
    const char *name;
    json_t *value;
    size_t i = 0;
    int ok = 1;

    json_object_foreach(mutable_json(subject->value), name, value)
    {
        struct place place = {subject->place, name, 0};
        struct subject member = {value, &place};
        size_t index = i++;

        if (seen_has(seen, index))
            continue;
        seen_mark(seen, index);
        if (!check_member(ck, node, node->children[CHILD_UNEVALUATED_PROPERTIES], &member,
                          "unevaluatedProperties"))
            ok = 0;
        if (!ok && check_must_stop(ck))
            break;
    }
    return ok;
}

int check_unevaluated(struct check *ck, const struct node *node, const struct subject *subject,
                      struct seen *seen)
{
    if (json_is_array(subject->value) && node->children[CHILD_UNEVALUATED_ITEMS] != NULL)
        return check_left_items(ck, node, subject, seen);
    if (json_is_object(subject->value) && node->children[CHILD_UNEVALUATED_PROPERTIES] != NULL)
        return check_left_members(ck, node, subject, seen);
    return 1;
}
