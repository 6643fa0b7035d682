/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What answers on the daemon's socket. The first byte says how the stream is cut into pieces: however it
 * arrives, the same must come of it.
 */

#include "fuzz.h"

#include "http-answer.h"

#define BODY_MAX 4096

/* What came of a stream: the result of the piece that ended it, or of its end. */
static int feed(struct http_answer *a, const uint8_t *data, size_t sz, size_t piece)
{
	http_answer_init(a, BODY_MAX);
	for (size_t at = 0; at < sz; at += piece) {
		size_t n = sz - at < piece ? sz - at : piece;
		char *copy = fuzz_copy(data + at, n);
		int r = http_answer_feed(a, copy, n);

		free(copy);
		if (r != 0)
			return r;
	}
	return http_answer_end(a);
}

static void check(const struct http_answer *a)
{
	FUZZ_CHECK(a->status >= 200 && a->status <= 599);
	FUZZ_CHECK(a->body.cnt <= BODY_MAX && a->body.v[a->body.cnt] == 0);
	FUZZ_CHECK(strlen(a->type) < sizeof(a->type));
	fuzz_touch(a->body.v, a->body.cnt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	struct http_answer whole, cut;
	int r, r_cut;

	if (sz == 0)
		return 0;
	r = feed(&whole, data + 1, sz - 1, sz);
	r_cut = feed(&cut, data + 1, sz - 1, 1 + data[0] % 16);
	FUZZ_CHECK((r < 0) == (r_cut < 0));
	if (r >= 0) {
		check(&whole);
		check(&cut);
		FUZZ_CHECK(whole.status == cut.status && whole.body.cnt == cut.body.cnt);
		FUZZ_CHECK(memcmp(whole.body.v, cut.body.v, whole.body.cnt) == 0);
		FUZZ_CHECK(strcmp(whole.type, cut.type) == 0);
	}
	http_answer_done(&whole);
	http_answer_done(&cut);
	return 0;
}
