/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The launcher makes every socketpair and keeps no end of it, so a role sees at once when its
 * neighbour is gone. A fresh role is connected with those that run; the ones that start later are
 * connected when they come: first start and restart are one and the same.
 */

#include "wiring.h"

#include <errno.h>
#include <fcntl.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"
#include "cprof/base/seqpacket.h"
#include "role.h"
#include "crew.h"
#include "daemon.h"

static const struct wiring_link {
	enum wire_role a;
	enum wire_role b;
} wiring_links[] = {
	/* First: with its new ends the sampler at once asks for files to be sent along this one. */
	{ WIRE_ROLE_OPENER, WIRE_ROLE_SYMBOLIZER },
	{ WIRE_ROLE_SAMPLER, WIRE_ROLE_OPENER },
	{ WIRE_ROLE_SAMPLER, WIRE_ROLE_SYMBOLIZER },
	{ WIRE_ROLE_SAMPLER, WIRE_ROLE_FRONT },
};

void wiring_tell(struct role *to, const void *m, size_t sz, int fd)
{
	int r;

	if (to->control < 0)
		return;
	r = seqpacket_send(to->control, m, sz, fd);
	if (r < 0 && r != -EPIPE && r != -ECONNRESET) /* those are deaths, which SIGCHLD tells */
		role_replace(to, "does not read its control socket");
}

static void wiring_send_peer(struct role *to, enum wire_role whose, pid_t pid, int fd)
{
	struct wire_peer m = {
		.head = { .size = sizeof(m), .type = WIRE_PEER },
		.role = whose,
		.pid = (uint32_t)pid,
	};

	wiring_tell(to, &m, sizeof(m), fd);
}

static void wiring_link(struct role *a, struct role *b)
{
	_cleanup_close_ int end_a = -EBADF, end_b = -EBADF;
	int fds[2], r;

	r = seqpacket_pair(fds);
	if (r < 0) {
		log_error(r, "%s to %s: no socket: %m", a->spec->name, b->spec->name);
		return;
	}
	end_a = fds[0];
	end_b = fds[1];
	wiring_send_peer(a, b->spec->number, b->pid, end_a);
	wiring_send_peer(b, a->spec->number, a->pid, end_b);
}

/*
 * Opened anew each time: the reader's position is shared with whoever holds a duplicate. Whether
 * addresses are shown is decided by our capabilities, now, not by the reader's.
 */
static void wiring_lend_kallsyms(struct role *to)
{
	_cleanup_close_ int fd = -EBADF;
	struct wire_head m = { .size = sizeof(m), .type = WIRE_KALLSYMS };

	fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		log_warning(-errno, "/proc/kallsyms: %m; kernel functions stay without names");
		return;
	}
	wiring_tell(to, &m, sizeof(m), fd);
}

void wiring_configure(struct crew *crew, enum wire_role number)
{
	const struct daemon *d = crew_daemon(crew);
	struct role *to = crew_role(crew, number);
	struct wire_config m = {
		.head = { .size = sizeof(m), .type = WIRE_CONFIG },
		.config = d->config,
		.control_gid = d->users.control,
	};

	/* The role that reads strangers' files need know no more than what it may take. */
	if (number == WIRE_ROLE_SYMBOLIZER) {
		config_defaults(&m.config);
		m.config.memory = d->config.memory;
		m.control_gid = UINT32_MAX;
	}
	wiring_tell(to, &m, sizeof(m), -EBADF);
}

void wiring_tell_violations(struct crew *crew)
{
	const struct wire_sandbox m = {
		.head = { .size = sizeof(m), .type = WIRE_SANDBOX },
		.violations = crew_violations(crew),
	};

	wiring_tell(crew_role(crew, WIRE_ROLE_SAMPLER), &m, sizeof(m), -EBADF);
}

/* Opened anew where we may: who reads a directory moves a position that duplicates share. */
static void wiring_lend_spool(struct role *to, const struct daemon *d)
{
	_cleanup_close_ int own = openat(d->spool, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct wire_head m = { .size = sizeof(m), .type = WIRE_SPOOL };

	wiring_tell(to, &m, sizeof(m), own >= 0 ? own : d->spool);
}

static void wiring_lend_sockets(struct role *to, const struct daemon *d)
{
	struct wire_listen m = { .head = { .size = sizeof(m), .type = WIRE_LISTEN } };

	for (m.kind = 0; m.kind < WIRE_LISTEN_MAX; m.kind++)
		wiring_tell(to, &m, sizeof(m), d->sockets.fds[m.kind]);
}

/* Before its neighbours: a sampler is to know whether it is the daemon's before anybody asks it. */
static void wiring_equip(struct crew *crew, struct role *fresh)
{
	const struct daemon *d = crew_daemon(crew);
	const enum wire_role number = fresh->spec->number;

	if (!d || number == WIRE_ROLE_OPENER)
		return;
	wiring_configure(crew, number);
	if (number == WIRE_ROLE_SYMBOLIZER)
		return;
	wiring_lend_spool(fresh, d);
	if (number == WIRE_ROLE_FRONT)
		wiring_lend_sockets(fresh, d);
}

/*
 * Files have the numbers of the sampler that asked for them. What an opener sent for the last one may
 * still wait in its socket, also when it died since: the symbolizer gets another end, of nobody until an
 * opener comes.
 */
static void wiring_cut_files(struct crew *crew)
{
	struct role *symbolizer = crew_role(crew, WIRE_ROLE_SYMBOLIZER);
	_cleanup_close_ int end = -EBADF;
	int fds[2];

	if (symbolizer->pid == 0 || crew_role(crew, WIRE_ROLE_OPENER)->pid != 0 ||
	    seqpacket_pair(fds) < 0)
		return;
	end = fds[0];
	(void)fd_close(fds[1]);
	wiring_send_peer(symbolizer, WIRE_ROLE_OPENER, 0, end);
}

void wiring_connect(struct crew *crew, struct role *fresh)
{
	enum wire_role number = fresh->spec->number;

	wiring_equip(crew, fresh);
	if (number == WIRE_ROLE_SAMPLER) {
		wiring_cut_files(crew);
		if (crew_violations(crew) > 0)
			wiring_tell_violations(crew);
	}
	for (size_t i = 0; i < ELEMENTSOF(wiring_links); i++) {
		const struct wiring_link *link = &wiring_links[i];
		struct role *other;

		if (link->a != number && link->b != number)
			continue;
		other = crew_role(crew, link->a == number ? link->b : link->a);
		if (other && other->pid != 0)
			wiring_link(fresh, other);
	}
	if (number == WIRE_ROLE_SYMBOLIZER)
		wiring_lend_kallsyms(fresh);
	if (number == WIRE_ROLE_SAMPLER && crew_client(crew) >= 0)
		wiring_send_peer(fresh, WIRE_ROLE_CLIENT, 0, crew_client(crew));
}
