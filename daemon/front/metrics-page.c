/* SPDX-License-Identifier: Apache-2.0 */

/*
 * /metrics in Prometheus's text format 0.0.4. Names follow its rules: the unit at the end, base units
 * (so a counter of nanoseconds becomes one of seconds), _total on counters and on nothing else. HELP is
 * the prose of counters.def, whose characters that the format escapes are escaped.
 */

#include <inttypes.h>
#include <string.h>

#include "cprof/base/clock.h"
#include "pages.h"

#define PREFIX "cprofd_"

struct metric {
	const char *name;
	const char *prose;
};

static void put_escaped(FILE *f, const char *s, bool in_quotes)
{
	for (; *s; s++) {
		if (*s == '\\' || *s == '\n' || (in_quotes && *s == '"'))
			fputc('\\', f);
		fputc(*s == '\n' ? 'n' : *s, f);
	}
}

static void put_head(FILE *f, const struct metric *m, const char *type)
{
	fprintf(f, "# HELP " PREFIX "%s ", m->name);
	put_escaped(f, m->prose, false);
	fprintf(f, "\n# TYPE " PREFIX "%s %s\n", m->name, type);
}

static void put_count(FILE *f, const char *type, const struct metric *m, uint64_t v)
{
	put_head(f, m, type);
	fprintf(f, PREFIX "%s %" PRIu64 "\n", m->name, v);
}

static void put_seconds(FILE *f, const char *type, const struct metric *m, uint64_t ns)
{
	put_head(f, m, type);
	fprintf(f, PREFIX "%s %.9f\n", m->name, (double)ns / (double)NSEC_PER_SEC);
}

static void put_counters(FILE *f, const struct counters *c)
{
	for (size_t i = 0; i < COUNTER_MAX; i++) {
		const struct counter_desc *d = &counter_descs[i];
		size_t len = strlen(d->name);
		struct metric m = { .prose = d->prose };
		char name[96];

		m.name = name;
		if (d->kind == COUNTER_KIND_NS && len > 3 &&
		    strcmp(d->name + len - 3, "_ns") == 0) {
			(void)snprintf(name, sizeof(name), "%.*s_seconds_total", (int)(len - 3),
				       d->name);
			put_seconds(f, "counter", &m, c->v[i]);
		} else {
			(void)snprintf(name, sizeof(name), "%s_total", d->name);
			put_count(f, "counter", &m, c->v[i]);
		}
	}
}

static void put_books(FILE *f, const struct books *b)
{
	const struct {
		struct metric metric;
		const char *type;
		uint64_t v;
	} books[] = {
		{ { "books_produced_total", "ticks that were due: runs and missed" },
		  "counter",
		  b->produced },
		{ { "books_dropped_total", "runs that were not delivered, for all reasons" },
		  "counter",
		  b->dropped },
		{ { "books_discarded_total",
		    "delivered samples that are in no profile, for all reasons" },
		  "counter",
		  b->discarded },
		{ { "books_open_window", "samples in windows that are not written yet" },
		  "gauge",
		  b->open_window },
		{ { "books_difference", "samples that are unaccounted for: not 0 is a defect" },
		  "gauge",
		  b->difference },
	};

	for (size_t i = 0; i < ELEMENTSOF(books); i++)
		put_count(f, books[i].type, &books[i].metric, books[i].v);
}

static void put_stacks(FILE *f, const struct control_status *s)
{
	static const struct {
		const char *name;
		size_t value;
	} ends[] = {
#define CPROF_END(name, value, complete, prose) { #name, value },
#include "cprof/stack_ends.def"
	};

	put_head(f, &(struct metric){ "stack_ends_total", "samples by why their user stack ended" },
		 "counter");
	for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
		fputs(PREFIX "stack_ends_total{end=\"", f);
		for (const char *c = ends[i].name; *c; c++)
			fputc(*c >= 'A' && *c <= 'Z' ? *c + 'a' - 'A' : *c, f);
		fprintf(f, "\"} %" PRIu64 "\n", s->stack_ends[ends[i].value]);
	}
}

