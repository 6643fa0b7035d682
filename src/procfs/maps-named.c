/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which mapping with code is of a file that is called so. The text is read in pieces as in maps.c; of a line
 * its beginning is kept, where the numbers are, and as many of its last characters as the name has.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/procfs.h"

#define NAMED_PIECE 16384
#define NAMED_BYTES_MAX (16u << 20)
#define NAMED_LINE_KEPT 160

struct named {
	char wanted[PROCFS_NAMED_MAX + 2]; /* with a slash before it */
	size_t wanted_len;
	char line[NAMED_LINE_KEPT];
	char tail[PROCFS_NAMED_MAX +
		  1]; /* a ring: of the line's i-th character the place is i % wanted_len */
	size_t len;
};

static bool ends_so(const struct named *n)
{
	if (n->len < n->wanted_len)
		return false;
	for (size_t i = 0; i < n->wanted_len; i++) {
		size_t at = n->len - n->wanted_len + i;

		if (n->tail[at % n->wanted_len] != n->wanted[i])
			return false;
	}
	return true;
}

static bool is_it(const struct named *n, struct procfs_range *ret)
{
	return ends_so(n) && procfs_maps_parse(n->line, MIN(n->len, sizeof(n->line)), ret) &&
	       ret->kind == PROCFS_FILE;
}

static bool take_piece(struct named *n, const char *bytes, size_t sz, struct procfs_range *ret)
{
	for (size_t i = 0; i < sz; i++) {
		if (bytes[i] == '\n') {
			if (is_it(n, ret))
				return true;
			n->len = 0;
			continue;
		}
		if (n->len < sizeof(n->line))
			n->line[n->len] = bytes[i];
		n->tail[n->len++ % n->wanted_len] = bytes[i];
	}
	return false;
}

int procfs_maps_named(int fd, const char *name, struct procfs_range *ret)
{
	struct procfs_range found;
	struct named n = { .wanted = "/" };
	char piece[NAMED_PIECE];
	size_t read_sz = 0;

	assert(strlen(name) <= PROCFS_NAMED_MAX);
	strcat(n.wanted, name);
	n.wanted_len = strlen(n.wanted);
	while (read_sz < NAMED_BYTES_MAX) {
		ssize_t r = read(fd, piece, sizeof(piece));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return read_sz > 0 ? 0 : -ESRCH;
		if (take_piece(&n, piece, (size_t)r, &found)) {
			*ret = found;
			return 1;
		}
		read_sz += (size_t)r;
	}
	return 0;
}
