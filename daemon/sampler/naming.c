/* SPDX-License-Identifier: Apache-2.0 */

/*
 * naming — files are opened as they are announced, names asked for a few times a second, and roles
 * that hang or lie are replaced. What it is all for, the intervals, ask by themselves.
 */

#include <stdio.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/procfs.h"
#include "cprof/symbolize_kernel.h"
#include "stream.h"

#define EXCUSE_NS NSEC_PER_SEC
#define STUCK_NS (CPROF_PATIENCE * 2 * NSEC_PER_SEC)

/* Since when the opener owes the oldest answer to any of them but one; UINT64_MAX: none. */
static uint64_t maps_owed_ns(const struct sampler *s, const struct interval *but)
{
	uint64_t since = UINT64_MAX;

	for (size_t i = 0; i < s->intervals.cnt; i++) {
		const struct interval *iv = s->intervals.v[i];

		if (iv != but && iv->remap)
			since = MIN(since, remap_opener_owes_ns(iv->remap));
	}
	return since;
}

/* The one before may have died unnoticed, of what it was asked first: a file, or mappings. */
void naming_set_opener(struct sampler *s, int fd)
{
	uint64_t files_ns = symbolize_opener_owes_ns(s->symbolize);
	uint64_t maps_ns[SYMBOLIZE_VIEWS_MAX];
	size_t cnt = MIN(s->intervals.cnt, ELEMENTSOF(maps_ns));

	for (size_t i = 0; i < cnt; i++)
		maps_ns[i] = maps_owed_ns(s, s->intervals.v[i]);
	symbolize_set_opener(s->symbolize, fd, maps_owed_ns(s, NULL), clock_mono_ns());
	for (size_t i = 0; i < cnt; i++) {
		if (s->intervals.v[i]->remap)
			remap_opener_lost(s->intervals.v[i]->remap, MIN(files_ns, maps_ns[i]));
	}
}

static void lose_opener(struct sampler *s, bool replace)
{
	s->opener = loop_remove(s->opener);
	naming_set_opener(s, -EBADF);
	if (replace)
		roles_replace(s, WIRE_ROLE_OPENER);
}

/* Nothing that one told who was caught is used for another window, or for this one. */
void naming_disbelieve(struct sampler *s)
{
	uint32_t object;
	size_t pos = 0;

	symbolize_disbelieve(s->symbolize, clock_mono_ns());
	while (objects_next(s->objects, &pos, &object)) {
		unwinding_forget(s, object);
		unwinding_settle(s, object);
	}
	unwinding_forget(s, CPROF_OBJECT_VDSO);
}

static void lose_symbolizer(struct sampler *s, bool replace)
{
	s->symbolizer = loop_remove(s->symbolizer);
	symbolize_set_symbolizer(s->symbolize, -EBADF, clock_mono_ns());
	if (replace)
		roles_replace(s, WIRE_ROLE_SYMBOLIZER);
}

static void tell_heard(const struct sampler *s, uint64_t now_ns)
{
	for (size_t i = 0; i < s->intervals.cnt; i++) {
		if (s->intervals.v[i]->remap)
			remap_opener_heard(s->intervals.v[i]->remap, now_ns);
	}
}

/* One that is gone is restarted by the launcher anyhow; a liar only when we say so. */
int naming_on_opener(struct loop_source *src, uint32_t events, void *ctx)
{
	struct sampler *s = ctx;
	int r = symbolize_dispatch_opener(s->symbolize, clock_mono_ns());

	if (r < 0)
		lose_opener(s, r == -EBADMSG);
	else
		tell_heard(s, clock_mono_ns());
	return 0;
}

int naming_on_symbolizer(struct loop_source *src, uint32_t events, void *ctx)
{
	struct sampler *s = ctx;
	int r = symbolize_dispatch_symbolizer(s->symbolize, clock_mono_ns());

	if (r == -EBADMSG)
		naming_disbelieve(s);
	if (r < 0)
		lose_symbolizer(s, r == -EBADMSG);
	return 0;
}

