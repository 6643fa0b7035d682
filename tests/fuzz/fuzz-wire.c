/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A message from a role that was taken over, read as its receiver reads it: every field that a count
 * or length covers. Names go through the cleaning they get before they are stored, and a message
 * that is put together again from the names read must pass the check itself.
 */

#include "fuzz.h"

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"
#include "cprof/wire.h"

static void clean(const char *s, size_t len)
{
	char out[3 * WIRE_NAME_MAX + 1];

	FUZZ_CHECK(str_clean(out, sizeof(out), s, len, NULL) < sizeof(out));
}

static void take_name(const char *name, size_t len)
{
	FUZZ_CHECK(len <= WIRE_NAME_MAX);
	fuzz_touch(name, len);
	clean(name, len);
}

static void take_lines(const struct wire_name_view *v, struct wire_line_view *lines)
{
	FUZZ_CHECK(v->lines_cnt <= WIRE_LINES_MAX);
	for (uint16_t i = 0; i < v->lines_cnt; i++) {
		wire_named_line(v, i, &lines[i]);
		take_name(lines[i].name, lines[i].name_len);
		take_name(lines[i].linkage, lines[i].linkage_len);
		take_name(lines[i].file, lines[i].file_len);
	}
}

/* Written again it is a message, too; texts that lay over each other may now be too many for one. */
static void take_named(const struct wire_named *m)
{
	_cleanup_free_ struct wire_named *again = calloc(1, WIRE_MESSAGE_MAX);
	struct wire_line_view lines[WIRE_LINES_MAX];
	struct wire_named_writer writer;
	struct wire_name_view v;
	uint32_t cnt = 0;
	size_t pos = 0;

	FUZZ_CHECK(again);
	again->head = (struct wire_head){ .size = sizeof(*again), .type = WIRE_NAMED };
	wire_named_writer_init(&writer, again, WIRE_MESSAGE_MAX);
	while (wire_named_next(m, &pos, &v)) {
		take_lines(&v, lines);
		(void)wire_named_add(&writer, v.start, lines, v.lines_cnt);
		cnt++;
	}
	FUZZ_CHECK(cnt == m->cnt && again->cnt <= cnt);
	FUZZ_CHECK(wire_named_next(m, &pos, &v) == 0);
	FUZZ_CHECK(wire_check(again, again->head.size) == WIRE_NAMED);
}

static void take_opened(const struct wire_opened *m)
{
	char path[3 * WIRE_PATH_MAX + 1];

	FUZZ_CHECK(m->status < WIRE_OPENED_MAX && m->path_len <= WIRE_PATH_MAX);
	fuzz_touch(m + 1, m->path_len);
	str_clean(path, sizeof(path), (const char *)(m + 1), m->path_len, NULL);
}

static void take_object(const struct wire_object *m)
{
	FUZZ_CHECK(m->status < WIRE_OBJECT_MAX);
	FUZZ_CHECK(m->segments_cnt <= OBJECT_SEGMENTS_MAX);
	FUZZ_CHECK(m->build_id_sz <= OBJECT_BUILD_ID_MAX);
	fuzz_touch(m->segments, m->segments_cnt * sizeof(m->segments[0]));
	fuzz_touch(m->build_id, m->build_id_sz);
}

static void take_debug(const struct wire_open_debug *m)
{
	const char *link = (const char *)(m + 1);

	FUZZ_CHECK(m->build_id_sz <= OBJECT_BUILD_ID_MAX);
	FUZZ_CHECK(m->head.size == sizeof(*m) + m->link_len + m->path_len);
	FUZZ_CHECK(m->link_len == 0 || (link[0] != '.' && !memchr(link, '/', m->link_len)));
	FUZZ_CHECK(m->path_len == 0 || link[m->link_len] == '/');
}

static void take_want(const struct wire_companion_want *w, size_t head_sz, size_t sz)
{
	FUZZ_CHECK(w->build_id_sz <= OBJECT_BUILD_ID_MAX && w->kind < WIRE_COMPANION_KIND_MAX);
	FUZZ_CHECK(w->name_len > 0 && head_sz + w->name_len + w->dir_len <= sz);
	fuzz_touch(w + 1, (size_t)w->name_len + w->dir_len);
}

static void take_companion(const struct wire_companion *m)
{
	FUZZ_CHECK(m->status < WIRE_COMPANION_STATUS_MAX);
	if (m->status == WIRE_COMPANION_WANTED)
		take_want(&m->want, sizeof(*m), m->head.size);
}

static void take_open_companion(const struct wire_open_companion *m)
{
	const char *path = (const char *)m + m->head.size - m->path_len;

	take_want(&m->want, sizeof(*m) + m->path_len, m->head.size);
	FUZZ_CHECK(m->path_len <= WIRE_PATH_MAX && (m->path_len == 0 || path[0] == '/'));
}

static void take_rows(const struct wire_rows *m)
{
	FUZZ_CHECK(m->link_len <= WIRE_LINK_MAX && m->part <= WIRE_PART_ALL);
	FUZZ_CHECK(m->link_len == 0 || (m->link[0] != '.' && !memchr(m->link, '/', m->link_len)));
	FUZZ_CHECK(m->status < WIRE_ROWS_MAX && m->bytes <= WIRE_ROWS_BYTES_MAX);
}

