/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What encode writes, read back with protobuf-c: the rules of docs/formats/profile.md, each of
 * which some reader punishes. That pprof itself is content is test-encode-pprof.c's business.
 */

#include <zlib.h>

#include "cprof/report.h"
#include "encode-fixture.h"
#include "profile.pb-c.h"

typedef Perftools__Profiles__Profile profile;

#define PAGE 4096ULL
#define LINK 0x400000ULL

static profile *decode(const struct fixture *f)
{
	static uint8_t plain[16 << 20];
	z_stream z = { .next_in = f->file.v, .avail_in = (uInt)f->file.cnt };
	profile *p;

	z.next_out = plain;
	z.avail_out = sizeof(plain);
	CHECK_EQ(inflateInit2(&z, 15 + 16), Z_OK);
	CHECK_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
	CHECK_EQ(z.avail_in, 0);
	p = perftools__profiles__profile__unpack(NULL, z.total_out, plain);
	CHECK(p);
	CHECK_EQ(inflateEnd(&z), Z_OK);
	return p;
}

static const char *text(const profile *p, int64_t id)
{
	CHECK(id >= 0 && (size_t)id < p->n_string_table);
	return p->string_table[id];
}

static const char *comment(const profile *p, const char *key)
{
	for (size_t i = 0; i < p->n_comment; i++) {
		const char *c = text(p, p->comment[i]);

		CHECK_EQ(strncmp(c, "#cprofd ", 8), 0);
		if (strncmp(c + 8, key, strlen(key)) == 0 && c[8 + strlen(key)] == '=')
			return c + 8 + strlen(key) + 1;
	}
	return NULL;
}

static const char *leaf_name(const profile *p, const Perftools__Profiles__Location *l)
{
	CHECK_EQ(l->n_line, 1);
	return text(p, p->function[l->line[0]->function_id - 1]->name);
}

static const Perftools__Profiles__Location *location(const profile *p, size_t sample, size_t i)
{
	CHECK(sample < p->n_sample && i < p->sample[sample]->n_location_id);
	return p->location[p->sample[sample]->location_id[i] - 1];
}

static void check_mappings(const profile *p)
{
	for (size_t i = 0; i < p->n_mapping; i++) {
		const Perftools__Profiles__Mapping *m = p->mapping[i];

		CHECK_EQ(m->id, i + 1);
		CHECK(m->memory_start > 0 && m->memory_start < m->memory_limit);
		CHECK(m->memory_limit < 1ULL << 63);
		CHECK_EQ(m->memory_start % PAGE, 0);
		CHECK_EQ(m->memory_limit % PAGE, 0);
		CHECK_EQ(m->file_offset % PAGE, 0);
		CHECK(text(p, m->filename)[0]);
		CHECK(m->has_functions);
		for (size_t j = 0; j < i; j++)
			CHECK(p->mapping[j]->memory_limit <= m->memory_start ||
			      m->memory_limit <= p->mapping[j]->memory_start);
	}
}

static void check_types(const profile *p, const char *value, const char *unit, int64_t period)
{
	CHECK_EQ(p->n_sample_type, 2);
	CHECK_STR(text(p, p->sample_type[0]->type), "samples");
	CHECK_STR(text(p, p->sample_type[0]->unit), "count");
	CHECK_STR(text(p, p->sample_type[1]->type), value);
	CHECK_STR(text(p, p->sample_type[1]->unit), unit);
	CHECK_STR(text(p, p->default_sample_type), value);
	CHECK_STR(text(p, p->period_type->type), value);
	CHECK_STR(text(p, p->period_type->unit), unit);
	CHECK_EQ(p->period, period);
}

/* What holds for every file that we write. */
static void check_rules(const struct fixture *f, const profile *p)
{
	int64_t cnt = 0, weight = 0;

	CHECK(p->n_string_table > 0);
	CHECK_STR(p->string_table[0], "");
	CHECK_EQ(p->time_nanos, 1700000000000000000);
	CHECK_EQ(p->duration_nanos, 10000000000);
	check_mappings(p);

	for (size_t i = 0; i < p->n_function; i++) {
		const Perftools__Profiles__Function *fn = p->function[i];

		CHECK_EQ(fn->id, i + 1);
		CHECK(text(p, fn->name)[0]);
		CHECK(fn->system_name != fn->name);
	}
	for (size_t i = 0; i < p->n_location; i++) {
		const Perftools__Profiles__Location *l = p->location[i];

		CHECK_EQ(l->id, i + 1);
		CHECK(l->n_line >= 1);
		for (size_t j = 0; j < l->n_line; j++)
			CHECK(l->line[j]->function_id - 1 < p->n_function);
		CHECK(l->mapping_id <= p->n_mapping);
		if (l->mapping_id == 0)
			continue;
		CHECK(l->address >= p->mapping[l->mapping_id - 1]->memory_start);
		CHECK(l->address < p->mapping[l->mapping_id - 1]->memory_limit);
	}
	for (size_t i = 0; i < p->n_sample; i++) {
		const Perftools__Profiles__Sample *s = p->sample[i];

		CHECK(s->n_location_id > 0);
		for (size_t j = 0; j < s->n_location_id; j++)
			CHECK(s->location_id[j] >= 1 && s->location_id[j] <= p->n_location);
		CHECK_EQ(s->n_value, 2);
		cnt += s->value[0];
		weight += s->value[1];
	}
	CHECK_EQ(cnt, f->result.samples);
	CHECK_EQ(weight, f->result.weight_ns);
	CHECK_EQ(p->n_location, f->result.frames);
}

