/* SPDX-License-Identifier: Apache-2.0 */

/*
 * load — brings the BPF programs into the kernel and says in one line why that failed.
 *
 * Everything that a kernel or a caller's rights may lack is probed here, each with its own sentence:
 * a verifier log helps nobody at three in the morning.
 */

#include <fcntl.h>
#include <linux/btf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "collect-internal.h"

int collect_fail(struct collect_failure *failure, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(failure->text, sizeof(failure->text), fmt, ap);
	va_end(ap);
	return r;
}

static int check_btf(struct collect *c, struct collect_failure *failure)
{
	_cleanup_close_ int fd = root_open_file(c->opts.root, "sys/kernel/btf/vmlinux", O_RDONLY);

	if (fd < 0)
		return collect_fail(failure, -ENOTSUP,
				    "no kernel types: cannot read /sys/kernel/btf/vmlinux (%s); "
				    "mount /sys, or boot "
				    "a kernel built with CONFIG_DEBUG_INFO_BTF=y",
				    strerror(-fd));
	return 0;
}

int collect_load_failed(struct collect_failure *failure, int r)
{
	if (r == -EPERM || r == -EACCES)
		return collect_fail(failure, r,
				    "the kernel refused the BPF programs: %s; CAP_BPF and "
				    "CAP_PERFMON (or root) are needed, and "
				    "in a container also permission for bpf(2)",
				    strerror(-r));
	if (r == -ENOMEM)
		return collect_fail(failure, r,
				    "no memory for BPF maps; raise the memory limit of the unit");
	return collect_fail(
		failure, r,
		"the BPF programs do not load on this kernel: %s; Linux 6.1 or later is needed, "
		"'dmesg' and 'bpftool feature' may tell more",
		strerror(-r));
}

/* Where we are in the hierarchy of pid namespaces, and whether the kernel is laid out as we think. */
static int learn_self(struct collect *c, bool *ret_layouts_ok, struct collect_failure *failure)
{
	struct {
		__u32 level, layouts_ok;
	} self = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &self, .ctx_size_in = sizeof(self));
	struct stat st;
	int r;

	r = bpf_prog_test_run_opts(bpf_program__fd(c->bpf->progs.cprof_self), &opts);
	if (r < 0)
		return collect_load_failed(failure, r);
	if (fstatat(c->opts.root->fd, "proc/self/ns/pid", &st, 0) < 0)
		return collect_fail(failure, -errno,
				    "cannot read /proc/self/ns/pid: %m; mount /proc");
	c->bpf->bss->our_level = self.level;
	c->bpf->bss->our_inum = (__u32)st.st_ino;
	*ret_layouts_ok = self.layouts_ok;
	return 0;
}

/* The walk of the mapping trees: asked for, of a known layout, and right? Else user space asks /proc. */
static int choose_walk(struct collect *c, bool layouts_ok, struct collect_failure *failure)
{
	if (c->opts.walk_off) {
		c->walk_why = "this was asked for";
		collect_switch_walk_off(c);
		return 0;
	}
	if (!layouts_ok) {
		c->walk_why = "the trees of this kernel are laid out in a way not known here";
		collect_switch_walk_off(c);
		return 0;
	}
	return c->opts.walk_trusted ? 0 : walk_check(c, failure);
}

static int map_rates(struct collect *c, struct collect_failure *failure)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p;

	c->rates_sz = (c->cpus_cnt * sizeof(struct cprof_rate) + page - 1) / page * page;
	p = mmap(NULL, c->rates_sz, PROT_READ | PROT_WRITE, MAP_SHARED,
		 bpf_map__fd(c->bpf->maps.cprof_rates), 0);
	if (p == MAP_FAILED)
		return collect_fail(failure, -errno, "cannot map the rates: %m");
	c->rates = p;
	return 0;
}

/* Only a clock's ticks are due at known times: it alone needs to see CPUs become idle. */
static void choose_programs(struct collect *c)
{
	bool clock = c->opts.event->kind == EVENT_CLOCK;

	(void)bpf_program__set_autoload(c->bpf->progs.cprof_tick, clock);
	(void)bpf_program__set_autoload(c->bpf->progs.cprof_switch, clock);
	(void)bpf_program__set_autoload(c->bpf->progs.cprof_event, !clock);
	(void)bpf_program__set_autoload(c->bpf->progs.cprof_fork, c->opts.tree);
}

