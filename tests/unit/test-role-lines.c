/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The real cprofd-symbolizer tells lines and inlined functions, of this very program, while its file is there.
 */

#include "role-fixture.h"

#define LINES_MOST 64
static int lined_line, inlined_line;

static inline __attribute__((always_inline)) int lined_inner(int x)
{
	inlined_line = __LINE__ + 1;
	return x * x + inlined_line;
}

int lined_outer(int x);

/* Called by a pointer only: no copy of it is made for its argument. */
__attribute__((noinline)) int lined_outer(int x)
{
	lined_line = __LINE__ + 1;
	return lined_inner(x) + lined_line;
}

static bool line_is(const struct wire_name_view *v, uint16_t i, const char *name, int line)
{
	struct wire_line_view l;

	wire_named_line(v, i, &l);
	return l.name_len == strlen(name) && memcmp(l.name, name, l.name_len) == 0 &&
	       l.file_len > 0 && l.line == (uint32_t)line && l.start_line > 0 &&
	       l.start_line < l.line;
}

/* How many of the places in lined_outer() are known to be in what was inlined there, at the right lines. */
static int count_inlined(struct role *role, uint32_t object)
{
	uint64_t start = offset_of("/proc/self/exe", "lined_outer"), places[LINES_MOST];
	struct wire_name_view v;
	size_t pos = 0;
	int cnt = 0;

	for (unsigned int i = 0; i < LINES_MOST; i++)
		places[i] = start + i;
	ask(role, 5, object, places, LINES_MOST);
	expect_named(role, 5, WIRE_OBJECT_READY, LINES_MOST);
	while (wire_named_next(&in.named, &pos, &v) > 0) {
		if (v.start != start || v.lines_cnt != 2)
			continue; /* behind it */
		cnt += line_is(&v, 0, "lined_inner", inlined_line) &&
		       line_is(&v, 1, "lined_outer", lined_line);
	}
	return cnt;
}

TEST(lines_are_told_while_the_file_is_open)
{
	int (*volatile outer)(int) = lined_outer;
	struct role role = start();
	int other, fd = private_copy(&other);

	CHECK_EQ(outer(3), 9 + inlined_line + lined_line);
	send_file(&role, 43, fd);
	expect_object(&role, 43, WIRE_OBJECT_READY);
	CHECK_EQ(in.object.lined, 1);
	CHECK(is_open(other));
	CHECK(count_inlined(&role, 43) > 0);
	CHECK_EQ(in.named.closed, 0);
	release(&role, 43);
	CHECK_EQ(count_inlined(&role, 43), 0);
	CHECK_EQ(in.named.closed, 1);

	send_file_of(&role, WIRE_FILE_LINES, 43, fd);
	expect_object_alone(&role, 43, WIRE_OBJECT_READY);
	CHECK_EQ(in.object.lined, 1);
	CHECK(count_inlined(&role, 43) > 0);
	send_file_of(&role, WIRE_FILE_LINES, 43, text_fd("x", 1)); /* another one */
	expect_object_alone(&role, 43, WIRE_OBJECT_READY);
	CHECK(count_inlined(&role, 43) > 0);
	send_head(role.sampler, WIRE_FORGET, 43, -EBADF);
	ask(&role, 6, 43, &(uint64_t){ 1 }, 1);
	expect_named(&role, 6, WIRE_OBJECT_BAD, 0);
	close(fd);
	CHECK(!is_open(other));
	close(other);
	stop(&role);
}

/* A library of 6000 functions, without lines. */
static void build_many(char *path)
{
	static const char text[] =
		".altmacro\n.macro f n\n.type many_\\n,@function\nmany_\\n: ret\n"
		".size many_\\n,.-many_\\n\n.endm\n.set i,0\n"
		".rept 6000\nf %i\n.set i,i+1\n.endr\n";
	char command[128];
	int fd = mkstemps(path, 2);
	FILE *source = fd >= 0 ? fdopen(fd, "w") : NULL;

	CHECK(source && fputs(text, source) >= 0 && fclose(source) == 0);
	snprintf(command, sizeof(command), "cc -shared -nostdlib -o %s.so %s", path, path);
	CHECK_EQ(system(command), 0);
	CHECK_EQ(unlink(path), 0);
	strcat(path, ".so");
}

static void expect_function(struct role *role, uint32_t object, uint64_t place, const char *name)
{
	struct wire_line_view line;
	struct wire_name_view v;
	size_t pos = 0;

	ask(role, 7, object, &place, 1);
	expect_named(role, 7, WIRE_OBJECT_READY, 1);
	CHECK_EQ(in.named.closed, 0);
	CHECK_EQ(wire_named_next(&in.named, &pos, &v), 1);
	CHECK_EQ(v.lines_cnt, 1);
	wire_named_line(&v, 0, &line);
	CHECK(line.name_len == strlen(name) && memcmp(line.name, name, line.name_len) == 0);
}

