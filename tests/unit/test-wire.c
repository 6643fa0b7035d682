/* SPDX-License-Identifier: Apache-2.0 */

/* wire: every type at its right size and one byte beside it, every limit at its edge and beyond. */

#include "check.h"

#include <errno.h>

#include "cprof/object_source.h"
#include "cprof/base/cleanup.h"
#include "cprof/wire.h"
#include "wire-fixture.h"

TEST(fixed_sizes)
{
	static const struct {
		uint16_t type;
		size_t sz;
	} cases[] = {
		{ WIRE_KALLSYMS, sizeof(struct wire_head) },
		{ WIRE_STOP, sizeof(struct wire_head) },
		{ WIRE_READY, sizeof(struct wire_head) },
		{ WIRE_FORGET, sizeof(struct wire_head) },
		{ WIRE_OPEN, sizeof(struct wire_open) },
		{ WIRE_OPENED, sizeof(struct wire_opened) },
		{ WIRE_FILE, sizeof(struct wire_file) },
		{ WIRE_OBJECT, sizeof(struct wire_object) },
		{ WIRE_ROWS, sizeof(struct wire_rows) },
		{ WIRE_MAKE_ROWS, sizeof(struct wire_head) },
		{ WIRE_MAKE_PAGES, sizeof(struct wire_make_pages) },
		{ WIRE_CLOSE, sizeof(struct wire_head) },
		{ WIRE_OPEN_DEBUG, sizeof(struct wire_open_debug) },
		{ WIRE_DEBUG_OPENED, sizeof(struct wire_debug_opened) },
		{ WIRE_DEBUG_FILE, sizeof(struct wire_debug_file) },
		{ WIRE_COMPANION_OPENED, sizeof(struct wire_companion_opened) },
		{ WIRE_COMPANION_FILE, sizeof(struct wire_companion_file) },
		{ WIRE_SANDBOX, sizeof(struct wire_sandbox) },
		{ WIRE_NAMES, sizeof(struct wire_names) },
		{ WIRE_NAMED, sizeof(struct wire_named) },
		{ WIRE_MAPS, sizeof(struct wire_maps) },
		{ WIRE_MAPPED, sizeof(struct wire_mapped) },
		{ WIRE_SPOOL, sizeof(struct wire_head) },
		{ WIRE_LISTEN, sizeof(struct wire_listen) },
		{ WIRE_ROLES, sizeof(struct wire_roles) },
		{ WIRE_STATE, sizeof(struct wire_state) },
		{ WIRE_PROGRESS, sizeof(struct wire_head) },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_free_ void *m = message(cases[i].sz, cases[i].type);

		check_sizes(m, cases[i].sz, cases[i].type);
	}
}

TEST(unknown_types)
{
	static const uint16_t types[] = { 0, WIRE_TYPE_MAX, WIRE_TYPE_MAX + 1, 64, UINT16_MAX };

	for (size_t i = 0; i < ELEMENTSOF(types); i++) {
		_cleanup_free_ void *m = message(sizeof(struct wire_head), types[i]);

		CHECK_EQ(check_copy(m, sizeof(struct wire_head)), -EBADMSG);
	}
}

TEST(peer_roles)
{
	struct wire_peer m = { .head = { .size = sizeof(m), .type = WIRE_PEER } };

	for (uint32_t role = 0; role < 10; role++) {
		m.role = role;
		CHECK_EQ(check_copy(&m, sizeof(m)),
			 role >= WIRE_ROLE_SAMPLER && role <= WIRE_ROLE_FRONT ? WIRE_PEER
									      : -EBADMSG);
	}
	m.role = UINT32_MAX;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.role = WIRE_ROLE_OPENER;
	check_sizes(&m, sizeof(m), WIRE_PEER);
}

static struct wire_config config(void)
{
	struct wire_config m = {
		.head = { .size = sizeof(m), .type = WIRE_CONFIG },
		.control_gid = UINT32_MAX,
	};

	config_defaults(&m.config);
	return m;
}

