/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What each path answers, and to whom. Rights are asked of the kernel anew for each request, so that a
 * group that changed meanwhile counts. Totals are everybody's; which processes there are, and what they
 * do, is their user's and the privileged's.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "answer.h"
#include "cprof/base/clock.h"
#include "empty.h"
#include "front.h"
#include "listing.h"
#include "pages.h"

#define CMDLINE_MAX (1 << 20)
#define LISTINGS_MAX 4

static const struct places_limits recordings_limits = {
	.others = 16, .per_uid = 4, .privileged = 16, .root = 4
};

static const char no_sampler[] = "cprofd's sampler is not running: it is being started again; try "
				 "again in a few seconds";

static void refuse_request(struct request *req, unsigned int status, const char *text)
{
	struct front *f = req->ctx;
	struct refusal refusal;

	(void)refuse(&refusal, status, "%s", text);
	answer_refusal(req, &f->counts, &refusal);
}

/* What came of a question to the sampler. */
static void refuse_for_sampler(struct request *req, int error)
{
	switch (error) {
	case -ENOTCONN:
		refuse_request(req, 503, no_sampler);
		return;
	case -EAGAIN:
		refuse_request(req, 503, "cprofd's sampler is busy: try again in a few seconds");
		return;
	case -ETIMEDOUT:
		refuse_request(req, 503,
			       "cprofd's sampler does not answer: try again in a few seconds");
		return;
	case -EBADMSG:
		refuse_request(req, 503,
			       "cprofd's sampler sent what makes no sense: see the journal");
		return;
	default:
		refuse_request(req, 503, "cprofd has no memory or descriptor left: try again");
	}
}

static struct pages_front pages_front_of(const struct request *req)
{
	const struct front *f = req->ctx;

	return (struct pages_front){ .counts = &f->counts,
				     .connections = http_connections(f->http),
				     .recordings = f->recordings_cnt,
				     .privileged = req->peer.privileged };
}

static void on_status(int error, const struct link_answer *answer, void *ctx)
{
	struct request *req = ctx;
	struct front *f = req->ctx;
	struct pages_front front = pages_front_of(req);
	bool metrics = req->route.what == ROUTE_METRICS;
	struct answer_text t;

	if (error == 0)
		error = answer_text_open(&t);
	if (error < 0) {
		refuse_for_sampler(req, error);
		return;
	}
	if (metrics)
		pages_metrics(t.f, answer->status, &front);
	else
		pages_status(t.f, answer->status, &front, clock_mono_ns());
	answer_text_send(req, &f->counts, metrics ? ANSWER_METRICS : ANSWER_JSON, &t);
}

/* The index, or /ps; @p may be NULL for the first: most of it is known without a sampler. */
static void send_processes(struct request *req, const struct pages_processes *p)
{
	const bool is_index = req->route.what == ROUTE_INDEX;
	struct front *f = req->ctx;
	struct answer_text t;
	int r = answer_text_open(&t);

	if (r < 0) {
		refuse_for_sampler(req, r);
		return;
	}
	if (is_index)
		pages_index(t.f, &req->route, p);
	else
		pages_ps(t.f, p);
	answer_text_send(req, &f->counts, is_index ? ANSWER_HTML : ANSWER_JSON, &t);
}

static void on_processes(int error, const struct link_answer *answer, void *ctx)
{
	struct request *req = ctx;
	struct front *f = req->ctx;
	struct pages_processes p = { 0 };

	if (error == 0)
		error = pages_read_processes(answer->processes, answer->fd, &req->peer, &p);
	if (error == -EBADMSG)
		f->counts.v[COUNT_sampler_lied]++;
	if (error == 0 || req->route.what == ROUTE_INDEX)
		send_processes(req, error == 0 ? &p : NULL);
	else
		refuse_for_sampler(req, error);
	pages_processes_done(&p);
}

static void ask(struct request *req, enum control_type type)
{
	struct front *f = req->ctx;
	int r;

	req->waiter.ctx = req;
	req->waiter.patient = !req->peer.privileged;
	req->waiter.fn = type == CONTROL_STATUS ? on_status : on_processes;
	r = link_ask(f->link, type, &req->waiter, clock_mono_ns());
	if (r == 0)
		return;
	if (req->route.what == ROUTE_INDEX)
		send_processes(req, NULL);
	else
		refuse_for_sampler(req, r);
}

