/* SPDX-License-Identifier: Apache-2.0 */

/*
 * /status, whose keys are a promise to scripts. The reasons why stacks end carry the names that profiles
 * use (`truncated_by`).
 */

#include <ctype.h>
#include <string.h>

#include "cprof/base/clock.h"
#include "cprof/counters_json.h"
#include "moment.h"
#include "pages.h"

static const struct {
	const char *name;
	size_t value;
	bool complete;
} stack_ends[] = {
#define CPROF_END(name, value, complete, prose) { #name, value, complete },
#include "cprof/stack_ends.def"
};

const char *pages_role_name(size_t role)
{
	static const char *const names[WIRE_ROLE_MAX] = {
		[0] = "launcher",
		[WIRE_ROLE_SAMPLER] = "sampler",
		[WIRE_ROLE_OPENER] = "opener",
		[WIRE_ROLE_SYMBOLIZER] = "symbolizer",
		[WIRE_ROLE_FRONT] = "front",
	};

	return role < WIRE_ROLE_MAX ? names[role] : NULL;
}

const struct wire_cost *pages_role_cost(const struct control_status *s, size_t role)
{
	for (size_t i = 0; i < s->roles_cnt; i++) {
		if (s->roles[i].role == role)
			return &s->roles[i];
	}
	return NULL;
}

static double in_seconds(uint64_t ns)
{
	return (double)ns / (double)NSEC_PER_SEC;
}

static void json_stacks(struct json *j, const struct control_status *s)
{
	const __u64 *c = s->counters.v;

	json_object(j, "stacks");
	json_u64(j, "complete", c[COUNTER_stacks_complete]);
	json_u64(j, "truncated", c[COUNTER_stacks_truncated]);
	json_object(j, "reasons");
	for (size_t i = 0; i < sizeof(stack_ends) / sizeof(stack_ends[0]); i++) {
		char name[32] = "";

		if (stack_ends[i].complete || stack_ends[i].value >= ELEMENTSOF(s->stack_ends))
			continue;
		for (size_t k = 0; stack_ends[i].name[k] && k + 1 < sizeof(name); k++)
			name[k] = (char)tolower((unsigned char)stack_ends[i].name[k]);
		json_u64(j, name, s->stack_ends[stack_ends[i].value]);
	}
	json_object_end(j);
	json_object_end(j);
	json_object(j, "frames");
	json_u64(j, "total", c[COUNTER_frames]);
	json_u64(j, "symbolized", c[COUNTER_frames_named]);
	json_object_end(j);
}

/* What confines it, by its own word; the launcher has its unit's word alone. */
static const char *sandbox_of(const struct wire_cost *c)
{
	static const char *const lacks[] = { "full", "no seccomp", "no landlock", "none" };

	if (c->role == 0)
		return "none";
	return c->layers | c->missing ? lacks[c->missing & WIRE_LAYER_ALL] : "unknown";
}

static void json_role(struct json *j, const char *name, const struct wire_cost *c)
{
	json_object(j, name);
	json_u64(j, "pid", c->pid);
	json_double(j, "cpu_s", in_seconds(c->cpu_ns));
	json_u64(j, "pss_bytes", c->pss_bytes);
	json_u64(j, "restarts", c->restarts);
	json_string(j, "sandbox", sandbox_of(c));
	json_object_end(j);
}

static void json_cost(struct json *j, const struct control_status *s, bool with_roles)
{
	uint64_t cpu_ns = 0, pss_bytes = 0;

	for (size_t i = 0; i < s->roles_cnt; i++) {
		cpu_ns += s->roles[i].cpu_ns;
		pss_bytes += s->roles[i].pss_bytes;
	}
	json_object(j, "cost");
	json_double(j, "cpu_s", in_seconds(cpu_ns));
	json_double(j, "bpf_s", in_seconds(s->counters.v[COUNTER_bpf_ns]));
	json_u64(j, "pss_bytes", pss_bytes);
	json_u64(j, "bpf_bytes", s->bpf_bytes);
	/* Of one CPU, as a mean of the last minute: what [Limits] is about. */
	json_double(j, "cpu_share", in_seconds(s->minute_ns) / 60);
	json_double(j, "cpu_share_max", in_seconds(s->minute_max_ns) / 60);
	json_u64(j, "memory_max_bytes", s->memory_max);
	if (with_roles) {
		json_object(j, "roles");
		for (size_t role = 0; role < WIRE_ROLE_MAX; role++) {
			const struct wire_cost *c = pages_role_cost(s, role);

			if (c && pages_role_name(role))
				json_role(j, pages_role_name(role), c);
		}
		json_object_end(j);
	}
	json_object_end(j);
}

static void json_spool(struct json *j, const struct control_status *s)
{
	json_object(j, "spool");
	json_u64(j, "files", s->spool_files);
	json_u64(j, "bytes", s->spool_bytes);
	json_u64(j, "evicted", s->spool_evicted);
	json_u64(j, "quarantined", s->spool_quarantined);
	json_u64(j, "windows", s->spool_windows);
	json_u64(j, "windows_failed", s->spool_windows_failed);
	json_u64(j, "merged", s->spool_merged);
	json_object_end(j);
}

static void json_window(struct json *j, const struct control_status *s, uint64_t now_mono_ns)
{
	char from[MOMENT_SZ];

	moment_format(from, s->from_real_ns);
	json_object(j, "window");
	json_string(j, "from", from);
	json_double(j, "seconds", in_seconds(s->window_ns));
	json_double(j, "next_s",
		    s->next_rotation_ns > now_mono_ns
			    ? in_seconds(s->next_rotation_ns - now_mono_ns)
			    : 0);
	json_object_end(j);
	json_double(j, "gap_s", in_seconds(s->gap_ns));
}

static void json_front(struct json *j, const struct pages_front *front)
{
	json_object(j, "front");
	json_u64(j, "open_connections", front->connections);
	json_u64(j, "open_recordings", front->recordings);
	for (size_t i = 0; i < COUNT_MAX; i++)
		json_u64(j, count_descs[i].name, front->counts->v[i]);
	json_object_end(j);
}

void pages_status(FILE *f, const struct control_status *s, const struct pages_front *front,
		  uint64_t now_mono_ns)
{
	struct json j = JSON_INIT(f);

	json_object(&j, NULL);
	json_string(&j, "version", s->version);
	json_string(&j, "state", s->degraded_cnt > 0 ? "degraded" : "running");
	json_array(&j, "degraded");
	for (size_t i = 0; i < s->degraded_cnt; i++)
		json_string(&j, NULL, s->degraded[i]);
	json_array_end(&j);
	json_string(&j, "event", s->event);
	json_u64(&j, "hz", s->hz);
	json_u64(&j, "cpus", s->cpus);
	json_double(&j, "uptime_s", in_seconds(s->uptime_ns));
	json_window(&j, s, now_mono_ns);
	json_u64(&j, "sessions", s->sessions);
	counters_json_books(&j, &s->books, &s->counters);
	json_stacks(&j, s);
	json_cost(&j, s, front->privileged);
	json_spool(&j, s);
	json_front(&j, front);
	counters_json_all(&j, &s->counters);
	json_object_end(&j);
	fputc('\n', f);
}
