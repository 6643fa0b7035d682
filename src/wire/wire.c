/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One check per type, called through a table. Every message has one right size, computed from its
 * own counts after these were held against their limits: what is too long is as wrong as what is
 * too short, so nothing can ride along unseen. Structures are read in place, for the buffer is
 * aligned and the machine little-endian (the top-level build file refuses others).
 */

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "cprof/object_source.h"
#include "cprof/base/cleanup.h"
#include "cprof/wire.h"
#include "cost.h"
#include "named.h"
#include "text.h"

_Static_assert(sizeof(struct wire_head) == 16, "wire_head");
_Static_assert(sizeof(struct wire_open) == 112, "wire_open");
_Static_assert(sizeof(struct wire_opened) == 24, "wire_opened");
_Static_assert(sizeof(struct wire_object) == 856, "wire_object");
_Static_assert(sizeof(struct wire_rows) == 296, "wire_rows");
_Static_assert(sizeof(struct wire_make_pages) == 24, "wire_make_pages");
_Static_assert(sizeof(struct wire_open_debug) == 80, "wire_open_debug");
_Static_assert(sizeof(struct wire_debug_opened) == 24, "wire_debug_opened");
_Static_assert(sizeof(struct wire_debug_file) == 24, "wire_debug_file");
_Static_assert(sizeof(struct wire_companion_want) == 48, "wire_companion_want");
_Static_assert(sizeof(struct wire_companion) == 72, "wire_companion");
_Static_assert(sizeof(struct wire_open_companion) == 88, "wire_open_companion");
_Static_assert(sizeof(struct wire_companion_opened) == 32, "wire_companion_opened");
_Static_assert(sizeof(struct wire_companion_file) == 32, "wire_companion_file");
_Static_assert(sizeof(struct wire_maps) == 88, "wire_maps");
_Static_assert(sizeof(struct wire_mapped) == 24, "wire_mapped");
_Static_assert(sizeof(struct wire_range) == 104, "wire_range");
_Static_assert(sizeof(struct wire_config) == 9512, "wire_config");
_Static_assert(sizeof(struct wire_listen) == 24, "wire_listen");
_Static_assert(sizeof(struct wire_roles) == 536, "wire_roles");
_Static_assert(sizeof(struct wire_state) == 536, "wire_state");

struct wire_kind {
	size_t min_sz;
	/* Of a message of at least min_sz; NULL: it is exactly min_sz and anything goes. */
	bool (*check)(const void *msg, size_t sz);
};

static bool check_peer(const void *msg, size_t sz)
{
	const struct wire_peer *m = msg;

	return sz == sizeof(*m) && m->role >= WIRE_ROLE_SAMPLER && m->role < WIRE_ROLE_MAX;
}

static bool check_config(const void *msg, size_t sz)
{
	const struct wire_config *m = msg;

	return sz == sizeof(*m) && config_is_valid(&m->config);
}

static bool check_listen(const void *msg, size_t sz)
{
	const struct wire_listen *m = msg;

	return sz == sizeof(*m) && m->kind < WIRE_LISTEN_MAX;
}

static bool check_roles(const void *msg, size_t sz)
{
	const struct wire_roles *m = msg;

	return sz == sizeof(*m) && wire_costs_are_valid(m->costs, m->cnt) &&
	       m->problem_len <= sizeof(m->problem) &&
	       wire_text_is_clean(m->problem, m->problem_len);
}

/* It failed, and does not say why: that helps nobody. */
static bool check_state(const void *msg, size_t sz)
{
	const struct wire_state *m = msg;

	return sz == sizeof(*m) && m->kind < WIRE_STATE_MAX && m->text_len <= sizeof(m->text) &&
	       wire_text_is_clean(m->text, m->text_len) &&
	       (m->kind != WIRE_STATE_FAILED || m->text_len > 0);
}

static bool check_open(const void *msg, size_t sz)
{
	const struct wire_open *m = msg;

	return sz == sizeof(*m) && m->kind < WIRE_FILE_KIND_MAX;
}

static bool check_file(const void *msg, size_t sz)
{
	const struct wire_file *m = msg;

	return sz == sizeof(*m) && m->kind < WIRE_FILE_KIND_MAX;
}

static bool check_maps(const void *msg, size_t sz)
{
	const struct wire_maps *m = msg;
	const uint64_t *addresses = (const void *)(m + 1);

	if (m->cnt > WIRE_MAPS_MAX || sz != sizeof(*m) + m->cnt * sizeof(uint64_t))
		return false;
	for (uint32_t i = 1; i < m->cnt; i++) {
		if (addresses[i - 1] >= addresses[i])
			return false;
	}
	return true;
}

static bool check_range(const struct wire_range *r)
{
	if (r->kind == WIRE_RANGE_NONE || r->kind == WIRE_RANGE_UNKNOWN)
		return true;
	return r->kind < WIRE_RANGE_MAX && r->start < r->end;
}

