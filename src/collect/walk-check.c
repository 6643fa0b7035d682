/* SPDX-License-Identifier: Apache-2.0 */

/*
 * walk-check — is the walk of the mapping tree right on this kernel? Asked once, before sampling.
 *
 * A process with thousands of mappings is looked at twice: by /proc/self/maps, and address by address
 * by the walk, run in the same task (BPF_PROG_TEST_RUN). The process is our own: pages of a memfd,
 * mapped in reverse order so that no two can be merged, with inaccessible memory between them, give
 * it a tree of several levels for a few milliseconds, and one munmap() takes them away. A child would
 * show no more and cost a fork. What differs twice is no mapping of ours that moved meanwhile (a stack
 * that grew): the walk is switched off.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "collect-internal.h"
#include "cprof/base/fd.h"

#define PAIRS 1000u /* each a page of the file and a page of nothing: two mappings */
#define TEXT_SZ ((size_t)1 << 20)
#define ROUNDS 2
#define USER_END (UINT64_C(1) << 63) /* [vsyscall] is in nobody's tree */

struct mapping {
	uint64_t start, end, pgoff, ino;
};

struct walk_check {
	int prog;
	const struct root *root;
	char *text;
	/* Our own pages: of other files maps may show another inode than the kernel maps (overlayfs). */
	uint64_t from, to;
	size_t page;
	bool differs;
};

static int map_pages(struct walk_check *w)
{
	_cleanup_close_ int fd = memfd_create("cprof-walk", MFD_CLOEXEC);
	char *at;

	if (fd < 0 || ftruncate(fd, (off_t)(PAIRS * w->page)) < 0)
		return -errno;
	at = mmap(NULL, 2 * PAIRS * w->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		  -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	w->from = (uint64_t)at;
	w->to = w->from + 2 * PAIRS * w->page;
	for (unsigned int i = 0; i < PAIRS; i++) {
		if (mmap(at + 2 * i * w->page, w->page, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
			 (off_t)((PAIRS - 1 - i) * w->page)) == MAP_FAILED)
			return -errno;
	}
	return 0;
}

/* The whole text, or as many whole lines as fit. */
static int read_maps(struct walk_check *w)
{
	_cleanup_close_ int fd = root_open_file(w->root, "proc/self/maps", O_RDONLY);
	ssize_t sz;

	if (fd < 0)
		return fd;
	sz = fd_read_upto(fd, w->text, TEXT_SZ - 1);
	if (sz < 0)
		return (int)sz;
	while (sz > 0 && w->text[sz - 1] != '\n')
		sz--;
	w->text[sz] = '\0';
	return 0;
}

/* "start-end perms pgoff major:minor inode path": the next line's. */
static const char *next_mapping(const char *at, struct mapping *m)
{
	char *end;

	m->start = strtoull(at, &end, 16);
	if (*end != '-')
		return NULL;
	m->end = strtoull(end + 1, &end, 16);
	end = strchr(end + (*end == ' '), ' '); /* behind the rights */
	if (!end)
		return NULL;
	m->pgoff = strtoull(end, &end, 16);
	end = strchr(end + (*end == ' '), ' '); /* behind the device */
	if (!end)
		return NULL;
	m->ino = strtoull(end, &end, 10);
	end = strchr(end, '\n');
	return end ? end + 1 : NULL;
}

static int ask(const struct walk_check *w, uint64_t addr, struct cprof_walk_probe *ret)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = ret, .ctx_size_in = sizeof(*ret));

	*ret = (struct cprof_walk_probe){ .addr = addr };
	return bpf_prog_test_run_opts(w->prog, &opts);
}

static int compare_at(struct walk_check *w, const struct mapping *m, uint64_t addr)
{
	struct cprof_walk_probe p;
	int r = ask(w, addr, &p);

	if (r < 0)
		return r;
	if (p.error || p.start != m->start || p.end != m->end)
		w->differs = true;
	/* Of memory without a file maps shows 0, whatever the kernel keeps there. */
	else if (m->ino && p.pgoff != m->pgoff)
		w->differs = true;
	else if (addr >= w->from && addr < w->to && p.ino != m->ino)
		w->differs = true;
	return 0;
}

static int compare_hole(struct walk_check *w, uint64_t addr)
{
	struct cprof_walk_probe p;
	int r = ask(w, addr, &p);

	if (r == 0 && p.error != -ENOENT)
		w->differs = true;
	return r;
}

/* First and last byte of each mapping, and the first behind where nothing follows. */
static int compare_all(struct walk_check *w)
{
	struct mapping m, last = { 0 };
	const char *at = w->text;
	int r = 0;

	while (r == 0 && !w->differs && (at = next_mapping(at, &m)) && m.start < USER_END) {
		if (last.end && last.end != m.start)
			r = compare_hole(w, last.end);
		if (r == 0)
			r = compare_at(w, &m, m.start);
		if (r == 0)
			r = compare_at(w, &m, m.end - 1);
		last = m;
	}
	return r;
}

static int compare(struct walk_check *w)
{
	int r = map_pages(w);

	for (int round = 0; r == 0 && round < ROUNDS && (round == 0 || w->differs); round++) {
		w->differs = false;
		r = read_maps(w);
		if (r == 0)
			r = compare_all(w);
	}
	if (w->to)
		(void)munmap((void *)w->from, w->to - w->from);
	return r;
}

int walk_check(struct collect *c, struct collect_failure *failure)
{
	_cleanup_free_ char *text = malloc(TEXT_SZ);
	struct walk_check w = {
		.prog = bpf_program__fd(c->bpf->progs.cprof_probe),
		.root = c->opts.root,
		.text = text,
		.page = (size_t)sysconf(_SC_PAGESIZE),
	};
	int r;

	if (!text)
		return collect_fail(failure, -ENOMEM, "out of memory");
	r = compare(&w);
	if (r < 0)
		return collect_fail(failure, r,
				    "cannot compare the walk of mappings with /proc/self/maps: %s; "
				    "is /proc mounted, and memory to be had?",
				    strerror(-r));
	if (w.differs) {
		c->walk_why = "what it finds differs from /proc/self/maps on this kernel";
		collect_switch_walk_off(c);
	}
	return 0;
}
