/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The summary for scripts. The keys are those of `cprofctl status --json` where they mean the same;
 * a recording that broke off has no books, so the keys that come from them are not there.
 */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "accounting.h"
#include "cprof/base/clock.h"
#include "cprof/base/json.h"
#include "cprof/counters_json.h"
#include "top-table.h"

static const char *const ended_names[] = {
	[SESSION_ENDED_TIME] = "time",
	[SESSION_ENDED_STOP] = "stop",
	[SESSION_ENDED_GONE] = "gone",
};

static const char *const walk_names[] = {
	[SESSION_WALK_TREE] = "tree",
	[SESSION_WALK_PROC] = "proc",
};

static void json_end(struct json *j, const struct accounting *a)
{
	const struct session_end *end = &a->end;
	const __u64 *c = end->counters.v;

	counters_json_books(j, &end->books, &end->counters);
	json_object(j, "stacks");
	json_u64(j, "complete", c[COUNTER_stacks_complete]);
	json_u64(j, "truncated", c[COUNTER_stacks_truncated]);
	json_object_end(j);
	json_object(j, "frames");
	json_u64(j, "total", c[COUNTER_frames]);
	json_u64(j, "symbolized", c[COUNTER_frames_named]);
	json_object_end(j);
	json_object(j, "cost");
	json_double(j, "cpu_s",
		    a->cpu_known ? (double)a->cpu_ns / (double)NSEC_PER_SEC : (double)NAN);
	json_double(j, "bpf_s", (double)c[COUNTER_bpf_ns] / (double)NSEC_PER_SEC);
	json_u64(j, "pss_bytes", end->pss_bytes);
	json_u64(j, "bpf_bytes", end->bpf_bytes);
	json_object_end(j);
	json_string(j, "walk", end->walk < SESSION_WALK_MAX ? walk_names[end->walk] : "unknown");
	json_double(j, "seconds", (double)end->duration_ns / (double)NSEC_PER_SEC);
	counters_json_all(j, &end->counters);
}

static const char *const kind_names[SESSION_PROFILE_KIND_MAX] = {
	[SESSION_PROFILE_PROCESS] = "process",
	[SESSION_PROFILE_MERGED] = "merged",
	[SESSION_PROFILE_ENDED] = "ended",
	[SESSION_PROFILE_RAW] = "raw",
};

static void json_files(struct json *j, const struct accounting *a)
{
	json_array(j, "files");
	for (size_t i = 0; i < a->files.cnt; i++) {
		const struct recorded_file *f = &a->files.v[i];

		json_object(j, NULL);
		json_string(j, "path", f->path);
		json_string(j, "kind", kind_names[f->kind]);
		json_u64(j, "processes", f->processes);
		json_u64(j, "pid", f->pid);
		json_u64(j, "start", f->start_ticks);
		json_u64(j, "exec", f->exec);
		json_string(j, "comm", f->comm);
		json_u64(j, "samples", f->samples);
		json_u64(j, accounting_is_time(a) ? "nanoseconds" : "count", f->weight_ns);
		json_object_end(j);
	}
	json_array_end(j);
}

static void json_top(struct json *j, const struct accounting *a)
{
	_cleanup_(report_rows_done) struct report_rows rows = { 0 };
	const struct report_query query = { .max = ACCOUNTING_TOP };

	(void)report_top(a->report, &query, &rows);
	top_table_json(j, &rows);
}

void accounting_print_json(const struct accounting *a, FILE *f)
{
	struct json j = JSON_INIT(f);
	const char *ended_by = "failure";

	if (a->ended && a->end.ended_by <= SESSION_ENDED_GONE)
		ended_by = ended_names[a->end.ended_by];
	json_object(&j, NULL);
	json_string(&j, "event", a->event->name);
	json_u64(&j, a->event_count ? "event_count" : "hz",
		 a->event_count ? a->event_count : a->hz);
	json_string(&j, "ended_by", ended_by);
	json_array(&j, "degraded");
	for (size_t i = 0; i < a->degraded.cnt; i++)
		json_string(&j, NULL, a->degraded.v[i]);
	json_array_end(&j);
	if (a->ended)
		json_end(&j, a);
	json_files(&j, a);
	json_top(&j, a);
	json_object_end(&j);
	fputc('\n', f);
}
