/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which mappings hold these addresses: by asking for each (PROCMAP_QUERY), or by reading the text.
 *
 * A process may have 65,000 mappings, with paths of 4 KiB each. So the text is read in pieces, of a
 * line only the beginning is kept, reading ends behind the last address, and it ends anyhow after a
 * limit: what lies behind it has no mapping for us.
 *
 * The build id that PROCMAP_QUERY offers is not asked for: it reads the file, which may block.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/ioctl.h>
#include <linux/types.h>

#include "cprof/procfs.h"

#define MAPS_PIECE 16384
#define MAPS_BYTES_MAX (16u << 20)
#define MAPS_LINE_KEPT 160 /* the numbers, and enough of the name */
#define MAPS_NAME "[vdso]"
#define MAPS_EXEC 4

/* struct procmap_query of include/uapi/linux/fs.h, which older build machines do not have. */
struct maps_query {
	__u64 size;
	__u64 flags; /* 0: the mapping that holds the address, whatever it permits */
	__u64 address;
	__u64 start;
	__u64 end;
	__u64 permissions; /* MAPS_EXEC among them */
	__u64 page_size;
	__u64 pgoff;
	__u64 ino;
	__u32 major;
	__u32 minor;
	__u32 name_sz;
	__u32 build_id_sz;
	__u64 name;
	__u64 build_id;
};

_Static_assert(sizeof(struct maps_query) == 104, "procmap_query");
#define MAPS_QUERY PROCFS_MAPS_QUERY

static enum procfs_kind kind_of(bool exec, uint64_t ino, bool is_vdso)
{
	if (!exec)
		return PROCFS_NONE;
	if (ino != 0)
		return PROCFS_FILE;
	return is_vdso ? PROCFS_VDSO : PROCFS_ANON;
}

