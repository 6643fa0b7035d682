/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The session protocol from both ends: what a client may send to the sampler, which is privileged,
 * and what the client prints and makes file names of.
 */

#include "fuzz.h"

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"
#include "cprof/session.h"

static void take_start(const struct session_start *m)
{
	FUZZ_CHECK(m->hz > 0 && m->hz <= SESSION_HZ_MAX && m->pids_cnt <= SESSION_PIDS_MAX);
	for (uint32_t i = 0; i < m->pids_cnt; i++)
		FUZZ_CHECK(m->pids[i] > 0);
}

static void check_text(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		FUZZ_CHECK((unsigned char)s[i] >= 0x20 && s[i] != 0x7f);
}

static void take_profile(const struct session_profile *m)
{
	char name[sizeof(m->comm)];
	size_t len;

	check_text(m->comm, strlen(m->comm));
	len = str_file_name(name, sizeof(name), m->comm);
	FUZZ_CHECK(len > 0 && len == strlen(name) && name[0] != '.' && !strchr(name, '/'));
}

static void take_end(const struct session_end *m)
{
	struct books b;

	FUZZ_CHECK(m->counters_cnt == COUNTER_MAX && m->ended_by <= SESSION_ENDED_GONE);
	fuzz_touch(&m->counters, sizeof(m->counters));
	counters_books(&m->counters, m->books.open_window, &b);
	FUZZ_CHECK(b.produced == b.runs + b.missed);
}

static void take_failed(const struct session_failed *m)
{
	FUZZ_CHECK(m->error < 0 && m->text_len <= SESSION_TEXT_MAX);
	FUZZ_CHECK(strerror(-m->error));
	check_text(m->text, m->text_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_free_ void *msg = fuzz_message(data, sz);
	const struct wire_head *head = msg;
	int type = session_check(msg, sz);

	if (type < 0)
		return 0;
	FUZZ_CHECK(type == head->type && head->size == sz);
	fuzz_touch(msg, sz);
	switch (type) {
	case SESSION_START:
		take_start(msg);
		break;
	case SESSION_PROGRESS:
		FUZZ_CHECK(((struct session_progress *)msg)->phase <= SESSION_WRITING);
		break;
	case SESSION_PROFILE:
		take_profile(msg);
		break;
	case SESSION_END:
		take_end(msg);
		break;
	case SESSION_FAILED:
		take_failed(msg);
		break;
	}
	return 0;
}
