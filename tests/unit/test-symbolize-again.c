/* SPDX-License-Identifier: Apache-2.0 */

/* Names that are asked for again: of run-time code, and of kernel code that comes and goes. */

#include "symbolize-bench.h"

/* Run-time code: one place of a process whose perf map is read as the test likes. */
struct jit_bench {
	struct bench b;
	uint32_t object;
	uint64_t now_ns;
};

static void jit_begin(struct jit_bench *j)
{
	const struct object_jit jit = { .start_ns = 77, .pid = 5, .exec = 1, .uid = 1000 };

	begin(&j->b);
	j->now_ns = SECOND;
	CHECK_EQ(objects_intern_jit(j->b.objects, &jit, &j->object), 0);
	add_stack(&j->b, j->object, 1);
}

static void jit_tick(struct jit_bench *j, uint64_t later_ns)
{
	j->now_ns += later_ns;
	CHECK_EQ(symbolize_window(j->b.v, j->now_ns), 0);
}

static void jit_close(struct jit_bench *j)
{
	j->now_ns += SECOND;
	symbolize_close_window(j->b.v, j->now_ns);
}

/* The map is asked for, read, and then has @name at the place, or none (NULL). */
static void jit_reads(struct jit_bench *j, const char *name)
{
	static uint8_t out[WIRE_MESSAGE_MAX] __attribute__((aligned(8)));
	struct wire_named *m = (void *)out;
	struct wire_line_view line = { .name = name ? name : "",
				       .name_len = (uint16_t)(name ? strlen(name) : 0) };
	struct wire_named_writer writer;
	const struct wire_open *open = (const void *)j->b.buf;

	CHECK_EQ(next(&j->b, j->b.opener), WIRE_OPEN);
	CHECK_EQ(open->kind, WIRE_FILE_PERF_MAP);
	CHECK(open->pid == 5 && open->start_ns == 77 && open->uid == 1000);
	say_opened(&j->b, j->object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(&j->b, j->object, WIRE_OBJECT_READY), 0);
	jit_tick(j, 3 * SECOND);
	CHECK_EQ(next(&j->b, j->b.symbolizer), WIRE_NAMES);
	*m = (struct wire_named){
		.head = { .size = sizeof(*m),
			  .type = WIRE_NAMED,
			  .id = ((struct wire_names *)j->b.buf)->head.id },
		.object = j->object,
		.status = WIRE_OBJECT_READY,
	};
	wire_named_writer_init(&writer, m, sizeof(out));
	CHECK_EQ(wire_named_add(&writer, 0, &line, 1), 0);
	CHECK_EQ(seqpacket_send(j->b.symbolizer, m, m->head.size, -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_symbolizer(j->b.s, j->now_ns), 0);
}

static const char *jit_name(struct jit_bench *j)
{
	struct name name;

	if (!names_get(j->b.names, j->object, 0xfff, &name))
		return "";
	return names_text(j->b.names, name.function);
}

TEST(a_perf_map_names_run_time_code_and_is_never_told_to_bpf)
{
	struct jit_bench j;

	jit_begin(&j);
	jit_tick(&j, 0);
	CHECK(!symbolize_has_maps(j.b.s));
	jit_reads(&j, "first");
	CHECK(symbolize_has_maps(j.b.s));
	CHECK_STR(jit_name(&j), "first");
	CHECK_EQ(j.b.known + j.b.forgotten, 0);
	CHECK_EQ(j.b.counters.v[COUNTER_perf_maps_read], 1);
	CHECK_EQ(symbolize_pending(j.b.v), 0);
	jit_tick(&j, 60 * SECOND); /* all has its name: not read again */
	CHECK_EQ(next(&j.b, j.b.opener), 0);
	end(&j.b);
}

TEST(what_had_no_name_gets_it_from_a_later_reading)
{
	struct jit_bench j;

	jit_begin(&j);
	jit_tick(&j, 0);
	jit_reads(&j, NULL);
	CHECK_STR(jit_name(&j), "");
	/* Not at once: it was told to have been read in the first second. */
	CHECK_EQ(symbolize_window(j.b.v, SECOND + 1), 0);
	CHECK_EQ(next(&j.b, j.b.opener), 0);
	jit_tick(&j, 60 * SECOND);
	jit_reads(&j, "late");
	CHECK_STR(jit_name(&j), "late");
	end(&j.b);
}

TEST(a_place_that_was_two_functions_has_no_name_any_more)
{
	struct jit_bench j;

	jit_begin(&j);
	jit_tick(&j, 0);
	jit_reads(&j, "first");
	jit_close(&j);
	CHECK(symbolize_pending(j.b.v) > 0);
	jit_reads(&j, "first");
	CHECK_STR(jit_name(&j), "first");
	jit_close(&j);
	jit_reads(&j, "second");
	CHECK_STR(jit_name(&j), "");
	jit_close(&j);
	jit_reads(&j, "second");
	CHECK_STR(jit_name(&j), "");
	CHECK_EQ(symbolize_pending(j.b.v), 0);
	end(&j.b);
}

TEST(a_process_that_is_gone_keeps_its_names)
{
	struct jit_bench j;

	jit_begin(&j);
	jit_tick(&j, 0);
	jit_reads(&j, "first");
	jit_close(&j);
	CHECK_EQ(next(&j.b, j.b.opener), WIRE_OPEN);
	say_opened(&j.b, j.object, WIRE_OPENED_GONE);
	CHECK_EQ(symbolize_pending(j.b.v), 0);
	CHECK_STR(jit_name(&j), "first");
	CHECK_EQ(j.b.counters.v[COUNTER_objects_gone], 0);
	end(&j.b);
}

TEST(a_process_that_cannot_be_looked_at_is_as_gone)
{
	struct jit_bench j;

	jit_begin(&j);
	jit_tick(&j, 0);
	CHECK_EQ(next(&j.b, j.b.opener), WIRE_OPEN);
	say_opened(&j.b, j.object, WIRE_OPENED_HUNG);
	CHECK_EQ(j.b.counters.v[COUNTER_opens_hung], 1);
	jit_tick(&j, 60 * SECOND);
	CHECK_EQ(next(&j.b, j.b.opener), 0);
	jit_close(&j);
	CHECK_EQ(next(&j.b, j.b.opener), 0);
	CHECK_EQ(symbolize_pending(j.b.v), 0);
	end(&j.b);
}

TEST(a_process_that_is_gone_is_not_asked_for_again)
{
	struct jit_bench j;

	jit_begin(&j);
	jit_tick(&j, 0);
	CHECK_EQ(next(&j.b, j.b.opener), WIRE_OPEN);
	say_opened(&j.b, j.object, WIRE_OPENED_NONE);
	jit_tick(&j, 60 * SECOND);
	CHECK_EQ(next(&j.b, j.b.opener), WIRE_OPEN); /* it may have one by now */
	say_opened(&j.b, j.object, WIRE_OPENED_NONE);
	jit_close(&j);
	CHECK_EQ(next(&j.b, j.b.opener), WIRE_OPEN);
	say_opened(&j.b, j.object, WIRE_OPENED_GONE);
	jit_tick(&j, 60 * SECOND);
	add_stack(&j.b, j.object, 1);
	jit_tick(&j, 60 * SECOND);
	jit_close(&j);
	CHECK_EQ(next(&j.b, j.b.opener), 0);
	CHECK_EQ(symbolize_pending(j.b.v), 0);
	end(&j.b);
}

/* Their places in the queue are taken, and stay so. */
TEST(who_is_put_off_is_counted_once_and_waited_for_no_longer)
{
	const uint32_t others = 500, queue = 136; /* and those at work */
	struct jit_bench j;

	jit_begin(&j);
	for (uint32_t i = 0; i < others; i++) {
		const struct object_jit jit = { .pid = 100 + i, .exec = 1, .uid = 1000 };
		uint32_t object;

		CHECK_EQ(objects_intern_jit(j.b.objects, &jit, &object), 0);
		add_stack(&j.b, object, 1);
	}
	for (uint32_t i = 0; i < 50; i++)
		jit_tick(&j, SECOND);
	CHECK_EQ(j.b.counters.v[COUNTER_opens_limited], others + 1 - queue);
	jit_close(&j);
	while (next(&j.b, j.b.opener) == WIRE_OPEN)
		say_opened(&j.b, (uint32_t)((struct wire_head *)j.b.buf)->id, WIRE_OPENED_GONE);
	CHECK_EQ(symbolize_pending(j.b.v), 0);
	jit_tick(&j, SECOND / 10);
	CHECK_EQ(next(&j.b, j.b.opener), 0);
	CHECK_EQ(j.b.counters.v[COUNTER_opens_limited], others + 1 - queue);
	end(&j.b);
}

TEST(bad_perf_maps_are_counted)
{
	struct jit_bench j;

	jit_begin(&j);
	jit_tick(&j, 0);
	CHECK_EQ(next(&j.b, j.b.opener), WIRE_OPEN);
	say_opened(&j.b, j.object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(&j.b, j.object, WIRE_OBJECT_UNNAMED), 0);
	CHECK_EQ(j.b.counters.v[COUNTER_perf_maps_bad], 1);
	jit_close(&j);
	CHECK_EQ(next(&j.b, j.b.opener), WIRE_OPEN);
	say_opened(&j.b, j.object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(&j.b, j.object, WIRE_OBJECT_CUT), 0);
	CHECK_EQ(j.b.counters.v[COUNTER_perf_maps_cut], 1);
	end(&j.b);

	jit_begin(&j);
	jit_tick(&j, 0);
	CHECK_EQ(next(&j.b, j.b.opener), WIRE_OPEN);
	say_opened(&j.b, j.object, WIRE_OPENED_REFUSED);
	CHECK_EQ(j.b.counters.v[COUNTER_perf_maps_refused], 1);
	jit_close(&j); /* for good */
	CHECK_EQ(next(&j.b, j.b.opener), 0);
	CHECK_EQ(symbolize_pending(j.b.v), 0);
	end(&j.b);
}

/* One place of a BPF program; every question for it gets @name. */
static void kernel_answers(struct bench *b, const char *name, uint64_t now_ns)
{
	static uint8_t out[WIRE_MESSAGE_MAX] __attribute__((aligned(8)));
	struct wire_line_view line = { .name = name, .name_len = (uint16_t)strlen(name) };
	struct wire_named *m = (void *)out;
	struct wire_named_writer writer;
	int type;

	CHECK_EQ(symbolize_window(b->v, now_ns), 0);
	do
		type = next(b, b->symbolizer);
	while (type == WIRE_FORGET);
	CHECK_EQ(type, WIRE_NAMES);
	*m = (struct wire_named){
		.head = { .size = sizeof(*m),
			  .type = WIRE_NAMED,
			  .id = ((struct wire_names *)b->buf)->head.id },
		.object = CPROF_OBJECT_KERNEL,
		.status = WIRE_OBJECT_READY,
	};
	wire_named_writer_init(&writer, m, sizeof(out));
	CHECK_EQ(wire_named_add(&writer, 0, &line, 1), 0);
	CHECK_EQ(seqpacket_send(b->symbolizer, m, m->head.size, -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_symbolizer(b->s, now_ns), 0);
}

static void kernel_is_named(struct bench *b, const char *expected)
{
	struct name name = { 0 };

	CHECK(names_get(b->names, CPROF_OBJECT_KERNEL, 0xfff, &name));
	CHECK_STR(names_text(b->names, name.function), expected);
}

static struct symbolize_code code_named(const char *name)
{
	struct symbolize_code code = { .start = 0xf00, .end = 0x1100 };

	snprintf(code.name, sizeof(code.name), "%s", name);
	return code;
}

TEST(kernel_names_are_read_again_when_code_came)
{
	struct bench b;

	begin(&b);
	add_stack(&b, CPROF_OBJECT_KERNEL, 1);
	kernel_answers(&b, "", SECOND);
	kernel_is_named(&b, "");
	CHECK_EQ(symbolize_window(b.v, 5 * SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), 0);
	symbolize_kernel_code(b.s, &(struct symbolize_code){ 0 });
	kernel_answers(&b, "module_function", 10 * SECOND);
	kernel_is_named(&b, "module_function");
	CHECK_EQ(b.counters.v[COUNTER_kernel_reloads], 1);
	symbolize_kernel_code(b.s, &(struct symbolize_code){ 0 });
	CHECK_EQ(symbolize_window(b.v, 11 * SECOND), 0); /* not so soon */
	CHECK_EQ(next(&b, b.symbolizer), 0);
	kernel_answers(&b, "another", 20 * SECOND);
	kernel_is_named(&b, ""); /* it was two functions */
	symbolize_kernel_code(b.s, &(struct symbolize_code){ 0 });
	kernel_answers(&b, "another", 30 * SECOND);
	kernel_is_named(&b, "");
	end(&b);
}

TEST(what_the_kernel_told_counts_more_than_kallsyms)
{
	struct symbolize_code first = code_named("bpf_prog_first"),
			      second = code_named("bpf_prog_second");
	struct bench b;

	begin(&b);
	add_stack(&b, CPROF_OBJECT_KERNEL, 1);
	symbolize_kernel_code(b.s, &first);
	symbolize_kernel_code(b.s, &first); /* came and went */
	kernel_answers(&b, "its_neighbour", SECOND);
	kernel_is_named(&b, "bpf_prog_first");
	symbolize_kernel_code(b.s, &second);
	kernel_answers(&b, "bpf_prog_second", 10 * SECOND);
	kernel_is_named(&b, "");
	CHECK_EQ(b.counters.v[COUNTER_kernel_reloads], 0); /* nothing that is not told already */
	end(&b);
}

static void code_has_line(struct bench *b, const char *file, uint32_t line)
{
	struct name name = { 0 };

	CHECK(names_get(b->names, CPROF_OBJECT_KERNEL, 0xfff, &name));
	CHECK_STR(names_text(b->names, name.file), file);
	CHECK_EQ(name.line, line);
	CHECK_EQ(name.column, line ? 3 : 0);
	CHECK_EQ(name.start_line, line ? 14 : 0);
}

TEST(lines_of_bpf_programs_are_asked_for_with_their_names)
{
	struct bench b;

	begin(&b);
	add_stack(&b, CPROF_OBJECT_KERNEL, 1);
	kernel_answers(&b, "bpf_prog_first [bpf]", SECOND);
	CHECK_EQ(b.code_asked, 1);
	code_has_line(&b, "", 0); /* compiled without */
	b.code_file = "src/fi\x01"
		      "rst.bpf.c";
	symbolize_kernel_code(b.s, &(struct symbolize_code){ 0 });
	kernel_answers(&b, "bpf_prog_first [bpf]", 10 * SECOND);
	code_has_line(&b, "src/fi\xef\xbf\xbdrst.bpf.c", 18);
	b.code_file = NULL; /* it is gone; what is known of it stays */
	symbolize_kernel_code(b.s, &(struct symbolize_code){ 0 });
	kernel_answers(&b, "bpf_prog_first [bpf]", 20 * SECOND);
	CHECK_EQ(b.code_asked, 3);
	kernel_is_named(&b, "bpf_prog_first [bpf]");
	code_has_line(&b, "src/fi\xef\xbf\xbdrst.bpf.c", 18);
	b.code_file = "another.c";
	symbolize_kernel_code(b.s, &(struct symbolize_code){ 0 });
	kernel_answers(&b, "bpf_prog_second [bpf]", 30 * SECOND);
	kernel_is_named(&b, ""); /* it was two programs */
	code_has_line(&b, "", 0);
	end(&b);
}

TEST(who_is_no_bpf_program_is_not_asked_for_as_one)
{
	struct bench b;

	begin(&b);
	b.code_file = "module.c";
	add_stack(&b, CPROF_OBJECT_KERNEL, 1);
	kernel_answers(&b, "nf_hook [nf_tables]", SECOND);
	CHECK_EQ(b.code_asked, 0);
	code_has_line(&b, "", 0);
	symbolize_code_line(
		b.s, &(struct symbolize_code_line){ .place = 0xffe, .file = "f", .line = 1 });
	CHECK(!names_get(b.names, CPROF_OBJECT_KERNEL, 0xffe,
			 &(struct name){ 0 })); /* nobody named it */
	end(&b);
}

/* What changed before the first question, the answer knows. */
TEST(kernel_names_are_not_read_twice_at_the_start)
{
	struct bench b;

	begin(&b);
	add_stack(&b, CPROF_OBJECT_KERNEL, 1);
	symbolize_kernel_code(b.s, &(struct symbolize_code){ 0 });
	kernel_answers(&b, "module_function", SECOND);
	add_stack(&b, CPROF_OBJECT_KERNEL, 2);
	CHECK_EQ(symbolize_window(b.v, 10 * SECOND), 0);
	CHECK_EQ(b.counters.v[COUNTER_kernel_reloads], 0);
	end(&b);
}

CHECK_MAIN
