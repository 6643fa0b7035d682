/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * pool — the maps that hold unwinding rows (cprof/unwind.h), and how rows.h gets at them.
 *
 * All collections share those that user space made once (cprof/collect_pool.h); where it made none, they
 * are as small as can be, and no object is known. A slab is one value of an array of its own, so that
 * slabs come and go while programs run.
 */

#include "kenv.h"
#include "cprof/unwind.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct cprof_unwind_object);
} cprof_unwind_objects SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct cprof_unwind_page);
} cprof_unwind_pages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct cprof_rule);
} cprof_unwind_rules SEC(".maps");

struct unwind_slab {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, CPROF_SLAB_BYTES);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct unwind_slab);
} cprof_unwind_slabs SEC(".maps");

static __always_inline const struct cprof_unwind_object *kenv_unwind_object(__u32 i)
{
	return bpf_map_lookup_elem(&cprof_unwind_objects, &i);
}

static __always_inline const struct cprof_unwind_page *kenv_unwind_page(__u32 i)
{
	return bpf_map_lookup_elem(&cprof_unwind_pages, &i);
}

static __always_inline const struct cprof_rule *kenv_unwind_rule(__u32 i)
{
	return bpf_map_lookup_elem(&cprof_unwind_rules, &i);
}

/* CPROF_SLAB_ROWS rows. */
static __always_inline const __u32 *kenv_unwind_slab(__u32 i)
{
	__u32 zero = 0;
	void *slab = bpf_map_lookup_elem(&cprof_unwind_slabs, &i);

	return slab ? bpf_map_lookup_elem(slab, &zero) : NULL;
}
