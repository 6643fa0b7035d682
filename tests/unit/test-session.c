/* SPDX-License-Identifier: Apache-2.0 */

/* session: sizes of all types, what a client may ask for, what a sampler may say. */

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/seqpacket.h"
#include "cprof/session.h"
#include "cprof/session_receive.h"

#define HEAD(m, t)                                      \
	{                                               \
		.size = sizeof(m), .type = (t), .id = 7 \
	}

static int check_copy(const void *msg, size_t sz)
{
	_cleanup_free_ void *copy = malloc(sz > 0 ? sz : 1);

	CHECK(copy);
	memcpy(copy, msg, sz);
	return session_check(copy, sz);
}

static void check_sizes(const void *msg, size_t sz, int type)
{
	_cleanup_free_ char *m = calloc(1, sz + 8);
	struct wire_head *h = (struct wire_head *)m;

	CHECK(m);
	memcpy(m, msg, sz);
	CHECK_EQ(check_copy(m, sz), type);
	for (size_t other = 0; other <= sz + 8; other++) {
		if (other == sz)
			continue;
		CHECK_EQ(check_copy(m, other), -EBADMSG);
		h->size = (uint32_t)other;
		CHECK_EQ(check_copy(m, other), -EBADMSG);
		CHECK_EQ(check_copy(m, sz), -EBADMSG);
		h->size = (uint32_t)sz;
	}
}

TEST(sizes)
{
	struct wire_head stop = { .size = sizeof(stop), .type = SESSION_STOP };
	struct session_started started = { .head = HEAD(started, SESSION_STARTED) };
	struct session_progress progress = { .head = HEAD(progress, SESSION_PROGRESS) };
	struct session_profile profile = { .head = HEAD(profile, SESSION_PROFILE) };
	struct session_end end = { .head = HEAD(end, SESSION_END), .counters_cnt = COUNTER_MAX };
	struct session_failed failed = { .head = HEAD(failed, SESSION_FAILED), .error = -EPERM };
	struct session_start start = {
		.head = HEAD(start, SESSION_START),
		.flags = SESSION_ALL,
		.hz = 99,
	};

	check_sizes(&stop, sizeof(stop), SESSION_STOP);
	check_sizes(&started, sizeof(started), SESSION_STARTED);
	check_sizes(&progress, sizeof(progress), SESSION_PROGRESS);
	check_sizes(&profile, sizeof(profile), SESSION_PROFILE);
	check_sizes(&end, sizeof(end), SESSION_END);
	check_sizes(&failed, sizeof(failed), SESSION_FAILED);
	check_sizes(&start, sizeof(start), SESSION_START);
}

TEST(unknown_types)
{
	static const uint16_t types[] = { 0, WIRE_STOP, SESSION_START - 1, SESSION_TYPE_MAX,
					  UINT16_MAX };
	struct wire_head h = { .size = sizeof(h) };

	for (size_t i = 0; i < ELEMENTSOF(types); i++) {
		h.type = types[i];
		CHECK_EQ(check_copy(&h, sizeof(h)), -EBADMSG);
	}
}

static const struct start_case {
	const char *what;
	uint32_t flags, hz, ring_bytes, pids_cnt;
	int32_t pid; /* of all */
	bool good;
} start_cases[] = {
	{ "machine", SESSION_ALL, 99, 0, 0, 0, true },
	{ "machine and pids", SESSION_ALL, 99, 0, 1, 1, false },
	{ "nothing", 0, 99, 0, 0, 0, false },
	{ "tree of nothing", SESSION_TREE, 99, 0, 0, 0, false },
	{ "one", 0, 99, 0, 1, 1, true },
	{ "tree, merged", SESSION_TREE | SESSION_MERGED, 99, 0, 1, INT32_MAX, true },
	{ "most pids", 0, 99, 0, SESSION_PIDS_MAX, 5, true },
	{ "one more", 0, 99, 0, SESSION_PIDS_MAX + 1, 5, false },
	{ "absurd count", 0, 99, 0, UINT32_MAX, 5, false },
	{ "pid 0", 0, 99, 0, 1, 0, false },
	{ "negative pid", 0, 99, 0, 1, -1, false },
	{ "raw too", SESSION_RAW, 99, 0, 1, 1, true },
	{ "unit and pids", SESSION_UNIT, 99, 0, 1, 1, false },
	{ "unknown flag", 32, 99, 0, 1, 1, false },
	{ "unknown high flag", 0x80000000u, 99, 0, 1, 1, false },
	{ "0 Hz", SESSION_ALL, 0, 0, 0, 0, false },
	{ "1 Hz", SESSION_ALL, 1, 0, 0, 0, true },
	{ "highest rate", SESSION_ALL, SESSION_HZ_MAX, 0, 0, 0, true },
	{ "higher", SESSION_ALL, SESSION_HZ_MAX + 1, 0, 0, 0, false },
	{ "raw, with memory", SESSION_ALL | SESSION_RAW | SESSION_MEMORY, 99, 0, 0, 0, true },
	{ "memory alone", SESSION_ALL | SESSION_MEMORY, 99, 0, 0, 0, false },
	{ "ring", SESSION_ALL, 99, 1 << 20, 0, 0, true },
	{ "ring, no power of two", SESSION_ALL, 99, (1 << 20) + 4096, 0, 0, false },
};

