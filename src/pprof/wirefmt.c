/* SPDX-License-Identifier: Apache-2.0 */
/* wirefmt — see wirefmt.h. Every read is checked against the end of the message it is in. */

#include <errno.h>

#include "wirefmt.h"

#define WIREFMT_VARINT_MAX 10 /* bytes that 64 bits take, 7 in each */

enum wirefmt_type { WIREFMT_VARINT = 0, WIREFMT_I64 = 1, WIREFMT_LEN = 2, WIREFMT_I32 = 5 };

int wirefmt_next_varint(struct pprof_bytes *w, uint64_t *ret_value)
{
	uint64_t v = 0;

	if (w->p == w->end)
		return 0;
	for (unsigned int i = 0; i < WIREFMT_VARINT_MAX && w->p < w->end; i++) {
		uint8_t b = *w->p++;

		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (b & 0x80)
			continue;
		*ret_value = v;
		return 1;
	}
	return -EBADMSG;
}

static int skip(struct pprof_bytes *w, uint64_t sz)
{
	if (sz > (uint64_t)(w->end - w->p))
		return -EBADMSG;
	w->p += sz;
	return 0;
}

/* The payload of a field: 1 when it is of a kind that profile.proto has, 0 when it was skipped. */
static int read_payload(struct pprof_bytes *w, uint64_t type, struct wirefmt_field *f)
{
	int r;

	switch (type) {
	case WIREFMT_VARINT:
		f->varint.p = w->p;
		r = wirefmt_next_varint(w, &f->value);
		f->varint.end = w->p;
		return r == 0 ? -EBADMSG : r;
	case WIREFMT_LEN:
		r = wirefmt_next_varint(w, &f->value);
		if (r <= 0)
			return -EBADMSG;
		f->bytes.p = w->p;
		r = skip(w, f->value);
		f->bytes.end = w->p;
		return r < 0 ? r : 1;
	case WIREFMT_I64:
		return skip(w, 8);
	case WIREFMT_I32:
		return skip(w, 4);
	default:
		return -EBADMSG;
	}
}

struct pprof_bytes wirefmt_numbers(const struct wirefmt_field *f)
{
	return f->bytes.p ? f->bytes : f->varint;
}

int wirefmt_next(struct pprof_bytes *w, struct wirefmt_field *ret)
{
	for (;;) {
		struct wirefmt_field f = { 0 };
		uint64_t tag;
		int r;

		r = wirefmt_next_varint(w, &tag);
		if (r <= 0)
			return r;
		if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
			return -EBADMSG;
		f.number = (uint32_t)(tag >> 3);
		r = read_payload(w, tag & 7, &f);
		if (r < 0)
			return r;
		if (r > 0) {
			*ret = f;
			return 1;
		}
	}
}
