/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A connection that says nothing costs the sampler nothing: it is kept here, in a place that its user
 * has a share of, until there is something to read or its time is up. Who is sent away gets the
 * protocol's own word for it, FAILED with one line.
 */

#include "door.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "accept.h"
#include "cprof/base/clock.h"
#include "cprof/base/seqpacket.h"
#include "cprof/session.h"

#define DOOR_PATIENCE_NS (10 * NSEC_PER_SEC)

enum { DOOR_PRIORITY_ACCEPT = 5, DOOR_PRIORITY_GUEST = 6 };

static const struct places_limits door_limits = {
	.others = 64, .per_uid = 8, .privileged = 32, .root = 8
};

struct guest {
	struct door *door;
	struct guest *next;
	struct loop_source *source;
	struct peer peer;
	uint64_t deadline_ns;
	int fd;
};

struct door {
	struct loop *loop;
	struct link *link;
	struct counts *counts;
	struct acceptor acceptor;
	struct places places;
	struct guest *guests;
};

static void send_away(struct door *d, int fd, int error, const char *why)
{
	struct session_failed m = {
		.head = { .size = sizeof(m), .type = SESSION_FAILED },
		.error = error,
		.text_len = (uint32_t)strlen(why),
	};

	memcpy(m.text, why, strlen(why));
	d->counts->v[COUNT_sessions_refused]++;
	(void)seqpacket_send(fd, &m, sizeof(m), -EBADF);
	(void)fd_close(fd);
}

/* Its descriptor stays. */
static void guest_free(struct guest *g)
{
	struct guest **at = &g->door->guests;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	g->source = loop_remove(g->source);
	places_give(&g->door->places, &g->peer);
	free(g);
}

static void guest_hand_over(struct door *d, int fd, const struct peer *peer)
{
	const struct control_client m = {
		.head = { .size = sizeof(m), .type = CONTROL_CLIENT },
		.uid = peer->uid,
		.flags = peer->privileged ? CONTROL_ALL : 0,
	};
	int r = link_send_client(d->link, &m, fd);

	if (r < 0) {
		send_away(d, fd, r == -ENOTCONN ? -ENOTCONN : -EAGAIN,
			  r == -ENOTCONN
				  ? "cprofd's sampler is not running: it is being started again; "
				    "try again in a few seconds"
				  : "cprofd's sampler is busy: it takes no more for now; try again "
				    "in a few seconds");
		return;
	}
	d->counts->v[COUNT_sessions]++;
	(void)fd_close(fd);
}

/* The end of what he sends is readable too. */
static bool guest_said_something(int fd)
{
	char c;

	return recv(fd, &c, sizeof(c), MSG_PEEK | MSG_DONTWAIT) > 0;
}

static int guest_on_ready(struct loop_source *s, uint32_t events, void *ctx)
{
	struct guest *g = ctx;
	struct door *d = g->door;
	struct peer peer = g->peer;
	int fd = g->fd;

	guest_free(g);
	if (!(events & EPOLLHUP) && guest_said_something(fd))
		guest_hand_over(d, fd, &peer);
	else
		(void)fd_close(fd);
	return 0;
}

static int guest_add(struct door *d, int fd, const struct peer *peer)
{
	struct guest *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return -ENOMEM;
	g->door = d;
	g->peer = *peer;
	g->fd = fd;
	g->deadline_ns = clock_mono_ns() + DOOR_PATIENCE_NS;
	r = loop_add_io(d->loop, fd, EPOLLIN, DOOR_PRIORITY_GUEST, guest_on_ready, g, &g->source);
	if (r < 0) {
		free(g);
		return r;
	}
	g->next = d->guests;
	d->guests = g;
	return 0;
}

static void door_on_accept(int fd, const struct peer *peer, int error, void *ctx)
{
	struct door *d = ctx;
	enum places_answer place;

	if (error < 0) {
		send_away(d, fd, error, "cprofd cannot tell who you are: try again");
		return;
	}
	place = places_take(&d->places, peer);
	if (place != PLACES_OK) {
		send_away(
			d, fd, -EUSERS,
			place == PLACES_USER_FULL
				? "cprofd: too many connections of your user wait; close some"
				: "cprofd: too many connections wait; try again in a few seconds");
		return;
	}
	if (guest_add(d, fd, peer) < 0) {
		places_give(&d->places, peer);
		send_away(d, fd, -ENOMEM, "cprofd has no memory left: try again later");
	}
}

static void door_on_starved(void *ctx)
{
	struct door *d = ctx;

	d->counts->v[COUNT_sessions_refused]++;
}

int door_new(struct loop *loop, struct link *link, struct counts *counts, struct door **ret)
{
	struct door *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->loop = loop;
	d->link = link;
	d->counts = counts;
	d->places.limits = door_limits;
	d->acceptor = (struct acceptor){ .loop = loop,
					 .fd = -EBADF,
					 .priority = DOOR_PRIORITY_ACCEPT,
					 .control_gid = UINT32_MAX,
					 .fn = door_on_accept,
					 .starved = door_on_starved,
					 .ctx = d };
	*ret = d;
	return 0;
}

struct door *door_free(struct door *d)
{
	if (!d)
		return NULL;
	acceptor_done(&d->acceptor);
	while (d->guests) {
		int fd = d->guests->fd;

		guest_free(d->guests);
		(void)fd_close(fd);
	}
	free(d);
	return NULL;
}

int door_listen(struct door *d, int fd)
{
	return acceptor_listen(&d->acceptor, fd);
}

void door_set_group(struct door *d, uint32_t gid)
{
	d->acceptor.control_gid = gid;
}

bool door_check(struct door *d, uint64_t now_ns)
{
	struct guest *next;

	acceptor_resume(&d->acceptor);
	for (struct guest *g = d->guests; g; g = next) {
		int fd = g->fd;

		next = g->next;
		if (g->deadline_ns > now_ns)
			continue;
		guest_free(g);
		send_away(d, fd, -ETIMEDOUT,
			  "cprofd: nothing was asked for in time; connect again");
	}
	return d->guests != NULL;
}
