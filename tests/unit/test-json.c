/* SPDX-License-Identifier: Apache-2.0 */

/* json: shape, and text that no parser would take as it is. */

#include "check.h"

#include "cprof/base/cleanup.h"
#include "cprof/base/json.h"

static char *json_text(void (*fill)(struct json *j))
{
	char *text = NULL;
	size_t sz;
	FILE *f = open_memstream(&text, &sz);
	struct json j = JSON_INIT(f);

	CHECK(f);
	fill(&j);
	CHECK_EQ(j.depth, 0);
	(void)fclose(f);
	return text;
}

static void json_shapes(struct json *j)
{
	json_object(j, NULL);
	json_u64(j, "u", UINT64_MAX);
	json_i64(j, "i", INT64_MIN);
	json_array(j, "a");
	json_object(j, NULL);
	json_object_end(j);
	json_string(j, NULL, "x");
	json_array_end(j);
	json_bool(j, "t", true);
	json_bool(j, "f", false);
	json_double(j, "d", 0.25);
	json_double(j, "n", (double)__builtin_nan(""));
	json_object_end(j);
}

TEST(json_shape)
{
	_cleanup_free_ char *text = json_text(json_shapes);

	CHECK_STR(text, "{\"u\": 18446744073709551615, \"i\": -9223372036854775808, "
			"\"a\": [{}, \"x\"], \"t\": true, \"f\": false, \"d\": 0.25, \"n\": null}");
}

static void json_escapes(struct json *j)
{
	json_array(j, NULL);
	json_string(j, NULL, "\"\\\n\x01\x7f/");
	json_string(j, NULL, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	/* Overlong, surrogate, beyond the last, cut off, alone. */
	json_string(j, NULL, "\xc0\xafz");
	json_string(j, NULL, "\xed\xa0\x80");
	json_string(j, NULL, "\xf4\x90\x80\x80");
	json_string(j, NULL, "a\xe2\x82");
	json_string(j, NULL, "\xff");
	json_array_end(j);
}

TEST(json_escape)
{
	_cleanup_free_ char *text = json_text(json_escapes);

	CHECK_STR(text,
		  "[\"\\\"\\\\\\u000a\\u0001\\u007f/\", \"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\", "
		  "\"\\ufffd\\ufffdz\", \"\\ufffd\\ufffd\\ufffd\", "
		  "\"\\ufffd\\ufffd\\ufffd\\ufffd\", \"a\\ufffd\\ufffd\", \"\\ufffd\"]");
}

CHECK_MAIN
