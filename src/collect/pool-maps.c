/* SPDX-License-Identifier: Apache-2.0 */

/*
 * pool-maps — maps of unwinding rows, outside of any BPF object: bpf_map__reuse_fd() gives them to each.
 *
 * A slab is an array with one value of its own, in an array of maps: taken out there, programs that still
 * read it keep it in the kernel, and our mapping of it is ours to take away. Each descriptor is closed at
 * once, for the array and the mapping hold the map.
 */

#include <string.h>
#include <sys/mman.h>

#include "collect-internal.h"

struct collect_pool {
	int fds[POOL_MAPS_CNT];
	struct pool_memory memory;
	void *slabs[CPROF_UNWIND_SLABS_MAX];
	uint32_t slabs_cnt;
	/* Of the kernel's memory: maps of one shape take the same always. */
	uint64_t fixed_bytes;
	uint64_t slab_bytes; /* each */
};

/* In the order of enum pool_map. */
static const struct {
	const char *name;
	uint32_t value_sz;
	uint32_t cnt;
} shapes[POOL_MAPS_CNT] = {
	{ "cprof_unwind_objects", sizeof(struct cprof_unwind_object), CPROF_UNWIND_OBJECTS_MAX },
	{ "cprof_unwind_pages", sizeof(struct cprof_unwind_page), CPROF_UNWIND_PAGES_MAX },
	{ "cprof_unwind_rules", sizeof(struct cprof_rule), CPROF_UNWIND_RULES_MAX },
	{ "cprof_unwind_slabs", sizeof(__u32), CPROF_UNWIND_SLABS_MAX },
};

static int create_array(const char *name, uint32_t value_sz, uint32_t cnt)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);

	return bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(__u32), value_sz, cnt, &opts);
}

static int create_slab(void)
{
	return create_array("cprof_unwind_slab", CPROF_SLAB_BYTES, 1);
}

/* What a slab is like is told by one. */
static int create_slabs(const struct root *root, uint64_t *ret_slab_bytes)
{
	_cleanup_close_ int slab = create_slab();
	LIBBPF_OPTS(bpf_map_create_opts, opts, .inner_map_fd = (__u32)slab);

	if (slab < 0)
		return slab;
	*ret_slab_bytes = collect_fd_bytes(root, slab);
	return bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, shapes[POOL_SLABS].name, sizeof(__u32),
			      sizeof(__u32), CPROF_UNWIND_SLABS_MAX, &opts);
}

static int map_memory(int fd, size_t sz, void **ret)
{
	void *p = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

static void slab_free(void *ctx, uint32_t index)
{
	struct collect_pool *cp = ctx;

	(void)bpf_map_delete_elem(cp->fds[POOL_SLABS], &index);
	(void)munmap(cp->slabs[index], CPROF_SLAB_BYTES);
	cp->slabs[index] = NULL;
	cp->slabs_cnt--;
}

static int slab_new(void *ctx, uint32_t index, uint32_t **ret)
{
	_cleanup_close_ int fd = create_slab();
	struct collect_pool *cp = ctx;
	void *memory = NULL;
	int r;

	if (fd < 0)
		return fd;
	r = map_memory(fd, CPROF_SLAB_BYTES, &memory);
	if (r < 0)
		return r;
	r = bpf_map_update_elem(cp->fds[POOL_SLABS], &index, &fd, BPF_ANY);
	if (r < 0) {
		(void)munmap(memory, CPROF_SLAB_BYTES);
		return r;
	}
	cp->slabs[index] = memory;
	cp->slabs_cnt++;
	*ret = memory;
	return 0;
}

static int make_maps(struct collect_pool *cp, const struct root *root)
{
	void *memory[POOL_SLABS];
	int r = 0;

	for (int i = 0; r >= 0 && i < POOL_MAPS_CNT; i++) {
		r = cp->fds[i] = i == POOL_SLABS ? create_slabs(root, &cp->slab_bytes)
						 : create_array(shapes[i].name, shapes[i].value_sz,
								shapes[i].cnt);
		if (r >= 0)
			cp->fixed_bytes += collect_fd_bytes(root, r);
	}
	for (int i = 0; r >= 0 && i < POOL_SLABS; i++) {
		r = map_memory(cp->fds[i], (size_t)shapes[i].value_sz * shapes[i].cnt, &memory[i]);
		if (r < 0)
			break;
		if (i == POOL_OBJECTS)
			cp->memory.objects = memory[i];
		else if (i == POOL_PAGES)
			cp->memory.pages = memory[i];
		else
			cp->memory.rules = memory[i];
	}
	return r < 0 ? r : 0;
}

int collect_pool_new(const struct root *root, struct collect_pool **ret,
		     struct collect_failure *failure)
{
	_cleanup_(collect_pool_freep) struct collect_pool *cp = calloc(1, sizeof(*cp));
	int r;

	if (!cp)
		return collect_fail(failure, -ENOMEM, "out of memory");
	(void)libbpf_set_print(NULL);
	for (int i = 0; i < POOL_MAPS_CNT; i++)
		cp->fds[i] = -EBADF;
	cp->memory.slab_new = slab_new;
	cp->memory.slab_free = slab_free;
	cp->memory.ctx = cp;
	r = make_maps(cp, root);
	if (r < 0)
		return collect_load_failed(failure, r);
	*ret = TAKE_PTR(cp);
	return 0;
}

static void unmap(void *memory, enum pool_map map)
{
	if (memory)
		(void)munmap(memory, (size_t)shapes[map].value_sz * shapes[map].cnt);
}

struct collect_pool *collect_pool_free(struct collect_pool *cp)
{
	if (!cp)
		return NULL;
	for (uint32_t i = 0; i < CPROF_UNWIND_SLABS_MAX; i++)
		if (cp->slabs[i])
			slab_free(cp, i);
	unmap(cp->memory.objects, POOL_OBJECTS);
	unmap(cp->memory.pages, POOL_PAGES);
	unmap(cp->memory.rules, POOL_RULES);
	for (int i = 0; i < POOL_MAPS_CNT; i++)
		(void)fd_close(cp->fds[i]);
	free(cp);
	return NULL;
}

const struct pool_memory *collect_pool_memory(const struct collect_pool *cp)
{
	return &cp->memory;
}

uint64_t collect_pool_bytes(const struct collect_pool *cp)
{
	return cp->fixed_bytes + cp->slabs_cnt * cp->slab_bytes;
}

int collect_pool_share(const struct collect_pool *cp, struct cprof_bpf *bpf)
{
	struct bpf_map *const maps[POOL_MAPS_CNT] = {
		[POOL_OBJECTS] = bpf->maps.cprof_unwind_objects,
		[POOL_PAGES] = bpf->maps.cprof_unwind_pages,
		[POOL_RULES] = bpf->maps.cprof_unwind_rules,
		[POOL_SLABS] = bpf->maps.cprof_unwind_slabs,
	};
	int r = 0;

	for (int i = 0; r == 0 && i < POOL_MAPS_CNT; i++)
		r = bpf_map__reuse_fd(maps[i], cp->fds[i]);
	return r;
}
