/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rulefiles LIB DIR COUNT SECONDS ROUNDS UNIQUE — COUNT copies of LIB (rule-lib), one after the other: each is loaded,
 * worked in, unloaded and removed. With UNIQUE 1 the numbers in its unwinding information are
 * no other copy's: a thousand rules that nobody else needs. Within SECONDS, evenly. Prints how many.
 */

#include <dlfcn.h>
#include <stdbool.h>

#include "load.h"
#include "template.h"

#define RULES_MAX 1000
#define FIRST 16384 /* so that four bytes are the shortest */

static const unsigned char mark[] = { 0x0e, 0xaa, 0xd5, 0xaa, 0x01 };

struct rules {
	unsigned char *at[RULES_MAX];
	unsigned int cnt;
};

static void find_rules(struct rules *r, struct template *t)
{
	char *at = t->bytes;

	while ((at = memmem(at, t->sz - (size_t)(at - t->bytes), mark, sizeof(mark)))) {
		if (r->cnt == RULES_MAX)
			abort();
		r->at[r->cnt++] = (unsigned char *)at++;
	}
	if (r->cnt != RULES_MAX)
		abort();
}

/* ULEB128 in four bytes, whatever the number. */
static void write_number(unsigned char *at, unsigned int n)
{
	for (int i = 0; i < 4; i++)
		at[1 + i] = (unsigned char)(n >> 7 * i & 0x7f) | (i < 3 ? 0x80 : 0);
}

LOAD_HOT static void load_and_work(const char *path, uint64_t rounds)
{
	uint64_t (*entry)(uint64_t rounds);
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	*(void **)&entry = dlsym(lib, "own_entry");
	(void)entry(rounds);
	dlclose(lib);
}

static void make_unique(struct rules *r, unsigned long i)
{
	for (unsigned int n = 0; n < r->cnt; n++)
		write_number(r->at[n], FIRST + 8 * (unsigned int)(i * RULES_MAX + n));
}

static void one(struct template *t, const char *dir, unsigned long i, uint64_t rounds)
{
	char symbol[32], path[512];

	snprintf(symbol, sizeof(symbol), "only_%06lu", i % 1000000);
	snprintf(path, sizeof(path), "%.400s/%s", dir, symbol);
	template_write(t, path, symbol);
	load_and_work(path, rounds);
	unlink(path);
}

int main(int argc, char *argv[])
{
	unsigned long count = (unsigned long)load_arg(argc, argv, 3, 1000), i;
	double seconds = load_arg(argc, argv, 4, 10);
	uint64_t rounds = (uint64_t)load_arg(argc, argv, 5, 1e6), begun = load_now(CLOCK_MONOTONIC);
	bool unique = load_arg(argc, argv, 6, 1) > 0;
	struct template t = { 0 };
	struct rules r = { 0 };

	if (argc != 7)
		return 2;
	template_load(&t, argv[1]);
	find_rules(&r, &t);
	for (i = 0; i < count; i++) {
		uint64_t due = begun + (uint64_t)((double)i / (double)count * seconds *
						  (double)NSEC_PER_SEC);
		uint64_t now = load_now(CLOCK_MONOTONIC);

		if (now < due)
			usleep((useconds_t)((due - now) / NSEC_PER_USEC));
		if (unique)
			make_unique(&r, i);
		one(&t, argv[2], i, rounds);
	}
	printf("{\"loaded\": %lu, \"seconds\": %.3f}\n", i,
	       (double)(load_now(CLOCK_MONOTONIC) - begun) / (double)NSEC_PER_SEC);
	return 0;
}
