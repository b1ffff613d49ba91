/* Shared by the files of the storage conformance suite. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_STORAGE_H
#define TEST_STORAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/storage/tests/storage_fixture.h"

int storage_setup(void **state);
int storage_teardown(void **state);
void random_histories_agree_with_the_model(void **state);

#endif
