/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config — the daemon's configuration: /etc/cprofd/cprofd.conf, drop-ins, and options of the command
 * line, in systemd's form (systemd.syntax(7): sections, Key=Value, a later assignment wins, lists
 * grow, an empty assignment brings the default back).
 *
 * Plain data without pointers: the launcher reads it, and hands it to the roles in one message. Sizes
 * are bytes, times nanoseconds, shares parts per million. Keys that are not known are warned of; a
 * value that is wrong is an error that names file, line, key and what is allowed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/root.h"

#define CONFIG_PATH_SZ 1024
#define CONFIG_GLOBS_SZ 4096
#define CONFIG_NAME_SZ 64
#define CONFIG_EVENT_SZ 32
#define CONFIG_SOCKET_SZ 104 /* of sun_path, with room for a neighbour's name */
#define CONFIG_PPM 1000000u

struct config {
	/* [Sampling] */
	uint32_t hz;
	uint32_t frames_max;
	char event[CONFIG_EVENT_SZ];   /* of event.def; empty: auto */
	char include[CONFIG_GLOBS_SZ]; /* words "comm:GLOB", exe:, unit:, pid:; empty: all */
	char exclude[CONFIG_GLOBS_SZ];
	/* [Profiles] */
	uint64_t window_ns;
	uint64_t use_max; /* bytes, as the file system counts them */
	uint64_t files_max;
	uint64_t age_max_ns;
	uint32_t keep_free_ppm; /* of the file system */
	uint32_t pad;
	char directory[CONFIG_PATH_SZ];
	/* [Symbols] */
	uint32_t symbolize; /* 0 or 1 */
	/* [Limits] */
	uint32_t cpu_ppm;	/* of all CPUs, all roles and BPF, mean of 60 s */
	uint64_t memory;	/* sum of the roles' PSS and of BPF's maps */
	uint64_t unwind_memory; /* of it, unwinding rows */
	/* [Control] */
	char socket[CONFIG_SOCKET_SZ];
	char group[CONFIG_NAME_SZ];
};

void config_defaults(struct config *ret);

/* One line for one person: "FILE:LINE: what: why; what is allowed". @error: it is one, else a warning. */
typedef void (*config_problem_fn)(const char *text, bool error, void *ctx);

struct config_source {
	const struct root *root;    /* below which /etc, /run and /usr/lib lie */
	const char *file;	    /* any path, instead of all of these; NULL: the usual places */
	const char *const *options; /* "Section.Key=VALUE", stronger than any file */
	size_t options_cnt;
	config_problem_fn on_problem; /* may be NULL */
	void *ctx;
};

/*
 * Reads all of it over the defaults: cprofd.conf, of /etc/cprofd, /run/cprofd, /usr/lib/cprofd the
 * first that has it; then *.conf of cprofd.conf.d in all three, by name, where one in /etc hides its
 * namesakes in /run, and one there those in /usr/lib (a link to /dev/null does only that); then the
 * options. 0; -EINVAL: there was an error, all of which were told; -errno: a file could not be read
 * (told too). *ret is set on success only. No file at all is no error, but @file must be there.
 */
int config_load(const struct config_source *source, struct config *ret);

/* One file's text, with its name for what is told of it. */
struct config_text {
	const char *name;
	const char *bytes;
	size_t sz;
};

/*
 * Parses one text over what is in *config; for config_load() and the fuzzer. 0, -EINVAL or -ENOMEM,
 * both told: then *config has what was right.
 */
int config_parse(const struct config_text *text, struct config *config,
		 config_problem_fn on_problem, void *ctx);

/* Is it sane: terminated texts, values within their bounds? For whoever receives one. */
bool config_is_valid(const struct config *config);

/* A process as Include= and Exclude= see it. What is not known is NULL, or 0: nothing matches it. */
struct config_subject {
	const char *comm;
	const char *exe; /* path */
	const char *unit;
	uint32_t pid;
};

/*
 * Does one of the words match? None of "" does. In a GLOB "*" is anything, also slashes, "?" any
 * byte, "[a-z]" and "[!a-z]" sets; a unit may go without its ".service".
 */
bool config_globs_match(const char *globs, const struct config_subject *subject);

/* Every key, for --help, the manual page and its test. NULL after the last. */
struct config_key {
	const char *section;
	const char *name;
	const char *value;   /* what is allowed: "1 to 10000" */
	const char *initial; /* the default, as it would be written */
	const char *prose;
};
const struct config_key *config_key(size_t i);