TEST(config)
{
	struct wire_config m = config();

	check_sizes(&m, sizeof(m), WIRE_CONFIG);
	m.config.hz = 0;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = config();
	m.config.window_ns = 0;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = config();
	m.config.symbolize = 2;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = config();
	m.config.keep_free_ppm = CONFIG_PPM;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = config();
	m.config.directory[0] = '.'; /* relative to what? */
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

TEST(config_texts)
{
	static const struct {
		size_t at, sz;
	} fields[] = {
		{ offsetof(struct wire_config, config.event), CONFIG_EVENT_SZ },
		{ offsetof(struct wire_config, config.include), CONFIG_GLOBS_SZ },
		{ offsetof(struct wire_config, config.exclude), CONFIG_GLOBS_SZ },
		{ offsetof(struct wire_config, config.directory), CONFIG_PATH_SZ },
		{ offsetof(struct wire_config, config.socket), CONFIG_SOCKET_SZ },
		{ offsetof(struct wire_config, config.group), CONFIG_NAME_SZ },
	};

	for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
		struct wire_config m = config();

		memset((char *)&m + fields[i].at, '/', fields[i].sz); /* with no end */
		CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	}
}

TEST(listen_kinds)
{
	struct wire_listen m = { .head = { .size = sizeof(m), .type = WIRE_LISTEN } };

	for (m.kind = 0; m.kind < WIRE_LISTEN_MAX; m.kind++)
		CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_LISTEN);
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.kind = UINT32_MAX;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

static struct wire_roles roles(void)
{
	struct wire_roles m = {
		.head = { .size = sizeof(m), .type = WIRE_ROLES },
		.cnt = 5,
		.costs = { { .role = 0, .pid = 1 },
			   { .role = WIRE_ROLE_SAMPLER, .pid = INT32_MAX },
			   { .role = WIRE_ROLE_OPENER },
			   { .role = WIRE_ROLE_SYMBOLIZER },
			   { .role = WIRE_ROLE_FRONT, .restarts = UINT32_MAX } },
	};

	return m;
}

TEST(roles)
{
	struct wire_roles m = roles();

	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_ROLES);
	m.costs[4].role = WIRE_ROLE_CLIENT; /* no role of ours */
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.costs[4].role = WIRE_ROLE_MAX;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.costs[4].role = 32; /* a bit that is none */
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.costs[4].role = WIRE_ROLE_OPENER; /* a second time */
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.cnt = 4; /* which is beyond the list now */
	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_ROLES);
	m.costs[1].pid = (uint32_t)INT32_MAX + 1;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = roles();
	m.costs[1].layers = WIRE_LAYER_ALL;
	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_ROLES);
	m.costs[1].missing = WIRE_LAYER_PATHS;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.costs[1].layers = WIRE_LAYER_ALL + 1;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = roles();
	m.cnt = WIRE_COSTS_MAX + 1;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.cnt = UINT32_MAX;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = roles();
	memset(m.problem, 'x', sizeof(m.problem));
	m.problem_len = sizeof(m.problem);
	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_ROLES);
	m.problem_len++;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.problem[3] = '\n';
	m.problem_len = 3;
	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_ROLES);
	m.problem_len = 4;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

TEST(state)
{
	struct wire_state m = { .head = { .size = sizeof(m), .type = WIRE_STATE } };

	for (m.kind = 0; m.kind < WIRE_STATE_MAX; m.kind++)
		CHECK_EQ(check_copy(&m, sizeof(m)),
			 m.kind == WIRE_STATE_FAILED ? -EBADMSG : WIRE_STATE);
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.kind = WIRE_STATE_FAILED;
	memset(m.text, 'x', sizeof(m.text));
	m.text_len = sizeof(m.text);
	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_STATE);
	m.text_len++;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.text_len = UINT32_MAX;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.text_len = 10;
	m.text[9] = '\n'; /* a second line in the journal */
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.text_len = 9;
	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_STATE);
	m.text[3] = '\0';
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.text[3] = (char)0x80; /* no UTF-8 */
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

TEST(file_kinds)
{
	struct wire_open open = { .head = { .size = sizeof(open), .type = WIRE_OPEN } };
	struct wire_file file = { .head = { .size = sizeof(file), .type = WIRE_FILE } };

	for (uint32_t kind = 0; kind <= WIRE_FILE_KIND_MAX; kind++) {
		bool good = kind < WIRE_FILE_KIND_MAX;

		open.kind = file.kind = kind;
		CHECK_EQ(check_copy(&open, sizeof(open)), good ? WIRE_OPEN : -EBADMSG);
		CHECK_EQ(check_copy(&file, sizeof(file)), good ? WIRE_FILE : -EBADMSG);
	}
}

