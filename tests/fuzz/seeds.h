/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* seeds — those whose makers know another program's addresses than seeds.c. */

#include <stddef.h>
#include <stdint.h>

#define SEEDS_GO_MAX 32768

/* The @i-th seed of fuzz-go-lines: its name, or NULL behind the last. */
const char *seeds_go(size_t i, uint8_t bytes[static SEEDS_GO_MAX], size_t *ret_sz);
