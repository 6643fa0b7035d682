/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * log — one line to stderr, from the programs only (daemon/, src/ctl/): modules return errors.
 *
 * Lines go out with one write(2). Under systemd (a journal stream on stderr) they carry the "<N>"
 * priority prefix of sd-daemon(3). Control characters in arguments are the caller's to clean.
 */

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

/* @name is the program's, e.g. "cprofd-sampler"; lines above @level are dropped. */
void log_open(const char *name, enum log_level level);

/* The level of a role by its command line: the launcher gives it --verbose, or nothing. */
enum log_level log_role_level(int argc, char *const *argv);

/* "%m" in @fmt is the text of -@error. Returns @error, so that `return log_error(r, "...: %m")`. */
int log_line(enum log_level level, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(error, ...) log_line(LOG_LEVEL_ERROR, (error), __VA_ARGS__)
#define log_warning(error, ...) log_line(LOG_LEVEL_WARNING, (error), __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, 0, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, 0, __VA_ARGS__)

/* Whether stderr is the journal. */
bool log_is_journal(void);

/* One kind of line that may come in storms: at most one a minute goes out. All zero to begin with. */
struct log_limit {
	uint64_t next_ns;
	unsigned held;
};

/* May one go out now? Then *ret_more tells how many were held back since the one before. */
bool log_limit_pass(struct log_limit *l, uint64_t now_ns, unsigned *ret_more);

#define LOG_MORE_SZ 48

/* " (and 41 more like it)", or nothing; for the end of such a line. Returns @buf. */
const char *log_more(char buf[static LOG_MORE_SZ], unsigned more);
