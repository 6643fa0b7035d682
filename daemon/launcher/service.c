/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The one place that knows libsystemd. What is told is what happened: READY when the sampler samples,
 * WATCHDOG when it made progress. A line of the journal that a program may want to find has a
 * MESSAGE_ID, which is a promise: journalctl MESSAGE_ID=... finds every death of a role.
 *
 * Under the journal such a line is sent with its fields and not written to stderr a second time.
 */

#include "service.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"

#define USEC_NS 1000u

static const struct {
	const char *id;
	enum log_level level;
} service_events[] = {
	[SERVICE_ROLE_ENDED] = { "7a3f0d5c9be54f0e9d0c1e6a4b7f2c11", LOG_LEVEL_WARNING },
	[SERVICE_DEGRADED] = { "1c5d2b8e64a34f7fb0c9d7e35a8f6e12", LOG_LEVEL_WARNING },
	[SERVICE_RELOADED] = { "c40b9f2e7d1846a5a3e8f06b5d927f13", LOG_LEVEL_INFO },
	[SERVICE_NOT_RELOADED] = { "e95a6c1f3b0748d2981d4f7c2ea06b14", LOG_LEVEL_ERROR },
};

void service_init(struct service *s)
{
	uint64_t usec = 0;

	*s = (struct service){ 0 };
	if (sd_watchdog_enabled(0, &usec) > 0)
		s->watchdog_ns = usec * USEC_NS;
}

void service_status(struct service *s, const char *text)
{
	if (strcmp(s->status, text) == 0)
		return;
	(void)snprintf(s->status, sizeof(s->status), "%s", text);
	(void)sd_notifyf(0, "STATUS=%s", s->status);
}

void service_ready(void)
{
	(void)sd_notify(0, "READY=1");
}

void service_reloading(uint64_t now_ns)
{
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_ns / USEC_NS);
}

/* The unit's own limit is for what is left of us then: together they shall be short. */
void service_stopping(uint64_t timeout_ns)
{
	(void)sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64, timeout_ns / USEC_NS);
}

void service_watchdog(struct service *s, uint64_t now_ns)
{
	if (s->watchdog_ns == 0 || now_ns < s->watchdog_next_ns)
		return;
	s->watchdog_next_ns = now_ns + s->watchdog_ns / 4;
	(void)sd_notify(0, "WATCHDOG=1");
}

void service_log(enum service_event event, const char *role, const char *text)
{
	const enum log_level level = service_events[event].level;
	int r = -1;

	if (log_is_journal())
		r = sd_journal_send("MESSAGE=%s", text, "MESSAGE_ID=%s", service_events[event].id,
				    "PRIORITY=%d", (int)level, "SYSLOG_IDENTIFIER=cprofd",
				    "CPROF_ROLE=%s", role ?: "", NULL);
	if (r < 0)
		(void)log_line(level, 0, "%s", text);
}