static profile *encode_event(struct fixture *f, uint32_t process)
{
	profile *p;

	fixture_encode(f, process);
	p = decode(f);
	check_rules(f, p);
	return p;
}

static profile *encode_and_check(struct fixture *f, uint32_t process)
{
	profile *p = encode_event(f, process);

	check_types(p, "cpu", "nanoseconds", 1000000000 / 99);
	return p;
}

static void end(struct fixture *f, profile *p)
{
	perftools__profiles__profile__free_unpacked(p, NULL);
	fixture_done(f);
}

static const struct object_segment segment = { .offset = 0x1000,
					       .vaddr = 0x1000,
					       .filesz = 0x2345 };
/* lld's way: the address is ahead of the offset. */
static const struct object_segment odd_segment = { .offset = 0x1a30,
						   .vaddr = LINK + 0x2a30,
						   .filesz = 0x800 };

TEST(pie_keeps_file_offsets)
{
	struct fixture f;
	uint32_t exe, lib, process, stack;
	profile *p;

	fixture_init(&f);
	lib = fixture_object(&f, "/usr/lib/libfoo.so.1", OBJECT_ELF_DYN, &segment);
	exe = fixture_object(&f, "/usr/bin/prog", OBJECT_ELF_DYN, &segment);
	CHECK_EQ(objects_set_build_id(f.objects, exe, (const uint8_t *)"\x01\xab\xff", 3), 0);
	process = fixture_process(&f, 42, "prog", exe);
	stack = fixture_stack(&f,
			      (struct window_frame[]){ { 0x1234, lib, CPROF_FRAME_EXACT },
						       { 0x2000, exe, 0 },
						       { 0x2000, exe, CPROF_FRAME_EXACT } },
			      3);
	fixture_name(&f, lib, 0x1234, "leaf", NULL);
	fixture_name(&f, exe, 0x1fff, "vec<int>::push(int)", "_ZN3vecIiE4pushEi");
	fixture_sample(&f, process, stack, 7);
	p = encode_and_check(&f, process);

	/* The executable comes first though the library's frame was met first. */
	CHECK_STR(text(p, p->mapping[0]->filename), "/usr/bin/prog");
	CHECK_STR(text(p, p->mapping[0]->build_id), "01abff");
	CHECK_EQ(p->mapping[0]->file_offset, 0x1000);
	CHECK_EQ(p->mapping[0]->memory_limit - p->mapping[0]->memory_start, 0x3000);
	CHECK_STR(text(p, p->mapping[1]->filename), "/usr/lib/libfoo.so.1");
	CHECK_STR(text(p, p->mapping[1]->build_id), "");

	CHECK_EQ(p->n_sample, 1);
	CHECK_EQ(p->sample[0]->n_label, 0);
	CHECK_EQ(p->sample[0]->value[0], 7);
	CHECK_EQ(p->sample[0]->value[1], 70000000);
	CHECK_EQ(location(p, 0, 0)->address - p->mapping[1]->memory_start, 0x234);
	/* A return address minus one; an exact pc is left alone. */
	CHECK_EQ(location(p, 0, 1)->address - p->mapping[0]->memory_start, 0xfff);
	CHECK_EQ(location(p, 0, 2)->address - p->mapping[0]->memory_start, 0x1000);

	CHECK_STR(leaf_name(p, location(p, 0, 0)), "leaf");
	CHECK_STR(leaf_name(p, location(p, 0, 1)), "vec<int>::push(int)");
	CHECK_STR(text(p, p->function[location(p, 0, 1)->line[0]->function_id - 1]->system_name),
		  "_ZN3vecIiE4pushEi");
	CHECK_STR(leaf_name(p, location(p, 0, 2)), "[prog]");
	CHECK_EQ(f.result.frames, 3);
	CHECK_EQ(f.result.frames_named, 2);
	end(&f, p);
}

static void put_line(struct fixture *f, struct name_line *l, const char *name, const char *file)
{
	CHECK_EQ(names_string(f->names, name, strlen(name), &l->function), 0);
	CHECK_EQ(names_string(f->names, file, strlen(file), &l->file), 0);
}

static void check_line(const profile *p, size_t i, const struct name_line *want, const char *name)
{
	const Perftools__Profiles__Line *l = location(p, 0, 0)->line[i];
	const Perftools__Profiles__Function *fn = p->function[l->function_id - 1];

	CHECK_STR(text(p, fn->name), name);
	CHECK(strncmp(text(p, fn->filename), "/src/", 5) == 0);
	CHECK(l->line == want->line && l->column == want->column);
	CHECK_EQ(fn->start_line, want->start_line);
}

