/* SPDX-License-Identifier: Apache-2.0 */

/* control: the two sizes of a question and its answer, and what front and sampler may claim. */

#include "check.h"

#include <errno.h>

#include "cprof/base/cleanup.h"
#include "cprof/control.h"

static int check_copy(const void *msg, size_t sz)
{
	_cleanup_free_ void *copy = malloc(sz > 0 ? sz : 1);

	CHECK(copy);
	memcpy(copy, msg, sz);
	return control_check(copy, sz);
}

/* Of all sizes up to a bit more than @sz only @sz is right, and @question_sz, if there is one. */
static void check_sizes(const void *msg, size_t sz, size_t question_sz)
{
	_cleanup_free_ char *m = calloc(1, sz + 8);
	struct wire_head *h = (struct wire_head *)m;
	int type;

	CHECK(m);
	memcpy(m, msg, sz);
	type = h->type;
	for (size_t other = 0; other <= sz + 8; other++) {
		bool right = other == sz || (question_sz > 0 && other == question_sz);

		h->size = (uint32_t)other;
		CHECK_EQ(check_copy(m, other), right ? type : -EBADMSG);
		h->size = (uint32_t)other + 1;
		CHECK_EQ(check_copy(m, other), -EBADMSG);
	}
}

static struct control_status status(void)
{
	struct control_status m = {
		.head = { .size = sizeof(m), .type = CONTROL_STATUS, .id = 3 },
		.version = "0.1.0",
		.event = "cpu-clock",
		.degraded_cnt = CONTROL_DEGRADED_MAX,
		.degraded = { "the walk of mappings is off" },
		.counters_cnt = COUNTER_MAX,
		.roles_cnt = 2,
		.roles = { { .role = 0, .pid = 1 }, { .role = WIRE_ROLE_SAMPLER, .pid = 2 } },
	};

	return m;
}

TEST(sizes)
{
	struct control_status s = status();
	struct control_processes p = { .head = { .size = sizeof(p), .type = CONTROL_PROCESSES } };
	struct control_client c = { .head = { .size = sizeof(c), .type = CONTROL_CLIENT } };

	check_sizes(&s, sizeof(s), sizeof(struct wire_head));
	check_sizes(&p, sizeof(p), sizeof(struct wire_head));
	check_sizes(&c, sizeof(c), 0);
}

TEST(unknown_types)
{
	static const uint16_t types[] = { 0, WIRE_PEER, CONTROL_STATUS - 1, CONTROL_TYPE_MAX,
					  UINT16_MAX };

	for (size_t i = 0; i < ELEMENTSOF(types); i++) {
		struct wire_head h = { .size = sizeof(h), .type = types[i] };

		CHECK_EQ(check_copy(&h, sizeof(h)), -EBADMSG);
	}
}

TEST(status_counts)
{
	struct control_status m = status();

	m.degraded_cnt++;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = status();
	m.counters_cnt--;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = status();
	m.counters_cnt++;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = status();
	m.roles_cnt = WIRE_COSTS_MAX + 1;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = status();
	m.roles[1].role = 0; /* a second time */
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.roles[1].role = WIRE_ROLE_CLIENT;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

TEST(status_texts)
{
	struct control_status m = status();

	memset(m.version, 'v', sizeof(m.version));
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = status();
	memset(m.event, 'e', sizeof(m.event));
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = status();
	m.event[2] = '\033';
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = status();
	memset(m.degraded[CONTROL_DEGRADED_MAX - 1], 'd', sizeof(m.degraded[0]));
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.degraded_cnt--; /* which is beyond the list now */
	CHECK_EQ(check_copy(&m, sizeof(m)), CONTROL_STATUS);
}

TEST(processes_count)
{
	struct control_processes m = { .head = { .size = sizeof(m), .type = CONTROL_PROCESSES },
				       .cnt = CONTROL_PROCESSES_MAX };

	CHECK_EQ(check_copy(&m, sizeof(m)), CONTROL_PROCESSES);
	m.cnt++;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

TEST(client_flags)
{
	struct control_client m = { .head = { .size = sizeof(m), .type = CONTROL_CLIENT },
				    .uid = UINT32_MAX,
				    .flags = CONTROL_ALL };

	CHECK_EQ(check_copy(&m, sizeof(m)), CONTROL_CLIENT);
	m.flags |= 2; /* a right that nobody knows */
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

TEST(process)
{
	const struct control_process good = {
		.samples = 5, .complete = 5, .pid = INT32_MAX, .comm = "worker", .unit = "a.service"
	};
	struct control_process p = good;

	CHECK(control_process_is_valid(&p));
	p.complete++;
	CHECK(!control_process_is_valid(&p));
	p = good;
	p.pid++;
	CHECK(!control_process_is_valid(&p));
	p = good;
	memset(p.comm, 'c', sizeof(p.comm));
	CHECK(!control_process_is_valid(&p));
	p = good;
	p.unit[0] = '\n';
	CHECK(!control_process_is_valid(&p));
	p = good;
	memset(p.container, 0xff, 4);
	CHECK(!control_process_is_valid(&p));
}

CHECK_MAIN
