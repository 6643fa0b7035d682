/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* recording-profile — what is done with one profile that came. */

#include "recording.h"

/*
 * Writes it under its name and adds it to the accounting. A file that cannot be written is said and
 * in rec->failed, and the next ones are still tried; -EBADMSG: cprofd did not keep the protocol.
 */
int recording_profile(struct recording *rec, const struct session_profile *m, int fd);
