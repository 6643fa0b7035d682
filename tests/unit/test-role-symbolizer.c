/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The real cprofd-symbolizer between sockets of ours: the test is launcher, opener and sampler.
 */

#include <dlfcn.h>

#include "jitdump-fixture.h"
#include "role-fixture.h"

#define PERF_LINES 1100000

/* A function with a C++ name, in this very program. */
__asm__(".text\n.globl _ZN4role4testEv\n.type _ZN4role4testEv,@function\n"
	"_ZN4role4testEv:\nnop\nnop\nret\n.size _ZN4role4testEv,.-_ZN4role4testEv\n"
	".type role_copy.isra.0,@function\nrole_copy.isra.0:\nret\n.size role_copy.isra.0,1\n");

TEST(stops_when_told_and_when_left)
{
	struct role role = start();

	stop(&role);
	role = start();
	close(role.control);
	role.control = open_file("/dev/null");
	CHECK_EQ(wait_end(&role), 0);
}

TEST(names_functions_of_libc)
{
	struct role role = start();
	Dl_info info;
	uint64_t offsets[3];
	size_t pos = 0;
	int fd;

	CHECK(dladdr((void *)(uintptr_t)gnu_get_libc_version, &info) != 0);
	fd = open_file(info.dli_fname);
	send_file(&role, 16, fd);
	close(fd);
	expect_object(&role, 16, WIRE_OBJECT_READY);
	CHECK_EQ(in.object.elf, OBJECT_ELF_DYN);
	CHECK(in.object.segments_cnt >= 1 && in.object.build_id_sz == 20);

	offsets[0] = offset_of(info.dli_fname, "qsort") + 3;
	offsets[1] = 1;
	offsets[2] = offset_of(info.dli_fname, "malloc");
	ask(&role, 77, 16, offsets, 3);
	expect_named(&role, 77, WIRE_OBJECT_READY, 3);
	expect_name(&pos, offsets[0] - 3, "qsort", "");
	expect_name(&pos, 0, "", "");
	expect_name(&pos, offsets[2], "malloc", "");

	/* At its first instruction a function has pushed nothing yet. */
	CHECK_EQ(rule_at(offsets[2]).cfa, CPROF_CFA_REG);
	CHECK_EQ(rule_at(offsets[2]).cfa_off, 8);
	CHECK_EQ(rule_at(offsets[2]).ra, CPROF_WHERE_CFA);
	CHECK_EQ(rule_at(offsets[2]).ra_off, -8);
	CHECK_EQ(rule_at(1).cfa, CPROF_CFA_GAP);
	stop(&role);
}

TEST(what_was_told_of_rows_stays)
{
	struct role role = start();
	int fd = open_file("/proc/self/exe");

	send_file(&role, 16, fd);
	close(fd);
	expect_object(&role, 16, WIRE_OBJECT_READY);
	stop(&role);
	CHECK_EQ(fcntl(rows_fd, F_GET_SEALS),
		 F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	CHECK(write(rows_fd, "x", 1) < 0);
}

/* A file of which nothing is loaded, so nothing of code. */
static int empty_elf(void)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr p;
	} file = {
		.h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		       .e_type = ET_DYN,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_phoff = sizeof(Elf64_Ehdr),
		       .e_ehsize = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 1 },
		.p = { .p_type = PT_LOAD, .p_flags = PF_R },
	};

	return text_fd((const char *)&file, sizeof(file));
}

TEST(a_file_without_rows)
{
	struct role role = start();
	int fd = empty_elf();

	send_file(&role, 16, fd);
	close(fd);
	expect_object_alone(&role, 16, WIRE_OBJECT_UNNAMED);
	make_rows(&role, 16, WIRE_ROWS_NONE);
	CHECK_EQ(rule_at(0).cfa, CPROF_CFA_GAP);
	stop(&role);
}