/* What was inlined comes first, and a function is one wherever it was inlined. */
TEST(inlined_functions_are_lines_of_a_location)
{
	struct name_line inlined[2] = { { .line = 5, .column = 2, .start_line = 4 },
					{ .line = 17, .column = 9, .start_line = 15 } };
	struct name name = { .start = 0x1800, .line = 40, .start_line = 30 };
	struct fixture f;
	uint32_t exe, process, stack;
	profile *p;

	fixture_init(&f);
	exe = fixture_object(&f, "/usr/bin/prog", OBJECT_ELF_DYN, &odd_segment);
	process = fixture_process(&f, 42, "prog", exe);
	stack = fixture_stack(&f, (struct window_frame[2]){ { 0x1c01, exe }, { 0x1d01, exe } }, 2);
	put_line(&f, &inlined[0], "inner", "/src/inner.h");
	put_line(&f, &inlined[1], "middle", "/src/prog.c");
	put_line(&f, &name.own, "outer", "/src/prog.c");
	name.inlined_cnt = 2;
	CHECK_EQ(names_put_inlined(f.names, inlined, 2, &name.inlined), 0);
	CHECK_EQ(names_put(f.names, exe, 0x1c00, &name), 0);
	name.line = 41;
	CHECK_EQ(names_put(f.names, exe, 0x1d00, &name), 0);
	fixture_sample(&f, process, stack, 7);
	p = encode_and_check(&f, process);

	CHECK_EQ(p->n_function, 3);
	CHECK(location(p, 0, 0)->n_line == 3 && location(p, 0, 1)->n_line == 3);
	for (size_t i = 0; i < 2; i++)
		check_line(p, i, &inlined[i], i ? "middle" : "inner");
	name.line = 40;
	check_line(p, 2, &name.own, "outer");
	CHECK_EQ(location(p, 0, 1)->line[2]->line, 41);
	CHECK(p->mapping[0]->has_functions && p->mapping[0]->has_filenames);
	CHECK(p->mapping[0]->has_line_numbers && p->mapping[0]->has_inline_frames);
	end(&f, p);
}

TEST(exec_keeps_link_addresses)
{
	struct fixture f;
	uint32_t exe, process, stack;
	profile *p;

	fixture_init(&f);
	exe = fixture_object(&f, "/usr/bin/static", OBJECT_ELF_EXEC, &odd_segment);
	process = fixture_process(&f, 42, "static", exe);
	stack = fixture_stack(&f, (struct window_frame[]){ { 0x1c00, exe, CPROF_FRAME_EXACT } }, 1);
	fixture_sample(&f, process, stack, 1);
	p = encode_and_check(&f, process);
	CHECK_EQ(p->n_mapping, 1);
	CHECK_EQ(p->mapping[0]->memory_start, LINK + 0x2000);
	CHECK_EQ(p->mapping[0]->memory_limit, LINK + 0x4000);
	CHECK_EQ(p->mapping[0]->file_offset, 0x1000);
	CHECK_EQ(location(p, 0, 0)->address, LINK + 0x2c00);
	end(&f, p);
}

/* Two static programs are linked to the same address: only one of them can have it. */
TEST(merged_exec_files_do_not_overlap)
{
	struct fixture f;
	uint32_t exe[2], process, stack;
	profile *p;

	fixture_init(&f);
	for (int i = 0; i < 2; i++) {
		exe[i] = fixture_object(&f, i ? "/b" : "/a", OBJECT_ELF_EXEC, &odd_segment);
		process = fixture_process(&f, 42 + (uint32_t)i, "static", exe[i]);
		stack = fixture_stack(
			&f, (struct window_frame[]){ { 0x1c00, exe[i], CPROF_FRAME_EXACT } }, 1);
		fixture_sample(&f, process, stack, 1 + (uint64_t)i);
	}
	p = encode_and_check(&f, FIXTURE_ALL);
	/* mapping[0] is the heaviest process's, and has its link address. */
	CHECK_STR(text(p, p->mapping[0]->filename), "/b");
	CHECK_EQ(p->mapping[0]->memory_start, LINK + 0x2000);
	CHECK(p->mapping[1]->memory_start > 1ULL << 40);
	CHECK_EQ(location(p, 0, 0)->address - p->mapping[1]->memory_start, 0xc00);
	end(&f, p);
}

/* Facts from a file that lies must not put two things at one address, or overflow. */
TEST(hostile_segments)
{
	static const struct object_segment bad[] = {
		{ .offset = UINT64_MAX - 5, .vaddr = 5, .filesz = 100 },
		{ .offset = 0x1000, .vaddr = 0x400123, .filesz = 0x1000 },
		{ .offset = 0x1000, .vaddr = 0, .filesz = 0x1000 },
		{ .offset = 0x1000, .vaddr = 0xfffffffffffff000, .filesz = UINT64_MAX },
		{ .offset = 0x1000, .vaddr = 0xfffffffffffff000, .filesz = 0x1000 },
		{ .offset = 0, .vaddr = 0, .filesz = 0 },
	};
	static const uint64_t offsets[] = { 0, 1, 0x1800, 1ULL << 38, UINT64_MAX - 1, UINT64_MAX };
	struct fixture f;
	uint32_t process = 0;
	profile *p;

	fixture_init(&f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t exe = fixture_object(&f, "/bad", OBJECT_ELF_EXEC, &bad[i]);

		process = fixture_process(&f, 1 + (uint32_t)i, "bad", exe);
		for (size_t j = 0; j < sizeof(offsets) / sizeof(offsets[0]); j++) {
			const struct window_frame frames[] = {
				{ offsets[j], exe, CPROF_FRAME_EXACT },
				{ offsets[j], exe, 0 },
				{ offsets[j], CPROF_OBJECT_VDSO, 0 },
				{ offsets[j], CPROF_OBJECT_KERNEL, 0 },
				{ offsets[j], 12345, 0 },
			};

			fixture_sample(&f, process, fixture_stack(&f, frames, 5), 1);
		}
	}
	p = encode_and_check(&f, FIXTURE_ALL);
	CHECK_EQ(f.result.samples, 36);
	end(&f, p);
}

