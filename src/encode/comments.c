/* SPDX-License-Identifier: Apache-2.0 */
/*
 * comments — what a profile says about itself: "#cprofd key=value", one string each.
 *
 * The "#" keeps them out of pprof's reports (`pprof -comments` shows them). What is not known is
 * left out; a merged file names no single process and sums what can be summed. The counts are those
 * of the file as written, so that a reader can check them against its samples.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/clock.h"
#include "cprof/object_source.h"
#include "cprof/base/cleanup.h"
#include "encoder.h"

#define OBJECTS_MAX 512 /* that a file tells of */

struct comments {
	struct encoder *encoder;
	VEC(int64_t) ids;
};

static void comments_done(struct comments *c)
{
	vec_done(&c->ids);
}

__attribute__((format(printf, 2, 3))) static int add(struct comments *c, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	int64_t id;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (r < 0) {
		text = NULL;
		return -ENOMEM;
	}
	r = encoder_string(c->encoder, text, &id);
	if (r < 0)
		return r;
	return vec_push(&c->ids, id);
}

static int add_count(struct comments *c, const char *key, uint64_t v)
{
	return add(c, "#cprofd %s=%" PRIu64, key, v);
}

static int add_text(struct comments *c, const char *key, const char *text)
{
	return text && text[0] ? add(c, "#cprofd %s=%s", key, text) : 0;
}

/* The caller's to free; NULL: no memory. */
static char *clean_copy(const char *text)
{
	size_t len = strlen(text), sz = 3 * len + 1;
	char *clean = malloc(sz);

	if (clean)
		(void)str_clean(clean, sz, text, len, NULL);
	return clean;
}

static int add_exe(struct comments *c, uint32_t exe)
{
	const struct object *o = objects_get(c->encoder->opts->objects, exe);
	_cleanup_free_ char *clean = NULL;

	if (!o || !o->path)
		return 0;
	clean = clean_copy(o->path);
	return clean ? add_text(c, "exe", clean) : -ENOMEM;
}

/* Where its names and lines come from, and why it has not all of them. */
static int add_object(struct comments *c, uint32_t object)
{
	const struct object *o = objects_get(c->encoder->opts->objects, object);
	char names[OBJECT_WORDS_SZ], lines[OBJECT_WORDS_SZ];
	_cleanup_free_ char *file = NULL;
	const char *why;

	if (!o || object == CPROF_OBJECT_NONE || object == CPROF_OBJECT_ANON)
		return 0;
	file = clean_copy(layout_file(&c->encoder->layout, object));
	if (!file)
		return -ENOMEM;
	object_names_words(o, names);
	object_lines_words(o, lines);
	why = object_why(o);
	return add(c, "#cprofd object=names:%s lines:%s why:%s %s", names[0] ? names : "-",
		   lines[0] ? lines : "-", why ? why : "-", file);
}

/* One that has several regions is told of with its first. Of many objects the last ones are left out. */
static int add_objects(struct comments *c)
{
	const struct layout *l = &c->encoder->layout;
	uint32_t told[OBJECTS_MAX];
	size_t cnt = 0;
	int r = 0;

	for (size_t i = 0; i < l->regions.cnt && cnt < OBJECTS_MAX && r == 0; i++) {
		uint32_t object = l->regions.v[i].object;
		bool again = false;

		for (size_t j = 0; j < cnt && !again; j++)
			again = told[j] == object;
		if (again)
			continue;
		told[cnt++] = object;
		r = add_object(c, object);
	}
	return r;
}

/* What the path of a control group tells; "" what it does not. */
struct place {
	char cgroup[CGROUPS_PATH_SZ];
	char unit[CGROUPS_UNIT_SZ];
	char container[CGROUPS_CONTAINER_SZ];
};

static void place_of(const struct comments *c, const struct window_process *p, struct place *ret)
{
	const struct cgroups *t = c->encoder->opts->cgroups;

	ret->cgroup[0] = ret->unit[0] = ret->container[0] = '\0';
	if (!t || cgroups_path(t, p->cgroup_hierarchy, p->cgroup, ret->cgroup) < 0)
		return;
	if (!cgroups_unit(ret->cgroup, ret->unit))
		ret->unit[0] = '\0';
	if (!cgroups_container(ret->cgroup, ret->container))
		ret->container[0] = '\0';
	if (ret->cgroup[1] == '\0')
		ret->cgroup[0] = '\0'; /* the root tells nothing */
}

static void keep_equal(char *text, const char *other)
{
	if (strcmp(text, other) != 0)
		text[0] = '\0';
}

/* What all processes of the file agree in. */
static int add_place(struct comments *c)
{
	struct place place, other;
	const struct window_process *before = NULL;
	int r;

	for (uint32_t i = 0; i < encoder_processes_cnt(c->encoder); i++) {
		const struct window_process *p = encoder_process(c->encoder, i);

		if (p->samples == 0)
			continue;
		if (before && p->cgroup == before->cgroup &&
		    p->cgroup_hierarchy == before->cgroup_hierarchy)
			continue;
		place_of(c, p, before ? &other : &place);
		if (before) {
			keep_equal(place.cgroup, other.cgroup);
			keep_equal(place.unit, other.unit);
			keep_equal(place.container, other.container);
		}
		before = p;
	}
	if (!before)
		return 0;
	r = add_text(c, "unit", place.unit);
	if (r == 0)
		r = add_text(c, "container", place.container);
	return r == 0 ? add_text(c, "cgroup", place.cgroup) : r;
}