/*
 * Whether that is anywhere in the file. A name among the kernel's types is looked for that way: to parse
 * them all takes 30 ms, in which a daemon that is restarted samples nothing.
 */
static bool has_bytes(int fd, const char *bytes, size_t sz)
{
	char buf[16384];
	size_t kept = 0;
	ssize_t n;

	while ((n = read(fd, buf + kept, sizeof(buf) - kept)) > 0) {
		size_t len = kept + (size_t)n;

		if (memmem(buf, len, bytes, sz))
			return true;
		kept = MIN(len, sz - 1);
		memmove(buf, buf + len - kept, kept);
	}
	return false;
}

/*
 * May a walk wait for pages? Only where the kernel calls programs back in a task (bpf_task_work). The name is
 * that of the function with an argument for the kernel's own use.
 */
static bool kernel_waits(const struct root *root)
{
	static const char name[] = "\0bpf_task_work_schedule_resume_impl";
	_cleanup_close_ int fd = root_open_file(root, "sys/kernel/btf/vmlinux", O_RDONLY);

	return fd >= 0 && has_bytes(fd, name, sizeof(name));
}

/* The object without what waits for pages has the same maps and variables, and so the same skeleton. */
static struct cprof_bpf *open_programs(bool waits)
{
	struct cprof_bpf *bpf = waits ? cprof_bpf__open() : calloc(1, sizeof(*bpf));
	int r;

	if (!bpf || waits)
		return bpf;
	r = cprof_bpf__create_skeleton(bpf);
	if (r == 0) {
		bpf->skeleton->data =
			(void *)(uintptr_t)cprof_plain_bpf__elf_bytes(&bpf->skeleton->data_sz);
		r = bpf_object__open_skeleton(bpf->skeleton, NULL);
	}
	if (r == 0)
		return bpf;
	cprof_bpf__destroy(bpf);
	errno = -r;
	return NULL;
}

static int open_and_size(struct collect *c, struct collect_failure *failure)
{
	unsigned int walks = kernel_waits(c->opts.root) ? CPROF_REST_WALKS : 0;
	int r;

	c->bpf = open_programs(walks > 0);
	if (!c->bpf)
		return collect_load_failed(failure, -errno);
	c->bpf->rodata->rest_first = walks > 0 ? c->cpus_cnt : 0;
	c->bpf->rodata->frames_max = c->opts.frames_max;
	c->bpf->rodata->filter_all = c->opts.all;
	c->bpf->rodata->filter_tree = c->opts.tree;
	c->bpf->rodata->filter_groups = c->opts.groups;
	c->bpf->rodata->check_every = c->opts.check_every;
	c->bpf->rodata->maple_skew = c->opts.walk_skew;
	c->bpf->rodata->ring_urgent = c->opts.ring_bytes / 4;
	c->bpf->rodata->keep_all = c->opts.keep_all;
	c->bpf->rodata->event_counted = c->opts.event_count > 0;
	c->bpf->bss->tree_growing = c->opts.tree;
	choose_programs(c);
	r = bpf_map__set_max_entries(c->bpf->maps.cprof_samples, (__u32)c->opts.ring_bytes);
	if (r == 0)
		r = bpf_map__set_max_entries(c->bpf->maps.cprof_rates, c->cpus_cnt);
	if (r == 0)
		r = bpf_map__set_max_entries(c->bpf->maps.cprof_scratch, c->cpus_cnt + walks);
	if (r == 0 && c->opts.tree)
		r = bpf_map__set_max_entries(c->bpf->maps.cprof_pids, COLLECT_PIDS_MAX);
	if (r == 0 && c->opts.pool)
		r = collect_pool_share(c->opts.pool, c->bpf);
	if (r < 0)
		return collect_load_failed(failure, r);
	return 0;
}

int collect_load(struct collect *c, struct collect_failure *failure)
{
	bool layouts_ok = false;
	int r;

	r = check_btf(c, failure);
	if (r < 0)
		return r;
	r = open_and_size(c, failure);
	if (r < 0)
		return r;
	r = cprof_bpf__load(c->bpf);
	if (r < 0)
		return collect_load_failed(failure, r);
	r = learn_self(c, &layouts_ok, failure);
	if (r < 0)
		return r;
	r = choose_walk(c, layouts_ok, failure);
	if (r < 0)
		return r;
	r = map_rates(c, failure);
	if (r < 0)
		return r;
	r = cprof_bpf__attach(c->bpf);
	if (r < 0)
		return collect_load_failed(failure, r);
	return 0;
}
