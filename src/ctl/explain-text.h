/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* explain-text — what `cprofctl explain` prints of an ELF file, and of profiles. */

#include "cprof/base/json.h"
#include "cprof/explain_profile.h"
#include "explain-helper.h"

void explain_text_elf(FILE *f, const char *shown, const struct explain_found *found);
void explain_json_elf(struct json *j, const char *shown, const struct explain_found *found);
/* 0 or -ENOMEM. */
int explain_text_profile(FILE *f, struct explain_profile *p, bool colour);
int explain_json_profile(struct json *j, struct explain_profile *p);