static int add_process(struct comments *c, const struct window_process *p)
{
	int r;

	r = add_count(c, "pid", p->pid);
	if (r == 0 && p->inner_pid && p->inner_pid != p->pid)
		r = add_count(c, "inner_pid", p->inner_pid);
	if (r == 0)
		r = add_count(c, "start", p->start_ns / NSEC_PER_TICK);
	if (r == 0)
		r = add_count(c, "exec", p->exec);
	if (r == 0)
		r = add_text(c, "comm", p->comm);
	if (r == 0)
		r = add_count(c, "uid", p->uid);
	if (r == 0)
		r = add_exe(c, p->exe);
	if (r == 0 && p->cpu_true_ns != UINT64_MAX)
		r = add_count(c, "cpu_true_ns", p->cpu_true_ns);
	return r;
}

/* Of several processes, where all agree. */
static int add_uid(struct comments *c)
{
	const struct window_process *first = NULL;

	for (uint32_t i = 0; i < encoder_processes_cnt(c->encoder); i++) {
		const struct window_process *p = encoder_process(c->encoder, i);

		if (p->samples == 0)
			continue;
		if (first && p->uid != first->uid)
			return 0;
		first = p;
	}
	return first ? add_count(c, "uid", first->uid) : 0;
}

/* Several: the kernel's account counts only when it is known of everybody. */
static int add_processes(struct comments *c)
{
	const struct encoder *e = c->encoder;
	uint32_t cnt = encoder_processes_cnt(e);
	uint64_t cpu_true_ns = 0;
	int r;

	r = add_count(c, "processes", cnt);
	if (r == 0)
		r = add_uid(c);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < cnt; i++) {
		const struct window_process *p = encoder_process(e, i);

		if (p->cpu_true_ns == UINT64_MAX)
			return 0;
		cpu_true_ns += p->cpu_true_ns;
	}
	return cnt > 0 ? add_count(c, "cpu_true_ns", cpu_true_ns) : 0;
}

/* "fp_bad:12,limit:3": why stacks were cut, by the names of stack_ends.def. */
static int add_cut(struct comments *c)
{
	static const char *const names[CPROF_END_MAX] = {
		[CPROF_END_NONE] = "none",
#define CPROF_END(name, value, complete, prose) [CPROF_END_##name] = #name,
#include "cprof/stack_ends.def"
	};
	char text[1024];
	size_t len = 0;

	text[0] = '\0';
	for (int i = 0; i < CPROF_END_MAX && len < sizeof(text) - 64; i++) {
		char *name = text + len;

		if (c->encoder->cut[i] == 0)
			continue;
		len += (size_t)sprintf(name, "%s%s:%" PRIu64, len > 0 ? "," : "",
				       names[i] ? names[i] : "other", c->encoder->cut[i]);
		for (; *name; name++)
			*name = (char)(*name >= 'A' && *name <= 'Z' ? *name + 'a' - 'A' : *name);
	}
	return add_text(c, "truncated_by", text);
}

static int add_figures(struct comments *c)
{
	const struct encoder *e = c->encoder;
	const struct {
		const char *key;
		uint64_t v;
	} figures[] = {
		{ "samples", e->result.samples },
		{ "complete", e->complete },
		{ "truncated", e->result.samples - e->complete },
		{ "frames", e->result.frames },
		{ "symbolized", e->result.frames_named },
		{ "missed", e->opts->window->missed },
		{ "lost", e->opts->window->lost },
		{ "host_cpus", e->opts->host_cpus },
	};

	for (size_t i = 0; i < ELEMENTSOF(figures); i++) {
		int r = add_count(c, figures[i].key, figures[i].v);

		if (r < 0)
			return r;
	}
	return e->opts->window->gap_ns ? add_count(c, "gap_ns", e->opts->window->gap_ns) : 0;
}

static int add_all(struct comments *c)
{
	const struct encode_opts *o = c->encoder->opts;
	int r;

	r = o->labels ? add_processes(c) : add_process(c, encoder_process(c->encoder, 0));
	if (r == 0)
		r = add_place(c);
	if (r == 0)
		r = add_figures(c);
	if (r == 0)
		r = add_cut(c);
	if (r == 0)
		r = add_text(c, "event", o->event->name);
	if (r == 0)
		r = o->event_count ? add_count(c, "event_count", o->event_count)
				   : add_count(c, "hz", o->window->hz);
	if (r == 0)
		r = add_text(c, "kinds", "cpu");
	if (r == 0)
		r = add_text(c, "walk", o->walk_proc ? "proc" : NULL);
	if (r == 0)
		r = add_objects(c);
	if (r == 0)
		r = add_text(c, "boot", o->boot_id);
	if (r == 0)
		r = add_text(c, "host", o->host_name);
	if (r == 0)
		r = add_text(c, "version", o->version);
	return r;
}

int write_comments(struct encoder *e)
{
	_cleanup_(comments_done) struct comments c = { .encoder = e };
	int r;

	r = add_all(&c);
	if (r < 0)
		return r;
	return pprof_put_comments(e->writer, c.ids.v, c.ids.cnt);
}
