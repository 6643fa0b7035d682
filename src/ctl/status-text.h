/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * status-text — the daemon's status for people: what is wrong first, then figures in words. Keys are
 * those of `status --json`; one that is not there is not spoken of.
 */

#include <stdio.h>

#include "json-text.h"

/* 0 or -ENOMEM. */
int status_text(struct json_value status, FILE *f, bool colour);