TEST(maps)
{
	_cleanup_free_ struct wire_maps *m =
		message(sizeof(*m) + (WIRE_MAPS_MAX + 1) * sizeof(uint64_t), WIRE_MAPS);
	uint64_t *addresses = (void *)(m + 1);

	for (uint32_t i = 0; i <= WIRE_MAPS_MAX; i++)
		addresses[i] = i * 4096ull;
	for (uint32_t cnt = 0; cnt <= WIRE_MAPS_MAX + 1; cnt++) {
		m->cnt = cnt;
		m->head.size = (uint32_t)(sizeof(*m) + cnt * sizeof(uint64_t));
		CHECK_EQ(check_copy(m, m->head.size), cnt <= WIRE_MAPS_MAX ? WIRE_MAPS : -EBADMSG);
	}
	/* Not ascending: one twice. */
	m->cnt = 3;
	m->head.size = (uint32_t)(sizeof(*m) + 3 * sizeof(uint64_t));
	addresses[1] = addresses[2];
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
}

TEST(mapped)
{
	size_t sz = sizeof(struct wire_mapped) + 2 * sizeof(struct wire_range);
	_cleanup_free_ struct wire_mapped *m = message(sz, WIRE_MAPPED);
	struct wire_range *ranges = (void *)(m + 1);

	m->cnt = 2;
	CHECK_EQ(check_copy(m, sz), WIRE_MAPPED);
	ranges[1].kind = WIRE_RANGE_ANON; /* of no length */
	CHECK_EQ(check_copy(m, sz), -EBADMSG);
	ranges[1].end = 4096;
	CHECK_EQ(check_copy(m, sz), WIRE_MAPPED);
	ranges[1].kind = WIRE_RANGE_MAX;
	CHECK_EQ(check_copy(m, sz), -EBADMSG);
	ranges[1] = (struct wire_range){ .kind = WIRE_RANGE_UNKNOWN }; /* has no length */
	CHECK_EQ(check_copy(m, sz), WIRE_MAPPED);
	ranges[1] = (struct wire_range){ .end = 4096, .kind = WIRE_RANGE_FILE };
	m->status = WIRE_OPENED_GONE; /* and yet with answers */
	CHECK_EQ(check_copy(m, sz), -EBADMSG);
	m->status = WIRE_OPENED_CHANGED;
	CHECK_EQ(check_copy(m, sz), -EBADMSG);
	m->status = WIRE_OPENED_OK;
	m->cnt = 1;
	CHECK_EQ(check_copy(m, sz), -EBADMSG);
}

TEST(opened)
{
	_cleanup_free_ struct wire_opened *m = message(sizeof(*m) + WIRE_PATH_MAX + 1, WIRE_OPENED);

	for (uint32_t len = 0; len <= WIRE_PATH_MAX + 1; len += len < 32 ? 1 : 127) {
		m->path_len = MIN(len, (uint32_t)WIRE_PATH_MAX);
		m->head.size = (uint32_t)sizeof(*m) + m->path_len;
		CHECK_EQ(check_copy(m, m->head.size), WIRE_OPENED);
		m->path_len++;
		CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	}
	m->path_len = WIRE_PATH_MAX + 1;
	m->head.size = (uint32_t)sizeof(*m) + m->path_len;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	/* A length that wraps around to the right size. */
	m->path_len = UINT32_MAX - 7;
	m->head.size = (uint32_t)sizeof(*m) - 8;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	m->path_len = 0;
	m->head.size = sizeof(*m);
	m->status = WIRE_OPENED_FAILED;
	CHECK_EQ(check_copy(m, m->head.size), WIRE_OPENED);
	m->status = WIRE_OPENED_MAX;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
}

TEST(object)
{
	const struct wire_object good = {
		.head = { .size = sizeof(good), .type = WIRE_OBJECT },
		.status = WIRE_OBJECT_LIMIT,
		.elf = OBJECT_ELF_DYN,
		.segments_cnt = OBJECT_SEGMENTS_MAX,
		.build_id_sz = OBJECT_BUILD_ID_MAX,
	};
	struct wire_object m = good;

	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_OBJECT);
	m.sources = OBJECT_SOURCE_ALL;
	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_OBJECT);
	m.sources = 1u << 6;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = good;
	m.status = WIRE_OBJECT_MAX;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = good;
	m.elf = OBJECT_ELF_DYN + 1;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = good;
	m.segments_cnt++;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = good;
	m.build_id_sz++;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