TEST(demangles_and_forgets)
{
	struct role role = start();
	uint64_t offset = offset_of("/proc/self/exe", "_ZN4role4testEv"), at = offset + 1;
	uint64_t copy = offset_of("/proc/self/exe", "role_copy.isra.0");
	size_t pos = 0;
	int fd = open_file("/proc/self/exe");

	ask(&role, 1, 20, &at, 1);
	expect_named(&role, 1, WIRE_OBJECT_BAD, 0);
	send_file(&role, 20, fd);
	expect_object(&role, 20, WIRE_OBJECT_READY);
	ask(&role, 2, 20, &at, 1);
	expect_named(&role, 2, WIRE_OBJECT_READY, 1);
	expect_name(&pos, offset, "role::test", "_ZN4role4testEv");
	ask(&role, 2, 20, &copy, 1);
	expect_named(&role, 2, WIRE_OBJECT_READY, 1);
	pos = 0;
	expect_name(&pos, copy, "role_copy", "role_copy.isra.0");

	send_head(role.sampler, WIRE_FORGET, 20, -EBADF);
	send_head(role.sampler, WIRE_FORGET, 21, -EBADF);
	ask(&role, 3, 20, &at, 1);
	expect_named(&role, 3, WIRE_OBJECT_BAD, 0);

	/* Indexes are a sampler's own: its successor's mean other files. */
	send_file(&role, 20, fd);
	expect_object(&role, 20, WIRE_OBJECT_READY);
	close(role.sampler);
	role.sampler = new_peer(&role, WIRE_ROLE_SAMPLER);
	ask(&role, 4, 20, &at, 1);
	expect_named(&role, 4, WIRE_OBJECT_BAD, 0);
	send_file(&role, 20, fd);
	expect_object(&role, 20, WIRE_OBJECT_READY);
	close(fd);
	stop(&role);
}

TEST(bad_files_are_answers)
{
	struct role role = start();
	int garbage = text_fd("\x7f"
			      "ELF garbage",
			      12),
	    pipes[2], fd;
	char c;

	send_file(&role, 30, garbage);
	expect_object(&role, 30, WIRE_OBJECT_BAD);
	fd = open_file("/");
	send_file(&role, 31, fd);
	expect_object(&role, 31, WIRE_OBJECT_BAD);
	close(fd);
	fd = open_file("/proc/self/exe");
	send_file(&role, UINT32_MAX, fd);
	expect_object(&role, UINT32_MAX, WIRE_OBJECT_READY);
	close(fd);

	/* The descriptor is gone when the answer is there: the reader sees the end. */
	CHECK(pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0);
	send_file(&role, 32, pipes[1]);
	close(pipes[1]);
	expect_object(&role, 32, WIRE_OBJECT_BAD);
	CHECK_EQ(read(pipes[0], &c, 1), 0);
	close(pipes[0]);
	close(garbage);
	stop(&role);
}

TEST(kernel_is_told_before_its_names)
{
	static const char text[] = "ffffffff81000000 T _stext\n"
				   "ffffffff81000000 t do_work\n"
				   "ffffffff81000100 T _etext\n"
				   "ffffffffc0000000 t _ZN3foo3barEv\t[mod]\n"
				   "ffffffffc0000100 t end\t[mod]\n";
	static const char hidden[] = "0000000000000000 T _stext\n0000000000000000 t do_work\n";
	uint64_t places[2] = { 0xffffffff81000010, 0xffffffffc0000001 };
	struct role role = start();
	int fd = text_fd(text, strlen(text));
	size_t pos = 0;

	ask(&role, 1, CPROF_OBJECT_KERNEL, places, 2);
	expect_object_alone(&role, CPROF_OBJECT_KERNEL, WIRE_OBJECT_UNNAMED);
	expect_named(&role, 1, WIRE_OBJECT_UNNAMED, 2);

	send_head(role.control, WIRE_KALLSYMS, 0, fd);
	close(fd);
	/* Two sockets: the sampler's question must not overtake the descriptor. */
	while (true) {
		ask(&role, 2, CPROF_OBJECT_KERNEL, places, 2);
		if (receive(role.sampler) == WIRE_OBJECT)
			break;
	}
	CHECK_EQ(in.object.status, WIRE_OBJECT_READY);
	CHECK_EQ(in.object.text_start, (long long)0xffffffff81000000);
	CHECK_EQ(in.object.text_end, (long long)0xffffffff81000100);
	expect_named(&role, 2, WIRE_OBJECT_READY, 2);
	expect_name(&pos, 0xffffffff81000000, "do_work", "");
	expect_name(&pos, 0xffffffffc0000000, "foo::bar [mod]", "_ZN3foo3barEv [mod]");

	fd = text_fd(hidden, strlen(hidden));
	send_head(role.control, WIRE_KALLSYMS, 0, fd);
	close(fd);
	while (true) {
		ask(&role, 3, CPROF_OBJECT_KERNEL, places, 2);
		if (receive(role.sampler) == WIRE_OBJECT)
			break;
	}
	CHECK_EQ(in.object.status, WIRE_OBJECT_UNNAMED);
	expect_named(&role, 3, WIRE_OBJECT_UNNAMED, 2);
	stop(&role);
}