TEST(start)
{
	for (size_t i = 0; i < ELEMENTSOF(start_cases); i++) {
		const struct start_case *c = &start_cases[i];
		struct session_start m = {
			.head = HEAD(m, SESSION_START),
			.flags = c->flags,
			.hz = c->hz,
			.ring_bytes = c->ring_bytes,
			.pids_cnt = c->pids_cnt,
		};

		for (size_t k = 0; k < SESSION_PIDS_MAX; k++)
			m.pids[k] = c->pid;
		if (check_copy(&m, sizeof(m)) != (c->good ? SESSION_START : -EBADMSG))
			CHECK_FAIL("%s", c->what);
	}
}

TEST(start_unit)
{
	struct session_start m = {
		.head = HEAD(m, SESSION_START), .flags = SESSION_UNIT, .hz = 99, .unit = "a.service"
	};

	CHECK_EQ(check_copy(&m, sizeof(m)), SESSION_START);
	m.flags |= SESSION_ALL;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.flags = SESSION_ALL;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.flags = SESSION_UNIT;
	m.unit[0] = '\n';
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	memset(m.unit, 'u', sizeof(m.unit));
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.unit[0] = '\0';
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

TEST(start_event)
{
	struct session_start m = { .head = HEAD(m, SESSION_START),
				   .flags = SESSION_ALL,
				   .hz = 99,
				   .event = "page-faults" };

	CHECK_EQ(check_copy(&m, sizeof(m)), SESSION_START);
	memset(m.event, 'e', sizeof(m.event));
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

TEST(note)
{
	struct session_note m = { .head = HEAD(m, SESSION_NOTE), .text_len = 3, .text = "cpu" };

	check_sizes(&m, sizeof(m), SESSION_NOTE);
	m.text[1] = '\x1b';
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.text_len = SESSION_TEXT_MAX + 1;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

/* Only those pids that count are looked at, and all of them. */
TEST(start_last_pid)
{
	struct session_start m = { .head = HEAD(m, SESSION_START), .hz = 99, .pids_cnt = 3 };

	m.pids[0] = m.pids[1] = m.pids[2] = 4;
	m.pids[3] = -4;
	CHECK_EQ(check_copy(&m, sizeof(m)), SESSION_START);
	m.pids_cnt = 4;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

TEST(enums)
{
	struct session_progress p = { .head = HEAD(p, SESSION_PROGRESS), .phase = SESSION_WRITING };
	struct session_end e = { .head = HEAD(e, SESSION_END),
				 .ended_by = SESSION_ENDED_GONE,
				 .counters_cnt = COUNTER_MAX };

	CHECK_EQ(check_copy(&p, sizeof(p)), SESSION_PROGRESS);
	p.phase++;
	CHECK_EQ(check_copy(&p, sizeof(p)), -EBADMSG);
	CHECK_EQ(check_copy(&e, sizeof(e)), SESSION_END);
	e.ended_by++;
	CHECK_EQ(check_copy(&e, sizeof(e)), -EBADMSG);
	e.ended_by = 0;
	e.counters_cnt--;
	CHECK_EQ(check_copy(&e, sizeof(e)), -EBADMSG);
	e.counters_cnt++;
	e.walk = SESSION_WALK_MAX;
	CHECK_EQ(check_copy(&e, sizeof(e)), -EBADMSG);
}

TEST(profile_comm)
{
	static const struct {
		const char *comm;
		bool good;
	} cases[] = {
		{ "nginx", true },  { "", true },	   { "\xc3\xa9\xef\xbf\xbd", true },
		{ "a\nb", false },  { "\x1b[2J", false },  { "\xff", false },
		{ "a\xe2", false }, { "/etc/../x", true },
	};
	struct session_profile m = { .head = HEAD(m, SESSION_PROFILE) };

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		memset(m.comm, 0, sizeof(m.comm));
		memcpy(m.comm, cases[i].comm, strlen(cases[i].comm));
		CHECK_EQ(check_copy(&m, sizeof(m)), cases[i].good ? SESSION_PROFILE : -EBADMSG);
	}
	memset(m.comm, 'x', sizeof(m.comm));
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.comm[sizeof(m.comm) - 1] = '\0';
	CHECK_EQ(check_copy(&m, sizeof(m)), SESSION_PROFILE);
	/* What stands behind the end is of no interest. */
	memcpy(m.comm, "a\0\xff", 3);
	CHECK_EQ(check_copy(&m, sizeof(m)), SESSION_PROFILE);
}

TEST(failed_text)
{
	struct session_failed m = { .head = HEAD(m, SESSION_FAILED), .error = -EPERM };

	memset(m.text, 'x', sizeof(m.text));
	m.text_len = SESSION_TEXT_MAX;
	CHECK_EQ(check_copy(&m, sizeof(m)), SESSION_FAILED);
	m.text_len++;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.text_len = 10;
	m.text[10] = '\n';
	CHECK_EQ(check_copy(&m, sizeof(m)), SESSION_FAILED);
	m.text_len = 11;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.text[10] = '\0';
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);

	static const int32_t errors[] = { 0, 1, -4096, INT32_MIN };

	m.text_len = 0;
	for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
		m.error = errors[i];
		CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	}
}

static int profile_fd(void)
{
	int fd = memfd_create("profile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "text", 4), 4);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	return fd;
}

/* What a sampler may not send: a client's part, a descriptor of something else, a profile without. */
TEST(receive)
{
	struct session_profile profile = { .head = HEAD(profile, SESSION_PROFILE), .bytes = 4 };
	struct session_progress progress = { .head = HEAD(progress, SESSION_PROGRESS) };
	struct wire_head stop = { .size = sizeof(stop), .type = SESSION_STOP };
	_cleanup_close_ int memory = profile_fd(), came = -EBADF;
	union session_message m;
	int ends[2];

	CHECK_EQ(seqpacket_pair(ends), 0);
	CHECK_EQ(session_receive(ends[0], &m, &came), -EAGAIN);
	CHECK_EQ(seqpacket_send(ends[1], &progress, sizeof(progress), memory), 0);
	CHECK_EQ(session_receive(ends[0], &m, &came), -EBADMSG);
	CHECK_EQ(seqpacket_send(ends[1], &profile, sizeof(profile), -EBADF), 0);
	CHECK_EQ(session_receive(ends[0], &m, &came), -EBADMSG);
	CHECK_EQ(seqpacket_send(ends[1], &stop, sizeof(stop), -EBADF), 0);
	CHECK_EQ(session_receive(ends[0], &m, &came), -EBADMSG);
	CHECK_EQ(came, -EBADF);
	CHECK_EQ(seqpacket_send(ends[1], &progress, sizeof(progress), -EBADF), 0);
	CHECK_EQ(session_receive(ends[0], &m, &came), SESSION_PROGRESS);
	CHECK_EQ(seqpacket_send(ends[1], &profile, sizeof(profile), memory), 0);
	CHECK_EQ(session_receive(ends[0], &m, &came), SESSION_PROFILE);
	CHECK_EQ(session_profile_check(&m.profile, came), 0);
	m.profile.bytes = 5;
	CHECK_EQ(session_profile_check(&m.profile, came), -EBADMSG);
	m.profile.bytes = 0;
	CHECK_EQ(session_profile_check(&m.profile, came), -EBADMSG);
	m.profile.bytes = UINT64_MAX;
	CHECK_EQ(session_profile_check(&m.profile, came), -EBADMSG);
	CHECK_EQ(close(ends[1]), 0);
	CHECK_EQ(session_receive(ends[0], &m, &came), 0);
	CHECK_EQ(close(ends[0]), 0);
}

CHECK_MAIN
