/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the front says to the sampler, which is privileged, and what comes back and is printed as it
 * is: every text up to its end, every list over its count. The same bytes stand for the list of
 * processes too, which comes in a file of its own.
 */

#include "fuzz.h"

#include "cprof/base/cleanup.h"
#include "cprof/control.h"

static void check_text(const char *s, size_t sz)
{
	size_t len = strnlen(s, sz);

	FUZZ_CHECK(len < sz);
	for (size_t i = 0; i < len; i++)
		FUZZ_CHECK((unsigned char)s[i] >= 0x20 && s[i] != 0x7f);
}

static void take_status(const struct control_status *m)
{
	struct books b;

	check_text(m->version, sizeof(m->version));
	check_text(m->event, sizeof(m->event));
	for (uint32_t i = 0; i < m->degraded_cnt; i++)
		check_text(m->degraded[i], sizeof(m->degraded[i]));
	FUZZ_CHECK(m->roles_cnt <= WIRE_COSTS_MAX);
	for (uint32_t i = 0; i < m->roles_cnt; i++)
		FUZZ_CHECK(m->roles[i].role < WIRE_ROLE_MAX);
	counters_books(&m->counters, m->books.open_window, &b);
	FUZZ_CHECK(b.produced == b.runs + b.missed);
}

static void take_process(const struct control_process *p)
{
	check_text(p->comm, sizeof(p->comm));
	check_text(p->unit, sizeof(p->unit));
	check_text(p->container, sizeof(p->container));
	FUZZ_CHECK(p->complete <= p->samples);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_free_ void *msg = fuzz_message(data, sz);
	const struct wire_head *head = msg;
	int type = control_check(msg, sz);

	if (sz == sizeof(struct control_process) && control_process_is_valid(msg))
		take_process(msg);
	if (type < 0)
		return 0;
	FUZZ_CHECK(type == head->type && head->size == sz);
	fuzz_touch(msg, sz);
	if (type == CONTROL_STATUS && sz > sizeof(*head))
		take_status(msg);
	else if (type == CONTROL_PROCESSES && sz > sizeof(*head))
		FUZZ_CHECK(((struct control_processes *)msg)->cnt <= CONTROL_PROCESSES_MAX);
	else if (type == CONTROL_CLIENT)
		FUZZ_CHECK((((struct control_client *)msg)->flags & ~1u) == 0);
	return 0;
}