TEST(no_runtime_address)
{
	const uint64_t text_start = 0xffffffffa3000000, leak = 0x7f1234567890;
	struct fixture f;
	uint32_t process, stack;
	profile *p;

	fixture_init(&f);
	objects_get(f.objects, CPROF_OBJECT_KERNEL)->kernel_text = text_start;
	process = fixture_process(&f, 42, "prog", CPROF_OBJECT_NONE);
	stack = fixture_stack(
		&f,
		(struct window_frame[]){
			{ text_start + 0x1230, CPROF_OBJECT_KERNEL, CPROF_FRAME_EXACT },
			{ text_start + 0x4561, CPROF_OBJECT_KERNEL, 0 },
			/* A module: its distance from _stext would give KASLR away. */
			{ 0xffffffffc0123456, CPROF_OBJECT_KERNEL, 0 },
			{ 0x801, CPROF_OBJECT_VDSO, 0 },
			{ leak, CPROF_OBJECT_ANON, CPROF_FRAME_EXACT },
			{ leak + 0x100, CPROF_OBJECT_ANON, 0 },
			{ leak, CPROF_OBJECT_NONE, CPROF_FRAME_EXACT },
		},
		7);
	fixture_name(&f, CPROF_OBJECT_KERNEL, text_start + 0x4560, "do_syscall_64", NULL);
	fixture_sample(&f, process, stack, 1);
	p = encode_and_check(&f, process);

	CHECK_EQ(p->n_mapping, 4);
	CHECK_STR(text(p, p->mapping[1]->filename), "[kernel.kallsyms]");
	CHECK_STR(text(p, p->mapping[2]->filename), "[vdso]");
	CHECK_STR(text(p, p->mapping[3]->filename), "[anon]");
	CHECK_STR(text(p, p->mapping[0]->filename), "[unknown]");
	CHECK_EQ(location(p, 0, 0)->address - p->mapping[1]->memory_start, 0x1230);
	CHECK_EQ(location(p, 0, 1)->address - p->mapping[1]->memory_start, 0x4560);
	CHECK_EQ(location(p, 0, 2)->address - p->mapping[1]->memory_start, 1 << 30);
	CHECK_EQ(location(p, 0, 3)->address - p->mapping[2]->memory_start, 0x800);
	CHECK_EQ(location(p, 0, 4)->address - p->mapping[3]->memory_start, 0);
	CHECK_EQ(location(p, 0, 5)->address - p->mapping[3]->memory_start, 16);
	CHECK_EQ(location(p, 0, 6)->address - p->mapping[0]->memory_start, 0);
	CHECK_STR(leaf_name(p, location(p, 0, 0)), "[kernel]");
	CHECK_STR(leaf_name(p, location(p, 0, 1)), "do_syscall_64");
	CHECK_STR(leaf_name(p, location(p, 0, 3)), "[vdso]");
	CHECK_STR(leaf_name(p, location(p, 0, 4)), "[anon]");
	CHECK_STR(leaf_name(p, location(p, 0, 6)), "[unknown]");
	end(&f, p);
}

TEST(run_time_code_is_numbered_process_by_process)
{
	const uint64_t leak = 0x7f1234567890;
	struct object_jit jit = { .pid = 42, .start_ns = 1, .exec = 1 };
	struct fixture f;
	uint32_t process, stack, mine, other;
	profile *p;

	fixture_init(&f);
	CHECK_EQ(objects_intern_jit(f.objects, &jit, &mine), 0);
	jit.pid = 43;
	CHECK_EQ(objects_intern_jit(f.objects, &jit, &other), 0);
	process = fixture_process(&f, 42, "prog", CPROF_OBJECT_NONE);
	stack = fixture_stack(&f,
			      (struct window_frame[]){
				      { leak, mine, CPROF_FRAME_EXACT },
				      { leak + 0x100, mine, CPROF_FRAME_EXACT },
				      { leak, other, CPROF_FRAME_EXACT },
			      },
			      3);
	fixture_name(&f, mine, leak, "JS:hot", NULL);
	fixture_sample(&f, process, stack, 1);
	p = encode_and_check(&f, process);
	CHECK_EQ(p->n_mapping, 3);
	CHECK_STR(text(p, p->mapping[1]->filename), "[jit]");
	CHECK_STR(text(p, p->mapping[2]->filename), "[jit]");
	CHECK_STR(leaf_name(p, location(p, 0, 0)), "JS:hot");
	CHECK_STR(leaf_name(p, location(p, 0, 1)), "[jit]");
	CHECK_STR(leaf_name(p, location(p, 0, 2)), "[jit]");
	CHECK_EQ(location(p, 0, 0)->address - p->mapping[1]->memory_start, 0);
	CHECK_EQ(location(p, 0, 1)->address - p->mapping[1]->memory_start, 16);
	CHECK_EQ(location(p, 0, 2)->address - p->mapping[2]->memory_start, 0);
	end(&f, p);
}