static void take_pages(const struct wire_make_pages *m)
{
	const uint32_t *pages = (const void *)(m + 1);

	FUZZ_CHECK(m->cnt <= WIRE_PAGES_MAX);
	for (uint32_t i = 1; i < m->cnt; i++)
		FUZZ_CHECK(pages[i] > pages[i - 1]);
}

static void take_names(const struct wire_names *m)
{
	FUZZ_CHECK(m->cnt <= WIRE_NAMES_MAX);
	fuzz_touch(m + 1, m->cnt * sizeof(uint64_t));
}

static void take_maps(const struct wire_maps *m)
{
	FUZZ_CHECK(m->cnt <= WIRE_MAPS_MAX);
	fuzz_touch(m + 1, m->cnt * sizeof(uint64_t));
}

static void take_mapped(const struct wire_mapped *m)
{
	const struct wire_range *ranges = (const void *)(m + 1);

	FUZZ_CHECK(m->cnt <= WIRE_MAPS_MAX);
	for (uint32_t i = 0; i < m->cnt; i++) {
		FUZZ_CHECK(ranges[i].kind < WIRE_RANGE_MAX);
		FUZZ_CHECK(ranges[i].kind == WIRE_RANGE_NONE ||
			   ranges[i].kind == WIRE_RANGE_UNKNOWN || ranges[i].start < ranges[i].end);
	}
}

static void take_config(const struct wire_config *m)
{
	const struct config *c = &m->config;

	FUZZ_CHECK(c->hz > 0 && c->window_ns > 0);
	fuzz_touch(c->event, strlen(c->event) + 1);
	fuzz_touch(c->include, strlen(c->include) + 1);
	fuzz_touch(c->exclude, strlen(c->exclude) + 1);
	fuzz_touch(c->directory, strlen(c->directory) + 1);
	fuzz_touch(c->socket, strlen(c->socket) + 1);
	fuzz_touch(c->group, strlen(c->group) + 1);
}

static void take_text(const char *text, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		FUZZ_CHECK((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

static void take_roles(const struct wire_roles *m)
{
	FUZZ_CHECK(m->cnt <= WIRE_COSTS_MAX);
	for (uint32_t i = 0; i < m->cnt; i++)
		FUZZ_CHECK(m->costs[i].role < WIRE_ROLE_MAX);
	FUZZ_CHECK(m->problem_len <= sizeof(m->problem));
	take_text(m->problem, m->problem_len);
}

static void take_state(const struct wire_state *m)
{
	FUZZ_CHECK(m->kind < WIRE_STATE_MAX && m->text_len <= sizeof(m->text));
	take_text(m->text, m->text_len);
}

/* What a role alone gets from the launcher, and tells it, and the rest. */
static void take_control(int type, const void *msg, size_t sz)
{
	switch (type) {
	case WIRE_CONFIG:
		take_config(msg);
		break;
	case WIRE_ROLES:
		take_roles(msg);
		break;
	case WIRE_STATE:
		take_state(msg);
		break;
	case WIRE_MAKE_PAGES:
		take_pages(msg);
		break;
	case WIRE_LISTEN:
		FUZZ_CHECK(((const struct wire_listen *)msg)->kind < WIRE_LISTEN_MAX);
		break;
	default:
		FUZZ_CHECK(sz == sizeof(struct wire_head));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_free_ void *msg = fuzz_message(data, sz);
	const struct wire_head *head = msg;
	int type = wire_check(msg, sz);

	if (type < 0)
		return 0;
	FUZZ_CHECK(type == head->type && head->size == sz);
	switch (type) {
	case WIRE_MAPS:
		take_maps(msg);
		break;
	case WIRE_MAPPED:
		take_mapped(msg);
		break;
	case WIRE_OPENED:
		take_opened(msg);
		break;
	case WIRE_OBJECT:
		take_object(msg);
		break;
	case WIRE_ROWS:
		take_rows(msg);
		break;
	case WIRE_OPEN_DEBUG:
		take_debug(msg);
		break;
	case WIRE_DEBUG_OPENED:
		FUZZ_CHECK(sz == sizeof(struct wire_debug_opened));
		break;
	case WIRE_DEBUG_FILE:
		FUZZ_CHECK(sz == sizeof(struct wire_debug_file));
		break;
	case WIRE_COMPANION:
		take_companion(msg);
		break;
	case WIRE_OPEN_COMPANION:
		take_open_companion(msg);
		break;
	case WIRE_COMPANION_OPENED:
		FUZZ_CHECK(sz == sizeof(struct wire_companion_opened));
		break;
	case WIRE_COMPANION_FILE:
		FUZZ_CHECK(sz == sizeof(struct wire_companion_file));
		break;
	case WIRE_SANDBOX:
		FUZZ_CHECK(sz == sizeof(struct wire_sandbox));
		break;
	case WIRE_NAMES:
		take_names(msg);
		break;
	case WIRE_NAMED:
		take_named(msg);
		break;
	case WIRE_PEER:
		fuzz_touch(msg, sizeof(struct wire_peer));
		break;
	case WIRE_OPEN:
		fuzz_touch(msg, sizeof(struct wire_open));
		break;
	case WIRE_FILE:
		fuzz_touch(msg, sizeof(struct wire_file));
		break;
	default:
		take_control(type, msg, sz);
		break;
	}
	return 0;
}
