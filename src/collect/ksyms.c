/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ksyms — code that comes to the kernel and goes while we sample, so that names of addresses outside
 * of its own text are not kept for what came later.
 *
 * The kernel tells of BPF programs and trampolines, by address and length, in the side-band of perf
 * events (PERF_RECORD_KSYMBOL): a dummy event and a small ring on each CPU, looked at when samples are
 * fetched. Of modules it tells nothing there: every five seconds the list of modules is compared. What
 * cannot be opened costs nothing but names of what comes later. (docs/adr/0017-kernel-symbols.md)
 */

#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "collect-internal.h"
#include "cprof/base/map.h"

#define KSYMS_PAGES 4 /* of records; a power of two */
#define MODULES_SZ 65536
#define MODULES_LOOKS 5 /* and a second lies between two */

struct ksym_record {
	struct perf_event_header header;
	uint64_t addr;
	uint32_t len;
	uint16_t type;
	uint16_t flags;
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

void ksyms_open(struct collect *c, unsigned int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.ksymbol = 1,
	};
	struct cpu_event *ev = &c->cpus[cpu];
	_cleanup_close_ int fd =
		(int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
	void *p;

	c->ksyms_missed = true; /* what came before is not told here */
	if (fd < 0)
		return;
	p = mmap(NULL, (KSYMS_PAGES + 1) * page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return;
	ev->ksyms = p;
	ev->ksyms_fd = TAKE_FD(fd);
}

void ksyms_close(struct collect *c, unsigned int cpu)
{
	struct cpu_event *ev = &c->cpus[cpu];

	if (!ev->ksyms)
		return;
	(void)munmap(ev->ksyms, (KSYMS_PAGES + 1) * page_size());
	ev->ksyms = NULL;
	ev->ksyms_fd = fd_close(ev->ksyms_fd);
}

/* From the ring, which may wrap within a record. */
static void ring_copy(const struct perf_event_mmap_page *page, uint64_t at, void *dst, size_t sz)
{
	const char *data = (const char *)page + page_size();
	size_t ring = KSYMS_PAGES * page_size(), from = (size_t)(at % ring);
	size_t first = MIN(sz, ring - from);

	memcpy(dst, data + from, first);
	memcpy((char *)dst + first, data, sz - first);
}

/* One record; its name is terminated and padded to 8 bytes. */
static void tell(const struct perf_event_mmap_page *page, uint64_t at, size_t sz,
		 collect_ksym_fn fn, void *ctx)
{
	struct collect_ksym k = { 0 };
	struct ksym_record rec;
	size_t len;

	ring_copy(page, at, &rec, sizeof(rec));
	k.start = rec.addr;
	k.end = rec.addr + rec.len;
	k.gone = rec.flags & PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER;
	ring_copy(page, at + sizeof(rec), k.name, MIN(sz - sizeof(rec), sizeof(k.name) - 8));
	len = strlen(k.name);
	if (rec.type == PERF_RECORD_KSYMBOL_TYPE_BPF)
		memcpy(k.name + len, " [bpf]", sizeof(" [bpf]"));
	fn(&k, ctx);
}

static void consume(struct collect *c, struct perf_event_mmap_page *page, collect_ksym_fn fn,
		    void *ctx)
{
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
	uint64_t at = page->data_tail;

	while (at < head) {
		struct ksym_record rec = { 0 };

		ring_copy(page, at, &rec, sizeof(rec.header));
		if (rec.header.size < sizeof(rec.header) || rec.header.size > head - at)
			break;
		if (rec.header.type == PERF_RECORD_KSYMBOL && rec.header.size > sizeof(rec)) {
			tell(page, at, rec.header.size, fn, ctx);
		} else if (rec.header.type == PERF_RECORD_LOST) {
			c->ksyms_missed = true;
		}
		at += rec.header.size;
	}
	__atomic_store_n(&page->data_tail, head, __ATOMIC_RELEASE);
}

void collect_consume_ksyms(struct collect *c, collect_ksym_fn fn, void *ctx)
{
	for (unsigned int cpu = 0; cpu < c->cpus_cnt; cpu++) {
		if (c->cpus[cpu].ksyms)
			consume(c, c->cpus[cpu].ksyms, fn, ctx);
	}
	if (c->ksyms_missed)
		fn(&(struct collect_ksym){ 0 }, ctx);
	c->ksyms_missed = false;
}

/* Names and sizes: how often a module is in use changes all the time. */
static uint64_t modules_hash(const char *text)
{
	uint64_t hash = 1;

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t len = strcspn(line, " \n");

		len += strspn(line + len, " ");
		len += strcspn(line + len, " \n");
		hash = hash_bytes(line, len, hash);
	}
	return hash;
}

void ksyms_maintain(struct collect *c)
{
	_cleanup_free_ char *text = NULL;
	uint64_t hash;

	if (c->modules_wait > 0) {
		c->modules_wait--;
		return;
	}
	c->modules_wait = MODULES_LOOKS - 1;
	text = malloc(MODULES_SZ);
	if (!text || root_read(c->opts.root, "proc/modules", text, MODULES_SZ) < 0)
		return; /* a kernel without modules */
	hash = modules_hash(text);
	c->ksyms_missed |= c->modules_hash != 0 && c->modules_hash != hash;
	c->modules_hash = hash;
}