static bool check_mapped(const void *msg, size_t sz)
{
	const struct wire_mapped *m = msg;
	const struct wire_range *ranges = (const void *)(m + 1);

	if (m->status != WIRE_OPENED_OK && m->status != WIRE_OPENED_GONE &&
	    m->status != WIRE_OPENED_FAILED)
		return false;
	if (m->cnt > WIRE_MAPS_MAX || sz != sizeof(*m) + m->cnt * sizeof(*ranges) ||
	    (m->status != WIRE_OPENED_OK && m->cnt > 0))
		return false;
	for (uint32_t i = 0; i < m->cnt; i++) {
		if (!check_range(&ranges[i]))
			return false;
	}
	return true;
}

static bool check_opened(const void *msg, size_t sz)
{
	const struct wire_opened *m = msg;

	return m->status < WIRE_OPENED_MAX && m->path_len <= WIRE_PATH_MAX &&
	       sz == sizeof(*m) + m->path_len;
}

static bool check_object(const void *msg, size_t sz)
{
	const struct wire_object *m = msg;

	return sz == sizeof(*m) && m->status < WIRE_OBJECT_MAX && m->elf <= OBJECT_ELF_DYN &&
	       m->segments_cnt <= OBJECT_SEGMENTS_MAX && m->build_id_sz <= OBJECT_BUILD_ID_MAX &&
	       m->lined <= WIRE_LINED_ALL && (m->sources & ~(uint32_t)OBJECT_SOURCE_ALL) == 0;
}

bool wire_link_is_valid(const char *name, size_t len)
{
	return len > 0 && len <= WIRE_LINK_MAX && name[0] != '.' && !memchr(name, '/', len) &&
	       !memchr(name, '\0', len);
}

static bool check_rows(const void *msg, size_t sz)
{
	const struct wire_rows *m = msg;

	return sz == sizeof(*m) && m->status < WIRE_ROWS_MAX && m->bytes <= WIRE_ROWS_BYTES_MAX &&
	       m->part <= WIRE_PART_ALL &&
	       (m->lined == 0 || m->lined == WIRE_LINED || m->lined == WIRE_LINED_PAGES) &&
	       (m->link_len == 0 || wire_link_is_valid(m->link, m->link_len));
}

/* They ascend, so that none comes twice. */
static bool check_make_pages(const void *msg, size_t sz)
{
	const struct wire_make_pages *m = msg;
	const uint32_t *pages = (const uint32_t *)(m + 1);

	if (m->cnt > WIRE_PAGES_MAX || sz != sizeof(*m) + m->cnt * sizeof(*pages))
		return false;
	for (uint32_t i = 1; i < m->cnt; i++) {
		if (pages[i] <= pages[i - 1])
			return false;
	}
	return true;
}

static bool check_open_debug(const void *msg, size_t sz)
{
	const struct wire_open_debug *m = msg;
	const char *link = (const char *)(m + 1);

	return m->link_len <= WIRE_LINK_MAX && m->path_len <= WIRE_PATH_MAX &&
	       sz == sizeof(*m) + m->link_len + m->path_len &&
	       m->build_id_sz <= OBJECT_BUILD_ID_MAX &&
	       (m->link_len == 0 || wire_link_is_valid(link, m->link_len)) &&
	       (m->path_len == 0 ||
		(link[m->link_len] == '/' && !memchr(link + m->link_len, '\0', m->path_len)));
}

static bool check_debug_opened(const void *msg, size_t sz)
{
	const struct wire_debug_opened *m = msg;

	return sz == sizeof(*m) &&
	       (m->status == WIRE_OPENED_OK || m->status == WIRE_OPENED_NONE ||
		m->status == WIRE_OPENED_FAILED || m->status == WIRE_OPENED_HUNG);
}

/* Behind a message of @sz bytes there is as much as it says, of which @path_len come last. */
static bool want_is_valid(const struct wire_companion_want *w, size_t sz, size_t head_sz,
			  size_t path_len)
{
	const char *texts = (const char *)(w + 1);

	return w->kind < WIRE_COMPANION_KIND_MAX && w->name_len > 0 &&
	       w->name_len <= WIRE_PATH_MAX && w->dir_len <= WIRE_PATH_MAX &&
	       path_len <= WIRE_PATH_MAX && w->build_id_sz <= OBJECT_BUILD_ID_MAX &&
	       sz == head_sz + w->name_len + w->dir_len + path_len &&
	       !memchr(texts, '\0', (size_t)w->name_len + w->dir_len);
}

static bool check_companion(const void *msg, size_t sz)
{
	const struct wire_companion *m = msg;

	if (m->status == WIRE_COMPANION_WANTED)
		return want_is_valid(&m->want, sz, sizeof(*m), 0);
	return sz == sizeof(*m) && m->status < WIRE_COMPANION_STATUS_MAX;
}