/* 1: there is a mapping; 0: none; -errno. */
static int query(int fd, uint64_t address, struct maps_query *q)
{
	*q = (struct maps_query){ .size = sizeof(*q), .address = address };
	if (ioctl(fd, MAPS_QUERY, q) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

/* Only what has no file can be the vDSO: asked again with its name, which is then a short one. */
static bool query_is_vdso(int fd, uint64_t address)
{
	char name[64] = "";
	struct maps_query q = {
		.size = sizeof(q),
		.address = address,
		.name_sz = sizeof(name),
		.name = (uintptr_t)name,
	};

	return ioctl(fd, MAPS_QUERY, &q) == 0 && strcmp(name, MAPS_NAME) == 0;
}

int procfs_maps_query(int fd, const uint64_t *addresses, size_t cnt, struct procfs_range *ret)
{
	for (size_t i = 0; i < cnt; i++) {
		struct maps_query q;
		int r;

		ret[i] = (struct procfs_range){ 0 };
		if (i > 0 && addresses[i] >= ret[i - 1].start && addresses[i] < ret[i - 1].end) {
			ret[i] = ret[i - 1];
			continue;
		}
		r = query(fd, addresses[i], &q);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		ret[i] = (struct procfs_range){
			.start = q.start,
			.end = q.end,
			.pgoff = q.pgoff,
			.ino = q.ino,
		};
		ret[i].kind = kind_of(q.permissions & MAPS_EXEC, q.ino,
				      q.ino == 0 && query_is_vdso(fd, addresses[i]));
	}
	return 0;
}

/* A number and the character behind it; NULL when it is none. */
static const char *take(const char *at, const char *end, unsigned int base, char stop,
			uint64_t *ret)
{
	const char *from = at;
	uint64_t v = 0;

	for (; at < end; at++) {
		unsigned int digit = 16;

		if (*at >= '0' && *at <= '9')
			digit = (unsigned int)(*at - '0');
		else if (*at >= 'a' && *at <= 'f')
			digit = (unsigned int)(*at - 'a') + 10;
		if (digit >= base)
			break;
		if (v > (UINT64_MAX - digit) / base)
			return NULL;
		v = v * base + digit;
	}
	if (at == from || at == end || *at != stop)
		return NULL;
	*ret = v;
	return at + 1;
}

bool procfs_maps_parse(const char *line, size_t len, struct procfs_range *ret)
{
	const char *at = line, *end = line + len;
	uint64_t major, minor;
	struct procfs_range m;
	bool exec;

	at = take(at, end, 16, '-', &m.start);
	at = at ? take(at, end, 16, ' ', &m.end) : NULL;
	/* "rwxp " */
	if (!at || end - at < 5 || at[4] != ' ' || m.start >= m.end)
		return false;
	exec = at[2] == 'x';
	at = take(at + 5, end, 16, ' ', &m.pgoff);
	at = at ? take(at, end, 16, ':', &major) : NULL;
	at = at ? take(at, end, 16, ' ', &minor) : NULL;
	at = at ? take(at, end, 10, ' ', &m.ino) : NULL;
	if (!at)
		return false;
	while (at < end && *at == ' ')
		at++;
	m.kind = kind_of(exec, m.ino,
			 (size_t)(end - at) == strlen(MAPS_NAME) &&
				 memcmp(at, MAPS_NAME, strlen(MAPS_NAME)) == 0);
	*ret = m;
	return true;
}

/* Reading: the line at hand, and which addresses are still looked for; NULL: one mapping of a file, by its number. */
struct reader {
	const uint64_t *addresses;
	uint64_t ino;
	size_t cnt, next;
	struct procfs_range *ret;
	char line[MAPS_LINE_KEPT];
	size_t line_len;
};

/* Ascending lines meet ascending addresses; a line that the kernel shows twice does no harm. */
static void take_line(struct reader *rd)
{
	struct procfs_range m;

	if (!procfs_maps_parse(rd->line, rd->line_len, &m))
		return;
	if (!rd->addresses) {
		if (m.kind == PROCFS_FILE && (uint32_t)m.ino == (uint32_t)rd->ino)
			rd->ret[rd->next++] = m;
		return;
	}
	while (rd->next < rd->cnt && rd->addresses[rd->next] < m.start)
		rd->next++;
	while (rd->next < rd->cnt && rd->addresses[rd->next] < m.end)
		rd->ret[rd->next++] = m;
}

static void take_piece(struct reader *rd, const char *bytes, size_t sz)
{
	for (size_t i = 0; i < sz && rd->next < rd->cnt; i++) {
		if (bytes[i] == '\n') {
			take_line(rd);
			rd->line_len = 0;
		} else if (rd->line_len < sizeof(rd->line)) {
			rd->line[rd->line_len++] = bytes[i];
		}
	}
}

static int read_lines(int fd, struct reader *rd)
{
	char piece[MAPS_PIECE];
	size_t read_sz = 0;

	memset(rd->ret, 0, rd->cnt * sizeof(*rd->ret));
	while (rd->next < rd->cnt && read_sz < MAPS_BYTES_MAX) {
		ssize_t n = read(fd, piece, sizeof(piece));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			/* A process that is a zombie, or a kernel thread, shows an empty file. */
			return read_sz > 0 ? 0 : -ESRCH;
		take_piece(rd, piece, (size_t)n);
		read_sz += (size_t)n;
	}
	return 0;
}

int procfs_maps_read(int fd, const uint64_t *addresses, size_t cnt, struct procfs_range *ret)
{
	struct reader rd = { .addresses = addresses, .cnt = cnt, .ret = ret };

	return read_lines(fd, &rd);
}

int procfs_maps_file(int fd, uint64_t ino, struct procfs_range *ret)
{
	struct reader rd = { .ino = ino, .cnt = 1, .ret = ret };

	return read_lines(fd, &rd);
}

int procfs_maps_find(int fd, const uint64_t *addresses, size_t cnt, struct procfs_range *ret)
{
	int r = procfs_maps_query(fd, addresses, cnt, ret);

	/* EINVAL: a file of procfs that knows other questions only. */
	if (r == -ENOTTY || r == -EINVAL)
		r = procfs_maps_read(fd, addresses, cnt, ret);
	return r;
}
