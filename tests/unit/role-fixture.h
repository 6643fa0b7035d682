/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The real cprofd-symbolizer between sockets of ours: the test is launcher, opener and sampler. */

#include <errno.h>
#include <gnu/libc-version.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/rng.h"
#include "cprof/base/sealed.h"
#include "cprof/base/seqpacket.h"
#include "cprof/wire.h"
#include "elf-oracle.h"
#include "rows-fixture.h"
#include "strip-fixture.h"

struct role {
	pid_t pid;
	int control, sampler, opener;
};

static union {
	struct wire_head head;
	struct wire_object object;
	struct wire_named named;
	uint64_t words[WIRE_MESSAGE_MAX / 8];
} in;

/* The last ROWS, beside the OBJECT that they followed. */
static struct wire_rows rows_in;
static int rows_fd = -EBADF;
/* The last word that came without rows. */
static struct wire_rows word_in;

static inline void send_to(int fd, const void *m, size_t sz, int pass)
{
	CHECK_EQ(seqpacket_send(fd, m, sz, pass), 0);
}

static inline void send_head(int fd, int type, uint64_t id, int pass)
{
	struct wire_head m = { .size = sizeof(m), .type = (uint16_t)type, .id = id };

	send_to(fd, &m, sizeof(m), pass);
}

static inline int receive(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	CHECK_EQ(poll(&p, 1, 20000), 1);
	n = seqpacket_recv(fd, &in, sizeof(in), NULL);
	CHECK(n >= 0);
	return n == 0 ? 0 : wire_check(&in, (size_t)n);
}

static inline int new_peer(struct role *role, enum wire_role whose)
{
	struct wire_peer m = { .head = { .size = sizeof(m), .type = WIRE_PEER }, .role = whose };
	int fds[2];

	CHECK_EQ(seqpacket_pair(fds), 0);
	send_to(role->control, &m, sizeof(m), fds[1]);
	close(fds[1]);
	return fds[0];
}

static inline struct role start(void)
{
	struct role role = { 0 };
	int fds[2];

	CHECK_EQ(seqpacket_pair(fds), 0);
	role.pid = fork();
	CHECK(role.pid >= 0);
	if (role.pid == 0) {
		if (fds[1] == WIRE_CONTROL_FD ? fcntl(fds[1], F_SETFD, 0) < 0
					      : dup2(fds[1], WIRE_CONTROL_FD) < 0)
			_exit(120);
		execl(SYMBOLIZER_EXE, SYMBOLIZER_EXE, (char *)NULL);
		_exit(121);
	}
	close(fds[1]);
	role.control = fds[0];
	CHECK_EQ(receive(role.control), WIRE_READY);
	role.sampler = new_peer(&role, WIRE_ROLE_SAMPLER);
	role.opener = new_peer(&role, WIRE_ROLE_OPENER);
	return role;
}

/* Its exit status; a signal fails the test. */
static inline int wait_end(struct role *role)
{
	int status = 0;

	CHECK_EQ(waitpid(role->pid, &status, 0), role->pid);
	if (!WIFEXITED(status))
		CHECK_FAIL("killed by signal %d", WTERMSIG(status));
	close(role->control);
	close(role->sampler);
	close(role->opener);
	return WEXITSTATUS(status);
}

static inline void stop(struct role *role)
{
	send_head(role->control, WIRE_STOP, 0, -EBADF);
	CHECK_EQ(wait_end(role), 0);
}

static inline void send_file_of(struct role *role, enum wire_file_kind kind, uint32_t object,
				int fd)
{
	struct wire_file m = { .head = { .size = sizeof(m), .type = WIRE_FILE, .id = object },
			       .kind = kind };
	struct stat st;

	CHECK(fstat(fd, &st) == 0);
	m.file_sz = (uint64_t)st.st_size;
	send_to(role->opener, &m, sizeof(m), fd);
}

static inline void send_file(struct role *role, uint32_t object, int fd)
{
	send_file_of(role, WIRE_FILE_ELF, object, fd);
}

