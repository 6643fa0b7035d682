/* SPDX-License-Identifier: Apache-2.0 */

/*
 * JSON of the daemon's. Whatever is accepted is walked through by both ways that there are, copied out
 * piece by piece by the writer, and what the writer made must be accepted again with the same values.
 */

#include "fuzz.h"

#include "cprof/base/json.h"
#include "cprof/base/str.h"
#include "json-text.h"

static void check_string(struct json_value v)
{
	char small[8], large[8192], again[8192];
	bool changed;

	(void)json_text_string(v, small, sizeof(small));
	(void)json_text_string(v, large, sizeof(large));
	FUZZ_CHECK(strlen(small) < sizeof(small) && strlen(large) < sizeof(large));
	(void)str_clean(again, sizeof(again), large, strlen(large), &changed);
	FUZZ_CHECK(!changed);
}

static void walk(struct json_value v, unsigned int depth)
{
	enum json_kind kind = json_text_kind(v);
	struct json_entry e;
	size_t cnt = 0;

	FUZZ_CHECK(kind != JSON_NONE && depth <= JSON_TEXT_DEPTH_MAX);
	fuzz_touch(v.at, json_text_size(v));
	check_string(v);
	FUZZ_CHECK(kind == JSON_NUMBER || json_text_double(v) == 0);
	FUZZ_CHECK(kind == JSON_NUMBER || json_text_u64(v) == 0);
	for (struct json_value i = json_text_first(v); i.at; i = json_text_next(i)) {
		walk(i, depth + 1);
		cnt++;
	}
	FUZZ_CHECK(cnt == json_text_count(v));
	for (bool more = json_text_first_entry(v, &e); more; more = json_text_next_entry(&e))
		cnt--;
	FUZZ_CHECK(kind != JSON_OBJECT || cnt == 0);
	fuzz_touch(json_text_member(v, "key").at, json_text_size(json_text_member(v, "key")));
}

/* The writer's copy of an object, or of one value. */
static char *copied(struct json_value v, size_t *ret_sz)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_sz);
	struct json j = JSON_INIT(f);
	struct json_entry e;

	FUZZ_CHECK(f);
	json_object(&j, NULL);
	for (bool more = json_text_first_entry(v, &e); more; more = json_text_next_entry(&e))
		json_raw(&j, e.key, e.value.at, json_text_size(e.value));
	json_object_end(&j);
	FUZZ_CHECK(fclose(f) == 0);
	return text;
}

static void check_copy(struct json_value v)
{
	struct json_value again;
	size_t sz;
	char *text = copied(v, &sz);

	FUZZ_CHECK(json_text_check(text, sz, &again) == 0);
	FUZZ_CHECK(json_text_count(again) ==
		   (json_text_kind(v) == JSON_OBJECT ? json_text_count(v) : 0));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	char *text = malloc(sz + 1);
	struct json_value root;

	FUZZ_CHECK(text);
	if (sz > 0)
		memcpy(text, data, sz);
	text[sz] = 0;
	if (json_text_check(text, sz, &root) == 0) {
		walk(root, 0);
		check_copy(root);
	}
	free(text);
	return 0;
}