static bool opener_is_stuck(const struct sampler *s, uint64_t now_ns)
{
	if (!s->opener)
		return false;
	if (symbolize_opener_is_stuck(s->symbolize, now_ns, STUCK_NS))
		return true;
	for (size_t i = 0; i < s->intervals.cnt; i++) {
		if (s->intervals.v[i]->remap &&
		    remap_opener_is_stuck(s->intervals.v[i]->remap, now_ns, STUCK_NS))
			return true;
	}
	return false;
}

void naming_meet(struct sampler *s, struct neighbour *who, uint32_t pid)
{
	*who = (struct neighbour){ .pid = pid };
	if (pid != 0)
		(void)procfs_waited_ns(&s->root, pid, &who->waited_ns);
}

/* How long it waited for a CPU since this was asked, @most; 0 where the kernel does not tell. */
static uint64_t waited_since(const struct sampler *s, struct neighbour *who, uint64_t most)
{
	uint64_t waited_ns, since_ns;

	if (who->pid == 0 || procfs_waited_ns(&s->root, who->pid, &waited_ns) < 0)
		return 0;
	since_ns = waited_ns > who->waited_ns ? waited_ns - who->waited_ns : 0;
	who->waited_ns = waited_ns;
	return MIN(since_ns, most);
}

static bool is_owed(const struct sampler *s)
{
	return symbolize_owes(s->symbolize) || maps_owed_ns(s, NULL) < UINT64_MAX;
}

/*
 * Who is ready to run and gets no CPU does not hang. To ask takes longer than most ticks do, so it is done now and
 * then while somebody owes something, and always before one is replaced. How long it waited before it owed is no excuse.
 */
static void excuse_waiting(struct sampler *s, uint64_t now_ns)
{
	const uint64_t most = now_ns - MIN(s->excused_ns, now_ns);
	const uint64_t opener_ns = waited_since(s, &s->opener_at, most);

	s->excused_ns = now_ns;
	symbolize_waited(s->symbolize, waited_since(s, &s->symbolizer_at, most), opener_ns);
	for (size_t i = 0; i < s->intervals.cnt; i++) {
		if (s->intervals.v[i]->remap)
			remap_opener_waited(s->intervals.v[i]->remap, opener_ns);
	}
}

static bool symbolizer_is_stuck(const struct sampler *s, uint64_t now_ns)
{
	return s->symbolizer && symbolize_is_stuck(s->symbolize, now_ns, STUCK_NS);
}

static void replace_stuck(struct sampler *s, uint64_t now_ns)
{
	const bool begins = !s->owed;

	s->owed = is_owed(s);
	if (!s->owed) {
		s->excused_ns = now_ns;
		return;
	}
	if (begins || now_ns >= s->excused_ns + EXCUSE_NS || symbolizer_is_stuck(s, now_ns) ||
	    opener_is_stuck(s, now_ns))
		excuse_waiting(s, now_ns);
	if (symbolizer_is_stuck(s, now_ns)) {
		s->counters.v[COUNTER_symbolizer_lost]++;
		lose_symbolizer(s, true);
	}
	if (opener_is_stuck(s, now_ns)) {
		s->counters.v[COUNTER_opener_lost]++;
		lose_opener(s, true);
	}
}

static void on_ksym(const struct collect_ksym *k, void *ctx)
{
	struct sampler *s = ctx;
	struct symbolize_code code = { .start = k->start, .end = k->end };

	(void)snprintf(code.name, sizeof(code.name), "%s", k->name);
	symbolize_kernel_code(s->symbolize, &code);
}

void naming_tick(struct sampler *s, uint64_t now_ns)
{
	replace_stuck(s, now_ns);
	for (unsigned int i = 0; i < SAMPLER_STREAMS_MAX; i++) {
		if (s->streams[i])
			collect_consume_ksyms(s->streams[i]->collect, on_ksym, s);
	}
	symbolize_tick(s->symbolize, now_ns);
	unwinding_tick(s, now_ns);
	forget_tick(s, now_ns);
}