static void send_jit(struct role *role, uint32_t object, const void *bytes, size_t sz, int status)
{
	struct wire_file m = { .head = { .size = sizeof(m), .type = WIRE_FILE, .id = object },
			       .kind = WIRE_FILE_PERF_MAP };
	int fd = text_fd(bytes, sz);

	send_to(role->opener, &m, sizeof(m), fd);
	close(fd);
	expect_object_alone(role, object, status);
}

static void send_perf_map(struct role *role, uint32_t object, const char *text, int status)
{
	send_jit(role, object, text, strlen(text), status);
}

TEST(jitdumps_tell_lines)
{
	static struct fake_dump dump;
	struct role role = start();
	uint64_t place = 0x7f0000001008;
	struct wire_name_view v;
	struct wire_line_view l;
	size_t pos = 0;

	fake_dump(&dump);
	fake_dump_debug(&dump, 0x7f0000001000, 1);
	fake_dump_line(&dump, 0x7f0000001000, 7, "a\x1b.js");
	fake_dump_load(&dump, 1, 0x7f0000001000, 0x10, "_ZN3hot2fnEv");
	send_jit(&role, 52, dump.v, dump.cnt, WIRE_OBJECT_READY);
	ask(&role, 1, 52, &place, 1);
	expect_named(&role, 1, WIRE_OBJECT_READY, 1);
	expect_name(&pos, 0x7f0000001000, "hot::fn", "_ZN3hot2fnEv");
	pos = 0;
	CHECK_EQ(wire_named_next(&in.named, &pos, &v), 1);
	wire_named_line(&v, 0, &l);
	CHECK_EQ(l.line, 7);
	CHECK_EQ(l.file_len, strlen("a\xef\xbf\xbd.js"));
	CHECK(memcmp(l.file, "a\xef\xbf\xbd.js", l.file_len) == 0);
	dump.v[4] = 9; /* of a version that nobody knows */
	send_jit(&role, 52, dump.v, dump.cnt, WIRE_OBJECT_BAD);
	stop(&role);
}

TEST(perf_maps_are_read_and_read_again)
{
	struct role role = start();
	uint64_t places[2] = { 0x7f0000001008, 0x7f0000002000 };
	size_t pos = 0;

	send_perf_map(&role, 50, "nothing of use\n", WIRE_OBJECT_UNNAMED);
	send_perf_map(&role, 50, "7f0000001000 10 LazyCompile:~a b\x1b[1m\n", WIRE_OBJECT_READY);
	ask(&role, 1, 50, places, 2);
	expect_named(&role, 1, WIRE_OBJECT_READY, 2);
	expect_name(&pos, 0x7f0000001000, "LazyCompile:~a b\xef\xbf\xbd[1m", "");
	expect_name(&pos, 0, "", "");
	send_perf_map(&role, 50, "7f0000002000 10 now\n", WIRE_OBJECT_READY);
	ask(&role, 2, 50, places + 1, 1);
	expect_named(&role, 2, WIRE_OBJECT_READY, 1);
	pos = 0;
	expect_name(&pos, 0x7f0000002000, "now", "");
	stop(&role);
}

TEST(a_perf_map_that_is_too_long_is_cut)
{
	struct role role = start();
	char *text = malloc(PERF_LINES * 16 + 1), *at = text;

	CHECK(text);
	for (unsigned int i = 0; i < PERF_LINES; i++)
		at += sprintf(at, "%x 1 f\n", 0x1000000 + i);
	send_perf_map(&role, 51, text, WIRE_OBJECT_CUT);
	free(text);
	stop(&role);
}

/* A copy of our own vDSO; false where the kernel gives none. */
static bool copy_vdso(int fd)
{
	_cleanup_free_ char *line = NULL;
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	bool found = false;
	size_t cap = 0;

	CHECK(maps);
	while (!found && getline(&line, &cap, maps) >= 0)
		found = strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", &from, &to) == 2;
	fclose(maps);
	if (found)
		CHECK_EQ(write(fd, (const void *)from, to - from), (ssize_t)(to - from));
	return found;
}