TEST(pages_ascend)
{
	struct {
		struct wire_make_pages m;
		uint32_t pages[WIRE_PAGES_MAX + 1];
	} ask = { .m = { .head = { .type = WIRE_MAKE_PAGES }, .cnt = WIRE_PAGES_MAX } };

	ask.m.head.size = sizeof(ask.m) + WIRE_PAGES_MAX * sizeof(uint32_t);
	for (uint32_t i = 0; i <= WIRE_PAGES_MAX; i++)
		ask.pages[i] = 7 + i;
	CHECK_EQ(check_copy(&ask, ask.m.head.size), WIRE_MAKE_PAGES);
	ask.pages[5] = ask.pages[4];
	CHECK_EQ(check_copy(&ask, ask.m.head.size), -EBADMSG);
	ask.pages[5] = UINT32_MAX;
	CHECK_EQ(check_copy(&ask, ask.m.head.size), -EBADMSG);
	ask.pages[5] = 12;
	ask.m.cnt--;
	CHECK_EQ(check_copy(&ask, ask.m.head.size), -EBADMSG);
	ask.m.cnt = WIRE_PAGES_MAX + 1;
	ask.m.head.size = sizeof(ask.m) + ask.m.cnt * sizeof(uint32_t);
	CHECK_EQ(check_copy(&ask, ask.m.head.size), -EBADMSG);
}

TEST(rows)
{
	struct wire_rows m = { .head = { .size = sizeof(m), .type = WIRE_ROWS },
			       .status = WIRE_ROWS_BAD,
			       .bytes = WIRE_ROWS_BYTES_MAX };

	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_ROWS);
	m.status = WIRE_ROWS_MAX;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.status = WIRE_ROWS_OK;
	m.bytes++;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.bytes--;
	m.part = WIRE_PART_ALL + 1;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.part = WIRE_PART_ROWS | WIRE_PART_NAMES;
	m.lined = 2;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.lined = WIRE_LINED_PAGES | WIRE_LINED;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.lined = WIRE_LINED_PAGES;
	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_ROWS);
	m.lined = 1;
	memset(m.link, 'x', sizeof(m.link));
	m.link_len = WIRE_LINK_MAX;
	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_ROWS);
	m.link_len++;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.link_len = 3;
	m.link[2] = '/';
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.link[2] = '\0';
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.link[2] = '.';
	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_ROWS);
	m.link[0] = '.';
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

static struct wire_open_debug *debug_message(const char *link, const char *path)
{
	size_t link_len = strlen(link), path_len = strlen(path);
	struct wire_open_debug *m = message(sizeof(*m) + link_len + path_len, WIRE_OPEN_DEBUG);

	m->link_len = (uint16_t)link_len;
	m->path_len = (uint16_t)path_len;
	m->build_id_sz = OBJECT_BUILD_ID_MAX;
	memcpy(m + 1, link, link_len);
	memcpy((char *)(m + 1) + link_len, path, path_len);
	return m;
}

TEST(open_debug)
{
	static const struct {
		const char *link, *path;
		int expect;
	} cases[] = {
		{ "", "", WIRE_OPEN_DEBUG },
		{ "x.debug", "/usr/bin/x", WIRE_OPEN_DEBUG },
		{ "x.debug", "", WIRE_OPEN_DEBUG },
		{ "", "/usr/bin/x", WIRE_OPEN_DEBUG },
		{ "../x", "/usr/bin/x", -EBADMSG },
		{ "a/x", "/usr/bin/x", -EBADMSG },
		{ ".x", "", -EBADMSG },
		{ "x", "usr/bin/x", -EBADMSG },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_free_ struct wire_open_debug *m =
			debug_message(cases[i].link, cases[i].path);

		CHECK_EQ(check_copy(m, m->head.size), cases[i].expect);
		m->build_id_sz++;
		CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
		m->build_id_sz--;
		m->link_len++;
		CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	}
}

TEST(debug_opened)
{
	struct wire_debug_opened m = { .head = { .size = sizeof(m), .type = WIRE_DEBUG_OPENED },
				       .status = WIRE_OPENED_NONE };

	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_DEBUG_OPENED);
	m.status = WIRE_OPENED_HUNG;
	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_DEBUG_OPENED);
	m.status = WIRE_OPENED_GONE;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

