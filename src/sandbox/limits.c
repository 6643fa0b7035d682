/* SPDX-License-Identifier: Apache-2.0 */

/* Limits of resources, and what no process of a role is open for. */

#include <errno.h>
#include <sys/prctl.h>

#include "cprof/base/cleanup.h"
#include "cprof/sandbox.h"

/* The shadow of AddressSanitizer is 16 TiB of addresses, and what frees late takes more memory. */
static bool is_for_others(int resource)
{
	return sandbox_is_instrumented() && resource != RLIMIT_CORE;
}

int sandbox_limit(const struct sandbox_limit *limits, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		const struct sandbox_limit *l = &limits[i];
		struct rlimit now;

		if (is_for_others(l->resource))
			continue;
		if (getrlimit((__rlimit_resource_t)l->resource, &now) < 0)
			return -errno;
		now.rlim_max = MIN(now.rlim_max, l->max);
		now.rlim_cur = MIN(now.rlim_cur, now.rlim_max);
		if (setrlimit((__rlimit_resource_t)l->resource, &now) < 0)
			return -errno;
	}
	return 0;
}

int sandbox_close(void)
{
	const struct sandbox_limit core = { .resource = RLIMIT_CORE };

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return sandbox_limit(&core, 1);
}