TEST(the_vdso_is_named_by_its_own)
{
	int fd = memfd_create("vdso", MFD_CLOEXEC);
	struct role role = start();
	uint64_t start_at, places[2] = { 0, 1 };
	char path[64];
	size_t pos = 0;

	CHECK(fd >= 0);
	if (!copy_vdso(fd))
		check_skip("no vDSO here");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	start_at = offset_of(path, "__vdso_clock_gettime");
	places[0] = start_at + 1;
	ask(&role, 1, CPROF_OBJECT_VDSO, places, 2);
	expect_object_alone(&role, CPROF_OBJECT_VDSO, WIRE_OBJECT_READY);
	expect_rows(&role, CPROF_OBJECT_VDSO, WIRE_ROWS_OK);
	expect_named(&role, 1, WIRE_OBJECT_READY, 2);
	expect_name(&pos, start_at, "__vdso_clock_gettime", "");
	CHECK_EQ(rule_at(start_at).cfa_off, 8);
	CHECK_EQ(rule_at(start_at).ra, CPROF_WHERE_CFA);
	expect_name(&pos, 0, "", "");
	ask(&role, 2, CPROF_OBJECT_VDSO, places, 1); /* loaded once */
	expect_named(&role, 2, WIRE_OBJECT_READY, 1);
	close(fd);
	stop(&role);
}

/* A kernel of functions with long names. */
static int long_names(uint64_t places[static WIRE_NAMES_MAX])
{
	int fd = memfd_create("kallsyms", MFD_CLOEXEC);
	char name[512];

	CHECK(fd >= 0);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < WIRE_NAMES_MAX; i++) {
		places[i] = 0xffffffff81000000 + (uint64_t)i * 16;
		CHECK(dprintf(fd, "%" PRIx64 " T f%d_%s\n", places[i], i, name) > 0);
	}
	return fd;
}

TEST(full_messages_are_continued)
{
	struct role role = start();
	uint64_t places[WIRE_NAMES_MAX];
	int fd = long_names(places);
	uint32_t done = 0, messages = 0;

	send_head(role.control, WIRE_KALLSYMS, 0, fd);
	close(fd);
	while (done < WIRE_NAMES_MAX) {
		size_t pos = 0;
		struct wire_name_view v;

		ask(&role, done, CPROF_OBJECT_KERNEL, places + done, WIRE_NAMES_MAX - done);
		while (receive(role.sampler) == WIRE_OBJECT)
			;
		CHECK_EQ(in.head.type, WIRE_NAMED);
		CHECK_EQ(in.head.id, done);
		if (in.named.status == WIRE_OBJECT_UNNAMED)
			continue; /* before the descriptor came */
		CHECK(in.named.cnt > 100 || done + in.named.cnt == WIRE_NAMES_MAX);
		for (uint32_t i = 0; wire_named_next(&in.named, &pos, &v) == 1; i++)
			CHECK_EQ(v.start, places[done + i]);
		done += in.named.cnt;
		messages++;
	}
	CHECK(messages >= 8);
	stop(&role);
}

TEST(a_reader_that_sleeps_loses_nothing)
{
	struct role role = start();
	uint64_t places[WIRE_NAMES_MAX], asked = 0, objects = 0;
	int fd = long_names(places), r = 0;
	struct wire_names m = { .head = { .size = sizeof(m) + sizeof(*places), .type = WIRE_NAMES },
				.object = CPROF_OBJECT_KERNEL,
				.cnt = 1 };
	char bytes[sizeof(m) + sizeof(*places)];

	send_head(role.control, WIRE_KALLSYMS, 0, fd);
	close(fd);
	/* Until nothing more is taken: the role's socket is full, and so is ours to it. */
	for (int idle = 0; idle < 20;) {
		m.head.id = asked;
		memcpy(bytes, &m, sizeof(m));
		memcpy(bytes + sizeof(m), &places[asked % WIRE_NAMES_MAX], sizeof(*places));
		r = seqpacket_send(role.sampler, bytes, sizeof(bytes), -EBADF);
		if (r == 0) {
			asked++;
			idle = 0;
			continue;
		}
		CHECK_EQ(r, -EAGAIN);
		usleep(10000);
		idle++;
	}
	CHECK(asked > 100);
	/* Nor does it read files on, for which it could not answer. */
	fd = open_file("/proc/self/exe");
	for (uint32_t i = 0; i < 5; i++)
		send_file(&role, 100 + i, fd);
	close(fd);
	usleep(100000);
	for (uint64_t i = 0; i < asked || objects < 5;) {
		int type = receive(role.sampler);

		if (type == WIRE_OBJECT) {
			if (in.head.id != CPROF_OBJECT_KERNEL)
				CHECK_EQ(in.head.id, 100 + objects++);
			continue;
		}
		CHECK_EQ(type, WIRE_NAMED);
		CHECK_EQ(in.head.id, i);
		CHECK_EQ(in.named.cnt, 1);
		i++;
	}

	/* It hears its launcher while nobody reads its answers. */
	do
		r = seqpacket_send(role.sampler, bytes, sizeof(bytes), -EBADF);
	while (r == 0);
	stop(&role);
}

