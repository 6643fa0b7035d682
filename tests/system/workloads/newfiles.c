/* SPDX-License-Identifier: Apache-2.0 */
/*
 * newfiles LIB ONLY DIR RATE SECONDS ROUNDS FIRST — every new file is a file that nobody has seen: writes copies of
 * LIB (own-lib) with names of their own into DIR, loads each, works in it and unloads it; every fourth
 * time also a copy of ONLY (own-only), which is executed. With FIRST below 0 the files stay and
 * -FIRST of them are loaded and unloaded in turn: dlopen in a loop. RATE 0: as fast as it goes. Which
 * file it is, by its number modulo 16, the caller's name says too. Prints how many as one line of JSON.
 */

#include <dlfcn.h>
#include <spawn.h>
#include <sys/wait.h>

#include "load.h"
#include "template.h"

extern char **environ;

struct storm {
	struct template lib, only;
	const char *dir;
	char *rounds;
	unsigned long loaded, executed;
};

static void path_of(const struct storm *s, unsigned long i, char symbol[32], char path[512])
{
	snprintf(symbol, 32, "only_%06lu", i % 1000000);
	snprintf(path, 512, "%.400s/%s", s->dir, symbol);
}

LOAD_HOT static void load_and_work(struct storm *s, const char *path)
{
	uint64_t (*entry)(uint64_t rounds);
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	*(void **)&entry = dlsym(lib, "own_entry");
	(void)entry(strtoull(s->rounds, NULL, 10));
	dlclose(lib);
}

#define CALLER(n)                                                          \
	LOAD_HOT static void caller_##n(struct storm *s, const char *path) \
	{                                                                  \
		load_and_work(s, path);                                    \
		s->loaded++;                                               \
	}

CALLER(0)
CALLER(1)
CALLER(2)
CALLER(3)
CALLER(4)
CALLER(5)
CALLER(6)
CALLER(7)
CALLER(8)
CALLER(9)
CALLER(10)
CALLER(11)
CALLER(12)
CALLER(13)
CALLER(14)
CALLER(15)

static void call(struct storm *s, unsigned long i, const char *path)
{
	static void (*const callers[])(struct storm * s, const char *path) = {
		caller_0,  caller_1,  caller_2,	 caller_3,  caller_4,  caller_5,
		caller_6,  caller_7,  caller_8,	 caller_9,  caller_10, caller_11,
		caller_12, caller_13, caller_14, caller_15,
	};

	callers[i % 16](s, path);
}

static void execute(struct storm *s, char *path)
{
	char *argv[] = { path, s->rounds, NULL };
	pid_t pid;

	if (posix_spawn(&pid, path, NULL, NULL, argv, environ) != 0 || waitpid(pid, NULL, 0) < 0)
		exit(1);
	s->executed++;
}

static void one_new(struct storm *s, unsigned long i)
{
	struct template *t = i % 4 == 3 ? &s->only : &s->lib;
	char symbol[32], path[512];

	path_of(s, i, symbol, path);
	template_write(t, path, symbol);
	if (t == &s->only)
		execute(s, path);
	else
		call(s, i, path);
	unlink(path);
}

static void one_again(struct storm *s, unsigned long i, unsigned long cnt)
{
	char symbol[32], path[512];

	path_of(s, i % cnt, symbol, path);
	if (i < cnt)
		template_write(&s->lib, path, symbol);
	call(s, i % cnt, path);
}

static void wait_for(uint64_t due)
{
	uint64_t now = load_now(CLOCK_MONOTONIC);

	if (now < due)
		usleep((useconds_t)((due - now) / NSEC_PER_USEC));
}

int main(int argc, char *argv[])
{
	double rate = load_arg(argc, argv, 4, 1000), seconds = load_arg(argc, argv, 5, 10);
	long first = (long)load_arg(argc, argv, 7, 0);
	uint64_t begun = load_now(CLOCK_MONOTONIC), now = begun;
	uint64_t end = begun + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	struct storm s = { 0 };

	if (argc != 8)
		return 2;
	template_load(&s.lib, argv[1]);
	template_load(&s.only, argv[2]);
	s.dir = argv[3];
	s.rounds = argv[6];
	for (unsigned long i = 0; now < end; i++, now = load_now(CLOCK_MONOTONIC)) {
		if (rate > 0)
			wait_for(begun + (uint64_t)((double)i / rate * (double)NSEC_PER_SEC));
		if (first < 0)
			one_again(&s, i, (unsigned long)-first);
		else
			one_new(&s, (unsigned long)first + i);
	}
	printf("{\"loaded\": %lu, \"executed\": %lu, \"seconds\": %.3f}\n", s.loaded, s.executed,
	       (double)(now - begun) / (double)NSEC_PER_SEC);
	return 0;
}
