/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a path tells: the unit and the container. Paths are strangers' text, for whoever may make a
 * group below their own names it: the first match from the root counts, which only root made.
 *
 * Where the patterns come from: systemd's unit names (systemd.unit(5), src/basic/unit-name.c), the
 * cgroup drivers of runc and crun ("systemd" and "cgroupfs"), kubelet's pod groups, lxc.container.conf(5).
 */

#include <ctype.h>
#include <string.h>

#include "cprof/cgroups.h"

#define ID_LEN 64 /* of docker, containerd, CRI-O and podman: SHA-256 in hex */

struct piece {
	const char *at;
	size_t len;
};

enum form {
	FORM_ID,   /* 64 hex digits */
	FORM_NAME, /* anything */
	FORM_UNIT, /* a part of a unit's name: escaped with \xNN */
};

struct pattern {
	const char *above;  /* the whole component above it; NULL: any */
	const char *pod;    /* or how the component above it begins */
	const char *prefix; /* around the id or name */
	const char *suffix;
	enum form form;
};

static const struct pattern patterns[] = {
	{ NULL, NULL, "docker-", ".scope", FORM_ID },
	{ "docker", NULL, "", "", FORM_ID },
	{ NULL, NULL, "cri-containerd-", ".scope", FORM_ID },
	{ NULL, NULL, "crio-", ".scope", FORM_ID },
	{ NULL, NULL, "crio-", "", FORM_ID },
	{ NULL, NULL, "libpod-", ".scope", FORM_ID },
	{ NULL, NULL, "libpod-", "", FORM_ID },
	{ NULL, "pod", "", "", FORM_ID },
	{ NULL, "kubepods", "", "", FORM_ID },
	{ NULL, NULL, "lxc.payload.", "", FORM_NAME },
	{ "lxc.payload", NULL, "", "", FORM_NAME },
	{ "lxc", NULL, "", "", FORM_NAME },
	{ "machine.slice", NULL, "machine-", ".scope", FORM_UNIT },
	{ "machine.slice", NULL, "systemd-nspawn@", ".service", FORM_UNIT },
};

/* The next component at or behind @path; empty at the end. */
static struct piece next_piece(const char *path)
{
	path += strspn(path, "/");
	return (struct piece){ path, strcspn(path, "/") };
}

static bool piece_is(struct piece p, const char *text)
{
	return p.len == strlen(text) && memcmp(p.at, text, p.len) == 0;
}

static bool piece_begins(struct piece p, const char *text)
{
	return p.len >= strlen(text) && memcmp(p.at, text, strlen(text)) == 0;
}

/* Ends in it and is more than that. */
static bool piece_ends(struct piece p, const char *text)
{
	size_t len = strlen(text);

	return p.len > len && memcmp(p.at + p.len - len, text, len) == 0;
}

static bool is_unit(struct piece p)
{
	return p.len < CGROUPS_UNIT_SZ && (piece_ends(p, ".service") || piece_ends(p, ".scope"));
}

bool cgroups_unit(const char *path, char dst[static CGROUPS_UNIT_SZ])
{
	for (struct piece p = next_piece(path); p.len > 0; p = next_piece(p.at + p.len)) {
		if (!is_unit(p))
			continue;
		memcpy(dst, p.at, p.len);
		dst[p.len] = '\0';
		return true;
	}
	return false;
}

bool cgroups_is_unit(const char *path, const char *unit)
{
	for (struct piece p = next_piece(path); p.len > 0; p = next_piece(p.at + p.len)) {
		bool last = next_piece(p.at + p.len).len == 0;

		if (is_unit(p) || last)
			return last && piece_is(p, unit) && (is_unit(p) || piece_ends(p, ".slice"));
	}
	return false;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_id(struct piece p)
{
	if (p.len != ID_LEN)
		return false;
	for (size_t i = 0; i < p.len; i++) {
		if (hex(p.at[i]) < 0)
			return false;
	}
	return true;
}

/* Undoes \xNN where it stands for a printable character; @dst has room for all of @p. */
static size_t unescape(char *dst, struct piece p)
{
	size_t len = 0;

	for (size_t i = 0; i < p.len; i++, len++) {
		int hi = -1, lo = -1;

		if (p.len - i >= 4 && p.at[i] == '\\' && p.at[i + 1] == 'x') {
			hi = hex(p.at[i + 2]);
			lo = hex(p.at[i + 3]);
		}
		if (hi < 0 || lo < 0 || !isgraph(16 * hi + lo) || 16 * hi + lo == '/') {
			dst[len] = p.at[i];
			continue;
		}
		dst[len] = (char)(16 * hi + lo);
		i += 3;
	}
	return len;
}

static bool pattern_fits(const struct pattern *m, struct piece above, struct piece p,
			 struct piece *ret)
{
	size_t around = strlen(m->prefix) + strlen(m->suffix);

	if ((m->above && !piece_is(above, m->above)) || (m->pod && !piece_begins(above, m->pod)))
		return false;
	if (p.len <= around || p.len - around >= CGROUPS_CONTAINER_SZ)
		return false;
	if (!piece_begins(p, m->prefix) || !(m->suffix[0] == '\0' || piece_ends(p, m->suffix)))
		return false;
	*ret = (struct piece){ p.at + strlen(m->prefix), p.len - around };
	return m->form != FORM_ID || is_id(*ret);
}

bool cgroups_container(const char *path, char dst[static CGROUPS_CONTAINER_SZ])
{
	struct piece above = { path, 0 }, found;

	for (struct piece p = next_piece(path); p.len > 0; p = next_piece(p.at + p.len)) {
		for (size_t i = 0; i < ELEMENTSOF(patterns); i++) {
			size_t len;

			if (!pattern_fits(&patterns[i], above, p, &found))
				continue;
			len = patterns[i].form == FORM_UNIT
				      ? unescape(dst, found)
				      : (size_t)((char *)mempcpy(dst, found.at, found.len) - dst);
			dst[len] = '\0';
			return true;
		}
		above = p;
	}
	return false;
}