/* More than the role's socket has room for. */
TEST(rows_wait_with_their_descriptors)
{
	struct role role = start();
	int fd = empty_elf();

	for (uint32_t i = 0; i < 120; i++) {
		send_file(&role, 100 + i, fd);
		expect_object_alone(&role, 100 + i, WIRE_OBJECT_UNNAMED);
	}
	close(fd);
	for (uint32_t i = 0; i < 120; i++)
		send_head(role.sampler, WIRE_MAKE_ROWS, 100 + i, -EBADF);
	usleep(200000);
	for (uint32_t i = 0; i < 120; i++) {
		expect_word(&role, 100 + i, WIRE_ROWS_BEGUN);
		expect_rows(&role, 100 + i, WIRE_ROWS_NONE);
	}
	stop(&role);
}

/* What it asked for last is found when it is gone, and its files go with it. */
TEST(the_sampler_goes_while_its_rows_are_made)
{
	struct role role = start();
	int fd = open_file("/proc/self/exe");

	for (int i = 0; i < 5; i++) {
		for (uint32_t n = 0; n < 10; n++) {
			send_file(&role, 100 + n, fd);
			expect_object_alone(&role, 100 + n, WIRE_OBJECT_READY);
		}
		CHECK_EQ(kill(role.pid, SIGSTOP), 0);
		send_head(role.sampler, WIRE_MAKE_ROWS, 100, -EBADF);
		close(role.sampler);
		CHECK_EQ(kill(role.pid, SIGCONT), 0);
		usleep(10000); /* the launcher's words come before others' */
		role.sampler = new_peer(&role, WIRE_ROLE_SAMPLER);
	}
	send_file(&role, 100, fd);
	expect_object(&role, 100, WIRE_OBJECT_READY);
	close(fd);
	stop(&role);
}

TEST(lets_go_of_files)
{
	struct role role = start();
	int other, fd = private_copy(&other);

	CHECK(is_open(other));
	send_file(&role, 40, fd);
	close(fd);
	expect_object(&role, 40, WIRE_OBJECT_READY);
	release(&role, 40);
	CHECK(!is_open(other));
	close(other);
	stop(&role);
}

static void make_pages(struct role *role, uint32_t object, uint32_t page, uint32_t cnt)
{
	struct {
		struct wire_make_pages m;
		uint32_t page;
	} ask = { .m = { .head = { .type = WIRE_MAKE_PAGES, .id = object }, .cnt = cnt },
		  .page = page };

	ask.m.head.size = (uint32_t)(sizeof(ask.m) + cnt * sizeof(ask.page));
	CHECK_EQ(seqpacket_send(role->sampler, &ask, ask.m.head.size, -EBADF), 0);
}

/* How many pages the block that came last has, and how many of them are there. */
static uint32_t count_pages(uint32_t *ret_first, uint32_t *ret_present)
{
	struct rows_view v;
	const void *bytes;
	uint32_t cnt;

	CHECK_EQ(sealed_map(rows_fd, rows_in.bytes, &bytes), 0);
	CHECK_EQ(rows_check(bytes, rows_in.bytes, &v), 0);
	*ret_present = 0;
	for (uint32_t i = 0; i < v.head->pages_cnt; i++)
		*ret_present += v.page_rows[i] != CPROF_PAGE_ABSENT;
	*ret_first = v.head->page_first;
	cnt = v.head->pages_cnt;
	CHECK_EQ(munmap((void *)(uintptr_t)bytes, rows_in.bytes), 0);
	return cnt;
}

