/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * vec — a growable array of any type.
 *
 *	VEC(struct frame) frames = { 0 };
 *	r = vec_push(&frames, f);	0 or -ENOMEM
 *	vec_done(&frames);
 */

#include <stddef.h>

#define VEC(type)           \
	struct {            \
		type *v;    \
		size_t cnt; \
		size_t cap; \
	}

/* Makes room for @more elements; 0 or -ENOMEM. New room is not initialised. */
int vec_grow(void **v, size_t cnt, size_t *cap, size_t more, size_t elem_sz);

/* What there is room for is no call: rows and symbols are pushed by the million. */
#define vec_reserve(vec, more)                                                         \
	({                                                                             \
		size_t _more = (more);                                                 \
		_more <= (vec)->cap - (vec)->cnt                                       \
			? 0                                                            \
			: vec_grow((void **)&(vec)->v, (vec)->cnt, &(vec)->cap, _more, \
				   sizeof(*(vec)->v));                                 \
	})

#define vec_push(vec, ...)                                      \
	({                                                      \
		int _r = vec_reserve((vec), 1);                 \
		if (_r == 0)                                    \
			(vec)->v[(vec)->cnt++] = (__VA_ARGS__); \
		_r;                                             \
	})

#define vec_done(vec)            \
	({                       \
		free((vec)->v);  \
		(vec)->v = NULL; \
		(vec)->cnt = 0;  \
		(vec)->cap = 0;  \
	})
