/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* jitdump-fixture — jitdumps, record by record. */

#include <stdint.h>
#include <string.h>

struct fake_dump {
	uint8_t v[1 << 20];
	size_t cnt;
	size_t record; /* the last one */
};

static inline void fake_dump_put(struct fake_dump *d, uint64_t v, size_t sz)
{
	memcpy(d->v + d->cnt, &v, sz);
	d->cnt += sz;
}

static inline void fake_dump_text(struct fake_dump *d, const char *s)
{
	memcpy(d->v + d->cnt, s, strlen(s) + 1);
	d->cnt += strlen(s) + 1;
}

/* The size of the last record. */
static inline void fake_dump_end(struct fake_dump *d)
{
	uint32_t sz = (uint32_t)(d->cnt - d->record);

	memcpy(d->v + d->record + 4, &sz, sizeof(sz));
}

static inline void fake_dump_begin(struct fake_dump *d, uint32_t id)
{
	d->record = d->cnt;
	fake_dump_put(d, id, 4);
	fake_dump_put(d, 0, 4);
	fake_dump_put(d, d->cnt, 8); /* when */
}

static inline void fake_dump(struct fake_dump *d)
{
	d->cnt = 0;
	fake_dump_put(d, 0x4a695444, 4);
	fake_dump_put(d, 1, 4);
	fake_dump_put(d, 40, 4);
	fake_dump_put(d, 62, 4);
	fake_dump_put(d, 0, 4);
	fake_dump_put(d, 1234, 4);
	fake_dump_put(d, 0, 8);
	fake_dump_put(d, 0, 8);
}

static inline void fake_dump_load(struct fake_dump *d, uint64_t index, uint64_t addr, uint64_t sz,
				  const char *name)
{
	fake_dump_begin(d, 0);
	fake_dump_put(d, 1234, 4);
	fake_dump_put(d, 1235, 4);
	fake_dump_put(d, addr, 8);
	fake_dump_put(d, addr, 8);
	fake_dump_put(d, sz, 8);
	fake_dump_put(d, index, 8);
	fake_dump_text(d, name);
	memset(d->v + d->cnt, 0xcc, sz < 64 ? sz : 64);
	d->cnt += sz < 64 ? sz : 64;
	fake_dump_end(d);
}

static inline void fake_dump_move(struct fake_dump *d, uint64_t index, uint64_t from, uint64_t to,
				  uint64_t sz)
{
	fake_dump_begin(d, 1);
	fake_dump_put(d, 1234, 4);
	fake_dump_put(d, 1235, 4);
	fake_dump_put(d, to, 8);
	fake_dump_put(d, from, 8);
	fake_dump_put(d, to, 8);
	fake_dump_put(d, sz, 8);
	fake_dump_put(d, index, 8);
	fake_dump_end(d);
}

/* Its lines follow. */
static inline void fake_dump_debug(struct fake_dump *d, uint64_t addr, uint64_t cnt)
{
	fake_dump_begin(d, 2);
	fake_dump_put(d, addr, 8);
	fake_dump_put(d, cnt, 8);
	fake_dump_end(d);
}

static inline void fake_dump_line(struct fake_dump *d, uint64_t addr, uint32_t line,
				  const char *file)
{
	fake_dump_put(d, addr, 8);
	fake_dump_put(d, line, 4);
	fake_dump_put(d, 7, 4);
	fake_dump_text(d, file);
	fake_dump_end(d);
}
