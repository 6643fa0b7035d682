/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * template — a file whose symbol only_000000 gets another number in each copy, so that every copy has a
 * function with a name that no other file has.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYMBOL "only_000000"

/* The symbol stands in the symbol table's strings, and in debug information if there is any. */
#define PLACES_MAX 8

struct template
{
	char *bytes;
	size_t sz;
	char *places[PLACES_MAX];
	int places_cnt;
};

static inline void template_load(struct template *t, const char *path)
{
	FILE *f = fopen(path, "rbe");
	struct stat st;
	char *at;

	if (!f || fstat(fileno(f), &st) < 0)
		abort();
	t->sz = (size_t)st.st_size;
	t->bytes = malloc(t->sz);
	if (!t->bytes || fread(t->bytes, 1, t->sz, f) != t->sz)
		abort();
	fclose(f);
	at = t->bytes;
	while ((at = memmem(at, t->sz - (size_t)(at - t->bytes), SYMBOL, sizeof(SYMBOL) - 1))) {
		if (t->places_cnt == PLACES_MAX)
			abort();
		t->places[t->places_cnt++] = at++;
	}
	if (t->places_cnt == 0)
		abort();
}

static inline void template_write(const struct template *t, const char *path, const char *symbol)
{
	int fd;

	for (int i = 0; i < t->places_cnt; i++)
		memcpy(t->places[i], symbol, sizeof(SYMBOL) - 1);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (fd < 0 || write(fd, t->bytes, t->sz) != (ssize_t)t->sz || close(fd) < 0) {
		perror(path);
		exit(1);
	}
}
