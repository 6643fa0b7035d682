/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * service: what the service manager and the journal are told.
 *
 * Without them (no $NOTIFY_SOCKET, stderr is no journal) nothing of it happens, and lines go to stderr.
 */

#include <stdbool.h>
#include <stdint.h>

#define SERVICE_STATUS_SZ 512

struct service {
	uint64_t watchdog_ns;	   /* what it wants at the latest; 0: it does not watch */
	uint64_t watchdog_next_ns; /* not before: once would do, but one may be late */
	char status[SERVICE_STATUS_SZ];
};

void service_init(struct service *s);

/* The one line that `systemctl status` shows; the same again is not sent. */
void service_status(struct service *s, const char *text);

void service_ready(void);
void service_reloading(uint64_t now_ns);
void service_stopping(uint64_t timeout_ns); /* within which we shall be gone */
void service_watchdog(struct service *s, uint64_t now_ns);

enum service_event {
	SERVICE_ROLE_ENDED, /* and is started again */
	SERVICE_DEGRADED,
	SERVICE_RELOADED,
	SERVICE_NOT_RELOADED,
};

/* One line; in the journal with MESSAGE_ID, and CPROF_ROLE where @role is given. */
void service_log(enum service_event event, const char *role, const char *text);