static struct wire_companion_want want(const char *name, const char *dir)
{
	return (struct wire_companion_want){
		.kind = WIRE_COMPANION_UNIT,
		.name_len = (uint16_t)strlen(name),
		.dir_len = (uint16_t)strlen(dir),
		.build_id_sz = OBJECT_BUILD_ID_MAX,
	};
}

/* Behind each of them there is "NAMEDIR". */
static struct wire_companion *companion_message(void)
{
	struct wire_companion *m = message(sizeof(*m) + 7, WIRE_COMPANION);

	m->status = WIRE_COMPANION_WANTED;
	m->want = want("NAME", "DIR");
	memcpy(m + 1, "NAMEDIR", 7);
	return m;
}

TEST(companion)
{
	_cleanup_free_ struct wire_companion *m = companion_message();

	CHECK_EQ(check_copy(m, m->head.size), WIRE_COMPANION);
	m->want.name_len++;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	m->want.dir_len--;
	CHECK_EQ(check_copy(m, m->head.size), WIRE_COMPANION);
	m->want.build_id_sz++;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	m->want.build_id_sz = 0;
	m->want.kind = WIRE_COMPANION_KIND_MAX;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	m->want.kind = WIRE_COMPANION_SUPPLEMENT;
	((char *)(m + 1))[6] = '\0';
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	m->want.name_len = 0;
	m->want.dir_len = 6;
	m->head.size--;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	/* Nothing is behind another word than WANTED. */
	m->status = WIRE_COMPANION_TAKEN;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	m->head.size = sizeof(*m);
	CHECK_EQ(check_copy(m, m->head.size), WIRE_COMPANION);
	m->status = WIRE_COMPANION_STATUS_MAX;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
}

TEST(open_companion)
{
	struct wire_open_companion *m = message(sizeof(*m) + 9, WIRE_OPEN_COMPANION);

	m->want = want("NAME", "DIR");
	m->path_len = 2;
	memcpy(m + 1, "NAMEDIR/x", 9);
	CHECK_EQ(check_copy(m, m->head.size), WIRE_OPEN_COMPANION);
	m->path_len = 1;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	m->path_len = 2;
	((char *)(m + 1))[7] = 'x'; /* no path of a file */
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	memcpy((char *)(m + 1) + 7, "/", 2);
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	free(m);
}

TEST(companion_opened)
{
	struct wire_companion_opened m = {
		.head = { .size = sizeof(m), .type = WIRE_COMPANION_OPENED },
		.status = WIRE_OPENED_NONE,
	};

	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_COMPANION_OPENED);
	m.status = WIRE_OPENED_CHANGED;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

TEST(sandbox)
{
	struct wire_sandbox m = { .head = { .size = sizeof(m), .type = WIRE_SANDBOX },
				  .layers = WIRE_LAYER_CALLS,
				  .missing = WIRE_LAYER_PATHS,
				  .violations = UINT32_MAX };

	CHECK_EQ(check_copy(&m, sizeof(m)), WIRE_SANDBOX);
	m.missing = WIRE_LAYER_CALLS; /* in force, and not there */
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m.missing = WIRE_LAYER_ALL + 1;
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
	m = (struct wire_sandbox){ .head = m.head, .layers = WIRE_LAYER_ALL + 1 };
	CHECK_EQ(check_copy(&m, sizeof(m)), -EBADMSG);
}

TEST(names)
{
	_cleanup_free_ struct wire_names *m =
		message(sizeof(*m) + (WIRE_NAMES_MAX + 1) * sizeof(uint64_t), WIRE_NAMES);

	for (uint32_t cnt = 0; cnt <= WIRE_NAMES_MAX + 1; cnt++) {
		m->cnt = cnt;
		m->head.size = (uint32_t)(sizeof(*m) + cnt * sizeof(uint64_t));
		CHECK_EQ(check_copy(m, m->head.size),
			 cnt <= WIRE_NAMES_MAX ? WIRE_NAMES : -EBADMSG);
	}
	/* A count that wraps around to the right size. */
	m->cnt = 0x20000000;
	m->head.size = sizeof(*m);
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	m->cnt = UINT32_MAX;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
}

TEST(too_large)
{
	_cleanup_free_ void *m = message(WIRE_MESSAGE_MAX + 8, WIRE_NAMED);

	CHECK_EQ(check_copy(m, WIRE_MESSAGE_MAX + 8), -EBADMSG);
}

CHECK_MAIN
