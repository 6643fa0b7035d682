/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge — reads the files one after the other, and writes when all were read.
 *
 * The limit of memory holds for what is kept, the bytes of the file being read, and its tables, which
 * are bounded by the number of their entries before any of them is made.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/fd.h"
#include "merge-internal.h"

/* What an entry of every table of struct pprof takes, all of them together, and twice for growth. */
#define ENTRY_SZ 512

static void merge_done(struct merge *m)
{
	strtab_done(&m->strings);
	strtab_done(&m->functions);
	strtab_done(&m->mappings);
	strtab_done(&m->locations);
	strtab_done(&m->samples);
	vec_done(&m->regions);
	vec_done(&m->values);
	vec_done(&m->totals);
	vec_done(&m->types);
	vec_done(&m->comments);
	vec_done(&m->objects);
	vec_done(&m->reasons);
	free(m->text);
}

static int merge_init(struct merge *m)
{
	struct strtab *tables[] = { &m->strings, &m->functions, &m->mappings, &m->locations,
				    &m->samples };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ELEMENTSOF(tables); i++)
		r = strtab_init(tables[i], m->opts->seed);
	return r;
}

static size_t table_bytes(const struct strtab *t)
{
	return t->arena.bytes + t->map.cap * sizeof(*t->map.slots) +
	       t->cap * (sizeof(*t->strings) + sizeof(*t->lens));
}

static size_t merge_bytes(const struct merge *m)
{
	return table_bytes(&m->strings) + table_bytes(&m->functions) + table_bytes(&m->mappings) +
	       table_bytes(&m->locations) + table_bytes(&m->samples) +
	       m->regions.cap * sizeof(*m->regions.v) + m->values.cap * sizeof(*m->values.v) +
	       m->text_sz + m->held;
}

int merge_check_memory(const struct merge *m, size_t more)
{
	size_t bytes = merge_bytes(m);

	return more > m->opts->memory_max || bytes > m->opts->memory_max - more ? -EFBIG : 0;
}

/* What is left of the limit. */
static size_t room(const struct merge *m)
{
	size_t bytes = merge_bytes(m);

	return bytes < m->opts->memory_max ? m->opts->memory_max - bytes : 0;
}

struct bytes {
	uint8_t *p;
	size_t sz;
};

static void bytes_done(struct bytes *b)
{
	free(b->p);
}

/* The whole file, from its beginning. */
static int read_file(int fd, size_t max, struct bytes *ret)
{
	_cleanup_(bytes_done) struct bytes b = { 0 };
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	b.p = malloc((size_t)st.st_size + 1);
	if (!b.p)
		return -ENOMEM;
	n = fd_pread_upto(fd, b.p, (size_t)st.st_size, 0);
	if (n < 0)
		return (int)n;
	*ret = (struct bytes){ .p = TAKE_PTR(b.p), .sz = (size_t)n };
	return 0;
}

/* The file's bytes as a Profile. */
static int read_plain(const struct merge *m, int fd, struct bytes *ret)
{
	_cleanup_(bytes_done) struct bytes packed = { 0 };
	int r = read_file(fd, room(m), &packed);

	if (r < 0)
		return r;
	if (pprof_is_gzip(packed.p, packed.sz))
		return pprof_unpack(packed.p, packed.sz, room(m) - MIN(packed.sz, room(m)), &ret->p,
				    &ret->sz);
	*ret = (struct bytes){ .p = TAKE_PTR(packed.p), .sz = packed.sz };
	return 0;
}

static void file_done(struct merge_file *f)
{
	pprof_done(&f->profile);
	free(f->strings);
	free(f->functions);
	free(f->mappings);
	free(f->locations);
	vec_done(&f->key);
}

/* What the tables of a parsed file take, and the maps of its indexes. */
static size_t file_bytes(const struct merge_file *f)
{
	const struct pprof *p = &f->profile;

	return (p->strings.cnt + p->functions.cnt + p->mappings.cnt + p->locations.cnt) *
		       sizeof(uint32_t) +
	       p->strings.cap * sizeof(*p->strings.v) + p->functions.cap * sizeof(*p->functions.v) +
	       p->mappings.cap * sizeof(*p->mappings.v) +
	       p->locations.cap * sizeof(*p->locations.v) + p->lines.cap * sizeof(*p->lines.v);
}

static int add_file(struct merge *m, int fd)
{
	_cleanup_(bytes_done) struct bytes plain = { 0 };
	_cleanup_(file_done) struct merge_file f = { .merge = m };
	size_t entries;
	int r;

	m->held = 0;
	r = read_plain(m, fd, &plain);
	if (r < 0)
		return r;
	m->held = plain.sz;
	entries = MIN(room(m) / ENTRY_SZ, PPROF_ENTRIES_MAX);
	r = pprof_parse(&f.profile,
			&(struct pprof_bytes){ .p = plain.p, .end = plain.p + plain.sz },
			(uint32_t)entries);
	if (r < 0)
		return r;
	m->held += file_bytes(&f);
	r = merge_add(&f);
	m->held = 0;
	return r;
}

int merge_profiles(const struct merge_opts *opts, const int *fds, size_t cnt,
		   struct merge_result *ret, size_t *ret_bad)
{
	_cleanup_(merge_done) struct merge m = { .opts = opts };
	uint64_t bytes;
	int r;

	assert(cnt > 0);

	r = merge_init(&m);
	for (size_t i = 0; r == 0 && i < cnt; i++) {
		r = add_file(&m, fds[i]);
		if (r == -EBADMSG || r == -EINVAL)
			*ret_bad = i;
		m.files++;
	}
	if (r == 0)
		r = merge_write(&m, &bytes);
	if (r < 0)
		return r == -E2BIG ? -EFBIG : r;
	*ret = (struct merge_result){
		.samples = (uint64_t)m.totals.v[0],
		.bytes = bytes,
		.files = cnt,
	};
	return 0;
}
