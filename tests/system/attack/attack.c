/* SPDX-License-Identifier: Apache-2.0 */

/*
 * attack — a role that was taken over: it confines itself as the role does, for that is the role's own
 * code, and then does one thing that the role never does. It is to be ended by SIGSYS, or to be refused
 * where the table says so.
 *
 * In the role's place under cprofd, each process takes the next attack of the file "next" beside it (its
 * user must be able to write that): the launcher starts another process for the next one. Alone it
 * is given the number. Whoever survives says on standard error what happened.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/seqpacket.h"
#include "cprof/wire.h"

#if defined(ATTACK_SAMPLER)
#include "sampler.h"
#elif defined(ATTACK_FRONT)
#include "front/confine.h"
#elif defined(ATTACK_OPENER)
#include "opener/confine.h"
#else
#include "symbolizer/confine.h"
#endif

#define ARGS_MAX 6
#define PAGE 4096
#define P(p) ((long)(uintptr_t)(p))

struct attack {
	const char *name;
	long nr;
	long args[ARGS_MAX];
	int refused; /* with this errno; 0: the end by SIGSYS */
};

static const char victim[] = "/etc/passwd", made[] = "/tmp/cprof-attack", dir[] = "/tmp";
static const char *const argv_none[] = { "true", NULL };
static const struct sockaddr_un abstract = { .sun_family = AF_UNIX, .sun_path = "\0attack" };
#ifndef ATTACK_SAMPLER
static const struct perf_event_attr event = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(event) };
#endif
static char page[2 * PAGE] __attribute__((aligned(PAGE)));
#ifndef ATTACK_OPENER
static const struct open_how how = { .flags = O_RDONLY };
#endif
static const struct rlimit more = { RLIM_INFINITY, RLIM_INFINITY };

#define A(name, ...)                                  \
	{                                             \
#name, SYS_##name, { __VA_ARGS__ }, 0 \
	}
#define A_AS(text, name, ...)                        \
	{                                            \
		text, SYS_##name, { __VA_ARGS__ }, 0 \
	}
#define A_REFUSED(text, error, name, ...)                \
	{                                                \
		text, SYS_##name, { __VA_ARGS__ }, error \
	}

static const struct attack attacks[] = {
#include "attacks.inc"
};

/* Nobody is to be harmed by a sandbox that does not hold: all rights are those of a role. */
static void attack(const struct attack *a)
{
	const long *v = a->args;
	long r;

	errno = 0;
	r = syscall(a->nr, v[0], v[1], v[2], v[3], v[4], v[5]);
	if (a->refused && r < 0 && errno == a->refused)
		fprintf(stderr, "attack %s: refused\n", a->name);
	else
		fprintf(stderr, "attack %s: %ld, errno %d\n", a->name, r, r < 0 ? errno : 0);
}

static int attack_confine(struct wire_sandbox *m)
{
#if defined(ATTACK_SAMPLER)
	static struct sampler s;

	return confine(&s, -EBADF);
#elif defined(ATTACK_FRONT)
	return confine(-EBADF);
#else
#ifdef ATTACK_OPENER
	/* Of the opener it is the workers who meet strangers. */
	const int r = confine(m);

	return r < 0 ? r : confine_worker();
#else
	return confine(m);
#endif
#endif
}

/* Takes a number from the file and leaves the next one; -1: all is done. */
static int take_next(void)
{
	char path[512], text[16] = "";
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
	_cleanup_close_ int fd = -EBADF;
	int next;

	if (n < 0)
		return -1;
	path[n] = '\0';
	(void)strcpy(strrchr(path, '/') + 1, "next");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -1;
	next = atoi(text);
	(void)snprintf(text, sizeof(text), "%-8d", next + 1);
	return pwrite(fd, text, strlen(text), 0) > 0 ? next : -1;
}

static int list_attacks(void)
{
	for (size_t i = 0; i < ELEMENTSOF(attacks); i++)
		(void)puts(attacks[i].name);
	return 0;
}

int main(int argc, char **argv)
{
	const struct wire_head ready = { .size = sizeof(ready), .type = WIRE_READY };
	struct wire_sandbox sandbox = { .head.size = 0 };
	const bool alone = argc > 1 && strcmp(argv[1], "--verbose") != 0;
	int number;

	if (alone && strcmp(argv[1], "--list") == 0)
		return list_attacks();
	if (getuid() == 0)
		return 3;
	number = alone ? atoi(argv[1]) : take_next();
	while (!alone && (number < 0 || (size_t)number >= ELEMENTSOF(attacks)))
		(void)pause(); /* all is done */
	if (!alone)
		(void)seqpacket_send(WIRE_CONTROL_FD, &ready, sizeof(ready), -EBADF);
	if (attack_confine(&sandbox) < 0)
		return 4;
	if (sandbox.head.size && !alone)
		(void)seqpacket_send(WIRE_CONTROL_FD, &sandbox, sizeof(sandbox), -EBADF);
	if ((size_t)number >= ELEMENTSOF(attacks))
		return 0;
	attack(&attacks[number]);
	return 5;
}
