/* SPDX-License-Identifier: Apache-2.0 */
/*
 * swaps WHAT ARG... — changes as fast as it can what somebody else is about to open, until it is killed.
 *
 * map A B		one page at one address, of one file and of the other; its address is printed
 * run A B OFFSET...	the same with the whole files, each for some time, in which its code at OFFSET (its own) is called
 * exchange X Y ...	two names for two things, with each pair by turns
 * bind WHAT WHERE	mounted there, and not
 * cut FILE PAUSE_US LEAST	the file becomes shorter, at random, but for LEAST bytes, and is whole again for at most so long
 * Prints "swaps" and the address when it begins.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "load.h"

#define PLACE 0x10000000UL
#define PAGE 4096UL
#define RUN_ROUNDS 200000

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void begins(void)
{
	printf("swaps %lx\n", PLACE);
	(void)fflush(stdout);
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

static void map_at(int fd, size_t sz, int prot)
{
	if (mmap((void *)PLACE, sz, prot, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED)
		die("mmap");
}

static void swap_maps(char *paths[])
{
	int fds[] = { open_or_die(paths[0], O_RDONLY), open_or_die(paths[1], O_RDONLY) };

	map_at(fds[0], PAGE, PROT_READ);
	begins();
	for (unsigned int i = 0;; i++)
		map_at(fds[i % 2], PAGE, PROT_READ);
}

static void run_maps(char *args[])
{
	int fds[] = { open_or_die(args[0], O_RDONLY), open_or_die(args[1], O_RDONLY) };
	struct stat st;

	if (fstat(fds[0], &st) < 0)
		die(args[0]);
	begins();
	for (unsigned int i = 0;; i = !i) {
		void (*code)(uint64_t) =
			(void (*)(uint64_t))(PLACE + strtoul(args[2 + i], NULL, 0));

		map_at(fds[i], (size_t)st.st_size, PROT_READ | PROT_EXEC);
		code(RUN_ROUNDS);
	}
}

static void exchange(int cnt, char *names[])
{
	begins();
	for (int i = 0;; i = (i + 2) % cnt)
		if (renameat2(AT_FDCWD, names[i], AT_FDCWD, names[i + 1], RENAME_EXCHANGE) < 0)
			die(names[i]);
}

static void swap_mounts(const char *what, const char *where)
{
	begins();
	for (;;) {
		if (mount(what, where, NULL, MS_BIND, NULL) < 0)
			die(where);
		(void)usleep(1000); /* the kernel takes its time for the other half */
		if (umount2(where, MNT_DETACH) < 0)
			die(where);
	}
}

static void pause_at_most(unsigned int *seed, uint64_t us)
{
	uint64_t end = load_now(CLOCK_MONOTONIC) + (uint64_t)rand_r(seed) % (us * NSEC_PER_USEC);

	while (load_now(CLOCK_MONOTONIC) < end)
		;
}

static void cut(const char *path, uint64_t pause_us, size_t least)
{
	int fd = open_or_die(path, O_RDWR);
	unsigned int seed = (unsigned int)getpid();
	struct stat st;
	char *bytes;
	size_t sz;

	if (fstat(fd, &st) < 0)
		die(path);
	sz = (size_t)st.st_size;
	bytes = malloc(sz);
	if (!bytes || sz <= least || pread(fd, bytes, sz, 0) != (ssize_t)sz)
		die(path);
	begins();
	for (;;) {
		size_t at = least + (size_t)rand_r(&seed) % (sz - least);

		pause_at_most(&seed, pause_us);
		if (ftruncate(fd, (off_t)at) < 0 ||
		    pwrite(fd, bytes + at, sz - at, (off_t)at) != (ssize_t)(sz - at))
			die(path);
	}
}

int main(int argc, char *argv[])
{
	if (argc >= 4 && strcmp(argv[1], "map") == 0)
		swap_maps(argv + 2);
	if (argc == 6 && strcmp(argv[1], "run") == 0)
		run_maps(argv + 2);
	if (argc >= 4 && argc % 2 == 0 && strcmp(argv[1], "exchange") == 0)
		exchange(argc - 2, argv + 2);
	if (argc == 4 && strcmp(argv[1], "bind") == 0)
		swap_mounts(argv[2], argv[3]);
	if (argc == 5 && strcmp(argv[1], "cut") == 0)
		cut(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 0));
	return 2;
}