static inline void expect_object_alone(struct role *role, uint32_t object, int status)
{
	CHECK_EQ(receive(role->sampler), WIRE_OBJECT);
	CHECK_EQ(in.head.id, object);
	CHECK_EQ(in.object.status, status);
}

static inline void expect_rows(struct role *role, uint32_t object, int status)
{
	struct pollfd p = { .fd = role->sampler, .events = POLLIN };

	CHECK_EQ(poll(&p, 1, 20000), 1);
	rows_fd = fd_close(rows_fd);
	CHECK_EQ(seqpacket_recv(role->sampler, &rows_in, sizeof(rows_in), &rows_fd),
		 sizeof(rows_in));
	CHECK_EQ(wire_check(&rows_in, sizeof(rows_in)), WIRE_ROWS);
	CHECK_EQ(rows_in.head.id, object);
	CHECK_EQ(rows_in.status, status);
	CHECK(rows_fd >= 0);
}

/* A word without a block. */
static inline void expect_word(struct role *role, uint32_t object, int status)
{
	struct wire_rows m;
	struct pollfd p = { .fd = role->sampler, .events = POLLIN };
	int fd = -EBADF;

	CHECK_EQ(poll(&p, 1, 20000), 1);
	CHECK_EQ(seqpacket_recv(role->sampler, &m, sizeof(m), &fd), sizeof(m));
	CHECK_EQ(wire_check(&m, sizeof(m)), WIRE_ROWS);
	CHECK_EQ(m.head.id, object);
	CHECK_EQ(m.status, status);
	CHECK(fd < 0);
	word_in = m;
}

static inline void make_rows(struct role *role, uint32_t object, int status)
{
	send_head(role->sampler, WIRE_MAKE_ROWS, object, -EBADF);
	expect_word(role, object, WIRE_ROWS_BEGUN);
	expect_rows(role, object, status);
}

/* Of an ELF file. */
static inline void expect_object(struct role *role, uint32_t object, int status)
{
	expect_object_alone(role, object, status);
	make_rows(role, object, status == WIRE_OBJECT_BAD ? WIRE_ROWS_BAD : WIRE_ROWS_OK);
}

/* What is at a place, by the block that came last. */
static inline struct cprof_rule rule_at(uint64_t offset)
{
	struct rows_view v;
	struct cprof_rule rule;
	const void *bytes;

	CHECK_EQ(sealed_map(rows_fd, rows_in.bytes, &bytes), 0);
	CHECK_EQ(rows_check(bytes, rows_in.bytes, &v), 0);
	rule = *rows_find(&v, offset);
	CHECK_EQ(munmap((void *)(uintptr_t)bytes, rows_in.bytes), 0);
	return rule;
}

static inline void ask(struct role *role, uint64_t id, uint32_t object, const uint64_t *offsets,
		       uint32_t cnt)
{
	static struct {
		struct wire_names head;
		uint64_t offsets[WIRE_NAMES_MAX];
	} m;

	m.head = (struct wire_names){
		.head = { .size = (uint32_t)(sizeof(m.head) + cnt * sizeof(*offsets)),
			  .type = WIRE_NAMES,
			  .id = id },
		.object = object,
		.cnt = cnt,
	};
	memcpy(m.offsets, offsets, cnt * sizeof(*offsets));
	send_to(role->sampler, &m, m.head.head.size, -EBADF);
}

static inline void expect_named(struct role *role, uint64_t id, int status, uint32_t cnt)
{
	CHECK_EQ(receive(role->sampler), WIRE_NAMED);
	CHECK_EQ(in.head.id, id);
	CHECK_EQ(in.named.status, status);
	CHECK_EQ(in.named.cnt, cnt);
}

static inline void expect_name(size_t *pos, uint64_t start, const char *name, const char *linkage)
{
	struct wire_name_view v;
	struct wire_line_view l;

	CHECK_EQ(wire_named_next(&in.named, pos, &v), 1);
	CHECK_EQ(v.start, start);
	CHECK_EQ(v.lines_cnt, *name != '\0');
	if (v.lines_cnt == 0)
		return;
	wire_named_line(&v, 0, &l);
	CHECK_EQ(l.name_len, strlen(name));
	CHECK(memcmp(l.name, name, l.name_len) == 0);
	CHECK_EQ(l.linkage_len, strlen(linkage));
	CHECK(memcmp(l.linkage, linkage, l.linkage_len) == 0);
}

