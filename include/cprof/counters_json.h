/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* counters_json — counters and books as JSON, with the keys of `cprofctl status --json`. */

#include "cprof/base/json.h"
#include "cprof/counters.h"

/* The members "books" (with its "dropped" and "discarded" by reason) of the open object. */
void counters_json_books(struct json *j, const struct books *b, const struct counters *c);

/* The member "counters": all of them. */
void counters_json_all(struct json *j, const struct counters *c);
