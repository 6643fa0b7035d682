/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names of profile files, both ways. The input as a name: what is understood is written again from what
 * was understood, and must be the same text. The input as what a name is made of: the name must be
 * understood, and tell the same.
 */

#include "fuzz.h"

#include "cprof/base/clock.h"
#include "cprof/base/str.h"
#include "cprof/profile_name.h"

#define DAY_S 86400u

typedef void (*writer_fn)(char *dst, size_t dst_sz, const struct profile_label *label);

static const writer_fn writers[] = {
	[PROFILE_OF_PROCESS] = profile_name,
	[PROFILE_OF_MERGED] = profile_name_merged,
	[PROFILE_OF_ENDED] = profile_name_ended,
	[PROFILE_OF_OUTSIDE] = profile_name_outside,
};

static void check_read(const char *text)
{
	char base[PROFILE_NAME_MAX], again[PROFILE_NAME_MAX];
	struct profile_parsed p;

	if (!profile_name_parse(text, &p))
		return;
	FUZZ_CHECK(strlen(text) < PROFILE_NAME_MAX && p.id_len < strlen(text));
	profile_name_span(again, sizeof(again), text, &p);
	if (p.other > 0) {
		snprintf(base, sizeof(base), "%s", again);
		profile_name_other(again, sizeof(again), base, p.other);
	}
	FUZZ_CHECK(strcmp(again, text) == 0);
	if (strcmp(p.kind, "cpu") != 0)
		return;
	writers[p.form](base, sizeof(base),
			&(struct profile_label){ .comm = p.comm,
						 .pid = p.pid,
						 .exec = p.exec,
						 .start_ticks = p.start_ticks,
						 .exe_id = p.exe_id,
						 .from_real_ns = p.from_s * NSEC_PER_SEC,
						 .to_real_ns = p.to_s * NSEC_PER_SEC });
	if (p.other > 0) {
		profile_name_other(again, sizeof(again), base, p.other);
		FUZZ_CHECK(strcmp(again, text) == 0);
	} else {
		FUZZ_CHECK(strcmp(base, text) == 0);
	}
}

static void check_same(const struct profile_parsed *p, const struct profile_label *l)
{
	char comm[sizeof(p->comm)];

	FUZZ_CHECK(p->from_s == l->from_real_ns / NSEC_PER_SEC % DAY_S);
	FUZZ_CHECK(p->to_s == l->to_real_ns / NSEC_PER_SEC % DAY_S);
	if (p->form == PROFILE_OF_OUTSIDE)
		return;
	str_file_name(comm, sizeof(comm), l->comm);
	FUZZ_CHECK(strcmp(p->comm, comm) == 0);
	if (p->form == PROFILE_OF_ENDED)
		FUZZ_CHECK(p->exe_id == l->exe_id);
	else
		FUZZ_CHECK(p->pid == l->pid);
	if (p->form == PROFILE_OF_PROCESS)
		FUZZ_CHECK(p->exec == l->exec && p->start_ticks == l->start_ticks);
}

/* The first bytes are numbers, the rest is a comm. */
static void check_written(const uint8_t *data, size_t sz, const char *comm)
{
	struct profile_label l = { .comm = comm };
	uint64_t from, to;
	const size_t numbers = 4 + 4 + 8 + 8 + 8;

	if (sz < numbers)
		return;
	memcpy(&l.pid, data, 4);
	memcpy(&l.exec, data + 4, 4);
	memcpy(&l.start_ticks, data + 8, 8);
	memcpy(&from, data + 16, 8);
	memcpy(&to, data + 24, 8);
	l.exe_id = l.start_ticks;
	l.from_real_ns = from;
	l.to_real_ns = to;
	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
		char name[PROFILE_NAME_MAX];
		struct profile_parsed p;

		writers[i](name, sizeof(name), &l);
		FUZZ_CHECK(profile_name_parse(name, &p));
		/* "a-1-2" and a pid look like a process of "a". */
		if (i == PROFILE_OF_MERGED && p.form == PROFILE_OF_PROCESS)
			continue;
		FUZZ_CHECK(p.form == (enum profile_form)i);
		check_same(&p, &l);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	char *text = malloc(sz + 1);
	const size_t numbers = 32;

	FUZZ_CHECK(text);
	if (sz > 0)
		memcpy(text, data, sz);
	text[sz] = '\0';
	check_read(text);
	check_written(data, sz, sz > numbers ? text + numbers : "");
	free(text);
	return 0;
}
