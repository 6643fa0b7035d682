/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A replay file of a stranger, all the way: entries to the tables, records to the window, and what
 * came of it to a profile. The checks of its chunks are mended first: chance never gets them right,
 * and who is malicious computes them.
 */

#include "fuzz.h"

#include "cprof/base/cleanup.h"
#include "cprof/decode.h"
#include "cprof/encode.h"
#include "cprof/fold.h"
#include "cprof/locate.h"
#include "cprof/replay.h"

struct replaying {
	const uint8_t *data;
	size_t left;
	struct replay_tables tables;
	uint64_t entries;
	struct replay_rows rows; /* the last piece */
};

static void mend(uint8_t *data, size_t sz)
{
	size_t at = sizeof(struct replay_head);

	while (at + sizeof(struct replay_chunk) <= sz) {
		struct replay_chunk *c = (struct replay_chunk *)(void *)(data + at);

		at += sizeof(*c);
		if (c->size > sz - at || c->size % 8 != 0)
			return;
		c->check = replay_check(c, data + at);
		at += c->size;
	}
}

static ssize_t take_bytes(void *dst, size_t sz, void *ctx)
{
	struct replaying *rp = ctx;

	sz = MIN(sz, rp->left);
	if (sz > 0)
		memcpy(dst, rp->data, sz);
	rp->data += sz;
	rp->left -= sz;
	return (ssize_t)sz;
}

static int take_record(struct replaying *rp, const struct cprof_head *head)
{
	struct window_frame frames[CPROF_KERNEL_FRAMES_MAX + CPROF_USER_FRAMES_MAX];
	struct window *w = rp->tables.window;
	uint32_t stack, process, exe;
	struct record rec;
	int cnt;

	if (decode_record(head, head->size, &rec) < 0 || rec.type != CPROF_RECORD_SAMPLE)
		return -EBADMSG;
	if (!fold_find_stack(w, &rec, &stack)) {
		cnt = locate_stack(rp->tables.objects, &rec, frames);
		FUZZ_CHECK(cnt >= 0);
		FUZZ_CHECK(fold_add_stack(w, &rec, frames, (uint32_t)cnt, &stack) == 0);
	}
	FUZZ_CHECK(locate_exe(rp->tables.objects, &rec, &exe) == 0);
	FUZZ_CHECK(fold_process(w, &rec, exe, &process) == 0);
	FUZZ_CHECK(fold_add(w, &rec, process, stack) == 0);
	return 0;
}

static int take_kept(const struct cprof_head *head)
{
	struct record rec;

	if (decode_record(head, head->size, &rec) < 0 || rec.type != CPROF_RECORD_KEPT)
		return -EBADMSG;
	FUZZ_CHECK(rec.kept.head->keys_cnt == 0);
	for (uint32_t i = 0; i < rec.kept.head->maps_cnt; i++)
		FUZZ_CHECK(rec.kept.maps[i].object < CPROF_OBJECT_KEY);
	fuzz_touch(rec.kept.stack, rec.kept.head->stack_sz);
	return 0;
}

/* As whoever puts the block together: nothing is written beside it. */
static void take_rows(struct replaying *rp, const struct replay_rows *e)
{
	FUZZ_CHECK(e->total_sz <= REPLAY_ROWS_MAX && e->at <= e->total_sz &&
		   e->bytes_sz <= e->total_sz - e->at);
	FUZZ_CHECK(e->at == 0 ||
		   (e->object == rp->rows.object && e->at == rp->rows.at + rp->rows.bytes_sz));
	rp->rows = *e;
}

static int take_entry(enum replay_type type, const void *entry, void *ctx)
{
	struct replaying *rp = ctx;
	const struct replay_session *s = entry;

	fuzz_touch(entry, ((const struct replay_entry *)entry)->size);
	if (rp->entries++ == 0) {
		FUZZ_CHECK(type == REPLAY_SESSION);
		rp->tables.window = window_new(s->from_boot_ns, s->from_real_ns, 1);
		FUZZ_CHECK(rp->tables.window);
		rp->tables.window->to_boot_ns = s->to_boot_ns;
		rp->tables.window->hz = s->hz;
	}
	if (type == REPLAY_ROWS)
		take_rows(rp, entry);
	if (type == REPLAY_KEPT)
		return take_kept(entry);
	return type == REPLAY_RECORDS ? take_record(rp, entry)
				      : replay_restore(&rp->tables, type, entry);
}

static int swallow(const void *bytes, size_t sz, void *ctx)
{
	fuzz_touch(bytes, sz);
	return 0;
}

static void encode_all(const struct replaying *rp)
{
	const struct encode_opts opts = {
		.window = rp->tables.window,
		.objects = rp->tables.objects,
		.names = rp->tables.names,
		.cgroups = rp->tables.cgroups,
		.labels = true,
		.event = &event_table[0],
		.version = "",
		.write = swallow,
	};
	struct encode_result res;
	int r = encode_profile(&opts, &res);

	FUZZ_CHECK(r == 0 || r == -ENOMEM);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_free_ uint8_t *copy = fuzz_copy(data, sz);
	_cleanup_(objects_freep) struct objects *objects = NULL;
	_cleanup_(names_freep) struct names *names = NULL;
	_cleanup_(cgroups_freep) struct cgroups *cgroups = NULL;
	struct replaying rp = { .data = copy, .left = sz };
	const struct replay_reader_opts opts = { take_bytes, take_entry, &rp };
	struct replay_fault fault;
	int r;

	FUZZ_CHECK(objects_new(1, &objects) == 0 && names_new(1, &names) == 0 &&
		   cgroups_new(1, &cgroups) == 0);
	rp.tables =
		(struct replay_tables){ .objects = objects, .names = names, .cgroups = cgroups };
	mend(copy, sz);
	r = replay_read(&opts, &fault);
	/* Another error must say what and where. */
	FUZZ_CHECK(r == 0 || (fault.offset <= sz && memchr(fault.text, '\0', sizeof(fault.text))));
	FUZZ_CHECK((r != -EBADMSG && r != -EPROTONOSUPPORT) || fault.text[0]);
	if (r == 0)
		encode_all(&rp);
	rp.tables.window = window_free(rp.tables.window);
	return 0;
}