/* Without the kernel's symbols nothing is known of its text, and nothing told. */
TEST(kernel_without_text)
{
	struct fixture f;
	uint32_t process, stack;
	profile *p;

	fixture_init(&f);
	process = fixture_process(&f, 2, "kthreadd", CPROF_OBJECT_NONE);
	f.window->processes.v[process].cred = CPROF_CRED_KTHREAD;
	stack = fixture_stack(&f,
			      (struct window_frame[]){
				      { 0xffffffff81234567, CPROF_OBJECT_KERNEL, 0 },
				      { 0xffffffff81234000, CPROF_OBJECT_KERNEL, 0 },
			      },
			      2);
	fixture_sample(&f, process, stack, 1);
	p = encode_and_check(&f, process);
	CHECK_EQ(p->n_mapping, 1);
	CHECK_STR(text(p, p->mapping[0]->filename), "[kernel.kallsyms]");
	CHECK_EQ(location(p, 0, 0)->address - p->mapping[0]->memory_start, 1 << 30);
	CHECK_EQ(location(p, 0, 1)->address - p->mapping[0]->memory_start, (1 << 30) + 16);
	end(&f, p);
}

/* A file that was never opened: no path, no segments. Its offsets are kept all the same. */
TEST(object_without_facts)
{
	struct fixture f;
	uint32_t object, process, stack;
	profile *p;

	fixture_init(&f);
	object = fixture_object(&f, NULL, OBJECT_ELF_NONE, NULL);
	process = fixture_process(&f, 42, "prog", object);
	stack = fixture_stack(&f, (struct window_frame[]){ { 0x12345, object, CPROF_FRAME_EXACT } },
			      1);
	fixture_sample(&f, process, stack, 1);
	p = encode_and_check(&f, process);
	CHECK_STR(text(p, p->mapping[0]->filename), "[unknown file]");
	CHECK_EQ(p->mapping[0]->file_offset, 0);
	CHECK_EQ(location(p, 0, 0)->address - p->mapping[0]->memory_start, 0x12345);
	CHECK_STR(leaf_name(p, location(p, 0, 0)), "[unknown file]");
	end(&f, p);
}

/* A sample without a stack is not lost; an executable without a frame is named. */
TEST(no_stack)
{
	struct fixture f;
	uint32_t exe, process;
	profile *p;

	fixture_init(&f);
	exe = fixture_object(&f, "/usr/bin/prog", OBJECT_ELF_DYN, &segment);
	process = fixture_process(&f, 42, "prog", exe);
	fixture_sample(&f, process, fixture_stack(&f, NULL, 0), 3);
	p = encode_and_check(&f, process);
	CHECK_EQ(p->n_sample, 1);
	CHECK_STR(leaf_name(p, location(p, 0, 0)), "[no stack]");
	CHECK_EQ(p->n_mapping, 1);
	CHECK_STR(text(p, p->mapping[0]->filename), "/usr/bin/prog");
	end(&f, p);
}

TEST(empty_windows)
{
	struct fixture f;
	uint32_t process;
	profile *p;

	fixture_init(&f);
	p = encode_and_check(&f, FIXTURE_ALL);
	CHECK_EQ(p->n_sample, 0);
	perftools__profiles__profile__free_unpacked(p, NULL);
	process = fixture_process(&f, 42, "prog", CPROF_OBJECT_NONE);
	p = encode_and_check(&f, process);
	CHECK_EQ(p->n_sample, 0);
	end(&f, p);
}

/* Stacks that differ in memory only, by the reason of their end, are one sample. */
TEST(equal_stacks_are_one)
{
	struct fixture f;
	uint32_t exe, process, a, b;
	profile *p;

	fixture_init(&f);
	exe = fixture_object(&f, "/usr/bin/prog", OBJECT_ELF_DYN, &segment);
	process = fixture_process(&f, 42, "prog", exe);
	a = fixture_stack(&f, (struct window_frame[]){ { 0x1100, exe, 0 } }, 1);
	b = fixture_stack(&f, (struct window_frame[]){ { 0x1100, exe, 0 } }, 1);
	f.window->stacks.v[b].complete = 0;
	f.window->stacks.v[b].user_end = CPROF_END_FP_BAD;
	fixture_sample(&f, process, a, 3);
	fixture_sample(&f, process, b, 4);
	p = encode_and_check(&f, process);
	CHECK_EQ(p->n_sample, 1);
	CHECK_EQ(p->sample[0]->value[0], 7);
	CHECK_STR(comment(p, "complete"), "3");
	CHECK_STR(comment(p, "truncated"), "4");
	CHECK_STR(comment(p, "truncated_by"), "fp_bad:4");
	end(&f, p);
}

