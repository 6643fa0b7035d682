/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* confine: what this role gives up for good before it reads the first byte of a stranger. */

struct wire_sandbox;

/* 0 and what is in force, to be told to the launcher, or -errno. */
int confine(struct wire_sandbox *ret);

/* What a worker gives up beyond that, which has to have another name than the one that confine() reports. 0 or -errno. */
int confine_worker(void);