TEST(names_are_read_from_a_large_file_while_it_is_open)
{
	char path[64] = "/tmp/test-role-XXXXXX.s";
	struct role role = start();
	uint64_t place;
	int fd, other;

	build_many(path);
	place = offset_of(path, "many_4321");
	fd = private_copy_of(path, &other);
	CHECK_EQ(unlink(path), 0);
	send_file(&role, 49, fd);
	close(fd);
	expect_object_alone(&role, 49, WIRE_OBJECT_READY);
	CHECK_EQ(in.object.lined, WIRE_LINED_NAMES);
	make_rows(&role, 49, WIRE_ROWS_NONE);
	expect_function(&role, 49, place, "many_4321");
	send_head(role.sampler, WIRE_CLOSE, 49, -EBADF);
	expect_function(&role, 49, place - 1, "many_4320");
	CHECK(is_open(other));
	release(&role, 49);
	CHECK(!is_open(other));
	expect_function(&role, 49, place + 1, "many_4322");
	close(other);
	stop(&role);
}

TEST(a_debug_file_tells_lines)
{
	struct role role = start();
	int fd;

	strip_self();
	fd = open_stripped("stripped");
	send_file(&role, 44, fd);
	close(fd);
	expect_object(&role, 44, WIRE_OBJECT_READY);
	CHECK_EQ(in.object.lined, 0);
	CHECK(rows_in.part & WIRE_PART_LINES);
	send_debug(&role, 44, open_stripped("empty"));
	expect_word(&role, 44, WIRE_ROWS_OTHER);
	send_debug(&role, 44, open_stripped("debug"));
	expect_object_alone(&role, 44, WIRE_OBJECT_READY);
	expect_word(&role, 44, WIRE_ROWS_KEPT);
	CHECK_EQ(word_in.lined, 1);
	CHECK(count_inlined(&role, 44) > 0);
	/* It is looked for again some day: this time there is none, and that is no fault. */
	release(&role, 44);
	CHECK_EQ(count_inlined(&role, 44), 0);
	CHECK_EQ(in.named.closed, 0);
	stop(&role);
	strip_done();
}

/* Takes the descriptor; what is said of it. */
static uint32_t give_companion(struct role *role, uint32_t object, uint32_t number, int fd)
{
	const struct wire_companion_file m = {
		.head = { .size = sizeof(m), .type = WIRE_COMPANION_FILE, .id = object },
		.file_sz = (uint64_t)lseek(fd, 0, SEEK_END),
		.number = number,
	};
	const struct wire_companion *word = (const void *)&in;

	send_to(role->opener, &m, sizeof(m), fd);
	close(fd);
	CHECK_EQ(receive(role->sampler), WIRE_COMPANION);
	CHECK_EQ(word->status, WIRE_COMPANION_BEGUN);
	CHECK_EQ(receive(role->sampler), WIRE_COMPANION);
	CHECK_EQ(word->head.id, object);
	CHECK_EQ(word->want.number, number);
	return word->status;
}

static uint32_t next_companion(struct role *role, uint32_t object)
{
	const struct wire_companion *word = (const void *)&in;

	send_head(role->sampler, WIRE_NEXT_COMPANION, object, -EBADF);
	CHECK_EQ(receive(role->sampler), WIRE_COMPANION);
	return word->status;
}

/* dwz leaves only some of what it said in the program; the rest of it is in another file. */
TEST(a_supplement_tells_the_rest)
{
	const struct wire_companion *word = (const void *)&in;
	struct role role = start();
	char command[256], path[64];
	int fd, own;

	strip_self();
	snprintf(command, sizeof(command),
		 "cd %s && cp whole second && dwz -m more whole second 2>dwz.log", strip_dir);
	if (system(command) != 0)
		check_skip("dwz is missing, or cannot do it");
	fd = open_stripped("whole");
	send_file(&role, 45, fd);
	expect_object(&role, 45, WIRE_OBJECT_READY);
	CHECK_EQ(next_companion(&role, 45), WIRE_COMPANION_WANTED);
	snprintf(path, sizeof(path), "more");
	CHECK(word->want.name_len == 4 && memcmp(word + 1, path, 4) == 0);
	CHECK_EQ(word->want.kind, WIRE_COMPANION_SUPPLEMENT);
	/* It is told once. */
	CHECK_EQ(next_companion(&role, 45), WIRE_COMPANION_NONE);

	CHECK_EQ(give_companion(&role, 45, 0, text_fd("no ELF", 6)), WIRE_COMPANION_OTHER);
	CHECK_EQ(give_companion(&role, 45, 0, open_stripped("second")), WIRE_COMPANION_OTHER);
	CHECK_EQ(give_companion(&role, 45, 1, open_stripped("more")), WIRE_COMPANION_NONE);
	CHECK_EQ(give_companion(&role, 46, 0, open_stripped("more")), WIRE_COMPANION_NONE);
	own = open_stripped("more");
	CHECK_EQ(give_companion(&role, 45, 0, open_stripped("more")), WIRE_COMPANION_TAKEN);
	CHECK_EQ(give_companion(&role, 45, 0, open_stripped("more")), WIRE_COMPANION_NONE);
	CHECK(is_open(own));
	CHECK(count_inlined(&role, 45) > 0);
	CHECK_EQ(in.named.wants, 0);
	/* With the file it goes, and with the file it is wanted again. */
	release(&role, 45);
	CHECK(!is_open(own));
	close(own);
	send_file_of(&role, WIRE_FILE_LINES, 45, fd);
	close(fd);
	expect_object_alone(&role, 45, WIRE_OBJECT_READY);
	CHECK_EQ(next_companion(&role, 45), WIRE_COMPANION_WANTED);
	stop(&role);
	strip_done();
}

CHECK_MAIN
