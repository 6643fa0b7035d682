/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Errors are text/plain with X-Go-Pprof: 1 and one sentence: `go tool pprof` shows the sentence only
 * then. Nothing is ever to be guessed to be something else (nosniff) or kept (it is of one moment, and
 * for one person).
 */

#include "answer.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_RETRY_S 2

static void add_header(struct MHD_Response *m, const char *name, const char *value)
{
	/* Fails for want of memory: then it is missing. */
	(void)MHD_add_response_header(m, name, value);
}

static void add_headers(struct MHD_Response *m, const char *type)
{
	add_header(m, "Content-Type", type);
	add_header(m, "X-Content-Type-Options", "nosniff");
	add_header(m, "Cache-Control", "no-store");
}

static void add_attachment(struct MHD_Response *m, const char *name)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "attachment; filename=\"%s\"", name);
	add_header(m, "Content-Disposition", text);
}

/* Who may ask again, and when: soon, where nobody knows. */
static void add_retry(struct MHD_Response *m, const struct refusal *refusal)
{
	char text[16];

	if (refusal->status != 429 && refusal->status != 503)
		return;
	(void)snprintf(text, sizeof(text), "%u", refusal->retry_s ?: ANSWER_RETRY_S);
	add_header(m, "Retry-After", text);
}

static void count_error(struct counts *counts, unsigned int status)
{
	counts->v[COUNT_answers_error]++;
	if (status == 403)
		counts->v[COUNT_answers_forbidden]++;
	else if (status == 503)
		counts->v[COUNT_answers_unavailable]++;
}

void answer_refusal(struct request *req, struct counts *counts, const struct refusal *refusal)
{
	char text[REFUSAL_TEXT_SZ + 1];
	int len = snprintf(text, sizeof(text), "%s\n", refusal->text);
	struct MHD_Response *m;

	count_error(counts, refusal->status);
	m = MHD_create_response_from_buffer((size_t)len, text, MHD_RESPMEM_MUST_COPY);
	if (m) {
		add_headers(m, ANSWER_TEXT);
		add_header(m, "X-Go-Pprof", "1");
		add_retry(m, refusal);
		if (refusal->status == 405)
			add_header(m, "Allow", "GET, HEAD");
	}
	request_answer(req, refusal->status, m, (uint64_t)len);
}

void answer_bytes(struct request *req, const char *type, void *bytes, size_t sz)
{
	struct MHD_Response *m = MHD_create_response_from_buffer(sz, bytes, MHD_RESPMEM_MUST_FREE);

	if (m) {
		add_headers(m, type);
		if (strcmp(type, ANSWER_HTML) == 0)
			add_header(m, "Content-Security-Policy",
				   "default-src 'none'; style-src 'unsafe-inline'");
	} else {
		free(bytes);
	}
	request_answer(req, 200, m, sz);
}

void answer_file(struct request *req, const struct answer_file *f)
{
	struct MHD_Response *m = MHD_create_response_from_fd64(f->sz, f->fd);

	if (m) {
		add_headers(m, f->type);
		if (f->name)
			add_attachment(m, f->name);
	} else {
		(void)fd_close(f->fd);
	}
	request_answer(req, 200, m, f->sz);
}

void answer_attachment(struct request *req, const char *name, const void *bytes, size_t sz)
{
	struct MHD_Response *m = MHD_create_response_from_buffer(sz, (void *)(uintptr_t)bytes,
								 MHD_RESPMEM_MUST_COPY);

	if (m) {
		add_headers(m, ANSWER_BINARY);
		add_attachment(m, name);
	}
	request_answer(req, 200, m, sz);
}

int answer_text_open(struct answer_text *t)
{
	*t = (struct answer_text){ 0 };
	t->f = open_memstream(&t->bytes, &t->sz);
	return t->f ? 0 : -ENOMEM;
}

void answer_text_send(struct request *req, struct counts *counts, const char *type,
		      struct answer_text *t)
{
	struct refusal refusal;
	bool failed = ferror(t->f) != 0;

	if (fclose(t->f) != 0 || failed) {
		free(t->bytes);
		(void)refuse(&refusal, 503, "cprofd has no memory left for this answer");
		answer_refusal(req, counts, &refusal);
		return;
	}
	answer_bytes(req, type, t->bytes, t->sz);
}
