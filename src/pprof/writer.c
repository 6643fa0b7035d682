/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer — parts of a Profile to gzip'd bytes, as they come.
 *
 * Protocol buffers have the property that encoded messages of one type, one after the other, are
 * the encoding of their merge (https://protobuf.dev/programming-guides/encoding/#last-one-wins). So
 * a Profile that holds only one sample, or one mapping, is written as it is, and no line here knows
 * the wire format. The level of compression is measured, not guessed: figures are in
 * docs/formats/profile.md.
 */

#include <assert.h>
#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <zlib.h>

#include "cprof/pprof_write.h"
#include "profile.pb-c.h"

#define WRITER_LEVEL 4
#define WRITER_WINDOW_BITS_GZIP (15 + 16) /* zlib.h: 16 more asks for a gzip header */
#define WRITER_MEM_LEVEL 8
#define WRITER_OUT_SZ 16384
/* Most parts have a few bytes: deflated one by one they cost half as much again. */
#define WRITER_PARTS_SZ ((size_t)16384)
/* Most profiles are no larger, and deflated at once: that takes half as long. */
#define WRITER_WHOLE_SZ ((size_t)256 << 10)

struct pprof_writer {
	z_stream z;
	bool is_stream; /* larger than what is deflated at once: by zlib */
	pprof_write_fn write;
	void *ctx;
	VEC(uint8_t) parts; /* encoded, not deflated yet */
	uint64_t bytes;	    /* handed to the writer */
	/* What the parts of a sample or location are packed from. */
	VEC(uint64_t) ids;
	VEC(Perftools__Profiles__Label) labels;
	VEC(Perftools__Profiles__Label *) label_ptrs;
	VEC(Perftools__Profiles__Line) lines;
	VEC(Perftools__Profiles__Line *) line_ptrs;
	uint64_t mappings, locations, functions; /* how many were put */
	uint8_t out[WRITER_OUT_SZ];
};

int pprof_writer_new(pprof_write_fn write, void *ctx, struct pprof_writer **ret)
{
	_cleanup_(pprof_writer_freep) struct pprof_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->write = write;
	w->ctx = ctx;
	*ret = TAKE_PTR(w);
	return 0;
}

struct pprof_writer *pprof_writer_free(struct pprof_writer *w)
{
	if (!w)
		return NULL;
	if (w->is_stream)
		(void)deflateEnd(&w->z);
	vec_done(&w->parts);
	vec_done(&w->ids);
	vec_done(&w->labels);
	vec_done(&w->label_ptrs);
	vec_done(&w->lines);
	vec_done(&w->line_ptrs);
	free(w);
	return NULL;
}

static int hand_out(struct pprof_writer *w, const uint8_t *bytes, size_t sz)
{
	int r = w->write(bytes, sz, w->ctx);

	w->bytes += r < 0 ? 0 : sz;
	return r;
}

/* Feeds what is in z.next_in; with Z_FINISH until the end of the stream. */
static int writer_deflate(struct pprof_writer *w, int flush)
{
	int status;

	do {
		w->z.next_out = w->out;
		w->z.avail_out = sizeof(w->out);
		status = deflate(&w->z, flush);
		assert(status != Z_STREAM_ERROR);

		size_t sz = sizeof(w->out) - w->z.avail_out;
		int r = sz > 0 ? hand_out(w, w->out, sz) : 0;
		if (r < 0)
			return r;
	} while (w->z.avail_out == 0 || (flush == Z_FINISH && status != Z_STREAM_END));
	return 0;
}

static int begin_stream(struct pprof_writer *w)
{
	if (deflateInit2(&w->z, WRITER_LEVEL, Z_DEFLATED, WRITER_WINDOW_BITS_GZIP, WRITER_MEM_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	w->is_stream = true;
	return 0;
}

static int deflate_parts(struct pprof_writer *w)
{
	int r = w->is_stream ? 0 : begin_stream(w);

	if (r < 0)
		return r;
	w->z.next_in = w->parts.v;
	w->z.avail_in = (uInt)w->parts.cnt;
	w->parts.cnt = 0;
	return writer_deflate(w, Z_NO_FLUSH);
}

/* All that there is, when it is little. */
static int deflate_whole(struct pprof_writer *w)
{
	_cleanup_free_ uint8_t *out = NULL;
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(WRITER_LEVEL);
	size_t sz;

	if (!c)
		return -ENOMEM;
	sz = libdeflate_gzip_compress_bound(c, w->parts.cnt);
	out = malloc(sz);
	if (out)
		sz = libdeflate_gzip_compress(c, w->parts.v, w->parts.cnt, out, sz);
	libdeflate_free_compressor(c);
	return out ? hand_out(w, out, sz) : -ENOMEM;
}

/* No single-valued field may be in more than one part. */
static int put(struct pprof_writer *w, const Perftools__Profiles__Profile *part)
{
	const size_t sz = protobuf_c_message_get_packed_size(&part->base);
	const size_t most = w->is_stream ? WRITER_PARTS_SZ : WRITER_WHOLE_SZ;
	int r = 0;

	if (sz > UINT32_MAX)
		return -ENOMEM; /* what zlib takes at once; only a stack of 2^30 frames gets there */
	if (w->parts.cnt > 0 && w->parts.cnt + sz > most)
		r = deflate_parts(w);
	if (r == 0)
		r = vec_reserve(&w->parts, sz);
	if (r < 0)
		return r;
	w->parts.cnt += protobuf_c_message_pack(&part->base, w->parts.v + w->parts.cnt);
	return w->parts.cnt < most ? 0 : deflate_parts(w);
}

static Perftools__Profiles__ValueType value_type(const struct pprof_type *from)
{
	Perftools__Profiles__ValueType to = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;

	to.type = from->name;
	to.unit = from->unit;
	return to;
}

int pprof_put_head(struct pprof_writer *w, const struct pprof_head *head)
{
	_cleanup_free_ Perftools__Profiles__ValueType *types = NULL, **type_ptrs = NULL;
	Perftools__Profiles__ValueType period_type = value_type(&head->period_type);
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	types = calloc(MAX(head->types_cnt, 1u), sizeof(*types));
	type_ptrs = calloc(MAX(head->types_cnt, 1u), sizeof(*type_ptrs));
	if (!types || !type_ptrs)
		return -ENOMEM;
	for (size_t i = 0; i < head->types_cnt; i++) {
		types[i] = value_type(&head->types[i]);
		type_ptrs[i] = &types[i];
	}
	part.sample_type = type_ptrs;
	part.n_sample_type = head->types_cnt;
	part.default_sample_type = head->default_type;
	part.period_type = &period_type;
	part.period = head->period;
	part.time_nanos = head->time_ns;
	part.duration_nanos = head->duration_ns;
	return put(w, &part);
}

static int fill_labels(struct pprof_writer *w, const struct pprof_sample *s)
{
	int r = vec_reserve(&w->labels, s->labels_cnt);

	if (r == 0)
		r = vec_reserve(&w->label_ptrs, s->labels_cnt);
	for (size_t i = 0; r == 0 && i < s->labels_cnt; i++) {
		Perftools__Profiles__Label *to = &w->labels.v[i];

		*to = (Perftools__Profiles__Label)PERFTOOLS__PROFILES__LABEL__INIT;
		to->key = s->labels[i].key;
		to->str = s->labels[i].str;
		to->num = s->labels[i].num;
		to->num_unit = s->labels[i].unit;
		w->label_ptrs.v[i] = to;
	}
	return r;
}

int pprof_put_sample(struct pprof_writer *w, const struct pprof_sample *s)
{
	Perftools__Profiles__Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT;
	Perftools__Profiles__Sample *samples[] = { &sample };
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	int r = fill_labels(w, s);

	if (r == 0)
		r = vec_reserve(&w->ids, s->locations_cnt);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->locations_cnt; i++)
		w->ids.v[i] = s->locations[i] + 1ULL;
	sample.location_id = w->ids.v;
	sample.n_location_id = s->locations_cnt;
	sample.value = (int64_t *)(uintptr_t)s->values;
	sample.n_value = s->values_cnt;
	sample.label = w->label_ptrs.v;
	sample.n_label = s->labels_cnt;
	part.sample = samples;
	part.n_sample = 1;
	return put(w, &part);
}

int pprof_put_mapping(struct pprof_writer *w, const struct pprof_mapping *m)
{
	Perftools__Profiles__Mapping mapping = PERFTOOLS__PROFILES__MAPPING__INIT;
	Perftools__Profiles__Mapping *mappings[] = { &mapping };
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	mapping.id = ++w->mappings;
	mapping.memory_start = m->start;
	mapping.memory_limit = m->limit;
	mapping.file_offset = m->offset;
	mapping.filename = m->file;
	mapping.build_id = m->build_id;
	mapping.has_functions = m->has & PPROF_HAS_FUNCTIONS;
	mapping.has_filenames = m->has & PPROF_HAS_FILENAMES;
	mapping.has_line_numbers = m->has & PPROF_HAS_LINE_NUMBERS;
	mapping.has_inline_frames = m->has & PPROF_HAS_INLINE_FRAMES;
	part.mapping = mappings;
	part.n_mapping = 1;
	return put(w, &part);
}

static int fill_lines(struct pprof_writer *w, const struct pprof_line *lines, size_t cnt)
{
	int r = vec_reserve(&w->lines, cnt);

	if (r == 0)
		r = vec_reserve(&w->line_ptrs, cnt);
	for (size_t i = 0; r == 0 && i < cnt; i++) {
		Perftools__Profiles__Line *to = &w->lines.v[i];

		*to = (Perftools__Profiles__Line)PERFTOOLS__PROFILES__LINE__INIT;
		to->function_id = lines[i].function + 1ULL;
		to->line = lines[i].line;
		to->column = lines[i].column;
		w->line_ptrs.v[i] = to;
	}
	return r;
}

int pprof_put_location(struct pprof_writer *w, const struct pprof_location *l,
		       const struct pprof_line *lines)
{
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT;
	Perftools__Profiles__Location *locations[] = { &location };
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	int r = fill_lines(w, lines, l->line_cnt);

	if (r < 0)
		return r;
	location.id = ++w->locations;
	location.line = w->line_ptrs.v;
	location.n_line = l->line_cnt;
	location.is_folded = l->folded;
	location.mapping_id = l->mapping == PPROF_NONE ? 0 : l->mapping + 1ULL;
	location.address = l->address;
	part.location = locations;
	part.n_location = 1;
	return put(w, &part);
}

int pprof_put_function(struct pprof_writer *w, const struct pprof_function *f)
{
	Perftools__Profiles__Function function = PERFTOOLS__PROFILES__FUNCTION__INIT;
	Perftools__Profiles__Function *functions[] = { &function };
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	function.id = ++w->functions;
	function.name = f->name;
	function.system_name = f->system_name;
	function.filename = f->file;
	function.start_line = f->start_line;
	part.function = functions;
	part.n_function = 1;
	return put(w, &part);
}

int pprof_put_comments(struct pprof_writer *w, const int64_t *strings, size_t cnt)
{
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	part.comment = (int64_t *)(uintptr_t)strings;
	part.n_comment = cnt;
	return put(w, &part);
}

int pprof_put_strings(struct pprof_writer *w, const struct strtab *strings)
{
	for (size_t i = 0; i < strings->cnt; i++) {
		char *string[] = { (char *)(uintptr_t)strtab_get(strings, (uint32_t)i) };
		Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
		int r;

		part.string_table = string;
		part.n_string_table = 1;
		r = put(w, &part);
		if (r < 0)
			return r;
	}
	return 0;
}

int pprof_writer_finish(struct pprof_writer *w, uint64_t *ret_bytes)
{
	int r = w->is_stream ? deflate_parts(w) : deflate_whole(w);

	if (r == 0 && w->is_stream)
		r = writer_deflate(w, Z_FINISH);
	if (r == 0)
		*ret_bytes = w->bytes;
	return r;
}