TEST(comments_of_a_process)
{
	struct fixture f;
	uint32_t exe, process;
	profile *p;

	fixture_init(&f);
	exe = fixture_object(&f, "/usr/bin/\xff\nprog", OBJECT_ELF_DYN, &segment);
	process = fixture_process(&f, 42, "q\"uo'te \xc3\xa4\xf0\x9f\x98\x80", exe);
	f.window->processes.v[process].cpu_true_ns = 123;
	fixture_sample(
		&f, process,
		fixture_stack(&f, (struct window_frame[]){ { 0x1100, exe, CPROF_FRAME_EXACT } }, 1),
		5);
	p = encode_and_check(&f, process);
	CHECK_STR(comment(p, "pid"), "42");
	CHECK_STR(comment(p, "start"), "123");
	CHECK_STR(comment(p, "exec"), "1");
	CHECK_STR(comment(p, "uid"), "1000");
	CHECK_STR(comment(p, "comm"), "q\"uo'te \xc3\xa4\xf0\x9f\x98\x80");
	CHECK_STR(comment(p, "exe"), "/usr/bin/\xef\xbf\xbd\xef\xbf\xbdprog");
	CHECK_STR(comment(p, "cpu_true_ns"), "123");
	CHECK_STR(comment(p, "samples"), "5");
	CHECK_STR(comment(p, "missed"), "3");
	CHECK_STR(comment(p, "lost"), "4");
	CHECK_STR(comment(p, "frames"), "1");
	CHECK_STR(comment(p, "symbolized"), "0");
	CHECK_STR(comment(p, "hz"), "99");
	CHECK_STR(comment(p, "event"), "cpu-clock");
	CHECK_STR(comment(p, "host_cpus"), "2");
	CHECK_STR(comment(p, "version"), "0.1.0");
	CHECK_STR(comment(p, "boot"), "6f3c");
	CHECK(!comment(p, "gap_ns")); /* none is known */
	CHECK(!comment(p, "walk"));
	CHECK(!comment(p, "truncated_by"));
	CHECK_STR(text(p, p->mapping[0]->filename), "/usr/bin/\xef\xbf\xbd\xef\xbf\xbdprog");
	CHECK_STR(leaf_name(p, location(p, 0, 0)), "[\xef\xbf\xbd\xef\xbf\xbdprog]");
	perftools__profiles__profile__free_unpacked(p, NULL);

	f.window->processes.v[process].cpu_true_ns = UINT64_MAX;
	f.opts.walk_proc = true;
	f.window->gap_ns = 250000000;
	p = encode_and_check(&f, process);
	CHECK(!comment(p, "cpu_true_ns"));
	CHECK_STR(comment(p, "gap_ns"), "250000000");
	CHECK_STR(comment(p, "walk"), "proc");
	end(&f, p);
}

/* Groups 10 and 11 are units of one container, 12 is a unit of none, 13 leads nowhere. */
static struct cgroups *groups_new(void)
{
	static const struct cgroups_group groups[] = {
		{ 9, 1, "lxc.payload.web", 15, CPROF_HIERARCHY_PIDS },
		{ 10, 9, "a.service", 9, CPROF_HIERARCHY_PIDS },
		{ 11, 9, "b.service", 9, CPROF_HIERARCHY_PIDS },
		{ 12, 1, "a.service", 9, CPROF_HIERARCHY_PIDS },
		{ 13, 99, "a.service", 9, CPROF_HIERARCHY_PIDS },
	};
	struct cgroups *t;

	CHECK_EQ(cgroups_new(1, &t), 0);
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_PIDS, 1, "/"), 0);
	for (size_t i = 0; i < ELEMENTSOF(groups); i++)
		CHECK_EQ(cgroups_put(t, &groups[i]), 0);
	return t;
}

/* @expected NULL: there is no such comment. */
static void check_comment(const profile *p, const char *key, const char *expected)
{
	if (expected)
		CHECK_STR(comment(p, key), expected);
	else
		CHECK(!comment(p, key));
}

/* Units, containers and paths: of a process where they are known, of several where they agree. */
TEST(comments_of_a_place)
{
	static const struct {
		uint64_t groups[2];
		const char *unit, *container, *cgroup;
	} rows[] = {
		{ { 10, 10 }, "a.service", "web", "/lxc.payload.web/a.service" },
		{ { 10, 11 }, NULL, "web", NULL },
		{ { 10, 12 }, "a.service", NULL, NULL },
		{ { 12, 12 }, "a.service", NULL, "/a.service" },
		{ { 10, 13 }, NULL, NULL, NULL },
		{ { 13, 10 }, NULL, NULL, NULL },
		{ { 0, 0 }, NULL, NULL, NULL },
		{ { 1, 1 }, NULL, NULL, NULL },
	};
	_cleanup_(cgroups_freep) struct cgroups *groups = groups_new();

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		struct fixture f;
		profile *p;

		fixture_init(&f);
		f.opts.cgroups = groups;
		for (uint32_t j = 0; j < 2; j++) {
			uint32_t process = fixture_process(&f, 42 + j, "x", CPROF_OBJECT_NONE);

			f.window->processes.v[process].cgroup = rows[i].groups[j];
			f.window->processes.v[process].cgroup_hierarchy = CPROF_HIERARCHY_PIDS;
			f.window->processes.v[process].inner_pid = 42;
			fixture_sample(&f, process, fixture_stack(&f, NULL, 0), 1);
		}
		p = encode_and_check(&f, FIXTURE_ALL);
		check_comment(p, "unit", rows[i].unit);
		check_comment(p, "container", rows[i].container);
		check_comment(p, "cgroup", rows[i].cgroup);
		CHECK(!comment(p, "inner_pid"));
		perftools__profiles__profile__free_unpacked(p, NULL);
		p = encode_and_check(&f, 0);
		CHECK(!comment(p, "inner_pid")); /* the same as outside */
		CHECK_EQ(comment(p, "cgroup") != NULL,
			 rows[i].groups[0] >= 10 && rows[i].groups[0] < 13);
		perftools__profiles__profile__free_unpacked(p, NULL);
		p = encode_and_check(&f, 1);
		CHECK_STR(comment(p, "inner_pid"), "42");
		end(&f, p);
	}
}

