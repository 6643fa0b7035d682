/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-config — any bytes as a file of configuration: what is left is valid, and every line that is
 * told is one line. The same bytes are an option, and what Include= would hold them to.
 */

#include "cprof/base/cleanup.h"
#include "cprof/config.h"
#include "fuzz.h"

struct told {
	unsigned int errors;
};

static void tell(const char *text, bool error, void *ctx)
{
	struct told *told = ctx;

	told->errors += error;
	FUZZ_CHECK(*text && !strchr(text, '\n'));
	fuzz_touch(text, strlen(text));
}

static void check_option(const char *option)
{
	const struct root root = ROOT_INIT; /* there is nothing: no file is found */
	struct told told = { 0 };
	const struct config_source source = {
		.root = &root,
		.file = "/dev/null",
		.options = &option,
		.options_cnt = 1,
		.on_problem = tell,
		.ctx = &told,
	};
	struct config config;
	int r = config_load(&source, &config);

	FUZZ_CHECK((r == 0) == (told.errors == 0));
	FUZZ_CHECK(r < 0 || config_is_valid(&config));
}

static void check_globs(const char *globs)
{
	const struct config_subject subject = {
		.comm = globs,
		.exe = globs,
		.unit = "nginx.service",
		.pid = 1,
	};

	(void)config_globs_match(globs, &subject);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_free_ char *copy = fuzz_copy(data, sz), *text = malloc(sz + 1);
	const struct config_text input = { .name = "fuzz", .bytes = copy, .sz = sz };
	struct told told = { 0 };
	struct config config;
	int r;

	config_defaults(&config);
	FUZZ_CHECK(config_is_valid(&config));
	r = config_parse(&input, &config, tell, &told);
	FUZZ_CHECK((r == 0) == (told.errors == 0));
	FUZZ_CHECK(config_is_valid(&config));

	FUZZ_CHECK(text);
	memcpy(text, data, sz);
	text[sz] = '\0';
	check_option(text);
	check_globs(text);
	return 0;
}
