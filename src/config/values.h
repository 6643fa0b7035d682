/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * values — what may stand behind a "Key=". Each reader returns NULL, or why the text is no such
 * value, as a few words for one person.
 */

#include <stdint.h>

const char *value_number(const char *text, uint64_t *ret);
/* "90", "60s", "1h 30min", as systemd.time(7): nanoseconds. */
const char *value_span(const char *text, uint64_t *ret);
/* "512M", with systemd's suffixes to the base of 1024: bytes. */
const char *value_size(const char *text, uint64_t *ret);
/* "15%", "0.5%": parts per million. */
const char *value_share(const char *text, uint64_t *ret);
/* yes, true, on, 1, or their contrary. */
const char *value_bool(const char *text, uint64_t *ret);

/* Texts; why one is not allowed. */
const char *value_event(const char *text);
const char *value_path(const char *text);
const char *value_socket(const char *text);
const char *value_group(const char *text);
/* Words "comm:GLOB", "exe:GLOB", "unit:GLOB", "pid:N". */
const char *value_globs(const char *text);

#define VALUE_RANGE "out of range"
#define VALUE_SPACE " \t\r\n"