/* Some of a window's processes, with labels: their samples only, and their sums. */
TEST(some_of_many)
{
	const uint32_t some[] = { 2, 0 };
	struct fixture f;
	profile *p;

	fixture_init(&f);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t process = fixture_process(&f, 100 + i, "x", CPROF_OBJECT_NONE);

		f.window->processes.v[process].cpu_true_ns = 1 + i;
		fixture_sample(&f, process, fixture_stack(&f, NULL, 0), 1 + i);
	}
	f.opts.processes = some;
	f.opts.processes_cnt = 2;
	f.opts.labels = true;
	CHECK_EQ(encode_profile(&f.opts, &f.result), 0);
	p = decode(&f);
	check_rules(&f, p);
	CHECK_EQ(f.result.samples, 4);
	CHECK_EQ(p->n_sample, 2);
	for (size_t i = 0; i < p->n_sample; i++)
		CHECK(p->sample[i]->label[0]->num != 101);
	CHECK_STR(comment(p, "processes"), "2");
	CHECK_STR(comment(p, "cpu_true_ns"), "4");
	CHECK_STR(comment(p, "uid"), "1000");
	perftools__profiles__profile__free_unpacked(p, NULL);

	f.window->processes.v[2].uid = 1001; /* of two users: neither is told */
	f.file.cnt = 0;
	CHECK_EQ(encode_profile(&f.opts, &f.result), 0);
	p = decode(&f);
	CHECK(!comment(p, "uid"));
	end(&f, p);
}

/* Counted, not timed: the value is the event's, and the period as asked for or as it came out. */
TEST(an_event_that_is_no_clock)
{
	struct fixture f;
	uint32_t exe, process;
	profile *p;

	fixture_init(&f);
	exe = fixture_object(&f, "/a", OBJECT_ELF_DYN, &segment);
	process = fixture_process(&f, 42, "a", exe);
	fixture_sample(
		&f, process,
		fixture_stack(&f, (struct window_frame[]){ { 0x1100, exe, CPROF_FRAME_EXACT } }, 1),
		5);
	f.window->samples.v[0].weight_ns = 500;
	f.opts.event = &event_table[EVENT_PAGE_FAULTS];
	f.opts.event_count = 100;
	p = encode_event(&f, process);
	check_types(p, "page_faults", "count", 100);
	CHECK_EQ(p->sample[0]->value[1], 500);
	CHECK_STR(comment(p, "event"), "page-faults");
	CHECK_STR(comment(p, "event_count"), "100");
	CHECK(!comment(p, "hz"));
	perftools__profiles__profile__free_unpacked(p, NULL);

	f.window->samples.v[0].weight_ns = 5 * 300 + 4;
	f.opts.event = &event_table[EVENT_CYCLES];
	f.opts.event_count = 0;
	p = encode_event(&f, process);
	check_types(p, "cycles", "count", 300);
	CHECK_STR(comment(p, "hz"), "99");
	CHECK(!comment(p, "event_count"));
	perftools__profiles__profile__free_unpacked(p, NULL);

	f.opts.event = &event_table[EVENT_TASK_CLOCK];
	f.opts.event_count = 2000000;
	p = encode_event(&f, process);
	check_types(p, "cpu", "nanoseconds", 2000000);
	end(&f, p);
}

/* The file of one process holds that process's samples and objects only. */
TEST(one_of_many)
{
	struct fixture f;
	uint32_t objects[2], processes[2];
	profile *p;

	fixture_init(&f);
	for (uint32_t i = 0; i < 2; i++) {
		objects[i] = fixture_object(&f, i ? "/b" : "/a", OBJECT_ELF_DYN, &segment);
		processes[i] = fixture_process(&f, i + 1, i ? "b" : "a", objects[i]);
		fixture_sample(
			&f, processes[i],
			fixture_stack(&f, (struct window_frame[]){ { 0x1100, objects[i], 0 } }, 1),
			i + 1);
	}
	p = encode_and_check(&f, processes[1]);
	CHECK_EQ(f.result.samples, 2);
	CHECK_EQ(p->n_mapping, 1);
	CHECK_STR(text(p, p->mapping[0]->filename), "/b");
	for (size_t i = 0; i < p->n_string_table; i++)
		CHECK(strcmp(p->string_table[i], "/a") != 0);
	end(&f, p);
}

#define MANY 1000