static bool check_open_companion(const void *msg, size_t sz)
{
	const struct wire_open_companion *m = msg;
	const char *path = (const char *)(m + 1) + m->want.name_len + m->want.dir_len;

	return want_is_valid(&m->want, sz, sizeof(*m), m->path_len) &&
	       (m->path_len == 0 || (path[0] == '/' && !memchr(path, '\0', m->path_len)));
}

static bool check_companion_opened(const void *msg, size_t sz)
{
	const struct wire_companion_opened *m = msg;

	return sz == sizeof(*m) &&
	       (m->status == WIRE_OPENED_OK || m->status == WIRE_OPENED_NONE ||
		m->status == WIRE_OPENED_FAILED || m->status == WIRE_OPENED_HUNG);
}

static bool check_sandbox(const void *msg, size_t sz)
{
	const struct wire_sandbox *m = msg;

	return sz == sizeof(*m) && (m->layers | m->missing) <= WIRE_LAYER_ALL &&
	       (m->layers & m->missing) == 0;
}

static bool check_names(const void *msg, size_t sz)
{
	const struct wire_names *m = msg;

	return m->cnt <= WIRE_NAMES_MAX && sz == sizeof(*m) + m->cnt * sizeof(uint64_t);
}

static const struct wire_kind wire_kinds[WIRE_TYPE_MAX] = {
	[WIRE_PEER] = { sizeof(struct wire_peer), check_peer },
	[WIRE_KALLSYMS] = { sizeof(struct wire_head), NULL },
	[WIRE_STOP] = { sizeof(struct wire_head), NULL },
	[WIRE_READY] = { sizeof(struct wire_head), NULL },
	[WIRE_OPEN] = { sizeof(struct wire_open), check_open },
	[WIRE_OPENED] = { sizeof(struct wire_opened), check_opened },
	[WIRE_FILE] = { sizeof(struct wire_file), check_file },
	[WIRE_OBJECT] = { sizeof(struct wire_object), check_object },
	[WIRE_NAMES] = { sizeof(struct wire_names), check_names },
	[WIRE_NAMED] = { sizeof(struct wire_named), named_check },
	[WIRE_FORGET] = { sizeof(struct wire_head), NULL },
	[WIRE_MAPS] = { sizeof(struct wire_maps), check_maps },
	[WIRE_MAPPED] = { sizeof(struct wire_mapped), check_mapped },
	[WIRE_CONFIG] = { sizeof(struct wire_config), check_config },
	[WIRE_SPOOL] = { sizeof(struct wire_head), NULL },
	[WIRE_LISTEN] = { sizeof(struct wire_listen), check_listen },
	[WIRE_ROLES] = { sizeof(struct wire_roles), check_roles },
	[WIRE_STATE] = { sizeof(struct wire_state), check_state },
	[WIRE_PROGRESS] = { sizeof(struct wire_head), NULL },
	[WIRE_ROWS] = { sizeof(struct wire_rows), check_rows },
	[WIRE_MAKE_ROWS] = { sizeof(struct wire_head), NULL },
	[WIRE_CLOSE] = { sizeof(struct wire_head), NULL },
	[WIRE_RELEASE] = { sizeof(struct wire_head), NULL },
	[WIRE_OPEN_DEBUG] = { sizeof(struct wire_open_debug), check_open_debug },
	[WIRE_DEBUG_OPENED] = { sizeof(struct wire_debug_opened), check_debug_opened },
	[WIRE_DEBUG_FILE] = { sizeof(struct wire_debug_file), NULL },
	[WIRE_SANDBOX] = { sizeof(struct wire_sandbox), check_sandbox },
	[WIRE_NEXT_COMPANION] = { sizeof(struct wire_head), NULL },
	[WIRE_COMPANION] = { sizeof(struct wire_companion), check_companion },
	[WIRE_OPEN_COMPANION] = { sizeof(struct wire_open_companion), check_open_companion },
	[WIRE_COMPANION_OPENED] = { sizeof(struct wire_companion_opened), check_companion_opened },
	[WIRE_COMPANION_FILE] = { sizeof(struct wire_companion_file), NULL },
	[WIRE_MAKE_PAGES] = { sizeof(struct wire_make_pages), check_make_pages },
};

int wire_check(const void *msg, size_t sz)
{
	const struct wire_head *head = msg;
	const struct wire_kind *kind;

	assert((uintptr_t)msg % _Alignof(uint64_t) == 0);

	if (sz < sizeof(*head) || sz > WIRE_MESSAGE_MAX || head->size != sz)
		return -EBADMSG;
	if (head->type == 0 || head->type >= WIRE_TYPE_MAX)
		return -EBADMSG;
	kind = &wire_kinds[head->type];
	if (sz < kind->min_sz)
		return -EBADMSG;
	if (kind->check ? !kind->check(msg, sz) : sz != kind->min_sz)
		return -EBADMSG;
	return head->type;
}