static void recording_over(struct request *req)
{
	struct front *f = req->ctx;

	if (!req->recording)
		return;
	req->recording = recording_free(req->recording);
	places_give(&f->recordings, &req->peer);
	f->recordings_cnt--;
}

static enum front_count count_of(const struct recording_result *result)
{
	if (result->error == 0)
		return COUNT_recordings;
	return result->refusal.status == 429 ? COUNT_recordings_refused : COUNT_recordings_failed;
}

static void on_recorded(struct recording_result *result, void *ctx)
{
	struct request *req = ctx;
	struct front *f = req->ctx;
	unsigned char empty[EMPTY_PROFILE_MAX];

	f->counts.v[count_of(result)]++;
	if (result->error < 0) {
		answer_refusal(req, &f->counts, &result->refusal);
	} else if (result->fd >= 0) {
		const struct answer_file file = { .type = ANSWER_BINARY,
						  .name = "profile",
						  .fd = TAKE_FD(result->fd),
						  .sz = result->bytes };

		answer_file(req, &file);
	} else {
		answer_attachment(req, "profile", empty,
				  empty_profile(result->from_real_ns, result->duration_ns,
						result->hz, empty));
	}
	recording_over(req);
}

static struct session_start session_start_of(const struct front *f, const struct route *route)
{
	struct session_start start = {
		.flags = SESSION_MERGED,
		.hz = route->hz ? route->hz : f->hz,
		.duration_ns = route->seconds * NSEC_PER_SEC,
	};

	switch (route->scope) {
	case ROUTE_MACHINE:
		start.flags |= SESSION_ALL;
		break;
	case ROUTE_UNIT:
		start.flags |= SESSION_UNIT;
		memcpy(start.unit, route->unit, sizeof(start.unit));
		break;
	case ROUTE_PID:
		start.pids_cnt = 1;
		start.pids[0] = (int32_t)route->pid;
		break;
	}
	return start;
}

static void serve_profile(struct request *req)
{
	struct front *f = req->ctx;
	struct recording_opts opts = {
		.loop = f->loop,
		.link = f->link,
		.start = session_start_of(f, &req->route),
		.client = { .uid = req->peer.uid, .flags = req->peer.privileged ? CONTROL_ALL : 0 },
		.fn = on_recorded,
		.ctx = req,
	};
	int r;

	/* The head of an answer needs no samples. */
	if (req->method == REQUEST_HEAD) {
		answer_attachment(req, "profile", "", 0);
		return;
	}
	f->recordings.limits = recordings_limits;
	if (places_take(&f->recordings, &req->peer) != PLACES_OK) {
		f->counts.v[COUNT_recordings_refused]++;
		refuse_request(req, 429,
			       "too many profiles are being recorded: try again when one of them "
			       "is done");
		return;
	}
	r = recording_start(&opts, clock_mono_ns(), &req->recording);
	if (r < 0) {
		places_give(&f->recordings, &req->peer);
		f->counts.v[COUNT_recordings_failed]++;
		refuse_for_sampler(req, r);
		return;
	}
	f->recordings_cnt++;
}

static void serve_cmdline(struct request *req, int dir)
{
	struct front *f = req->ctx;
	const struct root root = { .fd = dir };
	static const char ours[] = "cprofd";
	char *text;
	ssize_t n = sizeof(ours) - 1;

	text = calloc(1, req->route.scope == ROUTE_PID ? CMDLINE_MAX : sizeof(ours));
	if (!text) {
		refuse_for_sampler(req, -ENOMEM);
		return;
	}
	if (req->route.scope == ROUTE_PID)
		n = root_read(&root, "cmdline", text, CMDLINE_MAX);
	else
		memcpy(text, ours, sizeof(ours));
	/* After reading: an exec in between may have made it somebody else's. */
	if (n < 0 || (req->route.scope == ROUTE_PID && !rights_are_kept(&req->peer, dir))) {
		struct refusal refusal;

		free(text);
		(void)refuse(&refusal, 404, "process %u has ended, or changed its user",
			     req->route.pid);
		answer_refusal(req, &f->counts, &refusal);
		return;
	}
	/* As os.Args joined by NUL: none behind the last. */
	while (n > 0 && text[n - 1] == '\0')
		n--;
	answer_bytes(req, ANSWER_TEXT, text, (size_t)n);
}