TEST(thousand_processes_merged)
{
	struct fixture f;
	uint32_t exe, stack, twin;
	profile *p;

	fixture_init(&f);
	exe = fixture_object(&f, "/usr/bin/prog", OBJECT_ELF_DYN, &segment);
	fixture_name(&f, exe, 0x1100, "main", NULL);
	stack = fixture_stack(&f, (struct window_frame[]){ { 0x1100, exe, CPROF_FRAME_EXACT } }, 1);
	twin = fixture_stack(&f, (struct window_frame[]){ { 0x1100, exe, CPROF_FRAME_EXACT } }, 1);
	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t process = fixture_process(&f, i + 1, i ? "prog" : "", exe);

		f.window->processes.v[process].exec = i % 2;
		fixture_sample(&f, process, stack, 1);
		fixture_sample(&f, process, twin, 1);
	}
	p = encode_and_check(&f, FIXTURE_ALL);
	CHECK_EQ(p->n_sample, MANY);
	CHECK_EQ(p->n_location, 1);
	CHECK_EQ(p->n_function, 1);
	CHECK_STR(comment(p, "processes"), "1000");
	CHECK(!comment(p, "pid"));
	for (size_t i = 0; i < MANY; i++) {
		const Perftools__Profiles__Sample *s = p->sample[i];

		/* An empty comm would be a label with no value. */
		CHECK_EQ(s->n_label, i ? 4 : 3);
		CHECK_STR(text(p, s->label[0]->key), "pid");
		CHECK_EQ(s->label[0]->num, i + 1);
		CHECK_STR(text(p, s->label[1]->key), "start");
		CHECK_EQ(s->label[1]->num, 123);
		CHECK_STR(text(p, s->label[2]->key), "exec");
		CHECK_EQ(s->label[2]->num, i % 2);
		for (size_t j = 0; j < s->n_label; j++)
			CHECK_EQ(s->label[j]->num_unit, 0);
		if (i) {
			CHECK_STR(text(p, s->label[3]->key), "comm");
			CHECK_STR(text(p, s->label[3]->str), "prog");
		}
	}
	end(&f, p);
}

/* Our own reader agrees. */
TEST(read_by_report)
{
	_cleanup_(report_freep) struct report *r = NULL;
	_cleanup_(report_rows_done) struct report_rows rows = { 0 };
	struct fixture f;
	uint32_t exe, process;

	fixture_init(&f);
	exe = fixture_object(&f, "/usr/bin/prog", OBJECT_ELF_DYN, &segment);
	process = fixture_process(&f, 42, "prog", exe);
	fixture_name(&f, exe, 0x1100, "leaf", NULL);
	fixture_name(&f, exe, 0x11ff, "main", NULL);
	for (int i = 0; i < 2; i++) {
		const struct window_frame frames[] = { { 0x1100, exe, CPROF_FRAME_EXACT },
						       { 0x1200, exe, 0 } };

		fixture_sample(&f, process, fixture_stack(&f, frames + i, 2 - (uint32_t)i), 3);
	}
	fixture_encode(&f, process);
	CHECK_EQ(report_new(&r), 0);
	CHECK_EQ(report_add(r, f.file.v, f.file.cnt), 0);
	CHECK_EQ(report_total(r), 60000000);
	CHECK_EQ(report_top(r, &(struct report_query){ .max = 10 }, &rows), 0);
	CHECK_EQ(rows.cnt, 2);
	CHECK_STR(rows.v[0].name, "leaf"); /* equal flat: by name */
	CHECK_EQ(rows.v[0].cum, 30000000);
	CHECK_STR(rows.v[1].name, "main");
	CHECK_STR(rows.v[1].object, "prog");
	CHECK_EQ(rows.v[1].flat, 30000000);
	CHECK_EQ(rows.v[1].cum, 60000000);
	fixture_done(&f);
}

static int failing_write(const void *bytes, size_t sz, void *ctx)
{
	return -ENOSPC;
}

TEST(writer_error_ends_it)
{
	struct fixture f;

	fixture_init(&f);
	f.opts.write = failing_write;
	f.result.samples = 77;
	CHECK_EQ(encode_profile(&f.opts, &f.result), -ENOSPC);
	CHECK_EQ(f.result.samples, 77);
	fixture_done(&f);
}

/* The same window gives the same bytes: what changes a file is data, never memory. */
TEST(deterministic)
{
	struct fixture f[2];

	for (int i = 0; i < 2; i++) {
		uint32_t exe, process;

		fixture_init(&f[i]);
		exe = fixture_object(&f[i], "/usr/bin/prog", OBJECT_ELF_DYN, &segment);
		process = fixture_process(&f[i], 42, "prog", exe);
		for (uint64_t j = 0; j < 100; j++) {
			const struct window_frame frames[] = {
				{ 0x1000 + j, exe, CPROF_FRAME_EXACT }, { 0x1100, exe, 0 }
			};

			fixture_sample(&f[i], process, fixture_stack(&f[i], frames, 2), j);
		}
		fixture_encode(&f[i], process);
	}
	CHECK_EQ(f[0].file.cnt, f[1].file.cnt);
	CHECK_EQ(memcmp(f[0].file.v, f[1].file.v, f[0].file.cnt), 0);
	fixture_done(&f[0]);
	fixture_done(&f[1]);
}

CHECK_MAIN
