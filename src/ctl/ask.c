/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whoever reads these lines has trouble already: each names the socket or what the daemon said, and
 * what to type next. An answer other than 200 is a sentence of text.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/str.h"

#define ASK_BODY_MAX ((size_t)128 << 20)
#define ASK_VERSIONS "are cprofctl and cprofd of one version? try systemctl restart cprofd"
#define ASK_JOURNAL "see journalctl -u cprofd"

/*
 * A daemon that hangs is told from one that works: it answers at once, but for a list of files, which it
 * gathers for half a minute at most before it says a word.
 */
static struct http_limits ask_limits(const char *target)
{
	bool is_list = strncmp(target, "/ls", 3) == 0;

	return (struct http_limits){
		.body_max = ASK_BODY_MAX,
		.silence_ns = (is_list ? 40 : 10) * NSEC_PER_SEC,
		.whole_ns = 90 * NSEC_PER_SEC,
	};
}

static int ask_fault(struct problem *p, int r, enum http_fault fault, const char *socket)
{
	switch (fault) {
	case HTTP_NO_ANSWERER:
		return problem_set(
			p, r, "no daemon answers on %s: %m; start it with systemctl start cprofd",
			socket);
	case HTTP_REFUSED:
		return problem_set(p, r, "cannot speak to the daemon on %s: %m; run it with sudo",
				   socket);
	case HTTP_BUSY:
		return problem_set(p, r,
				   "the daemon on %s takes no connection: its queue is full; "
				   "try again, or " ASK_JOURNAL,
				   socket);
	case HTTP_SILENT:
		return problem_set(p, r,
				   "the daemon on %s does not answer: %m; " ASK_JOURNAL
				   ", or systemctl restart cprofd",
				   socket);
	case HTTP_HALF:
		return problem_set(
			p, r,
			"the daemon on %s broke off in the middle of its answer; " ASK_JOURNAL,
			socket);
	case HTTP_GARBAGE:
		return problem_set(p, r,
				   "what answers on %s is no cprofd: that is no HTTP; "
				   "check --socket",
				   socket);
	case HTTP_HUGE:
		return problem_set(p, r, "the answer on %s is too large; ask for less", socket);
	default:
		return problem_set(p, r, "cannot ask the daemon on %s: %m; try again", socket);
	}
}

/* The sentence of an answer that is none, without its full stop. */
static void ask_sentence(const struct http_answer *a, char dst[static 512])
{
	size_t len = strcspn(a->body.v, "\r\n");

	while (len > 0 && (a->body.v[len - 1] == '.' || a->body.v[len - 1] == ' '))
		len--;
	(void)str_clean(dst, 512, a->body.v, len, NULL);
	if (!*dst || strcmp(a->type, "text/plain") != 0)
		(void)snprintf(dst, 512, "HTTP status %d without a reason", a->status);
}

static int ask_refused(struct problem *p, const struct http_answer *a, const char *target)
{
	char text[512];

	ask_sentence(a, text);
	switch (a->status) {
	case 401:
	case 403:
		return problem_set(p, -EPERM, "the daemon refuses: %s; run it with sudo", text);
	case 400:
		return problem_set(p, -EINVAL,
				   "the daemon does not understand the question: %s; " ASK_VERSIONS,
				   text);
	case 404:
		return problem_set(p, -ENOENT, "the daemon has no %.*s: %s; " ASK_VERSIONS,
				   (int)strcspn(target, "?"), target, text);
	case 429:
	case 503:
		/* Its sentence may say so itself. */
		return problem_set(p, -EAGAIN, "the daemon cannot answer now: %s%s", text,
				   strstr(text, "try again") ? "" : "; try again");
	default:
		return problem_set(p, -EIO, "the daemon failed: %s; " ASK_JOURNAL, text);
	}
}

int ask_daemon(const struct ctl_globals *globals, const char *target, struct ask_answer *ret,
	       struct problem *ret_problem)
{
	const char *socket = globals->socket ? globals->socket : CTL_SOCKET;
	const struct http_limits limits = ask_limits(target);
	struct ask_answer a = ASK_ANSWER_INIT;
	enum http_fault fault;
	int r = http_get(socket, target, &limits, &a.http, &fault);

	if (r < 0)
		return ask_fault(ret_problem, r, fault, socket);
	if (a.http.status != 200)
		r = ask_refused(ret_problem, &a.http, target);
	else if (json_text_check(a.http.body.v, a.http.body.cnt, &a.root) < 0 ||
		 json_text_kind(a.root) != JSON_OBJECT)
		r = problem_set(
			ret_problem, -EBADMSG,
			"the daemon's answer cannot be read: it is no JSON object; " ASK_VERSIONS);
	if (r < 0)
		ask_answer_done(&a);
	else
		*ret = a;
	return r;
}

void ask_answer_done(struct ask_answer *a)
{
	http_answer_done(&a->http);
}