struct place {
	const char *name;
	uint64_t vaddr;
};

static inline void find_place(const Elf64_Sym *sym, const char *name, void *ctx)
{
	struct place *p = ctx;

	if (strcmp(name, p->name) == 0)
		p->vaddr = sym->st_value;
}

/* Where a function is in a file with one executable segment. */
static inline uint64_t offset_of(const char *path, const char *name)
{
	struct place p = { .name = name };
	struct oracle o;
	uint64_t offset;

	CHECK(oracle_open(&o, path));
	oracle_each(&o, find_place, &p);
	CHECK(p.vaddr != 0);
	offset = p.vaddr - oracle_text(&o, 0)->p_vaddr + oracle_text(&o, 0)->p_offset;
	oracle_close(&o);
	return offset;
}

static inline int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static inline int text_fd(const char *text, size_t sz)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	CHECK(fd >= 0 && write(fd, text, sz) == (ssize_t)sz);
	return fd;
}

/* Has the file a descriptor somewhere else? */
static inline bool is_open(int other)
{
	if (fcntl(other, F_SETLEASE, F_WRLCK) < 0)
		return true;
	CHECK_EQ(fcntl(other, F_SETLEASE, F_UNLCK), 0);
	return false;
}

/* One that may still be opened by nobody else; its own descriptor is *ret_other. */
static inline int private_copy_of(const char *from, int *ret_other)
{
	char path[] = "/tmp/test-role-XXXXXX", buf[4096];
	int in_fd = open_file(from), fd = mkstemp(path);
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(in_fd, buf, sizeof(buf))) > 0)
		CHECK(write(fd, buf, (size_t)n) == n);
	close(in_fd);
	close(fd);
	fd = open_file(path);
	*ret_other = open(path, O_RDWR | O_CLOEXEC);
	CHECK(*ret_other >= 0 && unlink(path) == 0);
	return fd;
}

static inline int private_copy(int *ret_other)
{
	return private_copy_of("/proc/self/exe", ret_other);
}

/* Its lines are not wanted any more; the role has heard it when it answers what follows. */
static inline void release(struct role *role, uint32_t object)
{
	send_head(role->sampler, WIRE_RELEASE, object, -EBADF);
	send_head(role->sampler, WIRE_MAKE_ROWS, object, -EBADF);
	expect_word(role, object, WIRE_ROWS_GONE);
}

/* Takes the descriptor. */
static inline void send_debug(struct role *role, uint32_t object, int fd)
{
	struct wire_debug_file m = {
		.head = { .size = sizeof(m), .type = WIRE_DEBUG_FILE, .id = object },
		.file_sz = (uint64_t)lseek(fd, 0, SEEK_END),
	};

	send_to(role->opener, &m, sizeof(m), fd);
	close(fd);
	expect_word(role, object, WIRE_ROWS_BEGUN);
}

/* It says now that it has more symbols than are read of any file, and is as large as that takes. */
static inline int open_swollen(void)
{
	int fd = open_stripped("debug");
	Elf64_Ehdr h;
	Elf64_Shdr s = { 0 };
	off_t at;

	CHECK(pread(fd, &h, sizeof(h), 0) == sizeof(h));
	for (at = (off_t)h.e_shoff; s.sh_type != SHT_SYMTAB; at += (off_t)sizeof(s))
		CHECK(pread(fd, &s, sizeof(s), at) == sizeof(s));
	s.sh_size = 2000001 * sizeof(Elf64_Sym);
	CHECK(pwrite(fd, &s, sizeof(s), at - (off_t)sizeof(s)) == sizeof(s));
	CHECK(ftruncate(fd, (off_t)(s.sh_offset + s.sh_size)) == 0);
	return fd;
}