static void put_roles(FILE *f, const struct control_status *s)
{
	static const struct metric metrics[] = {
		{ "role_cpu_seconds_total", "CPU time of cprofd's processes, by role" },
		{ "role_pss_bytes",
		  "memory of cprofd's processes (proportional set size), by role" },
		{ "role_restarts_total", "how often a role was started again" },
	};

	for (size_t i = 0; i < ELEMENTSOF(metrics); i++) {
		put_head(f, &metrics[i], i == 1 ? "gauge" : "counter");
		for (size_t role = 0; role < WIRE_ROLE_MAX; role++) {
			const struct wire_cost *c = pages_role_cost(s, role);

			if (!c || !pages_role_name(role))
				continue;
			fprintf(f, PREFIX "%s{role=\"%s\"} ", metrics[i].name,
				pages_role_name(role));
			if (i == 0)
				fprintf(f, "%.9f\n", (double)c->cpu_ns / (double)NSEC_PER_SEC);
			else
				fprintf(f, "%" PRIu64 "\n",
					i == 1 ? c->pss_bytes : (uint64_t)c->restarts);
		}
	}
}

static void put_spool(FILE *f, const struct control_status *s)
{
	const struct {
		struct metric metric;
		const char *type;
		uint64_t v;
	} spool[] = {
		{ { "spool_files", "stored profiles" }, "gauge", s->spool_files },
		{ { "spool_bytes", "what they take of the file system" }, "gauge", s->spool_bytes },
		{ { "spool_windows_total", "windows that were written" },
		  "counter",
		  s->spool_windows },
		{ { "spool_windows_failed_total", "windows that could not be written" },
		  "counter",
		  s->spool_windows_failed },
		{ { "spool_evicted_total", "stored profiles that went for their age or for room" },
		  "counter",
		  s->spool_evicted },
		{ { "spool_merged_total", "stored profiles that became part of one of an hour" },
		  "counter",
		  s->spool_merged },
		{ { "spool_quarantined_total", "things in the directory that are not cprofd's" },
		  "counter",
		  s->spool_quarantined },
	};

	for (size_t i = 0; i < ELEMENTSOF(spool); i++)
		put_count(f, spool[i].type, &spool[i].metric, spool[i].v);
}

static void put_front(FILE *f, const struct pages_front *front)
{
	char name[96];

	for (size_t i = 0; i < COUNT_MAX; i++) {
		(void)snprintf(name, sizeof(name), "front_%s_total", count_descs[i].name);
		put_count(f, "counter", &(struct metric){ name, count_descs[i].prose },
			  front->counts->v[i]);
	}
	put_count(
		f, "gauge",
		&(struct metric){ "front_open_connections", "connections for HTTP that are open" },
		front->connections);
	put_count(f, "gauge",
		  &(struct metric){ "front_open_recordings", "profiles that are being recorded" },
		  front->recordings);
}

static void put_state(FILE *f, const struct control_status *s)
{
	const struct metric info = { "build_info", "always 1: the version, and what is sampled" };

	put_head(f, &info, "gauge");
	fputs(PREFIX "build_info{version=\"", f);
	put_escaped(f, s->version, true);
	fputs("\",event=\"", f);
	put_escaped(f, s->event, true);
	fputs("\"} 1\n", f);
	put_count(f, "gauge",
		  &(struct metric){ "degraded", "how many things work less well than they should" },
		  s->degraded_cnt);
	put_count(f, "gauge",
		  &(struct metric){ "sampling_frequency_hertz", "samples a second on a busy CPU" },
		  s->hz);
	put_count(f, "gauge", &(struct metric){ "cpus", "CPUs that are sampled" }, s->cpus);
	put_count(f, "gauge", &(struct metric){ "sessions", "recordings under way" }, s->sessions);
	put_seconds(f, "gauge", &(struct metric){ "uptime_seconds", "since the sampler started" },
		    s->uptime_ns);
	put_seconds(
		f, "gauge",
		&(struct metric){ "gap_seconds",
				  "not sampled between the last run's last window and this run" },
		s->gap_ns);
	put_count(f, "gauge", &(struct metric){ "bpf_bytes", "memory of BPF maps" }, s->bpf_bytes);
	put_seconds(
		f, "gauge",
		&(struct metric){ "cpu_ratio",
				  "CPU time of all roles and BPF, of one CPU in the last minute" },
		s->minute_ns / 60);
	put_seconds(f, "gauge", &(struct metric){ "cpu_max_ratio", "what CPU= allows of it" },
		    s->minute_max_ns / 60);
	put_count(f, "gauge",
		  &(struct metric){ "memory_max_bytes",
				    "what Memory= allows of the roles' memory and of BPF's" },
		  s->memory_max);
}

void pages_metrics(FILE *f, const struct control_status *s, const struct pages_front *front)
{
	put_state(f, s);
	put_counters(f, &s->counters);
	put_books(f, &s->books);
	put_stacks(f, s);
	if (front->privileged)
		put_roles(f, s);
	put_spool(f, s);
	put_front(f, front);
}