static void serve_symbol(struct request *req)
{
	char *text = strdup("num_symbols: 1\n");

	if (text)
		answer_bytes(req, ANSWER_TEXT, text, strlen(text));
	else
		refuse_for_sampler(req, -ENOMEM);
}

static void listing_over(struct request *req)
{
	struct front *f = req->ctx;

	if (!req->listing)
		return;
	req->listing = listing_free(req->listing);
	f->listings_cnt--;
}

static void on_listed(int error, int fd, uint64_t bytes, void *ctx)
{
	struct request *req = ctx;
	const struct answer_file file = { .type = ANSWER_JSON, .fd = fd, .sz = bytes };

	if (error == 0)
		answer_file(req, &file);
	else
		refuse_request(req, 503,
			       error == -ETIMEDOUT
				       ? "the stored profiles took too long to list: ask for less, "
					 "by since= and until="
				       : "the stored profiles cannot be listed: the directory "
					 "cannot be read, or there is no memory left");
	listing_over(req);
}

static void serve_ls(struct request *req)
{
	struct front *f = req->ctx;
	const struct listing_opts opts = { .loop = f->loop,
					   .spool = f->spool,
					   .directory = f->directory,
					   .files = req->route.files,
					   .fn = on_listed,
					   .ctx = req };
	int r;

	if (f->spool < 0) {
		refuse_request(req, 503, "cprofd stores no profiles: see the journal");
		return;
	}
	if (f->listings_cnt >= LISTINGS_MAX) {
		refuse_request(req, 429, "stored profiles are being listed for others: try again");
		return;
	}
	r = listing_start(&opts, clock_mono_ns(), &req->listing);
	if (r < 0)
		refuse_for_sampler(req, r);
	else
		f->listings_cnt++;
}

/* 0, or negative and *refusal. *ret_dir is the process's where the request is of one. */
static int check_rights(struct request *req, int *ret_dir, struct refusal *refusal)
{
	struct front *f = req->ctx;
	const struct asker asker = { .root = &f->root, .peer = &req->peer, .group = f->group };

	if (req->route.what == ROUTE_LS)
		return rights_to_all(&asker, "stored profiles are of every user's processes",
				     refusal);
	if (req->route.scope == ROUTE_PID)
		return rights_to_process(&asker, req->route.pid, ret_dir, refusal);
	if (req->route.what == ROUTE_PROFILE)
		return rights_to_all(
			&asker,
			req->route.scope == ROUTE_UNIT
				? "a unit's profile may be of another user's processes"
				: "a profile of the machine is of every user's processes",
			refusal);
	return 0;
}

static int check_request(struct request *req, int *ret_dir, struct refusal *refusal)
{
	struct front *f = req->ctx;
	int r = route_parse(req->target, req->target_len, &req->route, refusal);

	if (r < 0)
		return r;
	if (req->method == REQUEST_OTHER ||
	    (req->method == REQUEST_POST && req->route.what != ROUTE_SYMBOL))
		return refuse(refusal, 405, "this can only be read: use GET");
	if (rights_of(request_socket(req), f->control_gid, &req->peer) < 0)
		return refuse(refusal, 503, "cprofd cannot tell who you are: try again");
	return check_rights(req, ret_dir, refusal);
}

void serve(struct request *req, void *ctx)
{
	struct front *f = ctx;
	_cleanup_close_ int dir = -EBADF;
	struct refusal refusal;

	req->ctx = f;
	if (check_request(req, &dir, &refusal) < 0) {
		answer_refusal(req, &f->counts, &refusal);
		return;
	}
	switch (req->route.what) {
	case ROUTE_STATUS:
	case ROUTE_METRICS:
		ask(req, CONTROL_STATUS);
		break;
	case ROUTE_PS:
	case ROUTE_INDEX:
		ask(req, CONTROL_PROCESSES);
		break;
	case ROUTE_PROFILE:
		serve_profile(req);
		break;
	case ROUTE_CMDLINE:
		serve_cmdline(req, dir);
		break;
	case ROUTE_SYMBOL:
		serve_symbol(req);
		break;
	case ROUTE_LS:
		serve_ls(req);
		break;
	default:
		break;
	}
}

void serve_forget(struct request *req, void *ctx)
{
	struct front *f = ctx;

	link_forget(f->link, &req->waiter);
	recording_over(req);
	listing_over(req);
}
