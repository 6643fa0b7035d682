/* SPDX-License-Identifier: Apache-2.0 */
/*
 * descent HOW MS — time of a tree that a fork alone does not tell of. It begins at a byte on standard
 * input; whoever works prints {"pid", "cpu_ns"} as one line of JSON.
 *
 *	exec	a second thread becomes another program (as Go's syscall.Exec does), whose child works for MS
 *		of CPU time when the program itself has ended
 *	uring	a child has a worker of io_uring fill a buffer with random bytes for MS of CPU time
 */

#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "load.h"

#define BUFFER_SZ ((size_t)8 << 20)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void tell(void)
{
	printf("{\"pid\": %d, \"cpu_ns\": %llu}\n", getpid(),
	       (unsigned long long)load_now(CLOCK_PROCESS_CPUTIME_ID));
	fflush(stdout);
}

LOAD_HOT static uint64_t in_child(uint64_t ns)
{
	uint64_t x = 1;

	while (load_now(CLOCK_PROCESS_CPUTIME_ID) < ns)
		x = churn(x, 20000);
	return x;
}

static int program(uint64_t ns)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return 0;
	(void)usleep(200000);
	(void)in_child(ns);
	tell();
	return 0;
}

static void *become_program(void *arg)
{
	(void)execl("/proc/self/exe", "descent", "program", arg, NULL);
	die("exec");
	return NULL;
}

static void *map_ring(int fd, size_t sz, off_t at)
{
	void *p = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, at);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/* Reads one by one, each by a worker and not by the caller; the results are not looked at. */
static void read_by_worker(uint64_t ns)
{
	struct io_uring_params p = { 0 };
	int fd = (int)syscall(SYS_io_uring_setup, 1, &p), from = open("/dev/urandom", O_RDONLY);
	void *buffer =
		mmap(NULL, BUFFER_SZ, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_sqe *sqe;
	char *sq, *cq;

	if (fd < 0 || from < 0 || buffer == MAP_FAILED)
		die("io_uring_setup");
	sq = map_ring(fd, p.sq_off.array + sizeof(uint32_t), IORING_OFF_SQ_RING);
	cq = map_ring(fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		      IORING_OFF_CQ_RING);
	sqe = map_ring(fd, sizeof(*sqe), IORING_OFF_SQES);
	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_READ,
		.flags = IOSQE_ASYNC,
		.fd = from,
		.addr = (uintptr_t)buffer,
		.len = BUFFER_SZ,
	};
	*(uint32_t *)(sq + p.sq_off.array) = 0;
	for (uint32_t i = 1; load_now(CLOCK_PROCESS_CPUTIME_ID) < ns; i++) {
		__atomic_store_n((uint32_t *)(sq + p.sq_off.tail), i, __ATOMIC_RELEASE);
		if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
			die("io_uring_enter");
		__atomic_store_n((uint32_t *)(cq + p.cq_off.head), i, __ATOMIC_RELEASE);
	}
}

static int uring(uint64_t ns)
{
	pid_t pid = fork();
	int status = 0;

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		read_by_worker(ns);
		tell();
		exit(0);
	}
	(void)waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

int main(int argc, char *argv[])
{
	uint64_t ns = (uint64_t)load_arg(argc, argv, 2, 300) * 1000000;
	pthread_t thread;
	char byte;

	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "program") == 0)
		return program(ns);
	(void)!read(STDIN_FILENO, &byte, 1);
	if (strcmp(argv[1], "uring") == 0)
		return uring(ns);
	if (pthread_create(&thread, NULL, become_program, argv[2]))
		die("pthread_create");
	(void)pthread_join(thread, NULL);
	return 1;
}