#define LARGE_FILE "/usr/bin/python3" /* its .eh_frame is large enough */

TEST(rows_of_a_large_file_come_by_the_page)
{
	struct role role = start();
	int fd = open_file(LARGE_FILE);
	uint32_t cnt, first, present;

	send_file(&role, 43, fd);
	expect_object_alone(&role, 43, WIRE_OBJECT_READY);
	make_pages(&role, 43, 0, 0);
	expect_word(&role, 43, WIRE_ROWS_BEGUN);
	expect_rows(&role, 43, WIRE_ROWS_OK);
	CHECK_EQ(rows_in.lined, WIRE_LINED_PAGES);
	cnt = count_pages(&first, &present);
	CHECK(cnt > 10);
	CHECK_EQ(present, 0);
	for (uint32_t i = 0; i < cnt; i++) {
		make_pages(&role, 43, first + i, 1);
		expect_word(&role, 43, WIRE_ROWS_BEGUN);
		expect_rows(&role, 43, WIRE_ROWS_OK);
		CHECK_EQ(rows_in.lined, WIRE_LINED_PAGES);
		CHECK_EQ(rows_in.part, 0); /* that was said */
		CHECK_EQ(count_pages(&first, &present), cnt);
		CHECK_EQ(present, 1);
	}
	/* Whoever asks for all gets all. */
	send_file(&role, 43, fd);
	expect_object(&role, 43, WIRE_OBJECT_READY);
	CHECK_EQ(rows_in.lined, 0);
	cnt = count_pages(&first, &present);
	CHECK_EQ(cnt, present);
	/* It is open until it is released, or forgotten. */
	for (int i = 0; i < 2; i++) {
		send_file(&role, 43, fd);
		expect_object_alone(&role, 43, WIRE_OBJECT_READY);
		make_pages(&role, 43, 0, 0);
		expect_word(&role, 43, WIRE_ROWS_BEGUN);
		expect_rows(&role, 43, WIRE_ROWS_OK);
		send_head(role.sampler, WIRE_CLOSE, 43, -EBADF);
		make_pages(&role, 43, first, 1);
		expect_word(&role, 43, WIRE_ROWS_BEGUN);
		expect_rows(&role, 43, WIRE_ROWS_OK);
		send_head(role.sampler, i == 0 ? WIRE_RELEASE : WIRE_FORGET, 43, -EBADF);
		make_pages(&role, 43, first, 1);
		expect_word(&role, 43, WIRE_ROWS_GONE);
	}
	close(fd);
	stop(&role);
}

TEST(a_small_file_is_read_as_a_whole)
{
	struct role role = start();
	int fd = open_file("/proc/self/exe");
	uint32_t first, present;

	send_file(&role, 44, fd);
	close(fd);
	expect_object_alone(&role, 44, WIRE_OBJECT_READY);
	make_pages(&role, 44, 0, 0);
	expect_word(&role, 44, WIRE_ROWS_BEGUN);
	expect_rows(&role, 44, WIRE_ROWS_OK);
	CHECK_EQ(rows_in.lined, 0);
	CHECK_EQ(count_pages(&first, &present), present);
	stop(&role);
}

TEST(files_whose_rows_nobody_asks_for_are_closed)
{
	struct role role = start();
	int other, fd = private_copy(&other);

	send_file(&role, 41, fd);
	expect_object_alone(&role, 41, WIRE_OBJECT_READY);
	send_head(role.sampler, WIRE_CLOSE, 41, -EBADF);
	send_head(role.sampler, WIRE_MAKE_ROWS, 41, -EBADF);
	expect_word(&role, 41, WIRE_ROWS_GONE);
	send_file(&role, 42, fd);
	expect_object_alone(&role, 42, WIRE_OBJECT_READY);
	send_head(role.sampler, WIRE_RELEASE, 41, -EBADF);
	send_head(role.sampler, WIRE_RELEASE, 42, -EBADF);
	close(fd);
	CHECK(is_open(other));
	for (int i = 0; i < 100 && is_open(other); i++)
		usleep(100000);
	CHECK(!is_open(other));
	send_head(role.sampler, WIRE_MAKE_ROWS, 42, -EBADF);
	expect_word(&role, 42, WIRE_ROWS_GONE);
	close(other);
	stop(&role);
}

