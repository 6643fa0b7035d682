/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* check-sampling — a real event and a real program: samples a child of ours that burns CPU. */

#include "checklist.h"
#include "sampler.h"

struct check_sampling {
	const struct ctl_globals *globals;
	const struct sampler_choice *choice;
	struct session_client *client; /* of sampler_find() */
	unsigned int cpus_online;      /* 0: not known */
	unsigned int cpus;	       /* with an event; set on return */
};

void check_sampling(struct checklist *list, struct check_sampling *c);
/* Says that it was not tried, and why. */
void check_sampling_skip(struct checklist *list, const char *why);