TEST(a_debug_file_gives_names)
{
	struct role role = start();
	uint64_t offset = offset_of("/proc/self/exe", "_ZN4role4testEv"), at = offset + 1;
	size_t pos = 0;
	int fd;

	strip_self();
	fd = open_stripped("stripped");
	send_file(&role, 20, fd);
	close(fd);
	expect_object(&role, 20, WIRE_OBJECT_READY);
	CHECK_EQ(rows_in.part, WIRE_PART_NAMES | WIRE_PART_LINES);
	CHECK_EQ(rows_in.link_len, 0);

	send_debug(&role, 20, open_file(SYMBOLIZER_EXE)); /* another program's */
	expect_word(&role, 20, WIRE_ROWS_OTHER);
	send_debug(&role, 20, open_stripped("empty"));
	expect_word(&role, 20, WIRE_ROWS_OTHER);
	send_debug(&role, 20, open_stripped("debug"));
	expect_object_alone(&role, 20, WIRE_OBJECT_READY);
	expect_word(&role, 20, WIRE_ROWS_KEPT);
	ask(&role, 1, 20, &at, 1);
	expect_named(&role, 1, WIRE_OBJECT_READY, 1);
	expect_name(&pos, offset, "role::test", "_ZN4role4testEv");
	send_head(role.sampler, WIRE_MAKE_ROWS, 20, -EBADF); /* it was closed */
	expect_word(&role, 20, WIRE_ROWS_GONE);

	fd = open_stripped("whole");
	send_file(&role, 21, fd);
	close(fd);
	expect_object(&role, 21, WIRE_OBJECT_READY);
	CHECK_EQ(rows_in.part, 0); /* it needs none */

	fd = open_stripped("stripped");
	send_file(&role, 22, fd);
	close(fd);
	expect_object(&role, 22, WIRE_OBJECT_READY);
	send_debug(&role, 22, open_swollen());
	expect_object_alone(&role, 22, WIRE_OBJECT_LIMIT);
	expect_word(&role, 22, WIRE_ROWS_KEPT);
	ask(&role, 2, 22, &at, 1);
	expect_named(&role, 2, WIRE_OBJECT_READY, 1);
	stop(&role);
	strip_done();
}

TEST(broken_messages_end_it)
{
	struct rng rng = { .state = 3 };
	uint64_t words[64];
	int ended = 0;

	for (int i = 0; i < 60; i++) {
		struct role role = start();
		int fd = i % 3 == 0 ? role.control : i % 3 == 1 ? role.sampler : role.opener;
		size_t sz = 1 + rng_next(&rng) % sizeof(words);

		for (size_t k = 0; k < ELEMENTSOF(words); k++)
			words[k] = rng_next(&rng);
		/* Half of them with a head that is right. */
		if (i % 2 == 0 && sz >= sizeof(struct wire_head)) {
			struct wire_head head = { .size = (uint32_t)sz,
						  .type = (uint16_t)(rng_next(&rng) % 12) };

			memcpy(words, &head, sizeof(head));
		}
		send_to(fd, words, sz, -EBADF);
		/* By chance one in a thousand means something. */
		if (poll(&(struct pollfd){ .fd = role.control }, 1, 1000) == 0)
			send_head(role.control, WIRE_STOP, 0, -EBADF);
		else
			ended++;
		CHECK(wait_end(&role) <= 1);
	}
	CHECK(ended > 50);
}

TEST(wrong_messages_end_it_with_an_error)
{
	struct role role = start();
	struct wire_file m = { .head = { .size = sizeof(m), .type = WIRE_FILE, .id = 16 } };

	send_head(role.control, WIRE_READY, 0, -EBADF);
	CHECK_EQ(wait_end(&role), 1);
	role = start();
	send_head(role.control, WIRE_KALLSYMS, 0, -EBADF);
	CHECK_EQ(wait_end(&role), 1);
	role = start();
	send_to(role.opener, &m, sizeof(m), -EBADF);
	CHECK_EQ(wait_end(&role), 1);
	role = start();
	send_head(role.sampler, WIRE_STOP, 0, -EBADF);
	CHECK_EQ(wait_end(&role), 1);
	role = start();
	send_to(role.sampler, "x", 1, -EBADF);
	CHECK_EQ(wait_end(&role), 1);
}

CHECK_MAIN
